"""Classifiers of torchvision by name, as in "torchvision:resnet50": extra `torchvision`, imported late.

No block is committed to a region: each region takes the one that predicts it best within the training images.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About
from brainbench.data.transfer import DownloadError
from brainbench.models import checkpoints
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage import cache as caches
from brainbench_models._blocks import blocks_of, last_linear, layer_before, on_black
from brainbench_models._options import import_with_torchvision
from brainbench_models._released_weights import ReleasedWeights
from brainbench_models._weights import WeightedNetwork, load_weights, note_untrained, parse_seed

_PREFIX: Final = "torchvision:"
_WITH_AUXILIARY: Final = ("googlenet", "inception_v3")
_FORMER_NAMES: Final = (
    # Names in files that are older than the modules; torchvision renames them when it loads them.
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


def torchvision_network(name: str, /, *, weights: str = "auto") -> WrappedModel:
    """Make a model of a classifier of torchvision, static, with its blocks for every region.

    Preprocessing is that of the weights: the shorter side is resized and the center cropped. Behavior is read
    from the input of the classifier. Weights are "imagenet", torchvision's default for this network; one of
    its entries, as "IMAGENET1K_V1"; "untrained-N", torchvision's own initialization from seed N; "auto",
    trained weights if available, else "untrained", and the user is told; or the path of a file, FILE or
    FILE#KEY.

    UnknownNameError for a network that torchvision does not have. InputError if the extra `torchvision` is
    not installed, and for weights of another network. DownloadError for weights that cannot be downloaded.
    """
    library = _library()
    entries = _entries(library, name)
    chosen = entries.get(weights, next(iter(entries.values())))
    network = _weighted_network(library, name, chosen, weights, named=weights in entries)
    preprocess = _preprocess(chosen)
    run = on_black(network.net, preprocess.size)
    model = wrap(
        network.net,
        layers=blocks_of(network.net, run),
        preprocess=preprocess,
        name=f"{_PREFIX}{name}@{network.weights}",
        weights=network.weights,
        behavior=layer_before(network.net, last_linear(network.net), run),
        about=About(
            citation="TorchVision maintainers and contributors, 2016, torchvision",
            license="torchvision: BSD-3-Clause; weights: see the entry",
            source=chosen.url,
        ),
    )
    return replace(model, notes=network.notes)


def suggestions(name: str) -> list[str]:
    """Return the full name of the network that is called so, if there is one."""
    return [_PREFIX + name] if name in _names(_library()) else []


def members(pattern: str) -> list[str]:
    """Return the names of networks that match a wildcard."""
    return fnmatch.filter(_names(_library()), pattern)


@dataclass(frozen=True)
class _Entry:
    """One entry of weights of torchvision: its name, URL, side of the network's input, and transforms."""

    name: str
    url: str
    side: int
    transforms: Any


def _library() -> Any:
    return import_with_torchvision(
        "torchvision.models", extra="torchvision", purpose="a model of torchvision"
    )


def _names(library: Any) -> list[str]:
    names: list[str] = library.list_models(module=library)
    return names


def _entries(library: Any, name: str) -> dict[str, _Entry]:
    """Return the entries of weights of a network by name, the default first."""
    known = _names(library)
    if name not in known:
        todo = "see torchvision.models.list_models(module=torchvision.models)"
        raise unknown("network of torchvision", name, known, todo=todo)
    listed = library.get_model_weights(name)
    ordered = [listed.DEFAULT, *(entry for entry in listed if entry is not listed.DEFAULT)]
    return {
        e.name: _Entry(e.name, e.url, e.meta.get("min_size", (224, 224))[0], e.transforms())
        for e in ordered
    }


def _weighted_network(
    library: Any, name: str, entry: _Entry, weights: str, *, named: bool
) -> WeightedNetwork[Any]:
    if checkpoints.names_file(weights):
        net = _build(library, name, entry, seed=0)
        return WeightedNetwork(net, load_weights(weights, net, model=_PREFIX + name))
    notes: tuple[str, ...] = ()
    trained = named or weights in ("auto", "imagenet")
    if trained:
        released = _released(name, entry)
        reason = released.unavailable_reason() if weights == "auto" else None
        if reason is None:
            net = _build(library, name, entry, seed=0)
            state = current_names(_state(released))
            checkpoints.fill(net, state, name=f"weights {entry.name}", model=_PREFIX + name)
            return WeightedNetwork(net, entry.name)
        notes = (note_untrained(_PREFIX + name, reason),)
    seed = 0 if notes else parse_seed(weights, _PREFIX + name)
    return WeightedNetwork(_build(library, name, entry, seed=seed), f"untrained-{seed}", notes)


def _build(library: Any, name: str, entry: _Entry, *, seed: int) -> nn.Module:
    """Build a network as torchvision initializes it, from a seed; torch's own generator is not disturbed."""
    options: dict[str, Any] = {}
    if name in _WITH_AUXILIARY:  # as with weights: these take another normalization of the input
        options = {"aux_logits": True, "transform_input": True, "init_weights": True}
    elif name.startswith("vit_"):
        options = {"image_size": entry.side}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: nn.Module = library.get_model(name, weights=None, **options)
    return net.eval()


def _released(name: str, entry: _Entry) -> ReleasedWeights:
    folder, _, file = entry.url.rpartition("/")
    digits = re.search(r"-([0-9a-f]{8,})\.pth$", file)
    if digits is None:
        raise InputError(
            f"weights {entry.name} of {_PREFIX}{name} at {entry.url}, without a checksum",
            allowed="files whose names end in eight digits of their SHA-256",
            todo="download the file yourself, and give its path with --weights",
        )
    return ReleasedWeights(model=_PREFIX + name, folder=folder, file=file, sha256=digits[1])


def _state(released: ReleasedWeights) -> Mapping[str, Tensor]:
    try:
        return released.state()
    except DownloadError as error:
        raise DownloadError(
            f"weights of {released.model}: {error.got}",
            allowed=f"{released.url}, or its copy in the cache {caches.default().folder}; the extra "
            "`torchvision` has the code alone",
            todo="connect to the network once, give a file with --weights FILE.pth, or use untrained-0",
        ) from error


def current_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of today's modules."""
    return {_current_name(key): tensor for key, tensor in state.items()}


def _current_name(key: str) -> str:
    for former, current in _FORMER_NAMES:
        key = former.sub(current, key)
    return key


def _preprocess(entry: _Entry) -> Preprocess:
    """Return the preprocessing that torchvision declares: a resize of the shorter side and a center crop."""
    declared = entry.transforms
    (crop,), (side,) = declared.crop_size, declared.resize_size
    interpolation = declared.interpolation.value
    return Preprocess(
        name=f"torchvision-{interpolation}-{side}-{crop}",
        size=(crop, crop),
        crop_from=side,
        interpolation=interpolation,
        mean=tuple(declared.mean),
        std=tuple(declared.std),
    )
