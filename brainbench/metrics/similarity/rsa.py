"""Similarity of two representational dissimilarity matrices (RDMs), and its noise ceiling over subjects.

References
----------
Kriegeskorte, Mur & Bandettini 2008 (rank correlation of RDMs); Nili et al. 2014 (noise ceiling over
subjects, Kendall's tau-a). Brain-Score 2.4.2, `rdm`: 1 - Pearson, compared by Spearman.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import (
    RankOrder,
    centered_correlation,
    pearson,
    spearman,
    unit_length,
)
from brainbench.metrics.reductions import draw_counts
from brainbench.metrics.similarity.rdm import n_stimuli, pairs_of

Comparison: TypeAlias = Literal["spearman", "pearson", "kendall"]

COMPARISONS: tuple[Comparison, ...] = ("spearman", "pearson", "kendall")
"""Names of the comparisons; "kendall" is tau-a, which does not favor models with tied dissimilarities."""

BATCH_NUMBERS = 1 << 21
"""Pairs times draws that are compared at once: 16 MB, but at least `LEAST_DRAWS` draws."""
LEAST_DRAWS = 32


def compare(a: AnyArray, b: AnyArray, *, comparison: Comparison = "spearman") -> float:
    """Return the similarity of two RDMs of the same stimuli.

    Parameters
    ----------
    a, b : array, pair
        Dissimilarities.
    comparison : "spearman", "pearson" or "kendall"
        Rank correlation with tied pairs at their mean rank; linear correlation; tau-a, the share of
        concordant less the share of discordant pairs of pairs, ties counted as neither.

    Returns
    -------
    float
        NaN where all dissimilarities of one RDM are equal ("kendall": 0).

    Raises
    ------
    InputError
        Different lengths, a length that is not that of an RDM of three or more stimuli, NaN or inf.
    UnknownNameError
        No such comparison.

    Examples
    --------
    >>> round(compare(np.array([0.1, 0.5, 0.9]), np.array([1.0, 8.0, 9.0])), 12)
    1.0
    """
    a, b = _check_pair(a, b, comparison)
    if comparison == "kendall":
        return _tau_a(a, b, np.ones(len(a), dtype=np.intp))
    return float(spearman(a, b) if comparison == "spearman" else pearson(a, b))


def compare_draws(
    a: AnyArray,
    b: AnyArray,
    counts: AnyArray,
    *,
    comparison: Comparison = "spearman",
) -> FloatArray:
    """Return the similarity of two RDMs over stimuli that were drawn with replacement.

    Parameters
    ----------
    a, b : array, pair
        Dissimilarities.
    counts : array, draw x stimulus
        How often each stimulus is drawn. A pair counts as often as both are drawn; pairs of a stimulus
        with itself, which have dissimilarity 0 in any RDM, do not count.
    comparison
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
    a, b = _check_pair(a, b, comparison)
    n = n_stimuli(len(a))
    counts = draw_counts(counts, n)
    size = max(LEAST_DRAWS, BATCH_NUMBERS // len(a))
    # Stimulus x draw: the weights of a pair are adjacent in memory, whatever the order of pairs.
    batches = [
        np.ascontiguousarray(counts[start : start + size].T)
        for start in range(0, len(counts), size)
    ]
    draws_of = {"kendall": _kendall_draws, "spearman": _spearman_draws, "pearson": _pearson_draws}
    values = np.concatenate([*draws_of[comparison](a, b, np.stack(pairs_of(n)), batches)])
    return np.where((counts > 0).sum(axis=1) >= 3, values, np.nan)


def _pair_weights(drawn: FloatArray, pairs: IntArray) -> FloatArray:
    """Return how often each pair counts, pair x draw; `pairs` holds both rows of each, 2 x pair."""
    first, second = pairs
    return cast(FloatArray, drawn[first] * drawn[second])


def _spearman_draws(
    a: FloatArray, b: FloatArray, pairs: IntArray, batches: Sequence[FloatArray]
) -> Iterator[FloatArray]:
    """Yield weighted rank correlations; pairs are in the order of a, to which ranks in b are brought."""
    of_a, of_b = RankOrder.of(a), RankOrder.of(b)
    place = np.argsort(of_b.order)[of_a.order]
    pairs_a, pairs_b = pairs[:, of_a.order], pairs[:, of_b.order]
    for drawn in batches:
        weights = _pair_weights(drawn, pairs_a)
        mean_rank = (weights.sum(axis=0) + 1) / 2
        ranks_b = of_b.ranks(_pair_weights(drawn, pairs_b))[place]
        yield _correlation(of_a.ranks(weights) - mean_rank, ranks_b - mean_rank, weights)


def _pearson_draws(
    a: FloatArray, b: FloatArray, pairs: IntArray, batches: Sequence[FloatArray]
) -> Iterator[FloatArray]:
    a, b = a - a.mean(), b - b.mean()
    for drawn in batches:
        weights = _pair_weights(drawn, pairs)
        total = weights.sum(axis=0)
        total = np.where(total > 0, total, np.nan)
        centered_a, centered_b = (side[:, None] - side @ weights / total for side in (a, b))
        yield _correlation(centered_a, centered_b, weights)


def _kendall_draws(
    a: FloatArray, b: FloatArray, pairs: IntArray, batches: Sequence[FloatArray]
) -> Iterator[FloatArray]:
    for drawn in batches:
        times = _pair_weights(drawn, pairs).T.astype(np.intp)
        yield np.array([_tau_a(a, b, row) for row in times])


def _correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the correlation of centered x and y, pair x draw, in each draw."""
    # Up to here the deviations of equal values are the rounding of their mean.
    least = 1e-26 * weights.sum(axis=0)
    rounding = least * np.square(x).max(axis=0), least * np.square(y).max(axis=0)
    return centered_correlation(x.T, y.T, weights.T, rounding=rounding)


def _tau_a(a: FloatArray, b: FloatArray, times: IntArray) -> float:
    """Return tau-a of pairs that count several times; a pair is not compared with itself."""
    from scipy.stats import kendalltau

    repeated = np.repeat(np.arange(len(a)), times)
    n = len(repeated)
    compared = n * (n - 1) / 2 - float(np.sum(times * (times - 1)) / 2)
    if compared <= 0:
        return float("nan")
    tied = [_tied(values[repeated]) for values in (a, b)]
    if n * (n - 1) / 2 in tied:
        return 0.0
    tau_b = float(kendalltau(a[repeated], b[repeated]).statistic)
    untied = [n * (n - 1) / 2 - t for t in tied]
    return tau_b * float(np.sqrt(untied[0]) * np.sqrt(untied[1])) / compared


def _tied(values: FloatArray) -> float:
    """Return the number of pairs of equal values."""
    _, counts = np.unique(values, return_counts=True)
    return float(np.sum(counts * (counts - 1)) / 2)


# --- several subjects -----------------------------------------------------------------------------


@dataclass(frozen=True)
class NoiseCeiling:
    """Bounds of the mean similarity that the best possible model has to the subjects.

    Attributes
    ----------
    lower : float
        Mean similarity of each subject to the mean of the others: the best model reaches at least this.
    upper : float
        Mean similarity of each subject to the mean of all subjects: no model can do better.
    """

    lower: float
    upper: float


def noise_ceiling(rdms: AnyArray, *, comparison: Comparison = "spearman") -> NoiseCeiling:
    """Return the noise ceiling over subjects (Nili et al. 2014).

    Parameters
    ----------
    rdms : array, subject x pair
        One RDM for each subject.
    comparison
        See `compare`. RDMs are averaged as ranks ("spearman" and "kendall", for which the upper bound is
        then not strict) or standardized ("pearson").

    Raises
    ------
    InputError
        Fewer than two subjects; as `compare`; a subject whose dissimilarities are all equal.

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
    constant = np.ptp(rdms, axis=1) == 0
    if constant.any():
        raise InputError(
            f"the dissimilarities of subject {int(constant.argmax())} are all equal",
            allowed="RDMs that vary",
            todo="omit that subject and say so",
        )
    total = summed(rdms, comparison=comparison)
    upper = [compare(rdm, total, comparison=comparison) for rdm in rdms]
    lower = [
        compare(
            rdm, summed(np.delete(rdms, k, axis=0), comparison=comparison), comparison=comparison
        )
        for k, rdm in enumerate(rdms)
    ]
    return NoiseCeiling(float(np.mean(lower)), float(np.mean(upper)))


def summed(rdms: AnyArray, *, comparison: Comparison = "spearman") -> FloatArray:
    """Sum RDMs that vary, subject x pair, on the scale on which they are compared: ranks, or standardized."""
    rdms = np.asarray(rdms, dtype=np.float64)
    if comparison != "pearson":
        from scipy.stats import rankdata

        return cast(FloatArray, rankdata(rdms, axis=1).sum(axis=0))
    return cast(
        FloatArray, unit_length(rdms - rdms.mean(axis=1, keepdims=True), axis=1).sum(axis=0)
    )


# --- checks ---------------------------------------------------------------------------------------


def _check_pair(a: AnyArray, b: AnyArray, comparison: str) -> tuple[FloatArray, FloatArray]:
    if comparison not in COMPARISONS:
        raise unknown("comparison", comparison, list(COMPARISONS), todo="choose one of these")
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
                todo="omit the stimuli without a response, and count them",
            )
    return a, b
