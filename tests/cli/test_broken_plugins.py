"""The program beside plug-ins that are broken."""

import json
import os

import pytest

from brainbench.core import registry

ENTRY_POINTS = """\
[brainbench.models]
broken = no_such_module_of_a_plugin:models
[brainbench.benchmarks]
half = half_broken:benchmarks
[brainbench.composites]
half = half_broken:composites
[brainbench.checks]
half = half_broken:composites
"""
MODULE = """\
def benchmarks():
    return {"Half.IT-pls": "no_such_module_of_a_plugin:IT"}

def composites():
    return {"half-v1": "no_such_module_of_a_plugin:half"}
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Install a plug-in that cannot be listed, and one whose entries cannot be imported."""
    folder = tmp_path / "broken"
    info = folder / "brainbench_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brainbench-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "half_broken.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    registry.entries.cache_clear()
    yield folder
    registry.entries.cache_clear()


PLUGIN = "no_such_module_of_a_plugin:models"


def test_models_are_listed_and_scored_beside_a_broken_plugin(call, broken, caplog):
    done = call("list", "models", "--json")
    assert done.status == 0
    assert "pixels" in {row["model"] for row in json.loads(done.out)}
    done = call("score", "-m", "fake", "-b", "Fake.IT-pls", "--format", "json")
    assert done.status == 0
    assert json.loads(done.out)[0]["value"] is not None
    [text] = {text for text in caplog.messages if "plug-in" in text}
    assert PLUGIN in text


def test_an_unknown_name_may_be_one_of_the_broken_plugin(call, broken):
    for command in (("score", "-m", "nett", "-b", "Fake.IT-pls"), ("show", "nett")):
        done = call(*command)
        assert done.status == 2
        assert "'nett'" in done.err
        assert PLUGIN in done.err


def test_a_benchmark_that_cannot_be_imported_is_left_out_unless_it_is_named(call, broken):
    done = call("score", "-m", "fake", "-b", "Half.*,Fake.IT-pls", "--format", "json")
    assert [row["benchmark"] for row in json.loads(done.out)] == ["Fake.IT-pls"]
    assert "Half.IT-pls is left out" in done.err
    done = call("score", "-m", "fake", "-b", "Half.IT-pls,Fake.IT-pls")
    assert done.status == 2
    assert "no_such_module_of_a_plugin:IT" in done.err


def test_the_leaderboard_and_the_checks_go_on(call, broken):
    call("score", "-m", "fake", "-b", "Fake.IT-pls")
    done = call("leaderboard")
    assert done.status == 0
    assert "half-v1 is left out" in done.err
    done = call("leaderboard", "--composite", "half-v1")
    assert done.status == 2
    assert "no_such_module_of_a_plugin:half" in done.err
    from brainbench.run.loading import load_checks

    assert load_checks()


def test_the_warning_is_seen_once(environment, shell, broken):
    path = f"{broken}{os.pathsep}{environment['PYTHONPATH']}"
    done = shell("list", "models", PYTHONPATH=path)
    assert done.status == 0
    assert done.err.count(PLUGIN) == 1
    assert len(done.err.splitlines()) == 1
