"""Estimators of the user on the road from recordings and activations to a Score."""

import json
import warnings

import numpy as np
import pytest
from known import Known, benchmark, brain, model_of
from recorded_notes import RecordedNotes
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso, LassoCV, LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.model_file import factory_from_file
from brainbench.core.settings import Settings
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.estimators import EstimatorMap
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.stats.splits import Split

N, SITES = 80, 6
FOLDS = [Split(np.arange(20, N), np.arange(20)), Split(np.arange(60), np.arange(60, N))]
OWN = """
import numpy as np

class Nearest:
    \"\"\"The response to the most similar training image.\"\"\"

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, Y):
        self.X, self.Y = self.scale * X, Y
        return self

    def predict(self, X):
        distance = np.square(self.scale * X[:, None] - self.X[None]).sum(axis=2)
        return self.Y[distance.argmin(axis=1)]
"""


@pytest.fixture
def linear():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 12)) * np.geomspace(3, 0.3, 12)
    signal = X @ rng.standard_normal((12, SITES))
    return X, signal + 2.0 * rng.standard_normal((10, N, SITES))


def nearest(folder, text=OWN, **options):
    folder.mkdir(exist_ok=True)
    (folder / "my_map.py").write_text(text)
    return factory_from_file(f"{folder / 'my_map.py'}:Nearest")(**options)


def slowly(estimator, data, X, trials, *, joint):
    """Return r of each site, mean over folds, from scikit-learn's folds and clones alone."""
    order = np.argsort(data.pictures.ids)
    Xs, Ys = X[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    r = []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(Xs, objects):
        fitted = [
            clone(estimator).fit(Xs[train], y).predict(Xs[test])
            for y in ([Ys[train]] if joint else Ys[train].T)
        ]
        predicted = fitted[0] if joint else np.column_stack(fitted)
        r.append([np.corrcoef(predicted[:, k], Ys[test, k])[0, 1] for k in range(SITES)])
    return np.mean(r, axis=0)


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_ridge_of_scikit_learn_is_ridge(linear, protocol):
    X, trials = linear
    data, asked = brain(None, trials=trials), Settings(protocol=protocol)
    own = score_model(benchmark(data, metric="ridge"), model_of(data, X), asked)
    theirs = score_model(benchmark(data, metric=Ridge(1.0)), model_of(data, X), asked)
    assert theirs.value == pytest.approx(own.value, abs=1e-6)
    assert theirs.ci == pytest.approx(own.ci, abs=1e-6)
    assert theirs.ceiling == own.ceiling
    np.testing.assert_allclose(theirs.per_unit, own.per_unit, atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "joint"),
    [
        (KNeighborsRegressor(7), True),
        (SVR(), False),
        pytest.param(LassoCV(alphas=3, cv=2), False, marks=pytest.mark.slow),
    ],
    ids=lambda given: type(given).__name__,
)
def test_equals_a_slow_program_of_scikit_learn(linear, estimator, joint):
    X, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data, metric=estimator), model_of(data, X))
    per_site = slowly(estimator, data, X, trials, joint=joint)
    np.testing.assert_allclose(score.per_unit, per_site, atol=1e-9)
    assert score.value == pytest.approx(np.median(per_site), abs=1e-9)
    assert score.record.choices["fitted_to"].startswith("all" if joint else "one")
    assert not hasattr(estimator, "n_features_in_")  # the given one is never fitted


def test_a_class_of_the_user_scores_like_the_same_of_scikit_learn(linear, tmp_path):
    X, trials = linear
    data = brain(None, trials=trials)
    own, theirs = (
        score_model(
            benchmark(data, metric=metric), model_of(data, X), Settings(formula="r/sqrt(c)")
        )
        for metric in (nearest(tmp_path), KNeighborsRegressor(1))
    )
    assert own.value == pytest.approx(theirs.value, abs=1e-12)
    assert own.ci == pytest.approx(theirs.ci, abs=1e-12)
    assert own.record.choices["estimator"]["class"] == "my_map.py: Nearest"
    assert own.record.choices["estimator"]["parameters"] == {"scale": 1.0}


def test_features_are_never_components_unless_the_estimator_takes_them(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data, metric=Ridge(), n_pca=3), model_of(data, X))
    assert score.record.choices["features"] == 12
    reduced = make_pipeline(PCA(3), Ridge())
    inside = score_model(benchmark(data, metric=reduced), model_of(data, X))
    np.testing.assert_allclose(inside.per_unit, slowly(reduced, data, X, trials, joint=True))


