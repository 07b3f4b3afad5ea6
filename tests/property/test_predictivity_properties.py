"""Invariances of maps, correlations, splits and ceilings that hold for any data."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.pls import cross_predict
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.ceiling import half_means, spearman_brown
from brainbench.stats.splits import brainscore, inner, paper

KIND = st.sampled_from(["pls1", "pls2"])
SEED = st.integers(0, 2**32 - 1)
N, TRAIN = 36, 27
FOLD = [(np.arange(TRAIN), np.arange(TRAIN, N))]


def draw(seed, p, q=4):
    """Features and responses with a shared cause, the features' variances falling."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((N, 6))
    X = (latent @ rng.standard_normal((6, p)) + rng.standard_normal((N, p))) / np.sqrt(
        1 + np.arange(p)
    )
    return X, latent @ rng.standard_normal((6, q)) + rng.standard_normal((N, q)), rng


def predict(X, Y, k, kind, **options):
    return cross_predict(X, Y, FOLD, n_components=k, kind=kind, **options)[0]


@settings(deadline=None, max_examples=40)
@given(SEED, st.integers(12, N - 1), st.integers(1, 6), KIND)
def test_primal_equals_dual(seed, p, k, kind):
    X, Y, _ = draw(seed, p)
    primal, dual = (predict(given, Y, k, kind) for given in (X, gram(X)))
    np.testing.assert_allclose(primal, dual, atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(8, 60), st.integers(1, 6))
def test_pls1_is_scikit_learns(seed, p, k):
    X, Y, _ = draw(seed, p)
    exact, nipals = (predict(X, Y, k, "pls1", solver=solver) for solver in ("exact", "nipals"))
    np.testing.assert_allclose(exact, nipals, atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(8, 60), KIND)
def test_rotation_and_shift_of_features(seed, p, kind):
    X, Y, rng = draw(seed, p)
    rotation = np.linalg.qr(rng.standard_normal((p, p)))[0]
    moved = X @ rotation + 10 * rng.standard_normal(p)
    np.testing.assert_allclose(predict(moved, Y, 4, kind), predict(X, Y, 4, kind), atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(8, 60), KIND, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_scale_and_shift_of_responses(seed, p, kind, scale, shift):
    X, Y, _ = draw(seed, p)
    moved = predict(X, scale * Y + shift, 4, kind)
    np.testing.assert_allclose((moved - shift) / scale, predict(X, Y, 4, kind), atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(8, 60), KIND)
def test_scale_of_features(seed, p, kind):
    X, Y, _ = draw(seed, p)
    np.testing.assert_allclose(predict(1e-6 * X, Y, 4, kind), predict(X, Y, 4, kind), atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(8, 60), KIND)
def test_order_of_stimuli_and_of_neuroids(seed, p, kind):
    X, Y, rng = draw(seed, p)
    rows, columns = rng.permutation(N), rng.permutation(Y.shape[1])
    where = np.argsort(rows)
    shuffled = cross_predict(
        X[rows], Y[rows][:, columns], [(where[:TRAIN], where[TRAIN:])], n_components=4, kind=kind
    )[0]
    np.testing.assert_allclose(shuffled, predict(X, Y, 4, kind)[:, columns], atol=1e-8)


@settings(deadline=None, max_examples=15)
@given(SEED, st.integers(8, 60))
def test_pls1_of_a_neuroid_ignores_the_others(seed, p):
    X, Y, _ = draw(seed, p)
    together = predict(X, Y, 4, "pls1")
    np.testing.assert_allclose(predict(X, Y[:, :1], 4, "pls1"), together[:, :1], atol=1e-10)


@settings(deadline=None, max_examples=15)
@given(SEED, st.integers(8, 60))
def test_both_kinds_are_one_for_a_single_neuroid(seed, p):
    X, Y, _ = draw(seed, p, q=1)
    np.testing.assert_allclose(predict(X, Y, 4, "pls2"), predict(X, Y, 4, "pls1"), atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(SEED, st.lists(st.integers(1, 59), max_size=5))
def test_how_features_are_chunked_does_not_matter(seed, cuts):
    X, _, _ = draw(seed, 60)
    chunks = [chunk for chunk in np.split(X, sorted(cuts), axis=1) if chunk.size]
    np.testing.assert_allclose(gram(chunks).K, gram(X).K, atol=1e-10)


@settings(deadline=None, max_examples=50)
@given(SEED, st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_pearson_is_affine_invariant_and_symmetric(seed, scale, shift):
    x, y, _ = draw(seed, 5, q=5)
    r = pearson(x, y)
    assert (np.abs(r) <= 1).all()
    np.testing.assert_allclose(pearson(y, x), r, atol=1e-14)
    np.testing.assert_allclose(pearson(-scale * x, y), -r, atol=1e-12)
    np.testing.assert_allclose(pearson(x + shift, y), r, atol=1e-8)


@settings(deadline=None, max_examples=40)
@given(SEED, st.integers(10, 25), st.integers(1, 4))
def test_folds(seed, per_object, n_objects):
    rng = np.random.default_rng(seed)
    n = per_object * n_objects
    ids = np.array([f"s{i}" for i in rng.permutation(n)])
    objects = np.arange(n) % n_objects
    for fold in paper(ids, objects, seed=seed % 1000):
        assert sorted(np.concatenate(fold).tolist()) == list(range(n))
        counts = np.bincount(objects[fold.test], minlength=n_objects)
        assert counts.max() - counts.min() <= 1
        for nested in inner(fold.train, ids, objects):
            assert not set(np.concatenate(nested)) & set(fold.test)
    for split in brainscore(ids, objects):
        assert sorted(np.concatenate(split).tolist()) == list(range(n))


@settings(deadline=None, max_examples=25)
@given(SEED, st.integers(2, 9))
def test_halves_weigh_up_to_the_mean(seed, n_rep):
    D = np.random.default_rng(seed).standard_normal((n_rep, 6, 3))
    one, other = half_means(D, n_splits=3)
    together = (n_rep // 2 * one + (n_rep - n_rep // 2) * other) / n_rep
    np.testing.assert_allclose(together, np.broadcast_to(D.mean(axis=0), (3, 6, 3)), atol=1e-13)


@given(st.floats(-0.99, 1.0), st.floats(-0.99, 1.0))
def test_spearman_brown_keeps_order_and_sign(a, b):
    low, high = sorted((a, b))
    assert spearman_brown(low) <= spearman_brown(high) + 1e-12
    assert np.sign(spearman_brown(a)) == np.sign(a)


@settings(deadline=None, max_examples=25)
@given(SEED, st.sampled_from([mean_then_median, median_then_mean]))
def test_aggregate_ignores_the_order(seed, aggregate):
    rng = np.random.default_rng(seed)
    r = rng.uniform(-1, 1, (6, 9))
    r[rng.random(r.shape) < 0.1] = np.nan
    shuffled = r[rng.permutation(6)][:, rng.permutation(9)]
    a, b = (aggregate(x) for x in (r, shuffled))
    assert abs(a - b) < 1e-14
