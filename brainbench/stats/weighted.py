"""Pearson correlations over stimuli that count several times, for many draws at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["weighted_pearson", "weighted_sums"]

FloatArray = NDArray[np.float64]


def weighted_sums(x: NDArray[Any], y: NDArray[Any]) -> FloatArray:
    """What the correlations of all draws are made of.

    Parameters
    ----------
    x, y : array, stimulus x neuroid

    Returns
    -------
    array, stimulus x 5 neuroids
        Columns x, y, x2, y2, xy, x and y brought to mean 0 and size 1.

    Examples
    --------
    >>> weighted_sums(np.array([[0.0], [2.0]]), np.array([[5.0], [1.0]])).tolist()
    [[-1.0, 1.0, 1.0, 1.0, -1.0], [1.0, -1.0, 1.0, 1.0, -1.0]]
    """
    zx, zy = _scaled(x), _scaled(y)
    return np.concatenate([zx, zy, zx * zx, zy * zy, zx * zy], axis=1)


def weighted_pearson(weights: FloatArray, sums: FloatArray) -> FloatArray:
    """Correlations of each draw.

    Parameters
    ----------
    weights : array, draw x stimulus
        How often each stimulus counts.
    sums : array, stimulus x 5 neuroids
        From `weighted_sums`.

    Returns
    -------
    array, draw x neuroid
        NaN where the drawn stimuli are all one value.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> y = np.array([[0.0], [1.0], [0.0]])
    >>> weighted_pearson(np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]), weighted_sums(x, y)).tolist()
    [[0.0], [1.0]]
    """
    total = weights.sum(axis=1)
    mean = (weights @ sums) / np.where(total > 0, total, np.nan)[:, None]
    x, y, xx, yy, xy = np.split(mean, 5, axis=1)
    var_x, var_y = xx - x * x, yy - y * y
    # Below this a variance is the rounding of the difference.
    constant = (var_x <= 1e-12 * xx) | (var_y <= 1e-12 * yy)
    return (xy - x * y) / np.sqrt(np.where(constant, np.nan, var_x * var_y))


def _scaled(x: NDArray[Any]) -> FloatArray:
    x = np.asarray(x, dtype=np.float64)
    centered = np.where(np.ptp(x, axis=0) == 0, 0.0, x - x.mean(axis=0))
    largest = np.abs(centered).max(axis=0)
    return centered / np.where(largest == 0, 1.0, largest)
