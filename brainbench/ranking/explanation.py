"""Why two scores of one model and benchmark differ: which entries of their records are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import PRECISIONS

_ENTRIES = (
    ("model", "weights", "name of the weights"),
    ("model", "hashes.model", "weights, code, structure or preprocessing (digest)"),
    ("data", "version", "version of the benchmark"),
    ("data", "hashes.data", "version of the data"),
    ("data", "hashes.stimuli", "images (SHA-256)"),
    ("data", "hashes.target", "responses (SHA-256)"),
    ("choices", "protocol", "protocol"),
    ("choices", "formula", "formula"),
    ("choices", "settings", "setting"),
    ("choices", "seeds", "seed"),
    ("choices", "presentation", "presentation"),
    ("choices", "clock", "clock"),
    ("choices", "choices", "choice of the measure"),
    ("outcome", "layer", "selected layer"),
    ("outcome", "step", "selected step"),
    ("outcome", "n_stimuli", "number of images"),
    ("outcome", "n_units", "number of units"),
    ("machine", "precision", "precision"),
    ("machine", "device", "device"),
    ("machine", "packages", "version of"),
    ("machine", "brainbench", "version of brainbench"),
    ("machine", "commit", "commit of brainbench"),
    ("machine", "python", "version of Python"),
    ("machine", "platform", "platform"),
)
"""Kind, entry and words, in the order in which they explain a difference."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An entry that differs between two scores; None where one of them does not have it."""

    kind: str  # model, data, choices, outcome or machine
    entry: str
    first: Any
    second: Any


def explain(first: Score, second: Score) -> list[Difference]:
    """Return which entries of the records of two scores differ, likely causes first.

    Raises
    ------
    InputError
        Scores of two benchmarks, or of two models.
    """
    benchmarks = {score.benchmark for score in (first, second)}
    models = {base_of(score) for score in (first, second)}
    if len(benchmarks) > 1 or len(models) > 1:
        named = " and ".join(f"{score.model} on {score.benchmark}" for score in (first, second))
        raise InputError(
            named,
            allowed="two scores of one model on one benchmark",
            todo="compare models with `brainbench compare`; `brainbench results list` shows the scores",
        )
    return [
        difference
        for kind, entry, words in _ENTRIES
        for difference in _differences(kind, words, _entry(first, entry), _entry(second, entry))
    ]


def base_of(score: Score) -> str:
    """Return the name of a model without its weights and precision."""
    name = score.model
    for precision in PRECISIONS:
        name = name.removesuffix(f"+{precision}")
    return name.partition("@")[0]


def _entry(score: Score, path: str) -> Any:
    if path in ("layer", "step"):
        return getattr(score.selection, path)
    if path in Score.__dataclass_fields__:
        return getattr(score, path)
    value: Any = {} if score.record is None else score.record.model_dump()
    for name in path.split("."):
        value = value.get(name)
    return value


def _differences(kind: str, words: str, one: Any, other: Any) -> Iterator[Difference]:
    """Yield what differs; of mappings each key by itself."""
    if one == other:
        return
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        one, other = one or {}, other or {}
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                entry = f"{words} {key.replace('_', ' ')}"
                yield Difference(kind=kind, entry=entry, first=one.get(key), second=other.get(key))
        return
    yield Difference(kind=kind, entry=words, first=one, second=other)
