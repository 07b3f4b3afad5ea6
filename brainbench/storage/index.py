"""An index of a results folder: what tables need of every score, in one file beside the scores.

It saves reading each score again, and is never the truth: an entry counts only as long as the file of its
score has the same inode, size and times, all others are read from their files, and an index that is damaged,
of another version or not writable is as none. It has neither draws nor units: `Results.read` has them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import xxhash

import brainbench
from brainbench.core.errors import CacheError, InputError
from brainbench.core.provenance import Record
from brainbench.core.score import Score, Selection
from brainbench.core.settings import Settings
from brainbench.storage import files
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

NAME = ".index"
_FORMAT = f"brainbench index 1 of {brainbench.__version__}"
_LARGE = ("per_unit", "predictions", "draws", "joint_draws", "figures", "null", "excluded")
_KEPT = [
    field for field in fields(Score) if field.name not in (*_LARGE, "record", "selection", "file")
]
_PAIRS = ("ci", "ceiling_ci")
_OF_RECORD = ("created", "device", "precision", "seconds", "forward_seconds")
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

_Stamp: TypeAlias = list[int]
_Entry: TypeAlias = tuple[_Stamp, dict[str, Any]]


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


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Keep the garbage collector from looking through thousands of scores again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _indexed(results: Results) -> Indexed:
    known = _read(results.folder)
    entries: dict[str, _Entry] = {}
    unreadable = results.unreadable_folders()
    n_new = 0
    for name, stamp in _listed(results.folder):
        entry = known.get(name)
        if entry is None or entry[0] != stamp:
            try:
                entry = (stamp or [], _content(results.read(results.folder / name)))
            except InputError as error:  # one broken file does not hide the others
                unreadable.append(error.got)
                continue
            n_new += 1
        entries[name] = entry
    if n_new or known.keys() != entries.keys():
        _write(results.folder, entries)
    scores = tuple(_score(results.folder, name, entry[1]) for name, entry in entries.items())
    return Indexed(scores=scores, unreadable=tuple(unreadable))


def _listed(folder: Path) -> Iterator[tuple[str, _Stamp | None]]:
    """Yield every file that should be a score, by benchmark and model, with what changes if it is written."""
    with contextlib.suppress(OSError, ValueError):  # a path with a null byte
        for benchmark in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            with contextlib.suppress(OSError), os.scandir(folder / benchmark) as found:
                names = {one.name: one for one in found if one.name.endswith(".json")}
                for name in sorted(names):
                    yield f"{benchmark}/{name}", _stamp(names[name])


def _stamp(entry: os.DirEntry[str]) -> _Stamp | None:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _content(score: Score) -> dict[str, Any]:
    """Return what the index keeps of a score, without what is as by default."""
    values = {
        field.name: getattr(score, field.name)
        for field in _KEPT
        if field.default is MISSING or getattr(score, field.name) != field.default
    }
    values["selection"] = [score.selection.layer, score.selection.step]
    if score.record is not None:
        given = score.record.settings
        values["record"] = {
            **{name: getattr(score.record, name) for name in _OF_RECORD},
            "hashes": score.record.hashes,
            "settings": {k: v for k, v in given.items() if v != _DEFAULTS.get(k)},
        }
    return values


def _score(folder: Path, name: str, content: Mapping[str, Any]) -> Score:
    """Return the score of an entry, whose values were checked when its file was read."""
    values: dict[str, Any] = {**_DEFAULT_VALUES, **content, "file": f"{folder}/{name}"}
    for pair in _PAIRS:
        if values[pair] is not None:
            values[pair] = tuple(values[pair])
    layer, step = values["selection"]
    values["selection"] = Selection(layer=layer, step=step)
    if values["record"] is not None:
        values["record"] = _record({**_NOT_KEPT, **values["record"]})
    score = object.__new__(Score)
    score.__dict__.update(values)  # 50,000 of them: five times as fast as checking each again
    return score


def _record(values: dict[str, Any]) -> Record:
    """Return a record of values that were checked, six times as fast as `model_construct` does."""
    record = Record.__new__(Record)
    object.__setattr__(record, "__dict__", values)
    object.__setattr__(record, "__pydantic_fields_set__", set(values))
    object.__setattr__(record, "__pydantic_extra__", None)
    object.__setattr__(record, "__pydantic_private__", None)
    return record


def _read(folder: Path) -> dict[str, _Entry]:
    """Return the entries of the index by the path of their files; nothing where it cannot be used."""
    try:
        header, _, body = (folder / NAME).read_bytes().partition(b"\n")
        if header != _header(body):
            return {}
        return {name: (stamp, content) for name, stamp, content in json.loads(body)}
    except (OSError, ValueError, TypeError):
        return {}


def _write(folder: Path, entries: Mapping[str, _Entry]) -> None:
    """Write the index; a folder that cannot be written stays without."""
    listed = [[name, stamp, content] for name, (stamp, content) in entries.items() if stamp]
    body = json.dumps(listed, separators=(",", ":"), default=str).encode()
    with contextlib.suppress(CacheError), files.new_file(folder / NAME, choose="give") as temporary:
        temporary.write_bytes(_header(body) + b"\n" + body)


def _header(body: bytes) -> bytes:
    return f"{_FORMAT} {xxhash.xxh3_128_hexdigest(body)}".encode()
