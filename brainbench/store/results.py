"""The results folder: one JSON file per model, benchmark and settings, whole or not there.

    results/Simulated.IT-pls/cornet_s@untrained-0--paper-3f9a21c07b5e.json
    results/predictions/<sha256>.npz

The name ends in a digest of all that the score depends on. A model with other weights or changed code,
a new version of a benchmark or of its data: another file, so an old score is never taken for a new one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from brainbench.cache import explain
from brainbench.errors import InputError
from brainbench.provenance import sha256
from brainbench.scores import Score

SCHEMA = 1
ENVIRONMENT = "BRAINBENCH_RESULTS"


@dataclass(frozen=True)
class Results:
    """Scores that have been computed, in a folder.

    Parameters
    ----------
    folder : Path
        Made when first written to.
    """

    folder: Path

    def path(self, *, model: str, benchmark: str, protocol: str, key: str) -> Path:
        """Where the score of a model on a benchmark lives, whether it exists or not."""
        name = f"{_safe(model)}--{protocol}-{key[:12]}.json"
        return self.folder / _safe(benchmark) / name

    def find(self, *, model: str, benchmark: str, protocol: str, key: str) -> Score | None:
        """Stored score; None where there is none."""
        path = self.path(model=model, benchmark=benchmark, protocol=protocol, key=key)
        return self.read(path) if path.is_file() else None

    def save(self, score: Score, *, key: str) -> Score:
        """Write a score and its predictions at once; returns it with the names of its two files.

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
        text = json.dumps(stored, indent=1, allow_nan=False) + "\n"
        self._write(path, text.encode())
        return score

    def read(self, path: Path) -> Score:
        """Score of one file.

        Raises
        ------
        InputError
            A file that is not a score of this version.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            schema = stored.pop("schema")
            stored.pop("key")
            if schema == SCHEMA:
                return Score.from_json({**stored, "file": str(path)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"result file {path} cannot be read ({type(error).__name__}: {error})",
                allowed="a JSON file that brainbench wrote",
                todo="remove the file, or run with --overwrite always",
            ) from error
        raise InputError(
            f"result file {path} has schema {schema}",
            allowed=f"schema {SCHEMA}",
            todo="use the brainbench version that wrote it, or remove the file",
        )

    def all(self) -> Iterator[Score]:
        """Every stored score, by benchmark and model."""
        for path in sorted(self.folder.glob("*/*.json")):
            yield self.read(path)

    def predictions(self, score: Score) -> xr.Dataset | None:
        """Held-out predictions and targets of a stored score, dims (sample, neuroid)."""
        if score.predictions_file is None:
            return None
        with np.load(self.folder / "predictions" / score.predictions_file) as stored:
            return xr.Dataset(
                {k: (("sample", "neuroid"), stored[k]) for k in ("predicted", "target")},
                coords={
                    "fold": ("sample", stored["fold"]),
                    "stimulus_id": ("sample", stored["stimulus_id"]),
                    "neuroid_id": ("neuroid", stored["neuroid_id"]),
                },
            )

    def _save_predictions(self, predictions: xr.Dataset) -> str:
        columns = ("predicted", "target", "fold", "stimulus_id", "neuroid_id")
        arrays = {key: np.ascontiguousarray(predictions[key].values) for key in columns}
        content = [part for a in arrays.values() for part in (f"{a.dtype}{a.shape}", a.tobytes())]
        path = self.folder / "predictions" / f"{sha256(*content)[:24]}.npz"
        if not path.is_file():
            stream = io.BytesIO()
            np.savez(stream, **arrays)
            self._write(path, stream.getvalue())
        return path.name

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise explain(error, self.folder, setting="-o DIR or " + ENVIRONMENT) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9@._+=-]+", "_", name)


def summary(score: Score) -> dict[str, Any]:
    """One object of `--format json`."""
    keys = ("model", "weights", "benchmark", "value", "raw", "ceiling")
    more = ("formula", "protocol", "n_units", "n_excluded", "reason", "seconds")
    return {
        **{key: getattr(score, key) for key in keys},
        "ci": list(score.ci) if score.ci else None,
        **{key: getattr(score, key) for key in more},
        "record": None if score.record is None else score.record.model_dump(mode="json"),
        "n_stimuli": score.n_stimuli,
        "error": score.error,
        "ci_method": score.ci_method,
        "excluded": score.excluded,
        "untrained": score.untrained,
        "simulated": score.simulated,
        "partial": score.partial,
        "absent": score.absent,
        "file": score.file,
    }
