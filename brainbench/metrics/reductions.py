"""Means and medians that skip NaN or weight values, values less their mean, and the check of counts."""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray


def nan_mean(x: FloatArray, *, axis: int) -> FloatArray:
    """Return the mean over one axis, NaN skipped; NaN, without a warning, where nothing is left.

    Examples
    --------
    >>> nan_mean(np.array([[1.0, np.nan], [3.0, np.nan]]), axis=0)
    array([ 2., nan])
    """
    defined = ~np.isnan(x)
    count = defined.sum(axis=axis)
    total = np.where(defined, x, 0.0).sum(axis=axis)
    return cast(FloatArray, total / np.where(count > 0, count, np.nan))


def nan_median(x: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the median over the last axis, NaN skipped; NaN, without a warning, where nothing is left.

    Parameters
    ----------
    x : array, (...,) unit; with counts draw x (...,) unit
        Values.
    counts : array of whole numbers, draw x unit, optional
        How often each unit counts. Where one of the two has a single draw, it serves all of the other.

    Returns
    -------
    array, (...); with counts draw x (...)
        The median of the values, each repeated as often as it counts.

    Examples
    --------
    >>> nan_median(np.array([[1.0, 2.0, 9.0]]), np.array([[1, 1, 1], [0, 1, 1], [3, 1, 0]])).tolist()
    [2.0, 5.5, 1.0]
    >>> nan_median(np.array([[1.0, np.nan, 4.0], [np.nan, np.nan, np.nan]]))
    array([2.5, nan])
    """
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(x, order, axis=-1)  # NaN last
    if counts is None:
        count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
        low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, x.shape[-1] - 1)
    else:
        n_draws = max(len(x), len(counts))
        columns = np.asarray(counts).reshape(len(counts), *[1] * (x.ndim - 2), -1)
        order = np.broadcast_to(order, (n_draws, *x.shape[1:]))
        weights = np.take_along_axis(np.broadcast_to(columns, order.shape), order, axis=-1)
        ordered = np.broadcast_to(ordered, order.shape)
        total = np.cumsum(np.where(np.isnan(ordered), 0, weights), axis=-1)
        count = total[..., -1:]
        low = (total <= np.maximum(count - 1, 0) // 2).sum(axis=-1, keepdims=True)
        high = (total <= count // 2).sum(axis=-1, keepdims=True)
        low, high = (np.minimum(place, x.shape[-1] - 1) for place in (low, high))
    pair = (np.take_along_axis(ordered, place, axis=-1) for place in (low, high))
    median = sum(pair) / 2
    return cast(FloatArray, np.where(count > 0, median, np.nan)[..., 0])


def weighted_mean(x: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the mean over the last axis; NaN where a value that counts is NaN, or where none counts.

    `x` and `weights` are draw x part; a weight of 0 omits a value, and without weights all count alike.
    """
    if weights is None:
        return x.mean(axis=-1) if x.shape[-1] else np.full(x.shape[:-1], np.nan)
    total = weights.sum(axis=-1)
    weighted = np.where(weights > 0, weights * np.where(weights > 0, x, 0.0), 0.0).sum(axis=-1)
    return cast(FloatArray, weighted / np.where(total > 0, total, np.nan))


def centered(x: FloatArray) -> FloatArray:
    """Subtract the mean over stimuli, the first axis; exactly 0 where all values are equal."""
    # The mean of equal values is not always that value.
    return np.where(np.ptp(x, axis=0) == 0, 0.0, x - x.mean(axis=0))


def draw_counts(counts: AnyArray | None, n_stimuli: int) -> FloatArray:
    """Check how often each stimulus counts, draw x stimulus; None is one draw of each stimulus once."""
    if counts is None:
        return np.ones((1, n_stimuli))
    counts = np.asarray(counts, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[1] != n_stimuli:
        raise InputError(
            f"counts of shape {counts.shape} for {n_stimuli} stimuli",
            allowed=f"draw x {n_stimuli}",
            todo="make them with brainbench.stats.bootstrap.image_counts",
        )
    return counts
