"""Small networks with the structure of the large ones, for tests."""

from __future__ import annotations

from brainbench_models.convrnn.graph import CELLS, Cell, Graph, Layer, Readout
from brainbench_models.convrnn.initializers import seeded
from brainbench_models.convrnn.unroll import ConvRNN

SIDE = 16


def small(kind: str | None, *, feedback: bool = False, block: bool = False) -> Graph:
    """Four layers, cells in the last three, as "conv1" to "conv4"; the maps are 8, 8, 4 and 4 high."""
    cell = None if kind is None else Cell(kind=kind)
    layers = tuple(
        Layer(
            name=f"conv{n}",
            channels=channels,
            stride=2 if n == 1 else 1,
            cell=cell if n > 1 else None,
            block=block and n > 1,
            pool=n == 3,
        )
        for n, channels in enumerate((4, 4, 6, 6), 1)
    )
    return Graph(
        name=f"small_{kind}",
        layers=layers,
        readout=Readout(classes=5),
        feedback=(("conv4", "conv2"), ("conv3", "conv2")) if feedback else (),
        steps=8,
        size=SIDE,
    )


def small_net(kind: str | None, *, seed: int = 0, **options: object) -> ConvRNN:
    """Such a network with seeded weights; the median cell with feedback."""
    graph = small(kind, feedback=kind == "rgc_median")
    return seeded(ConvRNN(graph, **{"steps": 8, **options}), seed=seed).eval()  # type: ignore[arg-type]


KINDS = tuple(CELLS)
