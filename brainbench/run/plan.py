"""What there is to do for one model: which benchmarks are stored, to be computed, or without data."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.errors import BrainbenchError, NotApplicableError
from brainbench.core.model import BrainModel
from brainbench.core.provenance import sha256
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset

log = logging.getLogger(__name__)

Overwrite = Literal["never", "only-missing", "always"]
OVERWRITE: tuple[Overwrite, ...] = ("never", "only-missing", "always")
Find = Callable[[BrainModel, Benchmark, str], Score | None]
State = Literal["stored", "to do", "data not here", "does not apply", "cannot run"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One benchmark for one model.

    Parameters
    ----------
    benchmark : Benchmark
        What to score.
    state : {"stored", "to do", "data not here", "does not apply", "cannot run"}
        What there is to do.
    key : str
        SHA-256 of all that the score depends on; empty where it is not needed.
    stored : Score or None
        The score, where it is stored.
    needs : Needs or None
        What the model will be asked for, where there is something to do.
    reason : str or None
        Why it cannot run or does not apply, or how to get the data.
    """

    benchmark: Benchmark
    state: State
    key: str = ""
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
    digest = model.digest  # hashing the weights takes a while: once for all benchmarks
    items = []
    for benchmark in benchmarks:
        try:
            items.append(_item(model, digest, benchmark, settings, find, overwrite))
        except NotApplicableError as error:
            items.append(Item(benchmark=benchmark, state="does not apply", reason=str(error)))
        except Exception as error:  # one that cannot run does not take the others with it
            log.debug("%s on %s cannot run", model.name, benchmark.identifier, exc_info=True)
            items.append(Item(benchmark=benchmark, state="cannot run", reason=reason_of(error)))
    return items


def _item(
    model: BrainModel,
    digest: str,
    benchmark: Benchmark,
    settings: Settings,
    find: Find,
    overwrite: Overwrite,
) -> Item:
    data = open_dataset(benchmark.data)
    absent = data.absent()
    if absent:
        reason = f"data not here: {absent}; get it with `{data.command}`"
        return Item(benchmark=benchmark, state="data not here", reason=reason)
    key = identity(model, digest, benchmark, settings)
    stored = None if overwrite == "always" else find(model, benchmark, key)
    if stored is not None and (overwrite == "never" or not stored.failed):
        return Item(benchmark=benchmark, key=key, state="stored", stored=stored)
    needs = benchmark.needs(model, settings)
    return Item(benchmark=benchmark, key=key, state="to do", needs=needs)


def identity(model: BrainModel, digest: str, benchmark: Benchmark, settings: Settings) -> str:
    """SHA-256 of everything that a score depends on.

    Parameters
    ----------
    model : BrainModel
        Which model, with its layers and clocks.
    digest : str
        The model's digest.
    benchmark : Benchmark
        Which benchmark; its version stands for its code, the rest is looked at too.
    settings : Settings
        Every choice of the run; of the layers only the one for the benchmark's region.
    """
    data = open_dataset(benchmark.data)
    region = benchmark.region
    shown = benchmark.presentation.accepted_by(model.presentations)
    # Where a class does not say what it is, its address is no part of what it is.
    procedure = re.sub(r" at 0x[0-9a-f]+", "", repr(benchmark.measure))
    declared = {
        "benchmark": [benchmark.identifier, benchmark.version, region, benchmark.window, procedure],
        "data": [data.name, data.version],
        "model": [model.name, digest, list(model.areas.get(region, ()))],
        "shown": repr(shown),
        "settings": {
            **{one.name: getattr(settings, one.name) for one in fields(settings)},
            "layers": settings.layers.get(region),
        },
        "clocks": [[name, repr(clock)] for name, clock in model.clocks.items()],
    }
    return sha256(json.dumps(declared, sort_keys=True))


def reason_of(error: Exception) -> str:
    """What a score that could not be computed says about why."""
    if isinstance(error, BrainbenchError):
        return str(error)
    return f"{type(error).__name__}: {error} (run with -v for the traceback)"
