"""Checks of the responses of a network: declared steps, one row per stimulus, finite values."""

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
class CheckedResponse:
    """Finite float32 steps (stimulus, neuroid) of one layer for one batch.

    `shape` is that of the response to one stimulus before it was flattened, `full_shape` that of the output
    for the whole batch as the network returned it.
    """

    steps: list[npt.NDArray[np.float32]]
    shape: tuple[int, ...]
    full_shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the steps in bytes."""
        return sum(step.nbytes for step in self.steps)


def check_response(
    layer: str,
    response: Response,
    *,
    ids: Sequence[str],
    clock: Timeline,
    calls: Calls,
    batch_axis: int = 0,
) -> CheckedResponse:
    """Check and flatten the response of one layer to one batch of stimuli with these ids.

    `batch_axis` is the axis of the outputs along which the stimuli are. ActivationError if the layer was not
    called, or more often than the clock declares; for outputs that are not numeric or do not have one row per
    stimulus along that axis; and for NaN or inf, with the layer, the step (from 0, if there are several) and
    the first stimulus.
    """
    shapes = [without_batch(shape, batch_axis) for shape in response.shapes]
    _check_calls(layer, shapes, clock, calls)
    several = len(response.steps) > 1
    steps = [
        _finite(
            layer, _rows(layer, step, len(ids), batch_axis), ids, f" at step {t}" if several else ""
        )
        for t, step in enumerate(response.steps)
    ]
    full_shape = response.steps[0].shape
    return CheckedResponse(
        steps=steps, shape=without_batch(full_shape, batch_axis), full_shape=full_shape
    )


def without_batch(shape: Sequence[int], batch_axis: int) -> tuple[int, ...]:
    """Return the shape of the response to one stimulus, given that of a whole batch."""
    return (*shape[:batch_axis], *shape[batch_axis + 1 :])


def check_batch_axis(
    layer: str, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int], *, batch_axis: int
) -> None:
    """Check with outputs for batches of two different sizes that only `batch_axis` follows the batch.

    ActivationError if another axis has the length of the batch too, as in a matrix of similarities of the
    images with each other.
    """
    axes = enumerate(zip(*shapes, strict=False))  # another number of axes is an error below
    follow = [axis for axis, lengths in axes if lengths == tuple(sizes)]
    if len(set(map(len, shapes))) > 1 or follow != [batch_axis]:
        raise ActivationError(
            f"layer {layer!r} returns the shapes {shapes[0]} for {sizes[0]} stimuli and {shapes[1]} for "
            f"{sizes[1]}: the axes {follow} follow the number of stimuli",
            allowed="one axis for the stimuli",
            todo="choose a layer whose response to an image does not depend on the others of its batch",
        )


def _check_calls(
    layer: str, shapes: Sequence[tuple[int, ...]], clock: Timeline, calls: Calls
) -> None:
    k = len(shapes)
    if k == 0:
        raise ActivationError(
            f"layer {layer!r} is not called in a forward pass",
            allowed="a layer that is part of the forward pass",
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


def _rows(layer: str, step: npt.NDArray[Any], n: int, batch_axis: int) -> npt.NDArray[np.float32]:
    is_batch = step.ndim > batch_axis and step.shape[batch_axis] == n
    if step.dtype.kind not in "fiub" or not is_batch or step.size == 0:
        axes = [axis for axis, length in enumerate(step.shape) if length == n]
        listed = " or ".join(map(str, axes))
        todo = "choose a layer whose response has an axis for the stimuli"
        if axes and not is_batch:
            todo = (
                f"axis {listed} has the length {n}: if the stimuli are along it, declare "
                f"wrap(..., batch_axis={{{layer!r}: {axes[0]}}})"
            )
        raise ActivationError(
            f"layer {layer!r} returns {step.dtype} of shape {step.shape} for {n} stimuli",
            allowed=f"real numbers with one row per stimulus along axis {batch_axis}",
            todo=todo,
        )
    rows = np.moveaxis(step, batch_axis, 0)
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which the next check reports
        return np.ascontiguousarray(rows.reshape(n, -1), dtype=np.float32)


def _finite(
    layer: str, values: npt.NDArray[np.float32], ids: Sequence[str], at: str
) -> npt.NDArray[np.float32]:
    # A finite sum means finite values, and one pass is cheaper; the sum itself may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return values
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    first = int(np.flatnonzero(~is_finite.all(axis=1))[0])
    kind = "NaN" if np.isnan(values[first]).any() else "inf"
    raise ActivationError(
        f"layer {layer!r} returns {kind}{at} for stimulus {ids[first]!r} "
        f"({int((~is_finite[first]).sum())} of {values.shape[1]} units)",
        allowed="finite responses",
        todo="check weights, preprocessing and that image; nothing is replaced silently",
    )
