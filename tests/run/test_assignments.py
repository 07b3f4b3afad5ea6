"""A run dealt out: every part once, whoever carries it out."""

import pickle
from dataclasses import replace

import pytest
from brainbench_fake import declare
from runs import spec_of
from sklearn.linear_model import Ridge
from stored import make

import brainbench
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings, Spread, Variant
from brainbench.data.manifest import open_dataset
from brainbench.run.assignments import (
    assigned_benchmarks,
    assignments,
    carry_out,
    longest_first,
    of_shard,
)
from brainbench.run.code_of_user import PackedEstimator
from brainbench.run.resolve import Job
from brainbench.run.workers import run
from brainbench.scoring import context
from brainbench.storage.results import Results


@pytest.fixture
def dealt(plugin, tmp_path):
    job = Job.of(
        "fake,fake_second,fake@untrained-0", "Fake.*,Stored.*", Settings(), results=tmp_path
    )
    return assignments(job)


def test_each_model_meets_each_benchmark_once_and_a_data_set_stays_together(dealt):
    pairs = [(one.spec.name, each.identifier) for one in dealt for each in one.benchmarks]
    assert len(pairs) == len(set(pairs)) == 3 * len(brainbench.list_benchmarks("Fake.*,Stored.*"))
    for one in dealt:
        assert len({each.identifier.partition(".")[0] for each in one.benchmarks}) == 1


@pytest.mark.parametrize("n", [1, 2, 4, 50])
def test_shards_are_all_of_it_and_share_nothing(dealt, n):
    backwards = dealt[::-1]
    parts = [of_shard(backwards if k % 2 else dealt, f"{k}/{n}") for k in range(1, n + 1)]
    titles = [one.title for part in parts for one in part]
    assert sorted(titles) == sorted(one.title for one in dealt)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_took_longest_before_comes_first_and_what_is_not_known_before_all(dealt, tmp_path):
    known = {"fake": 5.0, "fake_second": 50.0}
    on_fake = [one for one in dealt if one.benchmarks[0].identifier.startswith("Fake.")]
    for one in on_fake:
        for each in one.benchmarks if one.spec.name in known else ():
            score = make(one.spec.name, each.identifier, 0.5)
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
    assert [s.benchmark for s in taken.scores] == [b.identifier for b in dealt[0].benchmarks]


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


def names(assignment):
    return [one.name for one in assignment.benchmarks]


def made(assignment):
    """What a worker makes of an assignment that was sent to it."""
    return assigned_benchmarks(pickle.loads(pickle.dumps(assignment)))  # noqa: S301


def identifiers(benchmarks):
    return [one.identifier for one in benchmarks]


def test_a_variant_travels_by_the_names_of_its_parts(plugin, tmp_path):
    variant = Variant(metric="ridge-cv")
    job = Job.of("pixels", "Simulated.V*-pls", Settings(), variant=variant, results=tmp_path)
    [one] = assignments(job)
    assert names(one) == ["Simulated.V1-pls", "Simulated.V2-pls", "Simulated.V4-pls"]
    assert identifiers(made(one)) == identifiers(job.benchmarks)
    twice = Job.of(
        "pixels", "Simulated.IT-pls+ridge", Settings(), variant=variant, results=tmp_path
    )
    assert identifiers(made(assignments(twice)[0])) == identifiers(twice.benchmarks)


def test_an_estimator_of_a_package_travels_and_one_of_a_script_is_refused(plugin, tmp_path):
    variant = Variant(metric=Ridge(alpha=3.0))
    job = Job.of("pixels", "Simulated.IT-pls", Settings(), variant=variant, results=tmp_path)
    [one] = assignments(job)
    [there] = made(one)
    assert there.identifier == job.benchmarks[0].identifier
    assert there.measure.metric.alpha == 3.0
    with pytest.raises(InputError, match="MissingModule"):
        made(
            replace(
                one, variant=Variant(metric=PackedEstimator("MissingModule", b"cmissing\nA\n."))
            )
        )
    here = type("Here", (Ridge,), {"__module__": "__main__"})
    for estimator in (Ridge(alpha=lambda: 1), here()):
        with pytest.raises(InputError, match=r"FILE\.py:NAME"):
            assignments(replace(job, variant=Variant(metric=estimator)))


