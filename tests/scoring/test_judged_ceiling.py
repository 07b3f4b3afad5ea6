"""Nothing is divided by a ceiling whose 95 % interval holds 0, whatever the measure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known import Known, brain, model_of
from known import benchmark as predictivity
from subjects import (
    STRONG,
    AnswerData,
    SolvingData,
    TrialData,
    behavior_benchmark,
    category_answers,
    pictures,
    two_way_trials,
)

from brainbench.core import assembly
from brainbench.core.model import BEHAVIOR
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.pipeline import score
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.measure import SolutionTimes

N, SITES = 50, 12
BINS = [(10.0 * k, 10.0 * (k + 1)) for k in range(4)]
CLOCK = Timeline(name="steps", source="test", steps={"IT": BINS})
MEASURES = {
    "pls": Predictivity(n_components=3),
    "rsa": Similarity(metric="rsa"),
    "cka": Similarity(metric="cka"),
    "cka-biased": Similarity(metric="cka-biased"),
}


def recorded(name, *, seed, signal=0.0):
    """Benchmark and model: trials of noise, and of the model's units where there is a signal."""
    rng = np.random.default_rng(seed)
    trials, X = rng.standard_normal((6, N, SITES)), rng.standard_normal((N, 25))
    data = brain(None, trials=trials + signal * X[:, :SITES])
    return replace(predictivity(data), measure=MEASURES[name]), model_of(data, X)


