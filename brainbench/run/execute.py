"""Doing what a plan says: one extraction for all benchmarks of a model, each score handed on at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from brainbench import progress
from brainbench.data.manifest import source
from brainbench.errors import BrainbenchError
from brainbench.interfaces import Benchmark, BrainModel, Needs, Settings
from brainbench.provenance import Costs, counting, record
from brainbench.run.plan import Find, Item, Overwrite, plan
from brainbench.scores import Score, failure

log = logging.getLogger(__name__)
Sink = Callable[[Score, str], Score]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that is made when its turn comes, so that one model at a time is in memory.

    Parameters
    ----------
    name : str
        As the user wrote it.
    make : callable
        Makes the model.
    """

    name: str
    make: Callable[[], BrainModel]


def execute(
    specs: Sequence[ModelSpec],
    benchmarks: Sequence[Benchmark],
    settings: Settings,
    *,
    find: Find,
    sink: Sink,
    overwrite: Overwrite,
) -> Iterator[Score]:
    """Score every model on every benchmark, model by model.

    A model or benchmark that fails gives a Score with a reason and stops nothing else.

    Parameters
    ----------
    specs : sequence of ModelSpec
        Models to make.
    benchmarks : sequence of Benchmark
        What to score them on.
    settings : Settings
        Protocol, seed, layers, limit.
    find : callable
        `find(model, benchmark, key)` gives the stored score or None.
    sink : callable
        `sink(score, key)` takes every finished score as soon as it exists, and returns it as stored.
    overwrite : {"never", "only-missing", "always"}
        See `plan`.

    Yields
    ------
    Score
        In the order of models, then benchmarks.
    """
    for spec in specs:
        try:
            model = spec.make()
            items = plan(model, benchmarks, settings, find=find, overwrite=overwrite)
        except Exception as error:
            log.debug("model %s failed", spec.name, exc_info=True)
            reason = _reason(error)
            yield from (_failed(spec.name, "", b, settings, reason) for b in benchmarks)
            continue
        yield from _run(model, items, settings, sink)


def _run(
    model: BrainModel, items: Sequence[Item], settings: Settings, sink: Sink
) -> Iterator[Score]:
    if model.weights.startswith("untrained"):
        progress.current().note(
            f"{model.name}: weights are seeded random numbers, nothing here is trained"
        )
    costs = _extract_together(model, [item.needs for item in items if item.needs])
    for item in items:
        if item.stored is not None:
            yield item.stored
        elif item.needs is None:
            absent = item.state == "data not here"
            reason = item.reason or item.state
            yield _failed(
                model.name, model.weights, item.benchmark, settings, reason, absent=absent
            )
        else:
            score = _score(model, item.benchmark, settings, costs)
            yield sink(score, item.key)


def _extract_together(model: BrainModel, needs: Sequence[Needs]) -> Costs:
    """Ask for all layers over the same stimuli at once, so that the cache holds them for every benchmark."""
    with counting() as costs:
        groups: dict[tuple[str, str], list[Needs]] = {}
        for need in needs:
            groups.setdefault((need.stimuli.digest, repr(need.presentation)), []).append(need)
        for group in groups.values():
            layers = list(dict.fromkeys(layer for need in group for layer in need.layers))
            try:
                model.activations(group[0].stimuli, layers, group[0].presentation)
            except BrainbenchError:
                # Each benchmark asks again for its own layers, and only those that fail say so.
                log.debug("joint extraction failed for %s", model.name, exc_info=True)
    return costs


def _score(model: BrainModel, benchmark: Benchmark, settings: Settings, shared: Costs) -> Score:
    began = time.perf_counter()
    with counting() as own:
        try:
            score = benchmark.score(model, settings)
        except Exception as error:
            log.debug("%s on %s failed", model.name, benchmark.identifier, exc_info=True)
            made = record(
                seeds={"run": settings.seed},
                hashes={"model": model.digest, "data": source(benchmark.data).version},
            )
            reason = _reason(error)
            score = _failed(model.name, model.weights, benchmark, settings, reason, record=made)
    seconds = time.perf_counter() - began
    forward = own.forward_seconds + shared.forward_seconds
    return score.costing(seconds=seconds, forward_seconds=forward)


def _failed(
    name: str, weights: str, benchmark: Benchmark, settings: Settings, reason: str, **more: Any
) -> Score:
    return replace(
        failure(
            model=name,
            weights=weights,
            benchmark=benchmark.identifier,
            version=benchmark.version,
            protocol=settings.protocol,
            reason=reason,
            **more,
        ),
        partial=settings.limit is not None,
        simulated=source(benchmark.data).simulated,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, BrainbenchError):
        return str(error)
    return f"{type(error).__name__}: {error} (run with -v for the traceback)"
