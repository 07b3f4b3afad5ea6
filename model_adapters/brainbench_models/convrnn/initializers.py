"""Random weights of ConvRNNs from a seed, distributed as in the released networks before training.

Kernels are truncated normal, scaled by the number of inputs (TensorFlow's variance scaling); those of the
shallow reciprocal gated cell are uniform (Glorot); the read-out is normal with standard deviation 0.01. The
released code does not give the kernels of all cells; these are drawn as the layer's own (ours).
"""

from __future__ import annotations

import math
from typing import Final, TypeVar

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from brainbench_models._weights import copy_values
from brainbench_models.convrnn.cells import (
    GRU,
    LSTM,
    InputAndState,
    MedianReciprocalGated,
    ReciprocalGated,
)
from brainbench_models.convrnn.same_padding import SameConv2d
from brainbench_models.convrnn.unroll import ReadoutModule

Net = TypeVar("Net", bound=nn.Module)

_CUTOFF: Final = 2.0
_TRUNCATED_SD: Final = 0.87962566103423978
"""Standard deviation of a standard normal variable that is truncated at 2."""
_MEDIAN_SCALE: Final = 0.6393378386273998
_READOUT_SD: Final = 0.01


def draw_weights(net: Net, *, seed: int) -> Net:
    """Draw the weights of a ConvRNN from a seed, and return the network."""
    rng = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        _draw(net, rng, scale=1.0)
    return net


def _draw(module: nn.Module, rng: np.random.Generator, scale: float) -> None:
    """Draw a module and its children, in their order."""
    if isinstance(module, SameConv2d):
        _draw_kernels([module], rng, scale)
    elif isinstance(module, InputAndState):
        _draw_kernels([module.input, module.state], rng, scale)
    elif isinstance(module, ReciprocalGated):
        for weight in module.parameters():
            _draw_glorot(weight, rng)
    elif isinstance(module, ReadoutModule):
        copy_values(
            module.weight, _READOUT_SD * rng.standard_normal(module.weight.shape, np.float32)
        )
        nn.init.constant_(module.bias, 1.0 if module.readout.kind == "fc" else 0.0)
    else:
        child_scale = _MEDIAN_SCALE if isinstance(module, MedianReciprocalGated) else scale
        for child in module.children():
            _draw(child, rng, child_scale)
        if isinstance(module, GRU):
            nn.init.ones_(module.gates.input.bias)  # type: ignore[arg-type]  # it has one
        if isinstance(module, LSTM):
            for peephole in module.peepholes.values():
                _draw_truncated(peephole, rng, scale / math.prod(peephole.shape[1:]))


def _draw_kernels(convolutions: list[SameConv2d], rng: np.random.Generator, scale: float) -> None:
    """Draw convolutions whose results are added: the inputs of all count."""
    inputs = sum(c.in_channels * math.prod(c.weight.shape[2:]) for c in convolutions)
    for convolution in convolutions:
        _draw_truncated(convolution.weight, rng, scale / inputs)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)


def _draw_glorot(weight: Tensor, rng: np.random.Generator) -> None:
    outputs, inputs, *places = weight.shape
    bound = math.sqrt(6 / ((inputs + outputs) * math.prod(places)))
    copy_values(weight, rng.uniform(-bound, bound, weight.shape))


def _draw_truncated(tensor: Tensor, rng: np.random.Generator, variance: float) -> None:
    low = ndtr(-_CUTOFF)
    normal = ndtri(rng.uniform(low, 1 - low, tensor.shape))
    copy_values(tensor, normal * (math.sqrt(variance) / _TRUNCATED_SD))
