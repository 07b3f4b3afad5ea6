"""Runs of the fake models and benchmarks, for tests of what a run does."""

from collections.abc import Iterator
from pathlib import Path

from brainbench_fake import FakeModel

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BrainModel, check_model
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.run.execute import execute
from brainbench.run.plan import Item, ModelSpec, Plan, plan
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.storage.results import Results


def spec_of(model: object = None, **options: object) -> ModelSpec:
    """Return the spec of a model, or of a fake one with options."""
    given = FakeModel(**options) if model is None else model
    name = str(getattr(given, "name", "model"))
    return ModelSpec(name=name, make=lambda: check_model(given, name=name))


def context_of(model: object, benchmark: Benchmark, **settings: object) -> RunContext:
    """Return what one benchmark sees of a run."""
    completed: BrainModel = check_model(model, name="model")
    run = Run(Settings(**settings))
    return RunContext(benchmark=benchmark, run=run, model_run=ModelRun(completed))


def planned(
    *benchmarks: Benchmark,
    model: object = None,
    results: Path | None = None,
    overwrite: str = "only-missing",
    **settings: object,
) -> Plan:
    """Return the plan of one model."""
    return plan(
        spec_of(model),
        benchmarks,
        Run(Settings(**settings)),
        results=None if results is None else Results(results),
        overwrite=overwrite,
    )


def items(*benchmarks: Benchmark, **options: object) -> list[Item]:
    """Return the items of the plan of one model."""
    return list(planned(*benchmarks, **options).items)


def scores(
    specs: list[ModelSpec],
    benchmarks: list[Benchmark],
    *,
    results: Path | None = None,
    overwrite: str = "only-missing",
    **settings: object,
) -> Iterator[Score]:
    """Score models on benchmarks, one score at a time."""
    return execute(
        specs,
        benchmarks,
        Run(Settings(**settings)),
        results=None if results is None else Results(results),
        overwrite=overwrite,
    )
