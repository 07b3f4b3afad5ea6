"""Facts about a model beside its activations: citation, license, graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brainbench.core.errors import InputError

Edge = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Layers of a network and the arrows between them, for a figure.

    Parameters
    ----------
    nodes : tuple of str
        From the input to the readout, in feed-forward order. Whatever else is named is one of them.
    feedforward, feedback : tuple of (from, to)
        Arrows forward, and back.
    recurrent : mapping of str to str
        Nodes with a recurrent cell, and its kind.
    captions : mapping of str to str
        Text under a node, such as its shape.
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

    Parameters
    ----------
    citation : str or None
        The paper.
    license : str or None
        License of code and weights.
    source : str or None
        Origin of the released weights, or of the facts that the network was written from.
    parameters : int or None
        Number of learnable parameters; counted where the network is a torch module.
    depth : int or None
        Convolutional and fully connected layers on the longest feed-forward path (Kubilius 2019).
    graph : Diagram or None
        Figure for `brainbench show --figure`.
    """

    citation: str | None = None
    license: str | None = None
    source: str | None = None
    parameters: int | None = None
    depth: int | None = None
    graph: Diagram | None = None


NOTHING = About()
