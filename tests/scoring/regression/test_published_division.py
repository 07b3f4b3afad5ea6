"""Predictivity on a division into training and test images that the data declares."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from known import benchmark, brain, context_of, model_of
from scipy.stats import ortho_group
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression, Ridge

from brainbench.core import assembly
from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.core.settings import Placement, Settings, Variant
from brainbench.data.arrays import ArrayData
from brainbench.metrics.linear.validated_ridge import RELATIVE
from brainbench.run.resolve import variants_of
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.published_division import Division

N, SITES, FEATURES, TRIALS, NOISE = 240, 5, 12, 10, 2.0
WORDS = np.array(["train"] * 150 + ["validation"] * 30 + ["test"] * 60)


def world(n=N, *, words=WORDS, seed=3, noise=NOISE):
    """Features, and data whose responses are linear in them plus noise, the words of its division mixed."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, FEATURES)) * np.geomspace(3, 0.5, FEATURES)
    signal = X @ rng.standard_normal((FEATURES, SITES))
    trials = signal + noise * rng.standard_normal((TRIALS, n, SITES))
    return X, divided(brain(None, trials=trials, objects=False), words)


def divided(data, words):
    metadata = data.pictures.metadata.assign(split=words)
    return replace(data, pictures=replace(data.pictures, metadata=metadata))


def declared(data, **options):
    one = benchmark(data)
    options = {"n_pca": None, "division": "published", **options}
    return replace(one, measure=replace(one.measure, **options))


def parts(data):
    words = data.pictures.metadata["split"].to_numpy()
    trials = data.recordings("IT").values
    return trials, trials.mean(axis=0), *(words == each for each in ("train", "validation", "test"))


def columnwise_r(A, B):
    return [np.corrcoef(a, b)[0, 1] for a, b in zip(A.T, B.T, strict=True)]


def test_pls_equals_a_slow_program_of_scikit_learn():
    X, data = world()
    score = score_model(declared(data), model_of(data, X), Settings())
    _, Y, train, validation, test = parts(data)
    fitted = train | validation
    predicted = np.column_stack(
        [PLSRegression(3, scale=False).fit(X[fitted], y).predict(X[test]) for y in Y[fitted].T]
    )
    r = columnwise_r(predicted, Y[test])
    np.testing.assert_allclose(score.per_unit.values, r, atol=1e-9)
    assert score.value == pytest.approx(np.median(r), abs=1e-9)
    choices = score.record.choices
    assert (choices["division"], choices["map"]) == ("published", "PLS1")
    assert [choices[f"{part}_images"] for part in ("training", "validation", "test")] == [
        180,
        30,
        60,
    ]
    assert score.n_stimuli == N
    assert len(score.predictions.sample) == 60


def test_ridge_equals_a_slow_program_of_scikit_learn():
    X, data = world(noise=6.0)
    score = score_model(declared(data, metric="ridge-cv"), model_of(data, X), Settings())
    _, Y, train, validation, test = parts(data)
    centered = X[train] - X[train].mean(axis=0)
    unit = np.square(centered).sum() / (train.sum() - 1)
    fits = [Ridge(alpha=a * unit).fit(X[train], Y[train]) for a in RELATIVE]
    losses = [np.square(f.predict(X[validation]) - Y[validation]).sum(axis=0) for f in fits]
    best = np.argmin(losses, axis=0)
    predicted = np.column_stack([fits[k].predict(X[test])[:, j] for j, k in enumerate(best)])
    np.testing.assert_allclose(score.per_unit.values, columnwise_r(predicted, Y[test]), atol=1e-9)
    assert score.record.choices["penalties"] == RELATIVE.tolist()


def test_the_ceiling_and_the_interval_are_those_of_the_test_images():
    X, data = world()
    asked = Settings(null="images")
    score = score_model(declared(data, formula="r/c"), model_of(data, X), asked)
    trials, _, _, _, test = parts(data)
    rows = np.flatnonzero(test)
    same = brain(
        None, trials=trials[:, rows], objects=False, ids=list(np.array(data.pictures.ids)[rows])
    )
    alone = score_model(benchmark(same, n_splits=5), model_of(same, X[rows]), Settings())
    assert score.ceiling == pytest.approx(alone.ceiling, abs=1e-12)
    assert score.ci_approximate
    low, high = score.ci
    assert low < score.value < high
    assert score.null["what"]
    assert abs(score.null["mean"]) < 0.1


def test_truth_is_found():
    """A linear brain is predicted up to its noise; features that have nothing to do with it are not."""
    X, data = world(900, words=np.array(["train", "train", "test"] * 300), noise=4.0)
    noise = np.random.default_rng(0).standard_normal(X.shape)
    for metric in ("pls", "ridge-cv"):
        one = declared(data, metric=metric, n_components=8, formula="r/sqrt(c)")
        assert score_model(one, model_of(data, X), Settings()).value == pytest.approx(1, abs=0.03)
        assert abs(score_model(one, model_of(data, noise), Settings()).value) < 0.12


def test_a_layer_is_selected_without_the_test_images():
    """The layer that predicts the test images alone is not taken, and the one for the training images is."""
    X, data = world()
    _, Y, _, _, test = parts(data)
    lure = np.random.default_rng(1).standard_normal((N, SITES))
    lure[test] = Y[test]
    for metric in ("pls", "ridge-cv", Ridge()):
        one = declared(data, metric=metric)
        model = replace(
            model_of(data, X),
            responses={"lure": lure[:, :, None], "true": X[:, :, None]},
            areas={"IT": ["lure", "true"]},
        )
        chosen = score_model(one, model, Settings())
        alone = score_model(one, model_of(data, X), Settings())
        assert chosen.selection.layer == "true"
        assert len(chosen.selection.curve) == 2
        assert chosen.value == pytest.approx(alone.value, abs=1e-12)


