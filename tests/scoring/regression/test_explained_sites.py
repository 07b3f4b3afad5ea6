"""Which sites and trials make CC_norm^2, how sites are averaged, and the intervals of both."""

from dataclasses import replace

import numpy as np
import pytest
from known import benchmark as predictivity
from known import brain, context_of, model_of
from several import several

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.metrics.explained_variance.ccnorm import FEW_TRIALS, NO_SIGNAL
from brainbench.metrics.explained_variance.unequal_trials import power_of_all
from brainbench.scoring.pipeline import score
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.stats.bootstrap import image_counts, unit_counts

N, SITES, TRIALS = 100, 8, 6


def benchmark(data, **options):
    return replace(predictivity(data), measure=ExplainableVariance(**options))


@pytest.fixture
def linear():
    """Features, and trials of sites that are linear in them, with noise."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 12)) * np.geomspace(3, 0.3, 12)
    signal = X @ rng.standard_normal((12, SITES))
    return X, signal + 6.0 * rng.standard_normal((TRIALS, N, SITES))


def evaluation_of(declared, model, **chosen):
    context = context_of(declared, model, **chosen)
    target = declared.measure.target(context)
    return declared.measure.evaluate(context, target, declared.measure.candidates(context, target))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_half_of_the_signal_is_half_whatever_share_of_sites_has_none(share):
    rng = np.random.default_rng(1)
    n_sites, n_images = 300, 250
    signal = rng.standard_normal((2, n_images, n_sites))
    scale = rng.lognormal(-1.0, 0.7, n_sites) * (np.arange(n_sites) >= share * n_sites)
    noise = rng.standard_normal((8, n_images, n_sites))
    data = brain(None, trials=signal.sum(axis=0) / np.sqrt(2) * scale + noise, objects=False)
    declared = benchmark(data, variant="schoppe", metric="units")
    found = score(declared, model_of(data, signal[0]), Settings(resample="units"))
    assert found.value == pytest.approx(0.5, abs=0.01)
    sites = found.figures["cc_norm2_sites"]
    assert sites["mean"] == pytest.approx(found.value, rel=1e-9)
    assert sites["median"] == pytest.approx(0.5, abs=0.02)
    assert found.figures["cc_norm"]["mean"] == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert found.figures["cc_raw2"]["mean"] < found.value
    assert found.excluded[NO_SIGNAL] >= share * n_sites


def test_a_brain_without_a_signal_has_no_value_even_if_a_site_has_one_by_chance():
    trials = np.random.default_rng(0).standard_normal((4, 60, 1000))
    data = brain(None, trials=trials, objects=False)
    with pytest.raises(InputError) as caught:
        score(benchmark(data, metric="units"), model_of(data, trials[0]))
    for part in ("2 of 1000 sites", "p < 0.001", "5e-05"):
        assert part in str(caught.value)


def test_a_session_without_a_signal_is_left_out():
    data, model = several(with_trials=["tuesday", "friday"])
    part = data.parts["friday"]
    noise = np.random.default_rng(0).standard_normal(part.regions["IT"].shape)
    silent = replace(part, regions={"IT": part.regions["IT"].copy(data=noise)})
    declared = benchmark(replace(data, parts=data.parts | {"friday": silent}))
    found = score(declared, model)
    alone = score(benchmark(replace(data.parts["tuesday"], name="Several")), model)
    assert (found.value, found.ci, found.n_stimuli) == (alone.value, alone.ci, alone.n_stimuli)
    assert found.excluded == {NO_SIGNAL: 7, "session without repeated trials": 5}
    assert found.record.choices["sessions_left_out"] == {"friday": 7, "monday": 5}
    floored = score(declared, model, Settings(floor=0.1))
    assert floored.value == found.value


# --- averages and their intervals -------------------------------------------------------------------


def test_the_interval_of_a_square_holds_its_value_near_chance(linear):
    """Of a model without any relation to the sites the draws of CC_norm^2 lie above it."""
    X, trials = linear
    data = brain(None, trials=trials, objects=False)
    model = model_of(data, np.random.default_rng(0).standard_normal(X.shape))
    found = score(benchmark(data), model, Settings(resample="images"))
    assert found.joint_draws["images"].mean() > 1.5 * found.value
    low, high = found.ci
    assert 0 <= low < found.value < high
    assert found.ci == pytest.approx(tuple(np.percentile(found.draws, [2.5, 97.5])), rel=1e-9)


def test_the_signed_figure_has_an_interval_that_may_hold_0(linear):
    X, trials = linear
    data = brain(None, trials=trials, objects=False)
    noise = model_of(data, np.random.default_rng(0).standard_normal(X.shape))
    found = score(benchmark(data), noise).figures
    names = ("cc_norm", "cc_norm2", "cc_raw2")
    assert set(found["intervals"]) == {f"{n}_{a}" for n in names for a in ("mean", "median")}
    for aggregate in ("mean", "median"):
        low, high = found["intervals"][f"cc_norm_{aggregate}"]
        assert low < 0 < high
        assert low < found["cc_norm"][aggregate] < high
        assert found["intervals"][f"cc_raw2_{aggregate}"][0] >= 0
    good = score(benchmark(data), model_of(data, X))
    low, high = good.figures["intervals"]["cc_norm_median"]
    assert 0 < low < good.figures["cc_norm"]["median"] < high
    assert good.figures["intervals"]["cc_norm2_mean"] == pytest.approx(list(good.ci), rel=1e-9)


def test_the_median_over_sites_is_a_value_with_its_own_draws(linear):
    X, trials = linear
    data = brain(None, trials=trials, objects=False)
    declared = benchmark(data, aggregate="median", formula="r/sqrt(c)")
    mean, found = (score(one, model_of(data, X)) for one in (benchmark(data), declared))
    assert found.value == pytest.approx(mean.figures["cc_norm"]["median"], rel=1e-12)
    assert found.value == pytest.approx(float(found.per_unit.median()), rel=1e-12)
    assert found.ceiling == pytest.approx(float(found.per_unit.ceiling.median()), rel=1e-12)
    assert found.ci == pytest.approx(mean.figures["intervals"]["cc_norm_median"], rel=1e-9)
    assert found.formula == "r/sqrt(c)-v1"
    assert found.record.choices["aggregate"] == "median"
    assert not mean.ci_approximate
    assert not found.ci_approximate


@pytest.mark.parametrize(
    ("options", "settings"),
    [({"variant": "schoppe"}, {"resample": "images"}), ({"metric": "pls", "n_components": 5}, {})],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(linear, options, settings):
    X, trials = linear
    data = brain(None, trials=trials, objects=False)
    assert score(benchmark(data, **options), model_of(data, X), Settings(**settings)).ci_approximate


def test_draws_of_a_median_are_medians_of_repeated_sites(linear):
    X, trials = linear
    data = brain(None, trials=trials, objects=False)
    declared = benchmark(data, aggregate="median", formula="r/sqrt(c)")
    evaluation = evaluation_of(declared, model_of(data, X))
    images = image_counts(data.pictures.ids, n_draws=3)
    units = unit_counts(SITES, n_draws=3)
    sites = evaluation.over_images(images).per_site("r/sqrt(c)")
    expected = [np.median(np.repeat(s, n.astype(int))) for s, n in zip(sites, units, strict=True)]
    np.testing.assert_allclose(evaluation.figure(images, units).value("r/sqrt(c)"), expected)
    null = score(declared, model_of(data, X), Settings(null="images", null_draws=20)).null
    assert abs(null["mean"]) < 3 * null["sd"]  # signed: its chance is 0


@pytest.mark.parametrize("name", ["aggregate", "trials"])
def test_an_unknown_option(name):
    with pytest.raises(UnknownNameError, match="third"):
        ExplainableVariance(**{name: "third"})


# --- images with unequal numbers of trials -----------------------------------------------------------


def test_all_trials_of_images_that_were_shown_unequally_often(linear):
    X, trials = linear
    shown = np.resize([2, 4, 6], N)
    holes = np.where(np.arange(TRIALS)[:, None, None] < shown[:, None], trials, np.nan)
    holes[1:, :, 0] = np.nan  # a site with one trial of each image
    data = brain(None, trials=trials, objects=False)
    recorded = data.regions["IT"].copy(data=holes)
    recorded.attrs["missing"] = "nan"
    data = replace(data, regions={"IT": recorded})
    first, found = (
        score(benchmark(data, trials=each), model_of(data, X)) for each in ("first", "all")
    )
    assert first.figures["trials_used"] == {"least": 2, "most": 2}
    assert found.figures["trials_used"] == {"least": 2, "most": 6}
    assert found.excluded == {FEW_TRIALS: 1}
    assert found.figures["cc_norm_jackknife"] == {"mean": None, "error_of_a_site": None}
    assert found.record.choices["trials"] == "all"
    expected = power_of_all(holes[:, np.argsort(data.pictures.ids)]).cc_max
    np.testing.assert_allclose(found.per_unit.cc_max.values, expected, rtol=1e-9)
    assert found.n_units > first.n_units  # more trials find a signal in more sites
    assert found.value == pytest.approx(first.value, abs=0.15)
    low, high = found.ci
    assert 0 < low < found.value < high
