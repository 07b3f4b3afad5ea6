"""Seeded weights, drawn as the released networks were before training.

Kernels are truncated normal, scaled by the number of inputs (TensorFlow's variance scaling); those of the
shallow reciprocal gated cell are uniform (Glorot); the read-out is normal with standard deviation 0.01.
Where the released code does not say, the kernels of a cell are drawn as the layer's own (ours).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeVar

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

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

_CUT: Final = 2.0
_CUT_WIDTH: Final = 0.87962566103423978
"""Standard deviation of a normal variable that is cut at two of its own."""
_MEDIAN_SCALE: Final = 0.6393378386273998
_READOUT_WIDTH: Final = 0.01


def seeded(net: Net, *, seed: int) -> Net:
    """Draw the weights of a ConvRNN from a seed, and return it."""
    rng = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        _draw(net, rng, scale=1.0)
    return net


def _draw(module: nn.Module, rng: np.random.Generator, scale: float) -> None:
    """Draw a module and all within it, in their order."""
    if isinstance(module, SameConv2d):
        _kernels([module], rng, scale)
    elif isinstance(module, InputAndState):
        _kernels([module.input, module.state], rng, scale)
    elif isinstance(module, ReciprocalGated):
        for weight in module.parameters():
            _glorot(weight, rng)
    elif isinstance(module, ReadoutModule):
        _readout(module, rng)
    else:
        within = _MEDIAN_SCALE if isinstance(module, MedianReciprocalGated) else scale
        for child in module.children():
            _draw(child, rng, within)
        _own(module, rng, scale)


def _own(module: nn.Module, rng: np.random.Generator, scale: float) -> None:
    """What cells have beside convolutions, or start differently."""
    if isinstance(module, GRU):
        nn.init.ones_(module.gates.input.bias)  # type: ignore[arg-type]  # it has one
    if isinstance(module, LSTM):
        for peephole in module.peepholes.values():
            _truncated(peephole, rng, scale / math.prod(peephole.shape[1:]))


def _readout(module: ReadoutModule, rng: np.random.Generator) -> None:
    _put(module.weight, _READOUT_WIDTH * rng.standard_normal(module.weight.shape, np.float32))
    nn.init.constant_(module.bias, 1.0 if module.readout.kind == "fc" else 0.0)


def _kernels(convolutions: Iterable[SameConv2d], rng: np.random.Generator, scale: float) -> None:
    """Convolutions whose results are added: all their inputs count."""
    listed = list(convolutions)
    inputs = sum(c.in_channels * math.prod(c.weight.shape[2:]) for c in listed)
    for convolution in listed:
        _truncated(convolution.weight, rng, scale / inputs)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)


def _glorot(weight: Tensor, rng: np.random.Generator) -> None:
    outputs, inputs, *places = weight.shape
    bound = math.sqrt(6 / ((inputs + outputs) * math.prod(places)))
    _put(weight, rng.uniform(-bound, bound, weight.shape))


def _truncated(tensor: Tensor, rng: np.random.Generator, variance: float) -> None:
    low = ndtr(-_CUT)
    normal = ndtri(rng.uniform(low, 1 - low, tensor.shape))
    _put(tensor, normal * (math.sqrt(variance) / _CUT_WIDTH))


def _put(tensor: Tensor, values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> None:
    tensor.copy_(torch.from_numpy(values.astype(np.float32, copy=False)))