def test_a_layer_is_selected_by_the_estimator(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    noise = np.random.default_rng(0).standard_normal((N, 12))
    model = Known(
        responses={"noise": noise[:, :, None], "signal": X[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["noise", "signal"]},
    )
    score = score_model(benchmark(data, metric=KNeighborsRegressor(3), n_splits=4), model)
    assert score.selection.layer == "signal"
    curve = {row["layer"]: row["inner_mean"] for row in score.selection.curve}
    assert curve["signal"] > curve["noise"] + 0.3


@pytest.mark.parametrize("estimator", [KNeighborsRegressor(3), Lasso(0.1)])
def test_null_fits_again(linear, estimator):
    X, trials = linear
    data = brain(None, trials=trials[:, :, :3])
    asked = Settings(null="images", null_draws=9)
    null = score_model(benchmark(data, metric=estimator, n_splits=3), model_of(data, X), asked).null
    assert abs(null["mean"]) < 0.2
    assert null["p"] == null["resolution"]


def test_sites_that_a_sparse_estimator_predicts_by_their_mean_count_as_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 5))
    Y = np.column_stack([X[:, 0] + 0.1 * rng.standard_normal(N), rng.standard_normal((N, 4))])
    data = brain(Y)
    sparse = Lasso(alpha=0.5)
    score = score_model(benchmark(data, metric=sparse), model_of(data, X))
    assert score.per_unit.values[0] > 0.9
    np.testing.assert_array_equal(score.per_unit.values[1:], 0.0)
    assert (score.value, score.n_units, score.excluded) == (0.0, 5, {})
    assert np.ptp(score.draws) > 0  # the one site that is predicted is in most draws of sites
    layers = Known(
        responses={"some": X[:, :, None], "none": rng.standard_normal((N, 5, 1))},
        ids=data.pictures.ids,
        areas={"IT": ["some", "none"]},
    )
    score = score_model(benchmark(data, metric=sparse, n_splits=2), layers)
    assert [row["inner_mean"] for row in score.selection.curve] == [0.0, 0.0]


def test_a_layer_that_does_not_vary(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match="'IT' responds the same"):
        score_model(benchmark(data, metric=Lasso()), model_of(data, np.full_like(X, 0.1)))


