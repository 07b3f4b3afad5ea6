"""Signal power of all trials, where images were shown unequally often: one-way analysis of variance.

With n_i trials of stimulus i, T stimuli and MSB, MSW the mean squares between and within stimuli::

    SP = (MSB - MSW) / n0        n0 = (sum n - sum n^2 / sum n) / (T - 1)

F = MSB / MSW has T - 1 and sum n - T degrees of freedom. In contrast to `signal_power`, which keeps the
first k trials of each stimulus, the mean of a trial over stimuli is not taken out: trial k of one stimulus
has nothing in common with trial k of another.

References
----------
Searle, Casella & McCulloch 1992, Variance Components, section 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, cast

import numpy as np

from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.explained_variance.signal_power import (
    Power,
    first_trials,
    mean_response,
    signal_p,
    signal_power,
    weighted_variance,
)
from brainbench.metrics.reductions import centered, draw_counts, nan_mean

UsedTrials: TypeAlias = Literal["first", "all"]


class MeanSquares(NamedTuple):
    """Mean squares between and within stimuli, draw x neuroid, and what they are divided by."""

    between: FloatArray
    within: FloatArray
    n0: FloatArray
    dof: tuple[FloatArray, FloatArray]  # degrees of freedom, between and within


def power_of_all(trials: AnyArray, *, counts: FloatArray | None = None) -> Power:
    """Return the signal power of all trials; see `signal_power`, which takes the same arguments.

    NaN where some stimulus has no trial, or none has two. `Power.n_trials` is the smallest number of trials.

    Examples
    --------
    >>> trials = np.array([[[0.0], [1.0], [5.0]], [[2.0], [1.0], [np.nan]]])
    >>> power_of_all(trials).power.round(3)
    array([3.375])
    """
    n, y, squares = _by_stimulus(trials)
    weights = draw_counts(counts, len(y))
    y = centered(y)
    squares_of = _mean_squares(n, y, squares, weights)
    shared = squares_of.between - squares_of.within
    # A difference this small is the rounding of its terms.
    scale = squares_of.between + squares_of.within
    shared = np.where(np.abs(shared) <= 1e-12 * scale, 0.0, shared)
    power, variance = shared / squares_of.n0, weighted_variance(y, weights)
    if counts is None:
        power, variance = power[0], variance[0]
    return Power(power, variance, n.min(axis=0))


def p_of_all(trials: AnyArray) -> FloatArray:
    """Return the p value of each neuroid's signal by all trials: the F test of stimuli.

    NaN as in `power_of_all`, 1 for a constant response.
    """
    from scipy.stats import f as f_distribution

    n, y, squares = _by_stimulus(trials)
    between, within, _, dof = _mean_squares(n, centered(y), squares, np.ones((1, len(y))))
    within = np.where(within <= 1e-12 * between, 0.0, within)
    ratio = np.divide(between, within, out=np.full_like(between, np.inf), where=within != 0)
    p = np.where(between > 0, f_distribution.sf(ratio, *dof), 1.0)
    return cast(FloatArray, np.where(np.isnan(within + between), np.nan, p)[0])


def mean_of_all(trials: AnyArray) -> FloatArray:
    """Return the mean over all trials, stimulus x neuroid; NaN where there is none."""
    first_trials(trials)  # checks them
    return nan_mean(np.asarray(trials, dtype=np.float64), axis=0)


def _by_stimulus(trials: AnyArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return number, mean and summed squared deviation of the trials of each stimulus and neuroid."""
    y = mean_of_all(trials)
    deviations = np.asarray(trials, dtype=np.float64) - y
    exists = ~np.isnan(deviations)
    return exists.sum(axis=0), y, (np.where(exists, deviations, 0.0) ** 2).sum(axis=0)


def _mean_squares(
    n: FloatArray, y: FloatArray, squares: FloatArray, weights: FloatArray
) -> MeanSquares:
    """Return the mean squares where stimuli count so often; NaN without a trial, or without a second one."""
    n_stimuli, n_trials = weights.sum(axis=1, keepdims=True), weights @ n
    grand = (weights @ (n * y)) / n_trials
    dof = np.where(n_stimuli > 1, n_stimuli - 1, np.nan), n_trials - n_stimuli
    between = (weights @ (n * y**2) - n_trials * grand**2) / dof[0]
    within = (weights @ squares) / np.where(dof[1] > 0, dof[1], np.nan)
    n0 = (n_trials - (weights @ n**2) / n_trials) / dof[0]
    return MeanSquares(np.maximum(between, 0.0), within, n0, dof)


@dataclass(frozen=True)
class SignalEstimator:
    """How trials become a mean response, its signal power, and the p value of its signal."""

    mean: Callable[[AnyArray], FloatArray]  # trials -> stimulus x neuroid
    power: Callable[..., Power]  # (trials, counts=)
    p: Callable[[AnyArray], FloatArray]  # trials -> neuroid


def _p_of_first(trials: AnyArray) -> FloatArray:
    return signal_p(signal_power(trials), np.shape(trials)[1])


ESTIMATORS = MappingProxyType(
    {
        "first": SignalEstimator(mean_response, signal_power, _p_of_first),
        "all": SignalEstimator(mean_of_all, power_of_all, p_of_all),
    }
)
"""By the trials that are used: the first k of each stimulus, k the smallest number of any, or all."""
