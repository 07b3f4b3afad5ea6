"""Lognormal rates: a model that knows them scores 1 over time, in declared bins and in chosen ones."""

import numpy as np
import pytest
from over_time import evaluation_of_predictions

N, SITES, TRIALS, REPLICATES = 500, 40, 20, 10
RELIABILITY = np.array([0.0, 0.0, 0.1, 0.3, 0.5, 0.8, 0.9, 0.6])
"""c of the trial average in each bin; where it is 0 there is no response."""

pytestmark = pytest.mark.slow


def trials_of(sigma, rng):
    """Return lognormal rates, stimulus x site x bin, and trials with normal noise that give `RELIABILITY`."""
    rates = np.exp(sigma * rng.standard_normal((N, SITES, len(RELIABILITY))))
    variance = np.exp(sigma**2) * (np.exp(sigma**2) - 1)
    gain = np.sqrt(RELIABILITY / (1 - RELIABILITY) / (variance * TRIALS))
    noise = rng.standard_normal((TRIALS, *rates.shape))
    return rates, gain * rates + noise


@pytest.fixture(scope="module", params=[0.5, 1.0, 1.5])
def samples(request):
    rng = np.random.default_rng(5)
    return [trials_of(request.param, rng) for _ in range(REPLICATES)]


def mean_value(samples, **options):
    values = [
        evaluation_of_predictions(rates, trials, **options).figure().value("r/sqrt(c)")[0]
        for rates, trials in samples
    ]
    return np.mean(values)


def test_declared_bins(samples):
    assert mean_value(samples, scored=RELIABILITY >= 0.5) == pytest.approx(1.0, abs=0.005)


def test_chosen_bins(samples):
    assert mean_value(samples) == pytest.approx(1.0, abs=0.005)


def test_a_rank_reliability_would_put_the_model_above_one(samples):
    scored = RELIABILITY >= 0.5
    rates, trials = samples[0]
    evaluation = evaluation_of_predictions(rates, trials, scored=scored)
    c = np.median(evaluation.recordings.rank_reliability(np.arange(N)), axis=0)
    assert (evaluation.figure().raw[0][scored] / np.sqrt(c[scored])).mean() > 1.02
