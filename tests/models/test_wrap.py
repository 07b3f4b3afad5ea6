"""`wrap`: what comes back, what is cached, what goes wrong and how it says so."""

from __future__ import annotations

import copy
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import xarray as xr
from damages import DAMAGES
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress, stimuli
from brainbench.core.errors import ActivationError, CacheError, InputError, UnknownNameError
from brainbench.core.model import BrainModel
from brainbench.core.presentation import Presentation
from brainbench.core.provenance import counting
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.models import recomputed
from brainbench.models.network import TorchNetwork
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache, healed

SMALL = Preprocess(name="small", size=(8, 8))
TWO_STEPS = Timeline(name="two", source="test", steps={"step": [(0, 100), (100, 200)]})


class Net(nn.Module):
    """A convolution, an in-place tail, a layer that runs twice; counts its images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.step = nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 5)
        self.unused = nn.Linear(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.conv(images))
        x = self.step(self.step(x))
        return self.head(self.pool(x).flatten(1))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def pictures(n: int = 5, *, seed: int = 0, **columns: Any) -> StimulusSet:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    ids = [f"p{index}" for index in range(n)]
    return stimuli.from_arrays("pictures", pixels, ids=ids, metadata=columns)


def wrapped(net: Any, store: Cache, **options: Any) -> WrappedModel:
    chosen: dict[str, Any] = {
        "layers": {"V1": "conv", "IT": ["pool", "head"]},
        "preprocess": SMALL,
        "cache": store,
        "device": "cpu",
        **options,
    }
    return wrap(net, **chosen)


def files(store: Cache) -> list[str]:
    folder = store.folder / "activations"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def direct(net: nn.Module, shown: StimulusSet) -> Tensor:
    return (
        torch.from_numpy(np.stack([shown.picture(i) for i in range(len(shown))]))
        .permute(0, 3, 1, 2)
        .float()
        .div(255)
    )


# What comes back


def test_activations_equal_the_layers_and_keep_their_places(net: Net, store: Cache) -> None:
    shown = pictures(5, object_name=list("aabbc"))
    answers = wrapped(net, store, batch_size=2).activations(shown, ["conv", "head", "pool"])
    assert list(answers) == ["conv", "head", "pool"]
    with torch.no_grad():
        conv = net.conv(direct(net, shown)).numpy()
        head = net(direct(net, shown)).numpy()
    got = answers["conv"]
    assert got.dims == ("stimulus", "neuroid", "time")
    assert got.shape == (5, 4 * 8 * 8, 1)
    for index in (0, 77, 255):
        unit = got.isel(neuroid=index)
        place = (slice(None), int(unit.channel), int(unit.y), int(unit.x))
        np.testing.assert_allclose(unit.values[:, 0], conv[place], atol=1e-6)
    np.testing.assert_allclose(answers["head"].values[..., 0], head, atol=1e-6)
    assert answers["head"].channel.values.tolist() == [0, 1, 2, 3, 4]
    assert set(got.layer.values) == {"conv"}
    assert got.object_name.values.tolist() == list("aabbc")
    assert got.attrs["units"] == "a.u."
    assert got.time_start.values.tolist() == [0.0]
    assert np.isinf(got.time_end.values).all()
    assert not got.variable._in_memory


def test_it_is_a_brain_model(net: Net, store: Cache) -> None:
    model = wrapped(net, store, name="mine", weights="imagenet", behavior="head")
    assert isinstance(model, BrainModel)
    assert (model.name, model.weights, model.static) == ("mine", "imagenet", True)
    areas = {"V1": ("conv",), "IT": ("pool", "head"), "behavior": ("head",)}
    assert model.areas == areas
    assert wrapped(lambda images: images, store, layers=()).name.startswith("function-")
    assert set(wrapped(net, store, layers=["conv", "head"]).areas) == {"V1", "V2", "V4", "IT"}


def test_a_default_name_holds_digits_of_the_digest(store: Cache) -> None:
    shallow, deep = (nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(n)]) for n in (1, 2))
    names = {wrapped(net, store, layers=["0"]).name for net in (shallow, deep)}
    assert len(names) == 2
    model = wrapped(deep, store, layers=["0"])
    assert model.name == f"Sequential-{model.digest[:8]}" == wrapped(deep, store, layers=["0"]).name
    assert model.weights == "as given"
    assert model.on(precision="bf16").name == f"{model.name}+bf16"


def test_a_version_stands_for_the_code(store: Cache) -> None:
    def twice(images: Any) -> Any:
        return 2 * images

    def thrice(images: Any) -> Any:
        return 3 * images

    thrice.__qualname__ = twice.__qualname__
    one, other = (wrapped(f, store, layers=(), version="mine-1") for f in (twice, thrice))
    assert one.digest == other.digest
    assert wrapped(twice, store, layers=(), version="mine-2").digest != one.digest
    assert wrapped(twice, store, layers=()).digest != wrapped(thrice, store, layers=()).digest


def test_stimulus_metadata_with_the_names_of_places_is_kept_beside_them(
    net: Net, store: Cache
) -> None:
    shown = pictures(2, x=[0.5, -0.5])
    got = wrapped(net, store).activations(shown, ["conv"])["conv"]
    assert got.x.dims == ("neuroid",)
    assert got.stimulus_x.values.tolist() == [0.5, -0.5]


def test_tokens_and_tuples_are_handled(store: Cache) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.LSTM(24, 6, batch_first=True)

        def forward(self, images: Tensor) -> Tensor:
            out: Tensor = self.block(images.permute(0, 2, 1, 3).flatten(2))[0]
            return out

    model = wrapped(Tokens(), store, layers={"IT": "block"})
    got = model.activations(pictures(3), ["block"])["block"]
    assert got.shape == (3, 8 * 6, 1)
    assert got.token.values[:7].tolist() == [0] * 6 + [1]


def test_any_presentation_becomes_a_constant_image_and_shares_its_cache(
    net: Net, store: Cache
) -> None:
    model, shown = wrapped(net, store), pictures()
    model.activations(shown, ["head"])
    with counting() as costs:
        model.activations(shown, ["head"], Presentation(kind="pulse", on_ms=100, total_ms=250))
    assert costs.images == 0


# Steps and repeated calls


def test_calls_become_steps_where_the_timeline_declares_them(net: Net, store: Cache) -> None:
    model, shown = wrapped(net, store, timeline=TWO_STEPS), pictures(3)
    got = model.activations(shown, ["step"])["step"]
    assert got.sizes["time"] == 2
    assert got.time_start.values.tolist() == [0, 100]
    with torch.no_grad():
        first = net.step(torch.relu(net.conv(direct(net, shown))))
        expected = torch.stack([first, net.step(first)], -1).flatten(1, 3).numpy()
    np.testing.assert_allclose(got.values, expected, atol=1e-6)
    assert not model.static
    assert list(model.clocks) == ["two"]


def test_several_calls_without_a_declaration_are_an_error_that_names_the_choices(
    net: Net, store: Cache
) -> None:
    with pytest.raises(
        ActivationError, match=r"'step' .*2 .*4x8x8, 4x8x8.*'static' .*0 "
    ) as caught:
        wrapped(net, store).activations(pictures(), ["step"])
    assert "calls='last'" in caught.value.allowed
    assert "0 to 1" in caught.value.allowed
    assert files(store) == []


def test_another_number_of_declared_steps_is_an_error(net: Net, store: Cache) -> None:
    three = Timeline(name="three", source="test", steps={"step": [(0, 1), (1, 2), (2, 3)]})
    with pytest.raises(ActivationError, match=r"'three' .*3 "):
        wrapped(net, store, timeline=three).activations(pictures(), ["step"])


@pytest.mark.parametrize(("calls", "index"), [("last", 1), (0, 0), ({"step": 1}, 1)])
def test_one_call_can_be_chosen(net: Net, store: Cache, calls: Any, index: int) -> None:
    shown = pictures(3)
    steps = wrapped(net, store, timeline=TWO_STEPS).activations(shown, ["step"])["step"]
    got = wrapped(net, store, calls=calls).activations(shown, ["step"])["step"]
    assert got.sizes["time"] == 1
    np.testing.assert_array_equal(got.values[..., 0], steps.values[..., index])


def test_calls_of_other_kinds_and_numbers_are_errors(net: Net, store: Cache) -> None:
    with pytest.raises(InputError, match="calls='first'"):
        wrapped(net, store, calls="first")
    with pytest.raises(InputError, match="calls=-1"):
        wrapped(net, store, calls={"step": -1})
    with pytest.raises(ActivationError, match=r"calls=2 .*'step'.* 2 "):
        wrapped(net, store, calls={"step": 2}).activations(pictures(), ["step"])
    with pytest.raises(UnknownNameError, match="'stpe'"):
        wrapped(net, store, calls={"stpe": "last"})


def test_steps_of_different_shapes_are_an_error(store: Cache) -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.AvgPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.step(self.step(x))
            return out

    model = wrapped(Pyramid(), store, layers={"V1": "step"}, timeline=TWO_STEPS)
    with pytest.raises(ActivationError, match="3x4x4, 3x2x2"):
        model.activations(pictures(), ["step"])


def test_a_layer_that_takes_no_part_is_an_error(net: Net, store: Cache) -> None:
    with pytest.raises(ActivationError, match="'unused'"):
        wrapped(net, store).activations(pictures(), ["unused"])


# The network is left as it was


def _failing(net: Net, error: type[BaseException], rows: int) -> Callable[..., Any]:
    def fail(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if len(inputs[0]) == rows:
            raise error("broken")

    return net.head.register_forward_pre_hook(fail).remove


@pytest.mark.parametrize(
    ("error", "raised"),
    [(RuntimeError, ActivationError), (KeyboardInterrupt, KeyboardInterrupt)],
)
def test_an_interrupted_run_restores_the_network_and_leaves_nothing_to_read(
    net: Net, store: Cache, error: type[BaseException], raised: type[BaseException]
) -> None:
    net.train()
    net.relu.eval()
    modes = [module.training for module in net.modules()]
    model, shown = wrapped(net, store, batch_size=4), pictures(7)
    heal = _failing(net, error, rows=3)  # the second, shorter batch
    hooks = [len(module._forward_hooks) for module in net.modules()]
    with pytest.raises(raised):
        model.activations(shown, ["conv", "head"])
    assert [module.training for module in net.modules()] == modes
    assert [len(module._forward_hooks) for module in net.modules()] == hooks
    assert files(store) == []
    heal()
    got = model.activations(shown, ["head"])["head"]
    with torch.no_grad():
        expected = net.eval()(direct(net, shown)).numpy()
    np.testing.assert_allclose(got.values[..., 0], expected, atol=1e-6)


def test_running_out_of_memory_halves_the_batch_and_keeps_what_was_done(
    net: Net, store: Cache
) -> None:
    shown = pictures(7)
    asked: list[int] = []

    def limited(module: nn.Module, inputs: tuple[Tensor]) -> None:
        asked.append(len(inputs[0]))
        if len(inputs[0]) > 2 and len(asked) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    expected = wrapped(net, store).activations(shown, ["head"])["head"].values
    handle = net.register_forward_pre_hook(limited)
    got = wrapped(net, store, batch_size=4).activations(shown, ["head"])["head"].values
    handle.remove()
    # The first batch, again (halved: the batches after it are smaller), two of its images twice, the others.
    assert asked == [4, 4, 2, 2, 2, 3, 1, 1, 1]
    np.testing.assert_allclose(got, expected, atol=1e-6)


# What cannot be used


@pytest.mark.parametrize(("bad", "kind"), [(float("nan"), "NaN"), (float("inf"), "inf")])
def test_values_that_are_not_finite_name_layer_and_stimulus(
    net: Net, store: Cache, bad: float, kind: str
) -> None:
    def spoil(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        out = output.clone()
        if len(out) == 1:  # the last, short batch
            out[0, 2] = bad
        return out

    net.head.register_forward_hook(spoil)
    model = wrapped(net, store, batch_size=4)
    with pytest.raises(ActivationError, match=f"'head' .*{kind} .*'p4' .*1 of 5"):
        model.activations(pictures(5), ["conv", "head"])
    assert files(store) == []


def test_large_finite_values_pass(store: Cache) -> None:
    def large(images: Any) -> Any:
        return np.full((len(images), 4), 3e38, np.float32)  # their sum overflows

    got = wrapped(large, store, layers=()).activations(pictures(), ["output"])["output"]
    assert np.isfinite(got.values).all()


def test_values_beyond_float32_are_inf(store: Cache) -> None:
    model = wrapped(lambda images: np.full((len(images), 4), 1e300), store, layers=())
    with pytest.raises(ActivationError, match=r"'output' .*inf .*'p0'"):
        model.activations(pictures(), ["output"])


@pytest.mark.parametrize(
    "answer",
    [np.zeros((2, 3)), np.zeros((5, 3), complex), np.array("text"), np.zeros((5, 0))],
    ids=["rows", "complex", "text", "empty"],
)
def test_answers_without_one_row_of_numbers_per_stimulus_are_errors(
    store: Cache, answer: npt.NDArray[Any]
) -> None:
    model = wrapped(lambda images: answer, store, layers=())
    with pytest.raises(ActivationError, match=r"'output' .*5 stimuli"):
        model.activations(pictures(5), ["output"])


def test_unknown_layers_name_the_closest(net: Net, store: Cache) -> None:
    with pytest.raises(UnknownNameError, match=r"'convv'(.|\n)* conv\n"):
        wrapped(net, store, layers={"V1": "convv"})
    with pytest.raises(UnknownNameError, match=r"'convv'(.|\n)* conv\n"):
        wrapped(net, store).activations(pictures(), ["convv"])
    with pytest.raises(UnknownNameError, match="'none'"):
        wrapped(net, store, behavior="none")


@pytest.mark.parametrize("layers", [(), {}, {"IT": []}])
def test_a_network_without_layers_is_an_error(net: Net, store: Cache, layers: Any) -> None:
    with pytest.raises(InputError, match="layers"):
        wrapped(net, store, layers=layers)


def test_other_wrong_options_are_errors(net: Net, store: Cache) -> None:
    with pytest.raises(InputError, match="int"):
        wrapped(3, store)
    with pytest.raises(InputError, match="class Net"):
        wrapped(Net, store)
    with pytest.raises(InputError, match="'gpu'"):
        wrapped(net, store, device="gpu")
    with pytest.raises(InputError, match="batch size 0"):
        wrapped(net, store).on(batch_size=0)
    with pytest.raises(InputError, match="timeline"):
        wrapped(net, store, timeline=())


# Functions


def test_a_plain_function_is_a_network(store: Cache) -> None:
    seen: list[tuple[int, ...]] = []

    def function(images: npt.NDArray[np.float32]) -> dict[str, Any]:
        seen.append(images.shape)
        mean = images.mean((2, 3))
        return {"mean": mean, "early": [mean, 2 * mean]}

    clock = Timeline(name="two", source="test", steps={"early": [(0, 50), (50, 100)]})
    model = wrapped(
        function,
        store,
        layers={"V1": "early", "IT": "mean"},
        timeline=clock,
        fingerprint="1",
        batch_size=3,
    )
    shown = pictures(5)
    got = model.activations(shown, ["mean", "early"])
    # The first batch, again before a shorter one, two of its images, and the other two.
    assert [shape[0] for shape in seen] == [3, 3, 2, 2]
    assert {shape[1:] for shape in seen} == {(3, 8, 8)}
    means = np.stack([shown.picture(i) for i in range(5)]).mean((1, 2)) / 255
    np.testing.assert_allclose(got["mean"].values[..., 0], means, atol=1e-6)
    np.testing.assert_allclose(got["early"].values[..., 1], 2 * means, atol=1e-6)
    last = wrapped(
        function, store, layers={"V1": "early"}, calls={"early": "last"}, fingerprint="1"
    )
    only = last.activations(shown, ["early"])["early"]
    np.testing.assert_allclose(only.values[..., 0], 2 * means, atol=1e-6)
    with pytest.raises(UnknownNameError, match="'other'"):
        model.activations(shown, ["other"])


def test_a_function_that_does_not_give_a_declared_layer_is_an_error(store: Cache) -> None:
    model = wrapped(lambda images: {"a": images}, store, layers=["b"])
    with pytest.raises(ActivationError, match=r"'b'.* a\n"):
        model.activations(pictures(), ["b"])


# The cache


def test_what_is_cached_is_not_computed_again(net: Net, store: Cache) -> None:
    shown = pictures(5)
    with counting() as first:
        one = wrapped(net, store).activations(shown, ["conv", "head"])
    assert first.images == 5
    assert first.forward_seconds > 0
    with counting() as second:
        two = wrapped(net, store, name="other name").activations(shown, ["head", "conv"])
    assert second.images == 0
    for layer in one:
        np.testing.assert_array_equal(one[layer].values, two[layer].values)
    with counting() as third:  # one layer is new, two are there
        wrapped(net, store).activations(shown, ["head", "pool", "conv"])
    assert third.images == 5
    assert len(files(store)) == 3


def test_progress_counts_images(net: Net, store: Cache) -> None:
    seen: list[Any] = []

    class Reporter(progress.Silent):
        def task(self, label: str, total: int) -> Any:
            seen.append((label, total))
            return super().task(label, total)

    with progress.use(Reporter()):
        wrapped(net, store, name="Net").activations(pictures(5), ["head"])
        wrapped(net, store, name="Net").activations(pictures(5), ["head"])
    assert seen == [("Net on pictures", 5)]


def test_two_at_once_do_the_work_once(net: Net, store: Cache) -> None:
    shown = pictures(40)
    costs: list[int] = []
    values: list[Any] = []

    def run() -> None:
        with counting() as mine:
            values.append(wrapped(net, store).activations(shown, ["head"])["head"].values)
        costs.append(mine.images)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(costs) == [0, 40]
    np.testing.assert_array_equal(*values)


def test_a_half_written_file_is_never_read(net: Net, store: Cache) -> None:
    model, shown = wrapped(net, store), pictures(5)
    model.activations(shown, ["head"])
    name = files(store)[0]
    whole = store.folder / "activations" / name
    half = whole.with_name(f".{whole.stem}.left-by-a-crash.tmp")
    half.write_bytes(whole.read_bytes()[:100])
    whole.unlink()
    with counting() as costs:
        model.activations(shown, ["head"])
    assert costs.images == 5


PROGRAM = """
import signal, sys, time
import numpy as np, torch
from pathlib import Path
from brainbench.core import stimuli
from brainbench.storage.cache import Cache
from brainbench.models import recomputed
from brainbench.models.network import TorchNetwork
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap

