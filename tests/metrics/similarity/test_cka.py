"""CKA: the estimators against their definitions, draws, degenerate data, bad input."""

from itertools import permutations

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.gram import gram
from brainbench.metrics.similarity.cka import cka, cka_draws
from brainbench.scoring.similarity.representations import SimilarityMetric
from brainbench.stats.bootstrap import image_counts

BOTH = pytest.mark.parametrize("unbiased", [True, False])


def data(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6))
    return X, X[:, :4] + rng.standard_normal((n, 4))


def by_four(K, L, w):
    """Unbiased HSIC by its definition: all ordered quadruples of distinct stimuli."""
    total = weight = 0.0
    for i, j, q, r in permutations(range(len(K)), 4):
        share = w[i] * w[j] * w[q] * w[r]
        weight += share
        total += share * (K[i, j] * L[i, j] + K[i, j] * L[q, r] - 2 * K[i, j] * L[i, q])
    return total / weight


@pytest.mark.parametrize("w", [np.ones(8), np.array([2, 0, 1, 3, 1, 0, 1, 0.0])])
def test_unbiased_is_the_mean_over_distinct_stimuli(w):
    X, Y = data(8)
    K, L = X @ X.T, Y @ Y.T
    slow = by_four(K, L, w) / np.sqrt(by_four(K, K, w) * by_four(L, L, w))
    assert cka_draws(X, Y, w[None])[0] == pytest.approx(slow, abs=1e-10)


def test_biased_is_the_formula_of_kornblith():
    X, Y = data()
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    slow = np.linalg.norm(Y.T @ X) ** 2 / np.linalg.norm(X.T @ X) / np.linalg.norm(Y.T @ Y)
    assert cka(X, Y, unbiased=False) == pytest.approx(slow, abs=1e-12)


@BOTH
def test_every_image_once_is_the_figure_itself(unbiased):
    X, Y = data()
    (drawn,) = cka_draws(X, Y, np.ones((1, 30)), unbiased=unbiased)
    assert drawn == pytest.approx(cka(X, Y, unbiased=unbiased), abs=1e-14)


@BOTH
def test_draws_lie_around_the_figure(unbiased):
    X, Y = data(60)
    counts = image_counts([str(k) for k in range(60)])
    drawn = cka_draws(X, Y, counts, unbiased=unbiased)
    value = cka(X, Y, unbiased=unbiased)
    assert abs(drawn.mean() - value) < 0.5 * drawn.std()


@BOTH
def test_subsets_are_as_alone(unbiased):
    X, Y = data()
    metric = SimilarityMetric(name="cka" if unbiased else "cka-biased")
    for rows in (np.arange(20), np.arange(5, 30)):
        parts = [metric.part(gram(side), rows) for side in (X, Y)]
        alone = cka(X[rows], Y[rows], unbiased=unbiased)
        assert metric.compare(*parts)[0] == pytest.approx(alone, abs=1e-12)


@BOTH
def test_what_does_not_vary_has_no_alignment(unbiased):
    X, Y = data()
    assert np.isnan(cka(np.full_like(X, 3.0), Y, unbiased=unbiased))
    assert np.isnan(cka(X, np.zeros_like(Y), unbiased=unbiased))


def test_stimuli_that_are_equally_alike_have_no_unbiased_alignment():
    Y = data(6)[0]
    assert np.isnan(cka(np.eye(6), Y))
    assert np.isfinite(cka(np.eye(6), Y, unbiased=False))
    assert np.isfinite(cka(np.eye(6) + 1e-3 * Y, Y))


@BOTH
def test_draws_of_few_stimuli_are_nan(unbiased):
    X, Y = data()
    counts = np.zeros((2, 30))
    counts[0, :3] = 10
    counts[1, 0] = 30
    assert np.isnan(cka_draws(X, Y, counts, unbiased=unbiased)).all()


def test_bad_input():
    X, Y = data()
    with pytest.raises(InputError, match=r"\b30\b.*\b29\b"):
        cka(X, Y[1:])
    with pytest.raises(InputError, match=r"\b3\b"):
        cka(X[:3], Y[:3])
    with pytest.raises(InputError, match=r"\(2, 29\).*\b30\b"):
        cka_draws(X, Y, np.ones((2, 29)))
    X[1, 2] = np.nan
    with pytest.raises(InputError, match=r"nan\b.*feature 2\b.*row 1\b"):
        cka(X, Y)
