"""Linear maps other than PLS against Brain-Score 2.4.2 (scikit-learn 1.5.2), inputs and outputs stored."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV

from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.linear import neuron_to_neuron, ridge
from brainbench.stats.aggregate import error_over_splits, median_then_mean

DATA = Path(__file__).parent / "data"
FORMS = pytest.mark.parametrize("form", [np.asarray, gram], ids=["primal", "dual"])


def load(name):
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def folds_of(o):
    return list(zip(o["train_idx"], o["test_idx"], strict=True))


def check(o, held_out, *, atol):
    folds = folds_of(o)
    row = {stimulus: k for k, stimulus in enumerate(o["stimulus_id"][folds[0][1]])}
    theirs = [row[stimulus] for stimulus in o["pred0_stim"]]
    np.testing.assert_allclose(held_out[0][theirs], o["pred0"], rtol=0, atol=atol)
    r = np.stack([pearson(p, o["Y"][test]) for p, (_, test) in zip(held_out, folds, strict=True)])
    np.testing.assert_allclose(r, o["raw"], rtol=0, atol=atol)
    assert median_then_mean(r) == pytest.approx(float(o["score"]), abs=atol)
    assert error_over_splits(r) == pytest.approx(float(o["error"]), abs=atol)


@FORMS
@pytest.mark.parametrize("name", ["ridge_cv_small", "ridge_cv_wide"])
def test_ridge(name, form):
    o = load(name)
    held_out = ridge.cross_predict(form(o["X"]), o["Y"], folds_of(o), penalties=1.0)
    check(o, held_out, atol=1e-10)


@FORMS
def test_linear(form):
    o = load("linear_cv_small")
    held_out = ridge.cross_predict(form(o["X"]), o["Y"], folds_of(o), penalties=0.0)
    check(o, held_out, atol=1e-10)


@FORMS
@pytest.mark.parametrize("name", ["ridgecv_split_small", "dual_ridgecv_split_small"])
def test_ridge_cv_and_the_penalty_it_chose(name, form):
    o = load(name)
    split = (o["train"], o["test"])
    (fit,) = ridge.cross_fit(form(o["X"]), o["Y"], [split], penalties=ridge.BRAINSCORE)
    assert set(fit.penalties) == {float(o["alpha"])}
    r = pearson(fit.predicted, o["Y"][o["test"]])
    np.testing.assert_allclose(r, o["raw"], rtol=0, atol=1e-10)
    assert np.median(r) == pytest.approx(float(o["score"]), abs=1e-10)


def test_neuron_to_neuron():
    o = load("neuron_to_neuron_cv_small")
    check(o, neuron_to_neuron.cross_predict(o["X"], o["Y"], folds_of(o)), atol=1e-10)


# --- scikit-learn, in this process, where Brain-Score left no figures ------------------------------


@FORMS
def test_least_norm_where_features_outnumber_stimuli(form):
    """Unstable there, as every unregularized map: 1e-3 was asked for."""
    o = load("ridge_cv_wide")
    train, test = folds_of(o)[0]
    (ours,) = ridge.cross_predict(form(o["X"]), o["Y"], [(train, test)], penalties=0.0)
    theirs = LinearRegression().fit(o["X"][train], o["Y"][train]).predict(o["X"][test])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
    assert np.abs(ours - theirs).max() < 1e-9  # these features happen to be well conditioned


@FORMS
@pytest.mark.parametrize("n_features", [30, 300])
def test_penalty_of_each_neuroid(n_features, form):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((120, n_features)) * np.geomspace(10, 0.01, n_features) + 3.0
    Y = X @ rng.standard_normal((n_features, 9)) + rng.standard_normal((120, 9)) * np.geomspace(
        0.1, 300, 9
    )
    train, test = np.arange(100), np.arange(100, 120)
    penalties = np.geomspace(1e-3, 1e5, 30)
    (fit,) = ridge.cross_fit(form(X), Y, [(train, test)], penalties=penalties, per_neuroid=True)
    theirs = RidgeCV(penalties, alpha_per_target=True).fit(X[train], Y[train])
    np.testing.assert_array_equal(fit.penalties, theirs.alpha_)
    assert len(set(fit.penalties)) > 3
    np.testing.assert_allclose(fit.predicted, theirs.predict(X[test]), rtol=0, atol=1e-8)


def test_left_out_error_is_that_of_fitting_without_the_stimulus():
    """The penalty is chosen by what a slow program finds with one fit per stimulus."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((25, 6))
    Y = X @ rng.standard_normal((6, 4)) + 2 * rng.standard_normal((25, 4))
    penalties = np.array([0.1, 1.0, 5.0, 20.0, 100.0])
    loss = np.zeros((len(penalties), 4))
    for k, penalty in enumerate(penalties):
        for i in range(20):
            rest = np.delete(np.arange(20), i)
            fit = Ridge(penalty).fit(X[rest], Y[rest])
            loss[k] += (Y[i] - fit.predict(X[[i]])[0]) ** 2
    options = {"penalties": penalties}
    split = (np.arange(20), np.arange(20, 25))
    (each,) = ridge.cross_fit(gram(X), Y, [split], per_neuroid=True, **options)
    (shared,) = ridge.cross_fit(X, Y, [split], **options)
    np.testing.assert_array_equal(each.penalties, penalties[loss.argmin(axis=0)])
    assert set(shared.penalties) == {penalties[loss.sum(axis=1).argmin()]}
