"""Pearson correlation over stimuli, for all neuroids at once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError

__all__ = ["pearson"]


def pearson(x: NDArray[Any], y: NDArray[Any], *, axis: int = 0) -> NDArray[np.float64]:
    """Pearson correlation of x and y over one axis.

    Parameters
    ----------
    x, y : array
        Same shape, for example stimulus x neuroid, or split x stimulus x neuroid with axis=1.
    axis : int
        The axis that is correlated over.

    Returns
    -------
    array
        The shape without `axis`. NaN where x or y is constant or has a NaN or inf: a correlation that
        does not exist is never 0. The caller counts them.

    Raises
    ------
    InputError
        The shapes differ, or fewer than two values are correlated.

    Examples
    --------
    >>> x = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    >>> pearson(x, 10 - 2 * x)
    array([-1., nan])
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim < 1 or x.shape[axis] < 2:
        raise InputError(
            f"shapes {x.shape} and {y.shape} to correlate over axis {axis}",
            allowed="equal shapes with at least two values to correlate",
            todo="align both by stimulus_id and neuroid_id; score at least two stimuli",
        )
    with np.errstate(invalid="ignore"):  # inf - inf: NaN, as documented
        zx, zy = _unit(x, axis), _unit(y, axis)
    return cast(NDArray[np.float64], np.clip((zx * zy).sum(axis=axis), -1.0, 1.0))


def _unit(x: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Centered and of length 1; NaN where x is constant."""
    # The mean of equal values is not always that value, hence the range and not the variance.
    constant = np.ptp(x, axis=axis, keepdims=True) == 0
    centered = x - x.mean(axis=axis, keepdims=True)
    # Brought to 1 first, so that squares of tiny responses do not underflow.
    largest = np.abs(centered).max(axis=axis, keepdims=True)
    scaled = centered / np.where(constant, np.nan, largest)
    return cast(NDArray[np.float64], scaled / np.linalg.norm(scaled, axis=axis, keepdims=True))
