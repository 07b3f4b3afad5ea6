"""Every measure passes the tests that all measures share."""

import numpy as np
from known import benchmark as predictivity
from known import brain, model_of
from measure_tester import MeasureTester

from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.explained_variance.signal_power import signal_power
from brainbench.scoring.regression.explained_variance import ExplainableVariance

N, SITES = 80, 6


def linear_data(*, trials=True, n_trials=8):
    """Data of sites that are linear in six features, and these features as a model."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 6))
    signal = X @ rng.standard_normal((6, SITES))
    noisy = signal + 2.0 * rng.standard_normal((n_trials, N, SITES))
    data = brain(None, trials=noisy) if trials else brain(noisy.mean(axis=0))
    return data, model_of(data, X)


def repeated_rows(fit, counts):
    """Predictions and responses of each fold, rows repeated as often as their image counts."""
    for fold, predicted, observed in zip(fit.folds, fit.predicted, fit.observed, strict=True):
        times = counts[fold.test]
        yield np.repeat(predicted, times, axis=0), np.repeat(observed, times, axis=0)


def correlation(x, y):
    return [
        np.corrcoef(x[:, k], y[:, k])[0, 1] if np.ptp(x[:, k]) and np.ptp(y[:, k]) else np.nan
        for k in range(x.shape[1])
    ]


class TestPredictivity(MeasureTester):
    def case(self, *, trials=True):
        data, model = linear_data(trials=trials)
        return predictivity(data), model

    def repeated(self, evaluation, counts):
        (fit,) = evaluation.fits
        r = np.array([correlation(x, y) for x, y in repeated_rows(fit, counts)])
        return np.median(np.nanmean(r, axis=0))


class TestExplainableVariance(MeasureTester):
    value_of_parts = True

    def case(self, *, trials=True):
        if not trials:
            return None
        data, model = linear_data()
        declared = predictivity(data)
        return type(declared)(**{**vars(declared), "measure": ExplainableVariance()}), model

    def repeated(self, evaluation, counts):
        (fit,) = evaluation.fits
        power = signal_power(np.repeat(fit.target.trials, counts, axis=1))
        r = [explained(x, y, power).cc_abs for x, y in repeated_rows(fit, counts)]
        return np.nanmean(np.nanmean(r, axis=0))
