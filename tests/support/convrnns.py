"""Small ConvRNNs with the structure of the large ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from brainbench_models.convrnn.graph import CELLS, LATE, Cell, Graph, Layer, Readout, SearchCell
from brainbench_models.convrnn.initializers import draw_weights
from brainbench_models.convrnn.unroll import ConvRNN

SIDE = 16
KINDS = tuple(kind for kind in CELLS if kind not in LATE)
"""Cells in which the image appears at once; test_search_cell has the others."""
RELEASED_KINDS = tuple(kind for kind in KINDS if kind != "search")


def small(kind: str | None, *, feedback: bool = False) -> Graph:
    """Declare four layers, "conv1" to "conv4", with cells in the last three; sides of 8, 8, 4 and 4."""
    cell = None if kind is None else SearchCell() if kind == "search" else Cell(kind=kind)
    layers = tuple(
        Layer(
            name=f"conv{n}",
            channels=channels,
            stride=2 if n == 1 else 1,
            cell=cell if n > 1 else None,
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
    """Build such a network with seeded weights; the median cell with feedback."""
    net = ConvRNN(small(kind, feedback=kind == "rgc_median"), **{"steps": 8, **options})  # type: ignore[arg-type]
    return draw_weights(net, seed=seed).eval()


def normal_images(n: int = 3, seed: int = 1) -> Tensor:
    """Draw images of standard normal values for such a network."""
    values = np.random.default_rng(seed).standard_normal((n, 3, SIDE, SIDE))
    return torch.from_numpy(values.astype(np.float32))
