"""`wrap`: any network becomes a BrainModel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import nn

from brainbench.core import progress
from brainbench.core.assembly import Assembly, validate
from brainbench.core.errors import ActivationError, InputError, unknown
from brainbench.core.model import BEHAVIOR, Probe
from brainbench.core.model_info import NOTHING, About
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import STATIC, Timeline
from brainbench.models.activation_files import LayerFile, open_layer
from brainbench.models.batching import BatchSize, first_size, in_batches
from brainbench.models.brainscore_models import (
    AS_SHOWN,
    BrainScoreModel,
    BrainScoreNetwork,
    is_brain_score,
)
from brainbench.models.hooks import Calls
from brainbench.models.network import (
    PRECISIONS,
    Forward,
    FunctionNetwork,
    Images,
    Network,
    Precision,
    TorchNetwork,
    computing,
)
from brainbench.models.preprocessing import IMAGENET_224, Preprocess
from brainbench.models.response_checks import Answer, checked
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

REGIONS = ("V1", "V2", "V4", "IT")
_FORMAT = "activations-1"  # raised when the files change their layout
_KIND = "activations"
_SUFFIX = ".nc"


@dataclass(frozen=True, kw_only=True, eq=False)
class WrappedModel:
    """A network as a BrainModel; `wrap` makes it, and explains its parameters.

    Activations live in the cache, one file per layer and stimulus set, and are read when indexed. `notes`
    go into the record of every score, such as why other weights were not to be had.
    """

    name: str
    weights: str
    network: Network = field(repr=False)
    areas: Mapping[str, Sequence[str]]
    clocks: Mapping[str, Timeline] = field(repr=False)
    preprocess: Preprocess
    calls: Calls | Mapping[str, Calls] = "steps"
    fingerprint: str | None = None
    device: str = "cpu"
    batch_size: BatchSize = "auto"
    cache: Cache | None = None
    precision: Precision = "float32"
    presentations: tuple[Kind, ...] = ("constant",)
    notes: tuple[str, ...] = ()
    about: About = field(default=NOTHING, repr=False)
    pinned_digest: str | None = field(default=None, repr=False)

    @property
    def static(self) -> bool:
        """One state per image, nothing over time."""
        return self.clock.static

    @property
    def clock(self) -> Timeline:
        """Default clock."""
        return next(iter(self.clocks.values()))

    @property
    def digest(self) -> str:
        """SHA-256 over all that responses depend on beside stimuli, as it is now.

        Weights, code and structure, preprocessing, precision, and which calls of a module are steps.
        """
        if self.pinned_digest is not None:
            return self.pinned_digest
        calls = sorted(self.calls.items()) if isinstance(self.calls, Mapping) else self.calls
        network = self.network.digest(self.name, self.fingerprint)
        return sha256(network, self.preprocess.fingerprint, self.precision, repr(calls))

    def pinned(self) -> WrappedModel:
        """Return the same model with its digest as it is now, for a run in which it does not change."""
        return replace(self, pinned_digest=self.digest)

    def on(
        self,
        *,
        device: str = "auto",
        batch_size: BatchSize = "auto",
        precision: Precision | None = None,
    ) -> WrappedModel:
        """Return the same model on a device, with a batch size and a precision.

        Another precision than float32 is part of the name, so that its scores never stand beside others
        unmarked. What is not a torch module computes as it does, and a note says so.

        Raises
        ------
        InputError
            A device that does not exist here, or a batch size that is none.
        UnknownNameError
            A precision that there is not.
        """
        placed = self.network.place(device)
        first_size(batch_size, placed)
        return replace(
            self._in(precision), device=placed, batch_size=batch_size, pinned_digest=None
        )

    def _in(self, precision: Precision | None) -> WrappedModel:
        if precision in (None, self.precision):
            return self
        if precision not in PRECISIONS:
            raise unknown(
                "precision", str(precision), PRECISIONS, todo="choose --precision float32"
            )
        if not isinstance(self.network, TorchNetwork):
            progress.current().note(f"{self.name}: computes as it does, not in {precision}")
            return self
        plain = self.name.removesuffix(f"+{self.precision}")
        name = plain if precision == "float32" else f"{plain}+{precision}"
        return replace(self, name=name, precision=precision)

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Responses of each layer, dims (stimulus, neuroid, time), in the order of `stimuli`.

        What the cache does not hold is computed for all layers in one pass over the stimuli. `time` has
        one entry per model step with its span in ms under the default clock. Values are float32, in
        arbitrary units, and stay on disk until they are indexed: `.isel(neuroid=..., time=...)` first.

        Parameters
        ----------
        stimuli : StimulusSet
            Pictures; one batch of them is in memory at a time.
        layers : sequence of str
            Dotted names; any layer of the network, whether it stands for a region or not.
        presentation : Presentation
            How they are shown; a network without input over time gets a constant image.

        Raises
        ------
        UnknownNameError
            A layer that does not exist; the message names the closest.
        ActivationError
            NaN or inf (layer and stimulus named); a layer that is not called, or more often than the
            clock declares; a single image that does not fit in memory.
        StimulusError
            A picture that cannot be read.
        CacheError
            A cache folder that is full or cannot be written.
        """
        wanted = list(dict.fromkeys(layers))
        for layer in wanted:
            self.network.check(layer)
        presentation = presentation.accepted_by(self.presentations)
        digest = self.digest
        keys = {layer: self._key(digest, stimuli, layer, presentation) for layer in wanted}
        store = self.cache or caches.default()
        self.showing(presentation)._fill(store, stimuli, keys)
        return {
            layer: self._assembly(store.path(_KIND, key, _SUFFIX), layer, stimuli)
            for layer, key in keys.items()
        }

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe:
        """What `activations` would take: sizes of the layers, and time per image from one batch.

        Nothing is kept. What the cache holds is read there and costs no time.

        Parameters
        ----------
        stimuli, layers, presentation
            As in `activations`, with the same errors.
        """
        wanted = list(dict.fromkeys(layers))
        for layer in wanted:
            self.network.check(layer)
        presentation = presentation.accepted_by(self.presentations)
        digest, store = self.digest, self.cache or caches.default()
        keys = {layer: self._key(digest, stimuli, layer, presentation) for layer in wanted}
        absent = _absent(store, keys)
        sizes: dict[str, tuple[int, int]] = {}
        for layer in keys.keys() - absent.keys():
            with open_layer(store.path(_KIND, keys[layer], _SUFFIX)) as stored:
                sizes[layer] = stored.sizes["neuroid"], stored.sizes["time"]
        seconds = 0.0
        if absent:
            seconds, batch = self.showing(presentation)._one_batch(stimuli, list(absent))
            sizes |= {k: (a.steps[0].shape[1], len(a.steps)) for k, a in batch.items()}
        return Probe(
            features={layer: p for layer, (p, _) in sizes.items()},
            steps={layer: k for layer, (_, k) in sizes.items()},
            absent=tuple(absent),
            seconds_per_image=seconds,
        )

    def _one_batch(
        self, stimuli: StimulusSet, layers: Sequence[str]
    ) -> tuple[float, dict[str, Answer]]:
        """Seconds per image of a batch of the usual size, and its answers."""
        calls = {layer: self._calls(layer) for layer in layers}
        size = min(first_size(self.batch_size, self.device), len(stimuli))
        with (
            computing(self.network, self.precision, self.device),
            self.network.running(layers, calls, self.device) as forward,
        ):
            work = partial(self._batch, forward, stimuli, calls)
            work(0, 1)  # what is done once is not counted
            began = time.perf_counter()
            _, stop, batch = next(in_batches(size, size, work, nbytes=_nbytes))
            return (time.perf_counter() - began) / stop, batch

    def showing(self, presentation: Presentation) -> WrappedModel:
        """The same model, whose network is told how images are shown if it takes that."""
        if len(self.presentations) == 1 or not isinstance(self.network, TorchNetwork):
            return self
        return replace(self, network=replace(self.network, shown=presentation))

    def _key(
        self, digest: str, stimuli: StimulusSet, layer: str, presentation: Presentation
    ) -> str:
        shown = "constant" if len(self.presentations) == 1 else repr(presentation)
        calls = repr(self._calls(layer))
        reducer = "none"
        return sha256(_FORMAT, digest, stimuli.digest, shown, layer, calls, self.precision, reducer)

    def _calls(self, layer: str) -> Calls:
        return self.calls.get(layer, "steps") if isinstance(self.calls, Mapping) else self.calls

    def _fill(self, store: Cache, stimuli: StimulusSet, keys: Mapping[str, str]) -> None:
        absent = _absent(store, keys)
        if not absent:
            return
        with contextlib.ExitStack() as held:
            for key in sorted(absent.values()):
                held.enter_context(store.lock(_KIND, key))
            absent = _absent(store, absent)  # another process may have made them meanwhile
            if absent:
                self._extract(store, stimuli, absent)

    def _extract(self, store: Cache, stimuli: StimulusSet, keys: Mapping[str, str]) -> None:
        layers = list(keys)
        calls = {layer: self._calls(layer) for layer in layers}
        label = f"{self.name} on {stimuli.identifier}"
        with contextlib.ExitStack() as open_files:
            paths = {
                layer: open_files.enter_context(store.writing(_KIND, key, _SUFFIX))
                for layer, key in keys.items()
            }
            open_files.enter_context(computing(self.network, self.precision, self.device))
            forward = open_files.enter_context(self.network.running(layers, calls, self.device))
            advance = open_files.enter_context(progress.current().task(label, len(stimuli)))
            files: dict[str, LayerFile] = {}
            size = first_size(self.batch_size, self.device)
            work = partial(self._batch, forward, stimuli, calls)
            for start, stop, batch in in_batches(len(stimuli), size, work, nbytes=_nbytes):
                for layer, answer in batch.items():
                    if layer not in files:
                        made = self._file(paths[layer], layer, answer, stimuli.ids)
                        files[layer] = open_files.enter_context(made)
                    files[layer].write(start, answer.steps)
                advance(stop - start)

    def _batch(
        self,
        forward: Forward,
        stimuli: StimulusSet,
        calls: Mapping[str, Calls],
        start: int,
        stop: int,
    ) -> dict[str, Answer]:
        images = self.preprocess([stimuli.picture(index) for index in range(start, stop)])
        ids = stimuli.ids[start:stop]
        try:
            responses = forward(images)
        except ActivationError as error:
            raise error.naming(ids) from error.__cause__
        return {
            layer: checked(layer, response, ids=ids, clock=self.clock, calls=calls[layer])
            for layer, response in responses.items()
        }

    def _file(
        self, path: Path, layer: str, answer: Answer, stimulus_ids: Sequence[str]
    ) -> LayerFile:
        return LayerFile(
            path,
            layer=layer,
            stimulus_ids=stimulus_ids,
            shape=answer.shape,
            steps=len(answer.steps),
            attrs={"model": self.name, "device": self.device, "precision": self.precision},
        )

    def _assembly(self, path: Path, layer: str, stimuli: StimulusSet) -> Assembly:
        stored = open_layer(path)
        spans = self.clock.spans(layer, calls=stored.sizes["time"])
        coordinates = {
            # Pictures may have an x and a y of their own; those of the neuroids come first.
            key if key not in stored.coords else f"stimulus_{key}": ("stimulus", column)
            for key, column in stimuli.coordinates().items()
            if key != "stimulus_id"
        }
        coordinates["stimulus_id"] = ("stimulus", np.array(stimuli.ids))
        coordinates["time_start"] = ("time", np.array([start for start, _ in spans]))
        coordinates["time_end"] = ("time", np.array([end for _, end in spans]))
        assembly = stored.assign_coords(coordinates)
        return validate(assembly, name=f"layer {layer!r} of {self.name}", values=False)


