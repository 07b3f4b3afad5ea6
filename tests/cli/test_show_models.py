"""`brainbench show MODEL`: layers, parameters, clocks, whom to cite, and the figure."""

import json
from pathlib import Path

import pytest
import torch

import brainbench
from brainbench.core.timeline import Timeline
from brainbench.models.structure import parameters_of, sizes_of

MODEL = """
import torch, brainbench
from brainbench.core.model_info import About, Diagram
from brainbench.core.timeline import Timeline

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 4), torch.nn.ReLU())
    graph = Diagram(nodes=("image", "0", "1"), feedforward=(("image", "0"), ("0", "1")))
    about = About(citation="Nobody, 2026", license="CC0", source="a drawer", depth=1, graph=graph)
    return brainbench.wrap(net, layers={"IT": "1"}, name="tiny", about=about)
"""


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "tiny_model.py"
    path.write_text(MODEL)
    return f"{path}:make"


def test_what_a_model_says_of_itself(call, model_file):
    facts = json.loads(call("show", model_file, "--json").out)
    assert facts["parameters"] == 112
    assert facts["layers"] == [{"name": "1", "shape": [4, 56, 56], "steps": 1, "regions": ["IT"]}]
    assert facts["depth"] == 1
    assert facts["citation"] == "Nobody, 2026"
    assert facts["license"] == "CC0"
    assert facts["source"] == "a drawer"


def test_unknown_facts_are_omitted(call):
    facts = json.loads(call("show", "fake@untrained-0", "--json").out)
    assert not facts.keys() & {"citation", "license", "released", "depth", "parameters", "notes"}


def test_a_convrnn(call):
    facts = json.loads(call("show", "convrnn_rgc_shallow@untrained-0", "--json").out)
    assert facts["parameters"] == 23_956_840
    assert facts["depth"] == 6
    assert facts["layers"][2:4] == [
        {"name": "conv3", "shape": [256, 14, 14], "steps": 26, "regions": ["V4"]},
        {"name": "conv4", "shape": [256, 7, 7], "steps": 26, "regions": ["IT", "pIT"]},
    ]
    assert facts["clocks"][0]["steps"]["conv3"][-1] == [250, 260]
    assert facts["clocks"][0]["further_ms"] == 10
    assert facts["released"] == "https://github.com/neuroailab/convrnns"
    assert "Nayebi" in facts["citation"]


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
