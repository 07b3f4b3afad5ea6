"""Differences between models on the same images and units: intervals, families, ranks, letters.

Draw k of two scores counts the images and units alike, so that the difference of the draws holds only what
does not cancel between the models. Its variance is found from its own draws: draws that are stored with a
score are scaled to the variance of that score, and the difference of two of them is too wide.

Sources: Owen 2007, doi 10.1214/07-AOAS122 (images and units); Romano & Wolf 2005, doi
10.1111/j.1468-0262.2005.00615.x (step-down); Mogstad, Romano, Shaikh & Wilhelm 2024, doi
10.1093/restud/rdad006 (ranks); Piepho 2004, doi 10.1198/1061860043515 (letters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.stats.bootstrap import LEVEL, stream

KINDS = ("images", "units", "both")
POWER = 0.8
"""Chance to see a true difference of the size that is given as the smallest to be seen."""
_FAR = 6.0
"""Standard deviations, found from the central 95 %, beyond which a draw is omitted."""
_ZERO = 1e-12
"""Share of the models' own variance below which that of their difference is rounding."""


def complete(kinds: Mapping[str, FloatArray], value: float) -> FloatArray:
    """Return draws over images, units and both, kind x draw, from those that a score has.

    Parameters
    ----------
    kinds : mapping of str to (array, draw)
        All three of `KINDS`, or one: what was not drawn is constant then.
    value : float
        The score.

    Raises
    ------
    InputError
        No kind, two kinds, or another name.

    Examples
    --------
    >>> complete({"images": np.array([0.1, 0.3])}, 0.2).tolist()
    [[0.1, 0.3], [0.2, 0.2], [0.1, 0.3]]
    """
    if not kinds or len(kinds) == 2 or not set(kinds) <= set(KINDS):
        raise InputError(
            f"joint draws of {', '.join(kinds) or 'nothing'}",
            allowed="images, units and both, or one of them",
            todo="score the model again with --overwrite always",
        )
    if len(kinds) == len(KINDS):
        return np.stack([kinds[kind] for kind in KINDS])
    [(kind, drawn)] = kinds.items()
    constant = np.full(len(drawn), value)
    alone = (constant, drawn) if kind == "units" else (drawn, constant)
    return np.stack([*alone, drawn])


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """Paired differences between all models on one benchmark, value of the row - value of the column.

    Parameters
    ----------
    values : array, model
        Scores; of a model with several seeds their mean.
    draws : array, kind x model x draw
        Joint draws, kinds in the order of `KINDS`; NaN where a draw has no value.
    seed_variance : array, model, optional
        Variance of the mean over seeds; 0 for a model that is itself the subject of the claim.
    n_seeds : array of int, model, optional
        Number of seeds; 1 where they are not random.
    """

    values: FloatArray
    draws: FloatArray
    seed_variance: FloatArray | None = None
    n_seeds: IntArray | None = None

    def __post_init__(self) -> None:
        n = len(self.values)
        if n < 2 or self.draws.shape[:2] != (len(KINDS), n) or not np.isfinite(self.values).all():
            raise InputError(
                f"{n} values, draws of shape {self.draws.shape}",
                allowed="2 or more finite values, and draws of shape (3, model, draw)",
                todo="omit models without a value, and complete the draws of each",
            )

    @cached_property
    def of_pairs(self) -> FloatArray:
        """Differences, model x model."""
        return np.asarray(self.values[:, None] - self.values)

    @cached_property
    def standard_error(self) -> FloatArray:
        """Standard errors of the differences, model x model.

        2 V(images) + 2 V(units) - V(both) of the differences' own draws, never below V of images or of units
        alone (see `stats.bootstrap.crossed`), and the variances of means over seeds.
        """
        images, units, both = (_variances(drawn) for drawn in self._usable)
        variance = np.fmax(np.fmax(2 * images + 2 * units - both, images), units)
        return np.asarray(np.sqrt(variance + np.add.outer(self._of_seeds, self._of_seeds)))

    @cached_property
    def degrees(self) -> FloatArray:
        """Degrees of freedom of the standard errors: infinite, or the smaller number of seeds less one."""
        n = np.ones(len(self.values)) if self.n_seeds is None else self.n_seeds
        of_model = np.where(n > 1, n - 1.0, np.inf)
        return np.minimum.outer(of_model, of_model)

    @cached_property
    def z(self) -> FloatArray:
        """Differences in standard errors, model x model; Student's ones as normal deviates as rare."""
        from scipy.special import ndtri, stdtr

        se, d = self.standard_error, self.of_pairs
        t = np.divide(d, se, out=np.where(d == 0, 0.0, np.copysign(np.inf, d)), where=se > 0)
        as_normal = -ndtri(stdtr(self.degrees, -np.abs(t)))
        return np.where(np.isinf(self.degrees), t, np.copysign(as_normal, t))

    def half_width(self, critical: float) -> FloatArray:
        """Return half the width of the intervals at a critical value, model x model."""
        return self.standard_error * _as_student(critical, self.degrees)

    def alone(self, *, level: float = LEVEL) -> FloatArray:
        """Return half the width of the interval of each difference by itself, model x model.

        The quantile over draws of |t* - t| of that pair takes the place of a common critical value.
        """
        own = np.zeros(self.standard_error.shape)
        for row in range(len(own) - 1):
            deviates = self._deviates(row, np.arange(row + 1, len(own)))
            quantile = np.nanquantile if np.isnan(deviates).any() else np.quantile
            own[row, row + 1 :] = quantile(deviates, level, axis=1, method="higher")
        return self.standard_error * _as_student(own + own.T, self.degrees)

    def smallest_seen(self, critical: float) -> FloatArray:
        """Return the true differences that would be found with a chance of 80 %, model x model."""
        from scipy.special import ndtri

        power = _as_student(float(ndtri(POWER)), self.degrees)
        return self.half_width(critical) + self.standard_error * power

    def maxima(self, among: BoolArray) -> FloatArray:
        """Return the largest |t* - t| among pairs in each draw; 0 where none has a value."""
        largest = np.zeros(self._deviations.shape[1])
        for row, others in enumerate(np.triu(among, 1)):
            at = np.flatnonzero(others)
            if len(at):
                largest = np.fmax(largest, np.fmax.reduce(self._deviates(row, at), axis=0))
        return largest

    def _deviates(self, row: int, others: IntArray) -> FloatArray:
        """Return |t* - t| of a model and others, other x draw."""
        drawn = self._deviations
        return np.asarray(np.abs(drawn[row] - drawn[others]) * self._inverse[row, others, None])

    @cached_property
    def _inverse(self) -> FloatArray:
        """One over the standard deviation of the draws of each difference, 0 without any, model x model."""
        scale = np.sqrt(_variances(self._deviations))
        return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)

    @cached_property
    def _of_seeds(self) -> FloatArray:
        n = len(self.values)
        return np.zeros(n) if self.seed_variance is None else np.asarray(self.seed_variance)

    @cached_property
    def _usable(self) -> FloatArray:
        return np.stack([_without_far(drawn) for drawn in self.draws])

    @cached_property
    def _deviations(self) -> FloatArray:
        """Draws of both about their mean, with the spread of seeds, model x draw."""
        drawn = _centered(self._usable[KINDS.index("both")])
        for row in np.flatnonzero(self._of_seeds):
            noise = stream(0, "seeds of a model", str(row)).standard_normal(drawn.shape[1])
            drawn[row] += np.sqrt(self._of_seeds[row]) * noise
        return drawn


