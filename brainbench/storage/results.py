"""The results folder: one JSON file per model, benchmark and settings, written whole or not at all.

    results/Simulated.IT-pls/cornet_s@untrained-0--paper-3f9a21c07b5e.json
    results/predictions/<sha256>.npz

The name ends in a digest of all that the score depends on. A model with other weights or changed code,
a new version of a benchmark or of its data: another file, so an old score is never taken for a new one.

Each JSON file holds the SHA-256 of its own content, so that a damaged figure is never shown: of all entries
but `digest`, as JSON with sorted keys and without spaces. Files of version 0.2 and earlier have none.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import xarray as xr

from brainbench.core.errors import BrainbenchError, DamagedFileError, InputError
from brainbench.core.reading import open_regular
from brainbench.core.score import Score
from brainbench.storage import files, predictions
from brainbench.storage.claims import Claims
from brainbench.storage.files import Finding
from brainbench.storage.repeat import repeat_command

SCHEMA = 2
"""Part of every key; raised when keys say more or less about what a score depends on."""
FIRST_SCHEMA = 1  # without a digest of the content
READABLE = (FIRST_SCHEMA, SCHEMA)
ENVIRONMENT = "BRAINBENCH_RESULTS"
_CHOOSE = f"give -o (or set {ENVIRONMENT} to)"
SUMMARY = (
    "model",
    "weights",
    "benchmark",
    "value",
    "raw",
    "ceiling",
    "ci",
    "formula",
    "protocol",
    "n_units",
    "n_excluded",
    "reason",
    "seconds",
    "record",
    "status",
    "selection",
    "n_stimuli",
    "error",
    "ci_method",
    "ci_approximate",
    "excluded",
    "untrained",
    "simulated",
    "partial",
    "null",
    "figures",
    "file",
    "undescribed",
    "older_key",
    "n_animals",
    "for_these_animals",
    "ceiling_ci",
    "ceiling_above_0",
)
"""Keys of an object of `--format json`, in this order. `docs/scores.md` says what each means."""
_DIGEST = "digest"
_REDO = (
    "run with --overwrite only-missing, the default, or --overwrite always: it is computed again"
)
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_LARGEST = 128 * 2**20
"""Bytes of a score; the largest known, with 100,000 units, has about 10 MB."""


Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Results:
    """A folder of scores that have been computed.

    Parameters
    ----------
    folder : Path
        Made at the first write.
    """

    folder: Path

    @property
    def claims(self) -> Claims:
        """Claims of the keys that are being computed into this folder."""
        return Claims(self.folder / "claims", choose=_CHOOSE)

    def path(self, *, model: str, benchmark: str, protocol: str, key: str) -> Path:
        """Return the path of the score of a model on a benchmark, whether it exists or not."""
        name = f"{_safe(model)}--{protocol}-{key[:12]}.json"
        return self.folder / _safe(benchmark) / name

    def find(self, *, model: str, benchmark: str, protocol: str, key: str) -> Score | None:
        """Return a stored score; None where there is none.

        Raises
        ------
        DamagedFileError, InputError
            See `read`.
        """
        path = self.path(model=model, benchmark=benchmark, protocol=protocol, key=key)
        stored = self.read(path, key=key) if path.is_file() else None
        return None if stored is None or stored.older_key else stored

    def check(self) -> None:
        """Make the folder and write to it, so that a wrong one is known before anything is computed.

        Raises
        ------
        CacheError
            The folder cannot be written, or the disk is full.
        """
        with self._writing(self.folder / "check") as temporary:
            temporary.write_bytes(b"brainbench")
            temporary.unlink()

    def save(self, score: Score, *, key: str) -> Score:
        """Write a score and its predictions at once; return it with the names of its two files.

        Raises
        ------
        CacheError
            The folder cannot be written, or the disk is full.
        """
        if score.predictions is not None:
            score = replace(score, predictions_file=self._save_predictions(score.predictions))
        path = self.path(
            model=score.model, benchmark=score.benchmark, protocol=score.protocol, key=key
        )
        score = replace(score, file=str(path))
        stored = {"schema": SCHEMA, "key": key, **score.to_json()}
        content = json.loads(json.dumps(stored, allow_nan=False, default=str))
        signed = {"schema": SCHEMA, "key": key, _DIGEST: _digest(content), **content}
        self._write(path, _lines(signed).encode())
        return score

    def read(self, path: Path, *, key: str | None = None) -> Score:
        """Return the score of one file, also of an older layout; one of an older key is marked so.

        Parameters
        ----------
        path : Path
            The file.
        key : str, optional
            What the score must depend on; not checked without.

        Raises
        ------
        DamagedFileError
            The content is not what was written.
        InputError
            A file that cannot be opened, is not a score of this version, or whose key is another.
        """
        return self._checked(path, key)[0]

    def _checked(self, path: Path, key: str | None = None) -> tuple[Score, bool]:
        """Return the score of a file, and whether a digest has shown that it is as written."""
        try:
            stored = json.loads(_text_of(path), parse_constant=_refuse_constant)
            digest = stored.pop(_DIGEST, None)
            schema, found = stored["schema"], stored["key"]
            if digest != _digest(stored) and (schema != FIRST_SCHEMA or digest is not None):
                raise ValueError("the content does not have the digest that was written with it")
            if schema in READABLE and key in (None, found):
                content = {name: stored[name] for name in stored if name not in ("schema", "key")}
                read = {**content, "file": str(path), "older_key": schema != SCHEMA}
                return Score.from_json(read), digest is not None
        except OSError as error:
            is_dangling = path.is_symlink() and not path.exists()
            why = (
                f"a link to {os.readlink(path)}, which does not exist"
                if is_dangling
                else error.strerror
            )
            raise InputError(
                f"result file {path} cannot be opened ({why})",
                allowed="a file that you may read",
                todo="remove it, change its permissions, or give another results folder with -o",
            ) from error
        except _UNREADABLE as error:
            why = error.got if isinstance(error, BrainbenchError) else str(error)
            raise DamagedFileError(
                f"result file {path} is damaged ({type(error).__name__}: {why})",
                allowed="a JSON file that brainbench wrote",
                todo=_REDO,
            ) from error
        what = f"schema {schema}" if schema not in READABLE else f"key {found}"
        raise InputError(
            f"result file {path} has {what}",
            allowed=f"schema {', '.join(map(str, READABLE))}"
            + ("" if key is None else f" and key {key}"),
            todo="use the brainbench version that wrote it, or remove the file",
        )

    def stamp(self, *, model: str, benchmark: str, protocol: str, key: str) -> Stamp | None:
        """Return what changes whenever the file of a score is written again; None where there is none."""
        path = self.path(model=model, benchmark=benchmark, protocol=protocol, key=key)
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def seconds(self, *, model: str, benchmark: str) -> float | None:
        """Return the longest time that a stored score of a model took, in s; None where there is none.

        `model` may lack its weights: "cornet_s" finds "cornet_s@imagenet" too. Forward passes are part of it.
        """
        paths = (self.folder / _safe(benchmark)).glob(f"{glob.escape(_safe(model))}[-@]*.json")
        times = [0.0]
        for path in paths:
            with contextlib.suppress(InputError):
                score = self.read(path)
                times.append(score.seconds + (score.record.forward_seconds if score.record else 0))
        return max(times) or None

    def all(self) -> Iterator[Score]:
        """Yield every stored score, by benchmark and model.

        Raises
        ------
        DamagedFileError, InputError
            See `read`.
        """
        for path in self.files():
            yield self.read(path)

    def files(self) -> list[Path]:
        """Return every file that should be a score, by benchmark and model."""
        return sorted(self.folder.glob("*/*.json"))

    def unreadable_folders(self) -> list[str]:
        """Return what is wrong with each folder whose scores cannot be listed, in a sentence."""
        if not self.folder.is_dir():
            return [f"folder {self.folder} does not exist"]
        problems = []
        for folder in sorted(self.folder.glob("*/")):
            try:
                os.scandir(folder).close()
            except OSError as error:
                problems.append(f"folder {folder} cannot be read ({error.strerror})")
        return problems

    def predictions(self, score: Score) -> xr.Dataset | None:
        """Return held-out predictions and targets of a stored score, as `Score.predictions` describes them.

        Raises
        ------
        InputError
            The file that the score names is absent; DamagedFileError where it is damaged.
        """
        if score.predictions_file is None:
            return None
        return predictions.read(self._predictions_path(score.predictions_file))

    def remove(self, paths: Sequence[Path]) -> None:
        """Remove files of scores, and the predictions of theirs that no other score names.

        Raises
        ------
        CacheError
            A file that cannot be removed.
        """
        named = {self._predictions_of(path) for path in paths}
        try:
            for path in paths:
                path.unlink(missing_ok=True)
            kept = {self._predictions_of(path) for path in self.files()} if any(named) else set()
            for name in named - kept - {None}:
                self._predictions_path(str(name)).unlink(missing_ok=True)
        except OSError as error:
            raise files.explain(error, self.folder, choose=_CHOOSE) from error

    def _predictions_of(self, path: Path) -> str | None:
        """Return the name of the predictions that a file names, be it damaged or not."""
        name = _legible(path).get("predictions_file")
        is_plain = isinstance(name, str) and Path(name).name == name
        return name if is_plain else None

    def verify(self) -> Iterator[Finding]:
        """Yield what is found of each score and each file of predictions, by path."""
        owners: dict[Path, Score] = {}
        for path in self.files():
            try:
                score, known = self._checked(path)
            except DamagedFileError as error:
                yield Finding(path, "damaged", f"{error.got}; {self._repair(path)}")
            except InputError as error:
                yield Finding(path, "unknown", error.got)
            else:
                detail = "" if known else "written before digests were kept"
                yield Finding(path, "sound" if known else "unknown", detail)
                if score.predictions_file is not None:
                    owners.setdefault(self._predictions_path(score.predictions_file), score)
        for path in sorted({*owners, *self.folder.glob("predictions/*.npz")}):
            yield self._verified_predictions(path, owners.get(path))

    def _verified_predictions(self, path: Path, owner: Score | None) -> Finding:
        try:
            predictions.read(path)
        except InputError as error:
            repair = "no score that can be read has them: remove the file"
            if owner is not None:
                repair = f"{self._repair(Path(str(owner.file)))} --overwrite always"
            return Finding(path, "damaged", f"{error.got}; {repair}")
        return Finding(path, "sound")

    def _repair(self, path: Path) -> str:
        """Return the command that computes the score of a file again: from its name, and what it says itself.

        What the file says counts only where it fits the name, or is allowed.
        """
        stored = _legible(path)
        name, _, rest = path.stem.rpartition("--")
        model = stored.get("model") if _safe(str(stored.get("model"))) == name else name
        benchmark = (
            stored.get("benchmark")
            if _safe(str(stored.get("benchmark"))) == path.parent.name
            else None
        )
        record = stored.get("record")
        command = repeat_command(
            str(model),
            str(benchmark or path.parent.name),
            record=record if isinstance(record, dict) else {},
            protocol=rest.rpartition("-")[0],
            folder=str(self.folder),
        )
        return f"compute it again, with the options it was scored with: {command}"

    def _predictions_path(self, name: str) -> Path:
        return self.folder / "predictions" / name

    def _save_predictions(self, given: xr.Dataset) -> str:
        name, data = predictions.packed(given)
        path = self._predictions_path(name)
        if not (path.is_file() and path.read_bytes() == data):  # a damaged one is replaced
            self._write(path, data)
        return name

    def _write(self, path: Path, data: bytes) -> None:
        with files.new_file(path, folder=self.folder, choose=_CHOOSE) as temporary:
            temporary.write_bytes(data)

    def _writing(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        return files.temporary(path, folder=self.folder, choose=_CHOOSE)


def _legible(path: Path) -> dict[str, Any]:
    """Return what can be read of a file that may be damaged."""
    try:
        stored = json.loads(_text_of(path))
    except (OSError, *_UNREADABLE):
        return {}
    return stored if isinstance(stored, dict) else {}


def _digest(stored: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, which neither the order of keys nor spaces change."""
    text = json.dumps(stored, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(stored: Mapping[str, Any]) -> str:
    """Return a JSON object, a line for each key; `indent=`, a line for each number, is ten times as slow."""
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(value)}" for name, value in stored.items()
    )
    return f"{{\n{lines}\n}}\n"


def _text_of(path: Path) -> str:
    with open_regular(path) as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST // 2**20} MB, which no score has")
    return content.decode("utf-8")


def _refuse_constant(literal: str) -> None:
    raise ValueError(f"it has the literal {literal}, where brainbench writes null")


def _safe(name: str) -> str:
    # The key in the file's name tells apart what this makes alike.
    return re.sub(r"[^A-Za-z0-9@._+=-]+", "_", name).lstrip(".")[:100] or "_"


def summary(score: Score) -> dict[str, Any]:
    """Return one object of `--format json`, as plain JSON values."""
    stored = score.to_json() | {"seconds": score.seconds, "untrained": score.untrained}
    stored["undescribed"] = score.undescribed
    stored["for_these_animals"] = score.for_these_animals
    return {key: stored[key] for key in SUMMARY}