def over_time(*, seed, silent):
    """Sites that respond in all bins but the silent ones."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 8, len(BINS)))
    signal = X * ~np.isin(np.arange(len(BINS)), silent)
    data = brain(None, trials=signal + rng.standard_normal((6, *X.shape)), time=BINS)
    model = Known(
        responses={"IT": X},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"steps": CLOCK},
        static=False,
    )
    measure = Dynamics(n_splits=2, solver="neuron-to-neuron", scored=(0, 40))
    return replace(predictivity(data), measure=measure, window=(0, 40)), model


def choosing(measure, *, seed):
    """Subjects whose answers do not depend on the image."""
    rng = np.random.default_rng(seed)
    truth = np.arange(48) % 4
    objects, ids = np.array(["cat", "cow", "dog", "hen"])[truth], [f"im{k:03d}" for k in range(48)]
    shown = {"name": "Known", "pictures": pictures(ids, object_name=objects), "regions": {}}
    if isinstance(measure, I2n):
        fraction = np.where(np.arange(4) == truth[:, None], np.nan, 0.8)
        data = TrialData(table=two_way_trials(fraction, ids, objects, n=12, seed=seed), **shown)
    else:
        p = np.full((48, 4), 0.25)
        data = AnswerData(table=category_answers(p, ids, objects, n_subjects=8, seed=seed), **shown)
    X = rng.standard_normal((48, 8))
    model = Known(responses={"top": X[:, :, None]}, ids=ids, areas={BEHAVIOR: ["top"]})
    return behavior_benchmark(data, measure), model


def assert_not_above_0(found, *names):
    """No value; c is above 0 by chance, its interval holds 0, and the reason has both."""
    assert (found.value, found.ci, found.draws, found.status) == (None, None, None, "failed")
    assert (found.ceiling > 0, found.ceiling_above_0) == (True, False)
    for name in (f"{found.ceiling:.3f}", *names):
        assert name in found.reason


@pytest.mark.parametrize(
    ("name", "seed", "c", "divided"),
    [("pls", 8, 0.006, 0.67), ("rsa", 0, 0.009, -0.40), ("cka", 3, 0.005, -0.31)],
)
def test_a_silent_brain_has_no_value(name, seed, c, divided):
    """`divided` is what r/sqrt(c) would be."""
    found = score(*recorded(name, seed=seed), Settings(formula="r/sqrt(c)"))
    assert found.ceiling == pytest.approx(c, abs=5e-4)
    assert found.raw / np.sqrt(found.ceiling) == pytest.approx(divided, abs=5e-3)
    assert_not_above_0(found, "r/sqrt(c)", f"{found.ceiling_ci[1]:.3f}")
    assert found.ceiling_ci[0] <= 0


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_a_ceiling_below_0_has_no_value_under_any_protocol(protocol):
    settings = Settings(formula="r/sqrt(c)", protocol=protocol)
    found = score(*recorded("cka", seed=4), settings)
    assert found.ceiling < 0
    assert (found.status, found.ceiling_above_0, found.ceiling_ci) == ("failed", False, None)
    assert f"{found.ceiling:.3f}" in found.reason


def test_the_biased_cka_is_judged_by_the_unbiased_one():
    found = score(*recorded("cka-biased", seed=0), Settings(formula="r/sqrt(c)"))
    assert found.ceiling_ci[0] > 0.2  # of halves that have nothing in common
    assert_not_above_0(found, "unbiased CKA")
    good = score(*recorded("cka-biased", seed=0, signal=1.0), Settings(formula="r/sqrt(c)"))
    assert (good.status, good.ceiling_above_0) == ("scored", True)


@pytest.mark.parametrize("name", MEASURES)
def test_a_ceiling_above_0_has_its_interval(name):
    found = score(*recorded(name, seed=1, signal=1.0), Settings(formula="r/sqrt(c)"))
    low, high = found.ceiling_ci
    assert 0 < low < found.ceiling < high
    assert (found.status, found.ceiling_above_0) == ("scored", True)
    raw = score(*recorded(name, seed=1, signal=1.0), Settings(formula="raw"))
    assert (raw.ceiling_ci, raw.ceiling_above_0) == (None, None)


@pytest.mark.parametrize(("name", "seed"), [("pls", 8), ("cka", 7)])
def test_brain_score_keeps_its_figure_with_the_mark(name, seed):
    settings = Settings(formula="r/sqrt(c)", protocol="brainscore")
    found = score(*recorded(name, seed=seed), settings)
    assert found.status == "scored"
    assert found.value == pytest.approx(found.raw / np.sqrt(found.ceiling), rel=1e-9)
    assert found.ceiling_above_0 is False
    assert found.row()["ceiling_above_0"] is False


def test_a_ceiling_is_judged_where_nobody_wants_an_interval_of_images():
    settings = Settings(formula="r/sqrt(c)", resample="units")
    assert_not_above_0(score(*recorded("cka", seed=3), settings))
    good = score(*recorded("cka", seed=3, signal=1.0), settings)
    assert (good.status, good.ci, good.ceiling_above_0) == ("scored", None, True)


def test_each_declared_time_bin_is_judged():
    settings = Settings(formula="r/sqrt(c)")
    whole = score(*over_time(seed=0, silent=[]), settings)
    assert (whole.ceiling_above_0, whole.status) == (True, "scored")
    for seed in range(6):
        found = score(*over_time(seed=seed, silent=[2]), settings)
        assert found.value is None
        assert "from 20 ms" in found.reason
        if found.figures["c"][2] > 0:
            assert found.ceiling_above_0 is False
            assert found.ceiling_ci[0] > 0  # the mean over bins tells nothing
            break
    else:
        pytest.fail("no c above 0 by chance")


@pytest.mark.parametrize(("measure", "seed"), [(I2n, 0), (CategoryChoices, 3)])
def test_subjects_who_see_nothing_are_no_ceiling(measure, seed):
    chosen = measure(readout=STRONG, n_splits=4)
    found = score(*choosing(chosen, seed=seed), Settings(formula="r/sqrt(c)"))
    assert_not_above_0(found, f"{found.ceiling_ci[1]:.3f}")
    assert found.ceiling_ci[0] <= 0


def test_the_absolute_kappa_of_subjects_is_judged_with_its_sign():
    measure = ErrorConsistency(readout=STRONG, n_splits=4)
    found = score(*choosing(measure, seed=0), Settings(protocol="brainscore"))
    assert (found.status, found.ceiling_above_0) == ("scored", False)
    assert found.ceiling_ci[0] > 0  # of the absolute value


def test_solution_times_of_halves_that_order_nothing_are_no_ceiling():
    """The brain has an image's object in all time bins alike; its published times are those of the model."""
    rng = np.random.default_rng(0)
    onset, times = rng.uniform(10, 40, N), np.arange(0, 60, 10)
    centers = 1.5 * rng.standard_normal((4, 12))[np.arange(N) % 4]
    visible = 1 / (1 + np.exp(-(times - onset[:, None]) / 6))
    X = centers[:, :, None] * visible[:, None] + 0.3 * rng.standard_normal((N, 12, 1))
    ids = [f"im{k:03d}" for k in range(N)]
    bins = [(float(start), start + 10.0) for start in times]
    recorded = assembly.make(
        centers[:, :, None] + 4.0 * rng.standard_normal((6, N, 12, len(bins))),
        stimulus={"stimulus_id": ids},
        neuroid={"neuroid_id": [f"site{k}" for k in range(12)]},
        repetitions=True,
        time=bins,
        units="spikes",
    )
    data = SolvingData(
        name="Known",
        pictures=pictures(ids, object_name=[f"obj{k % 4}" for k in range(N)]),
        regions={"IT": recorded},
        table=pd.DataFrame({"stimulus_id": ids, "i1": 1.0, "ost": onset + 10}),
    )
    clock = Timeline(name="steps", source="test", steps={"IT": bins})
    model = Known(
        responses={"IT": X}, ids=ids, areas={"IT": ["IT"]}, clocks={"steps": clock}, static=False
    )
    measure = SolutionTimes(decoder="converged", n_splits=5, n_halves=2)
    declared = replace(predictivity(data), measure=measure, window=(0, 60))
    found = score(declared, model, Settings(formula="r/sqrt(c)", null="none"))
    assert found.raw > 0.5
    assert_not_above_0(found, f"{found.ceiling_ci[1]:.3f}")
