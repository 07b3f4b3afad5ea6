"""Rank correlation: over an axis, or of images that count several times or not at all, as in a bootstrap."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import pearson

__all__ = ["midranks", "rank_correlation", "spearman"]

FloatArray = NDArray[np.float64]


def rank_correlation(
    x: NDArray[Any], y: NDArray[Any], *, counts: NDArray[Any] | None = None
) -> FloatArray:
    """Spearman correlation over the images where both have a figure.

    Parameters
    ----------
    x, y : array, image
        NaN where there is no figure.
    counts : array, draw x image, optional
        How often each image counts, one correlation for each draw: that of the images repeated so often.

    Returns
    -------
    array, () or draw
        NaN where fewer than two images are left, or one side is constant over them.

    Raises
    ------
    InputError
        Lengths that differ.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0, np.nan])
    >>> float(rank_correlation(x, np.array([10.0, 30.0, 20.0, 0.0])))
    0.5
    >>> rank_correlation(x, x, counts=np.array([[2, 1, 0, 1], [3, 0, 0, 1]]))
    array([ 1., nan])
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in (x, y))
    weights = np.ones((1, len(x))) if counts is None else np.asarray(counts, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or weights.shape != (len(weights), len(x)):
        raise InputError(
            f"figures of shapes {x.shape} and {y.shape}, counted by {weights.shape}",
            allowed="one figure per image on both sides, and counts of shape draw x image",
            todo="align both by stimulus_id",
        )
    both = ~(np.isnan(x) | np.isnan(y))
    w = weights[:, both]
    total = w.sum(axis=1, keepdims=True)
    # Ranks are centered at (total + 1) / 2 whatever the ties.
    a, b = (midranks(side[both], w) - (total + 1) / 2 for side in (x, y))
    aa, bb, ab = ((w * p * q).sum(axis=1) for p, q in ((a, a), (b, b), (a, b)))
    # Ranks are halves of whole numbers: a spread below a quarter is none.
    flat = (aa < 0.25) | (bb < 0.25)
    r = np.clip(ab / np.where(flat, np.nan, np.sqrt(aa * bb)), -1.0, 1.0)
    return cast(FloatArray, r[0] if counts is None else r)


def spearman(x: NDArray[Any], y: NDArray[Any], /, *, axis: int = 0) -> FloatArray:
    """Spearman rank correlation over one axis; NaN where one is constant or has a NaN.

    Parameters
    ----------
    x, y : array
        Same shape.
    axis : int
        The axis that is correlated over.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([0.0, 5.0, 6.0])).round(6)
    np.float64(1.0)
    """
    ranks = [rankdata(one, axis=axis, nan_policy="propagate") for one in (x, y)]
    return pearson(*ranks, axis=axis)


def midranks(values: NDArray[Any], counts: NDArray[Any]) -> FloatArray:
    """Rank of each value among values that count several times, equal values sharing their mean rank.

    Parameters
    ----------
    values : array, image
        No NaN.
    counts : array, draw x image
        How often each counts.

    Returns
    -------
    array, draw x image
        From 1. What an image that does not count gets has no meaning.

    Examples
    --------
    >>> midranks(np.array([5.0, 7.0, 5.0]), np.array([[1, 1, 1], [2, 1, 0]]))
    array([[1.5, 3. , 1.5],
           [1.5, 3. , 1.5]])
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not len(values):
        return np.empty(counts.shape)
    order = np.argsort(values, kind="stable")
    ordered = np.asarray(values)[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    each = np.add.reduceat(counts[:, order], first, axis=1)
    shared = np.cumsum(each, axis=1) - (each - 1) / 2
    ranks = np.empty(counts.shape)
    ranks[:, order] = np.repeat(shared, np.diff(np.r_[first, len(ordered)]), axis=1)
    return ranks
