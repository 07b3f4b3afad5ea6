"""Declared graphs: what follows from a declaration, and what cannot be declared."""

from __future__ import annotations

import doctest
import re

import pytest
from convrnns import small

from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models import models
from brainbench_models.convrnn import networks
from brainbench_models.convrnn.cells import CellSizes, make_cell
from brainbench_models.convrnn.graph import Cell, Graph, Layer, Readout
from brainbench_models.convrnn.networks import NAMES, graph
from brainbench_models.convrnn.same_padding import same_padding
from brainbench_models.convrnn.unroll import ConvRNN, too_short

PARAMETERS = {
    "convrnn_timedecay_shallow": 4_197_739,
    "convrnn_simplernn_shallow": 6_272_872,
    "convrnn_gru_shallow": 25_434_472,
    "convrnn_lstm_shallow": 21_126_248,
    "convrnn_intersection_shallow": 32_513_384,
    "convrnn_ugrnn_shallow": 18_355_560,
    "convrnn_rgc_shallow": 23_956_840,
    "convrnn_timedecay_intermediate": 16_403_439,
    "convrnn_simplernn_intermediate": 33_512_936,
    "convrnn_gru_intermediate": 67_725_032,
    "convrnn_lstm_intermediate": 84_832_232,
    "convrnn_intersection_intermediate": 84_832_232,
    "convrnn_ugrnn_intermediate": 50_617_832,
    "convrnn_rgc_intermediate": 15_445_800,
    "convrnn_printed_shallow": 18_353_512,
    "convrnn_median_nofeedback": 14_822_056,
    "convrnn_random": 23_997_928,
    "convrnn_small": 179_946,
    "convrnn_small_nofeedback": 175_786,
    "ff_small_parameters": 180_266,
    "ff_small_operations": 184_434,
    # Without cells: the time-decay networks less one decay for each of their 3 and 7 cells.
    "ff6": 4_197_739 - 3,
    "ff6_wider": 14_145_512,
    "ff6_deeper": 7_602_792,
    "basenet18": 16_403_439 - 7,
}


def test_the_table_names_every_network() -> None:
    assert set(PARAMETERS) == set(NAMES)
    listed = models()
    assert all(listed[name][0] == f"brainbench_models.convrnn.models:{name}" for name in NAMES)


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_parameters(name: str) -> None:
    assert sum(p.numel() for p in ConvRNN(graph(name)).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", ["ff6_wider", "ff6_deeper"])
def test_parameters_of_controls_are_those_of_the_supplement(name: str) -> None:
    """Counted from the tables of supplement 6.1: kernel, channels, and a bias per channel."""
    tables = {
        "ff6_wider": [(7, 128), (3, 512), (3, 512), (3, 512), (3, 1024), (2, 1000)],
        "ff6_deeper": [(7, 64), (3, 64), (3, 64), (3, 128), (3, 128), (3, 256), (3, 256)]
        + [(3, 512)] * 3
        + [(1, 1000)],
    }
    channels, total = 3, 0
    for kernel, width in tables[name]:
        total += kernel**2 * channels * width + width
        channels = width
    assert total == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "least", "depth"),
    [
        ("convrnn_rgc_shallow", 7, 6),
        ("convrnn_lstm_shallow", 7, 9),
        ("convrnn_rgc_intermediate", 12, 18),
        ("convrnn_timedecay_intermediate", 12, 20),
        ("convrnn_median_nofeedback", 12, 18),
        ("convrnn_printed_shallow", 10, 6),
        ("convrnn_random", 12, 11),
        ("ff6", 6, 6),
        ("ff6_deeper", 11, 11),
        ("basenet18", 11, 20),
    ],
)
def test_minimal_unrolling_and_depth(name: str, least: int, depth: int) -> None:
    declared = graph(name)
    assert declared.minimal_steps() == least  # 7 and 12: the paper's controls
    assert too_short(declared, least, "layered") is None
    assert too_short(declared, least - 1, "layered") is not None
    assert declared.depth == depth


def test_cells_need_one_step_more_in_full_passes() -> None:
    assert graph("convrnn_rgc_intermediate").minimal_steps("full") == 2
    assert graph("ff6").minimal_steps("full") == 1


def test_what_too_few_steps_leave_unused() -> None:
    median = graph("convrnn_rgc_intermediate")
    cells = ", ".join(f"conv{n}" for n in range(4, 11))
    eleven, ten = (too_short(median, steps, "layered") or "" for steps in (11, 10))
    assert cells in eleven
    assert "read-out" not in eleven
    assert "read-out" in ten
    two_arms = Graph(
        name="two arms",
        layers=(
            Layer(name="conv1", channels=2),
            Layer(name="conv2", channels=2, cell=Cell(kind="gru")),
            Layer(name="conv3", channels=2, cell=Cell(kind="gru")),
        ),
        feedforward=(("image", "conv1"), ("conv1", "conv2"), ("conv1", "conv3")),
    )
    # conv2 leads nowhere: no number of steps is enough for its weights.
    assert two_arms.needed() == {"conv3": 4}
    assert two_arms.minimal_steps() == 4


