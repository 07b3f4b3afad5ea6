"""Search spaces by name: a backbone with everything that a search may draw for it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from brainbench.core.errors import InputError, unknown
from brainbench.core.provenance import sha256
from brainbench.training.search_space import Choose, Drawn, GivenChoices
from brainbench_models.convrnn.graph import Graph, Layer, Readout
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.search_space import (
    READS,
    SPANS,
    VALUES,
    RandomChoice,
    candidates,
    chosen_graph,
    feedback_name,
)


class _Recorded:
    """Chooses as another one does, and keeps what was chosen."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self.choices: dict[str, Any] = {}

    def among(self, name: str, values: Sequence[Any]) -> Any:
        """Return one of some values."""
        self.choices[name] = self._choose.among(name, values)
        return self.choices[name]

    def between(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number of a range."""
        self.choices[name] = self._choose.between(name, low, high, log=log)
        return float(self.choices[name])


@dataclass(frozen=True, kw_only=True)
class ConvRNNSpace:
    """Networks with one backbone, and with drawn cells, feedback, number of steps and learning rate.

    Parameters
    ----------
    name, recipe, at_most
        As in `brainbench.training.search_space.SearchSpace`.
    backbone : Graph
        Feed-forward; cells and feedback are drawn for the layers from `first` on.
    steps : tuple of int
        Numbers of time steps that may be drawn.
    spans : tuple of int
        Numbers of layers that a feedback connection may span.
    """

    name: str
    recipe: str
    at_most: int
    backbone: Graph
    first: str
    steps: tuple[int, ...]
    spans: tuple[int, ...] = SPANS
    version: str = "1"

    @property
    def switches(self) -> tuple[str, ...]:
        """Names of the choices of feedback connections."""
        return tuple(
            feedback_name(edge) for edge in candidates(self.backbone, self.first, self.spans)
        )

    @property
    def motif(self) -> tuple[str, ...]:
        """Names of the choices that make up the cell, without the values of its constants."""
        reads = (f"{part} reads {name}" for part, names in READS.items() for name in names)
        return (*VALUES, *reads)

    def draw(self, choose: Choose) -> Drawn:
        """Return the network of some choices; InputError for a choice that is no cell."""
        recorded = _Recorded(choose)
        recorded.among("steps", self.steps)
        self._chosen(recorded, "drawn")
        choices = dict(recorded.choices)
        rate = choose.between("learning_rate", *RATES, log=True)
        return Drawn(
            model="convrnn_searched",
            model_args={"space": self.name, "choices": choices},
            recipe={"learning_rate": rate},
        )

    def graph(self, choices: Mapping[str, Any]) -> Graph:
        """Return the network of given choices, which is named after them; errors as in `draw`."""
        digits = sha256(self.name, self.version, *(f"{k}={choices[k]!r}" for k in sorted(choices)))
        name = f"convrnn_searched-{self.name}-{digits[:_DIGITS]}"
        given = GivenChoices(choices)
        return replace(self._chosen(given, name), steps=given.among("steps", self.steps))

    def _chosen(self, choose: Choose, name: str) -> Graph:
        return chosen_graph(choose, self.backbone, name=name, first=self.first, spans=self.spans)


RATES: Final = (0.003, 0.1)
"""Range of the learning rate (ours: the paper gives none)."""
_DIGITS: Final = 8
SMALL: Final = ConvRNNSpace(
    name="convrnn_small_space",
    recipe="cifar-proxy",
    at_most=30_000_000,
    backbone=Graph(
        name="small_backbone",
        layers=tuple(
            Layer(name=f"conv{n}", channels=width, pool=n in (1, 2, 4))
            for n, width in enumerate((16, 32, 48, 48, 64), 1)
        ),
        readout=Readout(classes=10),
        size=32,
    ),
    first="conv3",
    steps=(7, 8, 10),
    spans=(1, 2),
)
"""A space of ours for images of 32 pixels, small enough for a processor."""


FULL: Final = ConvRNNSpace(
    name="convrnn_space",
    recipe="nayebi2018-proxy",
    at_most=100_000_000_000,
    backbone=replace(
        graph("convrnn_median_nofeedback"),
        layers=tuple(
            replace(layer, cell=None) for layer in graph("convrnn_median_nofeedback").layers
        ),
        size=128,
    ),
    first="conv4",
    steps=(12, 14, 17),
)
"""The space around the median network of the paper, for images of 128 pixels."""
SPACES: Final[Mapping[str, ConvRNNSpace]] = {space.name: space for space in (SMALL, FULL)}


def searched_graph(space: str, choices: Mapping[str, Any] | None = None) -> Graph:
    """Return the network of the choices of a trial, by default of the first random draw that is one.

    UnknownNameError for a space that does not exist, InputError for choices that are absent or not allowed.
    """
    if space not in SPACES:
        raise unknown("search space", space, list(SPACES), todo="choose space= from these")
    return SPACES[space].graph(_drawn_choices(SPACES[space]) if choices is None else choices)


def _drawn_choices(space: ConvRNNSpace) -> Mapping[str, Any]:
    """Return the choices of the first draw from seed 0 that is a network."""
    choose = RandomChoice(0)
    while True:
        with contextlib.suppress(InputError):
            choices: Mapping[str, Any] = space.draw(choose).model_args["choices"]
            return choices
