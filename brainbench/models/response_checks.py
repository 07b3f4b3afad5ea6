"""The gate between a network and everything behind it: clear steps, one row per stimulus, finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import ActivationError
from brainbench.core.timeline import Timeline
from brainbench.models.hooks import Calls
from brainbench.models.network import Response


@dataclass(frozen=True)
class Answer:
    """One layer's response to one batch, checked.

    Attributes
    ----------
    steps : list of ndarray
        For each model step an array (stimulus, neuroid), float32, finite.
    shape : tuple of int
        Shape of one response before it was flattened.
    """

    steps: list[npt.NDArray[np.float32]]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Memory that the steps take."""
        return sum(step.nbytes for step in self.steps)


def checked(
    layer: str, response: Response, *, ids: Sequence[str], clock: Timeline, calls: Calls
) -> Answer:
    """Check the response of one layer to one batch and flatten it.

    Parameters
    ----------
    layer : str
        Dotted name, for messages.
    response : Response
        What the layer answered.
    ids : sequence of str
        Stimulus ids of the batch.
    clock : Timeline
        Says how many steps the layer has.
    calls : {"steps", "last"} or int
        What of several calls in one pass is kept.

    Raises
    ------
    ActivationError
        The layer was not called, or more often than the clock declares; outputs that are no numbers or
        do not have one row per stimulus; NaN or inf, with the layer, the step (from 0, where there are
        several) and the first stimulus named.
    """
    _check_calls(layer, response.shapes, clock, calls)
    where = [f" at step {t}" if len(response.steps) > 1 else "" for t in range(len(response.steps))]
    steps = [
        _finite(layer, _rows(layer, step, len(ids)), ids, at)
        for step, at in zip(response.steps, where, strict=True)
    ]
    return Answer(steps=steps, shape=response.steps[0].shape[1:])


def _check_calls(
    layer: str, shapes: Sequence[tuple[int, ...]], clock: Timeline, calls: Calls
) -> None:
    k = len(shapes)
    if k == 0:
        raise ActivationError(
            f"layer {layer!r} is not called in a forward pass",
            allowed="a layer that takes part in the forward pass",
            todo="choose another layer, for example the module around it",
        )
    if isinstance(calls, int) and not 0 <= calls < k:
        raise ActivationError(
            f"calls={calls} for layer {layer!r}, which is called {k} time(s) in one forward pass",
            allowed=f"a call from 0 to {k - 1}",
            todo="correct calls= in wrap",
        )
    if k == 1 or calls != "steps":
        return
    declared = clock.declared(layer, calls=k) or ()
    if len(declared) != k or len(set(shapes)) != 1:
        raise ActivationError(
            f"layer {layer!r} is called {k} times in one forward pass, with outputs of the shapes "
            f"{_listed(shapes)}; timeline {clock.name!r} declares {len(declared)} step(s) for it",
            allowed="calls='steps' with one declared span of time per call and one shape, "
            f"calls='last', or calls=N for one of the calls 0 to {k - 1}",
            todo="if the calls are steps over time, declare them: "
            f"wrap(..., timeline=Timeline(steps={{{layer!r}: [(start, end), ...]}})); otherwise choose "
            f"one: wrap(..., calls={{{layer!r}: 'last'}}), or a layer that is called once",
        )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    shown = ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes[:4])
    return shown + (", ..." if len(shapes) > 4 else "")


def _rows(layer: str, step: npt.NDArray[Any], n: int) -> npt.NDArray[np.float32]:
    if step.dtype.kind not in "fiub" or step.ndim == 0 or len(step) != n or step.size == 0:
        raise ActivationError(
            f"layer {layer!r} gives {step.dtype} of shape {step.shape} for {n} stimuli",
            allowed="real numbers with one row per stimulus along the first axis",
            todo="choose a layer whose output has the batch first",
        )
    with np.errstate(over="ignore"):  # beyond float32 is inf, which the next check names
        return np.ascontiguousarray(step.reshape(n, -1), dtype=np.float32)


def _finite(
    layer: str, values: npt.NDArray[np.float32], ids: Sequence[str], at: str
) -> npt.NDArray[np.float32]:
    # The sum is finite whenever every value is, short of an overflow, and one pass is cheaper.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return values
    good = np.isfinite(values)
    if good.all():
        return values
    first = int(np.flatnonzero(~good.all(axis=1))[0])
    kind = "NaN" if np.isnan(values[first]).any() else "inf"
    raise ActivationError(
        f"layer {layer!r} gives {kind}{at} for stimulus {ids[first]!r} "
        f"({int((~good[first]).sum())} of {values.shape[1]} units)",
        allowed="finite responses",
        todo="check weights, preprocessing and that picture; nothing is repaired silently",
    )
