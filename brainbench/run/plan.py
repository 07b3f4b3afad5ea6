"""What there is to do for one model: which benchmarks are stored, to be computed, or without data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from brainbench.data.manifest import source
from brainbench.errors import BrainbenchError
from brainbench.interfaces import Benchmark, BrainModel, Needs, Settings
from brainbench.provenance import sha256
from brainbench.scores import Score

Overwrite = Literal["never", "only-missing", "always"]
OVERWRITE: tuple[Overwrite, ...] = ("never", "only-missing", "always")
Find = Callable[[BrainModel, Benchmark, str], Score | None]
State = Literal["stored", "to do", "data not here", "cannot run"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One benchmark for one model.

    Parameters
    ----------
    benchmark : Benchmark
        What to score.
    key : str
        SHA-256 of all that the score depends on; empty where it cannot be computed.
    state : str
        "stored", "to do", "data not here" or "cannot run".
    stored : Score or None
        The score, where it is stored.
    needs : Needs or None
        What the model will be asked for, where there is something to do.
    reason : str or None
        Why it cannot run, or how to get the data.
    """

    benchmark: Benchmark
    key: str
    state: State
    stored: Score | None = None
    needs: Needs | None = None
    reason: str | None = None


def plan(
    model: BrainModel,
    benchmarks: Sequence[Benchmark],
    settings: Settings,
    *,
    find: Find,
    overwrite: Overwrite,
) -> list[Item]:
    """State of every benchmark for a model, in order.

    Parameters
    ----------
    model : BrainModel
        Which model.
    benchmarks : sequence of Benchmark
        What to score it on.
    settings : Settings
        Protocol, seed, layers, limit.
    find : callable
        `find(model, benchmark, key)` gives the stored score or None.
    overwrite : {"never", "only-missing", "always"}
        Keep every stored result, failed ones too; compute again what has no value; compute all again.
    """
    return [_item(model, benchmark, settings, find, overwrite) for benchmark in benchmarks]


def _item(
    model: BrainModel, benchmark: Benchmark, settings: Settings, find: Find, overwrite: Overwrite
) -> Item:
    data = source(benchmark.data)
    absent = data.absent()
    if absent:
        reason = f"data not here: {absent}; get it with `{data.command}`"
        return Item(benchmark=benchmark, key="", state="data not here", reason=reason)
    key = identity(model, benchmark, settings)
    stored = None if overwrite == "always" else find(model, benchmark, key)
    if stored is not None and (overwrite == "never" or not stored.failed):
        return Item(benchmark=benchmark, key=key, state="stored", stored=stored)
    try:
        needs = benchmark.needs(model, settings)
    except BrainbenchError as error:
        return Item(benchmark=benchmark, key=key, state="cannot run", reason=str(error))
    return Item(benchmark=benchmark, key=key, state="to do", needs=needs)


def identity(model: BrainModel, benchmark: Benchmark, settings: Settings) -> str:
    """SHA-256 of everything that a score depends on."""
    layer = settings.layers.get(benchmark.region, "")
    declared = {
        "benchmark": [benchmark.identifier, benchmark.version, repr(benchmark.procedure)],
        "data": source(benchmark.data).version,
        "model": [model.name, model.digest],
        "settings": [settings.protocol, settings.seed, layer, settings.limit],
        "clocks": {name: repr(clock) for name, clock in sorted(model.clocks.items())},
    }
    return sha256(json.dumps(declared, sort_keys=True))
