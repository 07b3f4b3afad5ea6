"""The state of a run, and the view of it that one benchmark gets.

A `Run` owns data sets, stimuli and what depends on a brain alone, a `ModelRun` the digest of one model and
the Gram matrices of its layers. Each is made once, however many benchmarks ask for it. A `RunContext` is a
read-only view of both, a `DataContext` of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.core.assembly import Assembly, align
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import Dataset, HasSessions
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import BrainModel, clock_of, layers_of
from brainbench.core.movies import Movies
from brainbench.core.presentation import Presentation
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.data.manifest import open_dataset
from brainbench.metrics.array_types import AnyArray
from brainbench.metrics.gram import Gram
from brainbench.scoring.kept import BoundedStore, BrainFigures
from brainbench.scoring.stimulus_groups import StimulusGroups


@dataclass(frozen=True, eq=False)
class Session:
    """One recording session of a data set."""

    name: str  # empty for data without sessions
    data: Dataset  # stimuli and recordings of the session


@dataclass(eq=False)
class _OpenDataset:
    """A data set in a run: what is asked of it is computed once.

    Parameters
    ----------
    data : Dataset
        The data set; it is kept alive, so that its id stays its own.
    limit : int or None
        At most this many stimuli are used.
    """

    data: Dataset
    limit: int | None

    @cached_property
    def version(self) -> str:
        return self.data.version

    @cached_property
    def given(self) -> StimulusSet:
        return self.data.stimuli()

    @cached_property
    def whole(self) -> StimulusSet:
        order = np.argsort(np.asarray(self.given.ids), kind="stable")
        return self.given.take([int(row) for row in order])

    @cached_property
    def used(self) -> StimulusSet:
        return self.whole if self.limit is None else self.whole.limit(self.limit)

    @cached_property
    def sessions(self) -> list[Session]:
        if not isinstance(self.data, HasSessions):
            return [Session("", self.data)]
        sessions = self.data.sessions()
        if not sessions:
            raise InputError(
                f"data set {self.data.name!r} has no session",
                allowed="at least one",
                todo="check what its sessions() returns",
            )
        return [Session(name, sessions[name]) for name in sorted(sessions)]


@dataclass(eq=False)
class Run:
    """One command: every data set is opened once, its stimuli are sorted, limited and hashed once."""

    settings: Settings = field(default_factory=Settings)
    brain: BrainFigures = field(default_factory=BrainFigures, repr=False)  # shared by all models
    _by_name: dict[str, Dataset] = field(default_factory=dict, repr=False)
    _open: dict[int, _OpenDataset] = field(default_factory=dict, repr=False)
    _groups: dict[int, StimulusGroups] = field(default_factory=dict, repr=False)
    _placed: dict[tuple[int, float], tuple[StimulusSet, StimulusSet]] = field(
        default_factory=dict, repr=False
    )

    def dataset(self, benchmark: Benchmark) -> Dataset:
        """Return the data of a benchmark, opened at the first call.

        Raises
        ------
        UnknownNameError, InputError
            See `open_dataset`.
        """
        if not isinstance(benchmark.data, str):
            return benchmark.data
        if benchmark.data not in self._by_name:
            self._by_name[benchmark.data] = open_dataset(benchmark.data)
        return self._by_name[benchmark.data]

    def _opened(self, data: Dataset) -> _OpenDataset:
        if id(data) not in self._open:
            self._open[id(data)] = _OpenDataset(data, self.settings.limit)
        return self._open[id(data)]

    def version(self, data: Dataset) -> str:
        """Return the version of a data set, which may be a hash of all its bytes."""
        return self._opened(data).version

    def sessions(self, data: Dataset) -> list[Session]:
        """Return the recording sessions of a data set, sorted by name; one without a name where it has none.

        Raises
        ------
        InputError
            Data that offers sessions and has none.
        """
        return self._opened(data).sessions

    def given_ids(self, data: Dataset) -> tuple[str, ...]:
        """Return all stimulus ids in the order of the data set, which published dissimilarities have."""
        return tuple(self._opened(data).given.ids)

    def whole_stimuli(self, data: Dataset) -> StimulusSet:
        """Return all stimuli of a data set, sorted by stimulus_id."""
        return self._opened(data).whole

    def stimuli(self, data: Dataset) -> StimulusSet:
        """Return the stimuli in use, sorted by stimulus_id: at most `settings.limit` of them."""
        return self._opened(data).used

    def placed(self, stimuli: StimulusSet, visual_degrees: float) -> StimulusSet:
        """Return a set as it is seen on a field of view so many degrees wide."""
        key = (id(stimuli), visual_degrees)
        if key not in self._placed:  # the set is kept alive, so that its id stays its own
            self._placed[key] = (stimuli, stimuli.on_screen(visual_degrees))
        return self._placed[key][1]

    def groups(self, stimuli: StimulusSet) -> StimulusGroups:
        """Return which images of a set belong together, compared at the first call."""
        if id(stimuli) not in self._groups:  # the set is kept alive, so that its id stays its own
            self._groups[id(stimuli)] = StimulusGroups(stimuli, self.settings.groups)
        return self._groups[id(stimuli)]


@dataclass(eq=False)
class ModelRun:
    """One model in a run: its weights are hashed once, its Gram matrices are shared by all benchmarks."""

    model: BrainModel  # must not change while the run lasts
    grams: BoundedStore[Gram] = field(default_factory=BoundedStore, repr=False)

    def __post_init__(self) -> None:
        self.model = self.model.pinned()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that the model's responses depend on beside stimuli."""
        return self.model.digest


