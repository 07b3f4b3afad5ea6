"""Assignments: a run in parts that any process can carry out, since they travel as names and files.

An assignment is one model with the benchmarks of one data set, which share its forward passes. What it gives
is stored in the shared results folder, like every score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from brainbench import __version__
from brainbench.core import progress, provenance
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.model import BrainModel
from brainbench.core.score import Score
from brainbench.core.settings import Placement, Settings, Variant
from brainbench.run.estimate import estimate
from brainbench.run.execute import execute
from brainbench.run.plan import ModelSpec, Overwrite, plan
from brainbench.run.resolve import Job, variants_of
from brainbench.run.variants import named_variant
from brainbench.scoring.context import Run
from brainbench.storage.results import Results


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One model and the benchmarks of one data set."""

    spec: ModelSpec
    benchmarks: tuple[str, ...]  # identifiers
    variant: Variant  # of these benchmarks
    settings: Settings
    placement: Placement
    results: Path  # absolute
    overwrite: Overwrite
    version: str = __version__
    memory_gb: float | None = None  # refused where more is foreseen; None takes whatever it needs

    @property
    def title(self) -> str:
        """Model and data set, for notes and logs."""
        return f"{self.spec.name} on {self.benchmarks[0].partition('.')[0]}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a worker has done of an assignment."""

    scores: tuple[Score, ...] = ()  # of each benchmark; none where the assignment was refused
    notes: tuple[str, ...] = ()
    costs: provenance.Costs = field(default_factory=provenance.Costs)
    refused_gb: float | None = None  # memory that was foreseen and is more than the worker may take


def assignments(job: Job) -> list[Assignment]:
    """Deal a run out, model by model and data set by data set.

    Raises
    ------
    InputError
        No results folder, where all processes could meet; a model, a benchmark or an estimator that has no
        name by which another process can make it.
    """
    if job.results is None:
        raise InputError(
            "workers without a results folder",
            allowed="a folder that all workers can write to",
            todo='give results="results"; the command line takes -o DIR',
        )
    for spec in job.models:
        if not spec.named:
            raise _not_by_name("model", spec.name)
    given = (job.variant.metric, job.variant.beyond)
    if not all(one is None or isinstance(one, str) for one in given):
        raise _not_by_name("map or reference model", str(next(filter(None, given))))
    by_data: dict[str, list[str]] = {}
    for benchmark in job.benchmarks:
        name = assigned_name(benchmark, job.variant)
        if not _can_be_loaded(name, benchmark, job.variant):
            raise _not_by_name("benchmark", benchmark.identifier)
        by_data.setdefault(str(benchmark.data), []).append(name)
    return [
        Assignment(
            spec=spec,
            benchmarks=tuple(names),
            variant=job.variant,
            settings=job.settings,
            placement=job.placement,
            results=job.results.folder.absolute(),
            overwrite=job.overwrite,
        )
        for spec in job.models
        for names in by_data.values()
    ]


def assigned_name(benchmark: Benchmark, variant: Variant) -> str:
    """Return the name by which a worker finds a benchmark, without what the variant of the run adds."""
    name = benchmark.identifier
    return name if variant == Variant() else name.partition("+")[0]


def _can_be_loaded(name: str, benchmark: Benchmark, variant: Variant) -> bool:
    try:
        loaded = named_variant(name)
    except UnknownNameError:
        return False
    return variant != Variant() or loaded == [benchmark]


def _not_by_name(kind: str, name: str) -> InputError:
    return InputError(
        f"the {kind} {name!r}, which is made already and cannot be sent to a worker",
        allowed="names, which a worker can make: of bundled ones, of plug-ins, or FILE.py:FUNCTION",
        todo="write the function that makes it into a file, or score without workers",
    )


def of_shard(dealt: Sequence[Assignment], shard: str | None) -> list[Assignment]:
    """Return the assignments of shard "i/n": each n-th by name, in whatever order they are."""
    if shard is None:
        return list(dealt)
    number, _, of = shard.partition("/")
    named = sorted(dealt, key=lambda one: (one.spec.name, one.benchmarks))
    mine = named[int(number) - 1 :: int(of)]
    return [one for one in dealt if one in mine]


def longest_first(dealt: Sequence[Assignment]) -> list[Assignment]:
    """Return assignments in the order in which workers take them.

    Those whose time is not known come first, then by the seconds that earlier scores of the same models took.
    """

    def seconds(one: Assignment) -> float:
        results = Results(one.results)
        taken = [results.seconds(model=one.spec.name, benchmark=name) for name in one.benchmarks]
        return float("inf") if None in taken else sum(filter(None, taken))

    return sorted(dealt, key=seconds, reverse=True)


def carry_out(assignment: Assignment) -> Report:
    """Score the model of an assignment on its benchmarks in this process.

    Raises
    ------
    InputError
        This process runs another version of brainbench than the one that dealt the run out.
    """
    if assignment.version != __version__:
        raise InputError(
            f"a worker with brainbench {__version__}",
            allowed=f"{assignment.version}, the version of the process that deals the run out",
            todo="install the same version on all machines",
        )
    notes = _Notes()
    with progress.use(notes), provenance.counting() as costs:
        made = scored(assignment)
    return replace(made, notes=tuple(notes.texts), costs=costs)


def scored(assignment: Assignment) -> Report:
    """Score the model of an assignment on its benchmarks, with the notes and bars of this process."""
    benchmarks = assigned_benchmarks(assignment)
    run, results, spec = Run(assignment.settings), Results(assignment.results), assignment.spec
    if assignment.memory_gb is not None:
        planned = plan(spec, benchmarks, run, results=results, overwrite=assignment.overwrite)
        foreseen = estimate(planned).memory_gb
        if foreseen > assignment.memory_gb:
            return Report(refused_gb=foreseen)
        if planned.model is not None:
            spec = replace(spec, make=partial(_made_already, planned.model))
    scores = execute([spec], benchmarks, run, results=results, overwrite=assignment.overwrite)
    return Report(scores=tuple(scores))


def assigned_benchmarks(assignment: Assignment) -> list[Benchmark]:
    """Return the benchmarks of an assignment, or their variants."""
    return variants_of(
        [benchmark for name in assignment.benchmarks for benchmark in named_variant(name)],
        assignment.variant,
        assignment.settings,
        assignment.placement,
    )


def _made_already(model: BrainModel) -> BrainModel:
    return model


class _Notes(progress.Silent):
    """A reporter that keeps notes for the process that dealt the run out."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep one line."""
        self.texts.append(text)
