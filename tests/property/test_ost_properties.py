"""Invariances of object solution times and of their agreement that hold for any data."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from brainbench.metrics.classification.softmax import minimize, probabilities
from brainbench.metrics.correlation import midranks, rank_correlation
from brainbench.metrics.solution_times.decoder import Decoder, decode
from brainbench.metrics.solution_times.solution_times import agreement, sensitivity, solution_times

SEED = st.integers(0, 2**32 - 1)
CONVERGED = Decoder(name="converged")


def draw(seed, n_bins=8, n_images=24):
    """Sensitivities that rise and dip, thresholds that some images never reach, bins of 10 ms."""
    rng = np.random.default_rng(seed)
    rising = np.linspace(-1, 3, n_bins)[:, None] + rng.standard_normal((n_bins, n_images))
    starts = 70 + 10.0 * np.arange(n_bins)
    return rising, rng.uniform(0, 4, n_images), np.stack([starts, starts + 10], axis=1), rng


def decoded(rng, n_images, n_classes):
    return rng.dirichlet(np.ones(n_classes), size=(3, n_images))


@given(SEED, st.floats(-500, 500))
def test_time_of_the_bins_shifts_solution_times_by_as_much(seed, shift):
    values, thresholds, bins, _ = draw(seed)
    moved = solution_times(values, thresholds, bins + shift)
    np.testing.assert_allclose(
        moved, solution_times(values, thresholds, bins) + shift, atol=1e-9, rtol=0
    )


@given(SEED, st.floats(0.1, 10), st.floats(-3, 3))
def test_scale_and_shift_of_sensitivity_and_threshold_together(seed, scale, shift):
    values, thresholds, bins, _ = draw(seed)
    moved = solution_times(scale * values + shift, scale * thresholds + shift, bins)
    np.testing.assert_allclose(moved, solution_times(values, thresholds, bins), atol=1e-6)


@given(SEED)
def test_order_of_images(seed):
    values, thresholds, bins, rng = draw(seed)
    order = rng.permutation(len(thresholds))
    np.testing.assert_array_equal(
        solution_times(values[:, order], thresholds[order], bins),
        solution_times(values, thresholds, bins)[order],
    )


@given(SEED, st.floats(0, 2))
def test_a_higher_threshold_is_never_reached_earlier(seed, more):
    """Where the sensitivity never falls; over a dip the line from the last peak is drawn."""
    values, thresholds, bins, _ = draw(seed)
    rising = np.maximum.accumulate(values, axis=0)
    low, high = (solution_times(rising, t, bins) for t in (thresholds, thresholds + more))
    both = ~np.isnan(high)
    assume(both.any())
    assert not np.isnan(low[both]).any()
    assert (high[both] >= low[both] - 1e-9).all()


@given(SEED)
def test_solution_times_lie_within_the_starts_of_the_bins(seed):
    values, thresholds, bins, _ = draw(seed)
    times = solution_times(values, thresholds, bins)
    solved = ~np.isnan(times)
    np.testing.assert_array_equal(solved, (values >= thresholds).any(axis=0))
    assert (times[solved] >= bins[0, 0]).all()
    assert (times[solved] <= bins[-1, 0]).all()


@given(SEED)
def test_thresholds_above_every_sensitivity_are_never_reached(seed):
    values, _, bins, _ = draw(seed)
    assert np.isnan(solution_times(values, values.max(axis=0) + 1e-6, bins)).all()


@given(SEED)
def test_later_bins_do_not_matter_once_the_threshold_is_reached(seed):
    values, thresholds, bins, rng = draw(seed)
    times = solution_times(values, thresholds, bins)
    hit = (values >= thresholds).argmax(axis=0)
    later = np.arange(len(bins))[:, None] > hit
    changed = np.where(later, values + rng.standard_normal(values.shape), values)
    solved = ~np.isnan(times)
    np.testing.assert_array_equal(solution_times(changed, thresholds, bins)[solved], times[solved])


@given(SEED, st.sampled_from(["paper", "brainscore"]))
def test_sensitivity_ignores_the_order_of_images_and_of_classes(seed, false_alarms):
    rng = np.random.default_rng(seed)
    p, truth = decoded(rng, 20, 4), np.arange(20) % 4
    images, classes = rng.permutation(20), rng.permutation(4)
    moved = sensitivity(
        p[:, images][:, :, classes],
        np.argsort(classes)[truth[images]],
        false_alarms=false_alarms,
    )
    np.testing.assert_allclose(
        moved, sensitivity(p, truth, false_alarms=false_alarms)[:, images], atol=1e-10
    )


@given(SEED)
def test_bins_are_judged_one_by_one(seed):
    rng = np.random.default_rng(seed)
    p, truth = decoded(rng, 20, 4), np.arange(20) % 4
    np.testing.assert_array_equal(sensitivity(p[1:2], truth)[0], sensitivity(p, truth)[1])


@given(SEED, st.floats(-100, 100), st.floats(0.1, 5))
def test_agreement_sees_order_only(seed, shift, scale):
    values, thresholds, bins, rng = draw(seed)
    times = solution_times(values, thresholds, bins)
    other = np.where(rng.random(24) < 0.2, np.nan, rng.uniform(70, 150, 24))
    rows = np.arange(24)
    r = agreement([(rows, times)], other)
    np.testing.assert_allclose(agreement([(rows, scale * times + shift)], other), r, atol=1e-12)
    np.testing.assert_allclose(agreement([(rows, -times)], other), -r, atol=1e-12)
    np.testing.assert_allclose(agreement([(rows, other)], times), r, atol=1e-12)


@given(SEED)
def test_counts_are_the_spearman_of_repeated_images(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, (2, 15)).astype(float)
    y[rng.random(15) < 0.2] = np.nan
    counts = rng.integers(0, 4, (3, 15))
    ours = rank_correlation(x, y, counts=counts)
    for r, count in zip(ours, counts, strict=True):
        a, b = (np.repeat(side[~np.isnan(y)], count[~np.isnan(y)]) for side in (x, y))
        if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(r)
        else:
            assert abs(r - spearmanr(a, b).statistic) < 1e-12


@given(SEED)
def test_midranks_are_scipys(seed):
    rng = np.random.default_rng(seed)
    values, count = rng.integers(0, 5, 12), rng.integers(1, 4, 12)
    theirs = rankdata(np.repeat(values, count))
    np.testing.assert_allclose(np.repeat(midranks(values, count[None])[0], count), theirs)


@settings(max_examples=15)
@given(SEED, st.integers(2, 70), st.floats(0.05, 2))
def test_the_minimum_has_no_gradient_and_the_bias_no_common_part(seed, width, penalty):
    rng = np.random.default_rng(seed)
    X, codes = rng.standard_normal((2, 30, width)), np.stack([np.arange(30) % 3] * 2)
    weights = minimize(X, codes, n_classes=3, penalty=penalty)
    error = probabilities(X, weights) - np.eye(3)[codes]
    gradient = X.transpose(0, 2, 1) @ error / 30 + penalty * weights[:, :-1]
    assert np.abs(gradient).max() < 1e-8
    assert np.abs(error.mean(axis=1)).max() < 1e-8
    assert np.abs(weights.sum(axis=2)).max() < 1e-12


@settings(max_examples=10)
@given(SEED, st.sampled_from([5, 60]))
def test_the_converged_decoder_sees_neither_scale_shift_nor_order_of_features(seed, width):
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 4
    X = rng.standard_normal((40, width)) + labels[:, None] * rng.standard_normal(width)
    split = [(np.arange(30), np.arange(30, 40))]
    moved = (X * rng.uniform(0.1, 10, width) + 100 * rng.standard_normal(width))[
        :, rng.permutation(width)
    ]
    one, other = decode([X, moved], labels, split, decoder=CONVERGED)
    np.testing.assert_allclose(other[0], one[0], atol=1e-7)
