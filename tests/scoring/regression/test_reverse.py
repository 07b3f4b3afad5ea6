"""Reverse predictivity: sites predict units, against scikit-learn, on known truth, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known, benchmark, brain, context_of, model_of
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

import brainbench
from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.metrics.linear.ridge import RELATIVE
from brainbench.run.variants import named_variant, with_metric
from brainbench.scoring.pipeline import score_context
from brainbench.scoring.regression.reverse import ReversePredictivity, units_of
from brainbench.stats.ceiling import halves_by_image, spearman_brown

TRIALS = 8


def world(*, n=80, sites=6, units=9, noise=1.0, seed=0, trials=TRIALS):
    """Sites with independent signals, their trials, and units that each read one of these signals."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, sites))
    noisy = signal + noise * rng.standard_normal((trials, n, sites))
    data = brain(None, trials=noisy)
    return data, signal[:, np.arange(units) % sites], noisy


def declared(data, **options):
    return replace(
        benchmark(data),
        measure=ReversePredictivity(**{"n_splits": 4, "n_components": 3, **options}),
    )


def scored(data, model, *, options=None, **settings):
    return score_context(context_of(declared(data, **(options or {})), model, **settings))


# --- oracle ----------------------------------------------------------------------------------------


def by_id(data, *columns):
    order = np.argsort(data.pictures.ids)
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    return objects, *(column[order] for column in columns)


def test_paper_is_ridge_of_scikit_learn():
    data, units, noisy = world()
    score = scored(data, model_of(data, units))
    objects, X, Y = by_id(data, noisy.mean(axis=0), units)
    r = []
    for train, test in StratifiedKFold(4, shuffle=True, random_state=0).split(X, objects):
        unit = X[train].var(axis=0).sum() * len(train) / (len(train) - 1)
        fitted = [RidgeCV(alphas=RELATIVE * unit).fit(X[train], y[train]) for y in Y.T]
        r.append(
            [
                np.corrcoef(f.predict(X[test]), y[test])[0, 1]
                for f, y in zip(fitted, Y.T, strict=True)
            ]
        )
    assert score.value == score.raw == pytest.approx(np.median(r, axis=1).mean(), abs=1e-6)
    np.testing.assert_allclose(score.per_unit.values, np.mean(r, axis=0), atol=1e-6)
    assert (score.ceiling, score.formula) == (None, "raw-v1")


def test_brainscore_is_pls_of_scikit_learn_and_its_own_ceiling():
    data, units, noisy = world()
    score = scored(data, model_of(data, units), protocol="brainscore")
    objects, X, Y = by_id(data, noisy.mean(axis=0), units)
    splits = StratifiedShuffleSplit(4, train_size=0.9, random_state=1).split(X, objects)
    medians = []
    for drawn in splits:
        train, test = map(np.sort, drawn)
        fitted = PLSRegression(3, scale=False, tol=1e-12, max_iter=10_000).fit(X[train], Y[train])
        predicted = fitted.predict(X[test])
        medians.append(
            np.median(
                [np.corrcoef(p, y)[0, 1] for p, y in zip(predicted.T, Y[test].T, strict=True)]
            )
        )
    assert score.raw == pytest.approx(np.mean(medians), abs=1e-4)
    [c] = [consistency(by_id(data, np.moveaxis(noisy, 0, 1))[1])]
    assert score.ceiling == pytest.approx(c, abs=1e-9)
    assert score.value == pytest.approx(score.raw**2 / c, abs=1e-9)
    assert score.error == pytest.approx(np.std(medians) / 2, abs=1e-4)


