"""Linear maps on data whose truth is known."""

import numpy as np
import pytest

from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram, pca
from brainbench.metrics.linear import neuron_to_neuron, ridge
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.stats.splits import paper

TRAIN, TEST = np.arange(500), np.arange(500, 800)


@pytest.mark.parametrize("p", [20, 1200])
def test_ridge_recovers_a_known_linear_map(p):
    """With weights and noise of known size the best penalty is noise variance / weight variance."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, p))
    weights = rng.standard_normal((p, 200))
    noise = 3.0 * np.sqrt(p)
    Y = X @ weights + noise * rng.standard_normal((800, 200))
    (fit,) = ridge.cross_fit(
        X, Y, [(TRAIN, TEST)], penalties=noise**2 * np.array([1e-4, 1e-2, 1.0, 1e2, 1e4])
    )
    assert set(fit.penalties) == {noise**2}
    # Mean squared error of the noise-free response, from random-matrix theory in its finite form.
    centered = X[TRAIN] - X[TRAIN].mean(axis=0)
    posterior = np.linalg.inv(np.eye(p) + centered.T @ centered / noise**2)
    shown = X[TEST] - X[TRAIN].mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", shown, posterior, shown).mean() + noise**2 / len(TRAIN)
    error = np.square(fit.predicted - X[TEST] @ weights).mean()
    assert error == pytest.approx(expected, rel=0.1)


def test_without_noise_the_map_is_exact_and_shuffled_responses_score_nothing():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((800, 30))
    Y = X @ rng.standard_normal((30, 50))
    options = {"penalties": ridge.RELATIVE, "relative": True}
    (held_out,) = ridge.cross_predict(X, Y, [(TRAIN, TEST)], **options)
    assert pearson(held_out, Y[TEST]).min() > 0.9999
    shuffled = Y[rng.permutation(800)]
    (held_out,) = ridge.cross_predict(X, shuffled, [(TRAIN, TEST)], **options)
    assert abs(np.median(pearson(held_out, shuffled[TEST]))) < 0.05


def test_the_copied_unit_is_found():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((800, 300))
    copied = rng.choice(300, 40, replace=False)
    Y = X[:, copied] + 2.0 * rng.standard_normal((800, 40))
    (held_out,) = neuron_to_neuron.cross_predict(X, Y, [(TRAIN, TEST)])
    np.testing.assert_array_equal(held_out, X[TEST][:, copied])
    # The correlation with a copy under noise of twice its size is 1/sqrt(5).
    assert np.median(pearson(held_out, Y[TEST])) == pytest.approx(5**-0.5, abs=0.03)


def test_components_of_the_training_images_keep_what_those_of_all_images_ruin():
    """Session 190923 of Cowley2023, 1,200 images, 1,000 components: r .52 became .17 (docs/data.md)."""
    rng = np.random.default_rng(0)
    n, kept = 240, 200
    X = rng.standard_normal((n, 3 * n)) / np.sqrt(np.arange(1, 3 * n + 1))
    Y = X[:, :40] @ rng.standard_normal((40, 20))
    Y = Y / Y.std(axis=0) + rng.standard_normal((n, 20))
    folds = paper([f"image{k:03d}" for k in range(n)])

    def r(features, **options):
        linear_map = LinearMap(n_components=25, **options)
        predicted = linear_map.predict(linear_map.within(features, folds), Y, folds)
        pairs = zip(predicted, folds, strict=True)
        return np.median(np.mean([pearson(p, Y[fold.test]) for p, fold in pairs], axis=0))

    products = gram(X)
    whole = r(products)
    assert whole == pytest.approx(0.53, abs=0.01)
    assert r(products, n_pca=kept) == pytest.approx(0.54, abs=0.01)
    assert r(pca(products, kept)) == pytest.approx(0.24, abs=0.01)  # held-out images took part
