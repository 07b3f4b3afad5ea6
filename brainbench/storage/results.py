"""The results folder: one JSON file per model, benchmark and settings, written whole or not at all.

    results/Simulated.IT-pls/cornet_s@untrained-0--paper-3f9a21c07b5e.json
    results/predictions/<sha256>.npz

The name ends in a digest of all that the score depends on. A model with other weights or changed code,
a new version of a benchmark or of its data: another file, so an old score is never taken for a new one.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.assembly import plain
from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.core.score import Score
from brainbench.storage import files

SCHEMA = 2
"""Part of every key; raised when keys say more or less about what a score depends on."""
READABLE = (1, 2)
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
)
"""Keys of an object of `--format json`, in this order. `docs/scores.md` says what each means."""
_PREDICTED = ("predicted", "target")
_DIMS = "dims of each column"
_DAMAGED = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Results:
    """A folder of scores that have been computed.

    Parameters
    ----------
    folder : Path
        Made at the first write.
    """

    folder: Path

    def path(self, *, model: str, benchmark: str, protocol: str, key: str) -> Path:
        """Return the path of the score of a model on a benchmark, whether it exists or not."""
        name = f"{_safe(model)}--{protocol}-{key[:12]}.json"
        return self.folder / _safe(benchmark) / name

    def find(self, *, model: str, benchmark: str, protocol: str, key: str) -> Score | None:
        """Return a stored score; None where there is none.

        Raises
        ------
        InputError
            A file that is not a score of this version, or that is the score of something else.
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
        text = json.dumps(stored, indent=1, allow_nan=False, default=str) + "\n"
        self._write(path, text.encode())
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
        InputError
            A file that is not a score of this version, or whose key is another.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            schema, found = stored.pop("schema"), stored.pop("key")
            if schema in READABLE and key not in (None, found):
                raise ValueError(f"it is the score of another key, {found}")
            if schema in READABLE:
                older = schema != SCHEMA
                return Score.from_json({**stored, "file": str(path), "older_key": older})
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(
                f"result file {path} cannot be read ({type(error).__name__}: {error})",
                allowed="a JSON file that brainbench wrote",
                todo="remove the file, or run with --overwrite always",
            ) from error
        raise InputError(
            f"result file {path} has schema {schema}",
            allowed=f"schema {', '.join(map(str, READABLE))}",
            todo="use the brainbench version that wrote it, or remove the file",
        )

    def all(self) -> Iterator[Score]:
        """Yield every stored score, by benchmark and model.

        Raises
        ------
        InputError
            A file that is not a score of this version.
        """
        for path in self.files():
            yield self.read(path)

    def files(self) -> list[Path]:
        """Return every file that should be a score, by benchmark and model."""
        return sorted(self.folder.glob("*/*.json"))

    def predictions(self, score: Score) -> xr.Dataset | None:
        """Return held-out predictions and targets of a stored score, as `Score.predictions` describes them.

        Raises
        ------
        InputError
            The file that the score names is absent or damaged.
        """
        if score.predictions_file is None:
            return None
        path = self.folder / "predictions" / score.predictions_file
        try:
            # Opened here: numpy forgets to close a damaged file.
            with path.open("rb") as stream, np.load(stream) as stored:
                dims = json.loads(str(stored[_DIMS]))
                columns = {key: (tuple(dims[key]), stored[key]) for key in dims}
            values = {key: columns.pop(key) for key in _PREDICTED}
            return xr.Dataset(values, coords=columns)
        except (OSError, EOFError, ValueError, LookupError, *_DAMAGED) as error:
            raise InputError(
                f"predictions {path} cannot be read ({type(error).__name__}: {error})",
                allowed="the file that was written beside the score",
                todo="compute the score again with --overwrite always",
            ) from error

    def _save_predictions(self, predictions: xr.Dataset) -> str:
        columns = {str(key): predictions[key] for key in sorted(map(str, predictions.variables))}
        # Text may come as Python objects, whose bytes are addresses.
        arrays: dict[str, Any] = {
            key: np.ascontiguousarray(plain(column.values)) for key, column in columns.items()
        }
        arrays[_DIMS] = np.array(json.dumps({key: column.dims for key, column in columns.items()}))
        content = [part for a in arrays.values() for part in (f"{a.dtype}{a.shape}", a.tobytes())]
        path = self.folder / "predictions" / f"{sha256(*content)[:24]}.npz"
        if not path.is_file():
            stream = io.BytesIO()
            np.savez(stream, **arrays)
            self._write(path, stream.getvalue())
        return path.name

    def _write(self, path: Path, data: bytes) -> None:
        with files.new_file(path, folder=self.folder, choose=_CHOOSE) as temporary:
            temporary.write_bytes(data)

    def _writing(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        return files.temporary(path, folder=self.folder, choose=_CHOOSE)


def _safe(name: str) -> str:
    # The key in the file's name tells apart what this makes alike.
    return re.sub(r"[^A-Za-z0-9@._+=-]+", "_", name).lstrip(".")[:100] or "_"


def summary(score: Score) -> dict[str, Any]:
    """Return one object of `--format json`, as plain JSON values."""
    stored = score.to_json() | {"seconds": score.seconds, "untrained": score.untrained}
    stored["undescribed"] = score.undescribed
    return {key: stored[key] for key in SUMMARY}
