"""Differences and ranks hold the truth, in the small worlds of perf/worlds: only gross misses show."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
PERF = Path(__file__).parents[2] / "perf"
REPLICATES = 40


@pytest.fixture(scope="module")
def comparison():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(PERF)
        yield importlib.import_module("worlds.comparison")
    for name in [name for name in sys.modules if name.partition(".")[0] == "worlds"]:
        del sys.modules[name]


def coverage(world, random, truth):
    rng = np.random.default_rng(11)
    found = (world.interval(world.draw(rng, random), random) for _ in range(REPLICATES))
    return np.mean([one.lo < truth < one.hi for one in found])


@pytest.mark.parametrize("random", ["images", "both"])
def test_a_difference_of_tied_models_is_0(comparison, random):
    assert coverage(comparison.difference(0.6, 0.6), random, 0.0) > 0.85


def test_a_difference_of_unequal_models(comparison):
    world, rng = comparison.difference(0.3, 0.9), np.random.default_rng(12)
    truth = np.mean([world.score(world.draw(rng, "both")) for _ in range(100)])
    assert coverage(world, "both", truth) > 0.85


def test_ranks_hold_at_once_and_say_something(comparison):
    made = comparison.rank_coverage(replicates=50)
    assert made["coverage"] > 0.88
    assert made["width"] < 3  # 4 says nothing


def test_the_test_of_a_pair_finds_what_there_is(comparison):
    made = comparison.exchange_size(replicates=60)
    assert made["size"] < 0.2  # maps count as they are, see docs/comparing.md
    assert made["power"] > 0.8
