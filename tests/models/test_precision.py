"""bfloat16 on request: marked in the name, in the keys and in the record, close to float32."""

import numpy as np
import pytest
import torch
from known import benchmark, brain
from recorded_notes import RecordedNotes

import brainbench
from brainbench.core import progress, stimuli
from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.models.structure import depth_of, sizes_of
from brainbench.models.wrap import wrap
from brainbench.scoring.pipeline import score
from brainbench.storage.cache import Cache


@pytest.fixture
def shown():
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    return stimuli.from_arrays("noise", pictures, ids=[f"im{k}" for k in range(6)])


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, 4), torch.nn.ReLU())
    return wrap(net, layers={"IT": "1"}, name="tiny", cache=Cache(tmp_path))


def test_bf16_is_another_model(model):
    other = model.on(precision="bf16")
    assert (model.name, model.precision) == ("tiny", "float32")
    assert (other.name, other.precision) == ("tiny+bf16", "bf16")
    assert model.digest != other.digest
    assert other.on(device="cpu").name == "tiny+bf16"
    assert other.on(precision="float32").name == "tiny"
    assert other.on(precision="float32").digest == model.digest


def test_responses_differ_by_the_rounding_of_bfloat16(model, shown):
    full = model.activations(shown, ["1"])["1"].values
    half = model.on(precision="bf16").activations(shown, ["1"])["1"]
    assert half.dtype == np.float32
    assert half.attrs["precision"] == "bf16"
    relative = np.linalg.norm(half.values - full) / np.linalg.norm(full)
    assert 1e-5 < relative < 2e-2  # 8 bits of mantissa
    # Every value is one of bfloat16: its lower 16 bits are empty.
    assert not (half.values.view(np.uint32) & 0xFFFF).any()


def test_afterwards_torch_computes_in_float32_again(model, shown):
    model.on(precision="bf16").activations(shown, ["1"])
    assert not torch.is_autocast_enabled("cpu")


def test_an_unknown_precision_is_named(model):
    with pytest.raises(UnknownNameError, match="float16"):
        model.on(precision="float16")
    with pytest.raises(UnknownNameError, match="bf16"):
        brainbench.score("pixels", "Simulated.IT-pls", precision="half")


def test_what_is_no_torch_module_says_that_it_computes_as_it_does(tmp_path):
    function = wrap(lambda images: images, name="function", cache=Cache(tmp_path))
    told = RecordedNotes()
    with progress.use(told):
        assert function.on(precision="bf16").name == "function"
    (note,) = told.notes
    assert note.startswith("function: ")
    assert "bf16" in note


def test_the_record_says_bf16(tmp_path, shown):
    data = brain(np.random.default_rng(1).standard_normal((40, 5)))
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten())
    made = wrap(net, layers={"IT": "1"}, name="net", cache=Cache(tmp_path))
    scored = score(benchmark(data), made.on(precision="bf16"))
    assert (scored.model, scored.record.precision) == ("net+bf16", "bf16")


# Networks whose weights have another precision

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


def _tiny(dtype=torch.float32):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 7, 4), torch.nn.BatchNorm2d(8), torch.nn.Flatten()
    )
    return net.to(dtype)


@pytest.mark.parametrize("name", DTYPES)
def test_images_follow_the_weights_and_the_name_says_so(tmp_path, shown, name):
    def wrapped(dtype):
        return wrap(_tiny(dtype), layers={"IT": "2"}, name="tiny", cache=Cache(tmp_path))

    model, plain = wrapped(DTYPES[name]), wrapped(torch.float32)
    assert (model.name, model.precision) == (f"tiny+{name}", name)
    assert (plain.name, plain.precision) == ("tiny", "float32")
    assert model.digest != plain.digest
    got = model.activations(shown, ["2"])["2"]
    assert got.dtype == np.float32
    assert got.attrs["precision"] == name
    expected = plain.activations(shown, ["2"])["2"].values
    np.testing.assert_allclose(got, expected, atol={"float64": 1e-5}.get(name, 0.05))
    assert (got.values != expected).any()
    assert sizes_of(model, ["0"])["0"].shape == (8, 55, 55)
    assert depth_of(model) == 1
    assert model.network.net[0].weight.dtype == DTYPES[name]


def test_the_first_weights_of_mixed_ones_decide(tmp_path, shown):
    class Mixed(torch.nn.Sequential):
        def forward(self, images):
            return self[1](self[0](images).float())

    net = Mixed(torch.nn.Conv2d(3, 8, 7, 4).half(), torch.nn.BatchNorm2d(8))
    model = wrap(net, layers={"IT": "1"}, cache=Cache(tmp_path))
    assert model.precision == "float16"
    assert model.activations(shown, ["1"])["1"].shape == (6, 8 * 55 * 55, 1)


def test_such_a_network_keeps_its_precision_and_says_so(tmp_path):
    model = wrap(_tiny(torch.float64), layers={"IT": "2"}, name="tiny", cache=Cache(tmp_path))
    told = RecordedNotes()
    with progress.use(told):
        assert model.on(precision="bf16").name == "tiny+float64"
        assert model.on(precision="float32").precision == "float64"
    assert all("tiny+float64" in note for note in told.notes)
    assert len(told.notes) == 2
    assert model.on(precision="float64").name == "tiny+float64"


def test_a_score_of_such_a_network_is_its_own(tmp_path):
    data = brain(np.random.default_rng(1).standard_normal((40, 5)))
    model = wrap(_tiny(torch.float16), layers={"IT": "0"}, name="net", cache=Cache(tmp_path))
    scored = brainbench.score(model, benchmark(data), results=tmp_path / "results")
    assert (scored.model, scored.record.precision) == ("net+float16", "float16")


def test_a_network_that_is_converted_after_it_was_wrapped_is_an_error(model, shown):
    model.network.net.double()
    with pytest.raises(InputError, match=r"float32.*float64"):
        model.activations(shown, ["1"])


def test_values_of_a_double_network_beyond_float32_are_an_error(tmp_path, shown):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, 4)).double()
    with torch.no_grad():
        net[0].bias += 1e300
    with pytest.raises(ActivationError, match=r"'0' .*inf"):
        wrap(net, layers={"IT": "0"}, cache=Cache(tmp_path)).activations(shown, ["0"])


def test_a_precision_that_torch_does_not_compute_in_is_an_error():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, 4)).to(torch.float8_e4m3fn)
    with pytest.raises(InputError, match="float8"):
        wrap(net, layers={"IT": "0"})
