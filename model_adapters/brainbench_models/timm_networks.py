"""Any network of the library timm by its name, as in "timm:resnet18": extra `timm`, imported when needed.

No stage or block is committed to a region: each region takes the one that predicts it best within the
training images. Weights come from the hub as safetensors, which hold tensors and no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About
from brainbench.data.transfer import DownloadError
from brainbench.models import checkpoints
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._blocks import layer_before, on_black
from brainbench_models._hub import hub_file
from brainbench_models._options import import_with_torchvision
from brainbench_models._weights import WeightedNetwork, build_of_library


def timm_network(name: str, /, *, weights: str = "auto") -> WrappedModel:
    """Make a model of a timm network, static, with its stages or blocks for every region.

    Pictures are resized whole, without timm's crop, and normalized as the network's configuration says.
    Behavior is read from the input of the classifier. The name is as in timm: "resnet18", or with a tag
    that names trained weights, "resnet18.a1_in1k". Weights are "imagenet", those of the tag, or of timm's
    default tag, from the hub (the tag is part of the model's name); another tag; "untrained-N", timm's
    own initialization from seed N; "auto", trained weights if available, else "untrained", and the user
    is told; or the path of a .safetensors or .pth file.

    UnknownNameError for a network or a tag that timm does not have. InputError if the extra `timm` is not
    installed, for weights of another network, and for a network without stages or for other than color
    pictures. DownloadError for trained weights that cannot be downloaded.
    """
    timm = library()
    base, tag = _check_name(timm, name)
    network = _weighted_network(timm, base, tag, weights)
    net, notes = network.net, network.notes
    config: Mapping[str, Any] = net.pretrained_cfg
    preprocess = preprocess_of(config, name=base)
    if getattr(net, "output_fmt", "NCHW") == "NHWC":
        notes = (
            *notes,
            "responses are (y, x, channel): the places of units have names in another order",
        )
    classifier = config.get("classifier") if isinstance(config.get("classifier"), str) else None
    model = wrap(
        net,
        layers=_stages(net, base),
        preprocess=preprocess,
        name=f"timm:{base}@{network.weights}",
        weights=network.weights,
        behavior=layer_before(net, classifier, on_black(net, preprocess.size)),
        about=About(
            citation=_citation(config),
            license=f"timm: Apache-2.0; weights: {config.get('license') or 'not stated'}",
            source=config.get("hf_hub_id") or "timm names no trained weights",
        ),
    )
    return replace(model, notes=notes)


def suggestions(name: str) -> list[str]:
    """Return the full name of the network that is called so, if there is one."""
    return [f"timm:{name}"] if name.partition(".")[0] in library().list_models() else []


def members(pattern: str) -> list[str]:
    """Return the names of networks that match a wildcard; those with a tag where it has a point."""
    timm = library()
    names: list[str] = (
        timm.list_pretrained(pattern) if "." in pattern else timm.list_models(pattern)
    )
    return names


def library() -> Any:
    """Import timm; raise InputError if the extra is not installed."""
    return import_with_torchvision("timm", extra="timm", purpose="a model of timm")


def _check_name(timm: Any, name: str) -> tuple[str, str]:
    """Return the name without a tag, and the tag or ""; both exist."""
    base, _, tag = name.partition(".")
    known = timm.list_models()
    if base not in known:
        todo = "see timm.list_models(), or `import timm; timm.list_models('resnet*')`"
        raise unknown("network of timm", name, known, todo=todo)
    tags = _tags(timm, base)
    if tag and tag not in tags:
        todo = f"write timm:{base}, or choose one of its tags"
        raise unknown(f"tag of timm:{base}", tag, tags, todo=todo)
    return base, tag


def _tags(timm: Any, base: str) -> list[str]:
    return [name.partition(".")[2] for name in timm.list_pretrained(f"{base}.*")]


def _weighted_network(timm: Any, base: str, tag: str, weights: str) -> WeightedNetwork[Any]:
    by_tag = weights in _tags(timm, base)
    named = by_tag or weights in ("auto", "imagenet")
    chosen, imagenet = weights if by_tag else tag, weights == "imagenet"
    return build_of_library(
        weights,
        label=f"timm:{base}",
        untrained=partial(_untrained, timm, base),
        trained=partial(_trained, timm, base, chosen, imagenet=imagenet) if named else None,
    )


def _untrained(timm: Any, base: str, seed: int) -> nn.Module:
    """Build a network as timm initializes it, from a seed; torch's own generator is not disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: nn.Module = timm.create_model(base, pretrained=False)
    return net.eval()


def _trained(timm: Any, base: str, tag: str, *, imagenet: bool) -> WeightedNetwork[Any]:
    """Build a network with the weights of a tag; with `imagenet` they must be of its 1,000 classes."""
    full = f"{base}.{tag}" if tag else base
    config = timm.get_pretrained_cfg(full)
    if config is None or not config.hf_hub_id:
        raise DownloadError(
            f"timm names no trained weights for {full}",
            allowed=", ".join(_tags(timm, base)) or "untrained, or a file of yours",
            todo=f"write timm:{base}@untrained-0, or give a file with --weights",
        )
    tag = config.tag or "default"
    if imagenet and "in1k" not in tag:
        raise InputError(
            f"timm:{base} with weights 'imagenet', but {tag} was trained on other images",
            allowed=", ".join(_tags(timm, base)),
            todo=f"write timm:{base}@{tag} to use these",
        )
    state = checkpoints.read(hub_file(config.hf_hub_id, "model.safetensors"), name=config.hf_hub_id)
    overlay = {"state_dict": state, "custom_load": False}
    try:
        net = timm.create_model(full, pretrained=True, pretrained_cfg_overlay=overlay)
    except RuntimeError as error:  # load_state_dict: weights missing, unexpected, of another shape
        raise InputError(
            f"weights {config.hf_hub_id} for timm:{base}: {' '.join(str(error).split())[:300]}",
            allowed="every weight of the network, and no other",
            todo="check that timm is as new as the weights",
        ) from error
    net.pretrained_cfg = {k: v for k, v in net.pretrained_cfg.items() if k != "state_dict"}
    net.default_cfg = net.pretrained_cfg
    return WeightedNetwork(net.eval(), tag)


def preprocess_of(config: Mapping[str, Any], *, name: str) -> Preprocess:
    """Return the preprocessing in timm's configuration of a network for color pictures."""
    channels, height, width = config["input_size"]
    if channels != 3:
        raise InputError(
            f"timm:{name}, which takes {channels} channels",
            allowed="a network for color pictures: red, green and blue",
            todo="choose another network, or wrap this one behind a module that makes its input",
        )
    interpolation = config.get("interpolation", "bicubic")
    return Preprocess(
        name=f"timm-{interpolation}-{height}x{width}",
        size=(height, width),
        interpolation=interpolation,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _stages(net: nn.Module, base: str) -> list[str]:
    """Return the modules that timm's `feature_info` names, in order."""
    listed = getattr(net, "feature_info", None) or []
    names = [info["module"] for info in (getattr(listed, "info", None) or listed)]
    modules = dict(net.named_modules(remove_duplicate=False))
    stages = [name for name in dict.fromkeys(names) if name in modules]
    if not stages:
        raise InputError(
            f"timm:{base}, for which timm names no stages",
            allowed="a network with feature_info",
            todo=f"name layers: brainbench.wrap(timm.create_model({base!r}), layers=[...])",
        )
    return stages


def _citation(config: Mapping[str, Any]) -> str:
    papers = config.get("paper_ids") or ()
    listed = [papers] if isinstance(papers, str) else list(papers)
    return "; ".join(["Wightman, timm, doi:10.5281/zenodo.4414861", *listed])
