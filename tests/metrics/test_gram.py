import weakref

import numpy as np
import pytest
from sklearn.decomposition import PCA

from brainbench.core.errors import InputError
from brainbench.metrics.features import column_chunks
from brainbench.metrics.gram import gram, pca, symmetric


def features(n=30, p=50, mean=0.0, seed=0):
    return np.random.default_rng(seed).standard_normal((n, p)) + mean


def test_gram_is_the_product_of_centered_features():
    X = features()
    Xc = X - X.mean(axis=0)
    result = gram(X)
    np.testing.assert_allclose(result.K, Xc @ Xc.T, atol=1e-12)
    np.testing.assert_array_equal(result.K, result.K.T)
    assert (result.n_stimuli, result.n_features) == (30, 50)


def test_chunks_are_made_lazily_and_let_go():
    X = features(p=12)
    made = []

    def chunks():
        for start in range(0, 12, 3):
            assert sum(chunk() is not None for chunk in made) <= 1
            chunk = X[:, start : start + 3].copy()
            made.append(weakref.ref(chunk))
            yield chunk
            del chunk

    np.testing.assert_allclose(gram(chunks()).K, gram(X).K, atol=1e-13)
    assert len(made) == 4


def test_wide_features_are_cut_into_chunks():
    X = features(12, 9000)
    assert [chunk.shape[1] for _, chunk in column_chunks(X)] == [4096, 4096, 808]
    Xc = X - X.mean(axis=0)
    np.testing.assert_allclose(gram(X).K, Xc @ Xc.T, atol=1e-9)


def test_a_large_mean_costs_no_digits():
    X = features()
    np.testing.assert_allclose(gram(X + 1e6).K, gram(X).K, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, bool])
def test_other_types_are_summed_in_float64(dtype):
    X = (features() * 4).astype(dtype)
    np.testing.assert_array_equal(gram(X).K, gram(X.astype(np.float64)).K)


@pytest.mark.parametrize("shape", [(40, 12), (40, 39), (20, 60)])
def test_pca_equals_scikit_learn_up_to_sign(shape):
    X = features(*shape)
    theirs = PCA(10, svd_solver="full").fit_transform(X)
    for given in (X, gram(X)):
        ours = pca(given, 10)
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-10)
        largest = np.abs(ours).argmax(axis=0)
        assert (ours[largest, np.arange(10)] > 0).all()


@pytest.mark.parametrize(("shape", "k"), [((40, 12), 12), ((20, 60), 19)])
def test_pca_with_all_components_is_lossless(shape, k):
    X = features(*shape)
    scores = pca(X)
    assert scores.shape == (shape[0], k)
    np.testing.assert_allclose(scores @ scores.T, gram(X).K, atol=1e-10)


@pytest.mark.parametrize("wide", [False, True])
def test_pca_beyond_the_rank_is_zero(wide):
    X = features(30, 3) @ features(3, 60 if wide else 8)
    scores = pca(X, 8)
    assert np.abs(scores[:, 2]).max() > 0.1
    assert (scores[:, 3:] == 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(3), r"\(3,\)"),
        (np.zeros((1, 3)), r"\(1, 3\)"),
        (np.zeros((3, 0)), r"\(3, 0\)"),
        (np.zeros((3, 2), dtype=complex), "complex128"),
        ([], "no features"),
        ([np.zeros((3, 2)), np.zeros((4, 2))], r"\b4\b.*\b3\b"),
    ],
)
def test_features_that_cannot_be_used(given, message):
    with pytest.raises(InputError, match=message):
        gram(given)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_located(bad):
    X = features(p=9)
    X[4, 7] = bad
    with pytest.raises(InputError, match=rf"{bad}\b.*feature 7\b.*row 4\b"):
        gram([X[:, :5], X[:, 5:]])


def test_pca_without_components():
    with pytest.raises(InputError, match="n_components = 0"):
        pca(features(), 0)


@pytest.mark.parametrize("n", [1, 3, 512, 513, 700])
def test_the_lower_triangle_is_filled_in_place(n):
    A = np.random.default_rng(0).standard_normal((n, n))
    upper = np.asfortranarray(np.triu(A + A.T))
    full = symmetric(upper)
    np.testing.assert_array_equal(full, A + A.T)
    assert full.flags.c_contiguous
    assert np.shares_memory(full, upper)
