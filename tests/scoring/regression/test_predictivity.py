"""The road from recordings and activations to a Score."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import Known, benchmark, brain, context_of, model_of
from scipy.stats import ortho_group
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

from brainbench.core import stimuli
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.linear.pls import cross_predict
from brainbench.scoring.layer_candidates import candidates_of
from brainbench.scoring.pipeline import score as score_model
from brainbench.stats.permutation import shuffles

N, SITES = 80, 6
TWO_STEPS = Timeline(name="two", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True)


@pytest.fixture
def linear():
    """Features, responses that are linear in them plus noise, and trials."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 12)) * np.geomspace(3, 0.3, 12)
    signal = X @ rng.standard_normal((12, SITES))
    trials = signal + 2.0 * rng.standard_normal((10, N, SITES))
    return X, signal, trials


def test_paper_equals_a_slow_program_of_scikit_learn(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data), model_of(data, X), Settings(seed=5))

    order = np.argsort(data.pictures.ids)
    Xs, Ys = X[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    Z = PCA(12, svd_solver="full").fit_transform(Xs)
    r = []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=5).split(Z, objects):
        fold = []
        for site in range(SITES):
            fit = PLSRegression(3, scale=False).fit(Z[train], Ys[train, site])
            fold.append(np.corrcoef(fit.predict(Z[test]).ravel(), Ys[test, site])[0, 1])
        r.append(fold)
    per_site = np.mean(r, axis=0)
    np.testing.assert_allclose(score.per_unit.values, per_site, atol=1e-9)
    assert score.value == pytest.approx(np.median(per_site), abs=1e-9)
    assert score.formula == "raw-v1"
    assert score.value == score.raw


def test_components_of_the_training_images_equal_a_slow_program_of_scikit_learn(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data, n_pca=5), model_of(data, X), Settings(seed=5))
    order = np.argsort(data.pictures.ids)
    Xs, Ys = X[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    r = []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=5).split(Xs, objects):
        components = PCA(5, svd_solver="full").fit(Xs[train])
        Z, held_out = components.transform(Xs[train]), components.transform(Xs[test])
        fits = [PLSRegression(3, scale=False).fit(Z, y) for y in Ys[train].T]
        pairs = zip(fits, Ys[test].T, strict=True)
        r.append([np.corrcoef(fit.predict(held_out).ravel(), y)[0, 1] for fit, y in pairs])
    np.testing.assert_allclose(score.per_unit.values, np.mean(r, axis=0), atol=1e-9)
    assert score.record.choices["features"] == 5


def test_brainscore_relates_the_square_to_the_ceiling(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data), model_of(data, X), Settings(protocol="brainscore"))
    assert score.value == pytest.approx(score.raw**2 / score.ceiling, abs=1e-12)
    assert score.formula == "r2/c-v1"
    assert score.record.choices["map"] == "PLS2"


def test_true_features_reach_the_known_ceiling():
    rng = np.random.default_rng(0)
    n = 400
    X = rng.standard_normal((n, 4))
    signal = X @ rng.standard_normal((4, 40))
    noise = signal.std(axis=0) * rng.uniform(1.0, 4.0, 40)
    trials = signal + noise * rng.standard_normal((10, n, 40))
    data = brain(None, trials=trials)
    score = score_model(benchmark(data, n_components=4, formula="r/sqrt(c)"), model_of(data, X))
    assert score.value == pytest.approx(1.0, abs=0.02)
    known = np.sqrt(signal.var(axis=0) / (signal.var(axis=0) + noise**2 / 10))
    assert np.median(score.per_unit.values / known) == pytest.approx(1.0, abs=0.02)


def test_shuffled_images_score_nothing(linear):
    X, _, trials = linear
    shuffled = trials[:, np.random.default_rng(1).permutation(N)]
    data = brain(None, trials=shuffled)
    assert abs(score_model(benchmark(data), model_of(data, X)).value) < 0.2
    assert score_model(benchmark(brain(None, trials=trials)), model_of(data, X)).value > 0.7


