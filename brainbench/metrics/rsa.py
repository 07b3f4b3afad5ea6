"""How alike two representational dissimilarity matrices (RDMs) are, and the noise ceiling over subjects.

References
----------
Kriegeskorte, Mur & Bandettini 2008 (rank correlation of RDMs); Nili et al. 2014 (noise ceiling over
subjects, Kendall's tau-a). Brain-Score 2.4.2, `rdm`: 1 - Pearson, compared by Spearman.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from brainbench.errors import InputError, unknown
from brainbench.metrics.correlation import pearson
from brainbench.metrics.rdm import n_stimuli, pairs_of, subset

__all__ = [
    "COMPARISONS",
    "Comparison",
    "NoiseCeiling",
    "compare",
    "compare_draws",
    "cross_compare",
    "noise_ceiling",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Comparison: TypeAlias = Literal["spearman", "pearson", "kendall"]

COMPARISONS: tuple[Comparison, ...] = ("spearman", "pearson", "kendall")
"""How two RDMs are compared; "kendall" is tau-a, which does not favour models with tied dissimilarities."""

_BATCH_NUMBERS = 1 << 21


def compare(a: NDArray[Any], b: NDArray[Any], *, how: Comparison = "spearman") -> float:
    """Likeness of two RDMs of the same stimuli.

    Parameters
    ----------
    a, b : array, pair
        Dissimilarities.
    how : "spearman", "pearson" or "kendall"
        Rank correlation with tied pairs at their mean rank; linear correlation; tau-a, the share of
        concordant less the share of discordant pairs of pairs, ties counted as neither.

    Returns
    -------
    float
        NaN where all dissimilarities of one RDM are equal ("kendall": 0).

    Raises
    ------
    InputError
        Different lengths, a length that is not that of an RDM of three or more stimuli, NaN or inf, or an
        unknown comparison.

    Examples
    --------
    >>> round(compare(np.array([0.1, 0.5, 0.9]), np.array([1.0, 8.0, 9.0])), 12)
    1.0
    """
    a, b = _check_pair(a, b, how)
    if how == "kendall":
        return _tau_a(a, b, np.ones(len(a), dtype=np.intp))
    if how == "spearman":
        a, b = rankdata(a), rankdata(b)
    return float(pearson(a, b))


def cross_compare(
    a: NDArray[Any],
    b: NDArray[Any],
    subsets: Iterable[NDArray[Any]],
    *,
    how: Comparison = "spearman",
) -> FloatArray:
    """Likeness of two RDMs within each of several sets of stimuli.

    Parameters
    ----------
    a, b : array, pair
        Dissimilarities.
    subsets : iterable of array of int
        Row numbers of stimuli: held-out ones, or the nine tenths that Brain-Score draws ten times.
    how
        See `compare`.

    Returns
    -------
    array, subset

    Examples
    --------
    >>> a = np.array([0.1, 0.5, 0.9, 0.2, 0.4, 0.3])
    >>> cross_compare(a, a**2, [np.array([0, 1, 2]), np.array([1, 2, 3])]).round(12).tolist()
    [1.0, 1.0]
    """
    a, b = _check_pair(a, b, how)
    return np.array([compare(subset(a, rows), subset(b, rows), how=how) for rows in subsets])


def compare_draws(
    a: NDArray[Any],
    b: NDArray[Any],
    counts: NDArray[Any],
    *,
    how: Comparison = "spearman",
) -> FloatArray:
    """Likeness of two RDMs over stimuli that were drawn with replacement.

    Parameters
    ----------
    a, b : array, pair
        Dissimilarities.
    counts : array, draw x stimulus
        How often each stimulus is drawn. A pair counts as often as both are drawn; pairs of a stimulus
        with itself, which are alike in any RDM, are left out.
    how
        See `compare`.

    Returns
    -------
    array, draw
        NaN where fewer than three stimuli, or only equal dissimilarities, were drawn.

    Raises
    ------
    InputError
        As `compare`; counts of another number of stimuli.

    Examples
    --------
    >>> a = np.array([0.1, 0.5, 0.9])
    >>> compare_draws(a, a[::-1], np.array([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0]])).tolist()
    [-1.0, nan]
    """
    a, b = _check_pair(a, b, how)
    counts = np.asarray(counts, dtype=np.float64)
    n = n_stimuli(len(a))
    if counts.ndim != 2 or counts.shape[1] != n:
        raise InputError(
            f"counts of shape {counts.shape} for an RDM of {n} stimuli",
            allowed=f"(number of draws, {n})",
            todo="make them with brainbench.stats.resample.image_counts",
        )
    one, other = pairs_of(n)
    values = np.full(len(counts), np.nan)
    size = max(1, _BATCH_NUMBERS // len(a))
    by_rank = (_Order.of(a), _Order.of(b))
    for start in range(0, len(counts), size):
        drawn = counts[start : start + size]
        weights = drawn[:, one] * drawn[:, other]
        enough = (drawn > 0).sum(axis=1) >= 3
        if how == "kendall":
            made = np.array([_tau_a(a, b, row.astype(np.intp)) for row in weights])
        elif how == "spearman":
            made = _weighted(by_rank[0].ranks(weights), by_rank[1].ranks(weights), weights)
        else:
            made = _weighted(a - a.mean(), b - b.mean(), weights)
        values[start : start + size] = np.where(enough, made, np.nan)
    return values


@dataclass(frozen=True)
class _Order:
    """Pairs by rising dissimilarity, tied ones together."""

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, values: FloatArray) -> _Order:
        order = np.argsort(values, kind="stable")
        new = np.flatnonzero(np.diff(values[order], prepend=-np.inf) != 0)
        return cls(order, new)

    def ranks(self, weights: FloatArray) -> FloatArray:
        """Mean rank of each pair, draw x pair, as if it were there as often as its weight says."""
        groups = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        middle = np.cumsum(groups, axis=1) - groups / 2
        sizes = np.diff(self.starts, append=len(self.order))
        ranks = np.empty_like(weights)
        ranks[:, self.order] = np.repeat(middle, sizes, axis=1)
        return ranks


def _weighted(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Pearson correlation of each draw; NaN where one of them does not vary."""
    total = weights.sum(axis=1, keepdims=True)
    share = weights / np.where(total > 0, total, np.nan)
    x = x - np.sum(share * x, axis=1, keepdims=True)
    y = y - np.sum(share * y, axis=1, keepdims=True)
    xx, yy = np.sum(share * x * x, axis=1), np.sum(share * y * y, axis=1)
    # Of pairs that are all alike, rounding of the mean is left.
    flat = (xx <= 1e-26 * np.square(x).max(axis=1)) | (yy <= 1e-26 * np.square(y).max(axis=1))
    xy = np.sum(share * x * y, axis=1)
    return cast(FloatArray, xy / np.sqrt(np.where(flat, np.nan, xx * yy)))


