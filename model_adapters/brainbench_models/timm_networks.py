"""Any network of the library timm by its name, "timm:resnet18": extra `timm`, imported when it is asked for.

Stages or blocks are committed to no area: each region takes the one that predicts it best inside the
training images. Weights come from the hub as safetensors, which hold tensors and nothing that runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About
from brainbench.data.fetch import OFFLINE, SILENCE_SECONDS, DownloadError, check_reachable, offline
from brainbench.models import checkpoints as checkpoint
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._weights import filled_from, seed_of

_FILE: Final = "model.safetensors"
_NMS: Final = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def timm_network(name: str, /, *, weights: str = "auto") -> WrappedModel:
    """A network of timm, static, with its stages or blocks for every region.

    Pictures are resized whole, without timm's crop, and normalized as its configuration says. Choices are
    read from what the classifier reads.

    Parameters
    ----------
    name : str
        As timm calls it: "resnet18", or with a tag that names trained weights, "resnet18.a1_in1k".
    weights : str
        "imagenet": those of the tag, or of timm's default tag, from the hub; the tag stands in the name of
        the model. Or another tag. "untrained", "untrained-N": timm's own initialization, where N seeds it.
        "auto": trained ones if they can be had, else "untrained", and the user is told. Or the path of a
        .safetensors or .pth file.

    Raises
    ------
    UnknownNameError
        A network or a tag that timm does not have; the message names the closest.
    InputError
        The extra `timm` is not installed; weights of another network; a network that names no stages or
        takes no color pictures.
    DownloadError
        Trained weights that do not come.
    """
    timm = library()
    base, tag = _known(timm, name)
    net, which, notes = _weighted(timm, base, tag, weights)
    configured: Mapping[str, Any] = net.pretrained_cfg
    preprocess = preprocess_of(configured, name=base)
    if getattr(net, "output_fmt", "NCHW") == "NHWC":
        notes = (*notes, "responses are (y, x, channel): the places of units are named otherwise")
    model = wrap(
        net,
        layers=_stages(net, base),
        preprocess=preprocess,
        name=f"timm:{base}@{which}",
        weights=which,
        behavior=before_classifier(net, configured, preprocess),
        about=About(
            citation=_citation(configured),
            license=f"timm: Apache-2.0; weights: {configured.get('license') or 'not stated'}",
            source=configured.get("hf_hub_id") or "timm names no trained weights",
        ),
    )
    return replace(model, notes=notes)


def library() -> Any:
    """Return the module timm.

    Raises
    ------
    InputError
        The extra is not installed, or does not work with this torch.
    """
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise InputError(
            f"a model of timm, without the package {error.name or 'timm'}",
            allowed="the extra timm, which holds the code of these networks",
            todo="pip install 'brainbench[timm]'",
        ) from error
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        return _without_compiled_torchvision()


def _without_compiled_torchvision() -> Any:
    """Import timm where the compiled part of torchvision is of another build than torch (CUDA, CPU).

    Its Python part then stops at two operators that it describes and that are not there. No network here
    uses them; they are declared, without code, and a call would say so.
    """
    if not hasattr(torch.ops.torchvision, "nms"):
        library: Any = torch.library.Library  # torch gives it no types
        declared = library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            declared.define(operator + _NMS)
        _declared.append(declared)
    return importlib.import_module("timm")


_declared: list[Any] = []  # torch forgets operators with the object that declared them


def _known(timm: Any, name: str) -> tuple[str, str]:
    """Name without a tag, and the tag or "".

    Raises
    ------
    UnknownNameError
        One of them does not exist.
    """
    base, _, tag = name.partition(".")
    known = timm.list_models()
    if base not in known:
        todo = "see timm.list_models(), or `import timm; timm.list_models('resnet*')`"
        raise unknown("network of timm", name, known, todo=todo)
    if tag:
        _check_tag(timm, base, tag)
    return base, tag


def _tags(timm: Any, base: str) -> list[str]:
    return [one.partition(".")[2] for one in timm.list_pretrained(f"{base}.*")]


def _check_tag(timm: Any, base: str, tag: str) -> None:
    tags = _tags(timm, base)
    if tag not in tags:
        raise unknown(f"tag of timm:{base}", tag, tags, todo=f"write timm:{base}, or with a tag")


def _weighted(timm: Any, base: str, tag: str, weights: str) -> tuple[Any, str, tuple[str, ...]]:
    """The network, which weights it has, and why it has no others."""
    if weights.endswith(checkpoint.SUFFIXES):
        path = Path(weights).expanduser()
        net = _built(timm, base, seed=0)
        return net, filled_from(path, net, model=f"timm:{base}"), ()
    if weights in ("auto", "imagenet") or weights in _tags(timm, base):
        tag = weights if weights not in ("auto", "imagenet") else tag
        try:
            return (*_trained(timm, base, tag, anything=weights != "imagenet"), ())
        except DownloadError as error:
            if weights != "auto":
                raise
            reason = error.got
        progress.current().note(
            f"timm:{base}: no trained weights ({reason}); going on with untrained ones"
        )
        return _built(timm, base, seed=0), "untrained-0", (f"no trained weights: {reason}",)
    seed = seed_of(weights, f"timm:{base}")
    return _built(timm, base, seed=seed), f"untrained-{seed}", ()


def _built(timm: Any, base: str, *, seed: int) -> nn.Module:
    """Network as timm initializes it, which draws from torch's own generator; that is put back."""
    with _seeded(seed):
        net: nn.Module = timm.create_model(base, pretrained=False)
    return net.eval()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _trained(timm: Any, base: str, tag: str, *, anything: bool) -> tuple[Any, str]:
    """Network with the weights of a tag, and the tag.

    Raises
    ------
    DownloadError
        They do not come, or timm names none.
    InputError
        They are not of ImageNet's 1,000 classes, where that is asked for, or of another network.
    """
    full = f"{base}.{tag}" if tag else base
    configured = timm.get_pretrained_cfg(full)
    if configured is None or not configured.hf_hub_id:
        raise DownloadError(
            f"timm names no trained weights for {full}",
            allowed=", ".join(_tags(timm, base)) or "untrained, or a file of yours",
            todo=f"write timm:{base}@untrained-0, or give a file with --weights",
        )
    tag = configured.tag or "default"
    if not anything and "in1k" not in tag:
        raise InputError(
            f"timm:{base} with weights 'imagenet', where {tag} is of other images",
            allowed=", ".join(_tags(timm, base)),
            todo=f"write timm:{base}@{tag} if these are meant",
        )
    state = checkpoint.read(hub_file(configured.hf_hub_id), name=configured.hf_hub_id)
    overlay = {"state_dict": state, "custom_load": False}
    try:
        net = timm.create_model(full, pretrained=True, pretrained_cfg_overlay=overlay)
    except RuntimeError as error:  # load_state_dict: what is missing, surplus, of another shape
        raise InputError(
            f"weights {configured.hf_hub_id} for timm:{base}: {' '.join(str(error).split())[:300]}",
            allowed="every weight of the network, and no other",
            todo="check that timm is as new as the weights",
        ) from error
    net.pretrained_cfg = {k: v for k, v in net.pretrained_cfg.items() if k != "state_dict"}
    net.default_cfg = net.pretrained_cfg
    return net.eval(), tag


