"""Signal power of unequal numbers of trials, by a one-way analysis of variance."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from brainbench.core.errors import InputError
from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.explained_variance.unequal_trials import (
    ESTIMATORS,
    mean_of_all,
    p_of_all,
    power_of_all,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def unequal(rng, signal, *, least, most, noise=1.0):
    """Trials of each stimulus, from `least` to `most` of them; the others are NaN."""
    trials = signal + noise * rng.standard_normal((most, *signal.shape))
    shown = np.resize(np.arange(least, most + 1), len(signal))
    return np.where(np.arange(most)[:, None, None] < shown[:, None], trials, np.nan)


def slow_power(trials):
    """The published formula, stimulus by stimulus, of one neuroid."""
    groups = [row[np.isfinite(row)] for row in trials.T]
    n, total = np.array([len(g) for g in groups]), sum(len(g) for g in groups)
    grand = np.concatenate(groups).mean()
    between = sum(len(g) * (g.mean() - grand) ** 2 for g in groups) / (len(n) - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (total - len(n))
    return (between - within) / ((total - (n**2).sum() / total) / (len(n) - 1))


def test_power_and_p_are_those_of_a_one_way_analysis_of_variance(rng):
    signal = rng.standard_normal((15, 4)) * [0, 0.3, 1, 2]
    trials = unequal(rng, signal, least=1, most=6)
    power, p = power_of_all(trials), p_of_all(trials)
    for k in range(4):
        groups = [row[np.isfinite(row)] for row in trials[:, :, k].T]
        assert power.power[k] == pytest.approx(slow_power(trials[:, :, k]), rel=1e-10)
        assert p[k] == pytest.approx(f_oneway(*groups).pvalue, rel=1e-9)
    np.testing.assert_allclose(power.variance, mean_of_all(trials).var(axis=0), rtol=1e-12)
    assert power.n_trials.tolist() == [1] * 4


def test_a_stimulus_that_counts_twice_is_there_twice(rng):
    trials = unequal(rng, rng.standard_normal((12, 3)), least=2, most=5)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=4).astype(float)
    drawn = power_of_all(trials, counts=counts)
    for row, power, variance in zip(counts, drawn.power, drawn.variance, strict=True):
        repeated = power_of_all(np.repeat(trials, row.astype(int), axis=1))
        np.testing.assert_allclose(power, repeated.power, rtol=1e-9)
        np.testing.assert_allclose(variance, repeated.variance, rtol=1e-9)


def test_the_order_of_trials_and_their_common_scale_change_nothing(rng):
    trials = unequal(rng, rng.standard_normal((20, 3)), least=2, most=5)
    moved = power_of_all(3.0 * trials[::-1] - 7.0)
    np.testing.assert_allclose(moved.power, 9.0 * power_of_all(trials).power, rtol=1e-9)
    np.testing.assert_allclose(p_of_all(3.0 * trials[::-1] - 7.0), p_of_all(trials), rtol=1e-6)


def test_responses_without_noise_or_variance_and_stimuli_without_trials():
    response = np.arange(5.0)[:, None] * [1.0, 0.0, 1.0, 1.0]
    trials = np.stack([response, response])
    trials[:, 3, 2] = np.nan  # never shown
    trials[1, :, 3] = np.nan  # once each
    np.testing.assert_array_equal(p_of_all(trials), [0.0, 1.0, np.nan, np.nan])
    np.testing.assert_allclose(power_of_all(trials).power, [2.5, 0.0, np.nan, np.nan])


@pytest.mark.parametrize("function", [power_of_all, p_of_all, mean_of_all])
def test_what_is_no_set_of_trials(function):
    for wrong in (np.zeros((3, 4)), np.zeros((3, 1, 2)), np.full((2, 3, 1), np.inf)):
        with pytest.raises(InputError, match=str(wrong.shape[0])):
            function(wrong)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_mean_cc_norm2_is_the_truth_with_unequal_trials(share):
    """A model that explains half of the signal scores .50, whatever share of sites has none."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2, 200, 1500))
    scale = rng.lognormal(-1.0, 0.7, 1500) * (np.arange(1500) >= share * 1500)
    trials = unequal(rng, signal.sum(axis=0) / np.sqrt(2) * scale, least=4, most=10)
    estimator = ESTIMATORS["all"]
    counted = estimator.p(trials) < 0.001
    assert counted[scale == 0].mean() < 0.004 if share else True
    related = explained(signal[0], estimator.mean(trials), estimator.power(trials))
    assert np.nanmean(related.cc_norm[counted] ** 2) == pytest.approx(0.5, abs=0.01)
