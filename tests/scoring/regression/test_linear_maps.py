"""Linear maps other than PLS on the road from recordings and activations to a Score."""

import numpy as np
import pytest
from known import Known, benchmark, brain, model_of
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.metrics.gram import gram
from brainbench.metrics.linear import ridge
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.linear_maps import MAPS, LinearMap, rows_of
from brainbench.stats.splits import Split, paper

N, SITES = 80, 6


class BestUnit:
    """One unit for each site, with scikit-learn's two methods."""

    def fit(self, X, Y):
        r = np.corrcoef(X.T, Y.T)[: X.shape[1], X.shape[1] :]
        self.units = r.argmax(axis=0)
        return self

    def predict(self, X):
        return X[:, self.units]


class RelativeRidgeCV:
    """A penalty for each site, on a scale of the variance of the training features."""

    def fit(self, X, Y):
        unit = np.square(X - X.mean(axis=0)).sum() / (len(X) - 1)
        self.model = RidgeCV(ridge.RELATIVE * unit, alpha_per_target=True).fit(X, Y)
        return self

    def predict(self, X):
        return self.model.predict(X)


SLOW = {
    ("ridge", "paper"): lambda: Ridge(1.0),
    ("ridge-cv", "paper"): RelativeRidgeCV,
    ("linear", "paper"): LinearRegression,
    ("neuron-to-neuron", "paper"): BestUnit,
    ("ridge", "brainscore"): lambda: Ridge(1.0),
    ("ridge-cv", "brainscore"): lambda: RidgeCV(ridge.BRAINSCORE),
    ("linear", "brainscore"): LinearRegression,
    ("neuron-to-neuron", "brainscore"): BestUnit,
}


@pytest.fixture
def linear():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 12)) * np.geomspace(3, 0.3, 12)
    signal = X @ rng.standard_normal((12, SITES))
    return X, signal + 2.0 * rng.standard_normal((10, N, SITES))


def correlations(fit, X, Y, splits):
    r = []
    for train, test in splits:
        predicted = fit().fit(X[train], Y[train]).predict(X[test])
        r.append([np.corrcoef(predicted[:, k], Y[test][:, k])[0, 1] for k in range(SITES)])
    return np.array(r)


