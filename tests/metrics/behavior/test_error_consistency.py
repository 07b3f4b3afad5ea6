"""Error consistency: kappa of right and wrong answers, weighted and averaged over subjects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.error_consistency import (
    error_consistency,
    mean_consistency,
    subject_pairs,
)

SEED = st.integers(0, 2**32 - 1)


def observers(seed, n=2, images=40):
    rng = np.random.default_rng(seed)
    return rng.random((n, images)) < 0.6, rng


# --- oracle and properties ------------------------------------------------------------------------


@given(SEED)
def test_error_consistency_is_scikit_learns_kappa(seed):
    (one, other), _ = observers(seed)
    assert error_consistency(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    both = error_consistency(one, np.stack([other, one]))
    assert both == pytest.approx([float(error_consistency(one, other)), 1.0])


@given(SEED)
def test_weights_are_copies_and_only_shared_images_count(seed):
    right, rng = observers(seed, n=3)
    seen = rng.random((2, 40)) < 0.7
    counts = rng.integers(0, 3, (4, 40))
    found = error_consistency(right[0], right[1:], seen=seen, weights=counts)
    assert found.shape == (4, 2)
    for row, kappas in zip(counts, found, strict=True):
        for other, shared, kappa in zip(right[1:], seen, kappas, strict=True):
            rows = np.repeat(np.flatnonzero(shared), row[shared])
            expected = cohen_kappa_score(right[0][rows], other[rows])
            assert kappa == pytest.approx(expected, abs=1e-9)


@given(SEED)
def test_order_and_sides_do_not_matter(seed):
    (one, other), rng = observers(seed)
    order = rng.permutation(40)
    kappa = error_consistency(one, other)
    assert error_consistency(other, one) == pytest.approx(kappa)
    assert error_consistency(one[order], other[order]) == pytest.approx(kappa)
    assert error_consistency(~one, ~other) == pytest.approx(kappa)


@given(SEED)
def test_subjects_that_count_twice_are_not_their_own_pair(seed):
    right, rng = observers(seed, n=4)
    first, second = subject_pairs(4)
    kappas = error_consistency(right[first], right[second])[None]
    counts = rng.integers(0, 3, (3, 4))
    found = mean_consistency(kappas, counts, rows=(first, second))
    for row, mean in zip(counts, found, strict=True):
        subjects = np.repeat(np.arange(4), row)
        pairs = [
            error_consistency(right[a], right[b])
            for k, a in enumerate(subjects)
            for b in subjects[:k]
            if a != b
        ]
        assert mean == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


# --- known truth ----------------------------------------------------------------------------------


def test_independent_errors_have_no_consistency():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 100_000)) < np.array([[0.8], [0.6]])
    assert abs(error_consistency(one, other)) < 0.015


def test_a_shared_part_of_the_images_is_the_kappa():
    """Both copy a common coin on a share of the images, and err independently elsewhere."""
    rng = np.random.default_rng(1)
    common, *own = rng.random((3, 200_000)) < 0.7
    shared = rng.random(200_000) < 0.35
    one, other = (np.where(shared, common, alone) for alone in own)
    assert float(error_consistency(one, other)) == pytest.approx(0.35, abs=0.01)


def test_the_majority_of_the_others_exceeds_the_mean_over_pairs():
    """Why the agreement of subjects with each other is a reference and no maximum."""
    rng = np.random.default_rng(2)
    hard = rng.normal(0.8, 1.0, 5000)
    right = hard + rng.standard_normal((9, 5000)) > 0
    first, second = subject_pairs(9)
    reference = error_consistency(right[first], right[second]).mean()
    majority = [np.delete(right, k, axis=0).mean(axis=0) > 0.5 for k in range(9)]
    assert error_consistency(np.array(majority), right).mean() > reference + 0.05


# --- what does not exist --------------------------------------------------------------------------


def test_no_kappa_where_both_are_always_right_or_always_wrong():
    always, mixed = np.ones(5, dtype=bool), np.array([True, False, True, True, False])
    assert np.isnan(error_consistency(always, always))
    assert np.isnan(error_consistency(~always, ~always))
    assert error_consistency(always, mixed) == 0.0
    assert np.isnan(error_consistency(mixed, mixed, seen=np.zeros(5, dtype=bool)))
    weights = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1]])
    assert np.isnan(error_consistency(mixed, mixed, weights=weights)).tolist() == [True, False]


def test_undefined_kappas_are_left_out_of_the_mean():
    rows = [np.arange(3)]
    assert mean_consistency([[0.2, np.nan, 0.4]], rows=rows) == pytest.approx([0.3])
    counts = np.array([[1, 5, 3], [0, 2, 0]])
    found = mean_consistency([[0.2, np.nan, 0.4]], counts, rows=rows)
    assert found == pytest.approx([0.35, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("sides", "weights", "message"),
    [
        (([True], [True, False]), None, r"\(1,\).*\(2,\)"),
        (([], []), None, r"\(0,\)"),
        (([True], [True]), np.ones((1, 2)), r"\(1, 2\)"),
    ],
)
def test_bad_arrays(sides, weights, message):
    with pytest.raises(InputError, match=message):
        error_consistency(*sides, weights=weights)