def _tau_a(a: FloatArray, b: FloatArray, times: IntArray) -> float:
    """Tau-a of pairs that are there several times; a pair is not compared with itself."""
    there = np.repeat(np.arange(len(a)), times)
    n = len(there)
    compared = n * (n - 1) / 2 - float(np.sum(times * (times - 1)) / 2)
    if compared <= 0:
        return float("nan")
    tied = [_tied(values[there]) for values in (a, b)]
    if n * (n - 1) / 2 in tied:
        return 0.0
    tau_b = float(kendalltau(a[there], b[there]).statistic)
    untied = [n * (n - 1) / 2 - t for t in tied]
    return tau_b * float(np.sqrt(untied[0]) * np.sqrt(untied[1])) / compared


def _tied(values: FloatArray) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float(np.sum(counts * (counts - 1)) / 2)


# --- several subjects -----------------------------------------------------------------------------


@dataclass(frozen=True)
class NoiseCeiling:
    """Between what bounds the mean likeness of the best possible model to the subjects lies.

    Attributes
    ----------
    lower : float
        Mean likeness of each subject to the mean of the others: what a model can reach at least.
    upper : float
        Mean likeness of each subject to the mean of all, it included: no model can do better.
    """

    lower: float
    upper: float


def noise_ceiling(rdms: NDArray[Any], *, how: Comparison = "spearman") -> NoiseCeiling:
    """Noise ceiling over subjects.

    Parameters
    ----------
    rdms : array, subject x pair
        One RDM for each subject.
    how
        See `compare`. RDMs are averaged as ranks ("spearman" and "kendall", for which the upper bound is
        then no strict one) or standardised ("pearson").

    Raises
    ------
    InputError
        Fewer than two subjects; as `compare`; a subject whose dissimilarities are all equal.

    References
    ----------
    Nili et al. 2014, PLoS Computational Biology, "Estimating the noise ceiling".

    Examples
    --------
    >>> bounds = noise_ceiling(np.array([[0.1, 0.5, 0.9], [0.5, 0.2, 0.7]]))
    >>> round(bounds.lower, 3), round(bounds.upper, 3)
    (0.5, 0.866)
    """
    rdms = np.asarray(rdms, dtype=np.float64)
    if rdms.ndim != 2 or len(rdms) < 2:
        raise InputError(
            f"RDMs of shape {rdms.shape}",
            allowed="subject x pair, at least two subjects",
            todo="with one subject there is no noise ceiling: report the raw figure",
        )
    if (np.ptp(rdms, axis=1) == 0).any():
        raise InputError(
            f"the dissimilarities of subject {int((np.ptp(rdms, axis=1) == 0).argmax())} are all equal",
            allowed="RDMs that vary",
            todo="leave out that subject and say so",
        )
    comparable = _standardised(rdms) if how == "pearson" else rankdata(rdms, axis=1)
    total = comparable.sum(axis=0)
    lower = [compare(one, total - one, how=how) for one in comparable]
    upper = [compare(one, total, how=how) for one in comparable]
    return NoiseCeiling(float(np.mean(lower)), float(np.mean(upper)))


def _standardised(rdms: FloatArray) -> FloatArray:
    centred = rdms - rdms.mean(axis=1, keepdims=True)
    return cast(FloatArray, centred / np.linalg.norm(centred, axis=1, keepdims=True))


# --- checks ---------------------------------------------------------------------------------------


def _check_pair(a: NDArray[Any], b: NDArray[Any], how: str) -> tuple[FloatArray, FloatArray]:
    if how not in COMPARISONS:
        raise unknown("comparison", how, list(COMPARISONS), todo="choose one of these")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or n_stimuli(len(a)) < 3:
        raise InputError(
            f"RDMs of shapes {a.shape} and {b.shape}",
            allowed="two vectors of n(n - 1)/2 dissimilarities, n the same and at least 3",
            todo="align both by stimulus_id, and give the pairs i < j only (scipy's squareform)",
        )
    for which, values in (("first", a), ("second", b)):
        bad = ~np.isfinite(values)
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {len(values)} dissimilarities of the {which} RDM are not finite",
                allowed="finite dissimilarities",
                todo="leave out the stimuli without a response, and count them",
            )
    return a, b
