"""A network as a declaration: its layers, the arrows between them, its recurrent cells.

A graph holds no weights and computes nothing but what follows from the declaration itself: shapes, the step
at which the image reaches each layer, the least number of steps, the depth. `unroll.ConvRNN` runs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from brainbench.core.errors import InputError, unknown

Edge = tuple[str, str]
"""From a layer, to a layer."""
Kernel = int | tuple[int, int]
"""Height and width of a kernel, or one number for both."""
Unroll = Literal["layered", "full"]
UNROLLS: tuple[Unroll, ...] = ("layered", "full")
"""One layer per step, everything read one step old; or a whole feed-forward pass in each step."""
IMAGE: Final = "image"
"""What the first layer reads."""

CELLS: Final[Mapping[str, int]] = {
    "timedecay": 0,
    "basic": 1,
    "lstm": 1,
    "gru": 1,
    "ugrnn": 1,
    "intersection": 1,
    "rgc": 0,
    "rgc_median": 1,
}
"""Every kind of cell, and the convolutions that its input passes on the way to its output."""
TAKE_FEEDBACK: Final = ("rgc_median",)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A locally recurrent cell.

    Parameters
    ----------
    kind : str
        One of `CELLS`.
    channels : int or None
        Width of the output; as wide as the input where not given. "timedecay", "rgc" and "intersection" keep
        the width.
    kernel : int or (height, width)
        Of the kernels; for "rgc_median" of the separable ones, the others are 1, 2 and 3 wide.
    layer_norm : bool
        "basic" and "lstm": normalize what goes into the nonlinearities.
    peepholes : bool
        "lstm": gates see the memory, with one weight per place and channel.
    memory : int or None
        "rgc" and "rgc_median": channels of the memory c; as many as the output where not given.
    forget_bias : float
        "lstm": added to the forget gate. The other gated cells add 1.

    Raises
    ------
    UnknownNameError
        A kind that there is not; the message names the closest.
    """

    kind: str
    channels: int | None = None
    kernel: Kernel = 3
    layer_norm: bool = False
    peepholes: bool = False
    memory: int | None = None
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in CELLS:
            raise unknown("cell", self.kind, tuple(CELLS), todo="choose Cell(kind=...) from these")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A node of the graph: convolution, Elu, cell, a second convolution, the layer's input added, pooling.

    Parameters
    ----------
    name : str
        "conv1", "conv2", ...
    channels, kernel, stride : int
        Of the first convolution, with a bias, padded as "SAME".
    elu : bool
        Whether an Elu follows it.
    cell : Cell or None
        The recurrent cell, if there is one.
    block : bool
        After the cell a second 3 x 3 convolution, then the layer's input is added (through a 1 x 1
        convolution without bias where the widths differ), then an Elu.
    pool : bool
        Largest value in 2 x 2 places, at last.
    """

    name: str
    channels: int
    kernel: int = 3
    stride: int = 1
    elu: bool = True
    cell: Cell | None = None
    block: bool = False
    pool: bool = False

    @property
    def width(self) -> int:
        """Channels of the output."""
        inside = self.cell.channels if self.cell else None
        return inside or self.channels

    @property
    def convolutions(self) -> int:
        """Convolutions between the layer's input and its output."""
        return 1 + (CELLS[self.cell.kind] if self.cell else 0) + self.block


