"""CORnet-Z: four areas without recurrence, one convolution each.

Written from the shapes and names of the released weights (Kubilius et al. 2018, bioRxiv 408385).
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from brainbench.models.wrap import WrappedModel
from brainbench_models import _cornet_family as cornets
from brainbench_models._weights import build_weighted


class Area(nn.Module):
    """A convolution, a nonlinearity, and pooling that halves the map."""

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
    """CORnet-Z, 2,071,656 parameters, for images of any size, (batch, 3, y, x), ImageNet-normalized."""

    def __init__(self) -> None:
        super().__init__()
        v1, v2, v4, it = cornets.WIDTHS.values()
        self.V1 = Area(3, v1, kernel=7, stride=2)
        self.V2 = Area(v1, v2)
        self.V4 = Area(v2, v4)
        self.IT = Area(v4, it)
        self.decoder = cornets.decoder(it)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits, (batch, 1000)."""
        logits: Tensor = self.decoder(self.IT(self.V4(self.V2(self.V1(image)))))
        return logits


RELEASED: Final = cornets.released_weights("cornet_z", "5c427c9c")


def cornet_z(*, weights: str = "auto", image_size: int = 224) -> WrappedModel:
    """Make CORnet-Z, static, one layer for each region; options and errors as in `cornet.cornet_s`."""
    preprocess = cornets.preprocessing(image_size, model="cornet_z")
    return cornets.cornet_model(
        "cornet_z",
        build_weighted(weights, build=CORnetZ, released=RELEASED),
        preprocess=preprocess,
        version="cornet_z-1",
        about=cornets.about(RELEASED, citation=cornets.PAPER_2018, depth=5),
    )
