"""Logistic regression for a row of penalties: scikit-learn's, whatever the order."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from brainbench.core.errors import InputError
from brainbench.metrics.classification.penalty_path import PUBLISHED, penalty_path
from brainbench.metrics.classification.softmax import probabilities


def problem(n=300, p=30, classes=4):
    rng = np.random.default_rng(0)
    codes = np.arange(n) % classes
    centers = rng.standard_normal((classes, p))
    mixing = rng.standard_normal((p, p)) * np.geomspace(3, 0.05, p)
    return np.maximum(0, (centers[codes] + 2 * rng.standard_normal((n, p))) @ mixing) + 1, codes


def test_each_fit_is_that_of_scikit_learn():
    X, codes = problem()
    found = penalty_path(X, codes, n_classes=4)
    for C, weights in zip(PUBLISHED, found, strict=True):
        exact = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-9, max_iter=200).fit(
            X, codes
        )
        np.testing.assert_allclose(probabilities(X, weights), exact.predict_proba(X), atol=5e-3)
        # Close to the minimum: the gradient of the loss is as small as that of its default solver.
        residual = (probabilities(X, weights) - np.eye(4)[codes]) / len(X)
        gradient = X.T @ residual + weights[:-1] / (C * len(X))
        centered = (X - X.mean(0)).T @ residual + weights[:-1] / (C * len(X))
        assert np.abs(centered).max() <= 1e-4
        assert np.abs(gradient).max() <= 1e-3


def test_the_published_penalties():
    assert len(PUBLISHED) == 10
    assert (PUBLISHED[0], PUBLISHED[-1]) == pytest.approx((0.0005, 0.05))


def test_order_and_repetition_of_penalties_do_not_matter():
    X, codes = problem()
    rising = penalty_path(X, codes, n_classes=4, Cs=(0.001, 0.01, 0.1))
    other = penalty_path(X, codes, n_classes=4, Cs=(0.1, 0.001, 0.01, 0.1))
    for k, same in ((0, 2), (1, 0), (2, 1), (3, 2)):
        np.testing.assert_array_equal(other[k], rising[same])
    (alone,) = penalty_path(X, codes, n_classes=4, Cs=(0.1,))
    np.testing.assert_allclose(probabilities(X, alone), probabilities(X, rising[2]), atol=5e-3)


def test_constant_features_and_wrong_input():
    X, codes = problem()
    X[:, 0] = 3.0
    (weights,) = penalty_path(X, codes, n_classes=4, Cs=(0.01,))
    assert np.isfinite(weights).all()
    for wrong, Cs in ((X, (0.0,)), (X, ()), (np.full_like(X, np.nan), (0.1,))):
        with pytest.raises(InputError, match="Cs"):
            penalty_path(wrong, codes, n_classes=4, Cs=Cs)