def consistency(by_image):
    """Return the mean over splits of the median over sites of r of halves, corrected, image by image."""
    rng, values = np.random.default_rng(0), []
    for _ in range(10):
        halves = [[], []]
        for own in by_image:  # trial x site
            drawn = rng.permutation(np.arange(len(own)))
            halves[0].append(own[drawn[: len(own) // 2]].mean(axis=0))
            halves[1].append(own[drawn[len(own) // 2 :]].mean(axis=0))
        pairs = zip(*(np.array(half).T for half in halves), strict=True)
        r = np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])
        values.append(np.median(2 * r / (1 + r)))
    return np.mean(values)


# --- known truth -----------------------------------------------------------------------------------


def test_a_unit_that_is_a_site_is_predicted_as_well_as_the_site_is_measured():
    data, units, _ = world(n=600, sites=8, units=16)
    score = scored(data, model_of(data, units))
    assert score.value == pytest.approx(np.sqrt(1 / (1 + 1 / TRIALS)), abs=0.01)
    trials = score.figures["curves"]["trials"]
    assert [point["n"] for point in trials] == [2, 4, 8]
    for point in trials:
        assert point["raw"] == pytest.approx(np.sqrt(1 / (1 + 1 / point["n"])), abs=0.015)
    sites = score.figures["curves"]["sites"]
    assert [point["n"] for point in sites] == [2, 4, 8]
    assert sites[-1]["raw"] == score.raw
    assert sites[0]["raw"] < sites[2]["raw"] - 0.3  # most units read a site that is left out


def test_a_model_with_more_than_the_brain_predicts_it_and_is_not_predicted():
    data, units, _ = world(n=200)
    own = np.random.default_rng(1).standard_normal((200, 30))
    model = model_of(data, np.concatenate([units, own], axis=1))
    forward = score_context(context_of(benchmark(data, metric="ridge-cv", n_splits=4), model))
    backward = scored(data, model)
    assert forward.value > 0.7
    assert abs(backward.value) < 0.2


def test_unrelated_units_are_at_the_null():
    data, _, _ = world(n=80)
    own = np.random.default_rng(1).standard_normal((80, 30))
    score = scored(data, model_of(data, own), null="images", null_draws=19)
    assert abs(score.value) < 0.15
    assert score.null["p"] > 0.05
    related = scored(data, model_of(data, world()[1]), null="images", null_draws=19)
    assert related.null["p"] == 0.05


# --- properties ------------------------------------------------------------------------------------


def test_scales_and_order_of_units_change_nothing():
    data, units, _ = world()
    rng = np.random.default_rng(2)
    moved = (units * rng.uniform(0.1, 9.0, units.shape[1]) + 5.0)[:, ::-1]
    first, second = (scored(data, model_of(data, one)) for one in (units, moved))
    assert first.value == pytest.approx(second.value, abs=1e-9)
    assert first.ci[0] < first.value < first.ci[1]


def test_units_that_do_not_vary_are_omitted():
    data, units, _ = world()
    score = scored(data, model_of(data, np.concatenate([units, np.ones((80, 4))], axis=1)))
    assert score.excluded == {"constant response": 4}
    assert (score.n_units, score.value) == (9, scored(data, model_of(data, units)).value)
    with pytest.raises(InputError, match="the same to all stimuli"):
        scored(data, model_of(data, np.ones((80, 4))))


def test_of_many_units_some_are_drawn_by_the_seed():
    data, units, _ = world(units=60)
    model = model_of(data, units)
    score = scored(data, model, options={"most_units": 20})
    assert score.excluded == {"not among the units that were drawn": 40}
    assert score.record.choices["units"] == 20
    again, other = (scored(data, model, options={"most_units": 20}, seed=seed) for seed in (0, 1))
    assert again.per_unit.neuroid_id.values.tolist() == score.per_unit.neuroid_id.values.tolist()
    assert other.per_unit.neuroid_id.values.tolist() != score.per_unit.neuroid_id.values.tolist()


def test_units_are_read_in_chunks(monkeypatch):
    data, units, _ = world(units=60)
    context = context_of(declared(data), model_of(data, units))
    [[candidate]] = context.benchmark.measure.candidates(
        context, context.benchmark.measure.target(context)
    )
    whole = units_of(candidate, most=20, seed=0)
    monkeypatch.setattr("brainbench.scoring.layer_candidates.COLUMNS", 7)
    parts = units_of(candidate, most=20, seed=0)
    np.testing.assert_array_equal(whole.values, parts.values)
    np.testing.assert_array_equal(whole.numbers, parts.numbers)
    order = np.argsort(data.pictures.ids)
    np.testing.assert_array_equal(whole.values, units[order][:, whole.numbers])


def test_a_layer_is_selected_inside_the_training_images():
    data, units, _ = world()
    noise = np.random.default_rng(3).standard_normal((80, 12))
    model = Known(
        responses={"noise": noise[:, :, None], "good": units[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["noise", "good"]},
    )
    score = scored(data, model, options={"n_inner": 2})
    assert score.selection.layer == "good"
    assert [row["chosen_in_folds"] for row in score.selection.curve] == [0, 4]
    assert score.value == scored(data, model_of(data, units)).value


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_a_figure_of_counts_is_that_of_repeated_images(protocol):
    data, units, _ = world(n=40, trials=4)
    context = context_of(declared(data), model_of(data, units), protocol=protocol)
    measure = context.benchmark.measure
    target = measure.target(context)
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    counts = np.random.default_rng(0).integers(1, 4, (1, 40)).astype(float)
    [fit] = evaluation.fits
    [held_out] = evaluation._predicted
    medians = []
    for fold, predicted in zip(fit.folds, held_out, strict=True):
        times = counts[0, fold.test].astype(int)
        rows = np.repeat(np.arange(len(fold.test)), times)
        observed = fit.units[0].values[fold.test]
        r = [np.corrcoef(predicted[rows, k], observed[rows, k])[0, 1] for k in range(9)]
        medians.append(np.median(r))
    figure = evaluation.figure(counts)
    assert figure.mean_raw() == pytest.approx(np.mean(medians), abs=1e-9)
    if protocol == "brainscore":
        rows = np.repeat(np.arange(40), counts[0].astype(int))
        first, second = halves_by_image(fit.target.trials)
        r = [
            [np.corrcoef(a[rows, k], b[rows, k])[0, 1] for k in range(6)]
            for a, b in zip(first, second, strict=True)
        ]
        expected = np.median(spearman_brown(r), axis=1).mean()
        assert figure.mean_ceiling() == pytest.approx(expected, abs=1e-9)


def test_halves_of_images_with_unequal_trials():
    trials = np.random.default_rng(0).standard_normal((5, 3, 2))
    trials[3:, 1] = np.nan
    trials[1:, 2] = np.nan
    first, second = halves_by_image(trials, n_splits=2)
    assert first.shape == (2, 3, 2)
    np.testing.assert_allclose(2 * first[:, 0] + 3 * second[:, 0], [5 * trials[:, 0].mean(0)] * 2)
    np.testing.assert_allclose(first[:, 1] + 2 * second[:, 1], [3 * trials[:3, 1].mean(0)] * 2)
    assert np.isnan(first[:, 2]).all()


# --- names and what is refused ---------------------------------------------------------------------


def test_it_is_a_metric_of_predictivity():
    [variant] = named_variant("Simulated.IT-pls+reverse")
    assert variant.identifier == "Simulated.IT-pls+reverse"
    assert variant.measure == ReversePredictivity()
    data, units, _ = world()
    [same] = with_metric([benchmark(data, n_splits=4)], "reverse")
    model = model_of(data, units)
    score = brainbench.score(model, benchmark(data, n_splits=4), metric="reverse")
    assert (score.benchmark, score.version) == (same.identifier, 1)
    assert score.value == scored(data, model).value
    with pytest.raises(UnknownNameError, match="revers'"):
        with_metric([benchmark(data)], "revers")


def test_nothing_is_divided_by_the_root_of_c():
    data, units, _ = world()
    model = model_of(data, units)
    for protocol, formula in (
        ("paper", "r/sqrt(c)"),
        ("paper", "r2/c"),
        ("brainscore", "r/sqrt(c)"),
    ):
        with pytest.raises(NotApplicableError, match="without noise"):
            scored(data, model, protocol=protocol, formula=formula)


def test_without_trials_there_is_no_ceiling_and_no_curve_of_trials():
    data, units, noisy = world()
    averaged = brain(noisy.mean(axis=0), ids=list(data.pictures.ids))
    score = scored(averaged, model_of(averaged, units))
    assert score.status == "scored"
    assert score.figures["curves"]["trials"] == []
    failed = scored(averaged, model_of(averaged, units), protocol="brainscore")
    assert (failed.status, failed.value) == ("failed", None)
    assert "two trials" in failed.reason


def test_too_few_images_and_no_units():
    data, units, _ = world()
    with pytest.raises(InputError, match="at least"):
        scored(data, model_of(data, units), limit=5)
    with pytest.raises(InputError, match=r"6 sites of .* PLS with 7 components"):
        scored(data, model_of(data, units), options={"n_components": 7}, protocol="brainscore")
    with pytest.raises(InputError, match="at most 0 units"):
        ReversePredictivity(most_units=0)
