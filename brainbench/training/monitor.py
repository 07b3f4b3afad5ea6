"""Choice of the epoch by brain score: the network under training is scored at each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.model import BrainModel, ChosenBy, check_model
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.models.wrapped_model import WrappedModel, wrapped
from brainbench.ranking.composites_of_run import composites_of_run
from brainbench.run.execute import execute
from brainbench.run.plan import ModelSpec, plan
from brainbench.run.resolve import Job
from brainbench.scoring.context import Run
from brainbench.stats.composite import Composite
from brainbench.storage import cache as caches
from brainbench.storage.files import remove
from brainbench.training.loop import Monitored

_WEIGHTS = "under training"
_SETTINGS = Settings(null="none")  # the null changes neither value nor interval


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainMonitor:
    """A benchmark, or a composite of several, on which a network is scored while it is trained.

    Parameters
    ----------
    name : str
        Of the benchmark or composite.
    model : WrappedModel
        Its network is the one that is trained.
    benchmarks : sequence of Benchmark
        The benchmark, or the members of the composite.
    composite : Composite or None
        What is made of them.
    run : Run
        Data sets, opened once, and figures of the brain alone, computed once.
    folder : path
        Of the activations of a check, which are removed after it.
    """

    name: str
    model: WrappedModel
    benchmarks: Sequence[Benchmark]
    composite: Composite | None
    run: Run
    folder: Path

    @classmethod
    def of(cls, name: str, model: BrainModel, *, device: str, folder: Path) -> BrainMonitor:
        """Return the monitor of a benchmark or composite, given by name.

        Raises
        ------
        UnknownNameError
            No such benchmark.
        InputError
            Several benchmarks, or a model that `brainbench.wrap` has not made.
        NotApplicableError, DataAbsentError, ...
            A benchmark on which the model cannot be scored.
        """
        own = wrapped(model)
        if own is None:
            raise InputError(
                f"--monitor {name} for {model.name}, a {type(model).__name__}",
                allowed="a model that brainbench.wrap makes",
                todo="wrap the network, or omit --monitor",
            )
        job = Job.of(model, name, _SETTINGS)
        if len(job.benchmarks) != 1 and len(job.composites) != 1:
            raise InputError(
                f"--monitor {name}, which are {len(job.benchmarks)} benchmarks",
                allowed="one benchmark or one composite",
                todo="name one, as --monitor Simulated.IT-pls",
            )
        monitor = cls(
            name=name,
            model=replace(own.on(device=device, batch_size=own.batch_size), weights=_WEIGHTS),
            benchmarks=job.benchmarks,
            composite=next(iter(job.composites), None),
            run=Run(_SETTINGS),
            folder=folder,
        )
        monitor._check()
        return monitor

    def _check(self) -> None:
        """Raise why the model cannot be scored on one of the benchmarks."""
        for item in plan(self._spec(), self.benchmarks, self.run).items:
            if item.error is not None:
                if isinstance(item.error, BrainbenchError):
                    item.error.add_note(f"for --monitor {self.name}")
                raise item.error

    def _spec(self) -> ModelSpec:
        cache = replace(caches.default(), folder=self.folder)
        given = replace(self.model, cache=cache, pinned_digest=None, confirmed=set())
        model = check_model(given, name=given.name)
        return ModelSpec(name=model.name, make=lambda: model)

    @cached_property
    def recordings(self) -> tuple[tuple[str, str], ...]:
        """Data set and region of each benchmark."""
        pairs = [(self.run.dataset(one).name, one.region) for one in self.benchmarks]
        return tuple(dict.fromkeys(pairs))

    @property
    def chosen_by(self) -> ChosenBy:
        """What the model says once its epoch is chosen."""
        return ChosenBy(benchmark=self.name, recordings=self.recordings)

    def identity(self) -> Mapping[str, Any]:
        """Return, in plain values, what the figures depend on beside the network."""
        return {
            "name": self.name,
            "versions": {one.identifier: one.version for one in self.benchmarks},
            "data": {
                self.run.dataset(one).name: self.run.version(self.run.dataset(one))
                for one in self.benchmarks
            },
        }

    def figure(self) -> Monitored:
        """Return the score of the network as it is, with its interval; without value where it has none."""
        remove(self.folder)  # of a process that was killed
        try:
            scores = list(execute([self._spec()], self.benchmarks, self.run))
        finally:
            remove(self.folder)
        for score in scores:
            if score.value is None:
                progress.current().note(f"no {score.benchmark} at this check: {score.reason}")
        return self._of_composite(scores) if self.composite else _of_score(scores[0])

    def _of_composite(self, scores: Sequence[Score]) -> Monitored:
        assert self.composite is not None  # noqa: S101  # the caller has looked
        [(_, row)] = composites_of_run(scores, [self.composite])
        low, high = row.combined.ci or (None, None)
        return Monitored(value=row.combined.value, low=low, high=high)


def _of_score(score: Score) -> Monitored:
    low, high = score.ci or (None, None)
    return Monitored(value=score.value, low=low, high=high)