@pytest.mark.parametrize("formula", ["raw", "r/sqrt(c)"])
def test_floor_leaves_out_what_is_below_it_and_counts_it(linear, formula):
    X, signal, _ = linear
    noise = np.array([1.0, 1.0, 1.0, 1.0, 40.0, 40.0])
    trials = signal + noise * np.random.default_rng(5).standard_normal((10, N, SITES))
    data = brain(None, trials=trials)
    whole = score_model(benchmark(data), model_of(data, X), Settings(formula=formula))
    score = score_model(benchmark(data), model_of(data, X), Settings(formula=formula, floor=0.6))
    assert (whole.n_units, whole.excluded) == (SITES, {})
    assert (score.n_units, score.excluded) == (4, {"reliability below 0.6": 2})
    assert score.raw == pytest.approx(np.median(score.per_unit.values[:4]), abs=1e-12)
    assert score.ceiling > whole.ceiling
    assert score.per_unit.notnull().all()  # their raw r is kept
    assert score.ci[1] - score.ci[0] < whole.ci[1] - whole.ci[0]


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_null_is_that_of_maps_fitted_again(linear, protocol):
    X, _, trials = linear
    data = brain(None, trials=trials)
    asked = Settings(protocol=protocol, null="images", null_draws=9)
    null = score_model(benchmark(data), model_of(data, X), asked).null
    assert (null["kind"], null["n_draws"], null["n_undefined"]) == ("images", 9, 0)
    assert null["p"] == null["resolution"] == 0.1
    # Slowly: shuffle what was recorded, and score as ever.
    order = np.argsort(data.pictures.ids)
    slow = []
    for shuffle in shuffles(N, n_draws=9):
        moved = np.empty_like(trials)
        moved[:, order] = trials[:, order[shuffle]]
        again = brain(None, trials=moved)
        slow.append(
            score_model(benchmark(again), model_of(data, X), Settings(protocol=protocol)).value
        )
    assert null["mean"] == pytest.approx(np.mean(slow), abs=1e-9)
    assert null["sd"] == pytest.approx(np.std(slow, ddof=1), abs=1e-9)


def test_null_within_objects_keeps_what_an_object_has_in_common():
    rng = np.random.default_rng(0)
    objects = np.repeat(rng.standard_normal((8, 5)), 10, axis=0)  # `brain` shows 10 images of each
    X = objects + 0.3 * rng.standard_normal((N, 5))
    trials = objects @ rng.standard_normal((5, SITES)) + rng.standard_normal((6, N, SITES))
    data = brain(None, trials=trials)
    found = {
        kind: score_model(
            benchmark(data), model_of(data, X), Settings(null=kind, null_draws=19)
        ).null
        for kind in ("images", "within-object")
    }
    assert abs(found["images"]["mean"]) < 0.2
    assert found["within-object"]["mean"] > 0.6
    assert found["within-object"]["kind"] == "within-object"


def test_null_within_objects_needs_objects(linear):
    X, signal, _ = linear
    data = brain(signal, objects=False)
    with pytest.raises(InputError, match="no objects to shuffle 80 images within"):
        score_model(benchmark(data), model_of(data, X), Settings(null="within-object"))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_score_ignores_rotation_scale_and_order(seed, scale):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 6))
    Y = X @ rng.standard_normal((6, 4)) + rng.standard_normal((40, 4))
    data = brain(Y)
    plain = score_model(benchmark(data), model_of(data, X))

    turned = scale * X @ ortho_group.rvs(6, random_state=seed) + 7.0
    assert score_model(benchmark(data), model_of(data, turned)).value == pytest.approx(
        plain.value, abs=1e-7
    )
    order = rng.permutation(40)
    sites = rng.permutation(4)
    ids = [data.pictures.ids[k] for k in order]
    metadata = data.pictures.metadata["object_name"].to_numpy()[order]
    other = brain(2.0 * Y[order][:, sites] - 3.0, ids=ids)
    moved = ArrayData(
        name="moved",
        pictures=stimuli.from_arrays(
            "moved",
            np.stack([data.pictures.picture(int(k)) for k in order]),
            ids=ids,
            metadata={"object_name": metadata},
        ),
        regions=other.regions,
    )
    again = score_model(benchmark(moved), model_of(data, X))
    assert again.value == pytest.approx(plain.value, abs=1e-9)


