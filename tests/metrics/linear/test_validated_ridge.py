"""Ridge whose penalties are compared on a fixed validation part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from brainbench.core.errors import InputError
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.ridge import cross_fit
from brainbench.metrics.linear.validated_ridge import fit_validated

N, PENALTIES = 90, np.array([1e-4, 1e-2, 1.0, 100.0])
PARTS = {"train": np.arange(60), "validation": np.arange(60, 75), "test": np.arange(75, N)}


def material(p=120, *, seed=0, noise=3.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, p)) + 5.0
    return X, X @ rng.standard_normal((p, 4)) + noise * rng.standard_normal((N, 4))


def by_scikit_learn(X, Y, *, train, validation, test):
    unit = X[train].var(axis=0).sum() * len(train) / (len(train) - 1)
    fits = [Ridge(a * unit).fit(X[train], Y[train]) for a in PENALTIES]
    errors = np.stack([np.square(f.predict(X[validation]) - Y[validation]).sum(0) for f in fits])
    best = errors.argmin(axis=0)
    predicted = np.stack([f.predict(X[test]) for f in fits])
    sites = np.arange(Y.shape[1])
    return predicted[best, :, sites].T, PENALTIES[best] * unit, errors[best, sites]


@pytest.mark.parametrize("p", [7, 120])
@pytest.mark.parametrize("shuffled", [False, True])
def test_it_is_scikit_learns_ridge_at_the_best_penalty_of_the_validation_part(p, shuffled):
    X, Y = material(p)
    parts = PARTS
    if shuffled:  # rows that do not follow one another
        order = np.random.default_rng(1).permutation(N)
        parts = {name: order[rows] for name, rows in PARTS.items()}
    fit = fit_validated(gram(X), Y, **parts, penalties=PENALTIES)
    predicted, penalties, errors = by_scikit_learn(X, Y, **parts)
    np.testing.assert_allclose(fit.predicted, predicted, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(fit.penalties, penalties, rtol=1e-12)
    np.testing.assert_allclose(fit.left_out, errors, rtol=1e-8)


def test_one_penalty_is_that_of_ridge_by_eigenvectors():
    X, Y = material()
    kept = np.r_[PARTS["train"], PARTS["test"]]
    split = (np.arange(60), np.arange(60, 75))
    [fit] = cross_fit(gram(X[kept]), Y[kept], [split], penalties=0.1, relative=True)
    ours = fit_validated(gram(X), Y, **PARTS, penalties=0.1)
    np.testing.assert_allclose(ours.predicted, fit.predicted, rtol=1e-10)


def test_less_noise_chooses_a_smaller_penalty():
    clear, noisy = (
        fit_validated(gram(X), Y, **PARTS, penalties=PENALTIES).penalties.mean()
        for X, Y in (material(noise=0.1), material(noise=60.0))
    )
    assert clear < noisy


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_scale_and_shift_of_responses_and_scale_of_features_carry_over(seed, scale, shift):
    X, Y = material(20, seed=seed)
    fit = fit_validated(gram(X), Y, **PARTS, penalties=PENALTIES)
    other = fit_validated(gram(3.0 * X), scale * Y + shift, **PARTS, penalties=PENALTIES)
    expected = scale * fit.predicted + shift
    np.testing.assert_allclose(other.predicted, expected, rtol=1e-7, atol=1e-7 * scale)


def test_test_responses_and_images_change_no_choice():
    X, Y = material()
    fit = fit_validated(gram(X), Y, **PARTS, penalties=PENALTIES)
    Y[PARTS["test"]] = 0.0
    again = fit_validated(gram(X), Y, **PARTS, penalties=PENALTIES)
    np.testing.assert_array_equal(again.predicted, fit.predicted)
    np.testing.assert_array_equal(again.penalties, fit.penalties)


@pytest.mark.parametrize("penalties", [[], [0.0, 1.0], [-1.0], [np.inf]])
def test_penalties_that_are_not_above_0_are_refused(penalties):
    X, Y = material()
    with pytest.raises(InputError):
        fit_validated(gram(X), Y, **PARTS, penalties=penalties)


@pytest.mark.parametrize(
    "changed",
    [
        {"validation": []},
        {"test": []},
        {"validation": [3]},
        {"test": [60]},
        {"train": [0]},
        {"test": [N]},
    ],
)
def test_parts_that_overlap_or_are_empty_are_refused(changed):
    X, Y = material()
    with pytest.raises(InputError):
        fit_validated(gram(X), Y, **{**PARTS, **changed}, penalties=PENALTIES)


def test_features_that_do_not_vary_over_the_training_stimuli_are_refused():
    X, Y = material(3)
    X[PARTS["train"]] = 0.0
    with pytest.raises(InputError, match="60"):
        fit_validated(gram(X), Y, **PARTS, penalties=PENALTIES)
