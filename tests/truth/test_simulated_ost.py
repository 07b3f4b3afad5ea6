"""Known truth of object solution times: the brain's own rates, a network without time, shuffled images."""

from dataclasses import replace

import pandas as pd
import pytest

from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.settings import Settings
from brainbench.metrics.correlation import rank_correlation
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.scoring.pipeline import score
from brainbench.simulate.brain import SimulatedBrain
from brainbench.stats.splits import paper
from brainbench_benchmarks.simulated import IT_ost
from brainbench_models.simulated import simulated_population, simulated_readout

pytestmark = pytest.mark.slow

R_SQRT = Settings(formula="r/sqrt(c)")


@pytest.fixture(scope="module")
def brain(session_cache):
    return SimulatedBrain()


@pytest.fixture(scope="module")
def table(brain):
    return brain.solution_times()


@pytest.fixture(scope="module")
def readout(session_cache):
    settings = replace(R_SQRT, null="images", null_draws=50)
    return score(IT_ost, simulated_readout(), settings)


def test_the_brain_solves_images_early_and_late(brain, table):
    assert isinstance(brain, HasSolutionTimes)
    assert list(table.columns) == ["stimulus_id", "i1", "ost"]
    assert tuple(table["stimulus_id"]) == brain.stimuli().ids
    assert 0.9 < table["ost"].notna().mean() < 1.0
    early, middle, late = table["ost"].quantile([0.1, 0.5, 0.9])
    assert 90 < early < middle < late < 170
    assert late - early > 40
    assert (table["i1"] > 0).all()


def test_the_same_brain_has_the_same_times(brain, table):
    pd.testing.assert_frame_equal(SimulatedBrain().solution_times(), table)


def test_images_that_are_solved_late_are_the_harder_ones(brain, table):
    """By the noiseless responses at 120-130 ms, when recurrence has only begun."""
    truth = brain.truth("IT")
    objects, ids = truth.coords["object_name"].values, truth.coords["stimulus_id"].values
    folds = paper(ids, objects)
    converged = Decoder(name="converged")
    found = decode_sensitivity([truth.values[:, :, 12]], objects, folds, decoder=converged)
    assert rank_correlation(found.sensitivity[0], table["ost"].to_numpy()) < -0.4


def test_thresholds_by_themselves_order_nothing(table):
    """Solution times of unrelated images, each crossing the threshold of the other, do not agree."""
    assert abs(rank_correlation(table["i1"].to_numpy(), table["ost"].to_numpy())) < 0.35


def test_the_true_readout_reaches_the_ceiling(readout):
    low, high = readout.ci
    assert low < 1.0 < high
    assert readout.raw > readout.ceiling > 0.5
    assert readout.figures["fraction_solved"] > 0.9


def test_the_population_comes_close(readout):
    result = score(IT_ost, simulated_population(), R_SQRT)
    assert 0.8 < result.value < 1.05
    assert result.ceiling == readout.ceiling


def test_shuffled_images_score_nothing(readout):
    null = readout.null
    assert abs(null["mean"]) < 0.1
    assert null["sd"] < 0.1
    assert null["p"] == null["resolution"]
    assert readout.value > null["mean"] + 8 * null["sd"]


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_a_network_without_time_scores_zero(session_cache, protocol):
    def halved(images):
        return {"IT": images.reshape(len(images), -1)}

    model = wrap(
        halved,
        name="static",
        weights="none",
        layers={"IT": "IT"},
        preprocess=Preprocess(name="small", size=(8, 8)),
        fingerprint="static",
    )
    result = score(IT_ost, model, Settings(protocol=protocol))
    assert result.value == 0.0
    assert result.figures["reason"] == "static model"


def test_both_protocols_find_the_truth(readout):
    result = score(IT_ost, simulated_readout(), Settings(protocol="brainscore"))
    assert result.raw == pytest.approx(readout.raw, abs=0.15)
    assert result.formula == "r/c-v1"