@dataclass(frozen=True, kw_only=True)
class ReadoutOptions:
    """The category layer: `fc` averages over places first, `conv` is a 2 x 2 convolution averaged after."""

    name: str = "imnetds"
    kind: Literal["fc", "conv"] = "fc"
    classes: int = 1000


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Layers and the arrows between them.

    Parameters
    ----------
    name : str
        Of the network.
    layers : tuple of Layer
        In feed-forward order.
    readout : ReadoutOptions
        The category layer, which reads the last one.
    feedforward : tuple of (from, to)
        One arrow into each layer, from an earlier one or from "image"; a chain where not given.
    feedback : tuple of (from, to)
        Arrows back, or from a layer to itself through the layers' outputs.
    steps : int
        How many steps the network was trained with.
    size : int
        Height and width of the image, in pixels.

    Raises
    ------
    InputError
        No layers; two of one name; an arrow that does not go the way it should.
    UnknownNameError
        An arrow from or to a layer that does not exist; the message names the closest.
    """

    name: str
    layers: tuple[Layer, ...]
    readout: ReadoutOptions = ReadoutOptions()
    feedforward: tuple[Edge, ...] = ()
    feedback: tuple[Edge, ...] = ()
    steps: int = 17
    size: int = 224

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if not names or len({*names, self.readout.name, IMAGE}) != len(names) + 2:
            raise InputError(
                f"graph {self.name!r} with the layers {names} and the read-out {self.readout.name!r}",
                allowed=f"at least one layer, each with a name of its own, none called {IMAGE!r}",
                todo="name them conv1, conv2, ...",
            )
        if not self.feedforward:
            object.__setattr__(self, "feedforward", tuple(itertools.pairwise((IMAGE, *names))))
        for kind, edges in (("feed-forward", self.feedforward), ("feedback", self.feedback)):
            _check_names(kind, edges, names)
        self._check_forward(names)
        self._check_back(names)

    def _check_forward(self, names: list[str]) -> None:
        order = {name: index for index, name in enumerate((IMAGE, *names))}
        targets = sorted((to for _, to in self.feedforward), key=order.__getitem__)
        wrong = [edge for edge in self.feedforward if order[edge[0]] >= order[edge[1]]]
        if targets != names or wrong:
            raise InputError(
                f"graph {self.name!r} with the feed-forward arrows {list(self.feedforward)}",
                allowed="one arrow into each layer, from an earlier layer or from 'image'",
                todo="what goes back, or joins a layer that has its input, is feedback=",
            )

    def _check_back(self, names: list[str]) -> None:
        for source, target in self.feedback:
            layer = self.layer(target)
            if source == IMAGE or names.index(source) <= names.index(target):
                raise InputError(
                    f"feedback from {source!r} to {target!r} in graph {self.name!r}",
                    allowed="an arrow from a later layer to an earlier one",
                    todo="a layer's own past is its cell; what goes forward is feedforward=",
                )
            if layer.cell is None or layer.cell.kind not in TAKE_FEEDBACK:
                kind = layer.cell.kind if layer.cell else "none"
                raise InputError(
                    f"feedback to {target!r}, whose cell is {kind}, in graph {self.name!r}",
                    allowed="a layer with a cell that takes feedback: " + ", ".join(TAKE_FEEDBACK),
                    todo="give that layer such a cell, or leave the feedback away",
                )

    def layer(self, name: str) -> Layer:
        """Layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """What each layer and the read-out read by feed-forward arrows."""
        return {**{to: source for source, to in self.feedforward}, self.readout.name: self.last}

    @property
    def last(self) -> str:
        """Name of the layer before the read-out."""
        return self.layers[-1].name

    @property
    def nodes(self) -> int:
        """Number of layers, the read-out included: so many steps the image takes to be read."""
        return len(self.layers) + 1

    def feedback_of(self, name: str) -> tuple[str, ...]:
        """Layers that feed back to one, in the order of their names as text: conv10 before conv7."""
        return tuple(sorted(source for source, target in self.feedback if target == name))

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, int, int]]:
        """Output of each layer: channels, height, width; that of "image" too."""
        shapes = {IMAGE: (3, self.size, self.size)}
        for layer in self.layers:
            side = _halved(shapes[self.sources[layer.name]][1], layer.stride)
            side = _halved(side, 2 if layer.pool else 1)
            shapes[layer.name] = (layer.width, side, side)
        return shapes

    @property
    def depth(self) -> int:
        """Convolutional and fully connected layers on the longest feed-forward path."""
        longest = {IMAGE: 0}
        for layer in self.layers:
            longest[layer.name] = longest[self.sources[layer.name]] + layer.convolutions
        return longest[self.last] + 1

    def driven(self, unroll: Unroll = "layered") -> dict[str, int]:
        """First step, from 0, at which the image acts on each layer and on the read-out."""
        forward = 1 if unroll == "layered" else 0
        first = {IMAGE: -forward}
        for name in (*(layer.name for layer in self.layers), self.readout.name):
            first[name] = first[self.sources[name]] + forward
        return {name: step for name, step in first.items() if name != IMAGE}

    def needed(self, unroll: Unroll = "layered") -> dict[str, int]:
        """Least number of steps for each recurrent cell to count; cells that lead nowhere are left out.

        The image reaches the cell; one step later its recurrent weights act on what the image left there;
        then the cell's output travels to the read-out, by the shortest way. What a cell hands on in the
        step after (the memory c of the reciprocal gated ones) is not waited for, as in the paper.
        """
        first, travel = self.driven(unroll), self._travel(unroll)
        return {
            layer.name: first[layer.name] + 1 + travel[layer.name] + 1
            for layer in self.layers
            if layer.cell is not None and layer.name in travel
        }

    def minimal_steps(self, unroll: Unroll = "layered") -> int:
        """Smallest number of steps in which every local recurrent weight counts (Nayebi 2018, section 2).

        Without any cell, the steps in which the image reaches the read-out.
        """
        needed = self.needed(unroll)
        return max(needed.values(), default=self.driven(unroll)[self.readout.name] + 1)

    def never_reached(self, steps: int, unroll: Unroll = "layered") -> list[str]:
        """What so few steps leave unused: cells by layer, and the read-out if the image never gets there."""
        needed = self.needed(unroll)
        cells = [layer.name for layer in self.layers if layer.cell is not None]
        unused = [name for name in cells if needed.get(name, steps + 1) > steps]
        if self.driven(unroll)[self.readout.name] >= steps:
            unused.append(self.readout.name)
        return unused

    def _travel(self, unroll: Unroll) -> dict[str, int]:
        """Steps from each layer to the read-out, by the shortest way; without layers that lead nowhere."""
        forward = 1 if unroll == "layered" else 0
        edges = [
            *((source, to, forward) for to, source in self.sources.items() if source != IMAGE),
            *((source, to, 1) for source, to in self.feedback),
        ]
        steps = {self.readout.name: 0}
        for _ in edges:  # Bellman and Ford: so many rounds find any shortest way
            for source, to, cost in edges:
                if to in steps:
                    steps[source] = min(steps.get(source, steps[to] + cost), steps[to] + cost)
        return steps


def _halved(side: int, stride: int) -> int:
    return -(-side // stride)


def _check_names(kind: str, edges: Iterable[Edge], names: list[str]) -> None:
    for source, target in edges:
        for name, known in ((source, [IMAGE, *names]), (target, names)):
            if name not in known:
                raise unknown(
                    f"layer in the {kind} arrow {source} -> {target}:",
                    name,
                    known,
                    todo="an arrow joins layers that exist",
                )
