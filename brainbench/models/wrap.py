"""`wrap`: any network as a BrainModel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import nn

from brainbench.core.arguments import check_arguments, fits
from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.model_info import NOTHING, About
from brainbench.core.presentation import Kind, Presentation
from brainbench.core.score import UNDESCRIBED
from brainbench.core.screen import VISUAL_DEGREES, check_degrees
from brainbench.core.timeline import STATIC, Timeline
from brainbench.models import transforms
from brainbench.models.batching import BatchSize
from brainbench.models.before_batch import BeforeBatch
from brainbench.models.brainscore_models import (
    AS_SHOWN,
    BrainScoreModel,
    BrainScoreNetwork,
    is_brain_score,
)
from brainbench.models.hooks import Calls
from brainbench.models.network import FunctionNetwork, Images, Network, TorchNetwork
from brainbench.models.preprocessing import IMAGENET_224, Preprocess, Preprocessing
from brainbench.models.torch_modules import check_call, check_scripted_parts, readable
from brainbench.models.transforms import Transform
from brainbench.models.wrapped_model import WrappedModel
from brainbench.storage.cache import Cache

__all__ = ["REGIONS", "WrappedModel", "wrap"]

REGIONS = ("V1", "V2", "V4", "IT")


def wrap(
    net: nn.Module | Callable[[Images], Any] | BrainScoreModel,
    *,
    layers: Mapping[str, str | Sequence[str]] | Sequence[str] | str = (),
    preprocess: Preprocess | Callable[..., Any] | None = None,
    call: str | Callable[..., Any] | None = None,
    timeline: Timeline | Sequence[Timeline] = STATIC,
    name: str | None = None,
    weights: str = UNDESCRIBED,
    calls: Calls | Mapping[str, Calls] = "steps",
    batch_axis: int | Mapping[str, int] = 0,
    seed: int | None = None,
    reset: str | Callable[[Any], Any] | None = None,
    behavior: str | None = None,
    presentations: Sequence[Kind] = ("constant",),
    visual_degrees: float | None = None,
    frame_ms: float | None = None,
    about: About = NOTHING,
    fingerprint: str | None = None,
    version: str | None = None,
    device: str = "auto",
    batch_size: BatchSize = "auto",
    cache: Cache | None = None,
) -> WrappedModel:
    """Return a BrainModel of a torch module, a plain function, or a Brain-Score model object.

    Its `activations` have the dims (stimulus, neuroid, time). Neuroids of a (channel, y, x) response have
    these three coordinates, those of a (token, channel) response these two, those of a vector `channel`.

    Parameters
    ----------
    net : Module, callable, or Brain-Score model
        A torch module; its modes, hooks, buffers, attributes and device are restored after each use. It
        computes in the precision of its first weights, which is part of the name unless it is float32. Or a
        function of preprocessed images, float32, (batch, 3, height, width), that returns an array
        (batch, ...) or {layer: array}; a list of arrays in place of an array is a list of steps. Or an object
        with `look_at`, `start_recording` and `visual_degrees`: each region is a layer and is recorded in the
        time bins of the timeline, by default 70-170 ms.
    layers : mapping or sequence
        Dotted names of submodules, as in `net.named_modules()`. Of a module that returns several tensors,
        "NAME#PATH" names one: "block#1", "encoder#last_hidden_state", "encoder#hidden_states.3"; "#" and
        "#PATH" are of the output of the network itself. A mapping commits regions to layers,
        {"IT": "layer4"} or {"IT": ["layer3", "layer4"]}; a sequence offers its layers to every region.
        For a function, the layers that it returns; by default "output".
    preprocess : Preprocess or callable, optional
        By default `IMAGENET_224`. A callable takes a Pillow image and returns a tensor or array, floating
        point, (3, height, width): transforms of torchvision and timm, image processors of transformers, own
        functions. It is run on test images here. A Brain-Score model has its own: at most a resize.
    call : str or callable, optional
        How a torch module is called: the keyword that takes the images, as "pixel_values", or a function
        (net, images) that calls it. By default `net(images)`.
    timeline : Timeline or sequence of Timeline
        Spans of the steps; of several clocks the first is the default, and a protocol uses the one with
        its name. By default the network is static.
    name : str, optional
        Identity: by default the name of the class or function with digits of the digest, "ResNet-3f9a21c0".
    weights : str
        What the weights are: "imagenet", "untrained-0" (seeded random numbers), "none" (there are none), ...
        Give it: "as given", the default, is marked in every table as weights that nobody described.
    calls : {"steps", "last"} or int, or mapping of layer to these
        What counts of a layer that is called k > 1 times in one forward pass: all calls as k time steps
        (the timeline must declare k spans for it), the last call, or the call of that number, from 0.
    batch_axis : int or mapping of layer to int
        Axis of the outputs along which the images are, for all layers or by layer: {"encoder.2": 1} for a
        (tokens, batch, channels) response. Responses are moved to (batch, ...).
    seed : int, optional
        For a network that is random in evaluation: images are shown one at a time, and before each the
        random states of torch, numpy and Python are set by the seed and the image. Part of the digest.
    reset : str or callable, optional
        For a network that keeps state between images: a method without arguments, by name, or a function of
        the network, called before each batch. Part of the digest.
    behavior : str, optional
        Layer that choices are read from.
    presentations : sequence of {"constant", "pulse", "movie"}
        Kinds of presentation that a torch module accepts. With more than "constant" it is called as
        `net(images, presentation)` and creates its input over time from the images; of movies these are
        (batch, frame, 3, height, width).
    visual_degrees : float, optional
        Width of its field of view in degrees of visual angle: by default 8, or what a Brain-Score model says.
        Under `brainscore` images are shown at the width of the study, padded with gray or cropped.
    frame_ms : float, optional
        For movies: time in ms between the frames that the network takes, which gets the frame that is on in
        the middle of each such span.
    fingerprint : str, optional
        Replaces what cannot be inspected in the key of cached activations. Change it whenever the
        network changes.
    version : str, optional
        Stands for the code in the key of cached activations and scores, beside weights, structure and
        settings, for a network whose figures are held by a test: "my_net-1". Without it, code counts.
    batch_size : int or "auto"
        Images per forward pass; halved whenever memory runs out.

    Raises
    ------
    InputError
        A network that is neither a module nor callable, or cannot be read layer by layer (TorchScript), no
        layers, a preprocessing that fails, or an invalid device or option; UnknownNameError for a layer that
        does not exist.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> wrap(net, layers={"V1": "1"}, name="tiny").areas
    mappingproxy({'V1': ('1',)})
    """
    # Long because of its docstring: the entry for every model.
    texts = ("name", "weights", "behavior", "fingerprint", "version")
    check_arguments(wrap, locals(), but=("net", "presentations"), filled=texts)
    net = readable(net)
    _check_network(net)
    check_call(call, net, presentations)
    clocks = (timeline,) if isinstance(timeline, Timeline) else tuple(timeline)
    if not clocks:
        raise InputError("no timeline", allowed="a Timeline or several", todo="omit timeline=")
    areas = _areas(layers or _default_layers(net), behavior)
    known = tuple(dict.fromkeys(layer for listed in areas.values() for layer in listed))
    network = _network(net, known, clocks[0], call=call, version=version)
    for layer in (*known, *(calls if isinstance(calls, Mapping) else ())):
        network.check(layer)
    if isinstance(net, nn.Module):
        check_scripted_parts(net, known)
    for choice in calls.values() if isinstance(calls, Mapping) else [calls]:
        _check_calls(choice)
    _check_batch_axis(batch_axis, network)
    model = WrappedModel(
        name=_with_precision(name or _class_name(net), network),
        weights=weights,
        network=network,
        areas=areas,
        clocks=MappingProxyType({clock.name: clock for clock in clocks}),
        preprocess=_preprocess(net, preprocess, fingerprint),
        calls=calls,
        batch_axis=batch_axis,
        before_batch=BeforeBatch(network=net, seed=seed, reset=reset),
        precision=network.precision,
        presentations=_presentations(presentations, network),
        visual_degrees=_visual_degrees(net, visual_degrees),
        frame_ms=_frame_ms(frame_ms, presentations),
        about=about,
        fingerprint=fingerprint,
        cache=cache,
    )
    if not name and not hasattr(net, "identifier"):
        own_name = f"{_class_name(net)}-{model.digest[:8]}"
        model = replace(model, name=_with_precision(own_name, network))
    return model.on(device=device, batch_size=batch_size)


def _with_precision(name: str, network: Network) -> str:
    suffix = "" if network.precision == "float32" else f"+{network.precision}"
    return name.removesuffix(suffix) + suffix


def _check_network(net: Any) -> None:
    if isinstance(net, type):
        raise InputError(
            f"the class {net.__name__}",
            allowed="a network, not its class",
            todo=f"create a network first: wrap({net.__name__}(...), ...)",
        )
    if not callable(net) and not is_brain_score(net):
        raise InputError(
            f"a network of type {type(net).__name__}",
            allowed="a torch.nn.Module, a function from images to responses, or a Brain-Score model "
            "with look_at, start_recording and visual_degrees",
            todo="call it in a function: wrap(lambda images: ..., layers=...)",
        )


def _network(
    net: Any,
    layers: tuple[str, ...],
    clock: Timeline,
    *,
    call: str | Callable[..., Any] | None,
    version: str | None,
) -> Network:
    if is_brain_score(net):
        if version is not None:
            raise InputError(
                f"version={version!r} for a Brain-Score model",
                allowed="a torch module or a function",
                todo="give fingerprint=, a text that you change whenever the model changes",
            )
        return BrainScoreNetwork(net, layers, clock)
    if isinstance(net, nn.Module):
        return TorchNetwork(net, call=call, version=version)
    return FunctionNetwork(net, layers, version=version)


def _presentations(kinds: Sequence[Kind], network: Network) -> tuple[Kind, ...]:
    are_words = fits(kinds, Sequence[str])
    for kind in kinds if are_words else ():
        Presentation(kind=kind, on_ms=1.0)  # raises for an unknown kind
    if (
        not are_words
        or "constant" not in kinds
        or (len(kinds) > 1 and not isinstance(network, TorchNetwork))
    ):
        raise InputError(
            f"presentations={kinds!r}",
            allowed="'constant' alone; for a torch module that is called as net(images, presentation), "
            "'pulse' and 'movie' too",
            todo="omit presentations=",
        )
    return tuple(kinds)


def _visual_degrees(net: Any, given: float | None) -> float:
    if given is None:
        given = float(net.visual_degrees()) if is_brain_score(net) else VISUAL_DEGREES
    return check_degrees(given, what="a field of view")


def _frame_ms(given: float | None, presentations: Sequence[Kind]) -> float | None:
    """Return the time between frames; InputError unless it is positive for movies, None for others."""
    takes_movies = "movie" in presentations
    if (given is not None) != takes_movies or (given is not None and not 0 < given < math.inf):
        raise InputError(
            f"frame_ms={given!r} for the presentations {', '.join(presentations)}",
            allowed="a positive time in ms between frames with 'movie', and none without",
            todo="give presentations=('constant', 'movie') and frame_ms=10.0, or neither",
        )
    return None if given is None else float(given)


def _default_layers(net: Any) -> Mapping[str, str] | Sequence[str]:
    if is_brain_score(net):
        return {region: region for region in REGIONS}
    return () if isinstance(net, nn.Module) else ("output",)


def _class_name(net: Any) -> str:
    if is_brain_score(net):
        return str(getattr(net, "identifier", type(net).__name__))
    name: str = getattr(net, "__name__", type(net).__name__)
    return name if name.isidentifier() else "function"  # no "<lambda>"


def _preprocess(
    net: Any, given: Preprocess | Callable[..., Any] | None, fingerprint: str | None
) -> Preprocessing:
    if given is not None and not callable(given):
        raise InputError(
            f"preprocess={given!r}",
            allowed="a Preprocess, or a function of a Pillow image, such as a transform of torchvision or "
            "timm or an image processor of transformers",
            todo="give one of these, or omit preprocess= for the usual one of ImageNet",
        )
    if not is_brain_score(net):
        if given is None or isinstance(given, Preprocess | Transform):
            return given or IMAGENET_224
        return transforms.checked(given, declared=fingerprint)
    if given is None:
        return AS_SHOWN
    if not isinstance(given, Preprocess) or (given.mean, given.std) != (
        AS_SHOWN.mean,
        AS_SHOWN.std,
    ):
        raise InputError(
            f"preprocess={given!r}, for a Brain-Score model",
            allowed="no preprocess=, or a Preprocess that only resizes",
            todo="omit mean and std: the model normalizes the images itself",
        )
    return given


def _areas(
    layers: Mapping[str, str | Sequence[str]] | Sequence[str] | str, behavior: str | None
) -> Mapping[str, tuple[str, ...]]:
    by_region = layers if isinstance(layers, Mapping) else dict.fromkeys(REGIONS, layers)
    areas = {
        region: (listed,) if isinstance(listed, str) else tuple(listed)
        for region, listed in by_region.items()
    }
    if not areas or not all(areas.values()):
        raise InputError(
            "a network without layers",
            allowed="layers={region: layer} or layers=[layer, ...]",
            todo="name layers, for example layers={'IT': 'layer4'}; "
            "[name for name, _ in net.named_modules()] lists them",
        )
    return MappingProxyType(areas | ({BEHAVIOR: (behavior,)} if behavior else {}))


def _check_calls(calls: Calls) -> None:
    if calls not in ("steps", "last") and (not isinstance(calls, int) or calls < 0):
        raise InputError(
            f"calls={calls!r}",
            allowed="'steps', 'last', or the number of a call, from 0",
            todo="choose which calls of a layer count",
        )


def _check_batch_axis(axes: int | Mapping[str, int], network: Network) -> None:
    for layer in axes if isinstance(axes, Mapping) else ():
        network.check(layer)
    for axis in axes.values() if isinstance(axes, Mapping) else [axes]:
        if type(axis) is not int or axis < 0:
            raise InputError(
                f"batch_axis={axes!r}",
                allowed="a whole number from 0, or {layer: number}",
                todo="give the axis of the output along which the images are",
            )
