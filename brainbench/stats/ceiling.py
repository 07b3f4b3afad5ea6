"""Noise ceilings: split-half reliability of repeated trials, and formulas that relate a score to it.

c, the Spearman-Brown corrected correlation of two half means, is a reliability: the share of the
variance of the measured mean that is signal. A model without any error correlates sqrt(c) with that
mean. So r/sqrt(c), or r2/c, is 1 for it, and r/c is above 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.correlation import pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.stats.bootstrap import SQUARE, UNBOUNDED

_POLE = 1e-9  # a divisor below it is 0 up to rounding


def split_half(trials: AnyArray) -> FloatArray:
    """Return the split-half reliability of each neuroid in each split, Spearman-Brown corrected.

    Parameters
    ----------
    trials : array, repetition x stimulus x neuroid
        Single-trial responses, repetitions in sorted order; NaN where a trial is missing.

    Returns
    -------
    array, split x neuroid
        For the ten splits of `half_means`. `median_then_mean` makes Brain-Score's ceiling of it.

    Raises
    ------
    InputError
        Fewer than two repetitions, another shape, or no neuroid with a correlation of half means above -1,
        as where an image was shown only once, so that one of the halves lacks it.

    Examples
    --------
    >>> image = np.array([[0.0], [1.0], [5.0]])
    >>> trials = np.stack([image - 0.1, image + 0.1, image - 0.1, image + 0.1])
    >>> bool(np.isclose(split_half(trials), 1.0).all())
    True
    """
    trials = _as_trials(trials)
    if trials.ndim != 3:
        raise _wrong_trials(trials.shape)
    first, second = half_means(trials)
    r = pearson(first, second, axis=1)
    reliability = spearman_brown(r)
    if np.isnan(reliability).all():
        raise _no_reliability(first, second, r)
    return reliability


def half_means(trials: AnyArray, *, n_splits: int = 10) -> tuple[FloatArray, FloatArray]:
    """Return means over two disjoint random halves of the repetitions, as Brain-Score splits them.

    Parameters
    ----------
    trials : array, repetition x stimulus (x ...)
        Single-trial responses, repetitions in sorted order; NaN where a trial is missing.
    n_splits : int
        scikit-learn's ShuffleSplit(n_splits, train_size=.5, random_state=1) of the repetitions; of an odd
        number the first half has one less.

    Returns
    -------
    two arrays, split x stimulus (x ...)
        Means over the trials that exist; NaN where a half has none.

    Raises
    ------
    InputError
        Fewer than two repetitions or no stimulus axis.
    """
    trials = _as_trials(trials)
    shape = trials.shape
    weights = np.zeros((2, n_splits, shape[0]))
    from sklearn.model_selection import ShuffleSplit

    halves = ShuffleSplit(n_splits, train_size=0.5, random_state=1).split(trials)
    for split, (first, second) in enumerate(halves):
        weights[0, split, first] = 1.0
        weights[1, split, second] = 1.0
    flat, rows = trials.reshape(shape[0], -1), weights.reshape(2 * n_splits, -1)
    missing = np.isnan(flat)
    if missing.any():
        counts = rows @ ~missing
        means = (rows @ np.where(missing, 0.0, flat)) / np.where(counts > 0, counts, np.nan)
    else:
        means = (rows / rows.sum(axis=1, keepdims=True)) @ flat
    first_means, second_means = means.reshape(2, n_splits, *shape[1:])
    return first_means, second_means


def halves_by_image(
    trials: AnyArray, *, n_splits: int = 10, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Return means over random halves of the trials of each image, drawn for each image by itself.

    As Brain-Score's consistency of predictors draws them (`metrics/predictor_consistency`), where sites
    predict the units of a model.

    Parameters
    ----------
    trials : array, repetition x stimulus x neuroid
        Single-trial responses, rows in the order of the ids; NaN where a trial is missing for all neuroids.
    n_splits, seed : int
        Number of splits, and seed of numpy's default generator, which permutes the trials of each image in
        turn; of an odd number the first half has one less.

    Returns
    -------
    two arrays, split x stimulus x neuroid
        NaN for an image with fewer than two trials.

    Raises
    ------
    InputError
        Fewer than two repetitions or no stimulus axis.
    """
    trials = _as_trials(trials)
    rng = np.random.default_rng(seed)
    halves = np.full((2, n_splits, *trials.shape[1:]), np.nan)
    there = [np.flatnonzero(~np.isnan(image).all(axis=1)) for image in trials.swapaxes(0, 1)]
    for split in range(n_splits):
        for image, repetitions in enumerate(there):
            if len(repetitions) < 2:
                continue
            drawn = rng.permutation(repetitions)
            parts = np.split(drawn, [len(drawn) // 2])
            for half, part in zip(halves, parts, strict=True):
                half[split, image] = nan_mean(trials[part, image], axis=0)
    return halves[0], halves[1]


def spearman_brown(r: ArrayLike, *, times: ArrayLike = 2.0) -> FloatArray:
    """Return the reliability of the mean over all trials from the correlation r of means over fewer.

    k r / (1 + (k - 1) r), where k (`times`) is how many times as many trials all are: 2 for half means, which
    makes 2r/(1+r). NaN from the pole of the formula down, with a margin of 1e-9: at r = -1 for half means.

    Examples
    --------
    >>> spearman_brown([0.5, -1.0])
    array([0.66666667,        nan])
    """
    r, k = np.asarray(r, dtype=np.float64), np.asarray(times, dtype=np.float64)
    divisor = 1 + (k - 1) * r
    return np.asarray(k * r / np.where(divisor < _POLE, np.nan, divisor))


@dataclass(frozen=True)
class Formula:
    """Formula that makes the reported value from a raw score and its ceiling.

    Attributes
    ----------
    name : str
        As in Score.formula.
    version : int
        Incremented when the same name gives another figure.
    apply : function
        (raw r, ceiling c) -> value, elementwise.
    origin : str
        Where, and in which years, Brain-Score's neural benchmarks (or others) used it.
    bounds : (float, float)
        Least and greatest value that there can be, also within its interval.
    """

    name: str
    version: int
    apply: Callable[[FloatArray, FloatArray], FloatArray]
    origin: str
    bounds: tuple[float, float] = UNBOUNDED


FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        formula.name: formula
        for formula in (
            Formula("raw", 1, lambda r, c: r, "as published in Kubilius et al. 2019"),
            Formula("r/c", 1, lambda r, c: r / c, "Brain-Score's first code, 2019"),
            Formula(
                "(r/c)^2",
                1,
                lambda r, c: (r / c) ** 2,
                "Brain-Score, from about 2020 to December 2025",
                bounds=SQUARE,
            ),
            Formula(
                "r2/c",
                1,
                lambda r, c: r**2 / c,
                "Brain-Score, since December 2025",
                bounds=SQUARE,
            ),
            Formula("r/sqrt(c)", 1, lambda r, c: r / np.sqrt(c), "1 for a model without error"),
            Formula(
                "clip(r/c)",
                1,
                lambda r, c: np.clip(r / c, 0.0, 1.0),
                "Brain-Score's error consistency",
                bounds=(0.0, 1.0),
            ),
        )
    }
)
"""Formulas by name; each states its origin, with years. `(r/c)^2` and `r2/c` lose the sign of r."""


