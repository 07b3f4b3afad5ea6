"""Convolution and pooling padded as TensorFlow's "SAME", and its resizing.

"SAME" gives as many outputs as the stride leaves places, and pads as evenly as it can; where the padding is
odd, the surplus is below and to the right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Places added before and after a side.

    Examples
    --------
    >>> same_padding(224, 7, 2), same_padding(28, 3, 1), same_padding(28, 2, 1)
    ((2, 3), (1, 1), (0, 1))
    """
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution padded as "SAME"; `groups` as many as channels makes it depthwise."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels, kernel, stride, groups=groups, bias=bias)
        # On a CPU another order in memory would be made anew in each call.
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channel, height, width)."""
        sides = [
            same_padding(side, kernel, stride)
            for side, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        ]
        (top, bottom), (left, right) = sides
        if (top, left) != (bottom, right):
            x, top, left = pad(x, (left, right, top, bottom)), 0, 0
        return conv2d(x, self.weight, self.bias, self.stride, (top, left), groups=self.groups)


class SeparableConv2d(nn.Module):
    """One kernel per channel, then a 1 x 1 convolution with a bias."""

    def __init__(self, channels_in: int, channels: int, kernel: int | tuple[int, int]) -> None:
        super().__init__()
        self.depthwise = SameConv2d(
            channels_in, channels_in, kernel, groups=channels_in, bias=False
        )
        self.pointwise = SameConv2d(channels_in, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channel, height, width)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


def pooled(x: Tensor) -> Tensor:
    """Largest value in 2 x 2 places; an odd side ends in half a window, as "SAME" does."""
    return max_pool2d(x, 2, ceil_mode=True)


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners on corners, as `tf.image.resize_bilinear(align_corners=True)`."""
    if x.shape[2:] == size:
        return x
    return interpolate(x, size, mode="bilinear", align_corners=True)
