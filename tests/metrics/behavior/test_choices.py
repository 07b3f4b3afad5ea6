"""Answers among many categories: image-level correlation and shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.choices import image_level, shares, tally

SEED = st.integers(0, 2**32 - 1)


def draw(seed, n=30, k=4):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    return rng.dirichlet(np.ones(k), n), rng.dirichlet(np.ones(k), n), truth, rng


def by_hand(x, y, truth):
    x, y = (
        np.concatenate(
            [(side[truth == t] - side[truth == t].mean(axis=0)).ravel() for t in np.unique(truth)]
        )
        for side in (x, y)
    )
    return np.corrcoef(x, y)[0, 1]


@given(SEED)
def test_image_level_is_that_of_a_loop(seed):
    x, y, truth, _ = draw(seed)
    (r,) = image_level(x, y, truth)
    assert r == pytest.approx(by_hand(x, y, truth), abs=1e-12)
    assert image_level(y, x, truth)[0] == pytest.approx(r, abs=1e-12)


@given(SEED, st.floats(0.01, 100))
def test_image_level_ignores_order_scale_and_what_is_common_to_a_category(seed, scale):
    x, y, truth, rng = draw(seed)
    (r,) = image_level(x, y, truth)
    rows, columns = rng.permutation(len(x)), rng.permutation(x.shape[1])
    (moved,) = image_level(x[rows][:, columns], y[rows][:, columns], truth[rows])
    assert moved == pytest.approx(r, abs=1e-10)
    (shifted,) = image_level(scale * x + rng.standard_normal((4, 4))[truth], y, truth)
    assert shifted == pytest.approx(r, abs=1e-8)


@given(SEED)
def test_weights_are_copies_of_images(seed):
    x, y, truth, rng = draw(seed)
    counts = rng.integers(0, 3, (3, len(truth)))
    found = image_level(x, y, truth, weights=counts)
    for count, r in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(len(truth)), count)
        assert r == pytest.approx(by_hand(x[rows], y[rows], truth[rows]), abs=1e-10)


@given(SEED)
def test_subjects_that_count_twice(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 2, (3, 10, 4)).astype(float)
    weights = rng.integers(0, 3, (2, 3))
    found = shares(counts, weights)
    for row, each in zip(weights, found, strict=True):
        np.testing.assert_allclose(each, shares(np.repeat(counts, row, axis=0)), atol=1e-12)


def test_figures_that_do_not_exist():
    x, y, truth, _ = draw(0)
    assert np.isnan(image_level(np.eye(4)[truth], y, truth)[0])  # within a category all alike
    assert np.isnan(image_level(np.full_like(x, np.nan), y, truth)[0])
    assert np.isnan(image_level(x[:4], y[:4], truth[:4])[0])  # one image of each category
    assert np.isnan(shares(np.zeros((2, 1, 3)))).all()


def test_image_without_answers_is_left_out():
    x, y, truth, _ = draw(1)
    gone = y.copy()
    gone[3] = np.nan
    kept = np.arange(len(x)) != 3
    expected = by_hand(x[kept], y[kept], truth[kept])
    assert image_level(x, gone, truth)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, t: image_level(x, y[1:], t), r"\(30, 4\).*\(29, 4\)"),
        (lambda x, y, t: image_level(x, y, t[1:]), r"\(29,\)"),
        (lambda x, y, t: tally(t, t, t[1:], shape=(30, 30, 30)), r"\[30, 30, 29\]"),
        (lambda x, y, t: tally(t, t, t, shape=(4, 4, 3)), r"\(4, 4, 3\)"),
        (lambda x, y, t: tally(t[:0], t[:0], t[:0], shape=(4, 4, 4)), r"\[0, 0, 0\]"),
    ],
)
def test_bad_arrays(call, message):
    x, y, truth, _ = draw(0)
    with pytest.raises(InputError, match=message):
        call(x, y, truth)