@dataclass(frozen=True, kw_only=True, eq=False)
class DataContext:
    """The view of one benchmark on a run, without a model: names are resolved, nothing is looked up again."""

    benchmark: Benchmark
    run: Run

    @property
    def settings(self) -> Settings:
        return self.run.settings

    @cached_property
    def data(self) -> Dataset:
        return self.run.dataset(self.benchmark)

    @property
    def data_version(self) -> str:
        return self.run.version(self.data)

    @property
    def sessions(self) -> list[Session]:
        """Recording sessions of the data; one without a name where it has none."""
        return self.run.sessions(self.data)

    @cached_property
    def rules(self) -> Any:
        """Rules of the measure under the protocol; NotApplicableError where it is not defined under it."""
        rules = self.benchmark.measure.rules
        if self.settings.protocol not in rules:
            raise NotApplicableError(
                f"protocol {self.settings.protocol!r} for {self.benchmark.identifier}, whose measure is not "
                "defined under it",
                allowed=", ".join(rules),
                todo="choose --protocol from these, or another benchmark",
            )
        return rules[self.settings.protocol]

    @property
    def formula(self) -> str:
        """Formula of the value: the user's, else the benchmark's, else the protocol's own."""
        formula: str = self.settings.formula or self.benchmark.measure.formula or self.rules.formula
        return formula

    def label(self, session: Session) -> str:
        """Return benchmark and session, for error messages."""
        identifier = self.benchmark.identifier
        return f"{identifier}, session {session.name}" if session.name else identifier

    @property
    def split_seed(self) -> int:
        """Seed of the splits: the protocol's own, or that of the run."""
        seed: int | None = self.rules.split_seed
        return self.settings.seed if seed is None else seed

    @property
    def population(self) -> str:
        """Name of the recorded sites: measures on the same sites draw them together."""
        return f"{self.data.name} {self.benchmark.region}"

    def stimuli(self, data: Dataset | None = None) -> StimulusSet:
        """Return the stimuli in use, of one session or of all data, sorted by stimulus_id."""
        return self.run.stimuli(data or self.data)

    def groups(self, data: Dataset | None = None) -> AnyArray | None:
        """Return the group of each stimulus in use, which draws and nulls take whole; None for none."""
        return self.run.groups(self.stimuli(data)).names

    @property
    def splits_apart(self) -> bool:
        """Whether splits do not keep groups together: those of a protocol as published, unless asked for."""
        return self.rules.groups_on_request and self.settings.groups is None

    def split_groups(self, data: Dataset | None = None) -> AnyArray | None:
        """Return the group of each stimulus in use that splits keep on one side; None for none."""
        return None if self.splits_apart else self.groups(data)

    def is_partial(self, data: Dataset | None = None) -> bool:
        """Whether a limit leaves some stimuli out."""
        data = data or self.data
        return len(self.run.stimuli(data)) < len(self.run.whole_stimuli(data))


