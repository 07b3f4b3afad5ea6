"""Subjects that are simulated from the trials of one: rates, trials, and what the subject itself reaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import betabinom

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.i2n import (
    consistency,
    consistency_of_pairs,
    correlation,
    d_prime,
    normalized,
)
from brainbench.metrics.behavior.simulated_subjects import (
    corrected_rate,
    fit_beta,
    simulated_subjects,
)

OBJECTS, EACH = 24, 10
TRUTH = np.repeat(np.arange(OBJECTS), EACH)


def subject(rng):
    """Rates of a subject who chooses by evidence with a gain, and guesses in one trial of twenty."""
    evidence = 0.7 * rng.standard_normal((OBJECTS, OBJECTS))[TRUTH]
    evidence = evidence + rng.standard_normal((len(TRUTH), OBJECTS))
    images = np.arange(len(TRUTH))
    evidence[images, TRUTH] += 2.0
    rates = 0.025 + 0.95 / (1 + np.exp(-1.3 * (evidence[images, TRUTH][:, None] - evidence)))
    rates[images, TRUTH] = np.nan
    return rates


def trials_of(rates, n, rng):
    count = np.where(np.isfinite(rates), n, 0)
    return rng.binomial(count, np.nan_to_num(rates)), count


def i2n(rates):
    return normalized(d_prime(rates, TRUTH), TRUTH)


# --- known truth ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "expected"), [(4, 1.05), (10, 1.05), (24, 1.01), (60, 1.00)])
def test_the_subject_itself_is_near_its_ceiling(n, expected):
    """Halves of the same trials, Spearman-Brown corrected, put the subject at .90 and below."""
    reached = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rates = subject(rng)
        right, count = trials_of(rates, n, rng)
        own = correlation(i2n(rates), i2n(corrected_rate(right, count)))
        pairs = simulated_subjects(right, count, n_subjects=6, rng=rng)
        reached.append(own / consistency_of_pairs(pairs, TRUTH).mean())
    assert np.mean(reached) == pytest.approx(expected, abs=0.02)


def test_beta_distribution_is_found_again():
    rng = np.random.default_rng(0)
    count = rng.integers(5, 40, 20_000)
    right = rng.binomial(count, rng.beta(3.0, 1.5, 20_000))
    assert fit_beta(right, count) == pytest.approx((3.0, 1.5), rel=0.05)


# --- oracle and properties ------------------------------------------------------------------------


def test_fit_is_the_maximum_of_scipys_likelihood():
    rng = np.random.default_rng(1)
    right, count = trials_of(subject(rng), 10, rng)
    has_trials = count > 0

    def loss(logs):
        return -betabinom.logpmf(right[has_trials], 10, *np.exp(logs)).sum()

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead")
    assert fit_beta(right, count) == pytest.approx(np.exp(best.x), rel=1e-3)
    assert loss(np.log(fit_beta(right, count))) <= best.fun + 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_corrected_rates_have_a_d_prime_and_keep_the_order(seed, n):
    right = np.random.default_rng(seed).integers(0, n + 1, (12, 3))
    rates = corrected_rate(right, np.full((12, 3), n))
    assert ((rates > 0) & (rates < 1)).all()
    assert (np.argsort(rates, axis=None) == np.argsort(right / n, axis=None)).all()
    assert corrected_rate(n - right, np.full((12, 3), n)) == pytest.approx(1 - rates)


def test_same_seed_same_subjects_and_cells_without_trials_stay_empty():
    rng = np.random.default_rng(2)
    right, count = trials_of(subject(rng), 5, rng)
    right[3, 4] = count[3, 4] = 0

    def drawn(seed):
        rng = np.random.default_rng(seed)
        return list(simulated_subjects(right, count, n_subjects=2, rng=rng))

    one, again, other = drawn(0), drawn(0), drawn(1)
    for pair, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(pair, same)
        for side in pair:
            assert (np.isnan(side) == (count == 0)).all()
    assert not np.array_equal(one[0], other[0], equal_nan=True)


def test_rates_that_are_all_the_same_are_fitted():
    count = np.full(500, 10)
    a, b = fit_beta(np.full(500, 5), count)
    assert a == pytest.approx(b)
    assert a + b > 1e4
    a, b = fit_beta(count, count)
    assert a / (a + b) > 0.999


def test_pairs_are_correlated_as_halves_are():
    rng = np.random.default_rng(3)
    rates = subject(rng)
    pairs = [[corrected_rate(*trials_of(rates, 6, rng)) for _ in range(2)] for _ in range(3)]
    weights = rng.integers(0, 3, (4, len(TRUTH)))
    for pooled in (False, True):
        of_pairs = consistency_of_pairs(pairs, TRUTH, pooled=pooled, weights=weights)
        _, c = consistency(rates, rates, pairs, TRUTH, pooled=pooled, weights=weights)
        np.testing.assert_allclose(of_pairs, c)


@pytest.mark.parametrize(
    ("right", "count", "message"),
    [
        ([1, 2], [3], r"\(2,\).*\(1,\)"),
        ([0, 0], [0, 0], "0 in all"),
        ([4], [3], "3 in all"),
        ([-1], [3], r"\(1,\)"),
    ],
)
def test_bad_counts(right, count, message):
    with pytest.raises(InputError, match=message):
        fit_beta(right, count)
    with pytest.raises(InputError, match=message):
        next(simulated_subjects(right, count, n_subjects=1, rng=np.random.default_rng(0)))
