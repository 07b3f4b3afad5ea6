"""CORnet-Z: the four areas without recurrence, one convolution each.

Written from the shapes and names of the released weights (Kubilius et al. 2018, bioRxiv 408385).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError
from brainbench.core.model_info import About
from brainbench.models.preprocessing import IMAGENET_224, Preprocess, imagenet
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import whole
from brainbench_models._released_weights import Released
from brainbench_models._weights import weighted

WIDTHS: Final = {"V1": 64, "V2": 128, "V4": 256, "IT": 512}
_N_CLASSES: Final = 1000


class Area(nn.Module):
    """A convolution, a nonlinearity and a pooling that halves the map.

    Parameters
    ----------
    channels_in, channels : int
        Width of the area before and of this one.
    kernel, stride : int
        Of the convolution.
    """

    def __init__(
        self, channels_in: int, channels: int, *, kernel: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=kernel // 2)
        self.nonlin = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.output = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, y, x) to (batch, channels, y / (2 stride), x / (2 stride))."""
        out: Tensor = self.output(self.pool(self.nonlin(self.conv(x))))
        return out


class CORnetZ(nn.Module):
    """CORnet-Z, 2,071,656 parameters; images of any size, (batch, 3, y, x), ImageNet-normalized."""

    def __init__(self) -> None:
        super().__init__()
        v1, v2, v4, it = WIDTHS.values()
        self.V1 = Area(3, v1, kernel=7, stride=2)
        self.V2 = Area(v1, v2)
        self.V4 = Area(v2, v4)
        self.IT = Area(v4, it)
        self.decoder = decoder(it)

    def forward(self, image: Tensor) -> Tensor:
        """Logits, (batch, 1000)."""
        logits: Tensor = self.decoder(self.IT(self.V4(self.V2(self.V1(image)))))
        return logits


def decoder(channels: int) -> nn.Sequential:
    """Global average, then one linear layer to the 1,000 classes of ImageNet."""
    return nn.Sequential(
        OrderedDict(
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(channels, _N_CLASSES),
            output=nn.Identity(),
        )
    )


def shown_at(image_size: int, *, model: str) -> tuple[Preprocess, str]:
    """Preprocessing of pictures to squares of that side, and how the name says so where it is not 224.

    Raises
    ------
    InputError
        A side that is no whole number of pixels.
    """
    if not whole(image_size):
        raise InputError(
            f"image_size={image_size!r} for {model}",
            allowed="a whole number of pixels from 1; the released networks take 224",
            todo="give for example image_size=160, or leave it away",
        )
    chosen = imagenet(image_size)
    return chosen, "" if chosen == IMAGENET_224 else f"-{image_size}px"


def channels_last(net: nn.Module) -> None:
    """Order the weights of convolutions as a CPU wants them, once and not in each call."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


RELEASED: Final = Released(
    model="cornet_z",
    folder="https://s3.amazonaws.com/cornet-models",
    file="cornet_z-5c427c9c.pth",
    sha256="5c427c9c",
)
"""What the authors trained on ImageNet."""


def about(released: Released, *, depth: int) -> About:
    """What `brainbench show` says of the networks of this paper: Z, R and RT."""
    return About(
        citation="Kubilius et al. 2018, CORnet: modeling the neural mechanisms of core object recognition, "
        "doi:10.1101/408385",
        license="code here: MIT; the authors' code and weights: GPL-3.0",
        source=released.page,
        depth=depth,
    )


def cornet_z(*, weights: str = "auto", image_size: int = 224) -> WrappedModel:
    """CORnet-Z, static, one layer for each region.

    Parameters
    ----------
    weights, image_size
        As in `cornet.cornet_s`, with the same errors.
    """
    preprocess, size = shown_at(image_size, model="cornet_z")
    made = weighted(weights, build=CORnetZ, released=RELEASED)
    model = wrap(
        made.net,
        layers={area: f"{area}.output" for area in WIDTHS},
        preprocess=preprocess,
        name=f"cornet_z{size}@{made.which}",
        weights=made.which,
        behavior="decoder.avgpool",
        about=about(RELEASED, depth=5),
    )
    return replace(model, notes=made.notes)
