"""A run dealt out: every part once, whoever carries it out."""

from dataclasses import replace

import pytest
from brainbench_fake import declare
from runs import spec_of
from stored import make

import brainbench
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings, Spread, Variant
from brainbench.run.assignments import (
    assigned_benchmarks,
    assignments,
    carry_out,
    longest_first,
    of_shard,
)
from brainbench.run.resolve import Job
from brainbench.storage.results import Results


@pytest.fixture
def dealt(plugin, tmp_path):
    job = Job.of(
        "fake,fake_second,fake@untrained-0", "Fake.*,Stored.*", Settings(), results=tmp_path
    )
    return assignments(job)


def test_each_model_meets_each_benchmark_once_and_a_data_set_stays_together(dealt):
    pairs = [(one.spec.name, name) for one in dealt for name in one.benchmarks]
    assert len(pairs) == len(set(pairs)) == 3 * len(brainbench.list_benchmarks("Fake.*,Stored.*"))
    for one in dealt:
        assert len({name.partition(".")[0] for name in one.benchmarks}) == 1


@pytest.mark.parametrize("n", [1, 2, 4, 50])
def test_shards_are_all_of_it_and_share_nothing(dealt, n):
    backwards = dealt[::-1]
    parts = [of_shard(backwards if k % 2 else dealt, f"{k}/{n}") for k in range(1, n + 1)]
    titles = [one.title for part in parts for one in part]
    assert sorted(titles) == sorted(one.title for one in dealt)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_took_longest_before_comes_first_and_what_is_not_known_before_all(dealt, tmp_path):
    known = {"fake": 5.0, "fake_second": 50.0}
    on_fake = [one for one in dealt if one.benchmarks[0].startswith("Fake.")]
    for one in on_fake:
        for name in one.benchmarks if one.spec.name in known else ():
            score = make(one.spec.name, name, 0.5)
            record = score.record.model_copy(update={"seconds": known[one.spec.name]})
            Results(tmp_path).save(replace(score, record=record), key="0" * 64)
    order = [one.spec.name for one in longest_first(on_fake)]
    assert order == ["fake@untrained-0", "fake_second", "fake"]


def test_a_worker_of_another_version_is_refused(dealt):
    with pytest.raises(InputError, match=r"0\.0\.1"):
        carry_out(replace(dealt[0], version="0.0.1"))


def test_more_memory_than_the_share_of_a_worker_is_not_taken(dealt):
    refused = carry_out(replace(dealt[0], memory_gb=1e-6))
    assert refused.refused_gb > 0
    assert refused.scores == ()
    taken = carry_out(replace(dealt[0], memory_gb=1e6))
    assert [one.benchmark for one in taken.scores] == list(dealt[0].benchmarks)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"results": None}, "folder"),
        ({"models": [spec_of()]}, "fake"),
        ({"benchmarks": [declare("Fake.IT-x")]}, "Fake.IT-x"),
    ],
)
def test_what_cannot_travel_is_refused_by_name(plugin, tmp_path, change, name):
    job = Job.of("fake", "Fake.IT-pls", Settings(), results=tmp_path)
    job = replace(job, **change)
    with pytest.raises(InputError, match=name):
        assignments(job)


def test_a_variant_travels_by_the_names_of_its_parts(plugin, tmp_path):
    variant = Variant(metric="ridge-cv")
    job = Job.of("pixels", "Simulated.V*-pls", Settings(), variant=variant, results=tmp_path)
    [one] = assignments(job)
    assert one.benchmarks == ("Simulated.V1-pls", "Simulated.V2-pls", "Simulated.V4-pls")
    assert [made.identifier for made in assigned_benchmarks(one)] == [
        declared.identifier for declared in job.benchmarks
    ]
    estimator = replace(job, variant=Variant(metric=object()))
    with pytest.raises(InputError, match="object"):
        assignments(estimator)


@pytest.mark.parametrize(
    "given",
    [
        {"workers": 0},
        {"workers": "two"},
        {"shard": "3"},
        {"shard": "3/2"},
        {"shard": "0/2"},
        {"workers": 2, "scheduler": "tcp://host:1"},
    ],
)
def test_options_that_make_no_sense_are_refused(given):
    with pytest.raises(InputError):
        Spread(**given)
