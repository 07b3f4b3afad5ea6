"""Explainable variance: how much of the reproducible response of a neuron a model predicts.

Of the variance of a response averaged over N trials, the signal power SP (see `signal_power`) is what trials
have in common; the rest is noise that no model can predict. With y the mean of the trials and p the
prediction, over T stimuli::

    CC_abs  = Cov(y, p) / sqrt(Var(y) Var(p))                      ddof 0
    CC_max  = sqrt(SP / Var(y))                                    the most that CC_abs reaches
    CC_norm = Cov(y, p) / sqrt(SP Var(p)) = CC_abs / CC_max
    SPE     = (Var(y) - Var(y - p)) / SP                           ddof 1

The measure is CC_norm^2, averaged over neurons. `schoppe` computes all of it from one set of stimuli.
`explained` takes SP as an argument: CC_abs may come from test stimuli and CC_max from all stimuli, as in
Zhang et al.

SP is unbiased, so without signal it is below 0 as often as above. There CC_max is 0 and CC_norm does
not exist (NaN): the neuron is excluded and counted. Squaring rewards a prediction that is wrong in
sign, and chance is not 0 but 1 / ((T - 1) CC_max^2): read CC_norm with its sign too.

References
----------
Sahani & Linden 2003 (signal power); Hsu, Borst & Theunissen 2004; Schoppe, Harper, Willmore, King &
Schnupp 2016 (CC_norm), whose published code mixes ddof as above; Zhang et al. 2020, appendix C.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray
from brainbench.metrics.explained_variance.signal_power import (
    Power,
    first_trials,
    mean_response,
    signal_power,
    to_ddof_1,
    weighted_mean,
    weighted_variance,
)
from brainbench.metrics.features import EPS
from brainbench.metrics.reductions import centered, draw_counts

# Reasons for which a neuroid has no CC_norm.
FEW_TRIALS = "fewer than two trials of some stimulus"
NO_SIGNAL = "no signal (F test over images, p >= .001)"
CONSTANT = "the same response in all trials"
NO_VARIANCE = "constant response to these stimuli"


@dataclass(frozen=True)
class Explained:
    """Explained variance of each neuroid.

    Attributes
    ----------
    cc_abs : array, ([draw,] neuroid)
        Pearson correlation of prediction and mean response; 0 for a constant prediction.
    cc_max : array, ([draw,] neuroid)
        See `Power`.
    cc_norm : array, ([draw,] neuroid)
        With its sign; NaN where SP is not above 0; can exceed 1.
    spe : array, ([draw,] neuroid)
        Signal power explained: 1 for the expected response itself, 0 for any constant, below 0 for
        a prediction in wrong units. Where SP < 0 the ratio has no meaning.
    power : Power
        Signal power that cc_norm and spe are normalized by.
    n_stimuli : int
        T.
    constant : array of bool, neuroid
        The prediction is the same for all stimuli: CC_abs and CC_norm, 0/0, count as 0.
    """

    cc_abs: FloatArray
    cc_max: FloatArray
    cc_norm: FloatArray
    spe: FloatArray
    power: Power
    n_stimuli: int
    constant: BoolArray


@dataclass(frozen=True)
class Jackknife:
    """CC_norm with each trial left out in turn.

    Attributes
    ----------
    cc_norm : array, trial x neuroid
        NaN where the neuroid has no such trial, or one trial is left.
    estimate, error : array, neuroid
        Of CC_norm: N times the figure of all trials less N - 1 times the mean of these, and the
        standard error sqrt((N - 1) mean squared deviation). NaN where a figure is.
    """

    cc_norm: FloatArray
    estimate: FloatArray
    error: FloatArray


def schoppe(trials: AnyArray, predicted: AnyArray) -> Explained:
    """Return the explained variance on one set of stimuli (Schoppe et al. 2016).

    Parameters
    ----------
    trials : array, repetition x stimulus x neuroid
        Single-trial responses; NaN where a trial is missing (see `first_trials`).
    predicted : array, stimulus x neuroid
        Predictions for the same stimuli, in any unit: only SPE depends on their scale.

    Raises
    ------
    InputError
        Shapes that do not match, one stimulus, fewer than two trials for every neuroid, inf, or NaN
        in the predictions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((500, 3))
    >>> trials = signal + rng.standard_normal((10, 500, 3))
    >>> (schoppe(trials, 5 * signal).cc_norm ** 2).round(1)
    array([1., 1., 1.])
    """
    power = signal_power(trials)
    if not (power.n_trials >= 2).any():
        raise InputError(
            f"at most {power.n_trials.max()} trial of every stimulus",
            allowed="two or more trials of each stimulus",
            todo="keep the single trials; without repeats report predictivity, not CC_norm",
        )
    return explained(predicted, mean_response(trials), power)


def explained(
    predicted: AnyArray,
    observed: AnyArray,
    power: Power,
    *,
    counts: FloatArray | None = None,
) -> Explained:
    """Relate a prediction to a mean response and its signal power.

    Parameters
    ----------
    predicted, observed : array, stimulus x neuroid
        Prediction p and mean response y on the same stimuli.
    power : Power
        From `signal_power`, of these or of more stimuli.
    counts : array, draw x stimulus, optional
        How often each stimulus counts in each bootstrap draw.

    Returns
    -------
    Explained
        With an axis `draw` in front where `counts` is given. In a draw without any variance of the
        response CC_abs is NaN.

    Raises
    ------
    InputError
        Shapes that do not match, fewer than two stimuli, inf, or NaN in the predictions.
    """
    p, y = _as_pair(predicted, observed, power)
    weights = draw_counts(counts, len(y))
    constant = np.ptp(p, axis=0) <= 16 * EPS * np.abs(p).max(axis=0)
    p, y = np.where(constant, 0.0, p - p.mean(axis=0)), centered(y)
    var_p, var_y = weighted_variance(p, weights), weighted_variance(y, weights)
    cov = weighted_mean(p * y, weights) - weighted_mean(p, weights) * weighted_mean(y, weights)
    size = np.sqrt(np.where(var_p > 0, var_p, 1.0)) * np.sqrt(np.where(var_y > 0, var_y, np.nan))
    cc_abs = np.where(var_p > 0, cov, 0.0) / size
    nonzero_power = np.where(power.power == 0, np.nan, power.power)
    spe = (2.0 * cov - var_p) * to_ddof_1(weights) / nonzero_power  # Var(y) - Var(y - p)
    cc_max = power.cc_max
    cc_norm = cc_abs / np.where(cc_max > 0, cc_max, np.nan)
    if counts is None:
        cc_abs, cc_norm, spe = cc_abs[0], cc_norm[0], spe[0]
    return Explained(cc_abs, cc_max, cc_norm, spe, power, len(y), constant)


def jackknife(trials: AnyArray, predicted: AnyArray) -> Jackknife:
    """Return CC_norm of `schoppe`, which takes the same arguments, with each trial left out in turn."""
    whole = schoppe(trials, predicted)
    used, n_trials = first_trials(trials)
    used_trial = np.arange(len(used))[:, None] < n_trials
    subsets = (np.delete(used, k, axis=0) for k in range(len(used)))
    parts = [explained(predicted, mean_response(R), signal_power(R)).cc_norm for R in subsets]
    cc_norm = np.where(used_trial, parts, np.nan)
    n = np.where(n_trials > 1, n_trials, np.nan)
    mean = np.where(used_trial, cc_norm, 0.0).sum(axis=0) / n
    squares = np.where(used_trial, (cc_norm - mean) ** 2, 0.0).sum(axis=0)
    return Jackknife(
        cc_norm,
        estimate=n * whole.cc_norm - (n - 1) * mean,
        error=np.sqrt((n - 1) / n * squares),
    )


def chance_level(n_stimuli: int, cc_max: ArrayLike) -> FloatArray:
    """Return the mean CC_norm^2 of a prediction that is unrelated to the response to T stimuli.

    It is 1 / ((T - 1) CC_max^2); NaN where CC_max is 0.

    Examples
    --------
    >>> float(chance_level(65, 0.5))
    0.0625
    """
    reliability = np.asarray(cc_max, dtype=np.float64) ** 2
    return 1.0 / ((n_stimuli - 1) * np.where(reliability > 0, reliability, np.nan))


def _as_pair(
    predicted: AnyArray, observed: AnyArray, power: Power
) -> tuple[FloatArray, FloatArray]:
    p, y = np.asarray(predicted, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    n = power.power.shape[-1]
    if p.shape != y.shape or p.ndim != 2 or p.shape[1] != n or len(p) < 2:
        raise InputError(
            f"predictions of shape {p.shape} for responses of shape {y.shape} and {n} neuroids",
            allowed=f"equal shapes, stimulus x {n}, at least two stimuli",
            todo="align both by stimulus_id and neuroid_id",
        )
    bad = ~np.isfinite(p)
    if bad.any():
        stimulus, neuroid = np.argwhere(bad)[0]
        raise InputError(
            f"{p[stimulus, neuroid]} in the prediction of neuroid {neuroid} for the stimulus in row "
            f"{stimulus}; {int(bad.sum())} values in all",
            allowed="finite predictions",
            todo="check the model's responses to that stimulus",
        )
    return p, y
