"""Responses that depend on chance, on earlier images or on the batch: found, told apart, and the ways out."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import ActivationError, InputError
from brainbench.core.provenance import counting
from brainbench.models.preprocessing import Preprocess
from brainbench.models.repeat_checks import Difference, difference
from brainbench.models.response_checks import CheckedResponse
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))


class Net(nn.Module):
    """A convolution whose output goes through a method of each subclass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.out = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.out(self.change(self.conv(images)))
        return x

    def change(self, x: Tensor) -> Tensor:
        return x


class Dropout(Net):
    def change(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5)


class NumpyNoise(Net):
    def change(self, x: Tensor) -> Tensor:
        return x + float(np.random.standard_normal())


class PythonNoise(Net):
    def change(self, x: Tensor) -> Tensor:
        return x + random.random()  # noqa: S311


class OwnGenerator(Net):
    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def change(self, x: Tensor) -> Tensor:
        return x + torch.rand(x.shape, generator=self.generator)


class Memory(Net):
    """Keeps a trace of the last image of each batch."""

    v: Tensor | float = 0.0

    def change(self, x: Tensor) -> Tensor:
        before, self.v = self.v, 0.5 * self.v + x[-1]
        return x + before

    def forget(self) -> None:
        self.v = 0.0


class MemoryOfBatch(Memory):
    """Keeps a trace of each row, and so takes batches of one size only."""

    def change(self, x: Tensor) -> Tensor:
        self.v = 0.5 * self.v + x
        return x + self.v


class MemoryUntilAnotherSize(Memory):
    """Forgets only when the number of images changes, as many recurrent networks do."""

    def change(self, x: Tensor) -> Tensor:
        if isinstance(self.v, float) or self.v.shape != x.shape:
            self.v = torch.zeros_like(x)
        self.v = 0.5 * self.v + x
        return x + self.v


class Drift(Memory):
    """Changes little with each batch, and much over many."""

    def change(self, x: Tensor) -> Tensor:
        self.v = self.v + 5e-4
        return x + self.v * x.std()


class BatchStatistics(Net):
    def change(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, None, None, training=True)


class SortedBatch(Net):
    def change(self, x: Tensor) -> Tensor:
        return x.sort(dim=0).values


class Sequence(Net):
    """Takes the images for the steps of a sequence: `batch_first` was forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(36, 36)

    def change(self, x: Tensor) -> Tensor:
        y: Tensor = self.rnn(x.flatten(2))[0]
        return y


class Positions(Net):
    def change(self, x: Tensor) -> Tensor:
        return x + torch.arange(float(len(x)))[:, None, None, None]


class LessTheFirst(Net):
    def change(self, x: Tensor) -> Tensor:
        return x - x[:1]


class SumOfEarlier(Net):
    def change(self, x: Tensor) -> Tensor:
        return x.cumsum(0)


class MaskByPlace(Net):
    def change(self, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return nn.functional.dropout(x, 0.5)


class NoiseOnLaterImages(Net):
    def change(self, x: Tensor) -> Tensor:
        return torch.cat([x[:2], x[2:] + torch.randn_like(x[2:])])


class KeptByShape(Net):
    """Keeps responses by the shape of the batch, as is meant for masks."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[Any, Tensor] = {}

    def change(self, x: Tensor) -> Tensor:
        return self.kept.setdefault(tuple(x.shape), x)


class NoiseInOneUnit(Net):
    """Random in one of 40,000 units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1_112, 3)
        with torch.no_grad():
            self.conv.weight[1:] = self.conv.weight[:1]

    def change(self, x: Tensor) -> Tensor:
        x[:, 0, 0, 0] += 5 * torch.randn(len(x))
        return x


class SetUpByTheFirstBatch(Net):
    """Normalizes by the statistics of the first batch that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sd: Tensor | None = None

    def change(self, x: Tensor) -> Tensor:
        self.sd = x.std() if self.sd is None else self.sd
        return x / self.sd


def wrapped(net: Any, folder: Path, **options: Any) -> WrappedModel:
    options = {"layers": {"V1": "conv", "IT": "out"}, **options}
    store = Cache(folder)
    return wrap(net, preprocess=SMALL, cache=store, device="cpu", **options)


def values(model: WrappedModel, n: int) -> Any:
    return model.activations(noise_pictures(n, 8), ["conv", "out"])["out"].values


