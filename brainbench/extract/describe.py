"""What a wrapped model is made of: shapes of its layers, and how many parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.extract.hooks import Calls
from brainbench.extract.network import TorchNetwork, computing
from brainbench.extract.wrap import WrappedModel
from brainbench.presentation import CONSTANT

_SIDE = 224  # of the black picture, where a model keeps the size of pictures


@dataclass(frozen=True)
class LayerSize:
    """Shape of one response of a layer, and how many steps it has.

    Attributes
    ----------
    shape : tuple of int
        (channel, height, width) of a convolution.
    steps : int
        Over time; 1 for a layer with one state.
    """

    shape: tuple[int, ...]
    steps: int


def parameters_of(model: WrappedModel) -> int | None:
    """Number of parameters of a torch module; None for what cannot be looked into."""
    if not isinstance(model.network, TorchNetwork):
        return None
    return sum(parameter.numel() for parameter in model.network.net.parameters())


def sizes_of(model: WrappedModel, layers: Sequence[str]) -> dict[str, LayerSize]:
    """Shapes and steps of layers, from one black picture that is shown all the time; nothing is kept.

    Raises
    ------
    UnknownNameError
        A layer that does not exist.
    """
    height, width = model.preprocess.size or (_SIDE, _SIDE)
    images = model.preprocess([np.zeros((height, width, 3), np.uint8)])
    wanted = list(dict.fromkeys(layers))
    for layer in wanted:
        model.network.check(layer)
    network = model.showing(CONSTANT).network
    last: dict[str, Calls] = dict.fromkeys(wanted, "last")
    with (
        computing(network, model.precision, model.device),
        network.running(wanted, last, model.device) as forward,
    ):
        responses = forward(images)
    return {
        layer: LayerSize(
            response.shapes[-1],
            len(response.shapes) if _choice(model.calls, layer) == "steps" else 1,
        )
        for layer, response in responses.items()
        if response.shapes
    }


def _choice(calls: Calls | Mapping[str, Calls], layer: str) -> Calls:
    return calls.get(layer, "steps") if isinstance(calls, Mapping) else calls
