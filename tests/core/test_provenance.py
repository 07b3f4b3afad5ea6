import datetime
import subprocess
import threading

import pytest
from pydantic import ValidationError

import brainbench
from brainbench.core import provenance


def test_a_record_knows_when_and_with_what():
    made = provenance.record(seeds={"run": 3}, hashes={"model": "abc"}, layer="IT.output")
    assert made.brainbench == brainbench.__version__
    assert set(made.packages) == set(provenance.PACKAGES)
    assert made.layer == "IT.output"
    assert made.peak_memory_mb > 10
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(made.created)
    assert abs(age.total_seconds()) < 60


def test_a_record_is_frozen_and_takes_only_what_it_knows():
    made = provenance.record(seeds={}, hashes={})
    with pytest.raises(ValidationError):
        made.layer = "V4"
    with pytest.raises(ValidationError, match="color"):
        provenance.record(seeds={}, hashes={}, color="red")


@pytest.fixture
def fresh_commit():
    provenance.commit.cache_clear()
    yield provenance.commit
    provenance.commit.cache_clear()


def git(answers, monkeypatch):
    def answer(root, *arguments):
        found = answers[arguments[0]]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(provenance, "_git", answer)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"rev-parse": "abc123", "status": ""}, "abc123"),
        ({"rev-parse": "abc123", "status": " M file.py"}, "abc123+changes"),
        ({"rev-parse": FileNotFoundError("no git")}, None),
        ({"rev-parse": subprocess.CalledProcessError(128, "git")}, None),
        ({"rev-parse": subprocess.TimeoutExpired("git", 10)}, None),
    ],
)
def test_commit(fresh_commit, monkeypatch, tmp_path, answers, expected):
    (tmp_path / "brainbench").mkdir()
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "brainbench" / "provenance.py"))
    git(answers, monkeypatch)
    assert fresh_commit() == expected


def test_an_installed_package_has_no_commit(fresh_commit, monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "brainbench" / "provenance.py"))
    git({}, monkeypatch)
    assert fresh_commit() is None


def test_no_two_lists_of_parts_look_alike():
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("c", "ab")]
    assert len({provenance.sha256(*parts) for parts in lists}) == len(lists)
    assert provenance.sha256("ab", b"c") == provenance.sha256("ab", "c")


def test_forward_passes_are_counted_in_every_block_around_them():
    with provenance.counting() as outer:
        provenance.count_forward(1.0, 10)
        with provenance.counting() as inner:
            provenance.count_forward(0.5, 5)
        provenance.count_forward(0.25, 1)
    assert (inner.forward_seconds, inner.images) == (0.5, 5)
    assert (outer.forward_seconds, outer.images) == (1.75, 16)


def stopped():
    with provenance.counting():
        provenance.count_forward(0.5, 5)
        raise ValueError("stop")


def test_what_was_spent_before_an_error_counts():
    with provenance.counting() as outer, pytest.raises(ValueError, match="stop"):
        stopped()
    assert outer.images == 5


def test_outside_a_block_nothing_is_counted():
    provenance.count_forward(1.0, 10)
    with provenance.counting() as costs:
        pass
    assert costs.images == 0


def test_another_thread_does_not_count_here():
    with provenance.counting() as costs:
        thread = threading.Thread(target=provenance.count_forward, args=(1.0, 10))
        thread.start()
        thread.join()
    assert costs.images == 0