@dataclass(frozen=True, kw_only=True, eq=False)
class RunContext(DataContext):
    """The view of one benchmark on a run and a model."""

    model_run: ModelRun

    @property
    def model(self) -> BrainModel:
        return self.model_run.model

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Layers that may stand for the benchmark's region.

        NotApplicableError where the model has none and the user named none; InputError for several under a
        protocol that takes one.
        """
        region = self.benchmark.region
        layers = layers_of(self.model, region, self.settings)
        if self.rules.one_layer and len(layers) > 1:
            raise InputError(
                f"model {self.model.name!r} has {len(layers)} layers for {region}: {', '.join(layers)}",
                allowed=f"one layer per region under the protocol {self.settings.protocol}",
                todo=f"choose one: --layers {region}={layers[0]}",
            )
        return layers

    @property
    def may_select(self) -> bool:
        """Whether there may be several layers, or steps of a nominal clock, to select from."""
        return len(self.layers) > 1 or self.clock.nominal

    def check_layers(self) -> None:
        """Raise what `layers` raises: no layer stands for the region, or several do."""
        if not self.layers:
            raise NotApplicableError(
                f"no layer of {self.model.name} for {self.benchmark.region}",
                allowed="at least one layer",
                todo=f"name a layer for it: --layers {self.benchmark.region}=LAYER",
            )

    @property
    def presentation(self) -> Presentation:
        """How the images are shown to the model: as the benchmark asks, or as the model accepts.

        NotApplicableError for a movie that the model does not accept.
        """
        return self.benchmark.presentation.accepted_by(self.model.presentations)

    @property
    def visual_degrees(self) -> float | None:
        """Width of the field of view on which pictures have the width of the study; None under `paper`.

        There pictures fill the field, as networks are shown pictures.
        """
        return self.model.visual_degrees if self.settings.protocol == "brainscore" else None

    def shown(self, stimuli: StimulusSet) -> StimulusSet:
        """Return stimuli as the model is shown them: under `brainscore` placed on its field of view.

        InputError for movies of a benchmark that declares pictures, and the reverse.
        """
        is_movie = self.benchmark.presentation.kind == "movie"
        if is_movie != isinstance(stimuli, Movies):
            raise InputError(
                f"{self.benchmark.identifier}, which shows {self.benchmark.presentation.describe()}, with "
                + ("pictures" if is_movie else "movies"),
                allowed="Presentation(kind='movie') with core.movies.Movies, other kinds with pictures",
                todo="declare the presentation of the benchmark as its stimuli are",
            )
        width = self.visual_degrees
        return stimuli if width is None else self.run.placed(stimuli, width)

    @property
    def clock(self) -> Timeline:
        """The model's clock under the protocol of the run."""
        return clock_of(self.model, self.settings.protocol)

    def activations(self, stimuli: StimulusSet) -> Mapping[str, Assembly]:
        """Return responses of each of `layers`, in the order of the stimuli; InputError for other ones."""
        found = self.model.activations(self.shown(stimuli), self.layers, self.presentation)
        name = f"activations of {self.model.name}"
        return {
            layer: align(found[layer], stimuli.ids, name=f"{name} {layer}") for layer in self.layers
        }


def contexts(benchmarks: Sequence[Benchmark], run: Run, model_run: ModelRun) -> list[RunContext]:
    """Return the view of each benchmark on a run and a model."""
    return [RunContext(benchmark=one, run=run, model_run=model_run) for one in benchmarks]
