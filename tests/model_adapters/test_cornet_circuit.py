"""Circuit variants of CORnet-S: sizes, identity, what each option changes."""

from __future__ import annotations

import math

import pytest
import torch
from cornet_oracle import fill_with_oracle_weights, oracle_images
from pictures import noise_pictures
from steps import steps_of

from brainbench import load_model
from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models._circuit import AREAS, WIDTHS, Circuit
from brainbench_models.cornet_circuit import CircuitNetwork, clock
from brainbench_models.cornet_s import CORnetS

# Options, the name, and the number of parameters with 1,000 classes.
VARIANTS = [
    ({}, "", 53_416_616),
    ({"steps": {"V2": 1, "V4": 1, "IT": 1}}, "-V2x1-V4x1-ITx1", 53_391_272),
    ({"steps": {"V4": 8}}, "-V4x8", 53_435_048),
    ({"bottleneck": 1}, "-b1", 4_875_944),
    ({"bottleneck": 2}, "-b2", 14_863_016),
    ({"skip": False}, "-noskip", 53_070_760),
    ({"gate": "add"}, "-gateadd", 53_416_616),
    ({"skip": False, "gate": "add"}, "-noskip-gateadd", 53_416_616),
    ({"convolutions": 2}, "-2conv", 14_863_016),
    ({"areas": 3}, "-3areas", 50_880_424),
    ({"areas": 5}, "-5areas", 93_806_248),
    ({"norm": "group"}, "-groupnorm", 53_391_272),
]


def counted(circuit, classes=1000):
    """Parameters from the declaration alone: kernels, and a scale and a shift per channel."""
    widths = [WIDTHS[area] for area in circuit.names]
    total = 3 * 49 * 64 + 9 * 64 * 64 + 2 * 2 * 64 + widths[-1] * classes + classes
    for area, below, c in zip(circuit.names[1:], widths, widths[1:], strict=False):
        wide = circuit.bottleneck * c
        norms = circuit.steps_of(area) if circuit.norm == "step" else 1
        three = circuit.convolutions == 3
        total += below * c + 9 * (wide if three else c) * wide + wide * c + three * c * wide
        total += norms * 2 * ((1 + three) * wide + c)
        total += (c * c + 2 * c) * (circuit.skip or circuit.gate == "add")
    return total


@pytest.mark.parametrize(("options", "name", "parameters"), VARIANTS)
def test_names_and_parameters(options, name, parameters):
    circuit = Circuit(**options)
    with torch.device("meta"):
        net = CircuitNetwork(circuit)
    assert sum(p.numel() for p in net.parameters()) == parameters == counted(circuit)
    assert "".join(f"-{text}" for text in circuit.options) == name
    assert circuit.depth == {"-3areas": 11, "-5areas": 19, "-2conv": 12}.get(name, 15)


def test_with_no_option_it_is_cornet_s():
    ours, published = CircuitNetwork(Circuit(), shrink=16), CORnetS(channels=(4, 8, 16, 32))
    names = [(key, value.shape) for key, value in ours.state_dict().items()]
    assert names == [(key, value.shape) for key, value in published.state_dict().items()]
    fill_with_oracle_weights(ours)
    fill_with_oracle_weights(published)
    layers = [f"{area}.output" for area in AREAS[4]]
    (one, steps), (other, expected) = (
        steps_of(net, layers, oracle_images(64)) for net in (ours, published)
    )
    assert torch.equal(one, other)
    assert all(
        torch.equal(a, b) for k in layers for a, b in zip(steps[k], expected[k], strict=True)
    )


@pytest.mark.parametrize("options", [options for options, _, _ in VARIANTS])
def test_each_variant_runs_its_steps_and_can_be_trained(options):
    circuit = Circuit(**options)
    net = CircuitNetwork(circuit, classes=7, shrink=16).eval()
    layers = [f"{area}.output" for area in circuit.names]
    logits, steps = steps_of(net, layers, torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 7)
    for depth, area in enumerate(circuit.names):
        found = steps[f"{area}.output"]
        assert len(found) == (1 if area == "V1" else circuit.steps_of(area))
        side = 64 // 2 ** (2 + depth)
        assert found[-1].shape == (2, WIDTHS[area] // 16, side, side)
    net.train()(torch.rand(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_gate_adds_the_input_from_the_second_step_on():
    images = oracle_images(64)
    found = {}
    for gate in ("discard", "add"):
        net = fill_with_oracle_weights(CircuitNetwork(Circuit(gate=gate), shrink=16))
        found[gate] = steps_of(net, ["V2.output"], images)[1]["V2.output"]
    assert torch.equal(found["add"][0], found["discard"][0])
    assert not torch.equal(found["add"][1], found["discard"][1])


def test_as_a_model():
    model = load_model(
        "cornet_circuit", areas=5, norm="group", shrink=16, image_size=128, classes=10
    )
    assert model.name == "cornet_circuit-5areas-groupnorm-w16-10classes-128px@untrained-0"
    found = model.activations(noise_pictures(), ["pIT.output", "IT.output"])
    assert found["pIT.output"].sizes["time"] == 2
    assert list(model.areas) == [*AREAS[5], "behavior"]
    assert model.about.depth == 19
    spans = clock(Circuit(steps={"V4": 3})).steps["V4"]
    assert spans == [(0, 140), (140, 190), (190, math.inf)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"areas": 6}, "areas=6"),
        ({"bottleneck": 0}, "bottleneck=0"),
        ({"skip": "no"}, "skip='no'"),
        ({"gate": "lstm"}, "gate='lstm'"),
        ({"convolutions": 4}, "convolutions=4"),
        ({"norm": "layer"}, "norm='layer'"),
        ({"steps": 3}, "steps=3"),
        ({"steps": {"V4": 0}}, r"steps\['V4'\]=0"),
        ({"classes": 0}, "classes=0"),
        ({"shrink": 65}, "shrink=65"),
        ({"width": 3}, "width=3"),
        ({"weights": "imagenet"}, "'imagenet'"),
    ],
)
def test_options_that_do_not_exist(options, named):
    with pytest.raises(InputError, match=named):
        load_model("cornet_circuit", **options)


def test_steps_of_an_area_that_the_circuit_does_not_have():
    for wrong in ("V1", "pIT"):
        with pytest.raises(UnknownNameError, match=wrong):
            load_model("cornet_circuit", steps={wrong: 1})