def _absent(store: Cache, keys: Mapping[str, str]) -> dict[str, str]:
    return {layer: key for layer, key in keys.items() if store.find(_KIND, key, _SUFFIX) is None}


def _nbytes(batch: Mapping[str, Answer]) -> int:
    return sum(answer.nbytes for answer in batch.values())


def wrap(
    net: nn.Module | Callable[[Images], Any] | BrainScoreModel,
    *,
    layers: Mapping[str, str | Sequence[str]] | Sequence[str] = (),
    preprocess: Preprocess | None = None,
    timeline: Timeline | Sequence[Timeline] = STATIC,
    name: str | None = None,
    weights: str = "as given",
    calls: Calls | Mapping[str, Calls] = "steps",
    behavior: str | None = None,
    presentations: Sequence[Kind] = ("constant",),
    about: About = NOTHING,
    fingerprint: str | None = None,
    device: str = "auto",
    batch_size: BatchSize = "auto",
    cache: Cache | None = None,
) -> WrappedModel:
    """Make a BrainModel from any torch module, a plain function, or a Brain-Score model object.

    Parameters
    ----------
    net : Module, callable, or Brain-Score model
        A torch module, which is left as it is: modes, hooks and device are put back after each use. Or
        `net(images)`, where images are preprocessed, float32, (batch, 3, height, width), that returns an
        array (batch, ...), or {layer: array}; a list of arrays in place of an array is a list of steps. Or
        an object with `look_at`, `start_recording` and `visual_degrees`: it is recorded region by region,
        each region a layer of that name, in the time bins of the timeline, 70-170 ms without one. The
        pictures fill its visual field.
    layers : mapping or sequence
        Dotted names of submodules, as in `net.named_modules()`. A mapping commits regions to layers,
        {"IT": "layer4"} or {"IT": ["layer3", "layer4"]}; a sequence offers its layers to every region.
        For a function: the layers that it gives; one layer "output" where nothing is said.
    preprocess : Preprocess, optional
        What is done to the pictures; `IMAGENET_224` where not given. A Brain-Score model does its own:
        nothing there, or a resize.
    timeline : Timeline or sequence of Timeline
        When each step happens; of several clocks the first is the default, and a protocol takes the one
        of its own name. Without, the network is static.
    name : str, optional
        Identity; the name of the class or function where not given.
    weights : str
        Which weights these are: "imagenet", "untrained-0", "none", ...
    calls : {"steps", "last"} or int, or mapping of layer to these
        What a layer that is called k > 1 times in one forward pass gives: k time steps (the timeline must
        declare k spans for it), the last call, or the call of that number, from 0.
    behavior : str, optional
        Layer that choices are read from: the area "behavior".
    presentations : sequence of {"constant", "pulse", "movie"}
        Kinds of presentation that a torch module takes. With more than "constant" it is called as
        `net(images, presentation)`, and makes of the images what it is shown over time.
    about : About
        Whom to cite, the license, ...: what `brainbench show` says.
    fingerprint : str, optional
        Stands for what cannot be looked into when cached activations are told apart. Change it whenever
        the network changes.
    device : str
        "auto", "cpu", "cuda", ...
    batch_size : int or "auto"
        Images per forward pass; halved whenever a batch does not fit.
    cache : Cache, optional
        Where activations are kept; the default folder where not given.

    Returns
    -------
    WrappedModel
        Its `activations` gives dims (stimulus, neuroid, time). Units of a (channel, y, x) response carry
        these three as coordinates, those of a (token, channel) response these two, those of a vector
        `channel`.

    Raises
    ------
    UnknownNameError
        A layer that does not exist; the message names the closest.
    InputError
        A network that is neither a module nor callable, no layers, a device or an option that is none.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> wrap(net, layers={"V1": "1"}, name="tiny").areas
    mappingproxy({'V1': ('1',)})
    """
    _check_network(net)
    clocks = (timeline,) if isinstance(timeline, Timeline) else tuple(timeline)
    if not clocks:
        raise InputError(
            "no timeline", allowed="a Timeline or several", todo="leave timeline= away"
        )
    areas = _areas(layers or _own_layers(net), behavior)
    offered = tuple(dict.fromkeys(layer for listed in areas.values() for layer in listed))
    network = _network(net, offered, clocks[0])
    for layer in (*offered, *(calls if isinstance(calls, Mapping) else ())):
        network.check(layer)
    for choice in calls.values() if isinstance(calls, Mapping) else [calls]:
        _check_choice(choice)
    model = WrappedModel(
        name=name or _own_name(net),
        weights=weights,
        network=network,
        areas=areas,
        clocks=MappingProxyType({clock.name: clock for clock in clocks}),
        preprocess=_own_preprocess(net, preprocess),
        calls=calls,
        presentations=_presentations(presentations, network),
        about=about,
        fingerprint=fingerprint,
        cache=cache,
    )
    return model.on(device=device, batch_size=batch_size)


