"""Ridge regression and one unit per neuroid: options, degenerate data, messages."""

import re

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainbench.core.errors import InputError
from brainbench.metrics.gram import gram
from brainbench.metrics.linear import neuron_to_neuron, ridge
from brainbench.metrics.linear.ridge import BRAINSCORE, RELATIVE, cross_fit, cross_predict

FORMS = pytest.mark.parametrize("form", [np.asarray, gram], ids=["primal", "dual"])
SPLIT = (np.arange(30), np.arange(30, 40))


def data(n=40, p=8, k=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X @ rng.standard_normal((p, k)) + 0.5 * rng.standard_normal((n, k))


def test_brainscore_penalties():
    assert len(BRAINSCORE) == 99
    assert (np.diff(BRAINSCORE) > 0).all()
    assert 32.5 in BRAINSCORE
    assert BRAINSCORE[[0, -1]].tolist() == [0.01, 1e7]


@pytest.mark.parametrize("p", [8, 60])
@pytest.mark.parametrize("penalties", [1.0, BRAINSCORE])
def test_features_and_their_gram_matrix_give_the_same(p, penalties):
    X, Y = data(p=p)
    a, b = (cross_predict(given, Y, [SPLIT], penalties=penalties)[0] for given in (X, gram(X)))
    np.testing.assert_allclose(a, b, atol=1e-10)


def test_relative_penalties_are_in_units_of_the_features_variance():
    X, Y = data()
    centered = X[SPLIT[0]] - X[SPLIT[0]].mean(axis=0)
    unit = np.square(centered).sum() / 29
    (a,) = cross_fit(X, Y, [SPLIT], penalties=2.0, relative=True)
    (b,) = cross_fit(X, Y, [SPLIT], penalties=2.0 * unit)
    np.testing.assert_allclose(a.penalties, b.penalties)
    np.testing.assert_allclose(a.predicted, b.predicted)


def test_a_large_penalty_predicts_the_mean():
    X, Y = data()
    (held_out,) = cross_predict(X, Y, [SPLIT], penalties=1e14)
    np.testing.assert_allclose(held_out, np.tile(Y[:30].mean(axis=0), (10, 1)), atol=1e-9)


def test_many_neuroids_in_batches_are_as_alone(monkeypatch):
    X, Y = data(k=7)
    (whole,) = cross_fit(X, Y, [SPLIT], penalties=RELATIVE, relative=True, per_neuroid=True)
    monkeypatch.setattr(ridge, "BATCH_NUMBERS", 100)
    monkeypatch.setattr(ridge, "BLOCK_NUMBERS", 100)
    (parts,) = cross_fit(X, Y, [SPLIT], penalties=RELATIVE, relative=True, per_neuroid=True)
    np.testing.assert_allclose(parts.predicted, whole.predicted, atol=1e-12)
    np.testing.assert_array_equal(parts.penalties, whole.penalties)


@FORMS
@pytest.mark.parametrize("penalties", [0.0, 1.0, [0.1, 1.0]])
def test_constant_neuroid_and_constant_features(form, penalties):
    X, Y = data()
    Y[:, 1] = 0.1
    (held_out,) = cross_predict(form(X), Y, [SPLIT], penalties=penalties)
    assert np.ptp(held_out[:, 1]) == 0
    assert held_out[0, 1] == pytest.approx(0.1, abs=1e-15)
    flat = np.full_like(X, 0.3)
    (held_out,) = cross_predict(form(flat), Y, [SPLIT], penalties=penalties)
    np.testing.assert_allclose(held_out, np.tile(Y[:30].mean(axis=0), (10, 1)))


@FORMS
def test_repeated_features_are_no_trouble_without_a_penalty(form):
    X, Y = data()
    (once,) = cross_predict(form(X), Y, [SPLIT], penalties=0.0)
    (twice,) = cross_predict(form(np.hstack([X, X])), Y, [SPLIT], penalties=0.0)
    np.testing.assert_allclose(twice, once, atol=1e-9)


@pytest.mark.parametrize("penalties", [-1.0, [0.0, 1.0], [], np.nan, [[1.0]], [1.0, np.inf]])
def test_penalties_that_make_no_sense(penalties):
    X, Y = data()
    with pytest.raises(InputError, match=re.escape(str(np.ravel(penalties).tolist()))):
        cross_fit(X, Y, [SPLIT], penalties=penalties)


@pytest.mark.parametrize("predict", [cross_predict, neuron_to_neuron.cross_predict])
def test_bad_input(predict):
    X, Y = data()
    with pytest.raises(InputError, match=r"\(39, 3\).*\b40\b"):
        predict(X, Y[1:], [SPLIT])
    with pytest.raises(InputError, match=r"\b30\b.*\b11\b.*\b1\b"):
        predict(X, Y, [(np.arange(30), np.arange(29, 40))])
    with pytest.raises(InputError, match=r"\b1\b.*\b40\b"):
        predict(X, Y, [(np.array([3]), np.array([5]))])
    with pytest.raises(InputError, match=r"\(40,\)"):
        predict(X[:, 0], Y, [SPLIT])
    with_nan = X.copy()
    with_nan[3, 5] = np.nan
    with pytest.raises(InputError, match=r"nan\b.*feature 5\b.*row 3\b"):
        predict(with_nan, Y, [SPLIT])
    Y[2, 1] = np.inf
    with pytest.raises(InputError, match=r"inf\b.*neuroid 1\b.*row 2\b"):
        predict(X, Y, [SPLIT])


# --- one unit per neuroid -------------------------------------------------------------------------


def test_chunks_find_the_same_units():
    X, Y = data(p=20)
    whole = neuron_to_neuron.cross_predict(X, Y, [SPLIT])
    cut = neuron_to_neuron.cross_predict(lambda: iter(np.split(X, 5, axis=1)), Y, [SPLIT])
    np.testing.assert_array_equal(cut, whole)


def test_anticorrelated_unit_is_no_match():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((40, 1))
    X = np.hstack([-y, y + rng.standard_normal((40, 1))])
    (held_out,) = neuron_to_neuron.cross_predict(X, y, [SPLIT])
    np.testing.assert_array_equal(held_out[:, 0], X[30:, 1])


def test_constant_units_are_never_taken():
    X, Y = data()
    X[:30, 2] = 7.0  # varies over held-out stimuli only
    (held_out,) = neuron_to_neuron.cross_predict(X, np.zeros_like(Y), [SPLIT])
    assert not held_out.any()
    (held_out,) = neuron_to_neuron.cross_predict(np.full_like(X, 2.0), Y, [SPLIT])
    assert not held_out.any()


def test_chunks_that_differ_in_stimuli_or_are_none():
    X, Y = data()
    with pytest.raises(InputError, match=r"\b39\b.*\b40\b"):
        neuron_to_neuron.cross_predict(lambda: [X, X[1:]], Y, [SPLIT])
    with pytest.raises(InputError, match="no features"):
        neuron_to_neuron.cross_predict(list, Y, [SPLIT])


def test_the_error_of_the_penalty_that_was_chosen_is_known():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 3))
    split = (np.arange(24), np.arange(24, 30))
    (fit,) = ridge.cross_fit(X, Y, [split], penalties=[0.1, 1.0, 10.0], per_neuroid=True)
    for site in range(3):
        slow = 0.0
        for k in range(24):
            rest = np.delete(np.arange(24), k)
            alone = Ridge(fit.penalties[site]).fit(X[rest], Y[rest, site])
            slow += (Y[k, site] - alone.predict(X[[k]])[0]) ** 2
        assert fit.left_out[site] == pytest.approx(slow)
    (fit,) = ridge.cross_fit(np.ones((30, 2)), Y, [split], penalties=[0.1, 1.0])
    mean = [np.delete(Y[:24], k, axis=0).mean(axis=0) for k in range(24)]
    np.testing.assert_allclose(fit.left_out, np.square(Y[:24] - mean).sum(axis=0))
    (fit,) = ridge.cross_fit(X, Y, [split], penalties=1.0)
    assert np.isnan(fit.left_out).all()


