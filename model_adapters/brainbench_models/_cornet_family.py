"""Parts that all CORnets share: areas, decoder, preprocessing, released weights, and the finished model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from brainbench.core.model_info import About
from brainbench.core.timeline import STATIC, Timeline
from brainbench.models.preprocessing import IMAGENET_224, Preprocess, imagenet
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._released_weights import ReleasedWeights
from brainbench_models._weights import WeightedNetwork

WIDTHS: Final = {"V1": 64, "V2": 128, "V4": 256, "IT": 512}  # channels of each area
_N_CLASSES: Final = 1000


def decoder(channels: int, classes: int = _N_CLASSES) -> nn.Sequential:
    """Build a global average and one linear layer to classes, by default the 1,000 of ImageNet."""
    return nn.Sequential(
        OrderedDict(
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(channels, classes),
            output=nn.Identity(),
        )
    )


def logits_and_steps(net: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits, (batch, class), and those of every step of IT, (batch, step, class)."""
    outputs: list[Tensor] = []
    hook = net.get_submodule("IT.output").register_forward_hook(partial(_keep, outputs))
    try:
        logits: Tensor = net(image)
    finally:
        hook.remove()
    decoder = net.get_submodule("decoder")
    return logits, torch.stack([decoder(output) for output in outputs], 1)


def _keep(outputs: list[Tensor], _: nn.Module, __: Any, output: Tensor) -> None:
    outputs.append(output.clone())  # the next step may write over it


def order_channels_last(net: nn.Module) -> None:
    """Store the weights of convolutions channels last once, so that a CPU need not in each call."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def released_weights(model: str, sha256: str) -> ReleasedWeights:
    """Describe the weights that the authors trained on ImageNet."""
    return ReleasedWeights(
        model=model,
        folder="https://s3.amazonaws.com/cornet-models",
        file=f"{model}-{sha256}.pth",
        sha256=sha256,
    )


def about(released: ReleasedWeights, *, citation: str, depth: int) -> About:
    """Describe a CORnet for `brainbench show`; `depth` counts each area once."""
    return About(
        citation=citation,
        license="code here: MIT; the authors' code and weights: GPL-3.0",
        source=released.page,
        depth=depth,
    )


PAPER_2018: Final = (
    "Kubilius et al. 2018, CORnet: modeling the neural mechanisms of core object recognition, "
    "doi:10.1101/408385"
)


def preprocessing(image_size: Any, *, model: str) -> Preprocess:
    """Return the preprocessing of pictures to squares of `image_size` pixels; check it first."""
    allowed = "a whole number of pixels, at least 1; the released networks take 224"
    valid = is_whole_number(image_size)
    check_option("image_size", image_size, model, valid=valid, allowed=allowed)
    return imagenet(image_size)


def cornet_model(
    name: str,
    network: WeightedNetwork[Any],
    *,
    preprocess: Preprocess,
    version: str,
    about: About,
    timeline: Timeline | Sequence[Timeline] = STATIC,
    notes: Sequence[str] = (),
    areas: Sequence[str] = tuple(WIDTHS),
    usual: Preprocess = IMAGENET_224,
) -> WrappedModel:
    """Make a model of a CORnet: one layer per area, behavior from IT averaged over places.

    Another size of images than that of `usual` is part of the name.
    """
    size = "" if preprocess == usual or not preprocess.size else f"-{preprocess.size[0]}px"
    model = wrap(
        network.net,
        layers={area: f"{area}.output" for area in areas},
        preprocess=preprocess,
        timeline=timeline,
        name=f"{name}{size}@{network.weights}",
        weights=network.weights,
        behavior="decoder.avgpool",
        version=version,
        about=about,
    )
    return replace(model, notes=(*network.notes, *notes))