MAP = """
import helper
from sklearn.linear_model import Ridge

def make_map():
    return Ridge(alpha=helper.alpha)
"""


def test_a_file_is_a_name_and_its_content_with_what_it_imports(plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps.py").write_text(MAP)
    (tmp_path / "helper.py").write_text("alpha = 2.0\n")
    variant = Variant(metric="maps.py:make_map")
    job = Job.of("pixels", "Simulated.IT-pls", Settings(), variant=variant, results="results")
    [one] = assignments(job)
    monkeypatch.chdir(tmp_path.parent)
    assert identifiers(made(one)) == identifiers(job.benchmarks)
    (tmp_path / "helper.py").write_text("alpha = 1.0\n")
    with pytest.raises(InputError, match=r"helper\.py"):
        made(one)
    (tmp_path / "helper.py").unlink()
    with pytest.raises(InputError, match=r"helper\.py"):
        carry_out(one)


STUDY = """
from brainbench_fake import declare
first = declare("Mine.IT-a")
both = [first, declare("Mine.IT-b")]
alike = [declare("Mine.IT-a"), declare("Mine.IT-a")]
"""


def test_benchmarks_of_a_file_travel_by_file_and_name(plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.py").write_text(STUDY)
    job = Job.of("fake", "study.py:both,Fake.IT-pls", Settings(), results="results")
    dealt = assignments(job)
    monkeypatch.chdir(tmp_path.parent)
    assert [name for one in dealt for name in names(one)] == [
        "Mine.IT-a",
        "Mine.IT-b",
        "Fake.IT-pls",
    ]
    assert sorted(s.benchmark for one in dealt for s in carry_out(one).scores) == sorted(
        identifiers(job.benchmarks)
    )
    alike = Job.of("fake", f"{tmp_path}/study.py:alike", Settings(), results="results")
    with pytest.raises(InputError, match=r"Mine\.IT-a"):
        assignments(alike)
    other = replace(dealt[0].benchmarks[0], name="Mine.IT-c")
    with pytest.raises(InputError, match=r"Mine\.IT-c"):
        made(replace(dealt[0], benchmarks=(other,)))


def test_a_model_of_a_file_is_found_from_any_folder(plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from brainbench_fake import second\n")
    [one] = assignments(Job.of("net.py:second", "Fake.IT-pls", Settings(), results="results"))
    monkeypatch.chdir(tmp_path.parent)
    [score] = carry_out(one).scores
    assert (score.model, score.status) == ("fake_second", "scored")
    (tmp_path / "net.py").write_text("from brainbench_fake import fake as second\n")
    with pytest.raises(InputError, match=r"net\.py"):
        carry_out(one)


@pytest.mark.usefixtures("composites")
def test_members_travel_with_the_formula_of_their_composite(tmp_path):
    job = Job.of("fake", "Recorded.mixed-v1,Recorded.V1-pls", Settings(), results=tmp_path)
    [one] = assignments(job)
    assert [(each.name, each.formula) for each in one.benchmarks] == [
        ("Recorded.IT-pls", None),
        ("Recorded.V1-pls", "r/c"),
        ("Recorded.V1-pls", None),
    ]
    assert made(one) == list(job.benchmarks)
    spread_out = run(job, Spread(shard="1/1"))
    assert [score.formula for score in spread_out] == ["raw-v1", "r/c-v1", "raw-v1"]


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


@pytest.mark.slow
def test_parts_of_one_run_share_open_data_in_a_process_and_those_of_another_do_not(
    plugin, tmp_path, monkeypatch
):
    opened = []

    def noted(name):
        opened.append(name)
        return open_dataset(name)

    monkeypatch.setattr(context, "open_dataset", noted)
    for _ in range(2):
        job = Job.of("fake,fake_second", "Simulated.IT-pls", Settings(limit=30), results=tmp_path)
        for part in assignments(job):
            carry_out(part)
    assert opened == ["Simulated"] * 2
