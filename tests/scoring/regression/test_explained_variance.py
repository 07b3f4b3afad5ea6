"""The road from trials and activations to CC_norm^2."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known, brain, context_of, model_of
from known import benchmark as predictivity
from several import several
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from brainbench.core import assembly
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.metrics.explained_variance import ccnorm
from brainbench.metrics.explained_variance.ccnorm import CONSTANT, NO_SIGNAL
from brainbench.metrics.linear import ridge
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.stats.permutation import shuffles

N, SITES, TRIALS = 100, 6, 8
TWO_STEPS = Timeline(name="two", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True)


def benchmark(data, **options):
    return replace(predictivity(data), measure=ExplainableVariance(**options))


@pytest.fixture
def linear():
    """Features and trials of sites that are linear in them, with noise."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 12)) * np.geomspace(3, 0.3, 12)
    signal = X @ rng.standard_normal((12, SITES))
    return X, signal, signal + 4.0 * rng.standard_normal((TRIALS, N, SITES))


def sets_of(data, model):
    context = context_of(benchmark(data), model)
    return context.benchmark.measure.stimulus_sets(context)


def in_order(data, values):
    return values[..., np.argsort(data.pictures.ids), :]


def from_predictions(score, trials):
    """CC_norm^2 of each site from what the score stores, by the formulas of the metric."""
    table = score.predictions
    per_fold = []
    for _, fold in table.groupby("fold"):
        r = [
            np.corrcoef(fold.predicted[:, k], fold.target[:, k])[0, 1]
            for k in range(table.sizes["neuroid"])
        ]
        per_fold.append(r)
    n = len(trials)
    power = (trials.sum(axis=0).var(axis=0, ddof=1) - trials.var(axis=1, ddof=1).sum(axis=0)) / (
        n * (n - 1)
    )
    return np.mean(np.array(per_fold) ** 2 * trials.mean(axis=0).var(axis=0) / power, axis=0)


def test_value_is_the_mean_over_sites_and_folds(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X))
    expected = from_predictions(score, in_order(data, trials))
    np.testing.assert_allclose(score.per_unit.values, expected, rtol=1e-9)
    assert score.value == pytest.approx(expected.mean(), rel=1e-9)
    assert score.formula == "r2/c-v1"
    assert score.protocol == "paper"
    assert (score.n_units, score.n_excluded, score.excluded) == (SITES, 0, {})


def test_predictions_equal_a_slow_program_of_scikit_learn(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X), Settings(seed=5))
    Xs, Y = in_order(data, X), in_order(data, trials).mean(axis=0)
    ids = np.sort(data.pictures.ids)
    folds = [fold for _, fold in score.predictions.groupby("fold")]
    splits = KFold(5, shuffle=True, random_state=5).split(Xs)
    for (train, test), fold in zip(splits, folds, strict=True):
        assert fold.stimulus_id.values.tolist() == ids[test].tolist()
        centered = Xs[train] - Xs[train].mean(axis=0)
        penalties = ridge.RELATIVE * Xs[train].var(axis=0, ddof=1).sum()
        fit = RidgeCV(penalties, alpha_per_target=True).fit(centered, Y[train])
        expected = fit.predict(Xs[test] - Xs[train].mean(axis=0))
        np.testing.assert_allclose(fold.predicted, expected, atol=1e-8)


def test_schoppe_takes_the_held_out_predictions_together(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data, variant="schoppe"), model_of(data, X))
    where = {i: k for k, i in enumerate(np.sort(data.pictures.ids))}
    predicted = np.empty((N, SITES))
    predicted[[where[i] for i in score.predictions.stimulus_id.values]] = (
        score.predictions.predicted
    )
    expected = ccnorm.schoppe(in_order(data, trials), predicted)
    np.testing.assert_allclose(score.per_unit.values, expected.cc_norm**2, rtol=1e-10)
    np.testing.assert_allclose(score.per_unit.cc_norm, expected.cc_norm, rtol=1e-10)
    np.testing.assert_allclose(score.per_unit.spe, expected.spe, rtol=1e-10)
    assert score.value == pytest.approx(np.nanmean(expected.cc_norm**2), rel=1e-10)
    assert score.figures["cc_norm2"]["schoppe"] == pytest.approx(score.value, rel=1e-12)
    assert score.figures["test_images"] == [N]


