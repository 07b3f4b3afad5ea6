"""Sites that are linear in the features of a model, and correlations of repeated rows, computed slowly."""

from functools import cache

import numpy as np
from known import brain, model_of
from sklearn.model_selection import ShuffleSplit

N = 80


def corrected(r):
    """Reliability of the mean of all trials from the correlation of halves of them."""
    return 2 * np.asarray(r) / (1 + np.asarray(r))


def halved(trials):
    """Means over the halves of the trials, ten times."""
    for halves in ShuffleSplit(10, train_size=0.5, random_state=1).split(trials):
        yield [trials[half].mean(axis=0) for half in halves]


@cache
def linear_data(*, trials=True, n_images=N, n_features=6, n_sites=6):
    """Data of sites that are linear in some features, and these features as a model."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n_images, n_features))
    signal = X @ rng.standard_normal((n_features, n_sites))
    noise = 0.8 * np.sqrt(n_features)
    noisy = signal + noise * rng.standard_normal((8, n_images, n_sites))
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