@pytest.mark.parametrize("p", [6, 80])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_error_on_left_out_groups_is_that_of_separate_fits(p, grouped):
    rng = np.random.default_rng(0)
    X, groups = rng.standard_normal((40, p)), np.arange(40)
    Y = X[:, :3] @ rng.standard_normal((3, 2)) + rng.standard_normal((40, 2))
    if grouped:  # six copies, and a film of four frames
        X[20:26], groups[20:26], groups[30:34] = X[14:20], groups[14:20], 30
    train, test, penalties = np.arange(36), np.arange(36, 40), np.array([0.1, 1.0, 10.0])
    options = {"penalties": penalties, "per_neuroid": True, "groups": groups}
    (fit,) = ridge.cross_fit(X, Y, [(train, test)], **options)
    slow = np.zeros((3, 2))
    for name in np.unique(groups[train]):
        out = train[groups[train] == name]
        split = [(np.setdiff1d(train, out), out)]
        for k, penalty in enumerate(penalties):
            (alone,) = ridge.cross_predict(X, Y, split, penalties=penalty)
            slow[k] += np.square(alone - Y[out]).sum(axis=0)
    np.testing.assert_allclose(fit.left_out, slow.min(axis=0))
    np.testing.assert_array_equal(fit.penalties, penalties[slow.argmin(axis=0)])
    (joint,) = ridge.cross_fit(X, Y, [(train, test)], **{**options, "per_neuroid": False})
    assert set(joint.penalties) == {penalties[slow.sum(axis=1).argmin()]}
