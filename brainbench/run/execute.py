"""Scoring models on benchmarks: one extraction for all benchmarks of a model, each score stored at once.

Several processes and threads may score the same models on the same benchmarks into one results folder: each
score is claimed, looked for once more, computed and stored. Of threads, one at a time uses the networks.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from brainbench.core import progress, registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import BrainbenchError, CacheError, ScoringError
from brainbench.core.model import BrainModel
from brainbench.core.provenance import counting, record
from brainbench.core.score import Score, are_untrained
from brainbench.run.plan import (
    Extraction,
    ModelSpec,
    Overwrite,
    Plan,
    Task,
    extractions,
    failed_score,
    plan,
)
from brainbench.run.stored_scores import Place, figure_since, store
from brainbench.scoring.context import ModelRun, Run
from brainbench.scoring.pipeline import score_context
from brainbench.storage.cache import healed
from brainbench.storage.claims import Claim
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

ONE_AT_A_TIME = threading.RLock()
"""Held by the thread that makes, runs or scores a model: hooks, counters and files are those of one score."""
_TRACEBACK_LINES = 20


def execute(
    specs: Sequence[ModelSpec],
    benchmarks: Sequence[Benchmark],
    run: Run,
    *,
    results: Results | None = None,
    overwrite: Overwrite = "only-missing",
    raising: bool = False,
) -> Iterator[Score]:
    """Yield the score of every model on every benchmark, model by model; see `plan` for `overwrite`.

    A model or benchmark that fails gives a Score with a reason and stops nothing else; with `raising` the
    first one without a value ends the run by its error. Each finished score is stored at once, if there are
    `results`. What another process computes meanwhile is left to it: the others are computed first, and
    scores that follow are yielded once it is known.
    """
    execution = _Execution(run=run, results=results, overwrite=overwrite, raising=raising)
    ordered: deque[Score | _Postponed] = deque()
    for spec in specs:
        # Nothing of a model outlives its generator: it is gone before the next one is made.
        for outcome in execution.first_round(spec, benchmarks):
            ordered.append(outcome)
            while ordered and isinstance(first := ordered[0], Score):
                ordered.popleft()
                yield first
    for outcome in ordered:
        yield outcome if isinstance(outcome, Score) else execution.second_round(outcome)


@dataclass(frozen=True, kw_only=True)
class _Postponed:
    """A score that another process is computing."""

    spec: ModelSpec
    benchmark: Benchmark
    place: Place


@dataclass(frozen=True, kw_only=True)
class _Execution:
    """What is the same for all scores of a run; see `execute`."""

    run: Run
    results: Results | None
    overwrite: Overwrite
    raising: bool
    digests: dict[str, str] = field(default_factory=dict)  # of the models so far, by name

    def first_round(
        self, spec: ModelSpec, benchmarks: Sequence[Benchmark]
    ) -> Iterator[Score | _Postponed]:
        """Yield the score of a model on every benchmark, unless another process is computing it."""
        planned = self._planned(spec, benchmarks)
        if planned.tasks:
            self._note_shared_name(spec, planned.tasks[0].context.model_run)
        passes = _passes(planned)
        for item in planned.items:
            if item.score is not None:
                yield given(item.score, item.error, raising=self.raising)
            if item.task is not None:
                # A pass is recorded once, with the first score that it serves.
                serving = [entry for entry in passes if item.task in entry[0].tasks]
                passes = [entry for entry in passes if entry not in serving]
                score = self._claimed(item.task, sum(seconds for _, seconds in serving))
                yield score or _Postponed(
                    spec=spec, benchmark=item.benchmark, place=item.task.place
                )

    def _note_shared_name(self, spec: ModelSpec, model: ModelRun) -> None:
        """Note that a model has the name of another one: digits of the digest tell their scores apart."""
        name, digest = model.model.name, model.digest
        is_listed = name.partition("@")[0] in registry.entries("models")
        if self.digests.setdefault(name, digest) != digest or (
            is_listed and registry.is_file(spec.name)
        ):
            progress.current().note(
                f"{spec.name}: another model is named {name} too. Only digits of its digest, {digest[:8]}, "
                "tell its scores apart: give it a name of its own with wrap(name=...)"
            )

    def second_round(self, postponed: _Postponed) -> Score:
        """Return the score of another process once it is stored; compute it if that process did not."""
        results, place = self.results, postponed.place
        assert results is not None  # noqa: S101  # nothing is claimed without
        with results.claims.wait(place.key, what=f"{place.model} on {place.benchmark}") as claim:
            score = figure_since(place, results)
            if score is not None:
                return score
            [item] = self._planned(postponed.spec, [postponed.benchmark]).items
            if item.task is None:
                assert item.score is not None  # noqa: S101  # an item has one of the two
                return given(item.score, item.error, raising=self.raising)
            return self._computed(item.task, 0.0, claim)

    def _planned(self, spec: ModelSpec, benchmarks: Sequence[Benchmark]) -> Plan:
        with ONE_AT_A_TIME, progress.current().task(f"{spec.name}: network and data", None):
            return plan(spec, benchmarks, self.run, results=self.results, overwrite=self.overwrite)

    def _claimed(self, task: Task, shared_seconds: float) -> Score | None:
        """Return the score of a task, found or computed; None if another process is at it."""
        if self.results is None:
            return self._computed(task, shared_seconds, None)
        try:
            claim = self.results.claims.claim(task.place.key)
        except CacheError as error:  # a disk that is full: the score is still worth showing
            log.warning("%s is not claimed: %s", task.place.benchmark, error)
            return self._computed(task, shared_seconds, None)
        if claim is None:
            return None
        with claim:
            score = figure_since(task.place, self.results)
            return score or self._computed(task, shared_seconds, claim)

    def _computed(self, task: Task, shared_seconds: float, claim: Claim | None) -> Score:
        label = f"{task.place.model} on {task.place.benchmark}"
        with ONE_AT_A_TIME, progress.current().task(label, None):
            score, error = _score(task, shared_seconds=shared_seconds)
        if claim is not None and self.results is not None and not claim.held():
            progress.current().note(
                f"{score.model} on {score.benchmark}: another process has taken over"
            )
            score = figure_since(task.place, self.results) or score
        if score.file is None:
            score = store(score, task.place, self.results)
        return given(score, error, raising=self.raising)


def given(score: Score, error: Exception | None, *, raising: bool) -> Score:
    """Return a score; with `raising` one without a value is an error."""
    if score.value is not None or not raising:
        return score
    if isinstance(error, BrainbenchError):
        error.add_note(f"while scoring {score.model} on {score.benchmark}")
        raise error
    raise ScoringError(
        f"{score.model} on {score.benchmark} has no score: {score.reason}",
        allowed="a model and a benchmark that give a value",
        todo="mend the cause, or give errors='ignore' for a Score with the reason",
    ) from error


def _passes(planned: Plan) -> list[tuple[Extraction, float]]:
    """Show a model every stimulus set once; return the extractions with their forward time, s."""
    if planned.model is None:
        return []
    _note_untrained(planned.model)
    with ONE_AT_A_TIME:
        return [
            (extraction, _extract(planned.model, extraction))
            for extraction in extractions(planned.tasks)
        ]


def _note_untrained(model: BrainModel) -> None:
    if are_untrained(model.weights):
        progress.current().note(
            f"{model.name}: weights are seeded random numbers, nothing here is trained"
        )


def _extract(model: BrainModel, extraction: Extraction) -> float:
    """Ask for all layers at once, so that the cache holds them for every benchmark; return forward time, s.

    What fails here fails again for the benchmarks that need it, which then say so.
    """
    with counting() as costs:
        try:
            model.activations(extraction.stimuli, extraction.layers, extraction.presentation)
        except Exception:
            log.debug("joint extraction failed for %s", model.name, exc_info=True)
    return costs.forward_seconds


def _score(task: Task, *, shared_seconds: float) -> tuple[Score, Exception | None]:
    """Return the score of a task, and why it has no value if an error is the reason."""
    context, began = task.context, time.perf_counter()
    benchmark, model, settings = context.benchmark, context.model, context.settings
    caught = None
    with counting() as costs:
        try:
            score = healed(partial(score_context, context))
        except Exception as error:
            caught = error
            log.debug("%s on %s failed", model.name, benchmark.identifier, exc_info=True)
            hashes = {"model": context.model_run.digest, "data": context.data_version}
            score = failed_score(
                error,
                benchmark,
                context.run,
                model=model.name,
                weights=model.weights,
                record=record(
                    seeds={"run": settings.seed}, hashes=hashes, failure=_described(error)
                ),
            )
    recorded = score.recording(
        seconds=round(time.perf_counter() - began, 3),
        forward_seconds=round(costs.forward_seconds + shared_seconds, 3),
        settings={**vars(settings), "layers": dict(settings.layers)},
    )
    return recorded, caught


def _described(error: Exception) -> dict[str, str]:
    """Return type, message and last lines of the traceback of an error, for the record."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "\n".join(lines[-_TRACEBACK_LINES:]),
    }
