"""Invariances of maps over time, of their figures and of the components they are fitted to."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from brainbench.metrics.correlation import spearman
from brainbench.metrics.temporal.components import products
from brainbench.metrics.temporal.gradient_descent import Descent, sgd
from brainbench.metrics.temporal.shared_map import PENALTIES, pls, ridge
from brainbench.metrics.temporal.time_bins import best_layer, over_images, over_time
from brainbench.stats.splits import inner

SEED = st.integers(0, 2**32 - 1)
SCALE = st.floats(1e-3, 1e3)
N, TRAIN = 30, 22
ROWS, TEST = np.arange(TRAIN), np.arange(TRAIN, N)
IDS = np.array([f"im{k:02d}" for k in range(N)])
FOLDS = inner(ROWS, IDS, n_splits=4)


def draw(seed, *, p=8, q=3, states=4, noise=1.0):
    """Features and responses that share causes, which move over time."""
    rng = np.random.default_rng(seed)
    cause = rng.standard_normal((N, 5, states)).cumsum(axis=2)
    X = np.einsum("ict,cp->ipt", cause, rng.standard_normal((5, p)))
    X += rng.standard_normal(X.shape)
    Y = np.einsum("ict,cq->iqt", cause, rng.standard_normal((5, q)))
    return X, Y + noise * rng.standard_normal(Y.shape), rng


def predict(X, Y, **options):
    return ridge(X, Y, ROWS, folds=FOLDS, **options).predict(
        X[TEST], weights=options.get("weights")
    )


def stacked(A):
    return A.transpose(0, 2, 1).reshape(-1, A.shape[1])


@settings(max_examples=25)
@given(SEED, st.integers(1, 40), st.floats(1e-3, 1e3))
def test_ridge_is_scikit_learns_on_the_stacked_samples(seed, p, penalty):
    X, Y, _ = draw(seed, p=p)
    theirs = Ridge(penalty, solver="svd").fit(stacked(X[ROWS]), stacked(Y[ROWS]))
    found = ridge(X, Y, ROWS, penalty=penalty).predict(X[TEST])
    np.testing.assert_allclose(stacked(found), theirs.predict(stacked(X[TEST])), atol=1e-7)


@settings(max_examples=15)
@given(SEED, st.integers(2, 20))
def test_the_penalty_is_what_a_loop_over_folds_would_choose(seed, p):
    X, Y, _ = draw(seed, p=p, noise=3.0)
    found = ridge(X, Y, ROWS, folds=FOLDS)
    losses = np.zeros((len(PENALTIES), Y.shape[1]))
    for train, test in FOLDS:
        for k, share in enumerate(PENALTIES):
            A = stacked(X[train])
            total = np.square(A - A.mean(axis=0)).sum()
            fitted = Ridge(share * total, solver="svd").fit(A, stacked(Y[train]))
            missed = stacked(Y[test]) - fitted.predict(stacked(X[test]))
            losses[k] += np.square(missed).sum(axis=0)
    np.testing.assert_allclose(found.loss, losses.min(axis=0) / (TRAIN * X.shape[2]), rtol=1e-6)


@settings(max_examples=20)
@given(SEED, SCALE, st.floats(-100, 100))
def test_scale_and_shift_of_responses(seed, scale, shift):
    X, Y, _ = draw(seed)
    moved = (predict(X, scale * Y + shift) - shift) / scale
    np.testing.assert_allclose(moved, predict(X, Y), atol=1e-5)


@settings(max_examples=20)
@given(SEED, SCALE)
def test_rotation_scale_and_shift_of_features(seed, scale):
    X, Y, rng = draw(seed)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    moved = scale * np.einsum("ipt,pk->ikt", X, turn) + rng.standard_normal(8)[:, None]
    np.testing.assert_allclose(predict(moved, Y), predict(X, Y), atol=1e-5)


@settings(max_examples=20)
@given(SEED)
def test_order_of_bins_and_of_neuroids(seed):
    X, Y, rng = draw(seed)
    bins, sites = rng.permutation(4), rng.permutation(3)
    moved = predict(X[:, :, bins], Y[:, sites][:, :, bins])
    np.testing.assert_allclose(moved, predict(X, Y)[:, sites][:, :, bins], atol=1e-8)


@settings(max_examples=20)
@given(SEED)
def test_order_of_images(seed):
    X, Y, rng = draw(seed)
    order = rng.permutation(N)
    where = np.argsort(order)
    folds = [(where[train], where[test]) for train, test in FOLDS]
    moved = ridge(X[order], Y[order], where[ROWS], folds=folds).predict(X[TEST])
    np.testing.assert_allclose(moved, predict(X, Y), atol=1e-8)


@settings(max_examples=15)
@given(SEED)
def test_a_neuroid_ignores_the_others(seed):
    X, Y, _ = draw(seed)
    np.testing.assert_allclose(predict(X, Y[:, :1]), predict(X, Y)[:, :1], atol=1e-9)


@settings(max_examples=15)
@given(SEED, st.integers(1, 3))
def test_states_with_weights_are_the_bins_written_out(seed, states):
    X, Y, rng = draw(seed, states=5)
    X = X[:, :, :states]
    weights = rng.dirichlet(np.ones(states), 5)
    np.testing.assert_allclose(predict(X, Y, weights=weights), predict(X @ weights.T, Y), atol=1e-6)
    ours, written = (
        pls(A, Y, ROWS, weights=w, n_components=2).predict(A[TEST], weights=w)
        for A, w in ((X, weights), (X @ weights.T, None))
    )
    np.testing.assert_allclose(ours, written, atol=1e-7)


@settings(max_examples=15)
@given(SEED, st.integers(100, 200), st.lists(st.integers(1, 99), max_size=4))
def test_all_components_are_a_rotation(seed, p, cuts):
    X, Y, _ = draw(seed, p=p)
    chunks = [chunk for chunk in np.split(X, sorted(cuts), axis=1) if chunk.size]
    reduced = products(chunks).components(ROWS, None)
    assert reduced.kept == 1.0
    assert reduced.scores.shape == (N, TRAIN * 4 - 1, 4)
    for penalty in (1e-2, 10.0):
        wide, narrow = (
            ridge(A, Y, ROWS, penalty=penalty).predict(A[TEST]) for A in (X, reduced.scores)
        )
        np.testing.assert_allclose(narrow, wide, atol=1e-6)


@settings(max_examples=3)
@given(SEED)
def test_descent_ends_at_least_squares(seed):
    X, Y, _ = draw(seed, p=3)
    weights = 0.2 + 0.2 * np.eye(4)
    how = Descent(epochs=2000, batch=TRAIN, learning_rate=0.5)
    long = sgd(X, Y, ROWS, weights=weights, descent=how).predict(X[TEST], weights=weights)
    exact = ridge(X, Y, ROWS, weights=weights, penalty=0.0).predict(X[TEST], weights=weights)
    assert np.abs(long - exact).max() < 1e-3 * Y.std()


@settings(max_examples=25)
@given(SEED, SCALE, st.floats(-1e3, 1e3))
def test_figures_ignore_scale_shift_and_order(seed, scale, shift):
    predicted, measured, rng = draw(seed, p=3)
    plain = over_images(predicted, measured).r
    np.testing.assert_allclose(over_images(scale * predicted + shift, measured).r, plain, atol=1e-7)
    order, sites, bins = rng.permutation(N), rng.permutation(3), rng.permutation(4)
    moved = over_images(*(A[order][:, sites][:, :, bins] for A in (predicted, measured))).r
    np.testing.assert_allclose(moved, plain[sites][:, bins], atol=1e-12)
    times = over_time(predicted, measured)
    np.testing.assert_allclose(over_time(scale * predicted + shift, measured), times, atol=1e-7)
    np.testing.assert_allclose(
        over_time(predicted[:, :, bins], measured[:, :, bins]), times, atol=1e-12
    )


@settings(max_examples=25)
@given(SEED)
def test_ranks_ignore_any_rising_function(seed):
    x, y, _ = draw(seed, p=3)
    np.testing.assert_allclose(spearman(np.exp(x / 9), y**3), spearman(x, y), atol=1e-12)


@settings(max_examples=25)
@given(SEED)
def test_votes_count_every_unit_once(seed):
    losses = dict(zip("abc", np.random.default_rng(seed).random((3, 11)), strict=True))
    found = best_layer(losses)
    assert sum(found.units.values()) == 11
    assert found.units[found.layer] == max(found.units.values())
    assert best_layer({name: 3 * row for name, row in losses.items()}) == found
