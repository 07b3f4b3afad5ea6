"""`brainbench list` and `brainbench show`, inside this process."""

import json
import sys
from dataclasses import replace

import brainbench_fake
import pytest
import torch
from rich.console import Console

import brainbench_models
from brainbench.cli import console
from brainbench.run.loading import load_model


def test_list_models(call):
    done = call("list", "models", "fake*")
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["model", "what", "it", "is"],
        ["fake", "brainbench_fake:fake"],
        ["fake_second", "brainbench_fake:second"],
    ]
    assert "cornet_s" in call("list", "models").out


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("timm*,pixels", ["timm:NAME", "pixels"]),
        ("*.onnx,timm:resnet18@untrained-1", ["FILE.onnx", "timm:resnet18@untrained-1"]),
        ("cornet_[sz]@untrained-1", ["cornet_s@untrained-1", "cornet_z@untrained-1"]),
        (
            "*_s,*maps,*.s*,pixels,*.onnx",
            ["cornet_s", "simulated_maps", "FILE.safetensors", "pixels", "FILE.onnx"],
        ),
    ],
)
def test_models_are_listed_with_families_and_what_they_are(call, pattern, names):
    rows = json.loads(call("list", "models", pattern, "--json").out)
    assert [row["model"] for row in rows] == names
    assert all(row["what it is"] for row in rows)


