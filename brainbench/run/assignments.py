"""Assignments: a run in parts that any process can carry out, since they travel as names and files.

An assignment is one model with the benchmarks of one data set, which share its forward passes. What it gives
is stored in the shared results folder, like every score.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
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
from brainbench.run.benchmark_file import benchmarks_in_file
from brainbench.run.code_of_user import (
    absolute_name,
    check_code_of_user,
    code_of_user,
    names_in,
    packed,
    unpacked,
)
from brainbench.run.estimate import estimate
from brainbench.run.execute import execute
from brainbench.run.identity import measure_of
from brainbench.run.plan import ModelSpec, Overwrite, plan
from brainbench.run.resolve import Job, variants_of
from brainbench.run.variants import named_variant
from brainbench.scoring.context import Run
from brainbench.storage.results import Results

_runs: dict[str, Run] = {}
"""The run that this process carried out a part of last, by `Assignment.dealt`."""


@dataclass(frozen=True, kw_only=True)
class AssignedBenchmark:
    """A benchmark by what a worker needs to make it again."""

    identifier: str  # as in its scores, with what the variant of the run adds
    name: str  # of the benchmark itself
    file: str | None = (
        None  # FILE.py:OBJECT that declares it, with an absolute path; None for a plug-in's
    )
    formula: str | None = None  # that a composite takes, in place of the measure's own


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One model and the benchmarks of one data set."""

    spec: ModelSpec
    benchmarks: tuple[AssignedBenchmark, ...]
    variant: Variant  # of these benchmarks; its estimator packed
    settings: Settings
    placement: Placement
    results: Path  # absolute
    overwrite: Overwrite
    files: Mapping[Path, str] = field(default_factory=dict)  # code of the user, as SHA-256
    dealt: str = ""  # names the run that it is a part of
    version: str = __version__
    memory_gb: float | None = None  # refused where more is foreseen; None takes whatever it needs

    @property
    def title(self) -> str:
        """Model and data set, for notes and logs."""
        return f"{self.spec.name} on {self.benchmarks[0].identifier.partition('.')[0]}"


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
        No results folder, where all processes could meet; a model, a benchmark or an estimator that another
        process could not make again; two benchmarks of one identifier.
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
    variant = packed(job.variant)
    assigned = assigned_of(job)
    by_data: dict[str, list[AssignedBenchmark]] = {}
    for benchmark, one in zip(job.benchmarks, assigned, strict=True):
        data = benchmark.data
        by_data.setdefault(data if isinstance(data, str) else data.name, []).append(one)
    dealt = uuid.uuid4().hex
    own = [*names_in(job.variant), *(one.file for one in assigned if one.file is not None)]
    return [
        Assignment(
            spec=spec,
            benchmarks=tuple(together),
            variant=variant,
            settings=job.settings,
            placement=job.placement,
            results=job.results.folder.absolute(),
            overwrite=job.overwrite,
            files=code_of_user([spec.name, *own]),
            dealt=dealt,
        )
        for spec in job.models
        for together in by_data.values()
    ]


def assigned_of(job: Job) -> list[AssignedBenchmark]:
    """Return what a worker needs to make each benchmark of a job, in their order.

    InputError for one that it could not make, and for two that it could not tell apart.
    """
    assigned: list[AssignedBenchmark] = []
    for benchmark in job.benchmarks:
        one = _assigned(benchmark, job)
        if one is None:
            raise _not_by_name("benchmark", benchmark.identifier)
        if one in assigned:
            raise InputError(
                f"two benchmarks with the identifier {benchmark.identifier}",
                allowed="identifiers by which workers can tell benchmarks apart",
                todo="rename one of them, or score them in two commands",
            )
        assigned.append(one)
    return assigned


def _assigned(benchmark: Benchmark, job: Job) -> AssignedBenchmark | None:
    """Return how a worker makes a benchmark; None where it cannot."""
    name = benchmark.identifier
    if job.variant.beyond is not None:
        name = name.rpartition("+beyond-")[0]
    elif job.variant.metric is not None and "+" in name:
        name = name.rpartition("+")[0]
    if name in job.files:
        return AssignedBenchmark(
            identifier=benchmark.identifier, name=name, file=absolute_name(job.files[name])
        )
    try:
        [loaded] = named_variant(name)
    except UnknownNameError:
        return None
    assigned = AssignedBenchmark(identifier=benchmark.identifier, name=name)
    if job.variant != Variant() or loaded == benchmark:
        return assigned
    assigned = replace(assigned, formula=measure_of(benchmark).formula)
    return assigned if _by_formula(loaded, assigned.formula) == benchmark else None


