"""`brainbench show MODEL`: layers, parameters, clocks, whom to cite, and the figure."""

import json
from pathlib import Path

import pytest
import torch

import brainbench
from brainbench.extract.describe import parameters_of, sizes_of
from brainbench.timeline import Timeline

MODEL = """
import torch, brainbench
from brainbench.about import About, Diagram
from brainbench.timeline import Timeline

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 4), torch.nn.ReLU())
    graph = Diagram(nodes=("image", "0", "1"), feedforward=(("image", "0"), ("0", "1")))
    about = About(citation="Nobody, 2026", licence="CC0", source="a drawer", depth=1, graph=graph)
    return brainbench.wrap(net, layers={"IT": "1"}, name="tiny", about=about)
"""


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "tiny_model.py"
    path.write_text(MODEL)
    return f"{path}:make"


def test_what_a_model_says_of_itself(call, model_file):
    facts = json.loads(call("show", model_file, "--json").out)
    assert facts["parameters"] == "112"
    assert facts["layers"] == ["1: 4x56x56"]
    assert facts["depth"] == 1
    assert facts["citation"] == "Nobody, 2026"
    assert facts["licence"] == "CC0"
    assert facts["source"] == "a drawer"


def test_what_a_model_does_not_say_is_left_away(call):
    facts = json.loads(call("show", "fake@untrained-0", "--json").out)
    assert not facts.keys() & {"citation", "licence", "source", "depth", "parameters", "layers"}


def test_a_convrnn(call):
    facts = json.loads(call("show", "convrnn_rgc_shallow@untrained-0", "--json").out)
    assert facts["parameters"] == "23,956,840"
    assert facts["depth"] == 6
    assert facts["layers"][2:4] == ["conv3: 256x14x14, 26 steps", "conv4: 256x7x7, 26 steps"]
    assert facts["clocks"][1].split(" ", 8)[-1] == (
        "26 steps of 10 ms, 0-260 ms, then 10 ms each where it is shown for longer"
    )
    assert "Nayebi" in facts["citation"]


def test_the_beginning_of_a_layers_name_in_a_clock_is_no_layer(call):
    facts = json.loads(call("show", "cornet_s@untrained-0", "--json").out)
    assert facts["layers"][:2] == ["V1.output: 64x56x56", "V2.output: 128x28x28, 2 steps"]
    assert "  V4 0-140 ms, 140-190 ms, 190-240 ms, from 240 ms" in facts["clocks"]


def test_the_figure(call, model_file, tmp_path):
    path = tmp_path / "graph.png"
    done = call("show", model_file, "--figure", str(path))
    assert done.status == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in done.out.replace("\n", "")


@pytest.mark.parametrize("name", ["pixels", "Fake.IT-pls"])
def test_what_has_no_graph_cannot_be_drawn(call, tmp_path, name):
    done = call("show", name, "--figure", str(tmp_path / "graph.png"))
    assert done.status == 2
    assert f"{name} declares no graph" in done.err
    assert "convrnn_rgc_intermediate" in done.err


def test_sizes_take_which_calls_count_into_account():
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.conv(x))

    clock = Timeline(name="two", source="ours", steps={"conv": [(0, 10), (10, 20)]})
    model = brainbench.wrap(Twice(), layers=["conv"], timeline=clock)
    assert sizes_of(model, ["conv"])["conv"].steps == 2
    last = brainbench.wrap(Twice(), layers=["conv"], timeline=clock, calls="last")
    assert sizes_of(last, ["conv"])["conv"].steps == 1
    assert sizes_of(last, ["conv"])["conv"].shape == (3, 224, 224)
    assert parameters_of(model) == 84
    assert parameters_of(brainbench.wrap(lambda images: images)) is None
