"""Composites named in place of benchmarks."""

import pytest
from brainbench_fake import IT, recorded_it, recorded_v1

from brainbench.core import registry
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Settings, Spread, Variant
from brainbench.run.resolve import Job
from brainbench.run.workers import run

pytestmark = pytest.mark.usefixtures("composites")


def job(benchmark, **settings):
    return Job.of("fake", benchmark, Settings(**settings))


def test_a_composite_is_its_members_and_itself():
    made = job("Recorded.mean-v1")
    assert made.benchmarks == [recorded_it, recorded_v1]
    assert [composite.name for composite in made.composites] == ["Recorded.mean-v1"]
    assert not made.single


def test_members_that_are_named_too_are_scored_once():
    made = job(["Recorded.V1-pls, Recorded.mean-v1,", IT, "Recorded.IT-*"])
    assert made.benchmarks == [recorded_v1, recorded_it, IT]


def test_wildcards_are_of_benchmarks_alone():
    assert not job("Recorded.*").composites
    with pytest.raises(UnknownNameError):
        job("Recorded.mean-*")


def test_a_member_is_scored_by_the_formula_of_the_composite():
    [first, second] = job("Recorded.mixed-v1").benchmarks
    assert first is recorded_it
    assert (second.identifier, second.measure.formula) == ("Recorded.V1-pls", "r/c")
    # Under brainscore it is r2/c unless a formula is named.
    assert [
        one.measure.formula for one in job("Recorded.mean-v1", protocol="brainscore").benchmarks
    ] == [
        "raw",
        "raw",
    ]
    raw, divided = run(job("Recorded.mixed-v1"), Spread())
    assert (raw.formula, divided.formula) == ("raw-v1", "r/c-v1")
    assert divided.value == pytest.approx(divided.raw / divided.ceiling)


@pytest.mark.parametrize(
    ("settings", "variant", "got"),
    [
        ({"formula": "r/c"}, Variant(), "--formula r/c"),
        ({}, Variant(metric="ridge"), "--metric ridge"),
        ({}, Variant(beyond="pixels"), "--beyond pixels"),
    ],
)
def test_options_that_make_other_members_are_refused(settings, variant, got):
    with pytest.raises(InputError) as error:
        Job.of("fake", "Recorded.mean-v1", Settings(**settings), variant=variant)
    assert got in error.value.got
    assert "Recorded.V1-pls" in error.value.todo


def test_members_that_nobody_has_are_named(monkeypatch):
    monkeypatch.delitem(registry.entries("benchmarks"), "MajajHong2015.V4-pls")
    with pytest.raises(InputError) as error:
        job("mean-v1")
    assert "MajajHong2015.V4-pls" in error.value.got