RANDOM = [Dropout, NumpyNoise, PythonNoise]


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        *((kind, "'out' is random:") for kind in RANDOM),
        (OwnGenerator, "'out' is random, by a generator of its own"),
        (Memory, "'out' keeps state between images"),
        (MemoryOfBatch, "keeps state between images"),
        (MemoryUntilAnotherSize, "'out' keeps state between images"),
        (Drift, "'out' keeps state between images"),
        (BatchStatistics, "'out' depends on the other images of the batch"),
        (SortedBatch, "'out' depends on the other images of the batch"),
    ],
)
@pytest.mark.parametrize("n", [48, 45])
def test_the_reason_and_the_layer_are_named(
    tmp_path: Path, net: Callable[[], Net], reason: str, n: int
) -> None:
    model = wrapped(net(), tmp_path, fingerprint="1")
    with pytest.raises(ActivationError, match=reason):
        values(model, n)
    assert list(tmp_path.glob("activations/*")) == []


@pytest.mark.parametrize(
    "net",
    [
        Sequence,
        Positions,
        LessTheFirst,
        SumOfEarlier,
        MaskByPlace,
        NoiseOnLaterImages,
        KeptByShape,
        SetUpByTheFirstBatch,
    ],
)
@pytest.mark.parametrize("n", [48, 40, 17])
def test_what_the_first_images_of_a_batch_do_not_show_is_found(
    tmp_path: Path, net: Callable[[], Net], n: int
) -> None:
    with pytest.raises(ActivationError, match="'out'"):
        values(wrapped(net(), tmp_path, fingerprint="1"), n)
    assert list(tmp_path.glob("activations/*")) == []


def test_a_network_without_these_has_no_note_and_about_one_batch_more(tmp_path: Path) -> None:
    seen: list[int] = []
    net = Net()
    net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    told = RecordedNotes()
    with progress.use(told), counting() as costs:
        values(wrapped(net, tmp_path, fingerprint="1"), 45)
    assert seen == [16, 2, 2, 16, 16, 13]
    assert told.notes == []
    assert costs.images == 45


@pytest.mark.parametrize("n", [16, 20])
def test_noise_in_one_unit_of_many_is_found(tmp_path: Path, n: int) -> None:
    with pytest.raises(ActivationError, match=r"'out' is random.*in one unit"):
        values(wrapped(NoiseInOneUnit(), tmp_path, fingerprint="1", layers={"IT": "out"}), n)


def test_a_single_image_is_shown_twice(tmp_path: Path) -> None:
    assert values(wrapped(Net(), tmp_path), 1).shape == (1, 4 * 6 * 6, 1)
    with pytest.raises(ActivationError, match="is random"):
        values(wrapped(Dropout(), tmp_path), 1)


def test_a_small_difference_is_a_note(tmp_path: Path) -> None:
    class Little(Memory):
        def change(self, x: Tensor) -> Tensor:
            self.v += 1e-5
            return x + self.v * x.std()

    told = RecordedNotes()
    with progress.use(told):
        values(wrapped(Little(), tmp_path), 48)
    assert told.notes
    assert all("'out'" in note for note in told.notes)


@pytest.mark.parametrize("kind", [*RANDOM, Memory])
def test_the_digest_is_the_same_afterwards(tmp_path: Path, kind: Callable[[], Net]) -> None:
    model = wrapped(kind(), tmp_path)
    before = model.digest
    with pytest.raises(ActivationError):
        values(model, 20)
    assert model.digest == before


# The declared ways out


@pytest.mark.parametrize("kind", RANDOM)
def test_with_a_seed_the_response_depends_on_seed_and_image_alone(
    tmp_path: Path, kind: Callable[[], Net]
) -> None:
    def seeded(folder: str, seed: int = 0, batch_size: int = 16) -> WrappedModel:
        return wrapped(kind(), tmp_path / folder, seed=seed, batch_size=batch_size)

    model = seeded("a")
    many = values(model, 20)
    state = torch.get_rng_state()
    few = seeded("b", batch_size=3).activations(noise_pictures(20, 8).take(range(5, 9)), ["out"])
    np.testing.assert_array_equal(few["out"].values, many[5:9])
    other = seeded("c", seed=1)
    assert not np.allclose(values(other, 20), many)
    noise = many[..., 0] - values(wrapped(Net(), tmp_path / "d"), 20)[..., 0]
    assert not np.allclose(noise[0], noise[1], atol=1e-3)  # not the same draw for all images
    assert len({model.digest, other.digest, wrapped(kind(), tmp_path).digest}) == 3
    assert torch.equal(torch.get_rng_state(), state)
    with counting() as costs:
        values(seeded("a"), 20)
    assert costs.images == 0


