"""Known truth of explainable variance: on drawn signals, and on the simulated brain."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from brainbench import load_benchmark, load_model
from brainbench.core.assembly import time_average
from brainbench.core.settings import Settings
from brainbench.metrics.explained_variance.ccnorm import chance_level, schoppe
from brainbench.metrics.explained_variance.signal_power import signal_power
from brainbench.scoring.pipeline import score as score_model
from brainbench.simulate import sites
from brainbench.simulate.brain import SimulatedBrain

REGIONS = ("V1", "V2")


# --- drawn signals --------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_signal_power_is_the_variance_of_the_expected_response(noise):
    """Mean over 3,000 fresh sets of trials, within 4 standard errors, for any noise and few trials."""
    rng = np.random.default_rng(0)
    expected = rng.gamma(2.0, 1.5, (40, 3)) * [0.3, 1.0, 3.0]
    found = []
    for _ in range(3000):
        if noise == "poisson":
            trials = rng.poisson(expected, (3, *expected.shape)).astype(float)
        else:
            trials = expected + 2 * expected * rng.standard_normal((3, *expected.shape))
        found.append(signal_power(trials).power)
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected.var(axis=0, ddof=1)) < 4 * error).all()


def test_no_signal_is_as_often_below_zero_as_above():
    trials = np.random.default_rng(0).standard_normal((5, 60, 4000))
    power = signal_power(trials).power
    assert abs(power.mean()) < 4 * power.std() / np.sqrt(4000)
    assert (power < 0).mean() == pytest.approx(0.5, abs=0.05)


def test_cc_max_squared_is_the_reliability_of_the_mean():
    """SP / (SP + noise / trials), and the expected response itself scores 1."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((30000, 4))
    noise = np.array([0.5, 1.0, 2.0, 4.0])
    found = schoppe(signal + noise * rng.standard_normal((8, 30000, 4)), signal)
    np.testing.assert_allclose(found.cc_max**2, 1 / (1 + noise**2 / 8), rtol=0.02)
    np.testing.assert_allclose(found.cc_norm**2, 1.0, rtol=0.03)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.64])
def test_score_is_the_share_of_the_signal_that_is_predicted(share):
    """Whatever the noise: the same share is found with CC_max of .5 and of .9."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((40000, 2))
    predicted = np.sqrt(share) * signal + np.sqrt(1 - share) * rng.standard_normal((40000, 2))
    trials = signal + np.array([5.0, 1.0]) * rng.standard_normal((8, 40000, 2))
    np.testing.assert_allclose(schoppe(trials, predicted).cc_norm ** 2, share, atol=0.02)


@pytest.mark.parametrize("n_stimuli", [10, 40])
def test_chance_level(n_stimuli):
    """Predictions that know nothing, 20,000 neurons: the mean of CC_abs^2 / CC_max^2 of the truth."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((n_stimuli, 20000))
    trials = signal + 0.5 * rng.standard_normal((4, n_stimuli, 20000))
    found = schoppe(trials, rng.standard_normal((n_stimuli, 20000)))
    expected = np.nanmean(chance_level(n_stimuli, found.cc_max))  # a few have no signal power
    error = np.nanstd(found.cc_norm**2) / np.sqrt(20000)
    assert abs(np.nanmean(found.cc_norm**2) - expected) < 4 * error
    assert error < 0.02 * expected


# --- simulated brain ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brain(session_cache):
    return SimulatedBrain()


def score(model, region, settings=None, **options):
    benchmark = load_benchmark(f"Simulated.{region}-ccnorm2")
    changed = replace(benchmark, measure=replace(benchmark.measure, **options))
    return score_model(changed, load_model(model), settings)


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
def test_cc_max_finds_the_known_reliability_of_the_sites(brain, region):
    trials = time_average(brain.recordings(region), sites.WINDOW_MS)
    found = signal_power(trials.values).cc_max ** 2
    assert abs(np.mean(found - trials.coords["reliability"].values)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["paper", "schoppe"])
@pytest.mark.parametrize("region", REGIONS)
def test_expected_response_itself_scores_1_within_the_interval(brain, region, variant):
    found = score("simulated_readout", region, metric="units", variant=variant)
    assert found.value == pytest.approx(1.0, abs=0.02)
    assert found.ci[0] < 1.0 < found.ci[1]
    assert found.figures["spe"]["mean"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
def test_fitted_map_costs_what_its_weights_cost(brain, region):
    """The sites of the read-out are known up to a linear map, and fitting that map to noisy images costs.

    Least squares of p weights to n images with reliability c adds the error variance
    p / (n - p - 1) times the noise, so that CC_norm^2 is 1 / (1 + p / (n - p - 1) (1 - c) / c). Ridge
    costs no more.
    """
    found = score("simulated_readout", region)
    c = brain.recordings(region).coords["reliability"].values
    p, n = len(c), 0.8 * found.n_stimuli
    least_squares = np.mean(1 / (1 + p / (n - p - 1) * (1 - c) / c))
    assert found.ci[0] < least_squares < found.ci[1] < 1.0
    assert found.value > least_squares - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
def test_models_are_in_order(brain, region):
    models = ("pixels", "simulated_maps", "simulated_population", "simulated_readout")
    found = [score(model, region) for model in models]
    assert all(a.ci[1] < b.ci[0] for a, b in pairwise(found))
    assert found[0].value < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
def test_shuffled_images_score_the_chance_level(brain, region):
    settings = Settings(null="images", null_draws=40)
    found = score("simulated_population", region, settings)
    error = found.null["sd"] / np.sqrt(40)
    # Chance is for one set of images; the folds of one shuffle are not quite independent.
    assert abs(found.null["mean"] - found.figures["chance_level"]) < 4 * error
    assert found.value > found.null["mean"] + 50 * found.null["sd"]
    pixels = score("pixels", region, settings)
    assert pixels.null["mean"] < pixels.value < 0.1
