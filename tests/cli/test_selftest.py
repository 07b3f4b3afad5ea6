"""`brainbench selftest`: what it prints, and its exit status."""

import json

import numpy as np
import pytest
from known import benchmark, brain, model_of
from rich.console import Console

from brainbench.cli import console, text
from brainbench.core.model import check_model
from brainbench.run import loading
from brainbench.run.selftest import Check

NAME = "Fake.IT-pls"


@pytest.fixture
def small(monkeypatch, plugin):
    """One check on a small brain; `small(expected=...)` changes what is expected."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((80, 12))
    known = brain(None, trials=signal + rng.standard_normal((10, 80, 12)))
    models = {"fake": signal, "fake_second": rng.standard_normal((80, 12))}
    monkeypatch.setattr(
        loading,
        "load_model",
        lambda name: check_model(model_of(known, models[name], name=name), name=name),
    )
    monkeypatch.setattr(loading, "load_benchmark", lambda _: benchmark(known, n_components=12))

    def declare(**more):
        base = {
            "benchmark": NAME,
            "model": "fake",
            "expected": (0.9, 1.0),
            "formula": "r/sqrt(c)",
            "weaker": ("fake_second",),
            "why": "the sites themselves",
        }
        checks = [Check(**{**base, **more})]
        monkeypatch.setattr(loading, "load_checks", lambda: checks)

    declare()
    return declare


@pytest.fixture
def narrow(monkeypatch, call):
    made = Console(highlight=False, markup=False, emoji=False, width=80, color_system=None)
    monkeypatch.setattr(console, "stdout", lambda: made)
    monkeypatch.setattr(text, "fitted", lambda words, _: text.wrapped(words, 80))

    def show(*arguments):
        done = call("selftest", "-q", *arguments)
        return done.status, [line.rstrip() for line in done.out.splitlines()]

    return show


def test_a_pass(small, narrow):
    status, lines = narrow()
    assert status == 0
    assert lines[0].split() == [
        "check", "expected", "found", "95", "%", "CI", "shuffled", "fake_second",
    ]  # fmt: skip
    assert lines[1].split()[:4] == [NAME, ".9", "to", "1"]
    assert lines[1].endswith("pass")
    assert max(map(len, lines)) <= 80
    assert ".9 to 1 for fake, the sites themselves (r/sqrt(c)-v1)" in lines


def test_a_miss_says_why_and_ends_with_1(small, narrow):
    small(expected=(1.5, 1.5))
    status, lines = narrow()
    assert status == 1
    assert lines[1].endswith("MISS")
    [why] = [line for line in lines if line.startswith(f"MISS {NAME}: fake ")]
    assert "1.500" in why


def test_json(small, call):
    done = call("selftest", "--format", "json")
    [one] = json.loads(done.out)
    assert done.status == 0
    assert (one["benchmark"], one["model"], one["passed"], one["wrong"]) == (NAME, "fake", True, [])
    assert one["expected"] == [0.9, 1.0]
    assert one["ci"][0] < one["measured"] < one["ci"][1]
    assert one["protocol"] == "paper"
    assert one["seconds"] >= 0
    assert set(one["weaker"]) == {"fake_second"}
    assert "1 checks in" in done.err


def test_nothing_is_kept_in_the_results_folder(small, call, results_folder):
    call("selftest")
    assert not results_folder.exists()


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (["-b", "Fake.V1-pls"], "Fake.V1-pls"),
        (["-b", "Nix*"], "'Nix*'"),
        (["--format", "xml"], "--format 'xml'"),
    ],
)
def test_wrong_usage(small, call, arguments, got):
    done = call("selftest", *arguments)
    assert (done.status, done.out) == (2, "")
    assert got in done.err.splitlines()[0]


@pytest.mark.slow
def test_the_real_one_on_two_benchmarks(shell, session_cache):
    done = shell(
        "selftest",
        "-b",
        "Simulated.IT-pls,Simulated.V1-ccnorm2,Simulated.IT-ost",
        BRAINBENCH_CACHE=str(session_cache),
        BRAINBENCH_OFFLINE="1",
    )
    assert done.status == 0, done.out
    lines = done.out.splitlines()
    passed = [line for line in lines if line.endswith("pass")]
    assert len(passed) >= 10
    assert not any("none" in line.split() for line in passed)  # every control has a figure
    assert "MISS" not in done.out


def test_help_fits_80_columns(shell):
    done = shell("selftest", "--help")
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80


def test_on_a_terminal_rows_come_one_by_one(small, call, monkeypatch):
    monkeypatch.setattr("brainbench.cli.streams.KeepsGoing.isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    done = call("selftest", "-q")
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[0].split() == [
        "check", "expected", "found", "95", "%", "CI", "shuffled", "fake_second",
    ]  # fmt: skip
    assert lines[1].split()[0] == NAME
    assert lines[1].rstrip().endswith("pass")
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith(".9 to 1 for fake")
