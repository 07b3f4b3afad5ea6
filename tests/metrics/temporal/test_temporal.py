"""Maps shared by all time bins, and the figures made of their predictions: edges and bad input."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import spearman
from brainbench.metrics.temporal import components, moments
from brainbench.metrics.temporal.best_unit import best_unit
from brainbench.metrics.temporal.components import products
from brainbench.metrics.temporal.gradient_descent import Descent, sgd
from brainbench.metrics.temporal.shared_map import PENALTIES, fit, pls, prepare, ridge
from brainbench.metrics.temporal.time_bins import (
    best_layer,
    explained_variance,
    loss_per_bin,
    over_images,
    over_time,
    share_explained,
)

N = 20
ROWS = np.arange(14)
FOLDS = [(ROWS[7:], ROWS[:7]), (ROWS[:7], ROWS[7:])]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 4, 3))
    Y = np.einsum("ipt,pq->iqt", X, rng.standard_normal((4, 2))) + 0.1 * rng.standard_normal(
        (N, 2, 3)
    )
    return X, Y


def test_held_out_images_are_never_read(data):
    X, Y = data
    hidden = X.copy(), Y.copy()
    for one in hidden:
        one[14:] = np.nan
    for found in (
        ridge(*hidden, ROWS, folds=FOLDS),
        pls(*hidden, ROWS, n_components=2),
        sgd(*hidden, ROWS, descent=Descent(epochs=2)),
    ):
        assert np.isfinite(found.coefficients).all()
    np.testing.assert_array_equal(
        ridge(*hidden, ROWS, folds=FOLDS).coefficients, ridge(X, Y, ROWS, folds=FOLDS).coefficients
    )


def test_small_chunks_give_the_same_map(data, monkeypatch):
    X, Y = data
    whole = ridge(X, Y, ROWS, folds=FOLDS)
    monkeypatch.setattr(moments, "CHUNK_NUMBERS", 30)
    parts = ridge(X, Y, ROWS, folds=FOLDS)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, atol=1e-12)
    np.testing.assert_allclose(parts.predict(X), whole.predict(X), atol=1e-12)


def test_a_file_on_disk_will_do(data, tmp_path):
    X, Y = data
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_allclose(
        ridge(mapped, Y, ROWS, folds=FOLDS).predict(mapped),
        ridge(X, Y, ROWS, folds=FOLDS).predict(X),
        atol=1e-5,
    )


def test_the_loss_is_that_of_maps_fitted_without_each_fold():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((N, 70, 3))
    Y = rng.standard_normal((N, 2, 3)) + X[:, :2]
    fitted = ridge(X, Y, ROWS, folds=FOLDS)
    for k in range(2):
        share = fitted.penalty[k] / np.square(X[ROWS] - X[ROWS].mean(axis=(0, 2))[:, None]).sum()
        squared = 0.0
        for train, test in FOLDS:
            total = np.square(X[train] - X[train].mean(axis=(0, 2))[:, None]).sum()
            inner = ridge(X, Y[:, [k]], train, penalty=share * total)
            squared += np.square(inner.predict(X[test]) - Y[test][:, [k]]).sum()
        np.testing.assert_allclose(fitted.loss[k], squared / (len(ROWS) * 3), rtol=1e-8)


def test_a_penalty_for_each_neuroid(data):
    X, Y = data
    prepared = prepare(X, ROWS)
    both = fit(prepared, Y, penalty=np.array([1.0, 50.0]))
    for k, penalty in enumerate((1.0, 50.0)):
        np.testing.assert_allclose(
            both.coefficients[:, k], ridge(X, Y, ROWS, penalty=penalty).coefficients[:, k]
        )


def test_noise_gets_a_larger_penalty_than_signal(data):
    X, Y = data
    Y = Y.copy()
    Y[:, 1] = np.random.default_rng(1).standard_normal((N, 3))
    signal, noise = ridge(X, Y, ROWS, folds=FOLDS).penalty
    assert noise > 100 * signal


def test_constant_features_and_constant_responses(data):
    X, Y = data
    still = ridge(np.ones_like(X), Y, ROWS, folds=FOLDS)
    np.testing.assert_allclose(still.predict(X), still.predict(0 * X))
    flat = ridge(X, np.full_like(Y, 3.0), ROWS, folds=FOLDS).predict(X)
    np.testing.assert_allclose(flat, 3.0)


def test_no_penalty_on_repeated_features_is_the_shortest_solution(data):
    X, Y = data
    twice = np.concatenate([X, X], axis=1)
    once = ridge(X, Y, ROWS, penalty=0.0).predict(X)
    np.testing.assert_allclose(ridge(twice, Y, ROWS, penalty=0.0).predict(twice), once, atol=1e-8)


def test_same_seed_same_descent(data):
    X, Y = data
    how = Descent(epochs=3, batch=5)
    one, again, other = (
        sgd(X, Y, ROWS, descent=seeded).coefficients
        for seeded in (how, how, Descent(epochs=3, batch=5, seed=1))
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0


def test_components_of_evenly_spaced_images(monkeypatch):
    monkeypatch.setattr(components, "MOST_ROWS", 30)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 200, 3))
    found = products([X])
    assert len(found.basis) == 10
    reduced = found.components(ROWS)
    assert reduced.n_images == np.isin(found.basis, ROWS).sum() < len(ROWS)
    # Scores are projections: of an image in the basis they do not depend on who else is projected.
    alone = products([X[found.basis]]).components(np.flatnonzero(np.isin(found.basis, ROWS)))
    np.testing.assert_allclose(np.abs(alone.scores), np.abs(reduced.scores[found.basis]), atol=1e-8)


def test_fewer_components_say_what_they_keep():
    X = np.random.default_rng(0).standard_normal((N, 50, 2)) * np.geomspace(10, 0.1, 50)[:, None]
    kept = [products([X]).components(ROWS, k).kept for k in (2, 5, 20, None)]
    assert kept == sorted(kept)
    assert kept[0] < 0.9
    assert kept[-1] == 1.0


def test_constant_predictions_are_zero_and_counted(data):
    _, measured = data
    predicted = measured.copy()
    predicted[:, 0, 1] = 5.0 + 1e-14 * np.random.default_rng(0).standard_normal(N)  # rounding
    found = over_images(predicted, measured)
    assert found.r[0, 1] == 0.0
    assert found.constant_prediction.tolist() == [[False, True, False], [False] * 3]
    np.testing.assert_allclose(np.delete(found.r.ravel(), 1), 1.0)


def test_constant_responses_are_nan_and_counted(data):
    predicted, measured = data[1], data[1].copy()
    measured[:, 1, 2] = 0.0
    found = over_images(predicted, measured)
    assert np.isnan(found.r[1, 2])
    assert found.constant_response.sum() == 1


def test_correlation_over_time_within_an_image(data):
    _, measured = data
    by_hand = np.corrcoef(data[0][3, 1], measured[3, 1])[0, 1]
    np.testing.assert_allclose(over_time(data[0][:, :2], measured)[3, 1], by_hand)
    still = measured.copy()
    still[2, 0] = 1.0
    assert np.isnan(over_time(measured, still)[2, 0])
    assert over_time(still, measured)[2, 0] == 0.0


def test_spearman_with_ties_and_without_variation():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, (2, 30, 3)).astype(float)
    ours = spearman(x, y)
    np.testing.assert_allclose(ours, [spearmanr(x[:, k], y[:, k]).statistic for k in range(3)])
    x[:, 0], y[4, 1] = 1.0, np.nan
    assert np.isnan(spearman(x, y)[:2]).all()


def test_equal_layers_give_the_first():
    assert best_layer({"a": [1.0, 2.0], "b": [1.0, 2.0]}).units == {"a": 2, "b": 0}
    assert best_layer({"a": [1.0, 2.0], "b": [2.0, 1.0]}).layer == "a"


BAD = {
    "two dimensions": (lambda X, Y: ridge(X[:, :, 0], Y, ROWS, penalty=1), r"\(20, 4\)"),
    "one image": (lambda X, Y: ridge(X, Y, [0], penalty=1), r"\b1\b.*\b20\b"),
    "repeated rows": (lambda X, Y: ridge(X, Y, [0, 0, 1], penalty=1), r"\b3\b.*\b20\b.*\b2\b"),
    "row beyond": (lambda X, Y: ridge(X, Y, [0, N], penalty=1), "0 to 19"),
    "neither": (lambda X, Y: ridge(X, Y, ROWS), "penalty="),
    "one fold": (lambda X, Y: ridge(X, Y, ROWS, folds=FOLDS[:1]), r"\b1\b.*\b14\b"),
    "other folds": (
        lambda X, Y: ridge(X, Y, np.arange(15), folds=FOLDS),
        r"\b2\b.*\b14\b.*\b15\b",
    ),
    "fewer images": (lambda X, Y: ridge(X, Y[:-1], ROWS, penalty=1), "19, 2, 3"),
    "fewer bins": (lambda X, Y: ridge(X, Y[:, :, :2], ROWS, penalty=1), r"\b2\).*\b3\b"),
    "weights": (
        lambda X, Y: ridge(X, Y, ROWS, weights=np.ones((3, 3)), penalty=1),
        r"\(3, 3\)",
    ),
    "weights of two": (
        lambda X, Y: ridge(X, Y, ROWS, weights=np.full((3, 2), 0.5), penalty=1),
        r"\(3, 2\).*\b3\b",
    ),
    "components": (lambda X, Y: pls(X, Y, ROWS), r"\b25\b"),
    "descent": (lambda X, Y: Descent(momentum=1.0), "momentum"),
    "flat descent": (lambda X, Y: sgd(0 * X, Y, ROWS), "vary"),
    "too fast": (
        lambda X, Y: sgd(X, Y, ROWS, descent=Descent(learning_rate=100.0)),
        "100",
    ),
    "no chunk": (lambda X, Y: products([]), "no features"),
    "other chunks": (lambda X, Y: products([X, X[:-1]]), r"\b19\b.*\b20\b"),
    "same everywhere": (
        lambda X, Y: products([np.ones((N, 9, 2))]).components(ROWS),
        r"\b9\b.*\b14\b",
    ),
    "shapes": (over_images, r"\(20, 4, 3\).*\(20, 2, 3\)"),
    "one held out": (lambda X, Y: over_images(Y[:1], Y[:1]), r"\(1, 2, 3\)"),
    "one bin": (lambda X, Y: over_time(Y[:, :, :1], Y[:, :, :1]), r"axis 2"),
    "no layers": (lambda X, Y: best_layer({}), r"\[\]"),
    "other units": (lambda X, Y: best_layer({"a": [1.0], "b": [1.0, 2.0]}), r"\[1, 2\]"),
    "nan loss": (lambda X, Y: best_layer({"a": [np.nan]}), r"\[1\].*\ba\b"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case, data):
    call, message = BAD[case]
    with pytest.raises(InputError, match=message), np.errstate(all="ignore"):
        call(*data)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_named(bad, data):
    X, Y = data
    Y = Y.copy()
    Y[3, 1, 2] = bad
    with pytest.raises(InputError, match=r"neuroid 1\b.*bin 2\b"):
        ridge(X, Y, ROWS, penalty=1.0)
    with pytest.raises(InputError, match=r"neuroid 1\b.*bin 2\b"):
        over_images(Y, Y)
    X = X.copy()
    X[3, 1, 2] = bad
    with np.errstate(invalid="ignore"):
        for call in (lambda: ridge(X, data[1], ROWS, penalty=1.0), lambda: products([X])):
            with pytest.raises(InputError, match="features"):
                call()


def test_most_rows_bound_the_inner_products(monkeypatch):
    monkeypatch.setattr(components, "MOST_NUMBERS", 400)
    found = products([np.random.default_rng(0).standard_normal((N, 5, 2))])
    assert found.C.size <= 400


@pytest.mark.parametrize("basis", ["all images", "some images"])
def test_components_of_states_without_input_are_those_of_all_samples(monkeypatch, basis):
    if basis == "some images":
        monkeypatch.setattr(components, "MOST_ROWS", 4 * N // 2)
    X = np.random.default_rng(0).standard_normal((N, 30, 4)).astype(np.float32)
    X[:, :, [0, 2]] = X[0, :, [0, 2]].T  # the same for all images
    constant = np.array([True, False, True, False])
    once, each = products([X[:, :13], X[:, 13:]], constant=constant), products([X])
    n_samples = 2 + 2 * N
    assert len(once.C) == n_samples < len(each.C) == 4 * N
    for k in (3, None):
        ours, theirs = once.components(ROWS, k), each.components(ROWS, k)
        assert ours.kept == pytest.approx(theirs.kept, abs=1e-12)
        # Signs of components are free, inner products of scores are not.
        ours, theirs = (
            np.einsum("icu,jct->iujt", side.scores, side.scores) for side in (ours, theirs)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())


# --- explained variance ----------------------------------------------------------------------------


def test_explained_variance_is_that_of_scikit_learn(data):
    _, Y = data
    predicted = Y + 0.5 * np.random.default_rng(1).standard_normal(Y.shape)
    explained = explained_variance(predicted, Y)
    for site, t in np.ndindex(explained.shape):
        assert explained[site, t] == pytest.approx(r2_score(Y[:, site, t], predicted[:, site, t]))
    np.testing.assert_allclose(explained_variance(Y.mean(axis=0) + 0 * Y, Y), 0.0, atol=1e-12)
    assert (explained_variance(-3.0 * Y, Y) < 0).all()
    silent = Y.copy()
    silent[:, 1, 2] = 4.0
    missing = np.isnan(explained_variance(predicted, silent))
    np.testing.assert_array_equal(missing, [[False] * 3, [False, False, True]])
    with pytest.raises(InputError, match=r"\(20, 2, 2\)"):
        explained_variance(predicted[:, :, :2], Y)


def test_loss_of_each_bin_is_that_of_its_own_map(data):
    X, Y = data
    losses = loss_per_bin(X, Y, ROWS, folds=FOLDS)
    for t in range(3):
        alone = ridge(X[:, :, [t]], Y[:, :, [t]], ROWS, folds=FOLDS)
        np.testing.assert_allclose(losses[:, t], alone.loss, atol=1e-9)
    explained = share_explained(losses, Y[ROWS])
    assert (explained > 0.9).all()
    assert (explained < 1.0).all()


# --- the nearest unit ------------------------------------------------------------------------------


def slow_best_unit(X, Y, states):
    """Return predictions by a loop over neuroids and units, bin x state shares written out."""
    X = X @ states.T
    predicted = np.empty(Y.shape)
    for neuroid in range(Y.shape[1]):
        y = Y[ROWS, neuroid].ravel()
        r = [np.corrcoef(X[ROWS, unit].ravel(), y)[0, 1] for unit in range(X.shape[1])]
        x = X[:, int(np.argmax(r))]
        slope, intercept = np.polyfit(x[ROWS].ravel(), y, 1)
        predicted[:, neuroid] = slope * x + intercept
    return predicted


@pytest.mark.parametrize("states", [np.eye(3), np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1.0]])])
def test_best_unit_is_that_of_a_loop(data, states):
    X, Y = data
    fitted = best_unit(X, Y, ROWS, weights=states).predict(X, weights=states)
    np.testing.assert_allclose(fitted, slow_best_unit(X, Y, states), atol=1e-9)


def test_best_unit_finds_the_neuroid_itself(data):
    X, Y = data
    X = np.concatenate([X, np.zeros((N, 1, 3)), 5.0 - 2.0 * Y, 3.0 * Y + 7.0], axis=1)
    found = best_unit(X, Y, ROWS)
    np.testing.assert_allclose(found.predict(X), Y, atol=1e-9)
    assert np.flatnonzero(found.coefficients[:, 0]).tolist() == [7]
    assert (found.penalty, found.loss) == (None, None)
    hidden = X.copy()
    hidden[14:] = np.nan
    np.testing.assert_array_equal(best_unit(hidden, Y, ROWS).coefficients, found.coefficients)
    hidden[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        best_unit(hidden, Y, ROWS)


def squared_errors(X, Y, fold, share):
    """Return the summed squared errors of scikit-learn's ridge map over the rows that a fold leaves out."""
    fitted, left_out = fold
    penalty = share * np.square(X[fitted] - X[fitted].mean(axis=0)).sum()
    ridge_map = Ridge(penalty, solver="svd").fit(X[fitted], Y[fitted])
    return np.square(Y[left_out] - ridge_map.predict(X[left_out])).sum(axis=0)