def test_feedback_may_be_the_shortest_way_to_the_readout() -> None:
    layers = [Layer(name="conv1", channels=2, cell=Cell(kind="rgc_median"))]
    layers += [Layer(name=f"conv{n}", channels=2, cell=Cell(kind="gru")) for n in (2, 3, 4)]
    arms = (("image", "conv1"), ("conv1", "conv2"), ("conv2", "conv3"), ("conv1", "conv4"))
    without = Graph(name="arms", layers=tuple(layers), feedforward=arms)
    assert "conv3" not in without.needed()
    fed = Graph(name="arms", layers=tuple(layers), feedforward=arms, feedback=(("conv3", "conv1"),))
    # The image is in conv3 at step 2, its past counts at 3, conv1 has it at 4, conv4 at 5, the read-out at 6.
    assert fed.needed()["conv3"] == 7


def test_shapes_are_those_of_the_released_networks() -> None:
    sides = [shape[1] for shape in graph("convrnn_rgc_intermediate").shapes.values()]
    assert sides == [224, 56, 56, 56, 28, 28, 14, 7, 7, 7, 4]
    assert graph("convrnn_rgc_shallow").shapes["conv5"] == (512, 4, 4)


def test_feedback_is_ordered_by_name_as_text() -> None:
    layers = tuple(
        Layer(name=f"conv{n}", channels=2, cell=Cell(kind="rgc_median")) for n in range(1, 11)
    )
    edges = (("conv7", "conv2"), ("conv10", "conv2"), ("conv9", "conv2"))
    assert Graph(name="g", layers=layers, feedback=edges).feedback_of("conv2") == (
        "conv10", "conv7", "conv9",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (28, 2, 1, (0, 1)),
        (7, 4, 1, (1, 2)),
        (7, 2, 2, (0, 1)),
        (9, 1, 1, (0, 0)),
    ],
)
def test_padding(side: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == expected


def test_an_unknown_cell() -> None:
    with pytest.raises(UnknownNameError, match="lstn") as caught:
        Cell(kind="lstn")
    assert "lstm" in caught.value.allowed


def test_an_unknown_network() -> None:
    with pytest.raises(UnknownNameError, match="convrnn_rgc_shalow") as caught:
        graph("convrnn_rgc_shalow")
    assert "convrnn_rgc_shallow" in caught.value.allowed


def test_feedback_to_a_layer_that_does_not_exist() -> None:
    layers = small("rgc_median").layers
    with pytest.raises(UnknownNameError, match="conv4 -> conv22"):
        Graph(name="g", layers=layers, feedback=(("conv4", "conv22"),))
    with pytest.raises(UnknownNameError, match="'conv9'"):
        Graph(name="g", layers=layers, feedback=(("conv9", "conv2"),))


@pytest.mark.parametrize(
    ("edge", "named"),
    [
        (("conv2", "conv4"), "'conv2' to 'conv4'"),
        (("conv2", "conv2"), "'conv2' to 'conv2'"),
        (("image", "conv2"), "'image' to 'conv2'"),
        (("conv3", "conv1"), "'conv1'.* none"),
    ],
)
def test_feedback_that_cannot_be(edge: tuple[str, str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Graph(name="g", layers=small("rgc_median").layers, feedback=(edge,))


def test_feedback_to_a_cell_that_takes_none() -> None:
    with pytest.raises(InputError, match=r"'conv2'.* gru"):
        small("gru", feedback=True)


@pytest.mark.parametrize(
    "forward",
    [
        (("image", "conv1"),),
        (("image", "conv1"), ("conv1", "conv2"), ("conv1", "conv2")),
        (("image", "conv1"), ("conv2", "conv2")),
    ],
)
def test_feedforward_that_cannot_be(forward: tuple[tuple[str, str], ...]) -> None:
    layers = (Layer(name="conv1", channels=2), Layer(name="conv2", channels=2))
    with pytest.raises(InputError, match=re.escape(str(list(forward)))):
        Graph(name="g", layers=layers, feedforward=forward)


@pytest.mark.parametrize("names", [(), ("conv1", "conv1"), ("image",), ("imnetds",)])
def test_layers_without_names_of_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=re.escape(str(list(names)))):
        Graph(name="g", layers=tuple(Layer(name=n, channels=2) for n in names), readout=Readout())


@pytest.mark.parametrize("kind", ["rgc", "intersection"])
def test_a_cell_that_cannot_change_the_width(kind: str) -> None:
    with pytest.raises(InputError, match=r"8 channels .* 4"):
        make_cell(Cell(kind=kind, channels=8), CellSizes(channels=4, source=4, side=8))


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(networks)
    assert result.attempted > 0
    assert result.failed == 0