def two_step_model(data, informative, noise):
    return Known(
        responses={"IT": np.stack([noise, informative], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"paper": TWO_STEPS},
        static=False,
    )


def test_nominal_clock_chooses_the_step_and_keeps_the_curve(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    noise = np.random.default_rng(9).standard_normal(X.shape)
    score = score_model(benchmark(data), two_step_model(data, X, noise))
    alone = score_model(benchmark(data), model_of(data, X))
    assert score.value == pytest.approx(alone.value, abs=1e-12)
    assert score.selection.step == 1
    worse, better = score.selection.curve
    assert (worse["chosen_in_folds"], better["chosen_in_folds"]) == (0, 10)
    assert better["inner_mean"] > worse["inner_mean"] + 0.3
    assert better["inner_sd"] > 0
    assert (better["start_ms"], better["end_ms"]) == (150, 300)


def test_a_step_that_the_image_has_not_reached_is_no_candidate(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    silent = np.broadcast_to(0.3 * X[:1], X.shape)
    score = score_model(benchmark(data), two_step_model(data, X, silent))
    alone = score_model(benchmark(data), model_of(data, X))
    assert score.value == pytest.approx(alone.value, abs=1e-12)
    assert score.selection.step == 1
    with pytest.raises(InputError, match="layer 'IT' responds the same to all 80 stimuli"):
        score_model(benchmark(data), two_step_model(data, silent, 2 * silent))


def test_clock_of_true_bins_averages_the_window(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    bins = Timeline(name="bins", source="test", steps={"IT": [(0, 100), (100, 200)]})
    model = Known(
        responses={"IT": np.stack([X, 3.0 * X], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"bins": bins},
        static=False,
    )
    (only,) = candidates_of(context_of(benchmark(data), model), data.pictures)
    np.testing.assert_allclose(only.weights, [0.3, 0.7])
    assert only.step is None
    np.testing.assert_allclose(np.concatenate(list(only.chunks()), axis=1), 0.3 * X + 2.1 * X)


def test_brainscore_averages_the_window_by_shares_of_the_bins(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    bins = Timeline(name="bins", source="test", steps={"IT": [(0, 100), (100, 150), (150, 200)]})
    model = Known(
        responses={"IT": np.stack([X, X, X], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"bins": bins},
        static=False,
    )
    declared = replace(benchmark(data), window=(50, 150))
    shares = {
        protocol: candidates_of(context_of(declared, model, protocol=protocol), data.pictures)
        for protocol in ("paper", "brainscore")
    }
    np.testing.assert_allclose(shares["paper"][0].weights, [1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(shares["brainscore"][0].weights, [1 / 3, 2 / 3, 0])


def test_brainscore_splits_rows_that_are_sorted_by_the_levels_of_the_file(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    size = np.arange(N) * 7 % 5
    recorded = data.regions["IT"].assign_coords(size=("stimulus", size))
    sorted_by_size = recorded.assign_attrs(levels=["size"])
    moved = replace(data, regions={"IT": sorted_by_size})
    score = score_model(benchmark(moved), model_of(data, X), Settings(protocol="brainscore"))
    ids = np.array(data.pictures.ids)
    ids = ids[np.lexsort([ids, size])]
    samples = score.predictions
    for k, (_, test) in enumerate(ShuffleSplit(10, train_size=0.9, random_state=1).split(ids)):
        shown = samples["stimulus_id"].values[samples["fold"].values == k]
        assert sorted(shown) == sorted(ids[test])
    paper, other = (score_model(benchmark(one), model_of(data, X)) for one in (moved, data))
    assert paper.value == other.value
    lost = replace(data, regions={"IT": recorded.drop_vars("size").assign_attrs(levels=["size"])})
    with pytest.raises(InputError, match="size"):
        score_model(benchmark(lost), model_of(data, X), Settings(protocol="brainscore"))


def test_brainscore_takes_the_step_of_nearest_start(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    nearest = Timeline(
        name="brainscore", source="test", steps={"IT": [(0, 100), (150, 250)]}, rule="nearest"
    )
    model = two_step_model(data, X, np.ones_like(X) * np.arange(len(X))[:, None])
    model = Known(**{**vars(model), "clocks": {"paper": TWO_STEPS, "brainscore": nearest}})
    score = score_model(benchmark(data), model, Settings(protocol="brainscore"))
    assert (score.selection.step, score.record.clock) == (0, "brainscore")


def test_constant_site_is_counted_not_scored(linear):
    X, _, trials = linear
    trials = trials.copy()
    trials[:, :, 2] = 4.0
    data = brain(None, trials=trials)
    score = score_model(benchmark(data), model_of(data, X))
    assert (score.n_units, score.n_excluded) == (SITES - 1, 1)
    assert score.excluded == {"constant response": 1}
    assert np.flatnonzero(np.isnan(score.per_unit.values)).tolist() == [2]


def test_user_chooses_a_layer(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    noise = np.random.default_rng(9).standard_normal((*X.shape, 1))
    model = Known(
        responses={"IT": X[:, :, None], "other": noise}, ids=data.pictures.ids, areas={"IT": ["IT"]}
    )
    score = score_model(benchmark(data), model, Settings(layers={"IT": "other"}))
    assert score.selection.layer == "other"
    assert score.value < 0.3


def test_notes_of_the_model_go_into_the_record(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)

    @dataclass(frozen=True, kw_only=True)
    class Noted(Known):
        notes: tuple[str, ...] = ("no trained weights",)

    score = score_model(benchmark(data), Noted(**vars(model_of(data, X))))
    assert score.record.notes == [
        "no trained weights",
        "asked for: image 100 ms, then blank to 250 ms",
    ]


def test_folds_of_a_few_images_of_each_object_are_not_stratified(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    for limit, stratified in ((48, False), (N, True)):  # six images of each object, ten folds
        score = score_model(benchmark(data), model_of(data, X), Settings(limit=limit))
        assert score.record.choices["stratified"] == stratified


def test_whole_set_with_too_few_images_of_an_object_is_an_error(linear):
    X, _, trials = linear
    data = brain(None, trials=trials[:, :79])
    with pytest.raises(
        InputError, match=r"9 show obj7.*\n.*at least 80 images, at least 10 of each"
    ):
        score_model(benchmark(data), model_of(data, X[:79]))


def test_noise_has_no_positive_ceiling():
    rng = np.random.default_rng(2)
    trials = rng.standard_normal((2, N, SITES))
    trials[1] = -trials[0] + 0.1 * rng.standard_normal((N, SITES))
    data = brain(None, trials=trials)
    score = score_model(
        benchmark(data),
        model_of(data, rng.standard_normal((N, 8))),
        Settings(protocol="brainscore"),
    )
    assert score.value is None
    assert "is not positive: nothing reliable was measured" in score.reason


def test_predictions_give_the_score_back(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    score = score_model(benchmark(data), model_of(data, X))
    table = score.predictions
    assert dict(table.sizes) == {"sample": N, "neuroid": SITES}
    r = [
        [np.corrcoef(fold.predicted[:, k], fold.target[:, k])[0, 1] for k in range(SITES)]
        for _, fold in table.groupby("fold")
    ]
    assert np.median(np.mean(r, axis=0)) == pytest.approx(score.value, abs=1e-12)


def test_window_is_cut_out_of_the_recording(linear):
    X, signal, _ = linear
    noise = np.random.default_rng(4).standard_normal(signal.shape)
    early_and_late = np.stack([100 * noise, signal, 100 * noise], axis=2)
    data = brain(early_and_late, time=[(0, 70), (70, 170), (170, 250)])
    score = score_model(benchmark(data), model_of(data, X))
    assert score.value > 0.9


# --- errors ---------------------------------------------------------------------------------------


def test_too_few_images_for_the_components(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    with pytest.raises(InputError) as error:
        score_model(benchmark(data, n_components=25), model_of(data, X), Settings(limit=20))
    text = str(error.value)
    assert "20 images, of which 18 are left for training" in text
    assert "at least 29 images" in text
    assert "--limit" in text


def test_too_few_images_for_the_choice_of_a_step(linear):
    _, _, trials = linear
    data = brain(None, trials=trials)
    wide = np.random.default_rng(0).standard_normal((N, 40))
    model = two_step_model(data, wide, wide**2)
    with pytest.raises(InputError) as error:
        score_model(benchmark(data, n_components=25), model, Settings(limit=32))
    assert "32 images, of which 22 are left for training" in str(error.value)
    assert "at least 37 images" in str(error.value)
    assert score_model(benchmark(data, n_components=25), model, Settings(limit=37)).n_stimuli == 37


def test_least_number_of_images_is_enough(linear):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((29, 40))
    data = brain(rng.standard_normal((29, SITES)), objects=False)
    score = score_model(benchmark(data, n_components=25), model_of(data, X))
    assert score.n_stimuli == 29


def test_mismatched_ids_between_model_and_brain(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)

    @dataclass(frozen=True, kw_only=True)
    class Elsewhere(Known):
        def activations(self, pictures, layers, presentation=CONSTANT):
            return {
                layer: self._of(layer, self.responses[layer], [f"x{i}" for i in pictures.ids])
                for layer in layers
            }

    model = Elsewhere(**vars(model_of(data, X)))
    with pytest.raises(InputError, match=r"activations of known IT: of 80 stimuli 80 missing"):
        score_model(benchmark(data), model)


def test_mismatched_ids_between_stimuli_and_recordings(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    other = brain(None, trials=trials, ids=[f"y{k:03d}" for k in range(N)])
    crossed = ArrayData(name="Crossed", pictures=data.pictures, regions=other.regions)
    with pytest.raises(InputError, match="recordings of Crossed IT: of 80 stimuli 80 missing"):
        score_model(benchmark(crossed), model_of(data, X))


def test_layer_that_does_not_vary(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match="layer 'IT' responds the same to all 80 stimuli"):
        score_model(benchmark(data), model_of(data, np.full_like(X, 0.1)))


def test_all_sites_constant(linear):
    X, _, trials = linear
    data = brain(None, trials=np.ones_like(trials))
    with pytest.raises(InputError, match=r"all 6 sites of Known\.IT-pls respond the same"):
        score_model(benchmark(data), model_of(data, X))


def test_brainscore_needs_one_layer(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    model = Known(
        responses={"a": X[:, :, None], "b": X[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["a", "b"]},
    )
    with pytest.raises(InputError, match="2 layers for IT: a, b"):
        score_model(benchmark(data), model, Settings(protocol="brainscore"))
    assert {row["layer"] for row in score_model(benchmark(data), model).selection.curve} == {
        "a",
        "b",
    }


def test_data_without_the_region(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    wrong = ArrayData(name="Known", pictures=data.pictures, regions={"V4": data.regions["IT"]})
    with pytest.raises(UnknownNameError, match="region of Known"):
        score_model(benchmark(wrong), model_of(data, X))


def test_predict_is_what_the_score_used(linear):
    """The held-out rows of a fold come from a map that was fitted without them."""
    X, signal, _ = linear
    data = brain(signal)
    order = np.argsort(data.pictures.ids)
    score = score_model(benchmark(data), model_of(data, X))
    first = score.predictions.isel(sample=score.predictions.fold == 0)
    ids = np.asarray(data.pictures.ids)[order]
    test = np.flatnonzero(np.isin(ids, first.stimulus_id))
    train = np.setdiff1d(np.arange(N), test)
    (expected,) = cross_predict(X[order], signal[order], [(train, test)], n_components=3)
    got = first.predicted.values[np.argsort(first.stimulus_id.values)]
    np.testing.assert_allclose(got, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "settings", "known"),
    [
        ({}, {}, True),
        ({}, {"formula": "r/sqrt(c)"}, True),
        ({}, {"formula": "r/c"}, False),
        ({}, {"protocol": "brainscore"}, True),
        ({}, {"protocol": "brainscore", "formula": "raw"}, False),
        ({"metric": "ridge-cv"}, {}, True),
        ({"metric": "ridge-cv"}, {"formula": "r/sqrt(c)"}, False),
        ({"metric": "ridge"}, {}, False),
        ({"metric": "ridge-cv"}, {"protocol": "brainscore"}, False),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(options, settings, known):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6))
    signal = X @ rng.standard_normal((6, 4))
    data = brain(None, trials=signal + 0.5 * rng.standard_normal((6, 80, 4)))
    score = score_model(benchmark(data, **options), model_of(data, X), Settings(**settings))
    assert score.ci_approximate != known


# --- trials of which no halves can be made -----------------------------------------------------------


@pytest.fixture(scope="module")
def shown_once():
    """Four trials of every second image, one of the others: some half has nothing of these."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6))
    signal = X @ rng.standard_normal((6, 4))
    trials = signal + 0.5 * rng.standard_normal((4, 80, 4))
    gaps = trials.copy()
    gaps[1:, ::2] = np.nan
    data = brain(None, trials=trials)
    assembly = data.regions["IT"].copy(data=gaps).assign_attrs(missing="nan")
    return X, replace(data, regions={"IT": assembly})


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_a_raw_score_needs_no_halves_of_the_trials(shown_once, protocol):
    X, data = shown_once
    settings = Settings(protocol=protocol, formula="raw")
    score = score_model(benchmark(data), model_of(data, X), settings)
    assert score.value > 0.8
    assert score.ceiling is None
    assert score.n_units == 4
    assert "ceiling" not in score.per_unit.coords
    told = "no ceiling: 40 of 80 images without a trial in one half of the repetitions"
    assert score.record.notes[-1] == told


def test_a_formula_without_halves_of_the_trials_says_why(shown_once):
    X, data = shown_once
    score = score_model(benchmark(data), model_of(data, X), Settings(formula="r/sqrt(c)"))
    assert score.value is None
    assert score.reason == (
        "no ceiling, so no r/sqrt(c): "
        "40 of 80 images without a trial in one half of the repetitions"
    )
    with pytest.raises(
        InputError, match=r"none of 4 sites .* 4 have no reliability \(40 of 80 images"
    ):
        score_model(benchmark(data), model_of(data, X), Settings(floor=0.1))
