"""A network as a declaration: its layers, the arrows between them, its recurrent cells.

A graph has no weights and computes only what follows from the declaration; `unroll.ConvRNN` runs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

from brainbench.core.errors import InputError, unknown

Edge = tuple[str, str]  # from a layer, to a layer
Kernel = int | tuple[int, int]  # height and width of a kernel, or one number for both
Unroll = Literal["layered", "full"]
UNROLLS: tuple[Unroll, ...] = ("layered", "full")
"""In a step, one layer is passed and all inputs are one step old; or the whole feed-forward pass is run."""
IMAGE: Final = "image"  # name of the first layer's input

CELLS: Final[Mapping[str, tuple[str, int]]] = {
    "timedecay": ("time decay", 0),
    "basic": ("simple recurrent", 1),
    "lstm": ("LSTM", 1),
    "gru": ("GRU", 1),
    "ugrnn": ("UGRNN", 1),
    "intersection": ("intersection RNN", 1),
    "rgc": ("reciprocal gated", 0),
    "rgc_median": ("reciprocal gated", 1),
    "rgc_printed": ("reciprocal gated", 0),
    "search": ("searched", 0),
}
"""Kind of cell -> its name in a figure, and the number of convolutions between its input and output."""
TAKE_FEEDBACK: Final = ("rgc_median",)
"""Cells with an entry for feedback of their own; `FeedbackCell` gives one to any."""
LATE: Final = ("rgc_printed",)
"""Cells whose output is the state before the step: the image appears in it one step later."""

Entry = Literal["input", "hidden", "output"]
Affine = Literal["add", "1x1", "conv", "separable"]
READ_BY_BOTH: Final = ("below", "x", "c", "h")
"""What both parts of a searched cell may read: the layer's input, its convolution, states before the step."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A locally recurrent cell."""

    kind: str  # one of `CELLS`
    channels: int | None = None  # of the output; "timedecay", "rgc", "intersection" keep the width
    kernel: Kernel = 3  # for "rgc_median" of the separable ones; the others have sizes 1, 2 and 3
    layer_norm: bool = False  # "basic", "lstm": normalize the inputs of the nonlinearities
    peepholes: bool = False  # "lstm": gates see the memory, one weight per place and channel
    memory: int | None = None  # "rgc", "rgc_median": channels of c; those of the output by default
    forget_bias: float = 1.0  # "lstm": added to the forget gate; the other gated cells add 1

    def __post_init__(self) -> None:
        if self.kind not in CELLS:
            raise unknown("cell", self.kind, tuple(CELLS), todo="choose Cell(kind=...) from these")


@dataclass(frozen=True, kw_only=True)
class FeedbackCell(Cell):
    """A cell of any kind with an entry for feedback, which is resized, convolved and added.

    It is added to the cell's input ("input", behind the layer's convolution), to its hidden state before each
    step ("hidden"), or to its output ("output"); `entry_kernel` is the side of the convolution.
    """

    entry: Entry = "input"
    entry_kernel: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entry not in get_args(Entry):
            raise unknown("entry of feedback", self.entry, get_args(Entry), todo="choose entry=")


