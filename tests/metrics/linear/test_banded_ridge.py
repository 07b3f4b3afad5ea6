"""Banded ridge regression: against a slow program, invariances, known weights, and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from brainbench.core.errors import InputError
from brainbench.metrics.gram import gram
from brainbench.metrics.linear import banded_ridge, ridge

SEED = st.integers(0, 2**16)
SPLITS = [(np.arange(8, 30), np.arange(8)), (np.arange(24), np.arange(24, 30))]


def data(seed, widths=(4, 50)):
    rng = np.random.default_rng(seed)
    spaces = [rng.standard_normal((30, p)) * 3.0**k for k, p in enumerate(widths)]
    Y = spaces[0] @ rng.standard_normal((widths[0], 3)) + rng.standard_normal((30, 3))
    return spaces, Y


def predicted(spaces, Y, splits=SPLITS, **options):
    grams = [gram(space) for space in spaces]
    return [fit.predicted for fit in banded_ridge.cross_fit(grams, Y, splits, **options)]


# --- oracle -----------------------------------------------------------------------------------------


def slowly(spaces, Y, train, test, tried):
    """Leave out each training image in turn, with scikit-learn's ridge on scaled features."""
    scaled = []
    for X in spaces:
        centered = X - X[train].mean(axis=0)
        scaled.append(centered / np.sqrt(np.square(centered[train]).sum() / (len(train) - 1)))
    best = [(np.inf, None)] * Y.shape[1]
    for mixture in tried:
        X = np.hstack([np.sqrt(share) * one for share, one in zip(mixture, scaled, strict=True)])
        unit = np.square(X[train]).sum() / (len(train) - 1)
        for penalty in ridge.RELATIVE * unit:
            left_out = np.zeros(Y.shape[1])
            for k in range(len(train)):
                rest = np.delete(train, k)
                fit = Ridge(penalty, solver="svd").fit(X[rest], Y[rest])
                left_out += np.square(Y[train[k]] - fit.predict(X[train[[k]]])[0])
            held_out = Ridge(penalty, solver="svd").fit(X[train], Y[train]).predict(X[test])
            for site in range(Y.shape[1]):
                if left_out[site] < best[site][0] * (1 - 1e-9):
                    best[site] = (left_out[site], held_out[:, site])
    return np.column_stack([held_out for _, held_out in best])


def test_equals_ridge_that_leaves_out_each_image_in_turn(monkeypatch):
    monkeypatch.setattr(ridge, "RELATIVE", np.logspace(-3, 3, 5))
    few = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.9, 0.1]])
    monkeypatch.setattr(banded_ridge, "mixtures", lambda n, seed: few)
    spaces, Y = data(0)
    (held_out,) = predicted(spaces, Y, SPLITS[:1])
    np.testing.assert_allclose(held_out, slowly(spaces, Y, *SPLITS[0], few), atol=1e-7)


def test_one_space_is_ridge():
    (space, _), Y = data(1)
    ours = predicted([space], Y)
    options = {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}
    for a, b in zip(ours, ridge.cross_predict(space, Y, SPLITS, **options), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


# --- properties -------------------------------------------------------------------------------------


@settings(max_examples=4)
@given(SEED)
def test_twice_the_same_space_is_that_space(seed):
    (space, _), Y = data(seed)
    for a, b in zip(predicted([space, 5 * space + 1], Y), predicted([space], Y), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@settings(max_examples=3)
@given(SEED)
def test_order_of_two_spaces_and_of_sites_does_not_matter(seed):
    spaces, Y = data(seed)
    plain = predicted(spaces, Y)
    for a, b in zip(predicted(spaces[::-1], Y[:, ::-1]), plain, strict=True):
        np.testing.assert_allclose(a[:, ::-1], b, atol=1e-6)


@settings(max_examples=3)
@given(SEED)
def test_what_is_held_out_does_not_reach_the_map(seed):
    spaces, Y = data(seed)
    train, test = SPLITS[0]
    other = Y.copy()
    other[test] += 100
    a, b = (predicted(spaces, one, [(train, test)])[0] for one in (Y, other))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_shares_sum_to_1_and_each_space_can_be_left_out(n):
    tried = banded_ridge.mixtures(n)
    np.testing.assert_allclose(tried.sum(axis=1), 1.0)
    assert (tried >= 0).all()
    np.testing.assert_array_equal(tried, banded_ridge.mixtures(n))
    for k in range(n):
        assert (tried == np.eye(n)[k]).all(axis=1).any()
    if n > 1:  # what the others can do without the first, all can do
        without = tried[tried[:, 0] == 0][:, 1:]
        assert all((without == one).all(axis=1).any() for one in banded_ridge.mixtures(n - 1))
    assert (n < 3) == np.array_equal(tried, banded_ridge.mixtures(n, seed=1))


# --- truth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_spaces", [2, 3])
def test_a_penalty_for_each_space_finds_the_few_features_that_matter(n_spaces):
    rng = np.random.default_rng(0)
    few, *many = (rng.standard_normal((240, p)) for p in (5, 400, 400)[:n_spaces])
    Y = few @ rng.standard_normal((5, 20)) + rng.standard_normal((240, 20))
    split = (np.arange(160), np.arange(160, 240))
    (fit,) = banded_ridge.cross_fit([gram(one) for one in (few, *many)], Y, [split])
    assert np.median(fit.shares[:, 0]) > 0.8
    options = {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}
    (alone,) = ridge.cross_predict(few, Y, [split], **options)
    (one_band,) = ridge.cross_predict(np.hstack([few, *many]), Y, [split], **options)
    errors = [np.square(Y[split[1]] - p).mean() for p in (alone, fit.predicted, one_band)]
    assert errors[1] < 1.1 * errors[0]
    assert errors[2] > 1.5 * errors[1]


def test_a_space_that_does_not_vary_over_the_training_images_changes_nothing():
    (space, _), Y = data(2)
    train, test = SPLITS[0]
    still = np.zeros((30, 3))
    still[test] = 7.0
    for other in (np.ones((30, 3)), still):
        (both,), (alone,) = (
            predicted(one, Y, [(train, test)]) for one in ([space, other], [space])
        )
        np.testing.assert_allclose(both, alone, atol=1e-9)


# --- errors -----------------------------------------------------------------------------------------


def test_spaces_of_other_stimuli():
    spaces, Y = data(0)
    with pytest.raises(InputError, match="30, 29 stimuli"):
        banded_ridge.cross_fit([gram(spaces[0]), gram(spaces[1][:29])], Y, SPLITS)
    with pytest.raises(InputError, match="no stimuli"):
        banded_ridge.cross_fit([], Y, SPLITS)
    with pytest.raises(InputError, match="nan"):
        predicted(spaces, np.where(Y[0, 0] == Y, np.nan, Y))