def _as_student(deviate: float | FloatArray, degrees: FloatArray) -> FloatArray:
    """Return Student's deviate that is as rare as a normal one, for each number of degrees of freedom."""
    from scipy.special import ndtr, stdtrit

    finite = np.where(np.isinf(degrees), 1.0, degrees)
    return np.where(np.isinf(degrees), deviate, -stdtrit(finite, ndtr(-np.asarray(deviate))))


def _without_far(drawn: FloatArray) -> FloatArray:
    """Return draws, model x draw, with NaN in place of those far out.

    A ceiling near zero makes some arbitrarily large, and these would decide a variance.
    """
    from scipy.special import ndtri

    low, middle, high = np.nanquantile(drawn, [0.025, 0.5, 0.975], axis=1, keepdims=True)
    far = _FAR * (high - low) / (2 * ndtri((1 + LEVEL) / 2))
    far[far == 0] = np.inf
    return np.where(np.abs(drawn - middle) <= far, drawn, np.nan)


def _centered(drawn: FloatArray) -> FloatArray:
    return np.asarray(drawn - np.nanmean(drawn, axis=1, keepdims=True))


def _variances(drawn: FloatArray) -> FloatArray:
    """Return the variance of the differences of rows over the draws that both have, model x model."""
    drawn = _centered(drawn)
    has = np.isfinite(drawn).astype(np.float64)
    known = np.where(has > 0, drawn, 0.0)
    n, sums, squares = has @ has.T, known @ has.T, known**2 @ has.T
    own = squares + squares.T
    total = own - 2 * known @ known.T - (sums - sums.T) ** 2 / np.maximum(n, 1)
    total[total < _ZERO * own] = 0.0
    return np.where(n > 1, total / np.maximum(n - 1, 1), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """Decisions on all pairs of all benchmarks together.

    Attributes
    ----------
    n : int
        Number of comparisons.
    critical : float
        Critical value of the first step, in standard errors: intervals of this half width hold for all
        comparisons at once in 95 % of all cases.
    significant : tuple of (array of bool, model x model)
        Which models differ, by benchmark. In at most 5 % of all cases is any of these wrong.
    """

    n: int
    critical: float
    significant: tuple[BoolArray, ...]


def decide(benchmarks: Sequence[Differences], *, level: float = LEVEL) -> Family:
    """Decide which models differ, with one error rate for all pairs of all benchmarks: step-down max t.

    The critical value is the quantile over draws of the largest |t* - t|. What exceeds it is decided; the
    largest is then taken among the rest, until nothing more exceeds it. Draws of several benchmarks are used
    together, up to the smallest number of draws.

    Raises
    ------
    InputError
        No benchmark.
    """
    from scipy.special import ndtri

    if not benchmarks:
        raise InputError(
            "no benchmark to compare on", allowed="one or more", todo="score two models on one"
        )
    n_draws = min(one.draws.shape[2] for one in benchmarks)
    undecided = [_testable(one) for one in benchmarks]
    n = sum(len(one.values) * (len(one.values) - 1) // 2 for one in benchmarks)
    first = None
    while any(pairs.any() for pairs in undecided):
        largest = np.max(
            [one.maxima(pairs)[:n_draws] for one, pairs in zip(benchmarks, undecided, strict=True)],
            axis=0,
        )
        critical = float(np.quantile(largest, level, method="higher"))
        first = critical if first is None else first
        found = [
            pairs & (np.abs(one.z) > critical)
            for one, pairs in zip(benchmarks, undecided, strict=True)
        ]
        if not any(pairs.any() for pairs in found):
            break
        undecided = [pairs & ~more for pairs, more in zip(undecided, found, strict=True)]
    alone = float(ndtri((1 + level) / 2))
    return Family(
        n=n,
        critical=alone if first is None else first,
        significant=tuple(
            ~pairs & _decidable(one) for one, pairs in zip(benchmarks, undecided, strict=True)
        ),
    )


def _testable(one: Differences) -> BoolArray:
    """Return pairs that differ by chance in some draw, model x model."""
    return np.asarray(one.standard_error > 0)


def _decidable(one: Differences) -> BoolArray:
    """Return pairs with a variance, and those that differ without any, model x model."""
    return np.asarray((one.standard_error > 0) | ((one.standard_error == 0) & (one.of_pairs != 0)))


def rank_intervals(values: FloatArray, significant: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the least and the greatest rank of each model; rank 1 has the highest value.

    Parameters
    ----------
    values : array, model
        Scores.
    significant : array of bool, model x model
        Which models differ. If all of these hold at once, so do all ranks.

    Examples
    --------
    >>> differ = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    >>> low, high = rank_intervals(np.array([0.5, 0.45, 0.4]), differ)
    >>> low.tolist(), high.tolist()
    ([1, 1, 2], [2, 3, 3])
    """
    higher = np.less.outer(values, values)  # the column's value above the row's
    better = (significant & higher).sum(axis=1)
    worse = (significant & higher.T).sum(axis=1)
    return 1 + better, len(values) - worse


def letters(values: FloatArray, significant: BoolArray) -> list[str]:
    """Return compact letters: two models differ significantly exactly where they share no letter.

    Not to differ significantly is not transitive, so that a model may have several letters. The first
    letter goes to the highest value.

    Examples
    --------
    >>> differ = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    >>> letters(np.array([0.5, 0.45, 0.4]), differ)
    ['a', 'ab', 'b']
    """
    order = np.argsort(-np.asarray(values), kind="stable")
    place = np.argsort(order)
    columns = {(1 << len(order)) - 1}
    for j, k in zip(*np.nonzero(np.triu(significant[np.ix_(order, order)], 1)), strict=True):
        one, other = 1 << int(j), 1 << int(k)
        split = {column for column in columns if column & one and column & other}
        parts = {column & ~bit for column in split for bit in (one, other)}
        columns = _maximal(columns - split, parts)
    by_place = sorted(columns, key=lambda column: format(column, f"0{len(order)}b")[::-1])[::-1]
    names = [_letter(number) for number in range(len(by_place))]
    between = "" if len(names) <= 26 else " "
    return [
        between.join(
            name for name, column in zip(names, by_place, strict=True) if column >> int(row) & 1
        )
        for row in place
    ]


def _maximal(kept: set[int], parts: set[int]) -> set[int]:
    """Return the kept columns, and those parts that no other column contains."""
    everything = kept | parts
    return kept | {
        part
        for part in parts
        if not any(part & ~other == 0 != part ^ other for other in everything)
    }


def _letter(number: int) -> str:
    """Return a, b, ..., z, aa, ab, ..."""
    tens, ones = divmod(number, 26)
    return ("" if tens == 0 else _letter(tens - 1)) + chr(ord("a") + ones)


def holm(p: FloatArray) -> FloatArray:
    """Return p adjusted for all comparisons after Holm 1979, which holds under any dependence.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
