"""Invariances of trials, d' and I2n that hold for any data."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from brainbench.metrics.behavior.i2n import (
    FALSE_ALARMS,
    correlation,
    d_prime,
    i1,
    normalized,
    two_way,
)
from brainbench.metrics.behavior.trials import encode, fraction_correct, halves, halves_of_cells

SEED = st.integers(0, 2**32 - 1)
KIND = st.sampled_from(FALSE_ALARMS)
SIZE = st.tuples(st.integers(2, 5), st.integers(1, 6))
"""Objects, and images of each."""


def choices(seed, size, n_trials=400):
    """Columns of trials of a random design, every image at least once."""
    n_objects, each = size
    rng = np.random.default_rng(seed)
    n = n_objects * each
    image = np.concatenate([np.arange(n), rng.integers(n, size=n_trials)])
    truth = image % n_objects
    other = (truth + rng.integers(1, n_objects, len(truth))) % n_objects
    chosen = np.where(rng.random(len(truth)) < rng.random(n)[image], truth, other)
    names = [np.array([f"{what}{k:02d}" for k in range(n)]) for what in ("im", "o")]
    return [names[0][image], names[1][truth], names[1][other], names[1][chosen]], rng


def fractions(seed, size):
    n_objects, each = size
    rng = np.random.default_rng(seed)
    truth = np.arange(n_objects * each) % n_objects
    p = rng.dirichlet(np.ones(n_objects), len(truth))
    return two_way(p, truth), p, truth, rng


def i2n(fraction, truth, kind="paper"):
    return normalized(d_prime(fraction, truth, false_alarms=kind), truth)


@settings(max_examples=40)
@given(SEED, SIZE)
def test_fractions_are_those_of_a_loop(seed, size):
    columns, _ = choices(seed, size)
    trials = encode(*columns)
    fraction = fraction_correct(trials)
    stimulus, truth, other, chosen = columns
    for row, image in enumerate(trials.images):
        for column, distractor in enumerate(trials.objects):
            mine = (stimulus == image) & (other == distractor)
            expected = np.mean(chosen[mine] == truth[mine]) if mine.any() else np.nan
            np.testing.assert_equal(fraction[row, column], expected)


@settings(max_examples=40)
@given(SEED, SIZE, KIND)
def test_d_prime_is_that_of_a_loop(seed, size, kind):
    fraction, _, truth, rng = fractions(seed, size)
    fraction[rng.random(fraction.shape) < 0.2] = np.nan
    found = d_prime(fraction, truth, false_alarms=kind)
    for row, shown in enumerate(truth):
        for column in range(fraction.shape[1]):
            at = truth != shown if kind == "paper" else truth == column
            rates = fraction[at, shown][~np.isnan(fraction[at, shown])]
            expected = np.nan
            if column != shown and len(rates):
                alarm = 1 - rates.mean()
                expected = np.clip(norm.ppf(fraction[row, column]) - norm.ppf(alarm), -5, 5)
            np.testing.assert_allclose(found[row, column], expected, atol=1e-12)


@settings(max_examples=30)
@given(SEED, SIZE)
def test_order_of_trials_does_not_matter(seed, size):
    columns, rng = choices(seed, size)
    order = rng.permutation(len(columns[0]))
    one, other = encode(*columns), encode(*(column[order] for column in columns))
    assert one.images == other.images
    np.testing.assert_array_equal(fraction_correct(one), fraction_correct(other))


@settings(max_examples=30)
@given(SEED, SIZE, KIND)
def test_order_of_images_and_names_of_objects_do_not_matter(seed, size, kind):
    fraction, _, truth, rng = fractions(seed, size)
    other = fractions(seed + 1, size)[0]
    rows, columns = rng.permutation(len(truth)), rng.permutation(fraction.shape[1])
    moved = np.argsort(columns)[truth[rows]]

    def place(matrix):
        return matrix[rows][:, columns]

    np.testing.assert_allclose(
        i2n(place(fraction), moved, kind), place(i2n(fraction, truth, kind)), atol=1e-10
    )
    plain = correlation(i2n(fraction, truth, kind), i2n(other, truth, kind))
    turned = correlation(i2n(place(fraction), moved, kind), i2n(place(other), moved, kind))
    np.testing.assert_allclose(turned, plain, atol=1e-8)


@settings(max_examples=30)
@given(SEED, SIZE, st.floats(0.1, 10))
def test_two_way_sees_only_the_ratio_of_probabilities(seed, size, scale):
    fraction, p, truth, _ = fractions(seed, size)
    scaled = p * min(scale, 1.0)
    np.testing.assert_allclose(two_way(scaled, truth), fraction, atol=1e-12)


@settings(max_examples=30)
@given(SEED, SIZE, KIND)
def test_normalized_has_no_mean_and_normalizing_twice_is_once(seed, size, kind):
    fraction, _, truth, _ = fractions(seed, size)
    once = i2n(fraction, truth, kind)
    for shown in np.unique(truth):
        means = np.nanmean(np.delete(once[truth == shown], shown, axis=1), axis=0)
        np.testing.assert_allclose(means, 0, atol=1e-10)
    np.testing.assert_allclose(normalized(once, truth), once, atol=1e-10)


@settings(max_examples=30)
@given(SEED, SIZE)
def test_false_alarms_cancel_in_i2n_where_nothing_is_clipped(seed, size):
    fraction, _, truth, _ = fractions(seed, size)
    mild = 0.5 + 0.4 * (fraction - 0.5)
    np.testing.assert_allclose(
        i2n(mild, truth, "paper"), i2n(mild, truth, "brainscore"), atol=1e-10
    )


@settings(max_examples=30)
@given(SEED, SIZE, st.floats(0.01, 100), st.floats(-10, 10))
def test_correlation_is_affine_invariant_and_symmetric(seed, size, scale, shift):
    fraction, _, truth, rng = fractions(seed, size)
    x = i2n(fraction, truth)
    y = x + rng.standard_normal(x.shape)
    r = correlation(x, y)
    np.testing.assert_allclose(correlation(y, x), r, atol=1e-12)
    np.testing.assert_allclose(correlation(scale * x + shift, y), r, atol=1e-8)


@settings(max_examples=30)
@given(SEED, st.tuples(st.integers(2, 4), st.integers(2, 5)), KIND)
def test_weights_are_copies_of_images(seed, size, kind):
    """An image that counts twice is an image that is there twice; one that counts 0 times is not there."""
    fraction, _, truth, rng = fractions(seed, size)
    other = fractions(seed + 1, size)[0]
    counts = rng.integers(0, 3, (1, len(truth)))
    rows = np.repeat(np.arange(len(truth)), counts[0])
    if len(rows) < 2:
        return
    weighted = [
        normalized(d_prime(one, truth, false_alarms=kind, weights=counts), truth, weights=counts)
        for one in (fraction, other)
    ]
    copied = [i2n(one[rows], truth[rows], kind) for one in (fraction, other)]
    for one, two in zip(weighted, copied, strict=True):
        np.testing.assert_allclose(one[0][rows], two, atol=1e-10)
    (r,) = correlation(*weighted, weights=counts)
    expected = correlation(*copied)
    # Where both sides are rounding of a constant, there is no correlation to compare.
    np.testing.assert_allclose(r, expected, atol=1e-8)


@settings(max_examples=30)
@given(SEED, SIZE)
def test_halves_part_the_trials(seed, size):
    columns, _ = choices(seed, size, n_trials=101)
    trials = encode(*columns)
    cell = trials.image * 10 + trials.distractor
    for cut, even in ((halves(len(trials)), False), (halves_of_cells(trials, seed=seed), True)):
        for one, other in cut:
            np.testing.assert_array_equal(
                np.sort(np.concatenate([one, other])), np.arange(len(trials))
            )
            if even:
                counts = [
                    np.bincount(cell[rows], minlength=cell.max() + 1) for rows in (one, other)
                ]
                assert np.abs(counts[0] - counts[1]).max() <= 1


@settings(max_examples=30)
@given(SEED, SIZE)
def test_i1_is_the_mean_over_distractors(seed, size):
    fraction, _, truth, rng = fractions(seed, size)
    sensitivity = d_prime(fraction, truth)
    columns = rng.permutation(fraction.shape[1])
    np.testing.assert_allclose(i1(sensitivity[:, columns]), i1(sensitivity), atol=1e-12)
    off = ~np.isnan(sensitivity)
    expected = [np.mean(row[there]) for row, there in zip(sensitivity, off, strict=True)]
    np.testing.assert_allclose(i1(sensitivity), expected, atol=1e-12)
