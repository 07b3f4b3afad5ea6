"""The contract of a model: a network that responds to stimuli over time."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from brainbench.core import progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model_info import NOTHING, About
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.screen import VISUAL_DEGREES
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline

BEHAVIOR = "behavior"
"""The "region" of what a subject does: the layer that a choice is read from stands for it."""
STANDS_FOR: Mapping[str, str] = {"EVC": "V1"}
"""Regions that no network declares, and the one whose layers are taken: early visual cortex is V1 to V3."""
OPTIONAL: Mapping[str, Any] = {
    "notes": (),
    "about": NOTHING,
    "device": "cpu",
    "precision": "float32",
    "visual_degrees": VISUAL_DEGREES,
    "frame_ms": None,
}
"""Members that a model may leave out, with their defaults; the methods `on`, `probe` and `pinned` too."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Sizes and speed of a model, from one batch.

    `features` and `steps` are the neuroids and the model steps of each layer; `absent` are the layers
    that are not in the cache, so have to be computed. `seconds_per_image` is time in the network, with
    preprocessing and checks; 0 where nothing has to be computed. `pictures` is how many pictures a network is
    shown of each stimulus: the frames of a movie that it takes.
    """

    features: Mapping[str, int]
    steps: Mapping[str, int]
    absent: tuple[str, ...]
    seconds_per_image: float
    pictures: int = 1

    def bytes_per_image(self) -> int:
        """Return the size on disk of what has to be computed, float32."""
        return sum(4 * self.features[layer] * self.steps[layer] for layer in self.absent)


@runtime_checkable
class BrainModel(Protocol):
    """A network that responds to stimuli over time. `brainbench.wrap` makes one from any torch module.

    A model of your own needs the members up to `digest` and `activations`; `check_model` completes it with
    the defaults of the others.

    Attributes
    ----------
    name : str
        Identity with weights: "cornet_s@untrained-0", "pixels".
    weights : str
        "imagenet", "untrained-0", ..., or "none" for a model without weights.
    areas : mapping of str to sequence of str
        For each region of the ventral stream, the layers that may stand for it; for "behavior" the layer
        that choices are read from, where the model declares one.
    clocks : mapping of str to Timeline
        Named clocks; the first is the default. A protocol takes the clock of its own name if there is one.
    static : bool
        One state per image, nothing over time.
    presentations : collection of str
        Kinds of presentation that it accepts; "constant" is always among them.
    digest : str
        SHA-256 over weights, code, structure and preprocessing.
    notes : sequence of str
        Remarks for the record of every score; none by default.
    about : About
        Citation and license; nothing by default.
    device, precision : str
        Where and in which precision it computes; "cpu" and "float32" by default.
    visual_degrees : float
        Width of its field of view in degrees of visual angle, 8 by default: under `brainscore` pictures are
        shown at the width that they had in the study.
    frame_ms : float or None
        Time between the frames of a movie that it takes, in ms; None for a model that takes no movies.
    """

    @property
    def name(self) -> str: ...
    @property
    def weights(self) -> str: ...
    @property
    def areas(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def clocks(self) -> Mapping[str, Timeline]: ...
    @property
    def static(self) -> bool: ...
    @property
    def presentations(self) -> Collection[Kind]: ...
    @property
    def digest(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def about(self) -> About: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def visual_degrees(self) -> float: ...
    @property
    def frame_ms(self) -> float | None: ...

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Return responses of each layer, dims (stimulus, neuroid, time), in the order of `stimuli`.

        One assembly per layer, since layers differ in their steps. `time` has one entry per model step,
        with the spans of the default clock; a `Timeline` turns steps into other time bins.
        Values may be stored on disk and read when indexed.
        """
        ...

    def on(self, *, device: str, batch_size: int | str, precision: str) -> BrainModel:
        """Return the model on a device, with a batch size and a precision; by default the model itself."""
        ...

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe | None:
        """Return sizes and speed of the model; by default None, so that no cost is forecast."""
        ...

    def pinned(self) -> BrainModel:
        """Return the model for one run, in which it does not change; by default the model itself."""
        ...