def _check_network(net: Any) -> None:
    if isinstance(net, type):
        raise InputError(
            f"the class {net.__name__}",
            allowed="a network, not its class",
            todo=f"make one first: wrap({net.__name__}(...), ...)",
        )
    if not callable(net) and not is_brain_score(net):
        raise InputError(
            f"a network of type {type(net).__name__}",
            allowed="a torch.nn.Module, a function from images to responses, or a Brain-Score model "
            "with look_at, start_recording and visual_degrees",
            todo="put it behind a function: wrap(lambda images: ..., layers=...)",
        )


def _network(net: Any, offered: tuple[str, ...], clock: Timeline) -> Network:
    if is_brain_score(net):
        return BrainScoreNetwork(net, offered, clock)
    return TorchNetwork(net) if isinstance(net, nn.Module) else FunctionNetwork(net, offered)


def _presentations(kinds: Sequence[Kind], network: Network) -> tuple[Kind, ...]:
    for kind in kinds:
        Presentation(kind=kind, on_ms=1.0)  # says what is allowed
    if "constant" not in kinds or (len(kinds) > 1 and not isinstance(network, TorchNetwork)):
        raise InputError(
            f"presentations={tuple(kinds)}",
            allowed="'constant' alone; for a torch module that is called as net(images, presentation) "
            "'pulse' and 'movie' beside it",
            todo="leave presentations= away",
        )
    return tuple(kinds)