def test_random_numbers_follow_the_seed(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    forest = RandomForestRegressor(3, max_depth=2)
    declared = benchmark(data, metric=forest, n_splits=2)
    first, second, other = (
        score_model(declared, model_of(data, X), Settings(seed=seed)).value for seed in (0, 0, 1)
    )
    assert first == second != other
    assert forest.random_state is None
    assert EstimatorMap(estimator=forest, seed=5).unfitted.random_state == 5
    kept = RandomForestRegressor(random_state=3)
    assert EstimatorMap(estimator=kept, seed=5).unfitted.random_state == 3


def test_other_protocols_have_the_same_estimator(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    score = score_model(
        benchmark(data, metric=Ridge()), model_of(data, X), Settings(protocol="brainscore")
    )
    assert score.formula == "r2/c-v1"
    assert score.error is not None


# --- key and record -------------------------------------------------------------------------------


def test_the_key_follows_parameters_and_code(tmp_path):
    def key(metric):
        config = Predictivity(metric=metric).config()
        assert json.loads(json.dumps(config)) == config
        return json.dumps(config, sort_keys=True)

    assert key(Ridge(1.0)) == key(Ridge(1.0)) == key(Ridge(1.0).fit([[0.0], [1.0]], [0.0, 1.0]))
    assert key(Ridge(1.0)) != key(Ridge(2.0))
    assert key(make_pipeline(PCA(2), Ridge())) != key(make_pipeline(PCA(3), Ridge()))
    own = key(nearest(tmp_path / "a"))
    assert own == key(nearest(tmp_path / "b"))  # wherever the file is
    comment = OWN.replace("distance =", "# squared\n        distance =").replace("similar", "near")
    assert own == key(nearest(tmp_path / "c", comment))
    assert own != key(nearest(tmp_path / "d", OWN.replace("argmin", "argmax")))
    assert own != key(nearest(tmp_path / "e", scale=2.0))


def test_own_code_beside_the_file_is_part_of_the_key(tmp_path):
    text = OWN.replace("import numpy as np", "import numpy as np\nfrom gains import GAIN")
    text = text.replace("self.Y[", "GAIN * self.Y[")
    (tmp_path / "gains.py").write_text("GAIN = 1.0")
    before = EstimatorMap(estimator=nearest(tmp_path, text)).digest
    (tmp_path / "gains.py").write_text("GAIN = 2.0")
    assert EstimatorMap(estimator=nearest(tmp_path, text)).digest != before


def test_named_maps_have_the_key_they_had():
    assert Predictivity(metric="ridge-cv").config()["metric"] == "ridge-cv"


# --- errors ---------------------------------------------------------------------------------------


class Shaped(BaseEstimator, RegressorMixin):
    """Predictions of a given shape and value."""

    def __init__(self, shape=(1,), value=0.0):
        self.shape, self.value = shape, value

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(self.shape, self.value)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (LogisticRegression(), "classifier"),
        (make_pipeline(PCA(2), LogisticRegression()), "classifier"),
        (KMeans(), "clusterer"),
        (Ridge, "class"),
        (PCA(), "predict"),
        (object(), "fit and predict"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_no_regressor(given, word):
    with pytest.raises(InputError, match=word) as caught:
        Predictivity(metric=given)
    assert "fit(X, Y)" in caught.value.allowed


def test_a_parameter_that_cannot_be_inspected():
    with pytest.raises(InputError, match="RandomState"):
        Predictivity(metric=Ridge(random_state=np.random.RandomState(0)))


def test_an_estimator_that_changes_its_parameters_cannot_be_copied():
    class Doubling(Shaped):
        def __init__(self, value=0.0):
            self.value = 2 * np.array(value)

    with pytest.raises(InputError, match="Doubling"):
        Predictivity(metric=Doubling(1.0))


@pytest.mark.parametrize("shape", [(20, 2), (3,), (1, 20)])
def test_predictions_of_another_shape(shape):
    X, Y = np.eye(N), np.arange(2.0 * N).reshape(N, 2)
    with pytest.raises(InputError) as caught:
        EstimatorMap(estimator=Shaped(shape)).predict(lambda: [X], Y, FOLDS)
    assert str(shape) in caught.value.got
    assert "(20,)" in caught.value.allowed


def test_joint_predictions_of_another_shape(tmp_path):
    transposed = nearest(tmp_path, OWN.replace(".argmin(axis=1)]", ".argmin(axis=1)].T"))
    Y = np.arange(2.0 * N).reshape(N, 2)
    with pytest.raises(InputError) as caught:
        EstimatorMap(estimator=transposed).predict(lambda: [np.eye(N)], Y, FOLDS)
    assert "(2, 20)" in caught.value.got
    assert "(20, 2)" in caught.value.allowed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_not_finite(value):
    with pytest.raises(InputError, match=r"20 of 20 .*Shaped"):
        EstimatorMap(estimator=Shaped((20,), value)).predict(
            lambda: [np.eye(N)], np.ones((N, 1)), FOLDS
        )


def test_labels_as_predictions():
    with pytest.raises(InputError, match="<U3"):
        EstimatorMap(estimator=Shaped((20,), "cat")).predict(
            lambda: [np.eye(N)], np.ones((N, 1)), FOLDS
        )


def test_one_site_may_be_a_vector_or_a_column():
    for shape in ((20,), (20, 1)):
        held_out = EstimatorMap(estimator=Shaped(shape, 2.0)).predict(
            lambda: [np.eye(N)], np.ones((N, 1)), FOLDS
        )
        assert [one.shape for one in held_out] == [(20, 1), (20, 1)]


def test_an_estimator_that_fails_is_named(linear):
    X, trials = linear
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match=r"KNeighborsRegressor .*72 training images.*ValueError"):
        score_model(benchmark(data, metric=KNeighborsRegressor(75)), model_of(data, X))


def test_features_that_are_not_finite():
    X = np.eye(N)
    X[3, 5] = np.nan
    with pytest.raises(InputError, match="feature 5 of the stimulus in row 3"):
        EstimatorMap(estimator=Ridge()).predict(lambda: [X], np.ones((N, 1)), FOLDS)


def test_warnings_are_noted_once():
    class Warner(Shaped):
        def fit(self, X, y):
            warnings.warn("it did not\nconverge", UserWarning, stacklevel=1)
            return self

    notes = RecordedNotes()
    with progress.use(notes):
        EstimatorMap(estimator=Warner((20,))).predict(lambda: [np.eye(N)], np.ones((N, 3)), FOLDS)
    assert [note for note in notes.notes if "converge" in note] == [
        "Warner warns: UserWarning: it did not converge"
    ]
