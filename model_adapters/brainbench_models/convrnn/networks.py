"""The networks by name: released ConvRNNs, and the feed-forward controls of the paper.

Shallow networks are the 6-layer one of supplement 6.1 with cells in layers 3, 4 and 5. Intermediate ones have
11 layers and cells in 4 to 10, on the 18-layer backbone of supplement 6.1 (two convolutions per layer), or,
for the median network of the search ("rgc"), on one with one convolution per layer. Widths and kernels are
those of the released weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from brainbench.core.errors import unknown
from brainbench_models.convrnn.graph import Cell, Edge, Graph, Layer, Readout
from brainbench_models.convrnn.search_space import drawn_graph

_EVERY_LAYER: Final = (1, 2, 3, 4, 5)
_POOLED: Final = (1, 4, 6, 7, 10)  # layers of the deep backbones that end in pooling
_MEDIAN_FEEDBACK: Final[tuple[Edge, ...]] = (
    ("conv8", "conv5"),
    ("conv9", "conv6"),
    ("conv10", "conv7"),
    ("conv7", "conv6"),
    ("conv10", "conv9"),
)
"""Long-range feedback that the search kept (Nayebi 2018, figure 5a)."""
SMALL_STEPS: Final = 7
"""Steps with which small networks are trained: one more than the minimal number."""
_SMALL_WIDTHS: Final = (16, 32, 64, 64)
_SMALL_CELL: Final = Cell(kind="rgc_median", memory=32)
_MEDIAN_CELL: Final = Cell(kind="rgc_median", memory=64, kernel=7)


def _layers(
    widths: Sequence[int],
    *,
    pooled: Sequence[int],
    cells: Mapping[int, Cell] | None = None,
    block: bool = False,
) -> tuple[Layer, ...]:
    """Declare one layer per width: 7 x 7 with stride 2, then 3 x 3, `block` in all but the first."""
    cells = cells or {}
    first = Layer(name="conv1", channels=widths[0], kernel=7, stride=2, pool=1 in pooled)
    rest = (
        Layer(name=f"conv{n}", channels=width, cell=cells.get(n), block=block, pool=n in pooled)
        for n, width in enumerate(widths[1:], 2)
    )
    return (first, *rest)


def _shallow_cells(kind: str) -> dict[int, Cell]:
    """Return the cells of layers 3, 4, 5 of a shallow network.

    Those of the LSTM are what its search found. Its forget biases are in a binary file; they were recovered,
    to about 1e-6, from the output of the released network for known weights.
    """
    if kind == "simplernn":
        widths = {3: 128, 4: 256, 5: 256}
        return {n: Cell(kind="basic", channels=c, layer_norm=True) for n, c in widths.items()}
    if kind == "lstm":
        cell = Cell(kind="lstm", layer_norm=True)
        return {
            3: replace(cell, channels=128, kernel=2, forget_bias=1.356175),
            4: replace(cell, channels=256, kernel=3, forget_bias=0.977962, peepholes=True),
            5: replace(cell, channels=256, kernel=4, forget_bias=0.924926),
        }
    return dict.fromkeys((3, 4, 5), Cell(kind=kind))


def _shallow(kind: str, name: str) -> Graph:
    cells = _shallow_cells(kind)
    layers = _layers((64, 128, 256, 256, 512), pooled=_EVERY_LAYER, cells=cells)
    if kind not in ("rgc", "rgc_printed"):  # the others have no ELU before the cell
        layers = tuple(replace(layer, elu=layer.cell is None) for layer in layers)
    return Graph(name=name, layers=layers, readout=Readout(kind="conv"), steps=16)


def _two_convolutions(name: str, cell: Cell | None) -> Graph:
    """Declare one convolution, then nine layers of two convolutions with a shortcut."""
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512, 512)
    cells = dict.fromkeys(range(4, 11), cell) if cell else {}
    return Graph(name=name, layers=_layers(widths, pooled=_POOLED, cells=cells, block=True))


def _intermediate(kind: str, name: str) -> Graph:
    if kind != "rgc":
        return _two_convolutions(name, Cell(kind="basic" if kind == "simplernn" else kind))
    return replace(_median(name, _MEDIAN_CELL), feedback=_MEDIAN_FEEDBACK)


def _median(name: str, cell: Cell | None) -> Graph:
    """Declare the backbone of the search, with one convolution per layer, and a cell in layers 4 to 10."""
    widths = (64, 128, 128, 128, 128, 256, 256, 256, 512, 512)
    cells = dict.fromkeys(range(4, 11), cell) if cell else {}
    return Graph(name=name, layers=_layers(widths, pooled=_POOLED, cells=cells))


def _drawn(name: str, seed: int) -> Graph:
    return drawn_graph(seed, _median(name, None), name=name, first="conv4")[0]


def _small(
    name: str, widths: tuple[int, ...], cell: Cell | None = None, feedback: tuple[Edge, ...] = ()
) -> Graph:
    """Declare four 3 x 3 layers for images of 32 pixels, ours, with a cell in the last two."""
    layers = tuple(
        Layer(name=f"conv{n}", channels=width, cell=cell if n > 2 else None, pool=n < 4)
        for n, width in enumerate(widths, 1)
    )
    return Graph(
        name=name,
        layers=layers,
        readout=Readout(classes=10),
        feedback=feedback,
        steps=SMALL_STEPS,
        size=32,
    )


def _feedforward_6(widths: tuple[int, ...], name: str) -> Graph:
    """Declare a 6-layer control of supplement 6.1, all pooled; the sixth layer is the 2 x 2 read-out."""
    layers = _layers(widths, pooled=_EVERY_LAYER)
    return Graph(name=name, layers=layers, readout=Readout(kind="conv"), steps=16)


def _feedforward_11(name: str) -> Graph:
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512, 512)
    return Graph(name=name, layers=_layers(widths, pooled=_POOLED))


KINDS: Final = ("timedecay", "simplernn", "gru", "lstm", "intersection", "ugrnn", "rgc")
"""Cells as in the networks' names."""
_BUILDERS: Final[Mapping[str, Callable[[str], Graph]]] = {
    **{f"convrnn_{kind}_shallow": partial(_shallow, kind) for kind in KINDS},
    **{f"convrnn_{kind}_intermediate": partial(_intermediate, kind) for kind in KINDS},
    "convrnn_printed_shallow": partial(_shallow, "rgc_printed"),
    "convrnn_median_nofeedback": partial(_median, cell=_MEDIAN_CELL),
    "convrnn_random": partial(_drawn, seed=0),
    "convrnn_small": partial(
        _small, widths=_SMALL_WIDTHS, cell=_SMALL_CELL, feedback=(("conv4", "conv3"),)
    ),
    "convrnn_small_nofeedback": partial(_small, widths=_SMALL_WIDTHS, cell=_SMALL_CELL),
    "ff_small_parameters": partial(_small, widths=(16, 32, 80, 208)),
    "ff_small_operations": partial(_small, widths=(36, 80, 128, 56)),
    "ff6": partial(_feedforward_6, (64, 128, 256, 256, 512)),
    "ff6_wider": partial(_feedforward_6, (128, 512, 512, 512, 1024)),
    "ff6_deeper": _feedforward_11,
    "basenet18": partial(_two_convolutions, cell=None),
}
NAMES: Final = tuple(_BUILDERS)
SMALL: Final = tuple(name for name in NAMES if "_small" in name)
"""Networks of ours for images of 32 pixels: at most 300,000 parameters and 15 million multiply-adds."""
RELEASED: Final = tuple(
    f"convrnn_{kind}_{depth}" for depth in ("shallow", "intermediate") for kind in KINDS
)
"""Networks whose authors released weights."""


def graph(name: str) -> Graph:
    """Return the declaration of a network; UnknownNameError for one that does not exist.

    Examples
    --------
    >>> median = graph("convrnn_rgc_intermediate")
    >>> median.nodes, median.minimal_steps(), median.depth
    (11, 12, 18)
    """
    if name not in _BUILDERS:
        todo = "choose one of brainbench_models.convrnn.networks.NAMES, or declare a Graph"
        raise unknown("network", str(name), NAMES, todo=todo)
    return _BUILDERS[name](name)
