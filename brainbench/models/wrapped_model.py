"""Wrapped models: networks as BrainModels whose activations are cached on disk."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import Assembly, validate
from brainbench.core.errors import CacheError, InputError, unknown
from brainbench.core.model import BrainModel, ChosenBy, CompletedModel, Probe
from brainbench.core.model_info import NOTHING, About
from brainbench.core.movies import Movies, accepted
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.screen import VISUAL_DEGREES
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.models.activation_files import LayerFile, open_layer
from brainbench.models.batching import BatchSize, first_size
from brainbench.models.before_batch import BeforeBatch
from brainbench.models.cache_checks import change_of, is_held_by_a_test
from brainbench.models.extraction import Extraction
from brainbench.models.hooks import Calls
from brainbench.models.network import (
    PRECISIONS,
    Forward,
    Network,
    Precision,
    TorchNetwork,
    computing,
)
from brainbench.models.preprocessing import Preprocessing
from brainbench.models.recomputed import (
    Layout,
    RecomputedValues,
    recomputed_layer,
)
from brainbench.models.repeat_checks import COMPARED
from brainbench.models.response_checks import CheckedResponse
from brainbench.models.torch_state import own_state
from brainbench.storage import cache as caches
from brainbench.storage.array_file import SUFFIX
from brainbench.storage.cache import Cache
from brainbench.storage.files import remove

_FORMAT = "activations-2"  # increased when the files change their layout
_KIND = "activations"


@dataclass(frozen=True, kw_only=True, eq=False)
class WrappedModel:
    """A network as a BrainModel; see `wrap` for the parameters.

    Activations are cached, one file per layer and stimulus set, and read when indexed. `notes` are added
    to the record of every score, such as why other weights were not available. `chosen_by` are the recordings
    by which the epoch of its weights was chosen: it is not scored on them.
    """

    name: str
    weights: str
    network: Network = field(repr=False)
    areas: Mapping[str, Sequence[str]]
    clocks: Mapping[str, Timeline] = field(repr=False)
    preprocess: Preprocessing
    calls: Calls | Mapping[str, Calls] = "steps"
    batch_axis: int | Mapping[str, int] = 0
    before_batch: BeforeBatch = field(default=BeforeBatch(), repr=False)
    fingerprint: str | None = None
    device: str = "cpu"
    batch_size: BatchSize = "auto"
    cache: Cache | None = None
    precision: Precision = "float32"
    presentations: tuple[Kind, ...] = ("constant",)
    visual_degrees: float = VISUAL_DEGREES
    frame_ms: float | None = None
    notes: tuple[str, ...] = ()
    about: About = field(default=NOTHING, repr=False)
    chosen_by: tuple[ChosenBy, ...] = field(default=(), repr=False)
    pinned_digest: str | None = field(default=None, repr=False)
    confirmed: set[str] = field(default_factory=set, repr=False)
    """Keys of cached activations that are known to be those of the pinned model."""
    without_room: dict[str, Layout] = field(default_factory=dict, repr=False)
    """Layers of the pinned model, by key, for which the cache had no room."""

    @property
    def static(self) -> bool:
        """Whether the network has one state per image."""
        return self.clock.static

    @property
    def clock(self) -> Timeline:
        """Default clock."""
        return next(iter(self.clocks.values()))

    @property
    def digest(self) -> str:
        """SHA-256 over weights, code, structure, preprocessing, precision, and how responses are read."""
        if self.pinned_digest is not None:
            return self.pinned_digest
        calls = sorted(self.calls.items()) if isinstance(self.calls, Mapping) else self.calls
        with own_state():
            network = self.network.digest(self.name, self.fingerprint)
        declared = [f"batch axis {_listed(self.batch_axis)}"] if self.batch_axis else []
        declared += self.before_batch.digest_parts(
            self.name, device=self.device, declared=self.fingerprint
        )
        return sha256(network, self.preprocess.fingerprint, self.precision, repr(calls), *declared)

    def pinned(self) -> WrappedModel:
        """Return the same model with its digest as it is now, for a run in which it does not change."""
        return replace(self, pinned_digest=self.digest, confirmed=set(), without_room={})

    def on(
        self,
        *,
        device: str = "auto",
        batch_size: BatchSize = "auto",
        precision: Precision | None = None,
    ) -> WrappedModel:
        """Return the same model on a device, with a batch size and a precision.

        Another precision than float32 becomes part of the name. A model that is not a torch module
        ignores it and notes so. InputError for a device that does not exist on this machine or an invalid
        batch size, UnknownNameError for another precision.
        """
        placed = self.network.place(device)
        first_size(batch_size, placed)
        return replace(
            self._with(precision),
            device=placed,
            batch_size=batch_size,
            pinned_digest=None,
            confirmed=set(),
            without_room={},
        )

    def _with(self, precision: Precision | None) -> WrappedModel:
        if precision in (None, self.precision):
            return self
        if precision not in PRECISIONS:
            raise unknown(
                "precision", str(precision), PRECISIONS, todo="choose --precision float32"
            )
        if self.network.precision != "float32" or not isinstance(self.network, TorchNetwork):
            progress.current().note(f"{self.name}: computes as it does, not in {precision}")
            return self
        base = self.name.removesuffix(f"+{self.precision}")
        name = base if precision == "float32" else f"{base}+{precision}"
        return replace(self, name=name, precision=precision)

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Return the responses of each layer, dims (stimulus, neuroid, time), in the order of `stimuli`.

        Layers that are not cached are computed in one pass over the stimuli, a batch at a time. Where layers
        are cached the first two images are shown again, once for a pinned model, unless it is a bundled one
        with a version: if the responses differ, the cached ones are removed with a note, and computed. `time`
        has one entry per model step with its span in ms under the default clock. Values are float32, in
        arbitrary units, and stay on disk until they are indexed: `.isel(neuroid=..., time=...)` first. Of
        layers that the cache has no room for, the largest, nothing is kept: see `recomputed`. A network
        without input over time sees constant images. Movies are shown as movies, one frame every `frame_ms`;
        NotApplicableError where the network takes none.

        UnknownNameError for a layer that does not exist. ActivationError for NaN or inf (layer and
        stimulus named), a layer that is not called, or more often than the clock declares, and an image
        that does not fit in memory. StimulusError for an unreadable image, CacheError for a cache that
        cannot be written.
        """
        store = self.cache or caches.default()
        presentation = accepted(stimuli, presentation, self.presentations)
        keys = self._keys(stimuli, layers, presentation)
        shown = self.showing(presentation)
        without_room = shown._fill(store, stimuli, keys, presentation)
        return {
            layer: self._assembly(
                shown._recomputed(layer, without_room[layer], stimuli, presentation)
                if layer in without_room
                else open_layer(store.path(_KIND, key)),
                layer,
                stimuli,
            )
            for layer, key in keys.items()
        }

    def _recomputed(
        self, layer: str, layout: Layout, stimuli: StimulusSet, presentation: Presentation
    ) -> xr.DataArray:
        """Return a layer that has no room in the cache: its values are computed when they are indexed."""
        network = self.network
        if isinstance(network, TorchNetwork) and self.calls_of(layer) == "steps":
            network = replace(network, enough={layer: layout.n_steps})
        shown = replace(self, network=network)
        show = partial(shown._one_layer, layer, stimuli, presentation, size=layout.batch_size)
        values = RecomputedValues(show, len(stimuli), layout)
        return recomputed_layer(values, layer, layout, stimulus_ids=stimuli.ids, attrs=self._attrs)

    def _one_layer(
        self, layer: str, stimuli: StimulusSet, presentation: Presentation, *, size: int
    ) -> Iterator[tuple[int, int, CheckedResponse]]:
        """Show all stimuli, and yield (start, stop, response) of one layer batch by batch."""
        label = f"{self.name} on {stimuli.identifier}: {layer} again"
        with (
            self._extracting(stimuli, [layer], presentation) as extraction,
            progress.current().task(label, len(stimuli)) as advance,
        ):
            for start, stop, batch in extraction.batches(size):
                yield start, stop, batch[layer]
                advance(stop - start)

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe:
        """Measure the cost of `activations`: sizes of the layers, and time per image of one batch.

        Nothing is kept. Sizes of cached layers are read from the cache. Errors are those of `activations`.
        """
        store = self.cache or caches.default()
        presentation = accepted(stimuli, presentation, self.presentations)
        keys = self._keys(stimuli, layers, presentation)
        absent = _absent(store, keys)
        sizes: dict[str, tuple[int, int]] = {}
        for layer in keys.keys() - absent.keys():
            with open_layer(store.path(_KIND, keys[layer])) as stored:
                sizes[layer] = stored.sizes["neuroid"], stored.sizes["time"]
        seconds = 0.0
        if absent:
            shown = self.showing(presentation)
            seconds, batch = shown._one_batch(stimuli, list(absent), presentation)
            sizes |= {k: (r.steps[0].shape[1], len(r.steps)) for k, r in batch.items()}
        return Probe(
            features={layer: p for layer, (p, _) in sizes.items()},
            steps={layer: k for layer, (_, k) in sizes.items()},
            absent=tuple(absent),
            seconds_per_image=seconds,
            pictures=self._pictures(stimuli, presentation),
        )

    def _one_batch(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation
    ) -> tuple[float, dict[str, CheckedResponse]]:
        """Return the seconds per image of a batch of the usual size, and its responses."""
        size = self._size_for(stimuli, presentation)
        with self._extracting(stimuli, layers, presentation) as extraction:
            extraction.show([0])  # the first pass takes longer
            start = time.perf_counter()
            _, stop, batch = next(extraction.batches(size))
            return (time.perf_counter() - start) / stop, batch

    def showing(self, presentation: Presentation) -> WrappedModel:
        """Return the same model with a network that knows the presentation, if it takes one."""
        if len(self.presentations) == 1 or not isinstance(self.network, TorchNetwork):
            return self
        return replace(self, network=replace(self.network, shown=presentation))

    def _pictures(self, stimuli: StimulusSet, presentation: Presentation) -> int:
        """Return how many pictures the network is shown of each stimulus: frames of a movie."""
        if not isinstance(stimuli, Movies) or self.frame_ms is None:
            return 1
        return len(stimuli.numbers(0, frame_ms=self.frame_ms, total_ms=presentation.total_ms))

    def _size_for(self, stimuli: StimulusSet, presentation: Presentation) -> int:
        """Return the number of stimuli in the first batch: fewer movies, of as many frames together."""
        least = min(COMPARED, self.first_size)
        return max(least, self.first_size // self._pictures(stimuli, presentation))

    @property
    def first_size(self) -> int:
        """Number of images in the first batch: 1 for a network that is seeded for each image."""
        size = first_size(self.batch_size, self.device)
        return size if self.before_batch.seed is None else 1

    @contextlib.contextmanager
    def running(self, layers: Sequence[str]) -> Iterator[Forward]:
        """Run the network within the block in a state of its own; network and caller's state are restored.

        InputError for a network that was converted to another precision after it was wrapped.
        """
        calls = {layer: self.calls_of(layer) for layer in layers}
        wanted = "float32" if self.precision == "bf16" else self.precision
        if self.network.precision != wanted:
            raise InputError(
                f"{self.name} was wrapped with weights in {wanted}, which are now "
                f"{self.network.precision}",
                allowed="a network in the precision that it was wrapped in, which its name may state",
                todo="wrap the network after it is converted",
            )
        with (
            own_state(),
            computing(self.network, self.precision, self.device),
            self.network.running(layers, calls, self.device) as forward,
        ):
            yield forward

    @contextlib.contextmanager
    def _extracting(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation
    ) -> Iterator[Extraction]:
        with self.running(layers) as forward:
            yield Extraction(
                network=self.network,
                forward=forward,
                preprocess=self.preprocess,
                stimuli=stimuli,
                calls={layer: self.calls_of(layer) for layer in layers},
                batch_axes={layer: self.batch_axis_of(layer) for layer in layers},
                clock=self.clock,
                before_batch=self.before_batch,
                precision=self.precision,
                presentation=presentation,
                frame_ms=self.frame_ms,
            )

    def _keys(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation
    ) -> dict[str, str]:
        """Return the cache key of each layer; raise UnknownNameError for a layer that does not exist."""
        unique = list(dict.fromkeys(layers))
        for layer in unique:
            self.network.check(layer)
        digest = self.digest
        shown = "constant" if len(self.presentations) == 1 else repr(presentation)
        if presentation.kind == "movie":
            shown += f" {self.frame_ms!r}"
        return {
            layer: sha256(
                _FORMAT,
                digest,
                stimuli.digest,
                shown,
                layer,
                repr(self.calls_of(layer)),
                self.precision,
                "none",  # the reducer
            )
            for layer in unique
        }

    def calls_of(self, layer: str) -> Calls:
        """Return which calls of a layer count."""
        return self.calls.get(layer, "steps") if isinstance(self.calls, Mapping) else self.calls

    def batch_axis_of(self, layer: str) -> int:
        """Return the axis of the outputs of a layer along which the images are."""
        axes = self.batch_axis
        return axes.get(layer, 0) if isinstance(axes, Mapping) else axes

    def _confirm(
        self,
        store: Cache,
        stimuli: StimulusSet,
        keys: Mapping[str, str],
        presentation: Presentation,
    ) -> None:
        """Remove what is cached of layers if the network responds otherwise now, and say so."""
        if is_held_by_a_test(self.network, self.fingerprint):
            return
        cached: dict[str, Assembly] = {}
        for layer, key in keys.items():
            if key not in self.confirmed and store.find(_KIND, key, SUFFIX) is not None:
                cached[layer] = open_layer(store.path(_KIND, key))
        if not cached:
            return
        size = min(COMPARED, self.first_size)
        with self._extracting(stimuli, list(cached), presentation) as extraction:
            change = change_of(extraction, cached, size=size, precision=self.precision)
        if change is None:
            self._know(keys[layer] for layer in cached)
            return
        for layer in cached:
            remove(store.path(_KIND, keys[layer]))
        progress.current().note(
            f"{self.name} on {stimuli.identifier}: {change}. Its digest does not follow what changed. The "
            "cached responses are removed and computed again; scores that are stored already may be of the "
            "former network: compute them with --overwrite always"
        )

    def _know(self, keys: Iterable[str]) -> None:
        """Keep that activations are those of this model, which only a pinned one stays."""
        if self.pinned_digest is not None:
            self.confirmed.update(keys)

    def _fill(
        self,
        store: Cache,
        stimuli: StimulusSet,
        keys: Mapping[str, str],
        presentation: Presentation,
    ) -> dict[str, Layout]:
        """Compute the layers that are not cached; return those that the cache has no room for."""
        caches.healed(partial(self._confirm, store, stimuli, keys, presentation))
        known = {layer: self.without_room[k] for layer, k in keys.items() if k in self.without_room}
        absent = _absent(store, {layer: key for layer, key in keys.items() if layer not in known})
        if not absent:
            return known
        with contextlib.ExitStack() as locks:
            for key in sorted(absent.values()):
                locks.enter_context(store.lock(_KIND, key))
            absent = _absent(store, absent)  # another process may have computed them meanwhile
            if absent:
                cached = [store.path(_KIND, keys[layer]) for layer in keys.keys() - absent.keys()]
                kept = sum(path.stat().st_size for path in cached if path.exists())
                without_room = self._extract(store, stimuli, absent, presentation, kept=kept)
                if self.pinned_digest is not None:
                    self.without_room.update({absent[k]: one for k, one in without_room.items()})
                self._know(key for layer, key in absent.items() if layer not in without_room)
                known |= without_room
        return known

    def _extract(
        self,
        store: Cache,
        stimuli: StimulusSet,
        keys: Mapping[str, str],
        presentation: Presentation,
        *,
        kept: int,
    ) -> dict[str, Layout]:
        """Compute layers, the smallest first, as many as there is room for; return the others.

        `kept` are the bytes of cached ones, which have to stay beside them.
        """
        label = f"{self.name} on {stimuli.identifier}"
        without_room: dict[str, Layout] = {}
        size = self._size_for(stimuli, presentation)
        # Files are left last: nothing is kept of a network that is found to have changed at the end.
        with (
            contextlib.ExitStack() as open_files,
            self._extracting(stimuli, list(keys), presentation) as extraction,
            progress.current().task(label, len(stimuli)) as advance,
        ):
            files: dict[str, LayerFile] = {}
            for start, stop, batch in extraction.batches(size):
                if start == 0:
                    without_room = self._without_room(store, batch, stop, stimuli, kept=kept)
                    for layer in keys.keys() - without_room.keys():
                        writing = store.writing(_KIND, keys[layer], SUFFIX)
                        path = open_files.enter_context(writing)
                        file = self._file(path, keys[layer], layer, batch[layer], stimuli.ids)
                        files[layer] = open_files.enter_context(file)
                    if not files:
                        break
                for layer, file in files.items():
                    file.write(start, batch[layer].steps)
                advance(stop - start)
        return without_room

    def _without_room(
        self,
        store: Cache,
        batch: Mapping[str, CheckedResponse],
        n: int,
        stimuli: StimulusSet,
        *,
        kept: int,
    ) -> dict[str, Layout]:
        """Return the layers that do not fit in the cache, by their responses to the first n stimuli."""
        sizes = {layer: r.nbytes * len(stimuli) // n for layer, r in batch.items()}
        ordered = sorted(sizes, key=lambda layer: sizes[layer])
        total = 0
        for number, layer in enumerate(ordered):
            total += sizes[layer]
            try:
                store.check_room(total, what="activations", kept=kept)
            except CacheError as error:
                left = {one: Layout.of(batch[one]) for one in ordered[number:]}
                passes = sum(layout.n_passes(len(stimuli)) for layout in left.values())
                progress.current().note(
                    f"{self.name} on {stimuli.identifier}: {error.got}. {', '.join(left)} "
                    f"({sum(sizes[one] for one in left) / 1e9:.2f} GB) are not kept but computed again "
                    f"where they are read, {passes} passes over the images for each time; {error.todo}"
                )
                return left
        return {}

    def _file(
        self,
        path: Path,
        key: str,
        layer: str,
        checked: CheckedResponse,
        stimulus_ids: Sequence[str],
    ) -> LayerFile:
        return LayerFile(
            path,
            key=key,
            layer=layer,
            stimulus_ids=stimulus_ids,
            shape=checked.shape,
            steps=len(checked.steps),
            attrs=self._attrs,
        )

    @property
    def _attrs(self) -> dict[str, str]:
        return {"model": self.name, "device": self.device, "precision": self.precision}

    def _assembly(self, stored: xr.DataArray, layer: str, stimuli: StimulusSet) -> Assembly:
        spans = self.clock.spans(layer, calls=stored.sizes["time"])
        coordinates = {
            # Images may have an x and a y too; those of the neuroids take precedence.
            key if key not in stored.coords else f"stimulus_{key}": ("stimulus", column)
            for key, column in stimuli.coordinates().items()
            if key != "stimulus_id"
        }
        coordinates["stimulus_id"] = ("stimulus", np.array(stimuli.ids))
        coordinates["time_start"] = ("time", np.array([start for start, _ in spans]))
        coordinates["time_end"] = ("time", np.array([end for _, end in spans]))
        assembly = stored.assign_coords(coordinates)
        return validate(assembly, name=f"layer {layer!r} of {self.name}", values=False)


def wrapped(model: BrainModel) -> WrappedModel | None:
    """Return the wrapped model that a model is; None for one of another kind."""
    own = model.model if isinstance(model, CompletedModel) else model
    return own if isinstance(own, WrappedModel) else None


def _absent(store: Cache, keys: Mapping[str, str]) -> dict[str, str]:
    return {layer: key for layer, key in keys.items() if store.find(_KIND, key, SUFFIX) is None}


def _listed(axes: int | Mapping[str, int]) -> str:
    return repr(sorted(axes.items()) if isinstance(axes, Mapping) else axes)
