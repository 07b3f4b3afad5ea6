"""`brainbench list` and `brainbench show`, inside this process."""

import json
import sys
from dataclasses import replace

import brainbench_fake
import pytest
from rich.console import Console

import brainbench_models
from brainbench.cli import console
from brainbench.loading import load_model


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


def shown(call, name, *options):
    done = call("show", name, *options)
    assert done.status == 0, done.err
    return done.out


# What `show` says of bundled models: (parameters, depth, layers).
BUNDLED = {
    "cornet_s@untrained-0": ("53,416,616", 15, "V4.output: 256x14x14, 4 steps"),
    "cornet_z@untrained-0": ("2,071,656", 5, "IT.output: 512x7x7"),
    "cornet_r@untrained-0": ("5,208,936", 9, "V1.output: 64x56x56, 5 steps"),
    "cornet_rt@untrained-0": ("5,208,936", 9, "IT.output: 512x7x7, 5 steps"),
    "basenet": ("5,013,864", 7, "conv6: 512x7x7"),
    "gabor": ("0", 1, "output: 32x28x28"),
    "pixels": (None, None, "pixels: 3x64x64"),
    "efficientnet_lite0": ("4,652,008", 50, "_blocks.15: 320x7x7"),
    "simulated_population": (None, None, "IT: 96, 25 steps"),
    "ff6": ("4,197,736", 6, "conv5: 512x4x4, 26 steps"),
    "timm:test_vit@untrained-0": ("371,240", 26, "blocks.5: 101x64"),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_show_says_what_a_bundled_model_is_made_of(call, name):
    facts = json.loads(shown(call, name, "--json"))
    parameters, depth, layer = BUNDLED[name]
    assert facts.get("parameters") == parameters
    assert facts.get("depth") == depth
    assert layer in facts["layers"]
    assert facts["licence"]
    assert facts["source"]
    assert facts["clocks"]
    assert ("citation" in facts) == (name != "pixels")


def test_every_bundled_model_says_its_licence_and_source(monkeypatch):
    monkeypatch.setenv("BRAINBENCH_OFFLINE", "1")
    # The ConvRNNs share one function, and drawing the weights of all takes half a minute.
    alike = ("convrnn_rgc_shallow", "convrnn_gru_shallow")
    named = [n for n in brainbench_models.models() if n in alike or not n.startswith("convrnn_")]
    for name in named:
        about = load_model(name).about
        assert about.licence, name
        assert about.source, name


def test_regions_with_the_same_layers_share_a_line(call):
    areas = json.loads(shown(call, "basenet", "--json"))["areas"]
    assert areas == [
        "V1, V2, V4, IT: conv1, conv2, conv3, conv4, conv5, conv6",
        "behaviour: avgpool",
    ]


def test_the_last_step_of_a_nominal_clock_has_no_end(call):
    clocks = json.loads(shown(call, "cornet_s@untrained-0", "--json"))["clocks"]
    assert "  IT 0-150 ms, from 150 ms" in clocks
    assert "  IT 100-200 ms, 200-300 ms" in clocks


@pytest.mark.parametrize("name", ["cornet_s@untrained-0", "efficientnet_lite0", "simulated_maps"])
def test_show_fits_80_columns(call, monkeypatch, name):
    def narrow():
        return Console(highlight=False, markup=False, emoji=False, width=80)

    whole = "".join(shown(call, name).split())
    monkeypatch.setattr(console, "stdout", narrow)
    out = shown(call, name)
    assert max(map(len, out.splitlines())) <= 80
    assert sorted("".join(out.split())) == sorted(whole)  # folded, nothing cut off


def test_show_an_onnx_file_and_a_family_that_is_not_installed(call, monkeypatch):
    done = call("show", "nix.onnx")
    assert done.status == 2
    assert "model nix.onnx: there is no such file" in done.err
    monkeypatch.setitem(sys.modules, "timm", None)
    done = call("show", "timm:resnet18")
    assert done.status == 2
    assert "pip install 'brainbench[timm]'" in done.err


def test_a_benchmark_shows_the_protocols_that_it_computes(call):
    assert "paper, brainscore" in call("show", "Simulated.IT-pls").out
    shown = json.loads(call("show", "Simulated.V1-ccnorm2", "--json").out)
    assert shown["protocols"] == "paper"
