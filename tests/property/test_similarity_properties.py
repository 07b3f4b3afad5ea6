"""Invariances of RDMs, of their comparison, and of CKA."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from brainbench.metrics.similarity.cka import cka, cka_draws
from brainbench.metrics.similarity.rdm import DISTANCES, rdm, subset
from brainbench.metrics.similarity.rsa import COMPARISONS, compare, compare_draws, noise_ceiling
from brainbench.stats.bootstrap import image_counts

SEED = st.integers(0, 2**16)
SCALE = st.floats(1e-4, 1e4)
N = 15


def data(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 20))
    return rng, X, X[:, :12] + rng.standard_normal((N, 12))


@settings(max_examples=20)
@given(SEED, SCALE, st.sampled_from(list(DISTANCES)), st.integers(1, 20))
def test_rdm_ignores_order_of_features_scale_and_chunks(seed, scale, distance, n_chunks):
    rng, X, _ = data(seed)
    plain = rdm(X, distance=distance)
    moved = np.array_split(scale * X[:, rng.permutation(20)], n_chunks, axis=1)
    factor = {"euclidean": scale, "sqeuclidean": scale**2}.get(distance, 1.0)
    np.testing.assert_allclose(rdm(moved, distance=distance), factor * plain, rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(SEED, st.floats(-100, 100))
def test_correlation_distance_ignores_gain_and_offset_of_each_stimulus(seed, offset):
    rng, X, _ = data(seed)
    other = X * rng.uniform(0.1, 10, (N, 1)) + offset * rng.standard_normal((N, 1))
    np.testing.assert_allclose(rdm(other), rdm(X), atol=1e-9)


@settings(max_examples=20)
@given(SEED, st.sampled_from(["euclidean", "sqeuclidean", "cosine"]))
def test_distance_ignores_rotation(seed, distance):
    _, X, _ = data(seed)
    turned = X @ ortho_group.rvs(20, random_state=seed)
    np.testing.assert_allclose(rdm(turned, distance=distance), rdm(X, distance=distance), atol=1e-9)


@settings(max_examples=20)
@given(SEED, st.sampled_from(COMPARISONS), SCALE)
def test_comparison_is_symmetric_bounded_and_ignores_order_and_scale(seed, how, scale):
    rng, X, Y = data(seed)
    a, b = rdm(X), rdm(Y)
    value = compare(a, b, comparison=how)
    assert -1 <= value <= 1
    assert compare(b, a, comparison=how) == pytest.approx(value, abs=1e-12)
    assert compare(a, a, comparison=how) == pytest.approx(1.0)
    order = rng.permutation(N)
    again = compare(subset(a, order), scale * subset(b, order) + 2.0, comparison=how)
    assert again == pytest.approx(value, abs=1e-9)


@settings(max_examples=20)
@given(SEED, st.sampled_from(["spearman", "kendall"]))
def test_rank_correlation_ignores_monotonic_change(seed, how):
    _, X, Y = data(seed)
    a, b = rdm(X), rdm(Y)
    assert compare(np.exp(a), b**3, comparison=how) == pytest.approx(
        compare(a, b, comparison=how), abs=1e-12
    )


@settings(max_examples=20)
@given(SEED)
def test_noise_ceiling_bounds_every_model_under_pearson(seed):
    rng, X, _ = data(seed)
    subjects = np.stack([rdm(X + rng.standard_normal(X.shape)) for _ in range(4)])
    bounds = noise_ceiling(subjects, comparison="pearson")
    assert bounds.lower <= bounds.upper
    for model in (rdm(X), rdm(rng.standard_normal(X.shape)), subjects.mean(axis=0)):
        reached = np.mean([compare(model, one, comparison="pearson") for one in subjects])
        assert reached <= bounds.upper + 1e-12


@settings(max_examples=20)
@given(SEED, st.booleans(), SCALE, SCALE)
def test_cka_ignores_rotation_scale_offset_and_order(seed, unbiased, one, other):
    rng, X, Y = data(seed)
    value = cka(X, Y, unbiased=unbiased)
    order = rng.permutation(N)
    turned = one * X[order] @ ortho_group.rvs(20, random_state=seed) + 5.0 * one
    again = cka(turned, other * Y[order] - other, unbiased=unbiased)
    assert again == pytest.approx(value, abs=1e-9)
    assert cka(Y, X, unbiased=unbiased) == pytest.approx(value, abs=1e-12)
    assert value <= 1 + 1e-12


@settings(max_examples=10)
@given(SEED, st.booleans())
def test_draws_ignore_the_order_of_images(seed, unbiased):
    rng, X, Y = data(seed)
    ids = [f"im{k:02d}" for k in range(N)]
    order = rng.permutation(N)
    moved = [ids[k] for k in order]
    for drawn in (
        lambda x, y, w: compare_draws(rdm(x), rdm(y), w),
        lambda x, y, w: cka_draws(x, y, w, unbiased=unbiased),
    ):
        plain = drawn(X, Y, image_counts(ids, n_draws=5, seed=seed))
        again = drawn(X[order], Y[order], image_counts(moved, n_draws=5, seed=seed))
        np.testing.assert_allclose(again, plain, atol=1e-9)
