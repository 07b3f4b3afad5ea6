"""Known truth over time: who reaches the ceiling of every bin, who has no dynamics, who is at zero."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from brainbench.core.model import BrainModel
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC
from brainbench.data.arrays import ArrayData
from brainbench.scoring.dynamics.evaluation import LEAST_RELIABILITY
from brainbench.scoring.pipeline import score
from brainbench.simulate.brain import SimulatedBrain
from brainbench_benchmarks.simulated import IT_dynamics, V4_dynamics
from brainbench_models.simulated import simulated_population, simulated_readout

pytestmark = pytest.mark.slow

CASES = {"V4": V4_dynamics, "IT": IT_dynamics}


@dataclass(frozen=True)
class Still:
    """A model whose responses are averaged over time: what a network without dynamics could know at best."""

    moving: BrainModel
    name: str = "still"
    weights: str = "none"
    static: bool = True
    presentations: tuple[str, ...] = ("constant", "pulse")
    digest: str = "still"

    @property
    def areas(self):
        return self.moving.areas

    @property
    def clocks(self):
        return {"static": STATIC}

    def activations(self, stimuli, layers, presentation):
        activations = self.moving.activations(stimuli, layers, presentation)
        return {layer: self._mean(states) for layer, states in activations.items()}

    def _mean(self, states):
        first = states.isel(time=[0])
        return first.copy(data=states.values[:, :, 7:].mean(axis=2, keepdims=True))


def own_unit(case, name):
    """Return the benchmark without a fitted map for the sites' own rates."""
    solver = "neuron-to-neuron" if name == "readout" else "ridge"
    return replace(case, measure=replace(case.measure, solver=solver))


@pytest.fixture(scope="module")
def brain(session_cache):
    return SimulatedBrain()


@pytest.fixture(scope="module")
def scores(brain):
    """Value of each model in each region, protocol paper."""
    models = {
        "readout": simulated_readout(),
        "map": simulated_readout(),
        "population": simulated_population(),
        "still": Still(simulated_population()),
    }
    by_model = {
        (region, name): score(own_unit(case, name).on(brain), model)
        for region, case in CASES.items()
        for name, model in models.items()
    }
    for region, case in CASES.items():
        without_wave = replace(case.measure, static_latency=None)
        benchmark = replace(case.on(brain), measure=without_wave)
        by_model[region, "held"] = score(benchmark, models["still"])
    return by_model


@pytest.mark.parametrize("region", CASES)
def test_the_true_readout_reaches_the_ceiling(scores, region):
    """Within half a hundredth: r over the 80 images of a quarter is lower by (1 - r^2) / 160 of itself."""
    readout = scores[region, "readout"]
    low, high = readout.ci
    assert low <= 1.0
    assert high >= 0.99
    assert readout.value == pytest.approx(1.0, abs=0.02)
    # A map that is fitted to 240 noisy responses costs some hundredths.
    assert 0.95 <= scores[region, "map"].value < readout.value


@pytest.mark.parametrize("region", CASES)
def test_every_bin_that_counts_reaches_its_own_known_ceiling(scores, brain, region):
    """Against the truth, not against the split-half: sqrt(signal / (signal + Poisson noise / trials))."""
    figures = scores[region, "readout"].figures
    truth, used = brain.truth(region).values, np.array(figures["bins_used"])
    signal, noise = truth.var(axis=0), truth.mean(axis=0) / brain.n_trials
    known = np.median(np.sqrt(signal / (signal + noise)), axis=0)[used]
    assert used.sum() >= 5
    np.testing.assert_allclose(np.array(figures["r"])[used] / known, 1.0, atol=0.06)


@pytest.mark.parametrize("region", CASES)
def test_the_split_half_of_each_bin_finds_the_reliability(scores, brain, region):
    truth = brain.truth(region).values
    signal, noise = truth.var(axis=0), truth.mean(axis=0) / brain.n_trials
    known = np.median(signal / (signal + noise), axis=0)
    c = np.array(scores[region, "readout"].figures["c"])
    np.testing.assert_allclose(c, known, atol=0.05)
    assert (c[known < 0.01] < LEAST_RELIABILITY).all()
    ranks = np.array(scores[region, "readout"].figures["c_spearman"])
    # Rates are skewed, so that ranks are less reliable than counts.
    assert (ranks[known > 0.2] - known[known > 0.2]).mean() < -0.01


@pytest.mark.parametrize("region", CASES)
def test_the_population_reaches_nine_tenths(scores, region):
    assert 0.9 <= scores[region, "population"].value <= 1.03


@pytest.mark.parametrize("region", CASES)
def test_a_static_network_is_clearly_below(scores, region):
    """A square wave: it knows the images as well as the population does, but not for as long."""
    still, moving = scores[region, "still"], scores[region, "population"]
    assert still.ci[1] < moving.ci[0]
    assert still.value < moving.value - 0.2
    assert moving.figures["temporal_correlation"]["all"] > 0.5
    assert still.figures["temporal_correlation"]["all"] < (
        moving.figures["temporal_correlation"]["all"] - 0.2
    )


@pytest.mark.parametrize("region", CASES)
def test_a_state_that_holds_for_ever_is_below_too(scores, region):
    """By little: a correlation over images in a bin does not see that the response should have moved."""
    held, moving = scores[region, "held"], scores[region, "population"]
    assert held.value < moving.value - 0.02
    # The same images and sites were drawn for both.
    assert np.mean(held.draws < moving.draws) > 0.95
    assert held.figures["temporal_correlation"]["all"] == 0.0


@pytest.mark.parametrize("region", CASES)
def test_nothing_is_predicted_before_the_response(scores, region):
    early = np.array(scores[region, "readout"].figures["r"])[:6]
    np.testing.assert_array_equal(early, 0.0)
    counted = scores[region, "readout"].figures["constant_predictions"][:6]
    assert counted == [scores[region, "readout"].n_units] * 6


def test_shuffled_images_score_nothing(brain):
    recorded = brain.recordings("IT")
    order = np.random.default_rng(0).permutation(recorded.sizes["stimulus"])
    ids = ("stimulus", recorded.coords["stimulus_id"].values)
    mixed = recorded.isel(stimulus=order).assign_coords(stimulus_id=ids)
    data = ArrayData(name="Mixed", pictures=brain.stimuli(), regions={"IT": mixed})
    settings = Settings(null="images", null_draws=19)
    shuffled = score(IT_dynamics.on(data), simulated_population(), settings)
    # What is left is the spread of one shuffle, which the null shows.
    null = shuffled.null
    assert abs(shuffled.value) < 4 * null["sd"]
    assert null["mean"] == pytest.approx(0.0, abs=3 * null["sd"])
    assert null["sd"] < 0.1
    assert null["p"] > 0.05