def _by_formula(benchmark: Benchmark, formula: str | None) -> Benchmark:
    return replace(benchmark, measure=replace(measure_of(benchmark), formula=formula))


def _not_by_name(kind: str, name: str) -> InputError:
    return InputError(
        f"the {kind} {name!r}, which is made already and cannot be sent to a worker",
        allowed="names, by which a worker makes it again: of bundled ones, of plug-ins, or FILE.py:NAME",
        todo=f"write what makes the {kind} into a file and give FILE.py:NAME, or score without workers",
    )


def of_shard(dealt: Sequence[Assignment], shard: str | None) -> list[Assignment]:
    """Return the assignments of shard "i/n": each n-th by name, in whatever order they are."""
    if shard is None:
        return list(dealt)
    number, _, of = shard.partition("/")
    named = sorted(dealt, key=_place_of)
    mine = named[int(number) - 1 :: int(of)]
    return [one for one in dealt if one in mine]


def _place_of(assignment: Assignment) -> tuple[str, list[tuple[str, str]]]:
    benchmarks = [(one.identifier, one.formula or "") for one in assignment.benchmarks]
    return assignment.spec.name, benchmarks


def longest_first(dealt: Sequence[Assignment]) -> list[Assignment]:
    """Return assignments in the order in which workers take them.

    Those whose time is not known come first, then by the seconds that earlier scores of the same models took.
    """

    def seconds(one: Assignment) -> float:
        results = Results(one.results)
        names = [benchmark.identifier for benchmark in one.benchmarks]
        taken = [results.seconds(model=one.spec.name, benchmark=name) for name in names]
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
    run, results, spec = _run_of(assignment), Results(assignment.results), assignment.spec
    if assignment.memory_gb is not None:
        planned = plan(spec, benchmarks, run, results=results, overwrite=assignment.overwrite)
        foreseen = estimate(planned).memory_gb
        if foreseen > assignment.memory_gb:
            return Report(refused_gb=foreseen)
        if planned.model is not None:
            spec = replace(spec, make=partial(_made_already, planned.model))
    scores = execute([spec], benchmarks, run, results=results, overwrite=assignment.overwrite)
    return Report(scores=tuple(scores))


def _run_of(assignment: Assignment) -> Run:
    """Return what all parts of a run share in this process: data that is open, stimuli that are hashed."""
    run = _runs.get(assignment.dealt)
    if run is None:
        run = Run(assignment.settings)
        _runs.clear()
        if assignment.dealt:
            _runs[assignment.dealt] = run
    return run


def assigned_benchmarks(assignment: Assignment) -> list[Benchmark]:
    """Return the benchmarks of an assignment, or their variants.

    Raises
    ------
    InputError
        Code of the user that is not what it was where the run was dealt out; a package that declares
        another benchmark by a name.
    """
    check_code_of_user(assignment.files)
    files = dict.fromkeys(one.file for one in assignment.benchmarks if one.file is not None)
    declared = {file: benchmarks_in_file(file) for file in files}
    named = [
        _declared(one, declared[one.file] if one.file else named_variant(one.name))
        for one in assignment.benchmarks
    ]
    variant = unpacked(assignment.variant)
    made = variants_of(named, variant, assignment.settings, assignment.placement)
    for one, other in zip(assignment.benchmarks, made, strict=True):
        if one.identifier != other.identifier:
            raise InputError(
                f"a worker that makes {other.identifier} in place of {one.identifier}",
                allowed="the same estimators and models on all machines",
                todo="install the same packages on all machines",
            )
    return made


def _declared(one: AssignedBenchmark, offered: Sequence[Benchmark]) -> Benchmark:
    benchmark = next((each for each in offered if each.identifier == one.name), None)
    if benchmark is None:
        raise InputError(
            f"a worker to which {one.file or one.name} declares no {one.name}",
            allowed="the same benchmarks on all machines",
            todo="declare them independently of the machine, and install the same packages",
        )
    return benchmark if one.formula is None else _by_formula(benchmark, one.formula)


def _made_already(model: BrainModel) -> BrainModel:
    return model


class _Notes(progress.Silent):
    """A reporter that keeps notes for the process that dealt the run out."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep one line."""
        self.texts.append(text)
