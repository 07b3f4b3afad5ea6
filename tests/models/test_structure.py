"""What a model is made of: parameters, depth on the longest path, shapes."""

import pytest
import torch
from torch import nn

from brainbench.core.errors import UnknownNameError
from brainbench.core.timeline import Timeline
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import LayerSize, depth_of, parameters_of, sizes_of
from brainbench.models.wrap import wrap
from brainbench.run.loading import load_model
from brainbench_models.cornet_r import CORnetR
from brainbench_models.cornet_s import ABOUT, CORnetS

SMALL = Preprocess(name="small", size=(32, 32))


class Branches(nn.Module):
    """Two convolutions beside one, then two layers, and a product of matrices that is no layer."""

    def __init__(self):
        super().__init__()
        self.long = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)
        )
        self.short = nn.Conv2d(3, 4, 1)
        self.hidden = nn.Linear(4, 6, bias=False)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        tokens = (self.long(x) + self.short(x)).flatten(2).transpose(1, 2)
        tokens = tokens @ (tokens.transpose(1, 2) @ tokens)
        return {"logits": self.out(self.hidden(tokens))}


def wrapped(net, **options):
    return wrap(net, layers=[name for name, _ in net.named_children()], preprocess=SMALL, **options)


def test_depth_is_that_of_the_longest_path():
    net = Branches()
    assert depth_of(wrapped(net)) == 4
    assert all(parameter.grad is None for parameter in net.parameters())
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    assert depth_of(wrapped(net)) == 4


@pytest.mark.parametrize(
    ("name", "depth", "parameters"),
    [
        ("cornet_z@untrained-0", 5, 2_071_656),
        ("basenet", 7, 5_013_864),
        ("efficientnet_lite0", 50, 4_652_008),  # stem, 1 x 2 and 15 x 3 in blocks, head, classifier
        ("timm:resnet18@untrained-0", 18, 11_689_512),
        ("timm:test_vit@untrained-0", 26, 371_240),  # patches, 6 x 4, classifier
        ("gabor", 1, 0),
        ("pixels", None, 0),
    ],
)
def test_known_networks(name, depth, parameters):
    model = load_model(name)
    assert depth_of(model) == depth
    assert parameters_of(model) == parameters
    assert model.about.depth in (None, depth)


def test_the_declared_depths_of_recurrent_networks_are_those_of_one_pass():
    net = CORnetS(channels=(4, 4, 4, 4))
    for area in (net.V2, net.V4, net.IT):
        area.steps = 1
    assert depth_of(wrapped(net)) == ABOUT.depth == 15
    # In the second step V1 runs again before the others are reached: one more than feed-forward.
    declared = load_model("cornet_r@untrained-0").about.depth
    assert depth_of(wrapped(CORnetR(steps=2))) - 1 == declared == 9


def test_a_network_over_time_and_a_function_have_no_depth_here():
    over_time = Timeline(name="t", source="x", steps={"long": [(0, 1)]})
    assert depth_of(wrapped(Branches(), timeline=over_time)) is None
    assert depth_of(wrap(lambda images: images.mean(axis=(2, 3)), preprocess=SMALL)) is None


def test_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert depth_of(wrapped(net)) == 1
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_network_that_cuts_its_graph_has_the_depth_behind_the_cut():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.second(self.first(x).detach())

    class Constant(Cut):
        def forward(self, x):
            return torch.zeros(1, 2)

    assert depth_of(wrapped(Cut())) == 1
    assert depth_of(wrapped(Constant())) == 0


@pytest.mark.slow
def test_shapes_and_steps_of_a_network_over_time():
    assert sizes_of(load_model("cornet_s@untrained-0"), ["V4.output", "decoder.avgpool"]) == {
        "V4.output": LayerSize((256, 14, 14), 4),
        "decoder.avgpool": LayerSize((512, 1, 1), 1),
    }


def test_shapes_and_steps():
    model = wrapped(Branches())
    assert sizes_of(model, ["short", "hidden"]) == {
        "short": LayerSize((4, 32, 32), 1),
        "hidden": LayerSize((1024, 6), 1),
    }
    with pytest.raises(UnknownNameError, match="'shrot'"):
        sizes_of(model, ["shrot"])
