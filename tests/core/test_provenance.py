import datetime
import re
import subprocess
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

import brainbench
from brainbench.core import provenance


def test_a_record_knows_when_and_with_what():
    made = provenance.record(seeds={"run": 3}, hashes={"model": "abc"}, clock="paper")
    assert made.brainbench == brainbench.__version__
    assert set(made.packages) == set(provenance.PACKAGES)
    assert made.clock == "paper"
    assert made.peak_memory_mb > 10
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(made.created)
    assert abs(age.total_seconds()) < 60


def test_a_record_is_frozen_and_takes_only_what_it_knows():
    made = provenance.record(seeds={}, hashes={})
    with pytest.raises(ValidationError):
        made.clock = "brainscore"
    with pytest.raises(ValidationError, match="color"):
        provenance.record(seeds={}, hashes={}, color="red")


@pytest.fixture
def commit_in(tmp_path, monkeypatch):
    """The commit of a program in a folder that is a repository or not."""

    def of(*, repository):
        home = tmp_path / "brainbench" / "core" / "provenance.py"
        home.parent.mkdir(parents=True)
        home.write_text("original")
        if repository:
            git("init", "--quiet")
            git("add", ".")
            git("commit", "--quiet", "-m", "first")
        monkeypatch.setattr(provenance, "__file__", str(home))
        provenance.commit.cache_clear()
        return provenance.commit()

    def git(*arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

    yield of
    provenance.commit.cache_clear()


def test_commit_of_a_clean_and_of_a_modified_tree(commit_in, tmp_path):
    commit = commit_in(repository=True)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "brainbench" / "core" / "provenance.py").write_text("modified")
    provenance.commit.cache_clear()
    assert provenance.commit() == f"{commit}+changes"


def test_an_installed_package_has_no_commit(commit_in):
    assert commit_in(repository=False) is None


def test_a_machine_without_git_has_no_commit(commit_in, monkeypatch):
    assert commit_in(repository=True)
    monkeypatch.setenv("PATH", "")
    provenance.commit.cache_clear()
    assert provenance.commit() is None


def test_this_source_tree_has_a_commit():
    root = Path(brainbench.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("not a source tree")
    provenance.commit.cache_clear()
    assert provenance.commit()


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
