"""What is minimized: the error of predicted rates, sparsity of the read-out, smoothness of the first kernel.

Zhang et al. 2020, appendix C.3, and the released code: the penalty of the read-out is a mean over neurons
(Klindt et al. 2017 sum it), and smoothness is that of the first convolution alone.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from brainbench_models.recurrent_v1.blocks import FactorizedReadout
from brainbench_models.recurrent_v1.network import RateModel

Loss = Literal["mse", "poisson"]
LOSSES: Final[tuple[Loss, ...]] = get_args(Loss)
_TINY: Final = 1e-5  # added to a rate before its logarithm
_LAPLACE: Final = ((0.25, 0.5, 0.25), (0.5, -3.0, 0.5), (0.25, 0.5, 0.25))


def prediction_loss(outputs: Tensor, observed: Tensor, loss: Loss) -> Tensor:
    """Return the mean error over outputs, images and neurons.

    Parameters
    ----------
    outputs : Tensor, output x image x neuron
        Predicted rates; under late-avg and 2-avg one output for each iteration, whose losses are averaged.
    observed : Tensor, image x neuron
        Measured rates.
    loss : {"mse", "poisson"}
        Squared error, or y' - y log(y' + 1e-5) of a prediction y'.
    """
    if loss == "mse":
        return ((outputs - observed) ** 2).mean()
    return (outputs - observed * torch.log(outputs + _TINY)).mean()


def readout_penalty(readout: FactorizedReadout) -> Tensor:
    """Return the mean over neurons of |weights of features|_1 |weights over space|_1."""
    return (readout.features.abs().sum(dim=1) * readout.space.abs().sum(dim=1)).mean()


def smoothness_penalty(kernels: Tensor) -> Tensor:
    """Return the sum over kernels (output, input, y, x) of |Laplacian|^2 / |kernel|^2, padded with zeros.

    Klindt et al. 2017, section 5.2.
    """
    laplace = kernels.new_tensor(_LAPLACE)[None, None]
    flat = kernels.flatten(0, 1)[:, None]
    filtered = functional.conv2d(flat, laplace, padding=1)
    ratios = filtered.square().sum(dim=(1, 2, 3)) / flat.square().sum(dim=(1, 2, 3))
    return ratios.sum()


def penalties(net: RateModel, *, readout_scale: float, smoothness: float) -> Tensor:
    """Return the weighted sum of both penalties."""
    return readout_scale * readout_penalty(net.readout) + smoothness * smoothness_penalty(
        net.first.conv.weight
    )