def test_members_of_a_family_match_wildcards(call):
    rows = json.loads(call("list", "models", "timm:resnet1[08]t,timm:resnet18", "--json").out)
    assert [row["model"] for row in rows] == ["timm:resnet10t", "timm:resnet18"]
    assert len({row["what it is"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("hf:*", "hf:NAME"), ("timm:no_such_net*", "unknown network of timm 'no_such_net*'")],
)
def test_wildcards_of_families_that_match_nothing(call, pattern, words):
    done = call("list", "models", pattern)
    assert (done.status, done.out) == (2, "")
    assert words in done.err


def test_every_bundled_model_says_in_a_line_of_80_columns_what_it_is(call):
    rows = json.loads(call("list", "models", "--json").out)
    own = [row for row in rows if not row["model"].startswith("fake")]
    families = ["timm:NAME", "torchvision:NAME", "hf:NAME", "FILE.onnx", "FILE.safetensors"]
    assert [row["model"] for row in own][-5:] == families
    assert not [row for row in own if ":" in row["what it is"].partition(" ")[0]]
    first, second = (max(len(row[key]) for row in own) for key in ("model", "what it is"))
    assert first + 2 + second <= 80


def test_list_benchmarks(call):
    done = call("list", "benchmarks", "Away.*,Fake.V1-pls")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["benchmark", "version", "region", "window", "data", "get", "it", "with"]
    assert rows[1][:8] == ["Away.IT-pls", "1", "IT", "70-170", "ms", "data", "not", "here"]
    assert rows[1][8:] == brainbench_fake.away.data.command.split()
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
        (["list", "modells"], "'modells'", "models"),
        (["list", "models", "fak"], "'fak'", "fake"),
        (["list", "benchmarks", "Nix*"], "'Nix*'", "brainbench list benchmarks"),
        (["list", "benchmarks", "Simulated.behaviour*"], "behaviour", "Simulated.behavior*"),
        (["show", "Fake.IT-plz"], "'Fake.IT-plz'", "Fake.IT-pls"),
        (["show", "Simulated.behaviour-i2n"], "behaviour", "Simulated.behavior-i2n"),
        (["show", "nix.py:f"], "nix.py:f", "FILE.py:function"),
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
    assert facts["measure"].strip() == "MeanActivation(formula=None, misbehavior=)"


def test_show_a_benchmark_without_its_data(call):
    out = call("show", "Away.IT-pls").out
    assert "Away, not here: the recordings are not in the data folder" in out
    assert "get it with `brainbench data get Fake`" in out


def test_show_data(call):
    facts = json.loads(call("show", "FakeStored", "--json").out)
    assert facts["license"] == "CC0"
    assert facts["simulated"] == "yes"
    assert facts["state"] == "here"


def test_show_a_model(call):
    facts = json.loads(call("show", "fake@untrained-0", "--json").out)
    assert facts["model"] == "fake@untrained-0"
    assert facts["weights"] == "untrained-0"
    assert facts["untrained"] is facts["static"] is True
    assert facts["source"] == "drawn at random, seed 0"
    assert facts["areas"]["IT"] == ["IT.output"]
    assert facts["layers"][3] == {"name": "IT.output", "regions": ["IT"]}
    assert facts["presentations"] == ["constant"]
    text = call("show", "fake@untrained-0").out
    assert "untrained-0 (seeded random numbers, not trained)" in text
    assert "static: one state per image" in text


def test_show_prints_text_as_it_is(call, monkeypatch):
    """Square brackets and colons are no markup."""
    citation = "Nobody [bold], :smile: 2026"
    monkeypatch.setattr(brainbench_fake, "IT", replace(brainbench_fake.IT, citation=citation))
    assert citation in call("show", "Fake.IT-pls").out


def shown(call, name, *options):
    done = call("show", name, *options)
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def kept():
    """What `show` printed of models that are large, by name and options."""
    return {}


def shown_once(kept, call, *arguments):
    if arguments not in kept:
        kept[arguments] = shown(call, *arguments)
    return kept[arguments]


# What `show` says of bundled models: (parameters, depth, layers).
BUNDLED = {
    "cornet_s@untrained-0": (53_416_616, 15, ("V4.output", [256, 14, 14], 4)),
    "cornet_z@untrained-0": (2_071_656, 5, ("IT.output", [512, 7, 7], 1)),
    "cornet_r@untrained-0": (5_208_936, 9, ("V1.output", [64, 56, 56], 5)),
    "cornet_rt@untrained-0": (5_208_936, 9, ("IT.output", [512, 7, 7], 5)),
    "basenet": (5_013_864, 7, ("conv6", [512, 7, 7], 1)),
    "gabor": (0, 1, ("output", [32, 28, 28], 1)),
    "pixels": (0, None, ("pixels", [3, 64, 64], 1)),
    "efficientnet_lite0": (4_652_008, 50, ("_blocks.15", [320, 7, 7], 1)),
    "simulated_population": (None, None, ("IT", [96], 25)),
    "ff6": (4_197_736, 6, ("conv5", [512, 4, 4], 26)),
    "timm:test_vit@untrained-0": (371_240, 26, ("blocks.5", [101, 64], 1)),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_show_says_what_a_bundled_model_is_made_of(call, kept, name):
    facts = json.loads(shown_once(kept, call, name, "--json"))
    parameters, depth, layer = BUNDLED[name]
    assert facts.get("parameters") == parameters
    assert facts.get("depth") == depth
    assert layer in [(one["name"], one["shape"], one["steps"]) for one in facts["layers"]]
    assert facts["license"]
    assert facts["source"]
    assert facts["clocks"]
    assert ("citation" in facts) == (name != "pixels")


def test_every_bundled_model_says_its_license_and_source(monkeypatch):
    monkeypatch.setenv("BRAINBENCH_OFFLINE", "1")
    # The ConvRNNs share one function, and drawing the weights of all takes half a minute.
    alike = ("convrnn_rgc_shallow", "convrnn_gru_shallow")
    shown_above = {name.partition("@")[0] for name in BUNDLED}
    named = [n for n in brainbench_models.models() if n in alike or not n.startswith("convrnn_")]
    named = [name for name in named if name not in shown_above]
    for name in named:
        about = load_model(name).about
        assert about.license, name
        assert about.source, name


def values(text):
    """Label -> its lines, of what `show` prints."""
    found, width = {}, max(len(line.split("  ")[0]) for line in text.splitlines())
    for line in text.splitlines():
        key = line[:width].strip() or key  # noqa: F821  # the first line has one
        found.setdefault(key, []).append(line[width + 2 :])
    return found


def test_what_is_true_of_all_layers_is_said_once(call, kept):
    layers = values(shown(call, "basenet"))["layers"]
    assert layers[0] == "each for V1, V2, V4, IT"
    assert layers[1] == "conv1    64x112x112"
    assert layers[-1] == "avgpool  512x1x1     choices are read here"
    recurrent = values(shown(call, "ff6"))
    assert recurrent["layers"][0] == "26 steps each"
    assert recurrent["layers"][3] == "conv3     256x14x14  V4"
    assert recurrent["layers"][-1] == "behavior  8192       choices are read here; 1 step"
    assert recurrent["clocks"][1] == (
        "  every layer: 26 steps of 10 ms, 0-260 ms, then 10 ms each where it is shown for longer"
    )
    area = values(shown_once(kept, call, "cornet_s@untrained-0"))["layers"][2]
    assert area == "V4.output        256x14x14  V4; 4 steps"


def test_the_last_step_of_a_nominal_clock_has_no_end(call, kept):
    clocks = values(shown_once(kept, call, "cornet_s@untrained-0"))["clocks"]
    assert "  IT: 0-150 ms, from 150 ms" in clocks
    assert "  IT: 100-200 ms, 200-300 ms" in clocks
    facts = json.loads(shown_once(kept, call, "cornet_s@untrained-0", "--json"))
    assert facts["clocks"][0]["steps"]["IT"] == [[0, 150], [150, None]]
    # The beginning of a layer's name in a clock is no layer.
    assert list(facts["clocks"][0]["steps"]) == ["V1", "V2", "V4", "IT"]
    assert [layer["name"] for layer in facts["layers"]] == [
        "V1.output", "V2.output", "V4.output", "IT.output", "decoder.avgpool",
    ]  # fmt: skip


def test_the_source_is_that_of_the_weights_it_has(call, tmp_path):
    lines = values(shown(call, "cornet_z@untrained-3"))
    assert lines["source"] == ["drawn at random, seed 3"]
    assert lines["released"][0].endswith("/cornet_z-5c427c9c.pth")
    path = tmp_path / "mine.pth"
    torch.save(load_model("cornet_z@untrained-0").network.net.state_dict(), path)
    for given in ([f"cornet_z@{path}"], ["cornet_z", "--weights", str(path)]):
        facts = json.loads(shown(call, *given, "--json"))
        assert facts["source"] == f"file {path}"
        assert facts["released"].endswith("/cornet_z-5c427c9c.pth")
    assert "released" not in json.loads(shown(call, "gabor", "--json"))


def test_why_weights_are_not_trained_is_said_on_stderr_and_in_the_text(call):
    done = call("show", "cornet_z")
    assert "cornet_z: no trained weights" in done.err
    assert "BRAINBENCH_OFFLINE is set" in values(done.out)["notes"][0]
    assert call("show", "cornet_z", "-q").err == ""


def test_show_takes_options_and_weights(call):
    args = ["--weights", "untrained-2", "--model-args", 'steps={"V4":2,"V2":1}', "--json"]
    facts = json.loads(shown(call, "cornet_s", *args))
    assert facts["model"] == "cornet_s-V2x1-V4x2@untrained-2"
    done = call("show", "pixels", "--weights", "imagenet")
    assert "pixels: there is no choice of weights for this model" in done.err


@pytest.mark.parametrize(
    ("arguments", "got", "todo"),
    [
        (["Fake.IT-pls", "--weights", "x"], "weights", "--model-args"),
        (["fake", "--weights", "a", "--model-args", "weights=b"], "--weights", "--weights"),
        (["fake", "--model-args", "size=[1"], "]", "--model-args"),
        (["fake", "--model-args", "sise=1"], "'sise'", "--model-args"),
    ],
)  # fmt: skip
def test_options_that_show_does_not_take(call, arguments, got, todo):
    done = call("show", *arguments)
    assert done.status == 2
    assert got in done.err.splitlines()[0]
    assert todo in done.err


@pytest.mark.parametrize("name", ["cornet_s@untrained-0", "efficientnet_lite0", "simulated_maps"])
def test_show_fits_80_columns(call, kept, monkeypatch, name):
    def narrow():
        return Console(highlight=False, markup=False, emoji=False, width=80)

    piped = shown_once(kept, call, name)
    assert all(line == line.rstrip() for line in piped.splitlines())
    monkeypatch.setattr(console, "stdout", narrow)
    out = shown(call, name)
    assert max(map(len, out.splitlines())) <= 80
    assert sorted("".join(out.split())) == sorted("".join(piped.split()))  # nothing cut off
    if name == "cornet_s@untrained-0":  # wrapped lines are indented
        first, second = values(out)["clocks"][:2]
        assert first.startswith("paper: IT: Kubilius")
        assert second.startswith("    as in Brain-Score")


def test_show_an_onnx_file_and_a_family_that_is_not_installed(call, monkeypatch):
    done = call("show", "nix.onnx")
    assert done.status == 2
    assert "nix.onnx" in done.err
    monkeypatch.setitem(sys.modules, "timm", None)
    done = call("show", "timm:resnet18")
    assert done.status == 2
    assert "pip install 'brainbench[timm]'" in done.err


def test_a_benchmark_shows_the_protocols_that_it_computes(call):
    assert "paper, brainscore" in call("show", "Simulated.IT-pls").out
    shown = json.loads(call("show", "Simulated.V1-ccnorm2", "--json").out)
    assert shown["protocols"] == "paper"
