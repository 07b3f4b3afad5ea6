"""Intervals hold the truth, in the small worlds of perf/worlds: few draws, so only gross misses show."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench.scoring.behavior import i2n as behavior
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.regression import predictivity
from brainbench.scoring.similarity.measure import Similarity

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


@pytest.mark.parametrize("random", ["images", "units", "both"])
def test_predictivity(worlds, random):
    assert coverage(worlds["predictivity, paper, pls, raw"], random) > 0.8


def test_predictivity_related_to_a_ceiling_that_is_drawn_too(worlds):
    assert coverage(worlds["predictivity, paper, pls, r/sqrt(c)"], "both") > 0.8


def test_an_interval_that_holds_units_fixed_misses_when_they_are_random(worlds):
    world = worlds["predictivity, paper, pls, raw"]
    assert coverage(world, "both", treated_as="images") < 0.8


def test_solution_times(worlds):
    assert coverage(worlds["object solution times, paper"], "images") > 0.8


def test_no_interval_is_said_to_be_covered_but_those_that_have_a_world(worlds):
    def named(measure):
        found = (name.split(", ", 1) for name in worlds)
        return {rest for first, rest in found if first == measure}

    def joined(covered):
        return {", ".join(each) for each in covered}

    assert joined(predictivity.Predictivity.measured_coverage) == named("predictivity")
    assert joined(behavior.I2n.measured_coverage) == named("I2n")
    for similarity in ("rsa", "cka"):
        measured_similarity = {
            estimate for name, estimate in Similarity.measured_coverage if name == similarity
        }
        assert measured_similarity == named(similarity.upper())
    held_out = {1: "one quarter held out", 4: "4 quarters in turn"}
    measured = {
        (name.removeprefix("dynamics, "), random)
        for name, world in worlds.items()
        if name.startswith("dynamics")
        for random in world.random
    }
    covered = Dynamics.measured_coverage
    assert {case[:2] for case in covered} == {("paper", "ridge")}
    assert {(f"{held_out[n]}, {formula}", random) for *_, n, formula, random in covered} == measured
