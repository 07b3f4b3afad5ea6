"""Building blocks of recurrent V1 models: convolutional blocks and the factorized read-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainbench_models.recurrent_v1.architecture import (
    FIRST_KERNEL,
    KERNEL,
    Activation,
    Architecture,
)

NORM_EPSILON: Final = 1e-3
INITIAL_SD: Final = 0.01  # of the weights of convolutions and read-out


def same(x: Tensor) -> Tensor:
    """Return what is given: the activation of a linear model."""
    return x


def rectified(x: Tensor) -> Tensor:
    """Return max(x, 0), written over x, which nothing else reads: half of the memory traffic."""
    return functional.relu(x, inplace=True)


ACTIVATE: Final[dict[Activation, Callable[[Tensor], Tensor]]] = {
    "relu": rectified,
    "softplus": functional.softplus,
    "linear": same,
}


def norm(channels: int) -> nn.BatchNorm2d:
    """Build a batch normalization as the released code does."""
    return nn.BatchNorm2d(channels, eps=NORM_EPSILON, momentum=0.1)


def standardized(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Return what a normalization gives before its scale and shift; in training it counts the batch."""
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    mean, variance, share = norm.running_mean, norm.running_var, norm.momentum
    return functional.batch_norm(
        x, mean, variance, training=norm.training, momentum=share or 0.0, eps=norm.eps
    )


class FirstBlock(nn.Module):
    """The block that sees the image: 9 x 9, valid; its normalization comes before or after the activation."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.norm_is_first = architecture.first_norm == "before"
        self.conv = nn.Conv2d(1, architecture.channels, FIRST_KERNEL, bias=not self.norm_is_first)
        self.norm = norm(architecture.channels)
        self.activation = architecture.activation

    def forward(self, image: Tensor, norm_image: nn.BatchNorm2d) -> Tensor:
        """Return the response, (image, channel, side - 8, side - 8), channels last.

        Scale and shift of the normalized image are applied to the kernels, which is the same: a gradient
        with regard to the image would cost more than all other gradients of this block.
        """
        activate = ACTIVATE[self.activation]
        kernels = self.conv.weight * norm_image.weight
        shift = norm_image.bias * self.conv.weight.sum(dim=(1, 2, 3))
        bias = shift if self.conv.bias is None else shift + self.conv.bias
        drive = functional.conv2d(standardized(image, norm_image), kernels, bias)
        drive = drive.contiguous(memory_format=torch.channels_last)
        response: Tensor
        response = activate(self.norm(drive)) if self.norm_is_first else self.norm(activate(drive))
        return response


class UpperBlock(nn.Module):
    """A block of 3 x 3 convolutions, recurrent where it runs several times (eq. 2i).

    The convolutions are the same in each iteration, each iteration has a normalization of its own.
    """

    def __init__(self, channels: int, iterations: int) -> None:
        super().__init__()
        self.bottom_up = _conv(channels)
        self.lateral = _conv(channels) if iterations > 1 else None
        self.norms = nn.ModuleList(norm(channels) for _ in range(iterations))


def _conv(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2, bias=False)


class FactorizedReadout(nn.Module):
    """For each neuron a map of weights over space, weights of the features, and a bias (Klindt et al. 2017).

    The weight of a feature at a place is the product of the two; neither is kept positive.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        n, places = architecture.n_neurons, architecture.pooled_side**2
        self.space = nn.Parameter(torch.zeros(n, places))
        self.features = nn.Parameter(torch.zeros(n, architecture.channels))
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the drive of each neuron, (image, neuron), from (image, channel, y, x)."""
        by_channel = pooled.flatten(2) @ self.space.T  # image x channel x neuron
        return (by_channel * self.features.T).sum(dim=1) + self.bias


def initialize(net: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of convolutions and read-out from N(0, .01), in the order of the modules.

    Those of convolutions are laid out channels last, which is faster on a processor.
    """
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0.0, INITIAL_SD, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
                weight = module.weight.data
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)
            elif isinstance(module, FactorizedReadout):
                module.space.normal_(0.0, INITIAL_SD, generator=generator)
                module.features.normal_(0.0, INITIAL_SD, generator=generator)


def start_at(readout: FactorizedReadout, mean_response: Tensor, activation: Activation) -> None:
    """Set the biases so that an untrained model predicts the mean response of each neuron."""
    start = mean_response
    if activation == "softplus":
        start = torch.log(torch.expm1(mean_response.clamp(min=1e-6)))
    with torch.no_grad():
        readout.bias.copy_(start)


def blocks_in(modules: Any) -> list[UpperBlock]:
    """Return the blocks of a list of modules, for type checkers."""
    return list(modules)


def norms_in(modules: Any) -> list[nn.BatchNorm2d]:
    """Return the normalizations of a list of modules, for type checkers."""
    return list(modules)