@dataclass(frozen=True, eq=False)
class CompletedModel:
    """A model with the defaults of the members that it lacks."""

    model: Any

    def __getattr__(self, name: str) -> Any:
        if name in OPTIONAL:
            return getattr(self.model, name, OPTIONAL[name])
        return getattr(self.model, name)

    def on(self, *, device: str, batch_size: int | str, precision: str) -> BrainModel:
        """Return the model as it may be run; a precision that it cannot choose is a note."""
        given = getattr(self.model, "on", None)
        if given is None:
            return self
        options: dict[str, Any] = {"device": device, "batch_size": batch_size}
        if "precision" in inspect.signature(given).parameters:
            options["precision"] = precision
        elif precision != "float32":
            progress.current().note(f"{self.model.name}: computes as it does, not in {precision}")
        return check_model(given(**options), name=self.model.name)

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe | None:
        """Return sizes and speed of the model, or None."""
        given = getattr(self.model, "probe", None)
        return None if given is None else given(stimuli, layers, presentation)

    def pinned(self) -> BrainModel:
        """Return the model for one run."""
        given = getattr(self.model, "pinned", None)
        return self if given is None else check_model(given(), name=self.model.name)


@dataclass(frozen=True, kw_only=True)
class FittedTo:
    """The recordings that a model was fitted to, whose member `fitted_to` this is.

    Unit k of the model predicts neuron k, and says something only of images that it was not fitted to.

    Parameters
    ----------
    data, version, region : str
        Data set, its version, and the region of the neurons.
    neuroid_ids : tuple of str
        The neuron of each unit.
    folds : tuple of tuple of str
        Stimulus ids that were held out of each fit: the model's response to one of them is that of the fit
        it was held out of. No image is in two folds.
    """

    data: str
    version: str
    region: str
    neuroid_ids: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]


def fitted_to(model: BrainModel) -> FittedTo | None:
    """Return the recordings that a model was fitted to; None for other models."""
    found = getattr(model, "fitted_to", None)
    return found if isinstance(found, FittedTo) else None


@dataclass(frozen=True, kw_only=True)
class ChosenBy:
    """The recordings by which the epoch of a model was chosen, whose member `chosen_by` has these.

    Parameters
    ----------
    benchmark : str
        Benchmark or composite that was maximized over epochs.
    recordings : tuple of (str, str)
        Data set and region of each benchmark of it.
    """

    benchmark: str
    recordings: tuple[tuple[str, str], ...]


def chosen_by(model: BrainModel) -> tuple[ChosenBy, ...]:
    """Return the recordings by which the epoch of a model was chosen; () for other models."""
    found = getattr(model, "chosen_by", ())
    return tuple(one for one in found if isinstance(one, ChosenBy))


_METHODS = ("on", "probe", "pinned")


def check_model(given: Any, *, name: str) -> BrainModel:
    """Return what was given if it is a model, completed with the members that it may leave out.

    Properties are not evaluated: a digest takes time. InputError for something else, with the members it
    lacks.
    """
    if isinstance(given, CompletedModel):
        return given  # it has been checked
    members = [key for key in vars(BrainModel) if not key.startswith("_")]
    absent = [key for key in members if inspect.getattr_static(given, key, None) is None]
    missing = [key for key in absent if key not in (*OPTIONAL, *_METHODS)]
    if missing or isinstance(given, type):
        kind = "class, not made yet" if isinstance(given, type) else type(given).__name__
        lacks = ", without " + ", ".join(missing) if missing else ""
        raise InputError(
            f"model {name!r} is a {kind}{lacks}",
            allowed="a BrainModel, as brainbench.wrap makes it",
            todo="make one with brainbench.wrap(net, layers={'IT': 'LAYER'})",
        )
    model: BrainModel = CompletedModel(given) if absent else given
    return model


def clock_of(model: BrainModel, protocol: str) -> Timeline:
    """Return the clock of a model under a protocol: the one of that name, else its default.

    Under `brainscore` steps become a time bin as in Brain-Score: by the share of each that lies in the bin.
    """
    clock = model.clocks.get(protocol) or next(iter(model.clocks.values()))
    if protocol == "brainscore" and clock.rule == "overlap" and not clock.static:
        return replace(clock, rule="share")
    return clock


def layers_of(model: BrainModel, region: str, settings: Settings) -> tuple[str, ...]:
    """Return the layers that may stand for a region: the user's choice, else the model's own.

    NotApplicableError if the model has no layer for that region and the user named none.
    """
    chosen = settings.layers.get(region)
    if chosen:
        return (chosen,)
    layers = declared_layers(model, region)
    if not layers:
        raise NotApplicableError(
            f"no layer of {model.name} stands for {region}",
            allowed=f"its regions {', '.join(model.areas)}, or a layer that you name",
            todo=f"name a layer for it: --layers {region}=LAYER",
        )
    return layers


def declared_layers(model: BrainModel, region: str) -> tuple[str, ...]:
    """Return the layers that a model declares for a region, or for its stand-in; () if none."""
    stand_in = STANDS_FOR.get(region, region)
    return tuple(model.areas.get(region, model.areas.get(stand_in, ())))
