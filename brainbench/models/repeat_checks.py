"""Checks that a response depends on its image alone: not on chance, earlier images or the batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import ActivationError
from brainbench.core.provenance import counting_time_only
from brainbench.models.batching import in_batches
from brainbench.models.module_state import ModuleState
from brainbench.models.network import Precision
from brainbench.models.response_checks import CheckedResponse, check_batch_axis
from brainbench.models.torch_state import set_seeds

Batch = dict[str, CheckedResponse]

COMPARED = 2  # images
LIMIT, NOTABLE = 1e-3, 1e-5
"""Differences in standard deviations of the layer, above which there is an error or a note."""
UNIT_LIMIT = 0.1
"""Difference of a single unit above which there is an error: a few of many hardly change the mean."""
_EPSILONS: Mapping[Precision, float] = {
    "float64": 2.0**-23,  # as the responses are stored
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "bf16": 2.0**-7,
}
_ROUNDING = 16
"""Epsilons by which batches of different sizes may differ, as they are summed differently."""


@dataclass(frozen=True, kw_only=True)
class RepeatCheck:
    """The responses to some images of the first batch, to be compared when these are shown again.

    `show` returns the responses to stimuli by their numbers, `state` restores the network (None if that is
    not possible), `size` is that of the first batch and `shown` its `ends`: a dependence on the images before
    them shows in the last ones.
    """

    show: Callable[[Sequence[int]], Batch]
    state: ModuleState | None
    batch_axes: Mapping[str, int]
    precision: Precision
    size: int
    shown: Batch

    def show_fewer(self) -> None:
        """Show the last images of the first batch, at most two, alone and in reverse order, and compare.

        ActivationError if another axis than the declared one follows the number of images, or if responses
        depend on chance, on earlier images, on their place or on the others of the batch, also where the
        first batch has set the network up. Nothing is shown after a first batch of one image: its responses
        cannot depend on others.
        """
        if self.size == 1:
            return
        rows = range(self.size)[::-1][: min(COMPARED, self.size - 1)]
        try:
            batch, n = self._show(rows)
        except ActivationError as error:
            raise self._explained(error, rows) from error.__cause__
        for layer, again in batch.items():
            check_batch_axis(
                layer,
                [self.shown[layer].full_shape, again.full_shape],
                [self.size, n],
                batch_axis=self.batch_axes[layer],
            )
        self._compare(batch, rows)
        if self.state is not None:  # as another stimulus set would find it
            self._compare(self._restored(rows), rows)

    def repeat_first(self) -> None:
        """Show the first batch again in reverse order, and compare; errors are those of `show_fewer`."""
        rows = range(self.size)[::-1]
        batch, n = self._show(rows)
        self._compare(batch, rows[:n])

    def _show(self, rows: Sequence[int]) -> tuple[Batch, int]:
        """Return the responses to images and their number: fewer than `rows` if memory runs out."""
        show = partial(_show_part, self.show, rows)
        with counting_time_only():
            _, n, batch = next(in_batches(len(rows), len(rows), show, nbytes=lambda batch: 0))
        return batch, n

    def _restored(self, rows: Sequence[int], *, seed: int | None = None) -> Batch:
        """Return responses to images by the network as it was before the first batch."""
        if self.state is not None:
            self.state.restore()
        if seed is not None:
            set_seeds(seed)
        return self._show(rows)[0]

    def _compare(self, batch: Batch, rows: Sequence[int]) -> None:
        """Compare responses to images of the first batch, in the order of `rows`, with the first ones."""
        known = _end_rows(self.size)
        at = [place for place, row in enumerate(rows) if row in known]
        before = _picked(self.shown, [known.index(rows[place]) for place in at])
        again = _picked(batch, at)
        rounding = self._rounding(len(rows))
        layer, found = largest_difference(before, again, rounding)
        if found.excess(rounding) > 1:
            raise self._error(layer, found, rows)
        if found.mean > max(NOTABLE, rounding or 0):
            progress.current().note(
                f"layer {layer!r}: responses to the same images differ by {found} when they are shown again"
            )

    def _rounding(self, n: int) -> float | None:
        """Return what rounding alone may change in a batch of another size than the first, else None."""
        return rounding_of(self.precision) if n != self.size else None

    def _differ(
        self, layer: str, one: Batch, other: Batch, *, rounding: float | None = None
    ) -> bool:
        return difference(one[layer], other[layer]).excess(rounding) > 1

    def _error(self, layer: str, largest: Difference, rows: Sequence[int]) -> ActivationError:
        """Return the error for a layer, with the reason that further showings of the same images tell."""
        whole = range(self.size)
        first = self._restored(whole)
        if self._differ(layer, first, self._restored(whole)):
            seeded = [self._restored(whole, seed=0) for _ in range(2)]
            if self._differ(layer, *seeded):
                return _unstable(layer, largest)
            return _random(layer, largest)
        other = self._restored(rows)
        same = _picked(first, rows[: len(next(iter(other.values())).steps[0])])
        if self._differ(layer, same, other, rounding=self._rounding(len(rows))):
            return _depends_on_batch(layer, largest)
        return _keeps_state(
            f"layer {layer!r} keeps state between images: the same images give responses that differ by "
            f"{largest} after other images"
        )

    def _explained(self, error: ActivationError, rows: Sequence[int]) -> ActivationError:
        """Return the error of a batch, or that of keeping state if the restored network takes the batch."""
        try:
            self._restored(rows)
        except ActivationError:
            return error
        return _keeps_state(
            f"{error.got}; as it was before the first batch, the network takes this batch: it keeps state "
            f"between images"
        )


class Difference(NamedTuple):
    """By how much responses to the same images differ, in standard deviations of the layer.

    `mean` is the mean absolute difference over the units, of the image and step where it is largest. `unit`
    is the largest of any unit, in parts of its own response where that is above the standard deviation.
    """

    mean: float
    unit: float

    def excess(self, rounding: float | None) -> float:
        """Return the difference in parts of what is allowed: above 1 it is an error.

        `rounding` is what another size of the batch may change. In one of the same size, None, single units
        are compared too: in another, rounding may change one that is on the edge of a threshold.
        """
        if rounding is not None:
            return self.mean / max(LIMIT, rounding)
        return max(self.mean / LIMIT, self.unit / UNIT_LIMIT)

    def __str__(self) -> str:
        """Return the figure that is the larger part of its limit."""
        if self.mean / LIMIT >= self.unit / UNIT_LIMIT or self.mean > LIMIT:
            return f"{self.mean:.2g} standard deviations of the layer"
        return f"{self.unit:.2g} standard deviations of the layer in one unit"


def rounding_of(precision: Precision) -> float:
    """Return by how many standard deviations rounding may change responses in a batch of another size."""
    return _ROUNDING * _EPSILONS[precision]


def largest_difference(
    before: Batch, again: Batch, rounding: float | None
) -> tuple[str, Difference]:
    """Return the layer that differs most in parts of what is allowed, and its difference."""
    differences = {layer: difference(before[layer], again[layer]) for layer in again}
    layer = max(differences, key=lambda name: differences[name].excess(rounding))
    return layer, differences[layer]


def difference(before: CheckedResponse, again: CheckedResponse) -> Difference:
    """Return by how much responses to the same images differ.

    The standard deviation is that of `before` over all units, images and steps; where it is below a tenth of
    the root mean square, that tenth. Infinite for other numbers of units or steps.
    """
    if [s.shape[1:] for s in before.steps] != [s.shape[1:] for s in again.steps]:
        return Difference(math.inf, math.inf)
    total = squares = 0.0
    for step in before.steps:
        values = step.astype(np.float64)
        total, squares = total + values.sum(), squares + (values**2).sum()
    count = sum(step.size for step in before.steps)
    mean, mean_square = total / count, squares / count
    scale = math.sqrt(max(mean_square - mean**2, mean_square / 100, 0.0))
    largest_mean = largest_unit = 0.0
    for one, other in zip(before.steps, again.steps, strict=True):
        n = min(len(one), len(other))
        changes = np.abs(one[:n].astype(np.float64) - other[:n])
        largest_mean = max(largest_mean, float(changes.mean(axis=1).max()))
        if scale > 0:
            largest_unit = max(
                largest_unit, float((changes / np.maximum(abs(one[:n]), scale)).max())
            )
    if largest_mean == 0:
        return Difference(0.0, 0.0)
    return (
        Difference(largest_mean / scale, largest_unit)
        if scale > 0
        else Difference(math.inf, math.inf)
    )


def _show_part(
    show: Callable[[Sequence[int]], Batch], rows: Sequence[int], start: int, stop: int
) -> Batch:
    return show(rows[start:stop])


def ends(batch: Batch, size: int) -> Batch:
    """Return the responses to the first and the last images of a batch of `size`."""
    return _picked(batch, _end_rows(size))


def _end_rows(size: int) -> list[int]:
    """Return the first and the last rows of a batch, each once."""
    return [*range(min(COMPARED, size)), *range(max(COMPARED, size - COMPARED), size)]


def _picked(batch: Batch, places: Sequence[int]) -> Batch:
    """Return the responses at some places of a batch."""
    at = list(places)
    return {
        layer: replace(response, steps=[step[at] for step in response.steps])
        for layer, response in batch.items()
    }


_ALLOWED = (
    f"responses to an image that differ by at most {LIMIT:g} standard deviations on average over the units, "
    f"and by {UNIT_LIMIT:g} in a single one"
)
_SEED = "wrap(..., seed=0) draws the same random numbers whenever an image is shown"
_RESET = "wrap(..., reset='METHOD'), or a function of the network, is called before each batch"


def _random(layer: str, largest: Difference) -> ActivationError:
    return ActivationError(
        f"layer {layer!r} is random: the same images give responses that differ by {largest}",
        allowed=_ALLOWED,
        todo=f"use what is random only `if self.training` (as nn.Dropout does); or {_SEED}",
    )


def _unstable(layer: str, largest: Difference) -> ActivationError:
    return ActivationError(
        f"layer {layer!r} is random, by a generator of its own, or keeps state between images outside of its "
        f"modules: the same images give responses that differ by {largest}",
        allowed=_ALLOWED,
        todo=f"seed or reset it before each batch: {_RESET}",
    )


def _keeps_state(got: str) -> ActivationError:
    return ActivationError(
        got,
        allowed=_ALLOWED,
        todo=f"forget the state: {_RESET}",
    )


def _depends_on_batch(layer: str, largest: Difference) -> ActivationError:
    return ActivationError(
        f"layer {layer!r} depends on the other images of the batch: the same images in a smaller batch give "
        f"responses that differ by {largest}",
        allowed=_ALLOWED,
        todo="use stored statistics in evaluation, not those of the batch; or show each image alone: "
        "wrap(..., batch_size=1)",
    )
