"""Scoring models on benchmarks: one extraction for all benchmarks of a model, each score stored at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import CacheError
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
from brainbench.scoring.context import Run
from brainbench.scoring.pipeline import score_context
from brainbench.storage.cache import healed
from brainbench.storage.results import Results

log = logging.getLogger(__name__)


def execute(
    specs: Sequence[ModelSpec],
    benchmarks: Sequence[Benchmark],
    run: Run,
    *,
    results: Results | None = None,
    overwrite: Overwrite = "only-missing",
) -> Iterator[Score]:
    """Yield the score of every model on every benchmark, model by model; see `plan` for `overwrite`.

    A model or benchmark that fails gives a Score with a reason and stops nothing else. Each finished score is
    stored at once, if there are `results`.
    """
    for spec in specs:
        # Nothing of a model outlives its generator: it is gone before the next one is made.
        yield from _scores(
            plan(spec, benchmarks, run, results=results, overwrite=overwrite), results
        )


def _scores(planned: Plan, results: Results | None) -> Iterator[Score]:
    passes: list[tuple[Extraction, float]] = []
    if planned.model is not None:
        _note_untrained(planned.model)
        passes = [
            (extraction, _extract(planned.model, extraction))
            for extraction in extractions(planned.tasks)
        ]
    for item in planned.items:
        if item.score is not None:
            yield item.score
        if item.task is not None:
            # A pass is recorded once, with the first score that it serves.
            serving = [entry for entry in passes if item.task in entry[0].tasks]
            passes = [entry for entry in passes if entry not in serving]
            score = _score(item.task, shared_seconds=sum(seconds for _, seconds in serving))
            yield _store(score, item.task.key, results)


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


def _score(task: Task, *, shared_seconds: float) -> Score:
    context, began = task.context, time.perf_counter()
    benchmark, model, settings = context.benchmark, context.model, context.settings
    with counting() as costs:
        try:
            score = healed(partial(score_context, context))
        except Exception as error:
            log.debug("%s on %s failed", model.name, benchmark.identifier, exc_info=True)
            hashes = {"model": context.model_run.digest, "data": context.data_version}
            score = failed_score(
                error,
                benchmark,
                context.run,
                model=model.name,
                weights=model.weights,
                record=record(seeds={"run": settings.seed}, hashes=hashes),
            )
    return score.recording(
        seconds=round(time.perf_counter() - began, 3),
        forward_seconds=round(costs.forward_seconds + shared_seconds, 3),
        settings={**vars(settings), "layers": dict(settings.layers)},
    )


def _store(score: Score, key: str, results: Results | None) -> Score:
    """Store a score with a value or a failure; what does not apply or has no data is no result."""
    if results is None or score.status not in ("scored", "failed"):
        return score
    try:
        return results.save(score, key=key)
    except CacheError as error:  # what took hours to compute is shown even if it cannot be stored
        log.error("%s on %s is not stored: %s", score.model, score.benchmark, error)
        return score
