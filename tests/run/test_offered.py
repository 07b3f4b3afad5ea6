"""Benchmarks by rule: which data offers which, and what they are."""

from __future__ import annotations

import numpy as np
import pytest
from own_files import IDS

import brainbench
from brainbench.core import registry
from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.core.stimuli import from_arrays as images_from_arrays
from brainbench.data.facts import facts_of
from brainbench.data.offers import BEHAVIOR_NEEDS, NEEDS, Facts, RegionFacts, offers
from brainbench.data.own.dataset import OwnData, from_arrays
from brainbench.data.own.kept import keep
from brainbench.run.offered import RULES, benchmarks_of
from brainbench.simulate.brain import SimulatedBrain

RECORDED = {"sites": 5}
TRIALS = {**RECORDED, "trials": 3, "least_trials": 3}
OBJECTS = {"cat": 6, "dog": 6}
RAW = {"pls", "ridge", "rsa", "cka"}
REPEATED = {*RAW, "ccnorm2", "ccnorm"}


def test_each_need_has_a_rule():
    assert set(RULES) == {*NEEDS, *BEHAVIOR_NEEDS}


@pytest.mark.parametrize(
    ("region", "objects", "tables", "measures"),
    [
        (RECORDED, {}, (), RAW),
        (TRIALS, {}, (), REPEATED),
        ({**TRIALS, "least_trials": 1}, {}, (), RAW),
        ({**TRIALS, "bins": 5}, {}, (), {*REPEATED, "dynamics"}),
        ({**TRIALS, "bins": 1}, {}, (), REPEATED),
        ({**TRIALS, "bins": 5, "overlapping": True}, {}, (), REPEATED),
        ({**RECORDED, "bins": 5}, OBJECTS, ("solution_times",), {*RAW, "ost"}),
        ({**RECORDED, "bins": 5}, {}, ("solution_times",), RAW),
        ({"dissimilarities": True}, {}, (), {"rsa"}),
        (RECORDED, OBJECTS, ("trials",), {*RAW, "i2n"}),
        (RECORDED, OBJECTS, ("category_responses",), {*RAW, "choices", "consistency"}),
        (RECORDED, {"cat": 12}, ("trials",), RAW),
        (RECORDED, {"cat": 1, "dog": 11}, ("trials",), RAW),
    ],
)
def test_a_measure_is_offered_where_its_needs_are_met(region, objects, tables, measures):
    facts = Facts(regions={"V4": RegionFacts(**region)}, objects=objects, tables=tables)
    assert {offer.measure for offer in offers("Mine", facts) if not offer.missing} == measures
    assert all(offer.missing == () or all(offer.missing) for offer in offers("Mine", facts))


def test_solution_times_are_those_of_it():
    regions = dict.fromkeys(("V4", "IT"), RegionFacts(sites=5, bins=5))
    facts = Facts(regions=regions, objects=OBJECTS, tables=("solution_times",))
    assert [o.identifier for o in offers("Mine", facts) if o.measure == "ost"] == ["Mine.IT-ost"]


def test_the_simulated_brain_states_what_is_there():
    brain = SimulatedBrain(images_per_object=2, n_sites={"IT": 3})
    states = brain.facts
    read = facts_of(_WithoutFacts(brain))
    assert read.regions == dict(states.regions)
    assert read.objects == dict(states.objects)
    assert read.tables == states.tables


class _WithoutFacts:
    """A brain whose facts are read from its recordings."""

    def __init__(self, brain: SimulatedBrain) -> None:
        self._brain = brain
        self.regions = tuple(brain.n_sites)
        self.stimuli, self.recordings = brain.stimuli, brain.recordings
        self.trials, self.solution_times = brain.trials, brain.solution_times


def test_a_published_data_set_offers_benchmarks_that_are_not_declared():
    assert "Simulated.V4-rsa" not in registry.entries("benchmarks")
    assert brainbench.list_benchmarks("Simulated.V4-rsa, Simulated.IT-pls") == [
        "Simulated.V4-rsa",
        "Simulated.IT-pls",
    ]
    assert "Simulated.V4-rsa" not in brainbench.list_benchmarks("Simulated.*")


def _own(**more) -> OwnData:
    rng = np.random.default_rng(0)
    shown = images_from_arrays("Mine", rng.integers(0, 256, (12, 8, 8, 3), np.uint8), ids=IDS)
    values = rng.normal(size=(3, 12, 4, 6))
    dims = "repetition,stimulus,neuroid,time"
    return from_arrays("Mine", values, shown, region="IT", dims=dims, **more)


def test_window_and_presentation():
    data = _own(time_start=0.0, time_step=50.0, shown=100.0)
    made = benchmarks_of(data)
    assert made["Mine.IT-pls"].window == (70.0, 170.0)
    assert made["Mine.IT-dynamics"].window == (0.0, 300.0)
    assert made["Mine.IT-pls"].presentation.describe() == "image 100 ms, then blank to 170 ms"
    short = _own(time_start=0.0, time_step=20.0)
    assert benchmarks_of(short)["Mine.IT-pls"].window == (0.0, 120.0)
    given = _own(time_start=0.0, time_step=50.0, window="50,200")
    assert benchmarks_of(given)["Mine.IT-dynamics"].window == (50.0, 200.0)


def test_what_is_missing_is_named(data_folder):
    keep(_own(time_step=50.0))
    with pytest.raises(NotApplicableError) as caught:
        brainbench.load_benchmark("Mine.IT-ost")
    assert "i1 and ost" in caught.value.got
    assert "Mine.IT-pls" in caught.value.allowed
    with pytest.raises(UnknownNameError):
        brainbench.load_benchmark("Mine.V9-pls")
    with pytest.raises(UnknownNameError):
        brainbench.load_benchmark("Mine.IT-plss")


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """A data folder of this test alone."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    registry.entries.cache_clear()
    yield tmp_path
    registry.entries.cache_clear()


def test_an_object_that_is_no_benchmark(tmp_path):
    with pytest.raises(InputError) as caught:
        brainbench.score("pixels", f"{tmp_path}/none.py:x")
    assert "none.py" in caught.value.got