@dataclass(frozen=True, kw_only=True)
class SearchCell(FeedbackCell):
    """A cell of the search space (Nayebi 2018, supplement 6.3).

    a = {gate_a} in_a + {tau_a} h, h' = f(a); b = {gate_b} in_b + {tau_b} c, c' = f(b). Each of in, gate and
    tau is an affine map of what its part reads; a gate or a tau is v1 + v2 s(map), and where it is False its
    factor is 1. The paper does not define in: it is the sum of the affine maps (ours). v1 and v2 are shared
    by a and b, as printed.

    Parameters
    ----------
    reads_a, reads_b : tuple of str
        Of `READ_BY_BOTH`, and "c_new" for a, "h_new" for b, not both: that is a loop.
    affine : {"add", "1x1", "conv", "separable"}
        "add" adds what is read; where widths differ, through a 1 x 1 convolution.
    tau, gate : (float, float)
        v1 and v2.
    activation : {"elu", "tanh", "sigmoid"}
        f.
    """

    kind: str = "search"
    reads_a: tuple[str, ...] = ("x", "c", "h")
    reads_b: tuple[str, ...] = ("x", "c", "h")
    affine: Affine = "conv"
    tau_a: bool = True
    tau_b: bool = True
    gate_a: bool = True
    gate_b: bool = True
    tau: tuple[float, float] = (1.0, -1.0)
    gate: tuple[float, float] = (1.0, -1.0)
    activation: str = "elu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if "c_new" in self.reads_a and "h_new" in self.reads_b:
            raise InputError(
                "a searched cell whose a reads c_new and whose b reads h_new",
                allowed="one of the two: each would have to be computed before the other",
                todo="drop one",
            )
        for reads, own in ((self.reads_a, "c_new"), (self.reads_b, "h_new")):
            wrong = sorted(set(reads) - {*READ_BY_BOTH, own})
            if wrong or not reads:
                raise InputError(
                    f"a searched cell that reads {', '.join(map(repr, wrong)) or 'nothing'}",
                    allowed=", ".join((*READ_BY_BOTH, own)),
                    todo="correct reads_a= or reads_b=",
                )
        image = {"below", "x"}
        if not image & {*self.reads_a} and not (
            {"c", "c_new"} & {*self.reads_a} and image & {*self.reads_b}
        ):
            raise InputError(
                "a searched cell whose output does not depend on its input",
                allowed='"below" or "x" in reads_a, or in reads_b where a reads "c" or "c_new"',
                todo="correct reads_a= or reads_b=",
            )
        for what, given, known in (
            ("affine", self.affine, get_args(Affine)),
            ("activation", self.activation, ("elu", "tanh", "sigmoid")),
        ):
            if given not in known:
                raise unknown(what, given, known, todo=f"choose {what}= from these")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A node of the graph: convolution, ELU, cell, second convolution and shortcut, pooling.

    `channels`, `kernel` and `stride` are those of the first convolution, which has a bias and is padded
    as "SAME"; an ELU follows if `elu`. With `block` a second 3 x 3 convolution follows the cell, the
    layer's input is added (through a 1 x 1 convolution without bias if the widths differ), and an ELU
    follows. With `pool` the output is the largest of 2 x 2 places.
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
        cell_channels = self.cell.channels if self.cell else None
        return cell_channels or self.channels

    @property
    def convolutions(self) -> int:
        """Number of convolutions between the layer's input and its output."""
        in_cell = CELLS[self.cell.kind][1] if self.cell else 0
        return 1 + in_cell + self.block


