"""Facts about a model beside its activations: citation, license, graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brainbench.core.errors import InputError

Edge = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Layers of a network and the arrows between them, for a figure.

    `nodes` run from the input to the readout, in feed-forward order; arrows are (from, to). `recurrent`
    is the kind of cell of each recurrent node; `captions` are texts under nodes, such as shapes.
    InputError for an arrow, a cell or a caption of a node that does not exist.
    """

    nodes: tuple[str, ...]
    feedforward: tuple[Edge, ...] = ()
    feedback: tuple[Edge, ...] = ()
    recurrent: Mapping[str, str] | None = None
    captions: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        named = [name for edge in (*self.feedforward, *self.feedback) for name in edge]
        named += [*(self.recurrent or ()), *(self.captions or ())]
        absent = sorted(set(named) - set(self.nodes))
        if absent:
            raise InputError(
                f"a diagram that names {', '.join(absent)}",
                allowed="its nodes: " + ", ".join(self.nodes),
                todo="add the nodes, or correct the names",
            )


@dataclass(frozen=True, kw_only=True)
class About:
    """Facts that a model cannot compute about itself; each is optional.

    `license` is that of code and weights; `source` the origin of the released weights, or of the facts
    that the network was written from. `parameters` are learnable ones, counted where the network is a
    torch module. `depth` is the number of convolutional and fully connected layers on the longest
    feed-forward path (Kubilius 2019). `graph` is the figure for `brainbench plot graph`.
    """

    citation: str | None = None
    license: str | None = None
    source: str | None = None
    parameters: int | None = None
    depth: int | None = None
    graph: Diagram | None = None


NOTHING = About()
