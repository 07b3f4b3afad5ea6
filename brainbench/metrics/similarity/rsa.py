"""How alike two representational dissimilarity matrices (RDMs) are, and the noise ceiling over subjects.

References
----------
Kriegeskorte, Mur & Bandettini 2008 (rank correlation of RDMs); Nili et al. 2014 (noise ceiling over
subjects, Kendall's tau-a). Brain-Score 2.4.2, `rdm`: 1 - Pearson, compared by Spearman.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.correlation import (
    RankOrder,
    centered_correlation,
    pearson,
    spearman,
    unit_length,
)
from brainbench.metrics.similarity.rdm import n_stimuli, pairs_of

__all__ = [
    "COMPARISONS",
    "Comparison",
    "NoiseCeiling",
    "compare",
    "compare_draws",
    "noise_ceiling",
    "summed",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Comparison: TypeAlias = Literal["spearman", "pearson", "kendall"]

COMPARISONS: tuple[Comparison, ...] = ("spearman", "pearson", "kendall")
"""How two RDMs are compared; "kendall" is tau-a, which does not favor models with tied dissimilarities."""

_BATCH_NUMBERS = 1 << 21
_LEAST_DRAWS = 32


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
    return float(spearman(a, b) if how == "spearman" else pearson(a, b))


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
            todo="make them with brainbench.stats.bootstrap.image_counts",
        )
    one, other = pairs_of(n)
    prepared = {"kendall": _kendall, "spearman": _spearman, "pearson": _pearson}[how](a, b)
    size = max(_LEAST_DRAWS, _BATCH_NUMBERS // len(a))
    made = []
    for start in range(0, len(counts), size):
        # Draws lie side by side: a pair's weights are one piece of memory, whatever the order of pairs.
        drawn = np.ascontiguousarray(counts[start : start + size].T)
        enough = (drawn > 0).sum(axis=0) >= 3
        made.append(np.where(enough, prepared(partial(_weights, drawn, one, other)), np.nan))
    return np.concatenate(made)


def _weights(drawn: FloatArray, one: IntArray, other: IntArray, pairs: IntArray) -> FloatArray:
    return drawn[one[pairs]] * drawn[other[pairs]]


Weights: TypeAlias = Callable[[IntArray], FloatArray]
"""Weights of some pairs, in their order: pair x draw."""
Draw: TypeAlias = Callable[[Weights], FloatArray]


def _spearman(a: FloatArray, b: FloatArray) -> Draw:
    """Weighted rank correlation: pairs stay in the order of a, their ranks in b are brought there."""
    of_a, of_b = RankOrder.of(a), RankOrder.of(b)
    place = np.argsort(of_b.order)[of_a.order]

    def draw(weights: Weights) -> FloatArray:
        w = weights(of_a.order)
        mean_rank = (w.sum(axis=0) + 1) / 2
        ranks_b = of_b.ranks(weights(of_b.order))[place]
        return _correlation(of_a.ranks(w) - mean_rank, ranks_b - mean_rank, w)

    return draw


def _pearson(a: FloatArray, b: FloatArray) -> Draw:
    everything = np.arange(len(a))
    a, b = a - a.mean(), b - b.mean()

    def draw(weights: Weights) -> FloatArray:
        w = weights(everything)
        total = w.sum(axis=0)
        total = np.where(total > 0, total, np.nan)
        return _correlation(a[:, None] - a @ w / total, b[:, None] - b @ w / total, w)

    return draw


def _kendall(a: FloatArray, b: FloatArray) -> Draw:
    everything = np.arange(len(a))

    def draw(weights: Weights) -> FloatArray:
        times = weights(everything).T.astype(np.intp)
        return np.array([_tau_a(a, b, row) for row in times])

    return draw


def _correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlate centered x and y, pair x draw, of each draw; NaN where one of them does not vary."""
    # Of pairs that are all equal, the rounding of the mean is left.
    least = 1e-26 * weights.sum(axis=0)
    rounding = least * np.square(x).max(axis=0), least * np.square(y).max(axis=0)
    return centered_correlation(x.T, y.T, weights.T, rounding=rounding)


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
        then no strict one) or standardized ("pearson").

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
    others = [summed(np.delete(rdms, k, axis=0), how=how) for k in range(len(rdms))]
    total = summed(rdms, how=how)
    lower = [compare(one, other, how=how) for one, other in zip(rdms, others, strict=True)]
    upper = [compare(one, total, how=how) for one in rdms]
    return NoiseCeiling(float(np.mean(lower)), float(np.mean(upper)))


def summed(rdms: NDArray[Any], *, how: Comparison = "spearman") -> FloatArray:
    """Sum of several subjects' RDMs on the scale on which they are compared: ranks, or standardized.

    Parameters
    ----------
    rdms : array, subject x pair
        Dissimilarities that vary.
    how
        See `compare`.

    Examples
    --------
    >>> summed(np.array([[0.1, 0.5, 0.9], [0.5, 0.2, 0.7]])).tolist()
    [3.0, 3.0, 6.0]
    """
    rdms = np.asarray(rdms, dtype=np.float64)
    if how != "pearson":
        return cast(FloatArray, rankdata(rdms, axis=1).sum(axis=0))
    return cast(
        FloatArray, unit_length(rdms - rdms.mean(axis=1, keepdims=True), axis=1).sum(axis=0)
    )


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
