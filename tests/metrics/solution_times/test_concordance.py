"""Concordance of solution times, unsolved images among them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import rank_correlation
from brainbench.metrics.solution_times.concordance import concordance, threshold_strata
from brainbench.metrics.solution_times.solution_times import solution_times

SEED = st.integers(0, 2**32 - 1)
BINS = np.array([(start, start + 10.0) for start in range(70, 250, 10)])


def by_hand(model, brain, strata=None):
    """Harrell's C by a loop over pairs."""
    credits = []
    for i in range(len(brain)):
        for j in range(len(brain)):
            earlier = not np.isnan(brain[i]) and (np.isnan(brain[j]) or brain[i] < brain[j])
            if not earlier or (strata is not None and (strata[i] != strata[j] or strata[i] < 0)):
                continue
            a, b = (np.inf if np.isnan(time) else time for time in (model[i], model[j]))
            credits.append(1.0 if a < b else 0.5 if a == b else 0.0)
    return np.mean(credits) if credits else np.nan


def draw(seed, n=25):
    rng = np.random.default_rng(seed)
    times = rng.integers(90, 100, (2, n)).astype(float)  # with ties
    times[rng.random((2, n)) < 0.3] = np.nan
    return *times, rng


# --- known truth ----------------------------------------------------------------------------------


def test_own_times_are_concordant_and_a_static_model_is_at_chance():
    _, brain, _ = draw(0, n=200)
    assert concordance(brain, brain) == 1.0
    assert concordance(-brain, brain) < 0.5
    assert concordance(np.full(200, np.nan), brain) == 0.5
    assert concordance(np.full(200, 100.0), brain) == 0.5


@pytest.mark.parametrize(("unsolved", "expected"), [(0.32, 0.507), (0.0, 0.500)])
def test_two_images_in_a_hundred_in_order_are_nearly_chance(unsolved, expected):
    """Their rank correlation is 1. Of a brain that solves 68 %, a solved image is before the unsolved."""
    n, c = 500, []
    brain = np.arange(n, dtype=float)
    brain[int(n * (1 - unsolved)) :] = np.nan
    for seed in range(50):
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(~np.isnan(brain)))[: n // 50]
        model = np.full(n, np.nan)
        model[rows] = brain[rows]
        assert rank_correlation(model, brain) == pytest.approx(1.0)
        c.append(concordance(model, brain))
    assert np.mean(c) == pytest.approx(expected, abs=0.001)


def test_thresholds_alone_order_the_images_and_vanish_within_tenths():
    """Two unrelated brains cross the same thresholds, higher ones later."""
    rng = np.random.default_rng(3)
    n = 1500
    thresholds = 1.0 + 0.7 * rng.random(n)
    gains = 0.012 * rng.lognormal(0, 0.25, (2, n))
    rising = np.arange(len(BINS))[:, None] * 10.0
    model, brain = (solution_times(gain * rising, thresholds, BINS) for gain in gains)
    strata = threshold_strata(thresholds)
    assert rank_correlation(model, brain) == pytest.approx(0.28, abs=0.06)
    d, within = (2 * concordance(model, brain, strata=each) - 1 for each in (None, strata))
    assert d > 0.1
    assert abs(within) < 0.05


# --- oracle and properties ------------------------------------------------------------------------


@given(SEED)
def test_concordance_is_that_of_a_loop(seed):
    model, brain, rng = draw(seed)
    strata = rng.integers(-1, 3, len(brain))
    assert concordance(model, brain) == pytest.approx(by_hand(model, brain), nan_ok=True)
    within = concordance(model, brain, strata=strata)
    assert within == pytest.approx(by_hand(model, brain, strata), nan_ok=True)


@given(SEED)
def test_only_the_order_of_the_times_counts(seed):
    model, brain, rng = draw(seed)
    order = rng.permutation(len(model))
    c = concordance(model, brain)
    assert concordance(model[order], brain[order]) == pytest.approx(c)
    assert concordance(np.exp(model / 30), 3 * brain + 7) == pytest.approx(c)


@given(SEED)
def test_counts_are_copies_that_are_not_compared_with_themselves(seed):
    model, brain, rng = draw(seed, n=12)
    counts = rng.integers(0, 3, (3, 12))
    drawn = concordance(model, brain, counts=counts)
    for row, c in zip(counts, drawn, strict=True):
        rows = np.repeat(np.arange(12), row)
        assert c == pytest.approx(by_hand(model[rows], brain[rows]), nan_ok=True)


@given(SEED, st.integers(2, 12))
def test_strata_hold_as_many_images_each_in_order_of_the_threshold(seed, n_strata):
    thresholds = np.random.default_rng(seed).permutation(60) / 7.0
    strata = threshold_strata(thresholds, n_strata=n_strata)
    sizes = np.bincount(strata)
    assert len(sizes) == n_strata
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(strata[np.argsort(thresholds)]) >= 0).all()


def test_equal_and_missing_thresholds():
    assert threshold_strata(np.full(5, 1.0)).tolist() == [0] * 5
    assert threshold_strata([np.nan, np.nan]).tolist() == [-1, -1]


def test_no_pair_no_concordance():
    assert np.isnan(concordance([1.0, 2.0], [np.nan, np.nan]))
    assert np.isnan(concordance([1.0, 2.0], [5.0, 5.0]))
    assert np.isnan(concordance([1.0, 2.0], [1.0, 2.0], strata=[0, 1]))


@pytest.mark.parametrize(
    "sides", [([1.0], [1.0, 2.0], None), ([1.0, 2.0], [1.0, 2.0], [0]), ([[1.0]], [[1.0]], None)]
)
def test_lengths_that_differ(sides):
    model, brain, strata = sides
    with pytest.raises(InputError, match="shapes"):
        concordance(model, brain, strata=strata)
