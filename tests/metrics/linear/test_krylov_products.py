"""Inner products made tridiagonal: the same Lanczos vectors, the same predictions."""

import numpy as np
import pytest

from brainbench.metrics.gram import gram
from brainbench.metrics.linear import krylov_products, pls
from brainbench.metrics.linear.krylov_products import InnerProducts, pays, tridiagonal

N, SITES, COMPONENTS = 150, 40, 10
TRAIN, TEST = np.arange(0, 120), np.arange(120, 150)


def material(rank=300, sites=SITES):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, rank)) @ rng.standard_normal((rank, 400)) + 5.0
    return X, X @ rng.standard_normal((400, sites)) / 20 + rng.standard_normal((N, sites))


def predicted(X, Y, monkeypatch, reduced, n_components=COMPONENTS):
    monkeypatch.setattr(pls, "pays", lambda n, **sizes: reduced)
    return pls.cross_predict(gram(X), Y, [(TRAIN, TEST)], n_components=n_components)[0]


def test_products_in_the_tridiagonal_basis_are_those_of_the_centered_matrix():
    X, Y = material()
    X, Y = X[TRAIN], Y[TRAIN] - Y[TRAIN].mean(axis=0)
    K = X @ X.T
    centered = gram(X).K
    reduced, direct = tridiagonal(centered.copy()), InnerProducts(K)
    expected = centered @ centered @ Y
    for products in (reduced, direct):
        twice = products.back(products.times(products.times(products.forth(Y)))).T
        np.testing.assert_allclose(twice, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    np.testing.assert_allclose(reduced.back(reduced.forth(Y)), Y.T, atol=1e-12)


@pytest.mark.parametrize("rank", [300, 30, 3])
def test_predictions_are_the_same_also_where_the_features_are_exhausted(rank, monkeypatch):
    X, Y = material(rank)
    Y[:, 0] = 2.0  # a constant neuroid
    direct = predicted(X, Y, monkeypatch, reduced=False)
    reduced = predicted(X, Y, monkeypatch, reduced=True)
    np.testing.assert_allclose(reduced, direct, rtol=0, atol=1e-9 * np.abs(direct).max())
    np.testing.assert_allclose(reduced[:, 0], 2.0, atol=1e-12)
    if rank == 300:
        nipals = pls.cross_predict(
            gram(X), Y[:, :3], [(TRAIN, TEST)], n_components=COMPONENTS, solver="nipals"
        )
        np.testing.assert_allclose(reduced[:, :3], nipals[0], rtol=0, atol=1e-8)


def test_responses_that_the_features_explain_completely_are_predicted_exactly(monkeypatch):
    X, _ = material(4)
    Y = np.repeat(X[:, :4], 10, axis=1)
    np.testing.assert_allclose(
        predicted(X, Y, monkeypatch, reduced=True, n_components=8), Y[TEST], atol=1e-8
    )


def test_the_same_neuroid_is_predicted_alike_alone_and_among_many(monkeypatch):
    X, Y = material()
    assert pays(len(TRAIN), n_neuroids=SITES, n_components=COMPONENTS)
    assert not pays(len(TRAIN), n_neuroids=1, n_components=COMPONENTS)
    reduced = []
    whole = krylov_products.tridiagonal
    monkeypatch.setattr(pls, "tridiagonal", lambda K: reduced.append(len(K)) or whole(K))
    among = pls.cross_predict(gram(X), Y, [(TRAIN, TEST)], n_components=COMPONENTS)[0]
    assert reduced == [len(TRAIN)]
    alone = pls.cross_predict(gram(X), Y[:, 5:6], [(TRAIN, TEST)], n_components=COMPONENTS)[0]
    assert reduced == [len(TRAIN)]
    np.testing.assert_allclose(among[:, 5:6], alone, atol=1e-10)
