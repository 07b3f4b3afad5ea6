"""Doing what a plan says: one extraction for all benchmarks of a model, each score handed on at once."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.model import BrainModel
from brainbench.core.provenance import Costs, Record, counting, record
from brainbench.core.score import Score, are_untrained, failure
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.run.plan import Find, Item, Overwrite, plan, reason_of

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
    named : bool
        The name says all about the model: another spec of this name makes the same.
    """

    name: str
    make: Callable[[], BrainModel]
    named: bool = False


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
        yield from _one(spec, benchmarks, settings, find, sink, overwrite)


def _one(
    spec: ModelSpec,
    benchmarks: Sequence[Benchmark],
    settings: Settings,
    find: Find,
    sink: Sink,
    overwrite: Overwrite,
) -> Iterator[Score]:
    # A generator of its own, so that one model is gone before the next is made.
    try:
        model = spec.make()
        items = plan(model, benchmarks, settings, find=find, overwrite=overwrite)
    except Exception as error:
        log.debug("model %s failed", spec.name, exc_info=True)
        reason = reason_of(error)
        yield from [_failed(spec.name, "", one, settings, reason) for one in benchmarks]
        return
    yield from _run(model, items, settings, sink)


def _run(
    model: BrainModel, items: Sequence[Item], settings: Settings, sink: Sink
) -> Iterator[Score]:
    if are_untrained(model.weights):
        progress.current().note(
            f"{model.name}: weights are seeded random numbers, nothing here is trained"
        )
    costs = _extract_together(model, [item.needs for item in items if item.needs])
    for item in items:
        if item.stored is not None:
            yield item.stored
        elif item.needs is None:
            yield _failed(
                model.name,
                model.weights,
                item.benchmark,
                settings,
                item.reason or item.state,
                absent=item.state == "data not here",
                inapplicable=item.state == "does not apply",
            )
        else:
            score = _score(model, item.benchmark, settings, costs)
            yield sink(score, item.key)


def _extract_together(model: BrainModel, needs: Sequence[Needs]) -> Costs:
    """Ask for all layers over the same stimuli at once, so that the cache holds them for every benchmark.

    What fails here fails again for the benchmarks that need it, and only they say so.
    """
    groups: dict[tuple[str, str], list[tuple[StimulusSet, Needs]]] = {}
    with counting() as costs:
        for need in needs:
            with _logged(model):
                for part in need.parts:
                    groups.setdefault(need.shared_by(part), []).append((part, need))
        for members in groups.values():
            stimuli, first = members[0]
            layers = list(dict.fromkeys(layer for _, need in members for layer in need.layers))
            with _logged(model):
                model.activations(stimuli, layers, first.presentation)
    return costs


@contextlib.contextmanager
def _logged(model: BrainModel) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.debug("joint extraction failed for %s", model.name, exc_info=True)


def _score(model: BrainModel, benchmark: Benchmark, settings: Settings, shared: Costs) -> Score:
    began = time.perf_counter()
    with counting() as own:
        try:
            score = benchmark.score(model, settings)
        except Exception as error:
            log.debug("%s on %s failed", model.name, benchmark.identifier, exc_info=True)
            made = _provenance(model, benchmark, settings)
            reason = reason_of(error)
            score = _failed(model.name, model.weights, benchmark, settings, reason, record=made)
    seconds = time.perf_counter() - began
    forward = own.forward_seconds + shared.forward_seconds
    return score.recording(
        seconds=round(seconds, 3),
        forward_seconds=round(forward, 3),
        settings={**vars(settings), "layers": dict(settings.layers)},
    )


def _provenance(model: BrainModel, benchmark: Benchmark, settings: Settings) -> Record | None:
    with contextlib.suppress(Exception):  # what fails here has failed before, with its reason
        hashes = {"model": model.digest, "data": open_dataset(benchmark.data).version}
        return record(seeds={"run": settings.seed}, hashes=hashes)
    return None


def _failed(
    name: str, weights: str, benchmark: Benchmark, settings: Settings, reason: str, **more: Any
) -> Score:
    return failure(
        model=name,
        weights=weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        reason=reason,
        partial=settings.limit is not None,
        simulated=_simulated(benchmark),
        **more,
    )


def _simulated(benchmark: Benchmark) -> bool:
    try:
        return open_dataset(benchmark.data).simulated
    except Exception:  # data that cannot be loaded is the reason of the failure already
        return False