def test_jackknife_leaves_trials_out_of_the_held_out_predictions(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X))
    table = score.predictions.sortby("stimulus_id")
    expected = ccnorm.jackknife(in_order(data, trials), table.predicted.values)
    found = score.figures["cc_norm_jackknife"]
    assert found["mean"] == pytest.approx(expected.estimate.mean(), rel=1e-10)
    assert found["error_of_a_site"] == pytest.approx(np.median(expected.error), rel=1e-10)
    assert 0 < found["error_of_a_site"] < 0.2
    two = brain(None, trials=trials[:2], objects=False)
    nothing = score_model(benchmark(two), model_of(two, X)).figures["cc_norm_jackknife"]
    assert nothing == {"mean": None, "error_of_a_site": None}


def test_both_variants_are_told(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    paper, schoppe = (
        score_model(benchmark(data, variant=name), model_of(data, X))
        for name in ("paper", "schoppe")
    )
    assert paper.figures["cc_norm2"] == schoppe.figures["cc_norm2"]
    assert paper.value == pytest.approx(paper.figures["cc_norm2"]["paper"])
    assert (paper.record.choices["variant"], schoppe.record.choices["variant"]) == (
        "paper",
        "schoppe",
    )


def test_every_site_has_its_figures(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X))
    unit = score.per_unit
    np.testing.assert_allclose(unit.ceiling, unit.cc_max**2)
    assert score.ceiling == pytest.approx(float(unit.ceiling.mean()))
    signed = unit.cc_norm * unit.cc_max
    assert score.raw == pytest.approx(float(signed.mean()))
    assert score.figures["cc_norm"]["median"] == pytest.approx(float(unit.cc_norm.median()))
    assert score.figures["spe"]["mean"] == pytest.approx(float(unit.spe.mean()))
    chance = np.mean(1 / (19 * unit.ceiling))
    assert score.figures["chance_level"] == pytest.approx(float(chance))
    assert score.figures["trials_used"] == {"least": TRIALS, "most": TRIALS}


@pytest.mark.parametrize(("formula", "power"), [("raw", 0), ("r/c", 2), ("r/sqrt(c)", 1)])
def test_another_formula_on_request(linear, formula, power):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X), Settings(formula=formula))
    r = score.per_unit.cc_norm * score.per_unit.cc_max
    np.testing.assert_allclose(score.per_unit.values, r / score.per_unit.cc_max**power, rtol=1e-10)


def test_the_interval_of_images_and_units_is_the_widest(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    widths = {}
    for what in ("images", "units", "both"):
        low, high = score_model(benchmark(data), model_of(data, X), Settings(resample=what)).ci
        widths[what] = high - low
    assert widths["both"] >= max(widths["images"], widths["units"]) * (1 - 1e-9) > 0


def test_shuffled_images_score_the_permutation_mean(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    model = model_of(data, X)
    score = score_model(benchmark(data), model, Settings(null="images", null_draws=60))
    assert score.null["kind"] == "images"
    assert score.null["p"] == score.null["resolution"] == pytest.approx(1 / 61)
    assert score.null["mean"] == pytest.approx(score.figures["chance_level"], rel=0.2)
    shuffled = brain(None, trials=trials[:, np.random.default_rng(1).permutation(N)])
    nothing = score_model(benchmark(shuffled), model, Settings(null="images", null_draws=60))
    assert abs(nothing.value - nothing.null["mean"]) < 4 * nothing.null["sd"]
    assert nothing.null["p"] > 0.02


def test_the_null_is_of_maps_that_were_fitted_again(linear):
    X, _, trials = linear
    data = brain(None, trials=trials)
    model = model_of(data, X)
    score = score_model(benchmark(data), model, Settings(null="within-object", null_draws=3))
    order = np.argsort(data.pictures.ids)
    objects = data.pictures.metadata["object_name"].to_numpy(str)[order]
    orders = shuffles(N, kind="within-object", objects=objects, n_draws=3)
    values = []
    for one in orders:
        mixed = np.empty_like(trials)
        mixed[:, order] = trials[:, order][:, one]
        values.append(score_model(benchmark(brain(None, trials=mixed)), model).value)
    assert score.null["mean"] == pytest.approx(np.mean(values), rel=1e-9)
    assert score.null["sd"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)


def test_pls_is_another_map(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data, metric="pls", n_components=3), model_of(data, X))
    assert score.record.choices["map"] == "PLS1"
    assert 0.5 < score.value < 1.1


def test_units_that_predict_the_sites_need_no_map(linear):
    _, signal, trials = linear
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data, metric="units"), model_of(data, 3.0 * signal - 1.0))
    assert score.value == pytest.approx(1.0, abs=0.05)
    opposite = score_model(benchmark(data, metric="units"), model_of(data, -signal))
    assert opposite.value == pytest.approx(score.value, rel=1e-9)
    assert opposite.figures["cc_norm"]["mean"] < -0.95
    mixed = score_model(benchmark(data, metric="units"), model_of(data, signal[:, ::-1]))
    assert mixed.value < 0.5
    null = score_model(
        benchmark(data, metric="units"), model_of(data, signal), Settings(null="images")
    ).null
    assert null["mean"] == pytest.approx(score.figures["chance_level"], rel=0.2)


