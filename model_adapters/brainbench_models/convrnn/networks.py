"""The networks by name: released ConvRNNs, and the feed-forward controls of the paper.

Shallow is the 6-layer network of supplement 6.1 with cells in layers 3, 4 and 5; intermediate has 11 layers
and cells in 4 to 10, on the 18-layer backbone of supplement 6.1 (two convolutions per layer), or, for the
median network of the search ("rgc"), on one of one convolution per layer. Widths and kernels are those of
the released weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from brainbench.core.errors import unknown
from brainbench_models.convrnn.graph import Cell, Edge, Graph, Layer, ReadoutOptions

_POOLED: Final = (1, 4, 6, 7, 10)
"""Layers of the deep backbones that end in pooling."""
_MEDIAN_FEEDBACK: Final[tuple[Edge, ...]] = (
    ("conv8", "conv5"),
    ("conv9", "conv6"),
    ("conv10", "conv7"),
    ("conv7", "conv6"),
    ("conv10", "conv9"),
)
"""Long-range feedback that the search kept (Nayebi 2018, figure 5a)."""


def _shallow_cells(kind: str) -> dict[int, Cell]:
    """Cells of layers 3, 4, 5 of a shallow network.

    The LSTM's are what its search found. Its three forget biases stand in a file that is no text; they were
    found again, to about 1e-6, from what the released network gives for known weights.
    """
    if kind == "simplernn":
        widths = {3: 128, 4: 256, 5: 256}
        return {n: Cell(kind="basic", channels=c, layer_norm=True) for n, c in widths.items()}
    if kind == "lstm":
        found = Cell(kind="lstm", layer_norm=True)
        return {
            3: replace(found, channels=128, kernel=2, forget_bias=1.356175),
            4: replace(found, channels=256, kernel=3, forget_bias=0.977962, peepholes=True),
            5: replace(found, channels=256, kernel=4, forget_bias=0.924926),
        }
    return {n: Cell(kind=kind) for n in (3, 4, 5)}


def _shallow(kind: str, name: str) -> Graph:
    cells = _shallow_cells(kind)
    layers = [
        Layer(
            name=f"conv{n}",
            channels=channels,
            kernel=7 if n == 1 else 3,
            stride=2 if n == 1 else 1,
            elu=n not in cells or kind == "rgc",
            cell=cells.get(n),
            pool=True,
        )
        for n, channels in enumerate((64, 128, 256, 256, 512), 1)
    ]
    return Graph(name=name, layers=tuple(layers), readout=ReadoutOptions(kind="conv"), steps=16)


def _intermediate_cell(kind: str) -> Cell:
    return Cell(kind="basic" if kind == "simplernn" else kind)


def _blocks(name: str, cell: Cell | None) -> Graph:
    """One convolution, then nine layers of two convolutions around their input."""
    layers = [Layer(name="conv1", channels=64, kernel=7, stride=2, pool=True)]
    layers += [
        Layer(
            name=f"conv{n}",
            channels=channels,
            cell=cell if n >= 4 else None,
            block=True,
            pool=n in _POOLED,
        )
        for n, channels in enumerate((64, 64, 128, 128, 256, 256, 512, 512, 512), 2)
    ]
    return Graph(name=name, layers=tuple(layers))


def _intermediate(kind: str, name: str) -> Graph:
    return _median(name) if kind == "rgc" else _blocks(name, _intermediate_cell(kind))


def _median(name: str) -> Graph:
    cell = Cell(kind="rgc_median", memory=64, kernel=7)
    layers = [
        Layer(
            name=f"conv{n}",
            channels=channels,
            kernel=7 if n == 1 else 3,
            stride=2 if n == 1 else 1,
            cell=cell if n >= 4 else None,
            pool=n in _POOLED,
        )
        for n, channels in enumerate((64, 128, 128, 128, 128, 256, 256, 256, 512, 512), 1)
    ]
    return Graph(name=name, layers=tuple(layers), feedback=_MEDIAN_FEEDBACK)


def _six(name: str, widths: tuple[int, ...]) -> Graph:
    """Supplement 6.1: 7 x 7 of stride 2, then 3 x 3, all pooled; the sixth is the 2 x 2 read-out."""
    layers = tuple(
        Layer(
            name=f"conv{n}",
            channels=channels,
            kernel=7 if n == 1 else 3,
            stride=2 if n == 1 else 1,
            pool=True,
        )
        for n, channels in enumerate(widths, 1)
    )
    return Graph(name=name, layers=layers, readout=ReadoutOptions(kind="conv"), steps=16)


def _ff6(name: str) -> Graph:
    return _six(name, (64, 128, 256, 256, 512))


def _ff6_wider(name: str) -> Graph:
    return _six(name, (128, 512, 512, 512, 1024))


def _ff6_deeper(name: str) -> Graph:
    layers = tuple(
        Layer(
            name=f"conv{n}",
            channels=channels,
            kernel=7 if n == 1 else 3,
            stride=2 if n == 1 else 1,
            pool=n in _POOLED,
        )
        for n, channels in enumerate((64, 64, 64, 128, 128, 256, 256, 512, 512, 512), 1)
    )
    return Graph(name=name, layers=layers)


def _basenet18(name: str) -> Graph:
    return _blocks(name, None)


KINDS: Final = ("timedecay", "simplernn", "gru", "lstm", "intersection", "ugrnn", "rgc")
"""Cells as the networks' names have them."""
_MAKERS: Final[Mapping[str, Callable[[str], Graph]]] = {
    **{f"convrnn_{kind}_shallow": partial(_shallow, kind) for kind in KINDS},
    **{f"convrnn_{kind}_intermediate": partial(_intermediate, kind) for kind in KINDS},
    "ff6": _ff6,
    "ff6_wider": _ff6_wider,
    "ff6_deeper": _ff6_deeper,
    "basenet18": _basenet18,
}
NAMES: Final = tuple(_MAKERS)
RELEASED: Final = tuple(name for name in NAMES if name.startswith("convrnn_"))
"""Those whose authors released weights."""


def graph(name: str) -> Graph:
    """Declaration of a network.

    Raises
    ------
    UnknownNameError
        A network that there is not; the message names the closest.

    Examples
    --------
    >>> median = graph("convrnn_rgc_intermediate")
    >>> median.nodes, median.minimal_steps(), median.depth
    (11, 12, 18)
    """
    if name not in _MAKERS:
        raise unknown(
            "network", name, NAMES, todo="choose one of brainbench_models.convrnn.networks.NAMES"
        )
    return _MAKERS[name](name)
