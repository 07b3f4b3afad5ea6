"""Which weights a published network gets: the authors', seeded random ones, or a file of the user's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError
from brainbench.data.fetch import digest_of_file
from brainbench.models import checkpoints as checkpoint
from brainbench_models._released_weights import Released

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Weighted(Generic[Net]):
    """A network with its weights.

    Attributes
    ----------
    net : Module
        The network.
    which : str
        "imagenet", "untrained-N", "file-DIGITS".
    notes : tuple of str
        Why other weights were not to be had.
    """

    net: Net
    which: str
    notes: tuple[str, ...] = ()


def weighted(weights: str, *, build: Callable[[], Net], released: Released) -> Weighted[Net]:
    """Make a network and give it weights.

    Parameters
    ----------
    weights : str
        "imagenet", "untrained", "untrained-N", "auto" ("imagenet" if it can be had, else "untrained", and
        the user is told), or the path of a .safetensors or .pth file.
    build : callable
        Makes the network, with whatever weights.
    released : Released
        What "imagenet" means.

    Raises
    ------
    DownloadError, InputError, CacheError
        See `cornet.cornet_s`.
    """
    reason = released.fallback() if weights == "auto" else None
    if weights == "auto":
        weights = "untrained" if reason else "imagenet"
    notes = (reason,) if reason else ()
    if weights == "imagenet":
        net = build()
        checkpoint.fill(net, released.state(), name="imagenet weights", model=released.model)
        return Weighted(net, "imagenet", notes)
    if weights.endswith(checkpoint.SUFFIXES):
        path = Path(weights).expanduser()
        net = build()
        return Weighted(net, filled_from(path, net, model=released.model), notes)
    seed = seed_of(weights, released.model)
    return Weighted(seeded(build(), seed=seed), f"untrained-{seed}", notes)


def filled_from(path: Path, net: nn.Module, *, model: str) -> str:
    """Put the weights of a file into a network; what they are called, "file-DIGITS".

    Raises
    ------
    InputError
        See `checkpoint.read` and `checkpoint.fill`.
    """
    checkpoint.fill(net, checkpoint.read(path), name=f"weights {path}", model=model)
    return f"file-{digest_of_file(path)[:12]}"


def seeded(net: Net, *, seed: int) -> Net:
    """Draw the weights of a network from a seed, as the authors of CORnet-S did, and return it.

    Convolutions are normal with standard deviation sqrt(2 / (k * k * channels out)) and start without
    bias, normalizations start at scale 1 and shift 0, linear layers are uniform within 1 / sqrt(inputs).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                width = math.sqrt(2 / (math.prod(module.kernel_size) * module.out_channels))
                _draw(module.weight, width * rng.standard_normal(module.weight.shape, np.float32))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                for tensor in (module.weight, module.bias):
                    _draw(tensor, rng.uniform(-bound, bound, tensor.shape))
    return net


def _draw(tensor: Tensor, values: npt.NDArray[np.floating]) -> None:
    tensor.copy_(torch.from_numpy(values.astype(np.float32, copy=False)))


def seed_of(weights: str, model: str) -> int:
    """Seed in "untrained" or "untrained-N".

    Raises
    ------
    InputError
        Anything else.
    """
    kind, _, number = weights.partition("-")
    if kind != "untrained" or (number and not (number.isascii() and number.isdigit())):
        raise InputError(
            f"{model} with weights {weights!r}",
            allowed="auto, imagenet, untrained, untrained-N with a whole number N that seeds them, or "
            "a file " + ", ".join(checkpoint.SUFFIXES[:3]),
            todo=f"choose one of these with --weights, or after the name as {model}@imagenet",
        )
    return int(number or 0)
