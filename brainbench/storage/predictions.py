"""Held-out predictions as .npz files that are named by a digest of their content."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.assembly import plain
from brainbench.core.errors import DamagedFileError, InputError
from brainbench.core.provenance import sha256

_PREDICTED = ("predicted", "target")
_DIMS = "dims of each column"
TODO = "compute the score again with --overwrite always"


def packed(predictions: xr.Dataset) -> tuple[str, bytes]:
    """Return the name and the bytes of the file of a dataset, as `Score.predictions` describes it."""
    columns = {str(key): predictions[key] for key in sorted(map(str, predictions.variables))}
    # Text may come as Python objects, whose bytes are addresses.
    arrays: dict[str, Any] = {
        key: np.ascontiguousarray(plain(column.values)) for key, column in columns.items()
    }
    arrays[_DIMS] = np.array(json.dumps({key: column.dims for key, column in columns.items()}))
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return _name(arrays), stream.getvalue()


def read(path: Path) -> xr.Dataset:
    """Return the dataset of a file.

    Raises
    ------
    InputError
        The file is absent or cannot be opened.
    DamagedFileError
        Its content is not the one that its name says.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(
            f"predictions {path} cannot be opened ({error.strerror})",
            allowed="the file that was written beside the score",
            todo=TODO,
        ) from error
    # Opened here: numpy forgets to close a damaged file.
    with stream:
        try:
            with np.load(stream) as stored:
                arrays = {key: stored[key] for key in stored.files}
            name = _name(arrays)
        except Exception as error:  # zipfile, zlib and numpy have no common one
            raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if name != path.name:
        raise _damaged(path, f"its content has the name {name}")
    dims = json.loads(str(arrays[_DIMS]))
    columns = {key: (tuple(dims[key]), arrays[key]) for key in dims}
    values = {key: columns.pop(key) for key in _PREDICTED}
    return xr.Dataset(values, coords=columns)


def _name(arrays: Mapping[str, Any]) -> str:
    ordered = [arrays[key] for key in sorted(arrays.keys() - {_DIMS})] + [arrays[_DIMS]]
    content = [part for a in ordered for part in (f"{a.dtype}{a.shape}", a.tobytes())]
    return f"{sha256(*content)[:24]}.npz"


def _damaged(path: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"predictions {path} are damaged ({why})",
        allowed="the file that was written beside the score",
        todo=TODO,
    )
