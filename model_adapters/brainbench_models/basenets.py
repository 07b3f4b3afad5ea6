"""BaseNets: six convolutional layers and one fully connected one (Kubilius et al. 2019, section 3.5).

The paper says no more than "lightweight AlexNet-like architectures", with kernel sizes and nonlinearities
varied. Widths and pooling are ours: widths as in CORnet's areas, the map halved before layers 2, 3, 5 and 6.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from torch import nn

from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About
from brainbench.models.preprocessing import IMAGENET_224
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import whole
from brainbench_models._weights import seed_of, seeded

WIDTHS: Final = (64, 128, 256, 256, 512, 512)
POOLED: Final = (1, 2, 4, 5)
"""Layers, from 0, before which the map is halved."""
NONLINEARITIES: Final = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}
_N_CLASSES: Final = 1000


def build(kernels: Sequence[int], nonlinearity: str) -> nn.Sequential:
    """Six blocks `conv1` to `conv6`, each a convolution and its nonlinearity, and the read-out.

    Parameters
    ----------
    kernels : sequence of int
        Kernel size of each of the six convolutions.
    nonlinearity : str
        One of `NONLINEARITIES`.
    """
    blocks: dict[str, nn.Module] = {}
    channels = 3
    for k, (width, kernel) in enumerate(zip(WIDTHS, kernels, strict=True)):
        parts = [nn.MaxPool2d(3, stride=2, padding=1)] if k in POOLED else []
        stride = 2 if k == 0 else 1
        conv = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2)
        blocks[f"conv{k + 1}"] = nn.Sequential(*parts, conv, NONLINEARITIES[nonlinearity]())
        channels = width
    blocks["avgpool"] = nn.AdaptiveAvgPool2d(1)
    blocks["flatten"] = nn.Flatten()
    blocks["linear"] = nn.Linear(channels, _N_CLASSES)
    return nn.Sequential(OrderedDict(blocks))


def _sizes(kernels: int | Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(kernels) if isinstance(kernels, Sequence) else (kernels,) * len(WIDTHS)
    if len(sizes) != len(WIDTHS) or not all(whole(size) and size % 2 for size in sizes):
        raise InputError(
            f"kernels={kernels!r} for basenet",
            allowed="an odd whole number, or six of them",
            todo="give for example kernels=5, or kernels=[7, 5, 3, 3, 3, 3]",
        )
    return sizes


def basenet(
    *, weights: str = "untrained-0", kernels: int | Sequence[int] = 3, nonlinearity: str = "relu"
) -> WrappedModel:
    """A BaseNet, static, untrained: no weights were released. Each of its six layers may stand for a region.

    Parameters
    ----------
    weights : str
        "untrained" or "untrained-N", where N seeds the draw.
    kernels : int or sequence of six
        Kernel sizes, odd.
    nonlinearity : str
        "relu", "elu", "tanh", "sigmoid", "softplus". Other choices than the defaults are part of the name.

    Raises
    ------
    InputError
        Other weights; kernels that are not odd sizes, or not six.
    UnknownNameError
        Another nonlinearity.
    """
    sizes = _sizes(kernels)
    if nonlinearity not in list(NONLINEARITIES):
        raise unknown(
            "nonlinearity",
            str(nonlinearity),
            list(NONLINEARITIES),
            todo="choose nonlinearity= from these",
        )
    if not weights.startswith("untrained"):
        raise InputError(
            f"basenet with weights {weights!r}",
            allowed="untrained or untrained-N: none were released",
            todo="leave weights away",
        )
    seed = seed_of(weights, "basenet")
    alike = sizes[:1] if len(set(sizes)) == 1 else sizes
    options = [] if alike == (3,) else ["k" + ".".join(map(str, alike))]
    options += [] if nonlinearity == "relu" else [nonlinearity]
    return wrap(
        seeded(build(sizes, nonlinearity), seed=seed).eval(),
        layers=[f"conv{k + 1}" for k in range(len(WIDTHS))],
        preprocess=IMAGENET_224,
        name="-".join(["basenet", *options]) + f"@untrained-{seed}",
        weights=f"untrained-{seed}",
        behavior="avgpool",
        about=About(
            citation="Kubilius et al. 2019, NeurIPS 32, section 3.5; widths and pooling are ours",
            license="MIT",
            source="no weights were released",
        ),
    )
