"""The plan of a run for one model: benchmarks that are stored, to be scored, or cannot be scored."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import BrainbenchError, DataAbsentError, NotApplicableError
from brainbench.core.model import BrainModel
from brainbench.core.presentation import Presentation
from brainbench.core.provenance import Record
from brainbench.core.score import Score, Status
from brainbench.core.stimuli import StimulusSet
from brainbench.run.identity import identity, measure_of
from brainbench.run.known_models import Asked, recall, remember
from brainbench.run.stored_scores import Place, readable
from brainbench.scoring.context import ModelRun, Run, RunContext, contexts
from brainbench.scoring.fitted_models import check_chosen
from brainbench.scoring.measure import Measure
from brainbench.scoring.pipeline import failure
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

Overwrite = Literal["never", "only-missing", "always"]
OVERWRITE: tuple[Overwrite, ...] = ("never", "only-missing", "always")
State = Literal["to_do", "stored"] | Status


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that is made when its turn comes, so that one model at a time is in memory."""

    name: str  # as the user wrote it
    make: Callable[[], BrainModel]
    # the name says all about the model: another spec of this name makes the same
    named: bool = False
    asked: Asked | None = None  # of a model of the registry


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One benchmark that a model is to be scored on."""

    context: RunContext
    place: Place
    stimulus_sets: tuple[StimulusSet, ...]  # shown to the model


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """One benchmark for one model: a score that exists, or a task."""

    benchmark: Benchmark
    score: Score | None = None  # stored, or one that says why there is no value
    error: Exception | None = None  # why it cannot be scored
    task: Task | None = None

    @property
    def state(self) -> State:
        """Whether it is to be computed, stored, or why there is no value."""
        if self.score is None:
            return "to_do"
        return self.score.status if self.score.file is None else "stored"


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Every benchmark for one model."""

    name: str  # as the user wrote it where the model could not be made
    model: BrainModel | None  # None where it could not be made
    items: Sequence[Item]  # in the order of the benchmarks

    @property
    def tasks(self) -> list[Task]:
        """Everything that is to be computed."""
        return [item.task for item in self.items if item.task is not None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """Stimuli that a model is shown once, for every benchmark that needs them."""

    stimuli: StimulusSet
    presentation: Presentation
    tasks: tuple[Task, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that any of the benchmarks needs."""
        return tuple(dict.fromkeys(name for task in self.tasks for name in task.context.layers))


def plan(
    spec: ModelSpec,
    benchmarks: Sequence[Benchmark],
    run: Run,
    *,
    results: Results | None = None,
    overwrite: Overwrite = "only-missing",
) -> Plan:
    """Make a model and say what there is to do for it. Whatever fails is an item with a reason.

    A bundled model of which all is stored is not made where it is known from before, see `known_models`.

    `overwrite` keeps every stored score, failed ones too ("never"), computes again what has no value
    ("only-missing"), or computes all again ("always").
    """
    known = recall(spec.asked, spec.make) if results is not None and overwrite != "always" else None
    if known is not None:
        planned = _planned(ModelRun(known), benchmarks, run, results, overwrite)
        if not planned.tasks:
            return planned
    try:
        model_run = ModelRun(spec.make())
        remember(spec.asked, model_run.model)
    except Exception as error:
        log.debug("model %s failed", spec.name, exc_info=True)
        items = [
            Item(
                benchmark=benchmark,
                score=failed_score(error, benchmark, run, model=spec.name),
                error=error,
            )
            for benchmark in benchmarks
        ]
        return Plan(name=spec.name, model=None, items=items)
    return _planned(model_run, benchmarks, run, results, overwrite)


def _planned(
    model_run: ModelRun,
    benchmarks: Sequence[Benchmark],
    run: Run,
    results: Results | None,
    overwrite: Overwrite,
) -> Plan:
    views = contexts(benchmarks, run, model_run)
    items = [_item(context, results, overwrite) for context in views]
    return Plan(name=model_run.model.name, model=model_run.model, items=items)


def _item(context: RunContext, results: Results | None, overwrite: Overwrite) -> Item:
    benchmark, model = context.benchmark, context.model
    try:
        measure = measure_of(benchmark)
        _check_applies(context, measure)
        place = _place(context).seen(results)
        stored = _stored(place, results, overwrite)
        if stored is not None:
            return Item(benchmark=benchmark, score=stored)
        shown = tuple(context.shown(stimuli) for stimuli in measure.stimulus_sets(context))
        task = Task(context=context, place=place, stimulus_sets=shown)
        for stimuli in task.stimulus_sets:
            stimuli.digest  # noqa: B018  # an image that cannot be read is known here
    except Exception as error:  # one that cannot run does not stop the others
        log.debug("%s on %s cannot run", model.name, benchmark.identifier, exc_info=True)
        score = failed_score(error, benchmark, context.run, model=model.name, weights=model.weights)
        return Item(benchmark=benchmark, score=score, error=error)
    return Item(benchmark=benchmark, task=task)


def _place(context: RunContext) -> Place:
    return Place(
        model=context.model.name,
        benchmark=context.benchmark.identifier,
        protocol=context.settings.variant,
        key=identity(context),
    )


def _check_applies(context: RunContext, measure: Measure[Any, Any]) -> None:
    """Raise NotApplicableError or DataAbsentError where a benchmark cannot be scored.

    It does not apply where the measure is not defined under the protocol or by the formula, no layer stands
    for the region, the model does not take its movies, or the same recordings chose its epoch; this is
    checked before any data is read.
    """
    _ = context.rules, context.layers, context.presentation
    measure.check(context)
    check_chosen(context)
    absent = context.data.absent()
    if absent:
        raise DataAbsentError(
            f"data not here: {absent}",
            allowed="a data set on this machine",
            todo=f"get it with `{context.data.command}`",
        )


def _stored(place: Place, results: Results | None, overwrite: Overwrite) -> Score | None:
    """Return the stored score, if there is one and it is not to be computed again.

    A damaged one is an error only where nothing that is stored may be replaced.
    """
    if results is None or overwrite == "always":
        return None
    if overwrite == "never":
        return place.find(results)
    stored = readable(place, results)
    return None if stored is None or stored.value is None else stored


def extractions(tasks: Sequence[Task]) -> list[Extraction]:
    """Return each stimulus set and presentation once, with every task that needs it."""
    groups: dict[tuple[str, Presentation], list[tuple[Task, StimulusSet]]] = {}
    for task in tasks:
        for stimuli in task.stimulus_sets:
            key = (stimuli.digest, task.context.presentation)
            groups.setdefault(key, []).append((task, stimuli))
    return [
        Extraction(
            stimuli=members[0][1],
            presentation=presentation,
            tasks=tuple(task for task, _ in members),
        )
        for (_, presentation), members in groups.items()
    ]


def failed_score(
    error: Exception,
    benchmark: Benchmark,
    run: Run,
    *,
    model: str,
    weights: str = "",
    record: Record | None = None,
) -> Score:
    """Return the score that says why there is no value; the kind of error is its status."""
    status: Status = "failed"
    if isinstance(error, NotApplicableError):
        status = "not_applicable"
    elif isinstance(error, DataAbsentError):
        status = "data_absent"
    return failure(
        benchmark,
        run.settings,
        model=model,
        weights=weights,
        status=status,
        reason=reason_of(error),
        simulated=_is_simulated(benchmark, run),
        record=record,
    )


def reason_of(error: Exception) -> str:
    """Return why something could not be computed."""
    if isinstance(error, DataAbsentError):
        return f"{error.got}; {error.todo}"
    if isinstance(error, BrainbenchError):
        return str(error)
    return f"{type(error).__name__}: {error} (run with -v for the traceback)"


def without_data(benchmarks: Sequence[Benchmark], run: Run) -> set[str]:
    """Return the identifiers of benchmarks whose data is not here."""
    found = set()
    for benchmark in benchmarks:
        with contextlib.suppress(Exception):  # data that cannot be opened: its score says so
            if run.dataset(benchmark).absent():
                found.add(benchmark.identifier)
    return found


def _is_simulated(benchmark: Benchmark, run: Run) -> bool:
    try:
        return run.dataset(benchmark).simulated
    except Exception:  # data that cannot be opened is the reason of the failure already
        return False