def hub_file(repository: str) -> Path:
    """Safetensors file of a repository of the Hugging Face hub, from its cache, else from the network.

    Certificates are verified. A repository without safetensors is refused: other files are pickles.

    Raises
    ------
    DownloadError
        It does not come, or there is no such file.
    """
    hub = importlib.import_module("huggingface_hub")
    found = hub.try_to_load_from_cache(repository, _FILE)
    if isinstance(found, str):
        return Path(found)
    if offline():
        raise _absent(repository, f"{OFFLINE} is set")
    endpoint = _endpoint()
    check_reachable(endpoint)  # the hub's own client tries six times
    try:
        return Path(
            hub.hf_hub_download(repository, _FILE, etag_timeout=SILENCE_SECONDS, endpoint=endpoint)
        )
    except Exception as error:  # errors of the hub, of its HTTP library, of sockets and files
        raise _absent(repository, type(error).__name__) from error


def _endpoint() -> str:
    """Where the hub is: the environment variable HF_ENDPOINT names another."""
    url: str = importlib.import_module("huggingface_hub.constants").ENDPOINT
    return url


def _absent(repository: str, why: str) -> DownloadError:
    return DownloadError(
        f"{_FILE} of {repository} did not come from the Hugging Face hub ({why})",
        allowed="a repository with safetensors that can be reached, or is in the cache of the hub",
        todo="check the network, give a file with --weights FILE.safetensors, or take untrained-0",
    )