def ceiled(r: ArrayLike, c: ArrayLike, *, formula: str = "r/sqrt(c)") -> FloatArray:
    """Relate a raw correlation to its ceiling; the value can exceed 1, except by `clip(r/c)`.

    Parameters
    ----------
    r, c : float or array
        Raw correlation, and Spearman-Brown reliability.
    formula : str
        One of `FORMULAS`.

    Returns
    -------
    array
        NaN where c is not positive: the measurement has no reliability. `raw` ignores c.

    Raises
    ------
    UnknownNameError
        No such formula.

    Examples
    --------
    >>> ceiled(0.6, [0.36, 0.64]).round(6)
    array([1.  , 0.75])
    """
    if formula not in FORMULAS:
        raise unknown("formula", formula, list(FORMULAS), todo="choose one of these")
    r, c = np.asarray(r, dtype=np.float64), np.asarray(c, dtype=np.float64)
    return FORMULAS[formula].apply(r, np.where(c > 0, c, np.nan))


def _as_trials(trials: AnyArray) -> FloatArray:
    trials = np.asarray(trials, dtype=np.float64)
    if trials.ndim < 2 or len(trials) < 2:
        raise _wrong_trials(trials.shape)
    return trials


def _no_reliability(first: FloatArray, second: FloatArray, r: FloatArray) -> InputError:
    """Return the reason why half means, split x stimulus x neuroid, have no reliability."""
    if np.isfinite(r).any():
        return InputError(
            "half means of the repetitions with correlation -1 in each split",
            allowed="halves whose correlation is above -1, where 2r / (1 + r) has a pole",
            todo="check the sign of the trials, or report the raw score (formula 'raw')",
        )
    empty = (np.isnan(first) | np.isnan(second)).any(axis=(0, 2)).sum()
    what = f"{empty} of {first.shape[1]} images without a trial in one half of the repetitions"
    return InputError(
        what if empty else "half means of the repetitions that do not vary with the image",
        allowed="for some neuroid a trial of every image in both halves, and responses that vary",
        todo="omit images that were shown once, or report the raw score (formula 'raw')",
    )


def _wrong_trials(shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"trials of shape {shape}",
        allowed="repetition x stimulus x neuroid with at least two repetitions",
        todo="keep the single trials; without repetitions report the raw score (formula 'raw')",
    )