@pytest.mark.parametrize(("metric", "protocol"), SLOW)
def test_equals_a_slow_program_of_scikit_learn(linear, metric, protocol):
    X, trials = linear
    data = brain(None, trials=trials)
    score = score_model(
        benchmark(data, metric=metric),
        model_of(data, X),
        Settings(seed=5 if protocol == "paper" else 0, protocol=protocol),
    )
    order = np.argsort(data.pictures.ids)
    Xs, Ys = X[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    if protocol == "paper":
        splits = StratifiedKFold(10, shuffle=True, random_state=5).split(Xs, objects)
    else:
        splits = StratifiedShuffleSplit(10, train_size=0.9, random_state=1).split(Xs, objects)
    r = correlations(SLOW[metric, protocol], Xs, Ys, splits)
    np.testing.assert_allclose(score.per_unit.values, r.mean(axis=0), atol=1e-9)
    raw = np.median(r.mean(axis=0)) if protocol == "paper" else np.median(r, axis=1).mean()
    assert score.raw == pytest.approx(raw, abs=1e-9)
    assert score.formula == ("raw-v1" if protocol == "paper" else "r2/c-v1")
    assert score.ci[0] < score.value < score.ci[1]


@pytest.mark.parametrize("metric", ["pls", "ridge", "ridge-cv", "linear"])
def test_principal_components_are_those_of_the_training_images(metric):
    """Held-out images take no part, whatever they are."""
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((60, 30)) * np.geomspace(3, 0.1, 30), rng.standard_normal((60, 4))
    folds = paper([f"im{k:02d}" for k in range(60)], n_splits=3)
    few, all_of_them = (LinearMap(metric=metric, n_components=3, n_pca=n) for n in (8, None))
    predicted = few.predict(few.within(gram(X), folds), Y, folds)
    for fold, held_out in zip(folds, predicted, strict=True):
        scores = PCA(8, svd_solver="full").fit(X[fold.train]).transform(X)
        (expected,) = all_of_them.predict(gram(scores), Y, [fold])
        np.testing.assert_allclose(held_out, expected, atol=1e-9)


def test_as_many_components_as_training_images_span_are_all_features():
    rng = np.random.default_rng(2)
    products = gram(rng.standard_normal((60, 100)))
    folds = paper([f"im{k:02d}" for k in range(60)], n_splits=3)
    assert LinearMap(n_pca=39).within(products, folds) is products
    few = LinearMap(n_pca=38).within(products, folds)
    assert [scores.shape for scores in few.by_fold] == [(60, 38)] * 3


@pytest.mark.parametrize("n_pca", [0, -3])
def test_no_components_are_an_error(n_pca):
    with pytest.raises(InputError, match=str(n_pca)):
        LinearMap(n_pca=n_pca)


@pytest.mark.parametrize("metric", ["ridge-cv", "linear"])
def test_components_of_each_fold_on_the_road_to_a_score(linear, metric):
    X, trials = linear
    data = brain(None, trials=trials)
    order = np.argsort(data.pictures.ids)
    Xs, Ys = X[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    score = score_model(
        benchmark(data, metric=metric, n_pca=5), model_of(data, X), Settings(seed=5)
    )
    plain = LinearMap(metric=metric)
    r = []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=5).split(Xs, objects):
        scores = PCA(5, svd_solver="full").fit(Xs[train]).transform(Xs)
        (held_out,) = plain.predict(gram(scores), Ys, [Split(train, test)])
        r.append([np.corrcoef(*pair)[0, 1] for pair in zip(held_out.T, Ys[test].T, strict=True)])
    np.testing.assert_allclose(score.per_unit.values, np.mean(r, axis=0), atol=1e-9)
    assert score.record.choices["features"] == 5
    assert "training images of each fold" in score.record.choices["pca"]


def test_single_units_are_never_components(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    one, other = (
        score_model(benchmark(data, metric="neuron-to-neuron", n_pca=n), model_of(data, X))
        for n in (5, None)
    )
    assert one.value == other.value
    assert one.record.choices["features"] == 12
    assert one.record.choices["pca"] == "none"


@pytest.mark.parametrize("metric", MAPS)
def test_layer_is_chosen_by_the_same_map(metric):
    """Two layers: one mixes the sites in each unit, one has a faint copy of each site among noise."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((N, SITES))
    mixed = Y @ rng.standard_normal((SITES, 60)) + 0.5 * rng.standard_normal((N, 60))
    single = np.hstack(
        [0.05 * (Y + 0.6 * rng.standard_normal((N, SITES))), 3 * rng.standard_normal((N, 60))]
    )
    data = brain(Y)
    model = Known(
        responses={"mixed": mixed[:, :, None], "single": single[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["mixed", "single"]},
    )
    score = score_model(benchmark(data, metric=metric), model)
    of_units = metric in ("neuron-to-neuron", "one-to-one")
    assert score.selection.layer == ("single" if of_units else "mixed")
    alone = score_model(
        benchmark(data, metric=metric), model, Settings(layers={"IT": score.selection.layer})
    )
    assert score.value == pytest.approx(alone.value, abs=1e-12)
    curve = {row["layer"]: row["inner_mean"] for row in score.selection.curve}
    assert curve[score.selection.layer] == max(curve.values())


def test_record_says_which_map(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    choices = {
        metric: score_model(benchmark(data, metric=metric), model_of(data, X)).record.choices
        for metric in MAPS
    }
    assert choices["pls"]["map"] == "PLS1"
    assert choices["pls"]["components"] == 3
    assert choices["ridge"]["penalty"] == 1.0
    assert len(choices["ridge-cv"]["penalties"]) == 25
    assert choices["ridge-cv"]["penalty_chosen"].endswith("for each site")
    assert all("components" not in choices[metric] for metric in MAPS[1:])
    theirs = score_model(
        benchmark(data, metric="ridge-cv"), model_of(data, X), Settings(protocol="brainscore")
    )
    assert len(theirs.record.choices["penalties"]) == 99
    assert theirs.record.choices["penalty_chosen"].endswith("one for all sites")


@pytest.mark.parametrize("metric", MAPS)
def test_shuffled_images_score_nothing(linear, metric):
    X, trials = linear
    shuffled = trials[:, np.random.default_rng(1).permutation(N)]
    score = benchmark(brain(None, trials=shuffled), metric=metric)
    real = benchmark(brain(None, trials=trials), metric=metric)
    model = model_of(brain(None, trials=trials), X)
    assert abs(score_model(score, model).value) < 0.2
    assert score_model(real, model).value > (0.3 if metric == "one-to-one" else 0.4)


@pytest.mark.parametrize("metric", MAPS[1:])
def test_null_fits_again(linear, metric):
    X, trials = linear
    data = brain(None, trials=trials)
    score = score_model(
        benchmark(data, metric=metric), model_of(data, X), Settings(null="images", null_draws=20)
    )
    assert abs(score.null["mean"]) < 0.2
    assert score.null["p"] == pytest.approx(1 / 21)


def test_fewer_images_than_pls_needs_are_enough_for_ridge():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 40))
    data = brain(X @ rng.standard_normal((40, SITES)), objects=False)
    options = {"n_components": 25}
    with pytest.raises(InputError, match=r"18 .*PLS with 25 components\n.*at least 29 images"):
        score_model(benchmark(data, **options), model_of(data, X))
    assert (
        score_model(benchmark(data, metric="ridge-cv", **options), model_of(data, X)).n_stimuli
        == 20
    )


# --- errors ---------------------------------------------------------------------------------------


def test_unknown_map(linear):
    _, trials = linear
    with pytest.raises(UnknownNameError, match="did you mean ridge-cv"):
        benchmark(brain(None, trials=trials), metric="ridge_cv")


def test_a_layer_that_does_not_vary_has_no_units_to_take(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    still = model_of(data, np.full_like(X, 0.1))
    score = score_model(benchmark(data, metric="neuron-to-neuron"), still)
    assert (score.status, score.value, score.raw) == ("failed", None, None)
    assert "no correlation" in score.reason
    with pytest.raises(InputError, match="responds the same to all 80 stimuli"):
        score_model(benchmark(data, metric="ridge-cv"), model_of(data, np.full_like(X, 0.1)))


def test_features_of_the_wrong_kind(linear):
    X, trials = linear
    folds = [Split(np.arange(60), np.arange(60, N))]
    for metric, features in (("neuron-to-neuron", gram(X)), ("ridge", lambda: [X])):
        with pytest.raises(InputError, match=f"as features for {metric}"):
            LinearMap(metric=metric).predict(features, trials[0], folds)


def test_rows_of_features_of_every_kind():
    X = np.arange(20.0).reshape(5, 4)
    rows = np.array([3, 1])
    np.testing.assert_array_equal(rows_of(X, rows), X[rows])
    np.testing.assert_array_equal(rows_of(gram(X), rows).K, gram(X).K[np.ix_(rows, rows)])
    chunked = rows_of(lambda: iter([X[:, :3], X[:, 3:]]), rows)
    for _ in range(2):  # anew each time
        np.testing.assert_array_equal(np.hstack(list(chunked())), X[rows])