@given(seed=st.integers(0, 100), metric=st.sampled_from(["pls", "ridge-cv"]))
@settings(max_examples=6)
def test_rotations_and_shifts_of_features_do_not_count(seed, metric):
    X, data = world(120, words=np.array(["train", "test", "train"] * 40))
    one = declared(data, metric=metric)
    rng = np.random.default_rng(seed)
    rotated = X @ ortho_group.rvs(FEATURES, random_state=seed) + rng.standard_normal(FEATURES)
    value = score_model(one, model_of(data, X), Settings()).value
    assert score_model(one, model_of(data, rotated), Settings()).value == pytest.approx(
        value, abs=1e-9
    )


def test_other_maps_and_estimators_are_fitted_once():
    X, data = world()
    linear = score_model(declared(data, metric="linear"), model_of(data, X), Settings())
    own = score_model(declared(data, metric=LinearRegression()), model_of(data, X), Settings())
    assert linear.value == pytest.approx(own.value, abs=1e-9)
    reduced = score_model(declared(data, n_pca=6), model_of(data, X), Settings())
    assert reduced.record.choices["features"] == 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Apart(ArrayData):
    """Data that keeps the trials of its test images apart."""

    test: xr.DataArray

    def test_trials(self, region):
        return self.test


def apart(data):
    """Keep means alone, and trials of the test images."""
    trials, Y, _, _, test = parts(data)
    ids = np.array(data.pictures.ids)
    sites = {"neuroid_id": [f"site{k}" for k in range(SITES)]}
    sites["animal"] = ["F", "F", "F", "N", "N"]
    means = assembly.make(Y, stimulus={"stimulus_id": ids}, neuroid=sites, units="a.u.")
    rows = np.flatnonzero(test)
    kept = assembly.make(
        trials[:, rows],
        stimulus={"stimulus_id": ids[rows]},
        neuroid=sites,
        repetitions=True,
        units="a.u.",
    )
    return Apart(name=data.name, pictures=data.pictures, regions={"IT": means}, test=kept)


def test_trials_of_the_test_images_may_be_kept_apart():
    X, data = world()
    other = apart(data)
    whole = score_model(declared(data), model_of(data, X), Settings())
    score = score_model(declared(other), model_of(other, X), Settings())
    assert score.value == pytest.approx(whole.value, abs=1e-12)
    assert score.ceiling == pytest.approx(whole.ceiling, abs=1e-12)
    assert {name: row["n_units"] for name, row in score.figures["by_animal"].items()} == {
        "F": 3,
        "N": 2,
    }
    limited = score_model(declared(other), model_of(other, X), Settings(limit=200))
    assert limited.partial
    assert limited.ceiling is not None


def test_a_drawn_validation_part_is_the_same_each_time_and_of_training_images():
    words = np.array(["train"] * 190 + ["test"] * 50)
    _, data = world(words=words)
    first, second = (Division.of(data.pictures, groups=None, label="x") for _ in range(2))
    assert first.drawn
    assert np.array_equal(first.validation, second.validation)
    assert len(first.validation) == 19
    assert np.array_equal(np.sort(first.training), np.flatnonzero(words == "train"))
    assert sorted(first.rows.tolist()) == list(range(N))


@pytest.mark.parametrize(
    ("words", "got"),
    [
        (None, "split"),
        (np.where(WORDS == "test", "held out", WORDS), "held out"),
        (np.array(["train"] * (N - 1) + ["test"]), "1 test"),
        (np.array(["test"] * (N - 19) + ["train"] * 19), "19 training"),
        (np.array(["train"] * 200 + ["validation"] + ["test"] * 39), "1 validation"),
    ],
)
def test_divisions_that_cannot_be_used_are_refused(words, got):
    X, data = world()
    metadata = data.pictures.metadata.drop(columns="split")
    metadata = metadata if words is None else metadata.assign(split=words)
    data = replace(data, pictures=replace(data.pictures, metadata=metadata))
    with pytest.raises(InputError, match=got):
        score_model(declared(data), model_of(data, X), Settings())


def test_what_does_not_go_together_is_refused_by_name():
    X, data = world()
    with pytest.raises(UnknownNameError, match="fixed"):
        Predictivity(division="fixed")
    with pytest.raises(InputError, match="soft-matching"):
        Predictivity(division="published", metric="soft-matching")
    context = context_of(declared(data), model_of(data, X), protocol="brainscore")
    with pytest.raises(NotApplicableError, match="paper"):
        declared(data).measure.check(context)
    with pytest.raises(InputError, match="--beyond"):
        variants_of([declared(data)], Variant(beyond="pixels"), Settings(), Placement())
    groups = np.array([f"pair{k // 2}" for k in range(N)])
    mixed = np.array(["train", "test"] * (N // 2))
    with pytest.raises(InputError, match="120 groups"):
        Division.of(divided(data, mixed).pictures, groups=groups, label="x")


def test_keys_of_scores_without_a_published_division_are_what_they_were():
    assert "division" not in Predictivity().config()
    assert Predictivity(division="published").config()["division"] == "published"
