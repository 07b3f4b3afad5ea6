"""Properties of ConvRNNs that hold for any small network: batches, movies, time, steps needed."""

from __future__ import annotations

import warnings

import torch
from convrnns import KINDS, normal_images, small_net
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import steps_of

from brainbench_models.convrnn.graph import Cell, Graph, Layer
from brainbench_models.convrnn.same_padding import SameConv2d, same_padding
from brainbench_models.convrnn.schedule import Schedule
from brainbench_models.convrnn.unroll import ConvRNN, UnrollingWarning, too_short

kinds = st.sampled_from([*KINDS, None])
few = settings(max_examples=25)


def _logits(net: torch.nn.Module, *given: object) -> torch.Tensor:
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UnrollingWarning)
        logits: torch.Tensor = net(*given)
        return logits


def _logits_of_steps(net: ConvRNN, frames: list[torch.Tensor]) -> torch.Tensor:
    """Logits of every step of a movie, (step, batch, class)."""
    readout = net.graph.readout.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnrollingWarning)
        _, steps = steps_of(net, [readout], torch.stack(frames, 1))
    return torch.stack(steps[readout])


@few
@given(kind=kinds, seed=st.integers(0, 99), on=st.integers(1, 8))
def test_an_image_gives_the_same_alone_and_in_any_order(
    kind: str | None, seed: int, on: int
) -> None:
    net, images, shown = small_net(kind), normal_images(3, seed), Schedule(steps=8, on=on)
    together = _logits(net, images, shown)
    order = [2, 0, 1]
    assert torch.allclose(_logits(net, images[order], shown), together[order], atol=1e-5)
    assert torch.allclose(_logits(net, images[1:2], shown), together[1:2], atol=1e-5)


@few
@given(kind=kinds, seed=st.integers(0, 99), steps=st.integers(6, 9), after=st.integers(1, 3))
def test_the_future_does_not_change_the_past(
    kind: str | None, seed: int, steps: int, after: int
) -> None:
    net, frames = small_net(kind), [normal_images(2, seed + t) for t in range(steps)]
    more_frames = [normal_images(2, seed + 1000 + t) for t in range(after)]
    short = _logits_of_steps(net, frames)
    long = _logits_of_steps(net, [*frames, *more_frames])
    assert torch.allclose(short, long[:steps], atol=1e-5)


@few
@given(kind=kinds, seed=st.integers(0, 99), delay=st.integers(1, 3))
def test_a_network_without_cells_forgets_all_but_its_delay(
    kind: str | None, seed: int, delay: int
) -> None:
    """What came before does not matter without cells; with them it does."""
    net = small_net(kind)
    tail = [normal_images(2, seed + 7 + t) for t in range(5)]
    last = [
        _logits_of_steps(net, [normal_images(2, seed + first + t) for t in range(delay)] + tail)[-1]
        for first in (100, 200)
    ]
    same = torch.allclose(*last, atol=1e-7, rtol=1e-5)
    assert same == (kind in (None, "timedecay"))  # the decay starts at 0


@given(side=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3))
def test_same_padding_gives_as_many_outputs_as_the_stride_leaves(
    side: int, kernel: int, stride: int
) -> None:
    before, after = same_padding(side, kernel, stride)
    assert 0 <= after - before <= 1
    conv = SameConv2d(1, 1, kernel, stride=stride)
    assert conv(torch.zeros(1, 1, side, side)).shape[2] == -(-side // stride)


@given(
    cells=st.lists(st.booleans(), min_size=1, max_size=8),
    extra=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=4),
)
def test_steps_needed_by_a_chain_are_its_layers_and_one(
    cells: list[bool], extra: list[tuple[int, int]]
) -> None:
    """In a chain every cell needs the same, and feedback shortens nothing."""
    n = len(cells)
    layers = tuple(
        Layer(name=f"c{k}", channels=2, cell=Cell(kind="rgc_median") if cell else None)
        for k, cell in enumerate(cells)
    )
    back = {(max(a, b), min(a, b)) for a, b in extra if a != b and max(a, b) < n}
    feedback = tuple((f"c{a}", f"c{b}") for a, b in sorted(back) if cells[b])
    graph = Graph(name="chain", layers=layers, feedback=feedback)
    assert graph.minimal_steps() == n + 1 + any(cells)
    assert graph.needed() == {f"c{k}": n + 2 for k, cell in enumerate(cells) if cell}
    assert too_short(graph, graph.minimal_steps(), "layered") is None
    assert too_short(graph, graph.minimal_steps() - 1, "layered") is not None
