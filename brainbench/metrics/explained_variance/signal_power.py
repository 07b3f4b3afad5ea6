"""Signal power: the variance over stimuli that repeated trials have in common.

With R the trials (N x T stimuli)::

    SP = (Var(sum_n R_n) - sum_n Var(R_n)) / (N (N - 1))      over stimuli, ddof 1

which is the covariance of two trials, averaged over all pairs of different trials. Its expectation
is the variance of the expected response, whatever the noise, so without signal it is below 0 as often
as above (Sahani & Linden 2003; Hsu, Borst & Theunissen 2004; Schoppe et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.reductions import draw_counts, nan_mean


@dataclass(frozen=True)
class Power:
    """Signal power of each neuroid and the variance of its mean response.

    Attributes
    ----------
    power : array, ([draw,] neuroid)
        SP, in units of the response squared; negative where noise hides the signal; NaN with fewer
        than two trials.
    variance : array, ([draw,] neuroid)
        Var(y), ddof 0.
    n_trials : array, neuroid
        Trials of each stimulus that were used.
    """

    power: FloatArray
    variance: FloatArray
    n_trials: IntArray

    @property
    def cc_max(self) -> FloatArray:
        """CC_max; 0 where SP is not above 0, NaN with fewer than two trials."""
        positive = self.power > 0
        ratio = self.power / np.where(positive, self.variance, 1.0)
        return np.where(positive, np.sqrt(np.where(positive, ratio, 0.0)), 0.0 * self.power)


def signal_power(trials: AnyArray, *, counts: FloatArray | None = None) -> Power:
    """Return the variance over stimuli that the trials have in common.

    Parameters
    ----------
    trials : array, repetition x stimulus x neuroid
        Single-trial responses; NaN where a trial is missing (see `first_trials`).
    counts : array, draw x stimulus, optional
        How often each stimulus counts in each bootstrap draw.

    Returns
    -------
    Power
        With an axis `draw` in front where `counts` is given.

    Raises
    ------
    InputError
        Another shape, one stimulus, or inf.

    Examples
    --------
    >>> trials = np.array([[[0.0], [1.0], [5.0]], [[0.0], [1.0], [5.0]]])
    >>> signal_power(trials).power, signal_power(-trials * [[[1]], [[-1]]]).power
    (array([7.]), array([-7.]))
    """
    used, n_trials = first_trials(trials)
    weights = draw_counts(counts, used.shape[1])
    total = np.zeros(used.shape[1:])
    squares = np.zeros_like(total)
    means = np.zeros((len(weights), used.shape[2]))
    for k, trial in enumerate(used):  # one trial at a time: memory for one
        response = trial - trial.mean(axis=0)
        if k >= n_trials.min():
            response = np.where(k < n_trials, response, 0.0)
        total += response
        means += weighted_mean(response, weights) ** 2
        squares += np.square(response, out=response)
    squares = weighted_mean(squares, weights)
    together = weighted_variance(total, weights)
    shared = together - (squares - means)
    # A difference this small is the rounding of its terms.
    shared = np.where(np.abs(shared) <= 1e-12 * (together + squares), 0.0, shared)
    n = np.where(n_trials > 1, n_trials, np.nan)
    power = shared * to_ddof_1(weights) / (n * (n - 1))
    variance = together / np.where(n_trials > 0, n_trials, np.nan) ** 2
    if counts is None:
        power, variance = power[0], variance[0]
    return Power(power, variance, n_trials)


def signal_p(power: Power, n_stimuli: int) -> FloatArray:
    """Return the p value of each neuroid's signal: the F test of stimuli, with trials as blocks.

    F = MSi / MSe with MSi = N Var(y) and MSe = MSi - N SP, ddof 1, on T - 1 and (T - 1)(N - 1) degrees of
    freedom. To divide by every SP above 0 would average ratios whose denominators are near 0.

    Parameters
    ----------
    power : Power
        From `signal_power` of all stimuli, without counts.
    n_stimuli : int
        T, at least 2.

    Returns
    -------
    array, neuroid
        NaN with fewer than two trials, 1 for a constant response.

    Examples
    --------
    >>> trials = np.array([[[0.0], [1.0], [5.0]], [[0.0], [1.0], [5.0]]])
    >>> signal_p(signal_power(trials), 3)
    array([0.])
    """
    from scipy.stats import f as f_distribution

    n = np.where(power.n_trials > 1, power.n_trials, np.nan)
    signal = n * power.variance * n_stimuli / (n_stimuli - 1)
    noise = signal - n * power.power
    # A mean square this small is the rounding of its terms: trials without any noise.
    noise = np.where(noise <= 1e-12 * signal, 0.0, noise)
    ratio = np.divide(signal, noise, out=np.full_like(signal, np.inf), where=noise != 0)
    p = f_distribution.sf(ratio, n_stimuli - 1, (n_stimuli - 1) * (n - 1))
    p = np.where(signal > 0, p, 1.0)
    return cast(FloatArray, np.where(np.isnan(n), np.nan, p))


def first_trials(trials: AnyArray) -> tuple[FloatArray, IntArray]:
    """Keep the first k trials of each stimulus, k the smallest number that any stimulus has.

    Parameters
    ----------
    trials : array, repetition x stimulus x neuroid
        NaN where a trial is missing, anywhere.

    Returns
    -------
    used : array, repetition x stimulus x neuroid
        The trials that exist in front, NaN from k on.
    n_trials : array, neuroid
        k of each neuroid.

    Raises
    ------
    InputError
        Another shape, one stimulus, or inf.

    Examples
    --------
    >>> trials = np.array([[[1.0], [np.nan]], [[2.0], [3.0]], [[4.0], [5.0]]])
    >>> used, n_trials = first_trials(trials)
    >>> used[..., 0].tolist(), n_trials
    ([[1.0, 3.0], [2.0, 5.0], [nan, nan]], array([2]))
    """
    trials = np.asarray(trials, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        complete = np.isfinite(trials.sum())
    if complete and trials.ndim == 3 and trials.shape[1] > 1 and trials.size:
        return trials, np.full(trials.shape[2], len(trials))
    if trials.ndim != 3 or trials.shape[1] < 2 or 0 in trials.shape or np.isinf(trials).any():
        infinite = int(np.isinf(trials).sum())
        raise InputError(
            f"trials of shape {trials.shape}" + (f", {infinite} of them inf" if infinite else ""),
            allowed="finite or NaN, repetition x stimulus x neuroid, at least two stimuli",
            todo="average over time bins first; keep the repetitions",
        )
    missing = np.isnan(trials)
    n_trials = (~missing).sum(axis=0).min(axis=0)
    order = np.argsort(missing, axis=0, kind="stable")
    in_front = np.take_along_axis(trials, order, axis=0)
    used = np.arange(len(trials))[:, None, None] < n_trials
    return np.where(used, in_front, np.nan), n_trials


def mean_response(trials: AnyArray) -> FloatArray:
    """Return the mean over the first k trials (see `first_trials`), stimulus x neuroid; NaN where k is 0."""
    return nan_mean(first_trials(trials)[0], axis=0)


# --- weighted moments, shared with ccnorm ---------------------------------------------------------


def weighted_mean(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean over stimuli, draw x neuroid."""
    total = weights.sum(axis=1, keepdims=True)
    return (weights @ x) / np.where(total > 0, total, np.nan)


def to_ddof_1(weights: FloatArray) -> FloatArray:
    """Return the factor from variances of ddof 0 to ddof 1, draw x 1; NaN where a draw has one stimulus."""
    n = weights.sum(axis=1, keepdims=True)
    return cast(FloatArray, n / np.where(n > 1, n - 1, np.nan))


def weighted_variance(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted variance of centered values, ddof 0; 0 where it is rounding."""
    square = weighted_mean(x * x, weights)
    variance = square - weighted_mean(x, weights) ** 2
    return np.where(variance <= 1e-12 * square, 0.0, variance)
