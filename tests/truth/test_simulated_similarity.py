"""Known truth of similarity on the simulated brain: who reaches the ceiling, who stays below, who is at 0."""

from itertools import pairwise

import numpy as np
import pytest

from brainbench import load_benchmark
from brainbench.run.selftest import Shuffled
from brainbench.scoring.pipeline import score
from brainbench.simulate.brain import SimulatedBrain
from brainbench_models.pixels import pixels
from brainbench_models.simulated import simulated_model

pytestmark = pytest.mark.slow

MEASURES = ("rsa", "cka")


@pytest.fixture(scope="module")
def scores(session_cache):
    """Raw scores of both measures, which have their ceiling beside them."""
    brain = SimulatedBrain()
    levels = ("readout", "population", "maps")
    models = {level: simulated_model(level, brain) for level in levels}
    models |= {"shuffled": Shuffled(model=models["readout"]), "pixels": pixels()}
    benchmarks = {measure: load_benchmark(f"Simulated.IT-{measure}") for measure in MEASURES}
    return {
        (measure, name): score(benchmark, model)
        for measure, benchmark in benchmarks.items()
        for name, model in models.items()
    }


@pytest.mark.parametrize("measure", MEASURES)
def test_the_true_rates_reach_the_root_of_the_ceiling(scores, measure):
    """Spearman-Brown is nearly exact for representations: within a hundredth where c is above .9."""
    known = scores[measure, "readout"]
    assert 0.9 < known.ceiling < 0.95
    assert known.raw / np.sqrt(known.ceiling) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_less_a_model_knows_the_lower_it_lies(scores, measure):
    """The interval of each lies below that of the next."""
    order = [scores[measure, name] for name in ("readout", "population", "pixels")]
    for better, worse in pairwise(order):
        assert worse.ci[1] < better.ci[0]
    assert scores[measure, "maps"].ci[1] < scores[measure, "readout"].ci[0]


@pytest.mark.parametrize("measure", MEASURES)
def test_shuffled_images_are_at_zero(scores, measure):
    low, high = scores[measure, "shuffled"].ci
    assert low < 0 < high
