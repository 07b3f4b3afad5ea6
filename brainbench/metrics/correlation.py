"""Correlations over stimuli: plain, ranked and weighted, for all neuroids or bootstrap draws at once.

A correlation that does not exist (one side is constant, or has NaN) is NaN, never 0: the caller counts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.reductions import centered, draw_counts

_BLOCK = 64  # rows that are summed before they are added up
_DRAWS = 100  # draws whose moments are made into correlations at once: they stay in the processor's cache


# --- plain ----------------------------------------------------------------------------------------


def pearson(x: AnyArray, y: AnyArray, *, axis: int = 0) -> FloatArray:
    """Return the Pearson correlation of x and y over one axis.

    Parameters
    ----------
    x, y : array
        Same shape, for example stimulus x neuroid, or split x stimulus x neuroid with axis=1.
    axis : int
        The axis that is correlated over.

    Returns
    -------
    array
        The shape without `axis`. NaN where x or y is constant or has a NaN or inf.

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
        zx, zy = _standard(x, axis), _standard(y, axis)
    return cast(FloatArray, np.clip((zx * zy).sum(axis=axis), -1.0, 1.0))


def pearson_of_predictions(
    predicted: AnyArray, observed: AnyArray, *, constant_counts: bool
) -> FloatArray:
    """Return the Pearson correlation of each column of held-out predictions with the responses.

    With `constant_counts` a constant prediction of responses that vary has r = 0: a map that predicts nothing
    must not be left out of a mean over folds. Else it is NaN, as in `pearson`.
    """
    r = pearson(predicted, observed)
    if not constant_counts:
        return r
    nothing = (np.ptp(predicted, axis=0) == 0) & (np.ptp(observed, axis=0) > 0)
    return np.where(nothing, 0.0, r)


def spearman(x: AnyArray, y: AnyArray, /, *, axis: int = 0) -> FloatArray:
    """Return the Spearman rank correlation of x and y over one axis; see `pearson`."""
    from scipy.stats import rankdata

    ranks = [rankdata(side, axis=axis, nan_policy="propagate") for side in (x, y)]
    return pearson(*ranks, axis=axis)