# A shell starts programs in the background with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
batches = 0
def slow(images):
    global batches
    batches += 1
    if batches == 3:
        print("third", flush=True)
        time.sleep(60)
    return images

shown = stimuli.from_arrays("s", np.zeros((8, 8, 8, 3), np.uint8), ids=list("abcdefgh"))
model = wrap(slow, fingerprint="1", preprocess=Preprocess(name="p", size=None), batch_size=2,
             cache=Cache(Path(sys.argv[1])))
model.activations(shown, ["output"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_in_the_middle_leaves_nothing_that_is_read(
    store: Cache, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(store.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"third\n"
        process.send_signal(number)
        process.wait(timeout=120)
    assert process.returncode != 0
    left = files(store)
    assert all(name.endswith(".tmp") for name in left)
    assert left == [] or number == signal.SIGKILL  # which leaves no time to tidy up
    assert list(store.folder.glob("activations/*.chunks")) == []


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(store: Cache) -> None:
    model = wrapped(lambda images: np.zeros((len(images), 100_000)), store, layers=())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(CacheError, match=f"{store.folder} .*File too large"):
            model.activations(pictures(5), ["output"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(store) == []
    assert model.activations(pictures(5), ["output"])["output"].shape == (5, 100_000, 1)


def test_a_cache_that_cannot_be_written_is_an_error(net: Net, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=str(tmp_path / "file")):
        wrapped(net, Cache(tmp_path / "file")).activations(pictures(), ["head"])


def test_the_default_cache_is_the_one_that_the_environment_names(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "named"))
    wrap(net, layers={"IT": "head"}, preprocess=SMALL).activations(pictures(), ["head"])
    assert files(Cache(tmp_path / "named"))


# Damage, room and threads


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_activations_are_made_again(net: Net, store: Cache, name: str) -> None:
    model, shown = wrapped(net, store), pictures(20)

    def values() -> dict[str, npt.NDArray[np.float32]]:
        answers = model.activations(shown, ["conv", "pool", "head"])
        return {layer: answer.values for layer, answer in answers.items()}

    expected = values()
    stored = {path.stat().st_size: path for path in (store.folder / "activations").iterdir()}
    assert len(stored) == 3
    _, head, conv = (path for _, path in sorted(stored.items()))
    DAMAGES[name](conv, head)
    notes = RecordedNotes()
    with progress.use(notes):
        for layer, answer in healed(values).items():
            np.testing.assert_array_equal(answer, expected[layer])
    assert str(conv) in notes.notes[0]
    assert {found.state for found in store.verify()} == {"sound"}


def test_layers_without_room_are_computed_where_they_are_read(
    net: Net, store: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputed, "BLOCK_BYTES", 4 * 40 * 100)  # 100 columns of 40 images
    model, shown, layers = wrapped(net, store, batch_size=4), pictures(40), ["conv", "pool", "head"]
    expected = model.activations(shown, layers)
    small = Cache(store.folder.parent / "small", max_gb=10e-6)
    model, notes = wrapped(net, small, batch_size=4).pinned(), RecordedNotes()
    with progress.use(notes), counting() as costs:
        found = model.activations(shown, layers)
        assert costs.images == 40
        again = model.activations(shown, layers)  # known: no batch to see how large they are
        assert costs.images == 40
        conv = again["conv"].isel(neuroid=slice(90, 210), time=0)
        order = np.random.default_rng(0).permutation(40)
        np.testing.assert_array_equal(conv[order].values, expected["conv"][order, 90:210, 0].values)
        assert costs.images == 4 * 40  # three blocks
        np.testing.assert_array_equal(conv[:, 110:], expected["conv"][:, 200:210, 0])
        assert costs.images == 4 * 40  # the last one is held
        for one in (again, found):  # one block in all is held
            assert one["conv"].values[0, 0, 0] == expected["conv"].values[0, 0, 0]
        assert costs.images == 10 * 40
        assert len(recomputed._held) == 1
    for layer in layers:
        xr.testing.assert_identical(found[layer].load(), expected[layer].load())
    assert len(files(small)) == 2
    [note] = notes.notes
    for part in ("conv (0.00 GB)", "3 passes", "BRAINBENCH_CACHE_GB"):
        assert part in note


def test_a_pass_ends_behind_the_last_layer_that_is_read(net: Net) -> None:
    images, layers = np.zeros((2, 3, 8, 8), np.float32), ["conv", "step"]
    steps = {"conv": "steps", "step": "steps"}
    net.pool = nn.Linear(7, 7)  # fails
    for enough in ({"conv": 1, "step": 2}, None):
        with TorchNetwork(net, enough=enough).running(layers, steps, "cpu") as forward:
            if enough is None:
                with pytest.raises(ActivationError, match="pool"):
                    forward(images)
                continue
            for _ in range(2):
                responses = forward(images)
                assert [len(responses[layer].steps) for layer in layers] == [1, 2]


def test_a_full_disk_leaves_nothing_and_gives_the_same(
    net: Net, store: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = wrapped(net, store, batch_size=4).activations(pictures(40), ["conv"])["conv"].load()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    empty = Cache(store.folder.parent / "empty")
    with counting() as costs:
        found = wrapped(net, empty, batch_size=4).activations(pictures(40), ["conv"])["conv"]
    assert costs.images == 4
    assert files(empty) == []
    xr.testing.assert_identical(found.load(), expected)
    xr.testing.assert_identical(copy.deepcopy(found), expected)


def test_threads_extract_and_read_at_once(net: Net, store: Cache) -> None:
    expected = {
        seed: wrapped(net, store).activations(pictures(20, seed=seed), ["conv"])["conv"].values
        for seed in range(4)
    }
    for path in (store.folder / "activations").iterdir():
        path.unlink()
    wrong: list[int] = []

    def work(seed: int) -> None:
        function = copy.deepcopy(net)  # a network answers one thread at a time
        for _ in range(5):
            answer = wrapped(function, store).activations(pictures(20, seed=seed), ["conv"])
            if not np.array_equal(answer["conv"].values, expected[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(files(store)) == 4