def test_step_is_chosen_within_the_training_images(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    noise = np.random.default_rng(9).standard_normal(X.shape)
    model = Known(
        responses={"IT": np.stack([noise, X], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"paper": TWO_STEPS},
        static=False,
    )
    score = score_model(benchmark(data, n_components=3), model)
    assert score.selection.step == 1
    assert [row["chosen_in_folds"] for row in score.selection.curve] == [0, 5]
    alone = score_model(benchmark(data), model_of(data, X))
    assert score.value == pytest.approx(alone.value, rel=1e-12)


# --- sites that do not count ----------------------------------------------------------------------


def test_sites_without_a_signal_are_counted_with_the_reason(linear):
    X, _, trials = linear
    trials = trials.copy()
    trials[:, :, 1] = 4.0
    trials[1::2, :, 4] = -trials[::2, :, 4]
    data = brain(None, trials=trials, objects=False)
    score = score_model(benchmark(data), model_of(data, X))
    assert score.excluded == {CONSTANT: 1, NO_SIGNAL: 1}
    assert (score.n_units, score.n_excluded) == (SITES - 2, 2)
    assert np.flatnonzero(np.isnan(score.per_unit.values)).tolist() == [1, 4]
    kept = [0, 2, 3, 5]
    rest = score_model(
        benchmark(brain(None, trials=trials[:, :, kept], objects=False)), model_of(data, X)
    )
    np.testing.assert_allclose(score.per_unit.values[kept], rest.per_unit.values, rtol=1e-9)
    assert score.predictions.neuroid_id.values.tolist() == [f"site{k}" for k in kept]


def test_missing_trials_leave_the_first_ones_of_every_image(linear):
    X, _, trials = linear
    holes = trials.copy()
    holes[5:, ::4] = np.nan
    data = brain(None, trials=trials[:5], objects=False)
    short = replace(data, regions={"IT": with_holes(data, holes)})
    score = score_model(benchmark(short), model_of(data, X))
    five = score_model(benchmark(data), model_of(data, X))
    assert score.value == pytest.approx(five.value, rel=1e-9)
    assert score.figures["trials_used"] == {"least": 5, "most": 5}
    holes[1:, 3, 2] = np.nan
    fewer = score_model(
        benchmark(replace(data, regions={"IT": with_holes(data, holes)})), model_of(data, X)
    )
    assert fewer.excluded == {"fewer than two trials of some stimulus": 1}


def with_holes(data, trials):
    recorded = data.regions["IT"]
    return assembly.make(
        trials,
        stimulus={"stimulus_id": recorded.stimulus_id.values},
        neuroid={"neuroid_id": recorded.neuroid_id.values},
        repetitions=True,
        units="spikes/s",
        attrs={"missing": "nan"},
    )


def test_unreliable_sites_are_left_out_on_request(linear):
    X, _, trials = linear
    trials = trials.copy()
    trials[:, :, 0] += 60 * np.random.default_rng(2).standard_normal((TRIALS, N))
    data = brain(None, trials=trials, objects=False)
    everyone = score_model(benchmark(data), model_of(data, X))
    score = score_model(benchmark(data), model_of(data, X), Settings(floor=0.4))
    assert everyone.n_units + everyone.n_excluded == SITES
    assert score.n_units == SITES - 1
    assert sum(score.excluded.values()) == 1
    assert score.per_unit.ceiling.min() >= 0.4


def test_a_floor_above_every_site_is_named_as_the_cause(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    with pytest.raises(InputError) as told:
        score_model(benchmark(data), model_of(data, X), Settings(floor=0.999))
    for part in ("0.999", "6 sites of Known.IT-pls", "0.961"):
        assert part in told.value.got
    assert "--floor" in told.value.todo
    noise = brain(None, trials=np.full_like(trials, 2.0), objects=False)
    with pytest.raises(InputError, match=r"none of 6 sites .* has a signal: 6 with"):
        score_model(benchmark(noise), model_of(noise, X), Settings(floor=0.999))


def test_constant_prediction_counts_as_0_and_is_told(linear):
    _, signal, trials = linear
    data = brain(None, trials=trials, objects=False)
    predicted = signal.copy()
    predicted[:, 2] = 0.1
    score = score_model(benchmark(data, metric="units"), model_of(data, predicted))
    assert score.per_unit.values[2] == 0.0
    assert score.n_units == SITES
    assert score.figures["constant_predictions"] == 1
    assert score.value == pytest.approx(score.per_unit.values.mean())


# --- sessions -------------------------------------------------------------------------------------


def test_sessions_without_trials_are_left_out_with_the_reason():
    data, model = several(with_trials=["tuesday"])
    score = score_model(benchmark(data), model)
    alone = score_model(benchmark(replace(data.parts["tuesday"], name="Several")), model)
    assert (score.value, score.ci, score.n_stimuli) == (alone.value, alone.ci, 40)
    assert score.excluded == {"session without repeated trials": 12}
    assert (score.n_units, score.n_excluded) == (4, 12)
    assert score.record.choices["sessions_left_out"] == {"friday": 7, "monday": 5}
    (used,) = sets_of(data, model)
    assert all(i.startswith("tuesday/") for i in used.ids)


def test_sites_of_all_sessions_with_trials_are_put_together():
    data, model = several(with_trials=["tuesday", "friday"])
    score = score_model(benchmark(data), model)
    alone = {
        name: score_model(benchmark(data.parts[name]), model) for name in ("friday", "tuesday")
    }
    assert score.per_unit.session.values.tolist() == ["friday"] * 7 + ["tuesday"] * 4
    together = np.concatenate([one.per_unit.values for one in alone.values()])
    np.testing.assert_allclose(score.per_unit.values, together, rtol=1e-12)
    assert score.value == pytest.approx(together.mean())
    assert score.ci[0] < score.value < score.ci[1]
    assert [row["session"] for row in score.selection.curve] == ["friday", "tuesday"]
    assert score.figures["test_images"] == [10] * 5 + [8] * 5
    assert [len(stimuli) for stimuli in sets_of(data, model)] == [50, 40]
    assert (
        score_model(benchmark(data), model, Settings(null="images", null_draws=5)).null["n_draws"]
        == 5
    )


# --- errors ---------------------------------------------------------------------------------------


def test_no_session_with_trials():
    data, model = several()
    with pytest.raises(InputError, match=r"Known\.IT-pls: no session with repeated trials"):
        score_model(benchmark(data), model)
    with pytest.raises(InputError, match="only their mean is there"):
        score_model(benchmark(data.parts["monday"]), model)


def test_one_trial(linear):
    X, _, trials = linear
    data = brain(None, trials=trials[:1], objects=False)
    with pytest.raises(InputError, match="no session with repeated trials"):
        score_model(benchmark(data), model_of(data, X))


def test_no_site_with_a_signal(linear):
    X, _, trials = linear
    trials[1::2] = -trials[::2]
    data = brain(None, trials=trials, objects=False)
    with pytest.raises(InputError, match=r"none of 6 sites .*: 6 with no signal"):
        score_model(benchmark(data), model_of(data, X))
    noisy = brain(None, trials=trials[::2] + linear[1], objects=False)
    with pytest.raises(InputError, match=r"a floor of 0\.99: none of 6 sites"):
        score_model(benchmark(noisy), model_of(noisy, X), Settings(floor=0.99))


def test_sessions_that_share_a_neuroid_id():
    data, model = several(with_trials=["tuesday", "friday"], same_sites=True)
    with pytest.raises(InputError, match="4 duplicate neuroid_id"):
        score_model(benchmark(data), model)


@pytest.mark.parametrize(
    ("limit", "options", "message"),
    [
        (12, {}, r"12 images.*\b5 splits.*\b2(.|\n)*at least 15 images"),
        (
            20,
            {"metric": "pls", "n_components": 25},
            r"20 images.*\b16\b.*\n.*at least 33 images",
        ),
    ],
)
def test_too_few_images(linear, limit, options, message):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    with pytest.raises(InputError, match=message):
        score_model(benchmark(data, **options), model_of(data, X), Settings(limit=limit))


@pytest.mark.parametrize(("limit", "options"), [(15, {}), (33, {"metric": "pls"})])
def test_least_number_of_images_is_enough(linear, limit, options):
    _, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    wide = np.random.default_rng(0).standard_normal((N, 40))
    score = score_model(benchmark(data, **options), model_of(data, wide), Settings(limit=limit))
    assert (score.partial, score.n_stimuli) == (True, limit)


def test_units_that_are_not_as_many_as_sites(linear):
    X, _, trials = linear
    data = brain(None, trials=trials, objects=False)
    with pytest.raises(InputError, match=r"of \[12\] units for 6 sites, without a map"):
        score_model(benchmark(data, metric="units"), model_of(data, X))


@pytest.mark.parametrize("option", [{"variant": "hsu"}, {"metric": "lasso"}])
def test_unknown_options(option):
    (name,) = option
    with pytest.raises(UnknownNameError, match=f"unknown {name} of explainable variance"):
        ExplainableVariance(**option)
