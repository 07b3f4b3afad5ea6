"""Ridge regression and one unit per neuroid: options, degenerate data, messages."""

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.gram import gram
from brainbench.metrics.linear import neuron_to_neuron
from brainbench.metrics.linear.ridge import BRAINSCORE, RELATIVE, cross_fit, cross_predict

FORMS = ["primal", "dual"]
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
def test_forms_agree(p):
    X, Y = data(p=p)
    for penalties in (1.0, BRAINSCORE):
        a, b, c = (
            cross_predict(features, Y, [SPLIT], penalties=penalties, form=form)[0]
            for features, form in ((X, "primal"), (X, "dual"), (gram(X), "auto"))
        )
        np.testing.assert_allclose(a, b, atol=1e-10)
        np.testing.assert_array_equal(b, c)


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
    monkeypatch.setattr("brainbench.metrics.linear.ridge._BATCH_NUMBERS", 100)
    monkeypatch.setattr("brainbench.metrics.linear.ridge._BLOCK_NUMBERS", 100)
    (parts,) = cross_fit(X, Y, [SPLIT], penalties=RELATIVE, relative=True, per_neuroid=True)
    np.testing.assert_allclose(parts.predicted, whole.predicted, atol=1e-12)
    np.testing.assert_array_equal(parts.penalties, whole.penalties)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("penalties", [0.0, 1.0, [0.1, 1.0]])
def test_constant_neuroid_and_constant_features(form, penalties):
    X, Y = data()
    Y[:, 1] = 0.1
    (held_out,) = cross_predict(X, Y, [SPLIT], penalties=penalties, form=form)
    assert np.ptp(held_out[:, 1]) == 0
    assert held_out[0, 1] == pytest.approx(0.1, abs=1e-15)
    flat = np.full_like(X, 0.3)
    (held_out,) = cross_predict(flat, Y, [SPLIT], penalties=penalties, form=form)
    np.testing.assert_allclose(held_out, np.tile(Y[:30].mean(axis=0), (10, 1)))


@pytest.mark.parametrize("form", FORMS)
def test_repeated_features_are_no_trouble_without_a_penalty(form):
    X, Y = data()
    (once,) = cross_predict(X, Y, [SPLIT], penalties=0.0, form=form)
    (twice,) = cross_predict(np.hstack([X, X]), Y, [SPLIT], penalties=0.0, form=form)
    np.testing.assert_allclose(twice, once, atol=1e-9)


@pytest.mark.parametrize("penalties", [-1.0, [0.0, 1.0], [], np.nan, [[1.0]], [1.0, np.inf]])
def test_penalties_that_make_no_sense(penalties):
    X, Y = data()
    with pytest.raises(InputError, match=r"penalties .*\n.*one penalty of 0 or more"):
        cross_fit(X, Y, [SPLIT], penalties=penalties)


def test_unknown_form_and_primal_of_a_gram_matrix():
    X, Y = data()
    with pytest.raises(InputError, match="form='svd' for ridge"):
        cross_fit(X, Y, [SPLIT], form="svd")
    with pytest.raises(InputError, match="form='primal' with a Gram matrix"):
        cross_fit(gram(X), Y, [SPLIT], form="primal")


@pytest.mark.parametrize("how", [cross_predict, neuron_to_neuron.cross_predict])
def test_bad_input(how):
    X, Y = data()
    with pytest.raises(InputError, match=r"responses of shape \(39, 3\) for features of 40"):
        how(X, Y[1:], [SPLIT])
    with pytest.raises(InputError, match="of which 1 are repeated"):
        how(X, Y, [(np.arange(30), np.arange(29, 40))])
    with pytest.raises(InputError, match=r"1 training stimuli \(of 40\)"):
        how(X, Y, [(np.array([3]), np.array([5]))])
    with pytest.raises(InputError, match=r"features of shape \(40,\)"):
        how(X[:, 0], Y, [SPLIT])
    with_nan = X.copy()
    with_nan[3, 5] = np.nan
    with pytest.raises(InputError, match="nan in feature 5 of the stimulus in row 3"):
        how(with_nan, Y, [SPLIT])
    Y[2, 1] = np.inf
    with pytest.raises(InputError, match="inf in the response of neuroid 1"):
        how(X, Y, [SPLIT])


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
