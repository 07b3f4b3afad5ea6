"""The contracts between models, data, procedures and benchmarks.

A model adapter satisfies `BrainModel`, a data set satisfies `DataSource`, a measure satisfies
`Procedure`, and a `Benchmark` is a declaration that names the last two. Nothing here computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from brainbench.assembly import Assembly
from brainbench.errors import InputError, NotApplicableError, unknown
from brainbench.presentation import CONSTANT, Kind, Presentation
from brainbench.scores import Score
from brainbench.stimuli import StimulusSet
from brainbench.timeline import Timeline

ProtocolName = Literal["paper", "brainscore"]
PROTOCOLS: tuple[ProtocolName, ...] = ("paper", "brainscore")
FORMULAS = ("raw", "r/c", "r2/c", "r/sqrt(c)")
"""Names of what `stats.ceiling.FORMULAS` does."""
Resample = Literal["both", "images", "units"]
RESAMPLES: tuple[Resample, ...] = ("both", "images", "units")
Null = Literal["images", "within-object"]
NULLS: tuple[Null, ...] = ("images", "within-object")
BEHAVIOUR = "behaviour"
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
        For each region of the ventral stream, the layers that may stand for it; for "behaviour" the layer
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


@runtime_checkable
class DataSource(Protocol):
    """Stimuli and what a brain or a subject did with them.

    Attributes
    ----------
    name : str
        "Simulated", "MajajHong2015", ...
    simulated : bool
        The brain is simulated; every score on it says so.
    version : str
        Version, or digest of the parameters, of the data.
    command : str
        The command that gets the data here.
    """

    @property
    def name(self) -> str: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def version(self) -> str: ...
    @property
    def command(self) -> str: ...

    def absent(self) -> str | None:
        """Why the data is not here; None where it is."""
        ...

    def stimuli(self) -> StimulusSet:
        """Return the stimuli, with their metadata."""
        ...

    def recordings(self, region: str) -> Assembly:
        """Trials of the sites of a region: (repetition,) stimulus, neuroid(, time)."""
        ...


@runtime_checkable
class Sessions(Protocol):
    """A data set of several recording sessions, each with stimuli and neuroids of its own.

    Its `stimuli` are those of all sessions; maps are fitted in each session, and figures of single
    neuroids are put together.
    """

    def sessions(self) -> Mapping[str, DataSource]:
        """Each session as a data set, by its name."""
        ...


@runtime_checkable
class Behaving(Protocol):
    """A data set with choices of subjects between two objects."""

    def trials(self) -> pd.DataFrame:
        """One row per trial: stimulus_id, truth, distractor, choice (all object names), subject."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A data set with answers of subjects who chose among all categories of a task."""

    def answers(self) -> pd.DataFrame:
        """One row per answer: stimulus_id, truth, choice (empty or missing where none was given), subject."""
        ...


@runtime_checkable
class Solving(Protocol):
    """A data set that says when a brain has solved each image."""

    def solution_times(self) -> pd.DataFrame:
        """One row per image: stimulus_id, i1 (d', the threshold), ost (ms, NaN where never solved)."""
        ...


@runtime_checkable
class Dissimilar(Protocol):
    """A data set of published dissimilarities, whose responses are not there."""

    def dissimilarities(self, region: str) -> Assembly:
        """Dissimilarity of each pair of stimuli, dims (subject, pair), pairs as in scipy's squareform."""
        ...