@pytest.mark.parametrize("reset", ["forget", Memory.forget, "bound"])
@pytest.mark.parametrize("kind", [MemoryUntilAnotherSize, MemoryOfBatch, Drift])
def test_with_a_reset_no_batch_knows_of_another(
    tmp_path: Path, kind: Callable[[], Memory], reset: Any
) -> None:
    net = kind()
    net.v = 0.25 if kind is Drift else 0.0
    model = wrapped(net, tmp_path, reset=net.forget if reset == "bound" else reset)
    many = values(model, 45)
    few = model.activations(noise_pictures(45, 8).take(range(40, 45)), ["out"])["out"].values
    np.testing.assert_allclose(few, many[40:], atol=1e-6)
    assert net.v == (0.25 if kind is Drift else 0.0)
    assert model.digest != wrapped(net, tmp_path).digest


def test_a_function_that_keeps_state_can_be_reset(tmp_path: Path) -> None:
    class Counter:
        calls = 0

        def __call__(self, images: Any) -> Any:
            self.calls += 1
            return images.mean((2, 3)) * self.calls

        def start(self) -> None:
            self.calls = 0

    options: dict[str, Any] = {"layers": ["output"], "fingerprint": "1"}
    shown = noise_pictures(20, 8)
    with pytest.raises(ActivationError, match="keeps state"):
        wrapped(Counter(), tmp_path, **options).activations(shown, ["output"])
    model = wrapped(Counter(), tmp_path, reset="start", **options)
    assert model.activations(shown, ["output"])["output"].shape == (20, 3, 1)


def test_each_image_alone_knows_of_no_other(tmp_path: Path) -> None:
    alone = wrapped(BatchStatistics(), tmp_path, batch_size=1)
    assert values(alone, 4).shape == (4, 4 * 6 * 6, 1)


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": 0.5}, {"seed": True}, {"reset": "v"}, {"reset": 3}]
)
def test_other_seeds_and_resets_are_errors(tmp_path: Path, options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=f"{name}={value!r}"):
        wrapped(Memory(), tmp_path, **options)


# The difference


def _responses(*steps: Any) -> CheckedResponse:
    arrays = [np.asarray(step, dtype=np.float32) for step in steps]
    return CheckedResponse(steps=arrays, shape=(2,), full_shape=(2, 2))


def test_the_difference_is_the_mean_over_units_in_standard_deviations() -> None:
    before = _responses([[-1, 1], [1, -1]])  # standard deviation 1
    assert difference(before, before) == (0, 0)
    assert difference(before, _responses([[-1, 1], [1, -1.5]])) == pytest.approx((0.25, 0.5))
    assert difference(before, _responses([[-1, 1.5]])) == pytest.approx((0.25, 0.5))  # fewer images
    two = _responses([[-1, 1], [1, -1]], [[-3, 3], [3, -3]])
    other = _responses([[-1, 1], [1, -1]], [[-3, 4], [3, -3]])
    assert difference(two, other) == pytest.approx((0.5 / np.sqrt(5), 1 / 3))


def test_where_all_values_are_about_the_same_a_tenth_of_them_is_the_unit() -> None:
    constant = _responses([[100, 100], [100, 100]])
    assert difference(constant, _responses([[101, 101], [100, 100]])).mean == pytest.approx(0.1)
    nothing = _responses([[0, 0], [0, 0]])
    assert difference(nothing, nothing) == (0, 0)
    assert difference(nothing, _responses([[0, 1e-6], [0, 0]])).mean == np.inf
    assert difference(nothing, _responses([[0], [0]])).mean == np.inf


def test_a_single_unit_is_compared_in_batches_of_the_same_size_alone() -> None:
    unit = Difference(mean=1e-4, unit=1.0)
    assert unit.excess(None) == pytest.approx(10)
    assert unit.excess(0.0) == pytest.approx(
        0.1
    )  # another size may change one on the edge of a threshold
    assert Difference(mean=1e-2, unit=1e-2).excess(None) == pytest.approx(10)
    assert Difference(mean=1e-2, unit=1e-2).excess(0.1) == pytest.approx(0.1)
