"""Properties of the engine that hold for any small network: batches, movies, time, steps needed."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from convrnns import KINDS, SIDE, small_net
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench_models.convrnn.graph import Cell, Graph, Layer
from brainbench_models.convrnn.same_padding import SameConv2d, same_padding
from brainbench_models.convrnn.schedule import Schedule
from brainbench_models.convrnn.unroll import UnrollingWarning

kinds = st.sampled_from([*KINDS, None])
few = settings(max_examples=25)


def _images(n: int, seed: int) -> torch.Tensor:
    drawn = np.random.default_rng(seed).standard_normal((n, 3, SIDE, SIDE))
    return torch.from_numpy(drawn.astype(np.float32))


def _logits(net: torch.nn.Module, *given: object) -> torch.Tensor:
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UnrollingWarning)
        out: torch.Tensor = net(*given)
        return out


@few
@given(kind=kinds, seed=st.integers(0, 99), on=st.integers(1, 8))
def test_an_image_gives_the_same_alone_and_in_any_order(
    kind: str | None, seed: int, on: int
) -> None:
    net, images, shown = small_net(kind), _images(3, seed), Schedule(steps=8, on=on)
    together = _logits(net, images, shown)
    order = [2, 0, 1]
    assert torch.allclose(_logits(net, images[order], shown), together[order], atol=1e-5)
    assert torch.allclose(_logits(net, images[1:2], shown), together[1:2], atol=1e-5)


@few
@given(kind=kinds, seed=st.integers(0, 99), steps=st.integers(6, 9), after=st.integers(1, 3))
def test_the_future_does_not_change_the_past(
    kind: str | None, seed: int, steps: int, after: int
) -> None:
    net, first = small_net(kind), [_images(2, seed + t) for t in range(steps)]
    movie = torch.stack(first, 1)
    longer = torch.stack([*first, *(_images(2, seed + 1000 + t) for t in range(after))], 1)
    short = torch.stack(net._run(list(movie.unbind(1)))[1].unbind(1))
    long = torch.stack(net._run(list(longer.unbind(1)))[1].unbind(1))
    assert torch.allclose(short, long[:steps], atol=1e-5)


@few
@given(kind=kinds, seed=st.integers(0, 99), delay=st.integers(1, 3))
def test_a_network_without_cells_forgets_all_but_its_delay(
    kind: str | None, seed: int, delay: int
) -> None:
    """What came before does not matter without cells; with them it does."""
    net = small_net(kind)
    tail = [_images(2, seed + 7 + t) for t in range(5)]
    one = [_images(2, seed + 100 + t) for t in range(delay)] + tail
    other = [_images(2, seed + 200 + t) for t in range(delay)] + tail
    same = torch.allclose(net._run(one)[1][:, -1], net._run(other)[1][:, -1], atol=1e-7, rtol=1e-5)
    assert same == (kind in (None, "timedecay"))  # whose decay starts at 0


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
    assert set(graph.needed().values()) <= {n + 2}
    assert graph.never_reached(n + 2) == []
