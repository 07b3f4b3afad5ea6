"""Cells of the search space, feedback into any cell, and the cell as printed: their equations, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from convrnns import KINDS, SIDE, normal_images, small
from torch import nn
from torch.nn.functional import elu

from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models.convrnn.cells import CellSizes, make_cell
from brainbench_models.convrnn.graph import Cell, FeedbackCell, Graph, SearchCell
from brainbench_models.convrnn.initializers import draw_weights
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.search_space import (
    RandomChoice,
    candidates,
    chosen_cell,
    drawn_graph,
)
from brainbench_models.convrnn.unroll import ConvRNN

SIZES = CellSizes(channels=4, source=3, side=6)


def given(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x, source, c, h = (torch.randn(2, n, 6, 6, generator=generator) for n in (4, 3, 4, 4))
    return x, source, c, h


def s(value):
    return torch.sigmoid(value)


@pytest.mark.parametrize("affine", ["add", "1x1", "conv", "separable"])
@pytest.mark.parametrize("order", ["a first", "b first", "neither"])
def test_equations_of_the_search_cell(affine, order):
    reads_a = ("below", "x", "c") + (("c_new",) if order == "b first" else ())
    reads_b = ("x", "h") + (("h_new",) if order == "a first" else ())
    spec = SearchCell(
        reads_a=reads_a, reads_b=reads_b, affine=affine, kernel=4, tau=(0.9, -0.4),
        gate=(0.3, 0.6), gate_b=False, activation="tanh",
    )  # fmt: skip
    cell = draw_weights(make_cell(spec, SIZES), seed=1)
    x, source, c, h = given()
    values = {"below": source, "x": x, "c": c, "h": h}

    def total(name, reads):
        return sum(cell.maps[name].maps[one](values[one]) for one in reads)

    def part_a():
        gate = 0.3 + 0.6 * s(total("gate_a", reads_a))
        tau = 0.9 - 0.4 * s(total("tau_a", reads_a))
        values["h_new"] = torch.tanh(gate * total("in_a", reads_a) + tau * h)

    def part_b():
        tau = 0.9 - 0.4 * s(total("tau_b", reads_b))
        values["c_new"] = torch.tanh(total("in_b", reads_b) + tau * c)

    for part in (part_b, part_a) if order == "b first" else (part_a, part_b):
        part()
    y, state = cell(cell.drive(x, source), (c, h))
    torch.testing.assert_close(y, values["h_new"])
    torch.testing.assert_close(state, (values["c_new"], values["h_new"]))
    assert "gate_b" not in cell.maps


def test_added_maps_have_weights_only_where_widths_differ():
    cell = make_cell(SearchCell(reads_a=("below", "x"), reads_b=("h",), affine="add"), SIZES)
    maps = cell.maps["in_a"].maps
    assert isinstance(maps["x"], nn.Identity)
    assert maps["below"].weight.shape == (4, 3, 1, 1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"reads_a": ("c_new",), "reads_b": ("h_new",)}, "c_new"),
        ({"reads_a": ("h_new",)}, "'h_new'"),
        ({"reads_b": ()}, "nothing"),
        ({"reads_a": ("c", "h"), "reads_b": ("c", "h_new")}, "does not depend on its input"),
        ({"reads_a": ("h",)}, "does not depend on its input"),
        ({"affine": "5x5"}, "5x5"),
        ({"activation": "relu"}, "relu"),
        ({"entry": "gate"}, "gate"),
    ],
)
def test_cells_that_cannot_be_declared(options, named):
    with pytest.raises((InputError, UnknownNameError), match=named):
        SearchCell(**options)
    with pytest.raises(InputError, match="SearchCell"):
        make_cell(Cell(kind="search"), SIZES)


def test_the_cell_as_printed():
    cell = draw_weights(make_cell(Cell(kind="rgc_printed"), SIZES), seed=1)
    x, source, c, h = given()
    y, (new_c, new_h) = cell(cell.drive(x, source), (c, h))
    assert y is h  # the state before the step
    a = (1 - s(cell.out_gate(c))) * x + (1 - s(cell.out_tau(h))) * h
    b = (1 - s(cell.cell_gate(h))) * x + (1 - s(cell.cell_tau(c))) * c
    torch.testing.assert_close((new_c, new_h), (elu(b), elu(a)))


def test_the_cell_as_printed_shows_the_image_one_step_later():
    first = {kind: small(kind).first_driven() for kind in ("rgc", "rgc_printed")}
    assert first["rgc"] == {"conv1": 0, "conv2": 1, "conv3": 2, "conv4": 3, "imnetds": 4}
    assert first["rgc_printed"] == {"conv1": 0, "conv2": 2, "conv3": 4, "conv4": 6, "imnetds": 7}


def fed(kind, entry, kernel=1):
    """A graph with feedback from layer 4 to layer 2, whose map is twice as large."""
    declared = small(kind)
    options = {} if kind == "search" else {"kind": kind}
    make = SearchCell if kind == "search" else FeedbackCell
    cell = make(**options, entry=entry, entry_kernel=kernel)
    layers = tuple(
        replace(layer, cell=cell) if layer.name == "conv2" else layer for layer in declared.layers
    )
    return replace(declared, layers=layers, feedback=(("conv4", "conv2"),))


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "rgc_median"), "rgc_printed"])
@pytest.mark.parametrize(("entry", "kernel"), [("input", 1), ("hidden", 3), ("output", 5)])
def test_feedback_enters_any_cell_one_step_after_it_left(kind, entry, kernel):
    declared = fed(kind, entry, kernel)
    arrival = declared.first_driven()["conv4"] + 1 + (kind == "rgc_printed" and entry == "input")
    net = draw_weights(ConvRNN(declared, steps=arrival + 2), seed=0).eval()
    assert net.conv2.entry.weight.shape == (4, 6, kernel, kernel)
    if kind == "timedecay":
        nn.init.constant_(net.conv2.cell.decay, 0.5)  # 0 at first: nothing of the state is kept
    before = conv2_steps(net)
    with torch.no_grad():
        net.conv2.entry.weight += 1.0
    differs = [
        not torch.allclose((a - b)[0], (a - b)[1], atol=1e-6)
        for a, b in zip(before, conv2_steps(net), strict=True)
    ]
    assert differs.index(True) == arrival


def conv2_steps(net):
    steps = []
    hook = net.conv2.register_forward_hook(lambda _, __, out: steps.append(out[0].clone()))
    with torch.no_grad():
        net(normal_images())
    hook.remove()
    return steps


def test_feedback_by_hand():
    """The entry reads the resized map; "output" adds it to what the cell gives."""
    net = draw_weights(ConvRNN(fed("basic", "output", 3), steps=8), seed=0).eval()
    layer = net.conv2
    source, feedback = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)
    with torch.no_grad():
        output, _ = layer(source, [feedback], None, 2)
        resized = nn.functional.interpolate(feedback, (8, 8), mode="bilinear", align_corners=True)
        x = elu(layer.conv(source))
        y, _ = layer.cell(layer.cell.drive(x, source), layer.cell.zeros(x))
    torch.testing.assert_close(output, y + layer.entry(resized))


def test_draws_of_the_space_are_cells_and_rejected_ones_are_counted():
    backbone = graph("convrnn_median_nofeedback")
    one, rejected = drawn_graph(0, backbone, name="x", first="conv4")
    again, _ = drawn_graph(0, backbone, name="x", first="conv4")
    assert one == again
    assert rejected == 1
    assert graph("convrnn_random") == replace(one, name="convrnn_random")
    found = 0
    for seed in range(300):
        try:
            chosen_cell(RandomChoice(seed))
        except InputError:
            found += 1
    # Loops: a quarter. One of two parts reads none of five maps: about a sixteenth.
    assert 0.2 < found / 300 < 0.4
    median = graph("convrnn_rgc_intermediate").feedback
    assert set(median) <= set(candidates(backbone, "conv4"))
    assert len(candidates(backbone, "conv4")) == 10


@pytest.mark.parametrize("name", ["search", "rgc_printed", "rgc_median"])
def test_all_weights_get_a_gradient_in_a_minimally_unrolled_network(name):
    declared: Graph = small(name)
    # One step more: the memory c is passed on one step after it is computed.
    steps = declared.minimal_steps() + 1
    net = draw_weights(ConvRNN(declared, steps=steps), seed=0).train()
    net(torch.randn(2, 3, SIDE, SIDE)).square().sum().backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