@dataclass(frozen=True, kw_only=True)
class Readout:
    """The category layer: "fc" averages over places first, "conv" is a 2 x 2 convolution, then averaged."""

    name: str = "imnetds"
    kind: Literal["fc", "conv"] = "fc"
    classes: int = 1000


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Layers in feed-forward order and the arrows between them; the read-out reads the last layer.

    `feedforward` is one arrow (from, to) into each layer, from an earlier one or from "image", by default a
    chain; `feedback` are arrows from a later layer to an earlier one. The network was trained with `steps`
    steps and images of `size` x `size` pixels. InputError for no layers, two layers of one name, or an arrow
    in the wrong direction; UnknownNameError for an arrow from or to a layer that does not exist.
    """

    name: str
    layers: tuple[Layer, ...]
    readout: Readout = Readout()
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
        self._check_feedforward(names)
        self._check_feedback(names)

    def _check_feedforward(self, names: list[str]) -> None:
        order = {name: index for index, name in enumerate((IMAGE, *names))}
        targets = sorted((to for _, to in self.feedforward), key=order.__getitem__)
        backward = any(order[source] >= order[to] for source, to in self.feedforward)
        if targets != names or backward:
            raise InputError(
                f"graph {self.name!r} with the feed-forward arrows {list(self.feedforward)}",
                allowed="one arrow into each layer, from an earlier layer or from 'image'",
                todo="declare arrows to earlier layers as feedback=",
            )

    def _check_feedback(self, names: list[str]) -> None:
        cells = {layer.name: layer.cell for layer in self.layers}
        for source, target in self.feedback:
            if source == IMAGE or names.index(source) <= names.index(target):
                raise InputError(
                    f"feedback from {source!r} to {target!r} in graph {self.name!r}",
                    allowed="an arrow from a later layer to an earlier one",
                    todo="use a cell for a layer's own past, and feedforward= for forward arrows",
                )
            cell = cells[target]
            takes = isinstance(cell, FeedbackCell) or (cell and cell.kind in TAKE_FEEDBACK)
            if not takes:
                raise InputError(
                    f"feedback to {target!r}, whose cell is {cell.kind if cell else 'none'}, in graph "
                    f"{self.name!r}",
                    allowed="a layer with a cell that takes feedback: a FeedbackCell of any kind, or "
                    + ", ".join(TAKE_FEEDBACK),
                    todo="give that layer such a cell, or omit the feedback",
                )

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """Layer or read-out -> the layer that it reads by its feed-forward arrow."""
        return {**{to: source for source, to in self.feedforward}, self.readout.name: self.last}

    @property
    def last(self) -> str:
        """Name of the layer before the read-out."""
        return self.layers[-1].name

    @property
    def nodes(self) -> int:
        """Number of layers, the read-out included."""
        return len(self.layers) + 1

    def feedback_of(self, name: str) -> tuple[str, ...]:
        """Return the layers that feed back to a layer, sorted as text: conv10 before conv7."""
        return tuple(sorted(source for source, target in self.feedback if target == name))

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, int, int]]:
        """Layer -> channels, height and width of its output; "image" too."""
        shapes = {IMAGE: (3, self.size, self.size)}
        for layer in self.layers:
            side = _strided(shapes[self.sources[layer.name]][1], layer.stride)
            side = _strided(side, 2 if layer.pool else 1)
            shapes[layer.name] = (layer.width, side, side)
        return shapes

    @property
    def depth(self) -> int:
        """Number of convolutional and fully connected layers on the longest feed-forward path."""
        depths = {IMAGE: 0}
        for layer in self.layers:
            depths[layer.name] = depths[self.sources[layer.name]] + layer.convolutions
        return depths[self.last] + 1

    def first_driven(self, unroll: Unroll = "layered") -> dict[str, int]:
        """Return the first step, from 0, at which the image acts on each layer and on the read-out."""
        delay = 1 if unroll == "layered" else 0
        first = {IMAGE: -delay}
        for name in (*(layer.name for layer in self.layers), self.readout.name):
            first[name] = first[self.sources[name]] + delay + self._late(name)
        return {name: step for name, step in first.items() if name != IMAGE}

    def needed(self, unroll: Unroll = "layered") -> dict[str, int]:
        """Return the minimal number of steps for each recurrent cell to act on the logits.

        The image reaches the cell; one step later its recurrent weights act on it; then the output
        travels to the read-out by the shortest path. As in the paper, the step at which a reciprocal
        gated cell passes on its memory c is not waited for. Cells without a path to the read-out are
        omitted.
        """
        first, travel = self.first_driven(unroll), self._travel(unroll)
        return {
            layer.name: first[layer.name] + 1 + travel[layer.name] + 1
            for layer in self.layers
            if layer.cell is not None and layer.name in travel
        }

    def minimal_steps(self, unroll: Unroll = "layered") -> int:
        """Return the smallest number of steps in which all recurrent weights count (Nayebi 2018, section 2).

        Without cells, the number of steps in which the image reaches the read-out.
        """
        needed = self.needed(unroll)
        return max(needed.values(), default=self.first_driven(unroll)[self.readout.name] + 1)

    def _late(self, name: str) -> int:
        """Return the steps by which a layer's cell delays the image."""
        return sum(
            x.name == name and x.cell is not None and x.cell.kind in LATE for x in self.layers
        )

    def _travel(self, unroll: Unroll) -> dict[str, int]:
        """Return the steps from each layer to the read-out by the shortest path, if there is one."""
        delay = 1 if unroll == "layered" else 0
        edges = [
            *(
                (source, to, delay + self._late(to))
                for to, source in self.sources.items()
                if source != IMAGE
            ),
            *((source, to, 1 + self._late(to)) for source, to in self.feedback),  # at most
        ]
        steps = {self.readout.name: 0}
        for _ in edges:  # Bellman-Ford: as many rounds as edges find every shortest path
            for source, to, cost in edges:
                if to in steps:
                    steps[source] = min(steps.get(source, steps[to] + cost), steps[to] + cost)
        return steps


def _strided(side: int, stride: int) -> int:
    return -(-side // stride)


def _check_names(kind: str, edges: Iterable[Edge], names: list[str]) -> None:
    for source, target in edges:
        for name, known in ((source, [IMAGE, *names]), (target, names)):
            if name not in known:
                raise unknown(
                    f"layer in the {kind} arrow {source} -> {target}:",
                    name,
                    known,
                    todo="name layers of the graph",
                )
