"""bfloat16 on request: marked in the name, in the keys and in the record, close to float32."""

import numpy as np
import pytest
import torch
from known import benchmark, brain
from recorded_notes import RecordedNotes

import brainbench
from brainbench.core import progress, stimuli
from brainbench.core.errors import UnknownNameError
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
