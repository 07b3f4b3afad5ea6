"""Outputs of the layers of a torch module at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brainbench.models.hooks import capturing
from brainbench.models.module_state import evaluating


def steps_of(
    net: nn.Module, layers: Sequence[str], *inputs: Any
) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Run a network, and return its output and for each layer the outputs of every step."""
    with evaluating(net), capturing(net, layers, dict.fromkeys(layers, "steps")) as capture:
        output: Tensor = net(*inputs)
        return output, {layer: list(capture.kept[layer]) for layer in layers}


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Return whether two networks have equal weights of the same names."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