def tolerant_ranks(x: AnyArray, *, tolerance: float = 1e-9) -> FloatArray:
    """Return ranks over the first axis where values that differ by rounding alone are tied.

    Parameters
    ----------
    x : array, stimulus (x ...)
        Means, whose last digits depend on the order of summation.
    tolerance : float
        Share of a column's largest absolute value up to which two neighbors in rising order are tied.

    Returns
    -------
    array, as x
        Ranks from 1, tied values share their mean; NaN in columns with a NaN.

    Examples
    --------
    >>> tolerant_ranks(np.array([0.3, 0.1 + 0.2, 0.1])).tolist()
    [2.5, 2.5, 1.0]
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    columns = np.ascontiguousarray(np.moveaxis(x, 0, -1)).reshape(-1, n)
    missing = np.isnan(columns).any(axis=1, keepdims=True)
    columns = np.where(missing, 0.0, columns)
    order = np.argsort(columns, axis=1)
    ordered = np.take_along_axis(columns, order, axis=1)
    largest = np.maximum(np.abs(ordered[:, :1]), np.abs(ordered[:, -1:]))
    first = np.ones(columns.shape, dtype=bool)  # of its run of ties
    first[:, 1:] = np.diff(ordered, axis=1) > tolerance * largest
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=columns.size)
    ranks = np.empty(columns.shape)
    middle = np.repeat(starts % n + (lengths + 1) / 2, lengths).reshape(columns.shape)
    np.put_along_axis(ranks, order, middle, axis=1)
    ranks = np.where(missing, np.nan, ranks)
    return np.moveaxis(ranks.reshape(*x.shape[1:], n), -1, 0)


def unit_length(x: FloatArray, *, axis: int = 0) -> FloatArray:
    """Scale x to length 1 along one axis; zeros stay 0."""
    # The largest value becomes 1 first, so that squares of tiny responses do not underflow.
    largest = np.abs(x).max(axis=axis, keepdims=True)
    scaled = x / np.where(largest == 0, 1.0, largest)
    norm = np.linalg.norm(scaled, axis=axis, keepdims=True)
    return scaled / np.where(norm == 0, 1.0, norm)


def _standard(x: FloatArray, axis: int) -> FloatArray:
    """Return x centered and of length 1; NaN where x is constant."""
    # The mean of equal values is not always that value, hence the range and not the variance.
    constant = np.ptp(x, axis=axis, keepdims=True) == 0
    return np.where(constant, np.nan, unit_length(x - x.mean(axis=axis, keepdims=True), axis=axis))


# --- weighted -------------------------------------------------------------------------------------


def weighted_moments(x: AnyArray, y: AnyArray) -> FloatArray:
    """Return the columns whose weighted means make the correlations of `weighted_pearson`.

    Of x and y, stimulus x neuroid, brought to mean 0 and size 1, they are x, y, x2, y2, xy side by side.
    """
    zx, zy = _scaled(x), _scaled(y)
    return np.concatenate([zx, zy, zx * zx, zy * zy, zx * zy], axis=1)


def weighted_pearson(weights: FloatArray, moments: FloatArray) -> FloatArray:
    """Return the Pearson correlations of stimuli that count several times, for many draws at once.

    Parameters
    ----------
    weights : array, draw x stimulus
        How often each stimulus counts.
    moments : array, stimulus x 5 neuroids
        From `weighted_moments`.

    Returns
    -------
    array, draw x neuroid
        NaN where all stimuli of a draw have one value.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> y = np.array([[0.0], [1.0], [0.0]])
    >>> weighted_pearson(np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]), weighted_moments(x, y)).tolist()
    [[0.0], [1.0]]
    """
    total = weights.sum(axis=1)
    mean = (weights @ moments) / np.where(total > 0, total, np.nan)[:, None]
    x, y, xx, yy, xy = np.split(mean, 5, axis=1)
    var_x, var_y = xx - x * x, yy - y * y
    # Below this a variance is the rounding of the difference.
    constant = (var_x <= 1e-12 * xx) | (var_y <= 1e-12 * yy)
    return (xy - x * y) / np.sqrt(np.where(constant, np.nan, var_x * var_y))


def weighted_correlation_of_halves(
    weights: FloatArray, first: FloatArray, whole: FloatArray, *, share: float
) -> FloatArray:
    """Return the correlation of mean responses over two halves of the trials, for many draws at once.

    All trials make the second half of each split known from the first one: three columns of moments for each
    split, not the five of `weighted_moments`.

    Parameters
    ----------
    weights : array, draw x stimulus
        How often each stimulus counts.
    first : array, split x stimulus x column
        Mean over the first half.
    whole : array, stimulus x column
        Mean over all trials, the same for all splits.
    share : float
        Share of the trials in the first half.

    Returns
    -------
    array, draw x split x column
        NaN where all stimuli of a draw have one value in a half.
    """
    n_splits, n, n_columns = first.shape
    x, t = first - first.mean(axis=1, keepdims=True), whole - whole.mean(axis=0)
    largest = np.maximum(np.abs(x).max(axis=(0, 1)), np.abs(t).max(axis=0))
    x, t = (part / np.where(largest == 0, 1.0, largest) for part in (x, t))
    total = weights.sum(axis=1, keepdims=True)
    shares = weights / np.where(total > 0, total, np.nan)
    of_halves = [part.transpose(1, 0, 2).reshape(n, -1) for part in (x, x * x, x * t)]
    moments = np.concatenate([*of_halves, t, t * t], axis=1)
    r = np.empty((len(weights), n_splits, n_columns))
    for first_draw in range(0, len(weights), _DRAWS):
        draws = slice(first_draw, first_draw + _DRAWS)
        r[draws] = _correlation_from_means(shares[draws] @ moments, n_splits, n_columns, share)
    return r


def _correlation_from_means(
    means: FloatArray, n_splits: int, n_columns: int, share: float
) -> FloatArray:
    """Return the correlation of halves, draw x split x column, from weighted means of moments.

    `means` are those of first halves, of their squares, of their products with the whole (split and column
    side by side), of the whole and of its square.
    """
    width = n_splits * n_columns
    parts = np.split(means, [width, 2 * width, 3 * width, 3 * width + n_columns], axis=1)
    x, xx, xt = (part.reshape(-1, n_splits, n_columns) for part in parts[:3])
    t, tt = (part[:, None] for part in parts[3:])
    var_x, with_whole = xx - x * x, xt - x * t
    # Of the second half, times one less the share: the whole less `share` of the first half.
    with_y = with_whole - share * var_x
    var_y = tt - t * t - share * (with_whole + with_y)
    constant = (var_x <= 1e-12 * xx) | (var_y <= 1e-12 * (tt + xx))
    var_x *= var_y
    var_x[constant] = np.nan
    with_y /= np.sqrt(var_x, out=var_x)
    return with_y


def centered_correlation(
    x: FloatArray, y: FloatArray, weights: FloatArray, *, rounding: tuple[ArrayLike, ArrayLike]
) -> FloatArray:
    """Return the weighted correlation of each draw, where values differ from draw to draw.

    Parameters
    ----------
    x, y, weights : array, draw x value
        Values with a weighted mean of 0, and how often each counts.
    rounding : (float or array, float or array)
        For x and for y, a weighted sum of squares up to which a draw counts as constant; draw.

    Returns
    -------
    array, draw
        NaN where one side is constant.
    """
    weighted = weights * x
    xx, xy = np.einsum("dv,dv->d", weighted, x), np.einsum("dv,dv->d", weighted, y)
    yy = np.einsum("dv,dv,dv->d", weights, y, y)
    constant = (xx <= rounding[0]) | (yy <= rounding[1])
    r = xy / np.sqrt(np.where(constant, np.nan, xx * yy))
    return cast(FloatArray, np.clip(r, -1.0, 1.0))


def _scaled(x: AnyArray) -> FloatArray:
    """Return x less its mean over stimuli, the largest value brought to 1."""
    deviations = centered(np.asarray(x, dtype=np.float64))
    largest = np.abs(deviations).max(axis=0)
    return deviations / np.where(largest == 0, 1.0, largest)


# --- weighted ranks -------------------------------------------------------------------------------


def rank_correlation(x: AnyArray, y: AnyArray, *, counts: AnyArray | None = None) -> FloatArray:
    """Return the Spearman correlation over the images where both sides have a figure.

    Parameters
    ----------
    x, y : array, image
        NaN where there is no figure.
    counts : array, draw x image, optional
        How often each image counts, one correlation for each draw: that of the repeated images.

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
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(
            f"figures of shapes {x.shape} and {y.shape}",
            allowed="one figure per image on both sides",
            todo="align both by stimulus_id",
        )
    both = ~(np.isnan(x) | np.isnan(y))
    weights = draw_counts(counts, len(x))[:, both]
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2  # the mean rank, whatever the ties
    ranks_x, ranks_y = (midranks(side[both], weights) - middle for side in (x, y))
    # Ranks are halves of whole numbers: a sum of squares below a quarter is rounding.
    r = centered_correlation(ranks_x, ranks_y, weights, rounding=(0.25, 0.25))
    return cast(FloatArray, r[0] if counts is None else r)