def test_loss_of_more_features_than_images_is_that_of_the_features():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 40, 3))
    X[:, :, 2] = 1.5  # no image differs from another: the best map is the mean
    Y = rng.standard_normal((N, 2, 3)) + X[:, :2]
    shares = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    losses = loss_per_bin(X, Y, ROWS, folds=FOLDS, weights=shares)
    for t in range(2):
        table = [
            sum(squared_errors(X @ shares[t], Y[:, :, t], fold, share) for fold in FOLDS)
            for share in PENALTIES
        ]
        np.testing.assert_allclose(losses[:, t], np.min(table, axis=0) / len(ROWS), rtol=1e-10)
    squares = [
        np.square(Y[left_out, :, 2] - Y[fitted, :, 2].mean(axis=0)) for fitted, left_out in FOLDS
    ]
    np.testing.assert_allclose(losses[:, 2], np.concatenate(squares).mean(axis=0), rtol=1e-12)
    X[ROWS[0], 3, 1] = np.nan
    with pytest.raises(InputError, match="features"):
        loss_per_bin(X, Y, ROWS, folds=FOLDS, weights=shares)
    with pytest.raises(InputError, match=r"\b1 folds"):
        loss_per_bin(X, Y, ROWS, folds=FOLDS[:1], weights=shares)
