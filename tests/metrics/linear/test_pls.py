import re
import warnings

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import Gram, gram, pca
from brainbench.metrics.linear import pls
from brainbench.metrics.linear.pls import cross_predict


def data(n=90, p=60, q=7, *, decay=0.5, mean=0.0, noise=1.0, seed=0):
    """Features with a decaying spectrum and responses that share their latent causes."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 20))
    X = latent @ rng.standard_normal((20, p)) / 4 + 0.5 * rng.standard_normal((n, p))
    X = X / (1 + np.arange(p) / 5) ** decay + mean
    return X, latent @ rng.standard_normal((20, q)) / 4 + noise * rng.standard_normal((n, q))


def folds(n, k=3, seed=0):
    parts = np.array_split(np.random.default_rng(seed).permutation(n), k)
    return [(np.setdiff1d(np.arange(n), part), part) for part in parts]


def one_by_one(X, Y, train, test, n_components):
    columns = [
        PLSRegression(n_components, scale=False).fit(X[train], y[train]).predict(X[test])
        for y in Y.T
    ]
    return np.column_stack(columns)


NARROW = [(90, 60), (90, 30), (120, 119)]
SHAPES = [*NARROW, (90, 400), (40, 2000)]
# Fewer features than stimuli are fitted from X'X, a Gram matrix from XX'.
FORMS = pytest.mark.parametrize("form", [np.asarray, gram], ids=["primal", "dual"])


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_pls1_equals_scikit_learn(shape, decay):
    X, Y = data(*shape, decay=decay)
    splits = folds(len(X))
    for ours, (train, test) in zip(cross_predict(X, Y, splits), splits, strict=True):
        np.testing.assert_allclose(ours, one_by_one(X, Y, train, test, 25), rtol=0, atol=1e-8)


@pytest.mark.parametrize("p", [60, 400])
def test_pls1_of_float32_features_is_computed_in_float64(p):
    X, Y = data(p=p, mean=100.0)
    X = X.astype(np.float32)
    splits = folds(len(X))
    for ours, (train, test) in zip(cross_predict(X, Y, splits), splits, strict=True):
        theirs = one_by_one(X.astype(np.float64), Y, train, test, 25)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", NARROW)
def test_primal_equals_dual(shape, decay, kind):
    X, Y = data(*shape, decay=decay)
    primal, dual = (cross_predict(given, Y, folds(len(X)), kind=kind) for given in (X, gram(X)))
    for a, b in zip(primal, dual, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)


@FORMS
def test_pls2_with_well_separated_singular_values_equals_scikit_learn(form):
    rng = np.random.default_rng(0)
    latent = np.linalg.qr(rng.standard_normal((80, 5)))[0] * [10, 5, 2.5, 1.2, 0.6]
    X = latent @ np.linalg.qr(rng.standard_normal((30, 5)))[0].T
    Y = latent @ np.linalg.qr(rng.standard_normal((9, 5)))[0].T
    (train, test), *_ = folds(80)
    options = {"n_components": 3, "kind": "pls2"}
    (ours,) = cross_predict(form(X), Y, [(train, test)], **options)
    theirs = PLSRegression(3, scale=False, tol=1e-14).fit(X[train], Y[train]).predict(X[test])
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_pls2_of_many_rotated_neuroids_is_that_of_few(decay):
    """Few neuroids have their dominant vector from LAPACK, many from Lanczos."""
    X, Y = data(q=7, decay=decay)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((50, 7)))[0].T
    (few,) = cross_predict(X, Y, folds(90)[:1], kind="pls2")
    (many,) = cross_predict(X, Y @ rotation, folds(90)[:1], kind="pls2")
    np.testing.assert_allclose(many, few @ rotation, atol=1e-9)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@pytest.mark.parametrize("p", [60, 200])
def test_small_batches_change_nothing(kind, p, monkeypatch):
    X, Y = data(p=p)
    at_once = cross_predict(X, Y, folds(90), kind=kind)
    monkeypatch.setattr(pls, "BATCH_NUMBERS", 6000)
    for a, b in zip(at_once, cross_predict(X, Y, folds(90), kind=kind), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@FORMS
def test_rows_outside_a_split_have_no_influence(kind, form):
    X, Y = data()
    train, test = np.arange(50, 80), np.arange(40)[::-1]  # fewer in train than out of it
    options = {"n_components": 10, "kind": kind}
    (part,) = cross_predict(form(X), Y, [(train, test)], **options)
    kept = np.concatenate([train, test])
    small = [(np.arange(30), np.arange(30, 70))]
    (alone,) = cross_predict(form(X[kept]), Y[kept], small, **options)
    np.testing.assert_allclose(part, alone, atol=1e-10)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
def test_all_principal_components_are_lossless(kind):
    X, Y = data(p=400)
    for a, b in zip(
        cross_predict(X, Y, folds(90), kind=kind),
        cross_predict(pca(X), Y, folds(90), kind=kind),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-8)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
def test_nipals_from_a_gram_matrix(kind):
    X, Y = data(p=200, q=3)
    options = {"kind": kind, "solver": "nipals", "n_components": 8}
    (from_features,) = cross_predict(X, Y, folds(90)[:1], **options)
    (from_gram,) = cross_predict(gram(X), Y, folds(90)[:1], **options)
    np.testing.assert_allclose(from_features, from_gram, atol=1e-8)


@pytest.mark.parametrize("solver", ["exact", "nipals"])
@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@pytest.mark.parametrize("p", [60, 200])
@pytest.mark.parametrize("value", [0.0, 0.3, -1e6])
def test_a_constant_neuroid_is_predicted_by_its_mean(solver, kind, p, value):
    X, Y = data(p=p)
    Y[:, 2] = value
    (held_out,) = cross_predict(X, Y, folds(90)[:1], kind=kind, solver=solver)
    np.testing.assert_allclose(held_out[:, 2], value, rtol=1e-12)
    r = pearson(held_out, Y[folds(90)[0][1]])
    assert np.flatnonzero(np.isnan(r)).tolist() == [2]


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@FORMS
def test_only_constant_neuroids(kind, form):
    X, Y = data()
    held_out = cross_predict(form(X), np.full_like(Y, 0.3), folds(90), kind=kind)
    np.testing.assert_allclose(np.concatenate(held_out), 0.3, rtol=1e-14)


@pytest.mark.parametrize("kind", ["pls1", "pls2"])
@pytest.mark.parametrize("p", [60, 200])
def test_features_of_low_rank_use_fewer_components(kind, p):
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((90, 4))
    X, Y = basis @ rng.standard_normal((4, p)), rng.standard_normal((90, 7))
    (train, test), *_ = folds(90)
    center, mean = basis[train].mean(axis=0), Y[train].mean(axis=0)
    slope = np.linalg.lstsq(basis[train] - center, Y[train] - mean)[0]
    least_squares = mean + (basis[test] - center) @ slope
    (held_out,) = cross_predict(X, Y, [(train, test)], n_components=25, kind=kind)
    np.testing.assert_allclose(held_out, least_squares, atol=1e-6)


@FORMS
@pytest.mark.parametrize("kind", ["pls1", "pls2"])
def test_responses_that_are_used_up(kind, form):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    Y = X @ rng.standard_normal((6, 3))
    (train, test), *_ = folds(60)
    (held_out,) = cross_predict(form(X), Y, [(train, test)], n_components=6, kind=kind)
    np.testing.assert_allclose(held_out, Y[test], atol=1e-7)


@FORMS
@pytest.mark.parametrize("kind", ["pls1", "pls2"])
def test_constant_features_predict_the_mean(kind, form):
    X, Y = np.ones((60, 30)), data(60)[1]
    (train, test), *_ = folds(60)
    (held_out,) = cross_predict(form(X), Y, [(train, test)], kind=kind)
    np.testing.assert_array_equal(held_out, np.tile(Y[train].mean(axis=0), (20, 1)))


def test_neither_argument_is_changed():
    X, Y = data()
    before = X.copy(), Y.copy()
    for solver in ("exact", "nipals"):
        cross_predict(X, Y, folds(90)[:1], n_components=3, solver=solver)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_warning_filters_of_the_caller_are_kept():
    X, Y = data(q=1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cross_predict(X, np.ones_like(Y), folds(90)[:1], solver="nipals")
        warnings.warn("mine", UserWarning, stacklevel=1)
    assert [str(w.message) for w in seen] == ["mine"]


@pytest.mark.parametrize("option", ["kind", "solver"])
def test_unknown_option(option):
    X, Y = data()
    with pytest.raises(InputError, match=f"{option}='pls3'"):
        cross_predict(X, Y, folds(90), **{option: "pls3"})


@pytest.mark.parametrize(
    ("n", "p", "n_components", "most"), [(30, 60, 25, 19), (90, 10, 25, 10), (90, 60, 0, 59)]
)
def test_too_many_components(n, p, n_components, most):
    X, Y = data(n, p)
    train = len(folds(n)[0][0])
    message = (
        rf"\b{n_components}\b.*\b{train}\b.*\b{n}\b.*\b{p}\b.*\n.*1 to {min(most, train - 1)}\b"
    )
    for features in (X, gram(X)):
        with pytest.raises(InputError, match=message):
            cross_predict(features, Y, folds(n), n_components=n_components)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_responses_that_are_not_finite(bad):
    X, Y = data()
    Y[3, [2, 4]] = bad
    with pytest.raises(InputError, match=rf"{bad}\b.*neuroid 2\b.*row 3\b.*\b2 of 7\b"):
        cross_predict(X, Y, folds(90))


@pytest.mark.parametrize("shape", [(90,), (89, 3), (90, 0)])
def test_responses_of_another_shape(shape):
    with pytest.raises(InputError, match=rf"{re.escape(str(shape))}.*\b90\b"):
        cross_predict(data()[0], np.zeros(shape), folds(90))


@pytest.mark.parametrize(
    ("train", "test"),
    [([0, 1, 2], [2, 3]), ([0, 1, 1], [2]), ([0, 1], []), ([-1, 1], [2]), ([0, 1], [90])],
    ids=["in both", "twice", "no test", "negative", "beyond"],
)
def test_splits_that_cannot_be_used(train, test):
    X, Y = data()
    with pytest.raises(InputError, match=rf"\b{len(train)}\b.*\b{len(test)}\b.*\n.*\b0 to 89\b"):
        cross_predict(X, Y, [(np.array(train), np.array(test))], n_components=1)


@pytest.mark.parametrize(("solver", "p"), [("exact", 60), ("exact", 200), ("nipals", 60)])
def test_features_that_are_not_finite(solver, p):
    X, Y = data(p=p)
    X[3, 5] = np.nan
    with pytest.raises(InputError, match=r"nan\b.*feature 5\b.*row 3\b"):
        cross_predict(X, Y, folds(90), solver=solver)


def test_features_that_are_not_a_matrix():
    with pytest.raises(InputError, match=r"\(90, 3, 3\)"):
        cross_predict(np.zeros((90, 3, 3)), data()[1], folds(90))


def test_gram_takes_no_features_from_memory():
    X, Y = data(p=400)
    K = gram(X)
    assert isinstance(K, Gram)
    for a, b in zip(cross_predict(K, Y, folds(90)), cross_predict(X, Y, folds(90)), strict=True):
        np.testing.assert_array_equal(a, b)
