"""Means and medians that skip NaN, and values less their mean."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["centered", "nan_mean", "nan_median"]

FloatArray = NDArray[np.float64]


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


def nan_median(x: FloatArray) -> FloatArray:
    """Return the median over the last axis, NaN skipped; NaN, without a warning, where nothing is left.

    Examples
    --------
    >>> nan_median(np.array([[1.0, np.nan, 4.0], [np.nan, np.nan, np.nan]]))
    array([2.5, nan])
    """
    ordered = np.sort(x, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, x.shape[-1] - 1), axis=-1)
    return ((low + high) / 2)[..., 0]


def centered(x: FloatArray) -> FloatArray:
    """Subtract the mean over stimuli, the first axis; exactly 0 where all values are equal.

    Examples
    --------
    >>> centered(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0]])).tolist()
    [[0.0, -2.0], [0.0, 0.0], [0.0, 2.0]]
    """
    # The mean of equal values is not always that value.
    return np.where(np.ptp(x, axis=0) == 0, 0.0, x - x.mean(axis=0))
