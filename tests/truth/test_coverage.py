"""Intervals hold the truth, in the small worlds of perf/worlds: few draws, so only gross misses show."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.reverse import ReversePredictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.measure import SolutionTimes

PERF = Path(__file__).parents[2] / "perf"
REPLICATES, TRUTHS = 60, 300


@pytest.fixture(scope="module")
def worlds():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(PERF)
        yield {world.name: world for world in importlib.import_module("worlds").WORLDS}
    for name in [name for name in sys.modules if name.partition(".")[0] == "worlds"]:
        del sys.modules[name]


def coverage(world, random, *, treated_as=None):
    rng = np.random.default_rng(11)
    truth = np.mean([world.score(world.draw(rng, random)) for _ in range(TRUTHS)])
    found = (
        world.interval(world.draw(rng, random), treated_as or random) for _ in range(REPLICATES)
    )
    return np.mean([one.lo < truth < one.hi for one in found])


@pytest.mark.parametrize(
    "random", ["both", *(pytest.param(one, marks=pytest.mark.slow) for one in ("images", "units"))]
)
def test_predictivity(worlds, random):
    assert coverage(worlds["predictivity, paper, pls, raw"], random) > 0.8


@pytest.mark.slow
def test_predictivity_related_to_a_ceiling_that_is_drawn_too(worlds):
    assert coverage(worlds["predictivity, paper, pls, r/sqrt(c)"], "both") > 0.8


@pytest.mark.slow
def test_an_interval_that_holds_units_fixed_misses_when_they_are_random(worlds):
    world = worlds["predictivity, paper, pls, raw"]
    assert coverage(world, "both", treated_as="images") < 0.8


def test_solution_times(worlds):
    assert coverage(worlds["object solution times, paper"], "images") > 0.8


def cases(covered):
    return {", ".join(case) for case in covered}


@pytest.mark.parametrize(
    ("measure", "covered"),
    [
        ("predictivity", cases(Predictivity.measured_coverage)),
        ("I2n", cases(I2n.measured_coverage)),
        ("RSA", {how for name, how in Similarity.measured_coverage if name == "rsa"}),
        ("reverse", cases(ReversePredictivity.measured_coverage)),
        ("CKA", {how for name, how in Similarity.measured_coverage if name == "cka"}),
    ],
)
def test_intervals_of_measured_coverage_are_those_that_have_a_world(worlds, measure, covered):
    names = (name.partition(", ")[::2] for name in worlds)
    assert covered == {case for name, case in names if name == measure}


def test_raw_intervals_of_solution_times_have_worlds(worlds):
    names = [name for name in worlds if name.startswith("object solution times")]
    protocols = {name.rpartition(", ")[2] for name in names}
    assert {(protocol, "raw") for protocol in protocols} == SolutionTimes.measured_coverage


def test_intervals_of_neural_dynamics_that_have_a_world(worlds):
    held_out = {1: "one quarter held out", 4: "4 quarters in turn"}
    measured = {
        (name.removeprefix("dynamics, ").removesuffix(", skewed rates"), random)
        for name, world in worlds.items()
        if name.startswith("dynamics")
        for random in world.random
    }
    assert len(measured) == 6
    cases = {
        (f"{held_out[n]}, {formula}, {bins} bins", random)
        for *_, n, formula, random, bins in Dynamics.measured_coverage
    }
    assert cases <= measured


@pytest.mark.slow
@pytest.mark.parametrize("random", ["images", "both"])
def test_few_films(worlds, random):
    assert coverage(worlds["predictivity over 5 films, whole"], random) > 0.85


@pytest.mark.slow
def test_few_animals(worlds):
    drawn = worlds["predictivity over 2 animals, 0.3 of quality between them, sites drawn"]
    assert coverage(drawn, "animals") < 0.85
    over = worlds["predictivity over 3 animals, 0.3 of quality between them, mean over animals"]
    assert coverage(over, "animals") > 0.85


@pytest.mark.slow
def test_skewed_rates_of_neural_dynamics(worlds):
    name = "dynamics, 4 quarters in turn, r/sqrt(c), declared bins, skewed rates"
    assert coverage(worlds[name], "both") > 0.8