def _own_layers(net: Any) -> Mapping[str, str] | Sequence[str]:
    if is_brain_score(net):
        return {region: region for region in REGIONS}
    return () if isinstance(net, nn.Module) else ("output",)


def _own_name(net: Any) -> str:
    if is_brain_score(net):
        return str(getattr(net, "identifier", type(net).__name__))
    name: str = getattr(net, "__name__", type(net).__name__)
    return name if name.isidentifier() else "function"  # no "<lambda>"


def _own_preprocess(net: Any, given: Preprocess | None) -> Preprocess:
    if not is_brain_score(net):
        return given or IMAGENET_224
    if given and (given.mean, given.std) != (AS_SHOWN.mean, AS_SHOWN.std):
        raise InputError(
            f"preprocessing {given.name!r} with mean={given.mean}, std={given.std}, for a Brain-Score model",
            allowed="no preprocess=, or one that only resizes",
            todo="leave mean and std away: the model normalizes the pictures itself",
        )
    return given or AS_SHOWN


def _areas(
    layers: Mapping[str, str | Sequence[str]] | Sequence[str], behavior: str | None
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


def _check_choice(choice: Calls) -> None:
    if choice not in ("steps", "last") and (not isinstance(choice, int) or choice < 0):
        raise InputError(
            f"calls={choice!r}",
            allowed="'steps', 'last', or the number of a call, from 0",
            todo="choose which calls of a layer count",
        )
