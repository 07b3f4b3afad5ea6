"""Figures that are known of a published data set: whether what is here shows them.

The manifest declares them, with their tolerance and where they were published. They are computed under the
protocol `brainscore`, which is what they were published for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from brainbench.core import assembly, registry
from brainbench.core.assembly import Assembly
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import Dataset
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError
from brainbench.core.model import BEHAVIOR, BrainModel, check_model
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.score import Score
from brainbench.core.screen import GRAY, place
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import STATIC, Timeline
from brainbench.data.manifest import KnownFigure, manifest, open_dataset
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrapped_model import WrappedModel
from brainbench.run.loading import load_benchmark, load_model
from brainbench.scoring.pipeline import score

NO_LAYER = "not checked: which layer of AlexNet it was is not published"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A known figure, and what the data here shows; None with the reason where nothing was computed."""

    known: KnownFigure
    got: float | None
    reason: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the figure is within its tolerance; None where it was not checked."""
        if self.known.what == "model" and self.got is None:
            return None
        return self.got is not None and abs(self.got - self.known.expected) <= self.known.tolerance


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedModel:
    """The sites of a region as a model: their mean responses in a window, the data on itself."""

    data: Dataset
    region: str
    window: tuple[float, float]
    name: str = "recorded sites"
    weights: str = "none"
    static: bool = True
    presentations: tuple[Kind, ...] = ("constant",)

    @property
    def areas(self) -> Mapping[str, Sequence[str]]:
        """The region, as its own layer."""
        return {self.region: [self.region]}

    @property
    def clocks(self) -> Mapping[str, Timeline]:
        """The clock of a model without time."""
        return {"static": STATIC}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over data, region and window."""
        return sha256("recorded sites", self.data.version, self.region, repr(self.window))

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Return the mean response of each site to each stimulus, (stimulus, neuroid, time)."""
        recorded = assembly.align(
            self.data.recordings(self.region), stimuli.ids, name=f"recordings of {self.data.name}"
        )
        mean = assembly.average(assembly.time_average(recorded, self.window))
        responses = assembly.make(
            np.asarray(mean.values, dtype=np.float64)[..., None],
            stimulus={"stimulus_id": list(stimuli.ids)},
            neuroid={"neuroid_id": np.arange(mean.sizes["neuroid"])},
            time=[self.window],
            units=str(mean.attrs["units"]),
        )
        return dict.fromkeys(layers, responses)


def sets_with_known_answers() -> list[str]:
    """Return the names of the data sets that are here and of which figures are known."""
    return [
        name
        for name in registry.entries("data")
        if manifest(name).known and open_dataset(name).absent() is None
    ]


def check_known_answers(name: str) -> Iterator[Answer]:
    """Compute each figure that is known of a data set, and yield what it is.

    DataAbsentError for data that is not here, InputError where no figure is known.
    """
    declared, data = manifest(name), open_dataset(name)
    if not declared.known:
        raise InputError(
            f"data set {name!r}, of which no figure is known that can be checked",
            allowed=", ".join(n for n in registry.entries("data") if manifest(n).known),
            todo="choose one of these, or omit --known-answers",
        )
    absent = data.absent()
    if absent:
        raise DataAbsentError(
            f"data set {name} is not here", allowed=absent, todo=f"run `{data.command}`"
        )
    scores: dict[str, Score | BrainbenchError] = {}
    for known in declared.known:
        if known.what == "images":
            yield Answer(known=known, got=float(len(data.stimuli())))
        elif known.what == "gray":
            yield _gray(known, data.stimuli())
        elif known.what == "model":
            yield _of_network(known, data)
        else:
            if known.of not in scores:
                scores[known.of] = _on_itself(load_benchmark(known.of), data)
            yield _answer(known, scores[known.of])


def _gray(known: KnownFigure, stimuli: StimulusSet) -> Answer:
    """Return the share of gray in an image that is placed on a field of view of so many degrees."""
    if known.of not in stimuli.ids:
        return Answer(known=known, got=None, reason=f"no image {known.of}")
    index = stimuli.ids.index(known.of)
    width, field = stimuli.width_of(index), known.degrees
    if width is None or field is None:
        return Answer(known=known, got=None, reason=f"the width of {known.of} is not known")
    placed = place(stimuli.picture(index), degrees=width, visual_degrees=field)
    # Brain-Score divides pixels by the numbers of the array, three for each pixel.
    return Answer(known=known, got=float((placed == GRAY).all(axis=-1).sum() / placed.size))


def _of_network(known: KnownFigure, data: Dataset) -> Answer:
    """Return the raw score of a layer of a trained network, shown whole images as Brain-Score shows them."""
    if known.network is None or known.layer is None:
        return Answer(known=known, got=None, reason=NO_LAYER)
    benchmark = load_benchmark(known.of)
    try:
        model = load_model(known.network, weights="imagenet")
    except BrainbenchError as error:
        return Answer(known=known, got=None, reason=f"not checked: {known.network}: {error.got}")
    if isinstance(model, WrappedModel) and isinstance(model.preprocess, Preprocess):
        whole = replace(model.preprocess, name="whole image", crop_from=None)
        model = replace(model, preprocess=whole)
    found = _scored(benchmark, data, model, layers={benchmark.region: known.layer})
    return _answer(known, found)


def _on_itself(benchmark: Benchmark, data: Dataset) -> Score | BrainbenchError:
    """Return the raw score of the sites on themselves; of behavior, for its ceiling, that of pixels."""
    if benchmark.region == BEHAVIOR:
        return _scored(benchmark, data, load_model("pixels"))
    sites = RecordedModel(data=data, region=benchmark.region, window=benchmark.window)
    return _scored(benchmark, data, check_model(sites, name=sites.name))


def _scored(
    benchmark: Benchmark,
    data: Dataset,
    model: BrainModel,
    layers: Mapping[str, str] | None = None,
) -> Score | BrainbenchError:
    """Return the raw score of a model under `brainscore`, or why there is none."""
    settings = Settings(protocol="brainscore", formula="raw", layers=layers or {})
    try:
        return score(benchmark.on(data), model, settings)
    except BrainbenchError as error:  # one figure does not hide the others
        return error


def _answer(known: KnownFigure, found: Score | BrainbenchError) -> Answer:
    if isinstance(found, BrainbenchError):
        return Answer(known=known, got=None, reason=found.got)
    got = found.ceiling if known.what == "ceiling" else found.raw
    return Answer(known=known, got=got, reason="" if got is not None else found.reason or "none")
