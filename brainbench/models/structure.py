"""What a wrapped model is made of: shapes of its layers, how many parameters, how deep it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brainbench.core.presentation import CONSTANT
from brainbench.models.hooks import Calls, evaluating, first_tensor
from brainbench.models.network import Images, TorchNetwork, computing
from brainbench.models.wrap import WrappedModel

_COUNTED = ("ConvolutionBackward", "AddmmBackward", "MmBackward")  # Mm: without a shift
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
    """Number of parameters of a torch module, 0 of what has no weights, None if it cannot be looked into."""
    if not isinstance(model.network, TorchNetwork):
        return 0 if model.weights == "none" else None
    return sum(parameter.numel() for parameter in model.network.net.parameters())


def sizes_of(model: WrappedModel, layers: Sequence[str]) -> dict[str, LayerSize]:
    """Shapes and steps of layers, from one black picture that is shown all the time; nothing is kept.

    Raises
    ------
    UnknownNameError
        A layer that does not exist.
    """
    images = _black(model)
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


def depth_of(model: WrappedModel) -> int | None:
    """Convolutional and fully connected layers on the longest path from the picture to the outcome.

    It is read from the graph that torch keeps of a forward pass, so it counts what ran. None for what is
    not a torch module, and for a network over time, whose path passes layers again.
    """
    if not isinstance(model.network, TorchNetwork) or not model.static:
        return None
    net = model.network.net
    with evaluating(net), torch.inference_mode(False), torch.enable_grad():
        image = torch.from_numpy(_black(model).copy())
        home = next((one.device for one in (*net.parameters(), *net.buffers())), image.device)
        image = image.to(home).requires_grad_()
        outcome = first_tensor(net(image.clone()), "the outcome")
    return _longest(outcome.grad_fn)


def _longest(last: torch.autograd.graph.Node | None) -> int:
    """Most counted nodes on one path that ends in `last`; without recursion, paths are long."""
    depths: dict[torch.autograd.graph.Node, int] = {}
    waiting = [last] if last is not None else []
    while waiting:
        node = waiting[-1]
        before = [one for one, _ in node.next_functions if one is not None]
        unknown = [one for one in before if one not in depths]
        if unknown:
            waiting += unknown
            continue
        counts = type(node).__name__.startswith(_COUNTED)
        depths[node] = max((depths[one] for one in before), default=0) + counts
        waiting.pop()
    return depths[last] if last is not None else 0


def _black(model: WrappedModel) -> Images:
    height, width = model.preprocess.size or (_SIDE, _SIDE)
    return model.preprocess([np.zeros((height, width, 3), np.uint8)])


def _choice(calls: Calls | Mapping[str, Calls], layer: str) -> Calls:
    return calls.get(layer, "steps") if isinstance(calls, Mapping) else calls
