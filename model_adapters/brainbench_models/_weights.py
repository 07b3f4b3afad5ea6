"""Which weights a network gets: those its authors released, seeded random ones, or a file of the user's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.data.fetch import digest_of_file
from brainbench.data.transfer import DownloadError
from brainbench.models import checkpoints
from brainbench_models._bundled_weights import bundled_names, load_bundled
from brainbench_models._released_weights import ReleasedWeights

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class WeightedNetwork(Generic[Net]):
    """A network with its weights, their name, and remarks on how they were checked or why others are used."""

    net: Net
    weights: str
    notes: tuple[str, ...] = ()


def build_weighted(
    weights: str, *, build: Callable[[], Net], released: ReleasedWeights
) -> WeightedNetwork[Net]:
    """Build a network with the weights of the user's choice; `cornet.cornet_s` has choices and errors."""
    notes: tuple[str, ...] = ()
    if weights == "auto":
        reason = released.unavailable_reason()
        weights = "untrained" if reason else "imagenet"
        notes = (note_untrained(released.model, reason),) if reason else ()
    if weights == "imagenet":
        net = build()
        checkpoints.fill(net, released.state(), name="imagenet weights", model=released.model)
        notes = released.checked_by()
    elif checkpoints.names_file(weights):
        net = build()
        weights = load_weights(weights, net, model=released.model)
    else:
        seed = parse_seed(weights, released.model)
        net, weights = draw_weights(build(), seed=seed), f"untrained-{seed}"
    return WeightedNetwork(net, weights, notes)


def drawn_or_loaded(weights: str, net: Net, *, model: str) -> WeightedNetwork[Net]:
    """Give a network without released weights those of a seed, "untrained-N", a file, or the package."""
    stored = load_stored(weights, net, model=model)
    if stored is not None:
        return stored
    if not weights.startswith("untrained") and weights != "auto":
        raise InputError(
            f"weights={weights!r} for {model}",
            allowed=allowed_weights(model),
            todo="no weights were released: omit weights, or give a file",
        )
    seed = parse_seed("untrained" if weights == "auto" else weights, model)
    return WeightedNetwork(draw_weights(net, seed=seed), f"untrained-{seed}")


def load_stored(weights: str, net: Net, *, model: str) -> WeightedNetwork[Net] | None:
    """Give a network weights of the package or of a file; None where `weights` names neither."""
    if weights in bundled_names(model):
        return WeightedNetwork(net, weights, load_bundled(weights, net, model=model))
    if checkpoints.names_file(weights):
        return WeightedNetwork(net, load_weights(weights, net, model=model))
    return None


def allowed_weights(model: str) -> str:
    """Say which weights a model without released ones takes."""
    named = (*bundled_names(model), "untrained", "untrained-N")
    return f"{', '.join(named)}, or a file that ends in {', '.join(checkpoints.SUFFIXES[:3])}"


def build_of_library(
    weights: str,
    *,
    label: str,
    untrained: Callable[[int], nn.Module],
    trained: Callable[[], WeightedNetwork[nn.Module]] | None,
    trained_name: str = "imagenet",
) -> WeightedNetwork[nn.Module]:
    """Build a network of a library with the weights of the user's choice.

    `untrained` builds it from a seed, `trained` with the weights that `weights` names, None where it names
    none. The DownloadError of trained weights is an error unless `weights` is "auto"; then the user is told,
    and seed 0 is taken. InputError for weights that are none of these.
    """
    if checkpoints.names_file(weights):
        net = untrained(0)
        return WeightedNetwork(net, load_weights(weights, net, model=label))
    notes: tuple[str, ...] = ()
    if trained is not None:
        try:
            return trained()
        except DownloadError as error:
            if weights != "auto":
                raise
            notes = (note_untrained(label, error.got),)
    seed = 0 if notes else parse_seed(weights, label, trained=trained_name)
    return WeightedNetwork(untrained(seed), f"untrained-{seed}", notes)


def note_untrained(model: str, reason: str) -> str:
    """Tell the user why a model goes on untrained, and return the note for its records."""
    progress.current().note(f"{model}: no trained weights ({reason}); going on with untrained ones")
    return f"no trained weights: {reason}"


def load_weights(weights: str, net: nn.Module, *, model: str) -> str:
    """Load FILE or FILE#KEY into a network, and return the name of the weights, as "file-DIGITS#KEY"."""
    path = checkpoints.load_file(net, weights, model=model)
    key = checkpoints.split(weights)[1]
    return f"file-{digest_of_file(path)[:12]}" + (f"#{key}" if key else "")


def draw_weights(net: Net, *, seed: int) -> Net:
    """Draw the weights of a network from a seed as the authors of CORnet-S did, and return it.

    Convolutions are normal with standard deviation sqrt(2 / (k * k * channels out)) and start without
    bias, normalizations start at scale 1 and shift 0, linear layers are uniform within 1 / sqrt(inputs).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                sd = math.sqrt(2 / (math.prod(module.kernel_size) * module.out_channels))
                copy_values(
                    module.weight, sd * rng.standard_normal(module.weight.shape, np.float32)
                )
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
                    copy_values(tensor, rng.uniform(-bound, bound, tensor.shape))
    return net


def copy_values(tensor: Tensor, values: npt.NDArray[np.floating]) -> None:
    """Copy an array into a tensor, as float32."""
    tensor.copy_(torch.from_numpy(values.astype(np.float32, copy=False)))


def parse_seed(weights: str, model: str, *, trained: str = "imagenet") -> int:
    """Return N of "untrained-N", 0 for "untrained"; raise InputError for any other text."""
    kind, _, number = weights.partition("-")
    if kind != "untrained" or (number and not (number.isascii() and number.isdigit())):
        raise InputError(
            f"{model} with weights {weights!r}",
            allowed=f"auto, {trained}, untrained, untrained-N with a whole number N as the seed, or "
            "a file that ends in " + ", ".join(checkpoints.SUFFIXES[:3]),
            todo=f"choose one of these with --weights, or after the name as in {model}@{trained}",
        )
    return int(number or 0)
