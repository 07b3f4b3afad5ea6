"""Known truth of behavior: who reaches the simulated subject's ceiling, who stays below, who is at zero."""

import numpy as np
import pytest

from brainbench.core import registry
from brainbench.core.settings import Settings
from brainbench.metrics.behavior.i2n import correlation, d_prime, normalized, two_way, undefined
from brainbench.metrics.behavior.simulated_subjects import corrected_rate
from brainbench.metrics.behavior.trials import cell_counts, encode
from brainbench.scoring.pipeline import score
from brainbench.simulate.brain import SimulatedBrain
from brainbench_models.pixels import pixels
from brainbench_models.simulated import simulated_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def brain(session_cache):
    return SimulatedBrain()


@pytest.fixture(scope="module")
def scores(brain):
    """Scores as r/sqrt(c), with 100 shuffles over images."""
    benchmark = registry.load("benchmarks", "Simulated.behavior-i2n")
    models = {level: simulated_model(level, brain) for level in ("readout", "population")}
    settings = Settings(formula="r/sqrt(c)", null="images")
    return {
        name: score(benchmark, model, settings)
        for name, model in {**models, "pixels": pixels()}.items()
    }


@pytest.fixture(scope="module")
def known(brain):
    """Trials, their corrected rates, and the matrix of the expected fractions."""
    table = brain.trials()
    trials = encode(*(table[key] for key in ("stimulus_id", "truth", "distractor", "choice")))
    expected = brain.choice_probabilities().sortby("stimulus_id").values
    return trials, corrected_rate(*cell_counts(trials)), expected


def i2n(fraction, trials):
    return normalized(d_prime(fraction, trials.truth), trials.truth)


def test_ceiling_is_what_the_true_rule_reaches(scores, known):
    """The square root of the ceiling is the correlation of the noiseless rule with the trials."""
    trials, measured, expected = known
    reached = correlation(i2n(expected, trials), i2n(measured, trials))
    assert np.sqrt(scores["readout"].ceiling) == pytest.approx(reached, abs=0.015)


def test_true_readout_is_as_good_as_its_rule_can_be(scores, known):
    """What is lacking to 1 is the read-out's own folds and softer choices: known without any trial."""
    trials, measured, expected = known
    readout = scores["readout"]
    best = correlation(i2n(readout.predictions.predicted.values, trials), i2n(expected, trials))
    assert 0.95 < best < 1.0
    rule = correlation(i2n(expected, trials), i2n(measured, trials)) / np.sqrt(readout.ceiling)
    assert readout.value == pytest.approx(best * rule, abs=0.01)
    assert readout.ci[0] < best * rule < readout.ci[1]
    assert 0.95 < readout.value < 1.0


def test_order_of_depths(scores):
    value = {name: score.value for name, score in scores.items()}
    assert value["readout"] > value["population"] + 0.05
    assert value["population"] > value["pixels"] + 0.5
    assert scores["population"].ci[0] > scores["pixels"].ci[1]


def test_shuffled_images_score_nothing(scores):
    for name in ("readout", "population"):
        null = scores[name].null
        assert abs(null["mean"]) < 3 * null["sd"] / np.sqrt(null["n_draws"]) + 0.01
        assert scores[name].value > null["mean"] + 10 * null["sd"]
        assert null["p"] == null["resolution"] == pytest.approx(1 / 101)


def test_brainscores_protocol_finds_the_same_order(brain, scores):
    benchmark = registry.load("benchmarks", "Simulated.behavior-i2n")
    settings = Settings(protocol="brainscore")
    readout, blind = (
        score(benchmark, model, settings) for model in (simulated_model("readout", brain), pixels())
    )
    assert readout.formula == "r/sqrt(c)-v1"
    assert readout.value == pytest.approx(scores["readout"].value, abs=0.04)
    assert abs(blind.value) < 0.15


def test_one_hot_answers_still_give_a_figure(scores, known):
    """A subject that is always sure: rates of 0 and 1, where Brain-Score stops."""
    trials, measured, _ = known
    fraction = scores["readout"].predictions.predicted.values
    answer = np.where(np.isnan(fraction), 0.5, fraction).argmin(
        axis=1
    )  # the truth where it beats all
    sure = two_way(np.eye(8)[answer], trials.truth)
    sensitivity = d_prime(sure, trials.truth)
    assert np.nanmax(np.abs(sensitivity)) == 5.0
    assert undefined(sure, sensitivity, trials.truth)["no hit rate"] > 100
    r = correlation(normalized(sensitivity, trials.truth), i2n(measured, trials))
    assert 0.3 < r < float(scores["readout"].raw)
