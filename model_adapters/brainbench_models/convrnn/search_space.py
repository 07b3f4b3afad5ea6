"""The space of the architecture search (Nayebi 2018, figure 3a, supplements 6.3 and 6.5).

All cells of a network are of one kind. Which connections from later layers could be drawn is not printed;
ours are those of one and of three layers, which hold the five that the search kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from brainbench.core.errors import InputError
from brainbench.training.search_space import Choose
from brainbench_models.convrnn.graph import READ_BY_BOTH, Edge, Graph, SearchCell

VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "affine": ("add", "1x1", "conv", "separable"),
    "kernel": (3, 4, 5, 6, 7),
    **{f"{role}_{part}": (False, True) for role in ("tau", "gate") for part in "ab"},
    "activation": ("elu", "tanh", "sigmoid"),
    "entry": ("input", "hidden", "output"),
    "entry_kernel": (1, 3, 5, 7),
}
"""Options of a cell that are chosen from a list."""
FACTORS: Final = (-1.0, 1.0)
"""Range of v1 and v2 (ours: the paper gives none)."""
READS: Final[Mapping[str, tuple[str, ...]]] = {
    "a": (*READ_BY_BOTH, "c_new"),
    "b": (*READ_BY_BOTH, "h_new"),
}
"""Part of a cell -> what it may read."""
SPANS: Final = (1, 3)
"""Numbers of layers that a feedback connection may span, unless a space says others."""


class RandomChoice:
    """Draws uniformly, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def among(self, name: str, values: Sequence[Any]) -> Any:
        """Return one of some values."""
        return values[int(self._rng.integers(len(values)))]

    def between(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number of a range; its logarithm is what is uniform with `log`."""
        if log:
            return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))
        return float(self._rng.uniform(low, high))


def chosen_cell(choose: Choose) -> SearchCell:
    """Return a cell of the space; InputError for a loop, or a cell that its input does not get through."""
    options = {name: choose.among(name, values) for name, values in VALUES.items()}
    for role in ("tau", "gate"):
        options[role] = tuple(choose.between(f"{role} v{k}", *FACTORS) for k in (1, 2))
    for part, names in READS.items():
        reads = [name for name in names if choose.among(f"{part} reads {name}", (False, True))]
        options[f"reads_{part}"] = tuple(reads)
    return SearchCell(**options)


def candidates(graph: Graph, first: str, spans: Sequence[int] = SPANS) -> tuple[Edge, ...]:
    """Return the feedback connections that may be drawn: between layers from `first` on."""
    names = [layer.name for layer in graph.layers]
    names = names[names.index(first) :]
    return tuple((names[k], names[k - span]) for span in spans for k in range(span, len(names)))


def feedback_name(edge: Edge) -> str:
    """Return the name of the choice of a feedback connection."""
    return f"feedback {edge[0]}-{edge[1]}"


def chosen_graph(
    choose: Choose, backbone: Graph, *, name: str, first: str, spans: Sequence[int] = SPANS
) -> Graph:
    """Return a feed-forward network with a cell in each layer from `first` on, and feedback, all drawn.

    InputError for a draw that is rejected: see `chosen_cell`.
    """
    cell = chosen_cell(choose)
    edges = candidates(backbone, first, spans)
    kept = tuple(edge for edge in edges if choose.among(feedback_name(edge), (False, True)))
    start = [layer.name for layer in backbone.layers].index(first)
    layers = tuple(
        replace(layer, cell=cell) if k >= start else layer
        for k, layer in enumerate(backbone.layers)
    )
    return replace(backbone, name=name, layers=layers, feedback=kept)


def drawn_graph(seed: int, backbone: Graph, *, name: str, first: str) -> tuple[Graph, int]:
    """Return a network drawn at random, and the number of draws that were rejected before it."""
    choose, rejected = RandomChoice(seed), 0
    while True:
        try:
            return chosen_graph(choose, backbone, name=name, first=first), rejected
        except InputError:
            rejected += 1