@runtime_checkable
class Importable(Protocol):
    """A data set whose files are published elsewhere and read from a local folder."""

    def import_from(self, given: Path) -> Path:
        """Check and convert the files of a folder, keep them in the data folder, and say where."""
        ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user chooses for a run, beyond model and benchmark.

    Parameters
    ----------
    protocol : {"paper", "brainscore"}
        Which published procedure to follow, where there are two.
    seed : int
        Seed of splits and resampling under "paper"; Brain-Score's own seeds are fixed.
    layers : mapping of str to str
        Layer to use for a region instead of the model's own.
    limit : int or None
        Use at most so many stimuli, of each session where there are several; the Score is then marked
        partial.
    formula : str or None
        How raw figure and ceiling make the value, one of `FORMULAS`; None for what the measure declares.
    floor : float or None
        Leave out units whose reliability is below it; they are counted. None leaves out none.
    resample : {"both", "images", "units"}
        What the interval treats as random.
    null : {None, "images", "within-object"}
        Score shuffled images too: over the whole set, or within each object.
    null_draws : int
        How many shuffles.
    """

    protocol: ProtocolName = "paper"
    seed: int = 0
    layers: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    formula: str | None = None
    floor: float | None = None
    resample: Resample = "both"
    null: Null | None = None
    null_draws: int = 100

    def __post_init__(self) -> None:
        _check_choice("protocol", self.protocol, PROTOCOLS)
        _check_choice("formula", self.formula, (None, *FORMULAS))
        _check_choice("resample", self.resample, RESAMPLES)
        _check_choice("null", self.null, (None, *NULLS))
        if self.floor is not None and not 0 <= self.floor < 1:
            raise InputError(
                f"a floor of {self.floor} for the reliability of a unit",
                allowed="0 or more, below 1",
                todo="give --floor X, for example 0.3",
            )
        if self.null_draws < 1:
            raise InputError(
                f"{self.null_draws} shuffles", allowed="1 or more", todo="give --null-draws N"
            )
        if self.seed < 0:
            raise InputError(
                f"a seed of {self.seed}", allowed="0 or more", todo="give --seed N, for example 0"
            )
        if self.limit is not None and self.limit < 1:
            raise InputError(
                f"a limit of {self.limit} stimuli", allowed="1 or more", todo="give --limit N"
            )


def _check_choice(name: str, given: str | None, allowed: Sequence[str | None]) -> None:
    if given not in allowed:
        names = [one for one in allowed if one is not None]
        raise unknown(name, str(given), names, todo=f"choose --{name} {' or '.join(names)}")


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a benchmark will ask of a model: enough to extract once for several benchmarks.

    Parameters
    ----------
    stimuli : StimulusSet
        All stimuli.
    layers : tuple of str
        Layers.
    presentation : Presentation
        How the stimuli are shown.
    sessions : tuple of StimulusSet
        The same stimuli in the parts that activations will be asked for; empty where that is the whole.
    """

    stimuli: StimulusSet
    layers: tuple[str, ...]
    presentation: Presentation
    sessions: tuple[StimulusSet, ...] = ()

    @property
    def parts(self) -> tuple[StimulusSet, ...]:
        """Stimulus sets that activations will be asked for, one by one."""
        return self.sessions or (self.stimuli,)

    def shared_by(self, part: StimulusSet) -> tuple[str, str]:
        """What a pass over a part is shared by with other benchmarks: stimuli and their presentation."""
        return part.digest, repr(self.presentation)


class Procedure(Protocol):
    """The road from assemblies to a Score for one kind of measure."""

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        ...

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model."""
        ...


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A declaration: which data, which region, which procedure, and whom to cite.

    Parameters
    ----------
    identifier : str
        As the field writes it: "MajajHong2015.IT-pls".
    version : int
        Raised whenever scores change.
    data : str or DataSource
        Name of a data set in the registry, or the data itself.
    procedure : Procedure
        Does the work.
    region : str
        "V1", "V2", "V4", "IT", or "behaviour".
    window : (start, end)
        Time window of the response in ms from stimulus onset.
    presentation : Presentation
        How the stimuli were shown.
    metric, ceiling : str
        One line each on what is computed.
    citation : str
        Whom to cite, as "Author et al., year, doi".
    """

    identifier: str
    version: int
    data: str | DataSource
    procedure: Procedure
    region: str
    window: tuple[float, float]
    presentation: Presentation = CONSTANT
    metric: str
    ceiling: str
    citation: str

    def score(self, model: BrainModel, settings: Settings | None = None) -> Score:
        """Score a model: arrays, ceiling and provenance in one frozen result.

        Raises
        ------
        NotApplicableError
            The measure is not defined under the protocol or by the formula, or no layer of the model stands
            for the region.
        """
        self._check_protocol(settings or Settings())
        return self.procedure.score(self, model, settings or Settings())

    def needs(self, model: BrainModel, settings: Settings | None = None) -> Needs:
        """Stimuli and layers that scoring this model will take.

        Raises
        ------
        NotApplicableError
            See `score`.
        """
        self._check_protocol(settings or Settings())
        return self.procedure.needs(self, model, settings or Settings())

    def on(self, data: DataSource) -> Benchmark:
        """Return the same benchmark on other data."""
        return replace(self, data=data)

    @property
    def protocols(self) -> tuple[ProtocolName, ...]:
        """Protocols under which the measure is defined; all, where its procedure does not name them."""
        named: tuple[ProtocolName, ...] = getattr(self.procedure, "protocols", PROTOCOLS)
        return named

    def _check_protocol(self, settings: Settings) -> None:
        if settings.protocol not in self.protocols:
            raise NotApplicableError(
                f"protocol {settings.protocol!r} for {self.identifier}, whose measure it does not have",
                allowed=", ".join(self.protocols),
                todo="choose --protocol from these, or another benchmark",
            )


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