def preprocess_of(configured: Mapping[str, Any], *, name: str) -> Preprocess:
    """Preprocessing from timm's configuration of a network.

    Raises
    ------
    InputError
        A network that takes other than color pictures, or a filter that is not known here.
    """
    channels, height, width = configured["input_size"]
    if channels != 3:
        raise InputError(
            f"timm:{name}, which takes {channels} channels",
            allowed="a network for color pictures: red, green and blue",
            todo="choose another network, or wrap this one behind a module that makes its input",
        )
    return Preprocess(
        name=f"timm-{configured.get('interpolation', 'bicubic')}-{height}x{width}",
        size=(height, width),
        interpolation=configured.get("interpolation", "bicubic"),
        mean=tuple(configured["mean"]),
        std=tuple(configured["std"]),
    )


def _stages(net: nn.Module, base: str) -> list[str]:
    """Modules that timm's `feature_info` names, in order."""
    listed = getattr(net, "feature_info", None) or []
    names = [one["module"] for one in (getattr(listed, "info", None) or listed)]
    there = dict(net.named_modules(remove_duplicate=False))
    stages = [name for name in dict.fromkeys(names) if name in there]
    if not stages:
        raise InputError(
            f"timm:{base}, for which timm names no stages",
            allowed="a network with feature_info",
            todo=f"name layers: brainbench.wrap(timm.create_model({base!r}), layers=[...])",
        )
    return stages


def before_classifier(
    net: nn.Module, configured: Mapping[str, Any], preprocess: Preprocess
) -> str | None:
    """Last module whose output the classifier reads as it is; None where there is no such module.

    It is found by one forward pass: networks of timm pool, flatten and drop out in many ways.
    """
    named = configured.get("classifier")
    modules = dict(net.named_modules())
    classifier = modules.get(named) if isinstance(named, str) else None
    if classifier is None or preprocess.size is None:
        return None
    outputs: list[tuple[str, Tensor]] = []  # kept, so that no memory is used twice
    read: list[Tensor] = []
    hooks = [classifier.register_forward_pre_hook(lambda _, given: read.append(given[0]))]
    for name, module in modules.items():

        def keep(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            if isinstance(output, Tensor) and not read:
                outputs.append((name, output))

        hooks.append(module.register_forward_hook(keep))
    try:
        with torch.inference_mode():
            net(torch.zeros(1, 3, *preprocess.size))
    finally:
        for hook in hooks:
            hook.remove()
    return next(
        (name for name, output in reversed(outputs) if read and _same(output, read[-1])), None
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.data_ptr() == other.data_ptr()


def _citation(configured: Mapping[str, Any]) -> str:
    papers = configured.get("paper_ids") or ()
    listed = [papers] if isinstance(papers, str) else list(papers)
    return "; ".join(["Wightman, timm, doi:10.5281/zenodo.4414861", *listed])
