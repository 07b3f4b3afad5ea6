"""`brainbench list` and `brainbench show`, inside this process."""

import json
from dataclasses import replace

import brainbench_fake
import pytest


def test_list_models(call):
    done = call("list", "models", "fake*")
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["model", "made", "by"],
        ["fake", "brainbench_fake:fake"],
        ["fake_second", "brainbench_fake:second"],
    ]
    assert "cornet_s" in call("list", "models").out


def test_list_benchmarks(call):
    done = call("list", "benchmarks", "Away.*,Fake.V1-pls")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["benchmark", "version", "region", "window", "data"]
    assert rows[1] == ["Away.IT-pls", "1", "IT", "70-170", "ms", "data", "not", "here"]
    assert rows[2] == ["Fake.V1-pls", "1", "V1", "70-170", "ms", "here"]


def test_list_data(call, monkeypatch):
    assert call("list", "data", "FakeStored").out.splitlines()[1].split() == [
        "FakeStored", "here", "Invented", "recordings",
    ]  # fmt: skip
    monkeypatch.setenv("FAKE_DATA", "missing")
    done = call("list", "data", "FakeStored")
    assert "data not here" in done.out
    assert "brainbench data get Fake" in done.out


@pytest.mark.parametrize("kind", ["models", "benchmarks", "data"])
def test_list_as_json(call, kind):
    done = call("list", kind, "[Ff]ake*", "--json")
    rows = json.loads(done.out)
    assert done.status == 0
    assert rows
    assert len({tuple(row) for row in rows}) == 1


@pytest.mark.parametrize("kind", ["benchmarks", "data"])
def test_one_broken_plugin_does_not_hide_the_others(call, monkeypatch, kind):
    monkeypatch.setattr(brainbench_fake, kind, lambda: {"Broken": "brainbench_fake:lost"})
    done = call("list", kind)
    assert done.status == 0
    [line] = [line for line in done.out.splitlines() if line.startswith("Broken")]
    assert "broken: brainbench_fake:lost cannot be imported" in line
    assert "Simulated" in done.out


@pytest.mark.parametrize(
    ("arguments", "got", "hint"),
    [
        (["list", "modells"], "unknown kind 'modells'", "did you mean models"),
        (["list", "models", "fak"], "unknown model 'fak'", "fake"),
        (["list", "benchmarks", "Nix*"], "unknown benchmark 'Nix*'", "brainbench list benchmarks"),
        (["show", "Fake.IT-plz"], "unknown name 'Fake.IT-plz'", "did you mean Fake.IT-pls"),
        (["show", "nix.py:f"], "there is no such file", "FILE.py:function"),
    ],
)
def test_unknown_names(call, arguments, got, hint):
    done = call(*arguments)
    assert done.status == 2
    assert got in done.err.splitlines()[0]
    assert hint in done.err
    assert done.out == ""


def test_show_a_benchmark(call):
    done = call("show", "Fake.IT-pls")
    facts = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert done.status == 0
    assert facts["benchmark"].strip() == "Fake.IT-pls"
    assert facts["data"].strip() == "Fake, here"
    assert facts["window"].strip() == "70 to 170 ms from stimulus onset"
    assert facts["citation"].strip() == "Nobody, 2026"


def test_show_a_benchmark_without_its_data(call):
    out = call("show", "Away.IT-pls").out
    assert "Away, not here: the recordings are not in the data folder" in out
    assert "get it with `brainbench data get Fake`" in out


def test_show_data(call):
    facts = json.loads(call("show", "FakeStored", "--json").out)
    assert facts["licence"] == "CC0"
    assert facts["simulated"] == "yes"
    assert facts["state"] == "here"


def test_show_a_model(call):
    facts = json.loads(call("show", "fake@untrained-0", "--json").out)
    assert facts["model"] == "fake@untrained-0"
    assert facts["weights"] == "untrained-0 (seeded random numbers, not trained)"
    assert facts["areas"][3] == "IT: IT.output"
    assert facts["static"] == "yes, one state per image"
    assert facts["presentations"] == "constant"


def test_show_prints_text_as_it_is(call, monkeypatch):
    """Square brackets and colons are no markup."""
    citation = "Nobody [bold], :smile: 2026"
    monkeypatch.setattr(brainbench_fake, "IT", replace(brainbench_fake.IT, citation=citation))
    assert citation in call("show", "Fake.IT-pls").out
