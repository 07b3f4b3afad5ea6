"""Structure of a wrapped model: shapes of its layers, number of parameters, depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from brainbench.core.presentation import CONSTANT
from brainbench.models.forward_errors import explained
from brainbench.models.module_state import evaluating
from brainbench.models.network import Images, TorchNetwork, home_of
from brainbench.models.outputs import tensors_of
from brainbench.models.response_checks import without_batch
from brainbench.models.torch_state import own_state
from brainbench.models.wrapped_model import WrappedModel

_COUNTED = ("ConvolutionBackward", "AddmmBackward", "MmBackward")  # Mm: without a bias
_SIDE = 224  # of the black image, where a model does not resize


@dataclass(frozen=True)
class LayerSize:
    """Shape of one response of a layer, as (channel, height, width), and its number of steps over time."""

    shape: tuple[int, ...]
    steps: int


def parameters_of(model: WrappedModel) -> int | None:
    """Return the number of parameters of a torch module, 0 without weights, None if it is unknown."""
    if not isinstance(model.network, TorchNetwork):
        return 0 if model.weights == "none" else None
    return sum(parameter.numel() for parameter in model.network.net.parameters())


def sizes_of(model: WrappedModel, layers: Sequence[str]) -> dict[str, LayerSize]:
    """Return the shapes and steps of layers from one black image; UnknownNameError if one does not exist."""
    images = _black(model)
    unique = list(dict.fromkeys(layers))
    for layer in unique:
        model.network.check(layer)
    last = replace(model.showing(CONSTANT), calls="last")
    with last.running(unique) as forward:
        responses = forward(images)
    return {
        layer: LayerSize(
            without_batch(response.shapes[-1], model.batch_axis_of(layer)),
            len(response.shapes) if model.calls_of(layer) == "steps" else 1,
        )
        for layer, response in responses.items()
        if response.shapes
    }


def depth_of(model: WrappedModel) -> int | None:
    """Return the number of convolutional and fully connected layers on the longest path to the output.

    It is read from the autograd graph of a forward pass, so that it counts what ran. None for a model that is
    not a torch module, and for a network over time, whose path repeats layers.
    """
    if not isinstance(model.network, TorchNetwork) or not model.static:
        return None
    net = model.network.net
    with own_state(), evaluating(net), torch.enable_grad():
        black = torch.from_numpy(_black(model).copy())
        image = black.to(home_of(net), model.network.dtype).requires_grad_()
        with explained(net, image):
            outputs = tensors_of(model.network.output_of(image.clone()))
    return max((_longest(output.grad_fn) for output in outputs.values()), default=0)


def _longest(last: torch.autograd.graph.Node | None) -> int:
    """Return the most counted nodes on one path to `last`, without recursion since paths are long."""
    depths: dict[torch.autograd.graph.Node, int] = {}
    waiting = [last] if last is not None else []
    while waiting:
        node = waiting[-1]
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        unknown = [parent for parent in parents if parent not in depths]
        if unknown:
            waiting += unknown
            continue
        counts = type(node).__name__.startswith(_COUNTED)
        depths[node] = max((depths[parent] for parent in parents), default=0) + counts
        waiting.pop()
    return depths[last] if last is not None else 0


def _black(model: WrappedModel) -> Images:
    height, width = model.preprocess.size or (_SIDE, _SIDE)
    return model.preprocess([np.zeros((height, width, 3), np.uint8)])
