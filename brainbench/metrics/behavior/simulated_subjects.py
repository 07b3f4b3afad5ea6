"""How well a subject who chooses between two objects agrees with its own trials, by simulated subjects.

The noise of d' is not that of a mean: rates of 0 and 1 have no d', and d' bends near them, so that
the Spearman-Brown correction of halves of the trials is not what a model without error reaches. Here the
trials themselves say which rates are likely. A beta distribution of the rates of all cells is fitted to the
trials; of its posterior in each cell a subject's rates are drawn, and from them its trials. Rates and trials
are correlated as model and trials are.

    right, count -> fit_beta -> rates q of a subject, trials of it -> corrected_rate -> r(I2n(q), I2n(trials))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray

_MEAN_LOGIT = (-12.0, 12.0)
_LOG_CONCENTRATION = (-7.0, 10.0)
"""Bounds of the fit: where the rates of all cells are equal, the concentration a + b has no maximum."""


def corrected_rate(right: AnyArray, count: AnyArray) -> FloatArray:
    """Return (right + 1/2) / (count + 1), which is never 0 or 1; NaN where the count is 0.

    The log-linear correction of Hautus 1995 (doi 10.3758/BF03203619), which makes every d' finite.

    Examples
    --------
    >>> corrected_rate([4, 0, 0], [4, 4, 0])
    array([0.9, 0.1, nan])
    """
    right, count = np.asarray(right, dtype=np.float64), np.asarray(count, dtype=np.float64)
    return np.where(count > 0, (right + 0.5) / (count + 1), np.nan)


def fit_beta(right: AnyArray, count: AnyArray) -> tuple[float, float]:
    """Fit a beta distribution of rates to numbers of correct trials, by the beta-binomial likelihood.

    Parameters
    ----------
    right, count : array
        Correct trials and all trials of each cell; cells without trials say nothing.

    Returns
    -------
    a, b : float
        Parameters of the beta distribution. Their sum is at most exp(10), where all rates are the same.

    Raises
    ------
    InputError
        Different shapes, no trial, or more correct trials than trials.
    """
    from scipy.optimize import minimize

    right, count = _check(right, count)
    has_trials = count > 0
    cells, n_cells = np.unique(
        np.stack([right[has_trials], count[has_trials]]), axis=1, return_counts=True
    )
    fit = minimize(
        _negative_log_likelihood,
        x0=np.array([0.0, 1.0]),
        args=(*cells, n_cells),
        method="L-BFGS-B",
        bounds=[_MEAN_LOGIT, _LOG_CONCENTRATION],
    )
    return _a_and_b(fit.x)


def simulated_subjects(
    right: AnyArray, count: AnyArray, *, n_subjects: int, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the rates of simulated subjects, and corrected rates of as many trials of each.

    Parameters
    ----------
    right, count : array
        Correct trials and all trials of each cell of the subject.
    n_subjects : int
        How many subjects to simulate.
    rng : Generator
        Source of the draws.

    Yields
    ------
    rates, corrected : array, shape of `right`
        NaN in cells without trials.

    Raises
    ------
    InputError
        See `fit_beta`.
    """
    a, b = fit_beta(right, count)
    right, count = _check(right, count)
    empty, n = count == 0, count.astype(np.int64)
    for _ in range(n_subjects):
        rates = rng.beta(right + a, count - right + b)
        trials = rng.binomial(n, rates)
        yield np.where(empty, np.nan, rates), corrected_rate(trials, count)


def _a_and_b(parameters: FloatArray) -> tuple[float, float]:
    from scipy.special import expit

    mean, concentration = expit(parameters[0]), np.exp(parameters[1])
    return float(mean * concentration), float((1 - mean) * concentration)


def _negative_log_likelihood(
    parameters: FloatArray, right: FloatArray, count: FloatArray, n_cells: FloatArray
) -> float:
    """Return that of cells that occur `n_cells` times, less the binomial coefficients."""
    from scipy.special import betaln

    a, b = _a_and_b(parameters)
    log_likelihood = betaln(right + a, count - right + b) - betaln(a, b)
    return -float(n_cells @ log_likelihood)


def _check(right: AnyArray, count: AnyArray) -> tuple[FloatArray, FloatArray]:
    right, count = np.asarray(right, dtype=np.float64), np.asarray(count, dtype=np.float64)
    valid = right.shape == count.shape and bool(((right >= 0) & (right <= count)).all())
    if not valid or not count.sum() > 0:
        raise InputError(
            f"correct trials of shape {right.shape} and trials of shape {count.shape}, "
            f"{np.sum(count):g} in all",
            allowed="one of each for every cell, at least one trial, no more correct trials than trials",
            todo="take both from one table of trials (metrics.behavior.trials.cell_counts)",
        )
    return cast(FloatArray, right), cast(FloatArray, count)