def midranks(values: AnyArray, counts: AnyArray) -> FloatArray:
    """Return the rank of each value, from 1, among values that count several times; ties share their mean.

    Ranks and `counts` are draw x image; the values have no NaN. The rank of an image that does not count has
    no meaning.
    """
    counts = np.asarray(counts, dtype=np.float64)
    ranks = np.empty(counts.shape)
    if len(values):
        by_value = RankOrder.of(np.asarray(values))
        ranks[:, by_value.order] = by_value.ranks(counts[:, by_value.order].T).T
    return ranks


@dataclass(frozen=True)
class RankOrder:
    """Values in rising order, tied ones together; sorted once and ranked under many weights.

    Attributes
    ----------
    order : array of int, value
        Rows of the values in rising order.
    starts : array of int, group
        Where in that order each group of tied values starts.
    """

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, values: AnyArray) -> RankOrder:
        """Sort values that have no NaN."""
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        return cls(order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]))

    def ranks(self, weights: FloatArray) -> FloatArray:
        """Return the mean rank of each value, from 1; weights and ranks are value x draw, in `order`."""
        tied = len(self.starts) < len(self.order)
        groups = np.add.reduceat(weights, self.starts, axis=0) if tied else weights
        middle = _running_sum(groups)
        middle -= (groups - 1) / 2
        if not tied:
            return middle
        return np.repeat(middle, np.diff(self.starts, append=len(self.order)), axis=0)


def _running_sum(x: FloatArray) -> FloatArray:
    """Return the cumulative sum over the first axis, many rows at once: np.cumsum takes 7 times as long."""
    n_blocks = -(-len(x) // _BLOCK)
    padded = np.zeros((n_blocks * _BLOCK, x.shape[1]))
    padded[: len(x)] = x
    blocks = padded.reshape(n_blocks, _BLOCK, -1)
    for row in range(1, _BLOCK):
        blocks[:, row] += blocks[:, row - 1]
    blocks[1:] += np.cumsum(blocks[:-1, -1], axis=0)[:, None]
    return padded[: len(x)]
