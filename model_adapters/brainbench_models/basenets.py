"""BaseNets: six convolutional layers and one fully connected one (Kubilius et al. 2019, section 3.5).

The paper says only "lightweight AlexNet-like architectures", with kernel sizes and nonlinearities varied.
Widths and pooling are ours: widths as in CORnet's areas, the map halved before layers 2, 3, 5 and 6.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from torch import nn

from brainbench.core.errors import unknown
from brainbench.core.model_info import About
from brainbench.models.preprocessing import IMAGENET_224
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._weights import drawn_or_loaded

WIDTHS: Final = (64, 128, 256, 256, 512, 512)
POOLED: Final = (1, 2, 4, 5)  # layers, counted from 0, before which the map is halved
NONLINEARITIES: Final = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}
_N_CLASSES: Final = 1000


def build(kernels: Sequence[int], nonlinearity: str, classes: int = _N_CLASSES) -> nn.Sequential:
    """Build six blocks `conv1` to `conv6`, each a convolution and its nonlinearity, and the read-out."""
    blocks: dict[str, nn.Module] = {}
    channels = 3
    for k, (width, kernel) in enumerate(zip(WIDTHS, kernels, strict=True)):
        pool = [nn.MaxPool2d(3, stride=2, padding=1)] if k in POOLED else []
        stride = 2 if k == 0 else 1
        conv = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2)
        blocks[f"conv{k + 1}"] = nn.Sequential(*pool, conv, NONLINEARITIES[nonlinearity]())
        channels = width
    blocks["avgpool"] = nn.AdaptiveAvgPool2d(1)
    blocks["flatten"] = nn.Flatten()
    blocks["linear"] = nn.Linear(channels, classes)
    return nn.Sequential(OrderedDict(blocks))


def _kernel_sizes(kernels: int | Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(kernels) if isinstance(kernels, Sequence) else (kernels,) * len(WIDTHS)
    valid = len(sizes) == len(WIDTHS) and all(is_whole_number(k) and k % 2 for k in sizes)
    allowed = "an odd whole number, as in kernels=5, or six, as in kernels=[7, 5, 3, 3, 3, 3]"
    check_option("kernels", kernels, "basenet", valid=valid, allowed=allowed)
    return sizes


def basenet(
    *,
    weights: str = "untrained-0",
    kernels: int | Sequence[int] = 3,
    nonlinearity: str = "relu",
    classes: int = _N_CLASSES,
) -> WrappedModel:
    """Make a BaseNet, static (no weights were released), each layer offered to every region.

    `weights` is "untrained" or "untrained-N", drawn from seed N, or a file. Six odd kernel sizes are part of
    the name if not all are 3, the nonlinearity ("relu", "elu", "tanh", "sigmoid" or "softplus") if not
    "relu", the number of classes if not 1,000. InputError for other weights, kernel sizes or classes,
    UnknownNameError for another nonlinearity.
    """
    sizes = _kernel_sizes(kernels)
    if nonlinearity not in list(NONLINEARITIES):
        todo = "choose nonlinearity= from these"
        raise unknown("nonlinearity", str(nonlinearity), list(NONLINEARITIES), todo=todo)
    allowed = "a whole number, at least 1"
    check_option("classes", classes, "basenet", valid=is_whole_number(classes), allowed=allowed)
    net = build(sizes, nonlinearity, classes)
    weighted = drawn_or_loaded(weights, net, model="basenet")
    distinct = sizes[:1] if len(set(sizes)) == 1 else sizes
    options = [] if distinct == (3,) else ["k" + ".".join(map(str, distinct))]
    options += [] if nonlinearity == "relu" else [nonlinearity]
    options += [] if classes == _N_CLASSES else [f"{classes}classes"]
    return wrap(
        weighted.net.eval(),
        layers=[f"conv{k + 1}" for k in range(len(WIDTHS))],
        preprocess=IMAGENET_224,
        name="-".join(["basenet", *options]) + f"@{weighted.weights}",
        weights=weighted.weights,
        behavior="avgpool",
        version="basenet-1",
        about=About(
            citation="Kubilius et al. 2019, NeurIPS 32, section 3.5; widths and pooling are ours",
            license="MIT",
            source="no weights were released",
        ),
    )
