"""Convolution, pooling and resizing with the padding of TensorFlow, "SAME".

"SAME" gives ceil(side / stride) outputs. Padding is split evenly; an odd place goes below and to the right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the places added before and after a side: (2, 3) for a side of 224, kernel 7 and stride 2."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution padded as "SAME"; depthwise if `groups` is the number of channels."""

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
        # In another order of memory a CPU would reorder the weights in each call.
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channel, height, width)."""
        (top, bottom), (left, right) = (
            same_padding(side, kernel, stride)
            for side, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        )
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


def max_pool(x: Tensor) -> Tensor:
    """Return the largest of 2 x 2 places; an odd side ends in half a window, as with "SAME"."""
    return max_pool2d(x, 2, ceil_mode=True)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps bilinearly, corner to corner, as `tf.image.resize_bilinear(align_corners=True)`."""
    if x.shape[2:] == size:
        return x
    return interpolate(x, size, mode="bilinear", align_corners=True)
