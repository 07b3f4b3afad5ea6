"""An index of a results folder: what tables need of every score, in one file beside the scores.

It saves reading each score again, and is never the truth: an entry counts only as long as the file of its
score has the same inode, size and times, all others are read from their files, and an index that is damaged,
of another version or not writable is as none. It has neither draws nor units: `Results.read` has them.

It is kept by columns, each of which names its distinct values once and has the number of one for each score:
JSON of 50,000 scores is read in a third of the time, and values that are alike are one object.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import repeat
from pathlib import Path
from typing import Any, TypeAlias

import xxhash

import brainbench
from brainbench.core.collection import without_collection
from brainbench.core.errors import CacheError, InputError
from brainbench.core.provenance import Record
from brainbench.core.score import Score, Selection
from brainbench.core.settings import Settings
from brainbench.storage import files
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

NAME = ".index"
_FORMAT = f"brainbench index 2 of {brainbench.__version__}"
_LARGE = ("per_unit", "predictions", "draws", "joint_draws", "figures", "null", "excluded")
_OF_SCORE = [field.name for field in fields(Score) if field.name not in (*_LARGE, "record", "file")]
_OF_RECORD = ("created", "device", "precision", "seconds", "forward_seconds", "hashes", "settings")
_PAIRS = ("ci", "ceiling_ci")
_DEFAULTS = vars(Settings())

_DEFAULT_VALUES: dict[str, Any] = {
    field.name: None if field.default is MISSING else field.default for field in fields(Score)
} | {"figures": {}, "excluded": {}}
_NOT_KEPT = Record(
    created="",
    brainbench="",
    commit=None,
    python="",
    platform="",
    packages={},
    seeds={},
    hashes={},
).__dict__
_FIELDS_SET = set(_NOT_KEPT)

_Stamp: TypeAlias = tuple[int, int, int, int]
_Entry: TypeAlias = tuple[_Stamp | None, Score]
_Column: TypeAlias = tuple[Sequence[Any], Sequence[int]]
"""Distinct values, and for each score the number of its own; without numbers where all have the same."""


@dataclass(frozen=True)
class Indexed:
    """The scores of a folder without what is large, and what is wrong with files that are no scores."""

    scores: tuple[Score, ...]
    unreadable: tuple[str, ...]


def indexed(results: Results) -> Indexed:
    """Return every score of a folder, without draws, units, predictions and further figures.

    Their records have the settings that are not the defaults, and the hashes.
    """
    with without_collection():
        return _indexed(results)


def _indexed(results: Results) -> Indexed:
    known = _read(results.folder)
    entries: dict[str, _Entry] = {}
    unreadable = results.unreadable_folders()
    n_new = 0
    for name, stamp in _listed(results.folder):
        entry = known.get(name)
        if entry is None or entry[0] != stamp:
            try:
                entry = (stamp, _summary(results.read(results.folder / name)))
            except InputError as error:  # one broken file does not hide the others
                unreadable.append(error.got)
                continue
            n_new += 1
        entries[name] = entry
    if n_new or known.keys() != entries.keys():
        _write(results.folder, entries)
    scores = tuple(score for _, score in entries.values())
    return Indexed(scores=scores, unreadable=tuple(unreadable))


def _listed(folder: Path) -> Iterator[tuple[str, _Stamp | None]]:
    """Yield every file that should be a score, by benchmark and model, with what changes if it is written."""
    with contextlib.suppress(OSError, ValueError):  # a path with a null byte
        for benchmark in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            with contextlib.suppress(OSError), os.scandir(folder / benchmark) as found:
                listed = ((one.name, _stamp(one)) for one in found if one.name.endswith(".json"))
                for name, stamp in sorted(listed):
                    yield f"{benchmark}/{name}", stamp


def _stamp(entry: os.DirEntry[str]) -> _Stamp | None:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _summary(score: Score) -> Score:
    """Return a score with what the index keeps of it."""
    values = {name: getattr(score, name) for name in _OF_SCORE}
    values["selection"] = Selection(layer=score.selection.layer, step=score.selection.step)
    if score.record is not None:
        given = score.record.settings
        kept = {name: getattr(score.record, name) for name in _OF_RECORD}
        kept["settings"] = {k: v for k, v in given.items() if v != _DEFAULTS.get(k)}
        values["record"] = _record({**_NOT_KEPT, **kept})
    return _score({**_DEFAULT_VALUES, **values, "file": score.file})


def _score(values: dict[str, Any]) -> Score:
    """Return a score of values that were checked when its file was read; for 50,000 each check counts."""
    score = object.__new__(Score)
    object.__setattr__(score, "__dict__", values)
    return score


def _record(values: dict[str, Any]) -> Record:
    """Return a record of values that were checked, six times as fast as `model_construct` does."""
    record = Record.__new__(Record)
    object.__setattr__(record, "__dict__", values)
    object.__setattr__(record, "__pydantic_fields_set__", _FIELDS_SET)
    object.__setattr__(record, "__pydantic_extra__", None)
    object.__setattr__(record, "__pydantic_private__", None)
    return record


def _read(folder: Path) -> dict[str, _Entry]:
    """Return the entries of the index by the path of their files; nothing where it cannot be used."""
    try:
        header, _, body = (folder / NAME).read_bytes().partition(b"\n")
        if header != _header(body):
            return {}
        names, stamps, of_scores, of_records = json.loads(body)
        scores = _scores(folder, names, of_scores, of_records)
        entries = zip(map(tuple, zip(*stamps, strict=True)), scores, strict=True)
        return dict(zip(names, entries, strict=True))
    except (OSError, ValueError, TypeError, LookupError):
        return {}


def _scores(
    folder: Path, names: Sequence[str], of_scores: Sequence[_Column], of_records: Sequence[_Column]
) -> Iterator[Score]:
    """Yield the score of each name, from the columns of scores and of their records."""
    columns = dict(zip(_OF_SCORE, of_scores, strict=True))
    for pair in _PAIRS:
        distinct, numbers = columns[pair]
        columns[pair] = [None if one is None else tuple(one) for one in distinct], numbers
    distinct, numbers = columns["selection"]
    columns["selection"] = [Selection(layer=layer, step=step) for layer, step in distinct], numbers
    alike, varying = _by_variation(columns, len(names))
    alike = {**_DEFAULT_VALUES, **alike}
    records = _records(dict(zip(_OF_RECORD, of_records, strict=True)), len(names))
    for name, record, row in zip(names, records, zip(*varying.values(), strict=True), strict=True):
        own = dict(zip(varying, row, strict=True))
        yield _score({**alike, **own, "file": f"{folder}/{name}", "record": record})


def _records(columns: Mapping[str, _Column], n: int) -> Iterator[Record | None]:
    """Yield the record of each score; None where it has none."""
    alike, varying = _by_variation(columns, n)
    alike = {**_NOT_KEPT, **alike}
    for row in zip(*varying.values(), strict=True):
        values = {**alike, **dict(zip(varying, row, strict=True))}
        yield None if values["created"] is None else _record(values)


def _by_variation(
    columns: Mapping[str, _Column], n: int
) -> tuple[dict[str, Any], dict[str, Iterator[Any]]]:
    """Return the values that all scores share, and of the other columns, at least one, that of each."""
    [first, *_] = columns
    alike = {name: distinct[0] for name, (distinct, numbers) in columns.items() if not numbers}
    varying: dict[str, Iterator[Any]] = {
        name: map(distinct.__getitem__, numbers) if numbers else repeat(distinct[0], n)
        for name, (distinct, numbers) in columns.items()
        if numbers or name == first
    }
    return alike, varying


def _write(folder: Path, entries: Mapping[str, _Entry]) -> None:
    """Write the index; a folder that cannot be written stays without."""
    kept = {name: (stamp, score) for name, (stamp, score) in entries.items() if stamp}
    scores = [score for _, score in kept.values()]
    records = [score.record for score in scores]
    of_scores = [_column([getattr(score, name) for score in scores]) for name in _OF_SCORE]
    of_records = [_column([getattr(one, name, None) for one in records]) for name in _OF_RECORD]
    stamps = list(zip(*(stamp for stamp, _ in kept.values()), strict=True))
    content = [list(kept), stamps, of_scores, of_records]
    body = json.dumps(content, separators=(",", ":"), default=_plain).encode()
    with contextlib.suppress(CacheError), files.new_file(folder / NAME, choose="give") as temporary:
        temporary.write_bytes(_header(body) + b"\n" + body)


def _column(values: Sequence[Any]) -> _Column:
    """Return the distinct values and the number of each; values are alike if they are written alike."""
    numbers: dict[str, int] = {}
    of_each = [numbers.setdefault(repr(value), len(numbers)) for value in values]
    distinct = dict(zip(of_each, values, strict=True))
    return [distinct[k] for k in range(len(distinct))], of_each if len(distinct) > 1 else []


def _plain(value: Any) -> Any:
    return [value.layer, value.step] if isinstance(value, Selection) else str(value)


def _header(body: bytes) -> bytes:
    return f"{_FORMAT} {xxhash.xxh3_128_hexdigest(body)}".encode()
