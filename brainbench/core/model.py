"""The contract of a model: a network that responds to stimuli over time."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline

BEHAVIOR = "behavior"
"""The "region" of what a subject does: the layer that a choice is read from stands for it."""


@runtime_checkable
class BrainModel(Protocol):
    """A network that answers stimuli over time. `brainbench.wrap` makes one from any torch module.

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

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Responses of each layer, dims (stimulus, neuroid, time), in the order of `stimuli`.

        One assembly per layer, since layers differ in their steps. `time` has one entry per model step,
        with the spans of the default clock; a `Timeline` turns steps into other time bins.
        Values may be stored on disk and read when indexed.
        """
        ...


def check_model(given: Any, *, name: str) -> BrainModel:
    """Return what was given if it is a model.

    Properties are not evaluated: a digest takes time.

    Raises
    ------
    InputError
        Something else; the message says what it lacks.
    """
    members = [key for key in vars(BrainModel) if not key.startswith("_")]
    absent = [key for key in members if inspect.getattr_static(given, key, None) is None]
    if absent or isinstance(given, type):
        kind = "class, not made yet" if isinstance(given, type) else type(given).__name__
        lacks = ", without " + ", ".join(absent) if absent else ""
        raise InputError(
            f"model {name!r} is a {kind}{lacks}",
            allowed="a BrainModel, as brainbench.wrap makes it",
            todo="make one with brainbench.wrap(net, layers={'IT': 'LAYER'})",
        )
    model: BrainModel = given
    return model


def clock_of(model: BrainModel, protocol: str) -> Timeline:
    """Clock of a model under a protocol: the one of that name, else its default."""
    return model.clocks.get(protocol) or next(iter(model.clocks.values()))


def layers_of(model: BrainModel, region: str, settings: Settings) -> tuple[str, ...]:
    """Layers that may stand for a region: the user's choice, else the model's own.

    Raises
    ------
    NotApplicableError
        The model has no layer for that region and the user named none.
    """
    chosen = settings.layers.get(region)
    if chosen:
        return (chosen,)
    if region not in model.areas:
        raise NotApplicableError(
            f"no layer of {model.name} stands for {region}",
            allowed=f"its regions {', '.join(model.areas)}, or a layer that you name",
            todo=f"name a layer for it: --layers {region}=LAYER",
        )
    return tuple(model.areas[region])
