"""Readers of NumPy and MATLAB files. Nothing is unpickled, and no struct or cell is opened."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from brainbench.core.errors import InputError
from brainbench.data.own.layout import Layout
from brainbench.data.own.raw import RawResponses, choose
from brainbench.data.source_files import reading
from brainbench.metrics.array_types import AnyArray

Members: TypeAlias = "dict[str, tuple[tuple[int, ...], str]]"
"""Shape and type of each array, by name."""
_MATLAB_73 = b"MATLAB 7.3"
_CLASSES = {"logical": "bool", "char": "char", "cell": "cell", "struct": "struct"}


def read_npy(path: Path, layout: Layout) -> RawResponses:
    """Read a .npy file; InputError for objects, which only code in the file could make."""
    with path.open("rb") as stream, reading(path, "a whole NumPy file of numbers"):
        version = np.lib.format.read_magic(stream)
        read_header: Any = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(stream)
    choose({path.stem: (shape, str(dtype))}, path.stem, where=path.name)
    with reading(path, "a whole NumPy file of numbers"):
        values = np.load(path, allow_pickle=False)
    return RawResponses(values=values)


def read_npz(path: Path, layout: Layout) -> RawResponses:
    """Read a .npz file: the responses, and as columns all one-dimensional arrays without objects."""
    allowed = "a whole .npz file of NumPy arrays"
    with reading(path, allowed), zipfile.ZipFile(path) as archive:
        members: Members = {}
        for name in archive.namelist():
            with archive.open(name) as stream:
                version = np.lib.format.read_magic(stream)
                header: Any = np.lib.format.read_array_header_1_0
                header = header if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = header(stream)
                members[name.removesuffix(".npy")] = (shape, str(dtype))
    name = choose(members, layout.variable, where=path.name)
    columns = [
        key
        for key, (shape, kind) in members.items()
        if len(shape) == 1 and key != name and np.dtype(kind).kind in "fiubSU"
    ]
    with reading(path, allowed), np.load(path, allow_pickle=False) as stored:
        arrays = {key: _text(stored[key]) for key in columns}
        return _with_bins(stored[name], arrays)


def read_matlab(path: Path, layout: Layout) -> RawResponses:
    """Read a .mat file of MATLAB 5 or 7.3, whose axes are as MATLAB shows them."""
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(_MATLAB_73)) == _MATLAB_73
    return _read_matlab_73(path, layout) if is_hdf5 else _read_matlab_5(path, layout)


def _read_matlab_5(path: Path, layout: Layout) -> RawResponses:
    from scipy.io import loadmat, whosmat

    allowed = "a whole MATLAB file"
    with reading(path, allowed):
        members: Members = {
            name: (shape, _CLASSES.get(kind, kind)) for name, shape, kind in whosmat(path)
        }
    name = choose(members, layout.variable, where=path.name)
    columns = [
        key
        for key, (shape, kind) in members.items()
        if key != name and len(shape) == 2 and (kind == "char" or 1 in shape) and _is_plain(kind)
    ]
    with reading(path, allowed):
        stored = loadmat(path, variable_names=[name, *columns], chars_as_strings=True)
    arrays = {key: _column(stored[key]) for key in columns}
    return _with_bins(np.asarray(stored[name]), arrays)


def _read_matlab_73(path: Path, layout: Layout) -> RawResponses:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path.name} is a file of MATLAB 7.3, and h5py is not installed",
            allowed="h5py, which is in the extra matlab",
            todo="run `pip install 'brainbench[matlab]'`, or save with '-v7' in MATLAB",
        ) from error
    with reading(path, "a whole MATLAB file"), h5py.File(path, "r") as stored:
        kinds = {key: _class_of(value) for key, value in stored.items() if not key.startswith("#")}
        members: Members = {
            key: (tuple(getattr(stored[key], "shape", ()))[::-1], kind)
            for key, kind in kinds.items()
        }
        name = choose(members, layout.variable, where=path.name)
        columns = [
            key
            for key, (shape, kind) in members.items()
            if key != name and len(shape) == 2 and (kind == "char" or 1 in shape)
            if _is_plain(kind)
        ]
        arrays = {
            key: _characters(stored[key][()].T)
            if members[key][1] == "char"
            else np.asarray(stored[key][()]).ravel()
            for key in columns
        }
        return _with_bins(np.asarray(stored[name][()]).T, arrays)


def _class_of(value: Any) -> str:
    """Return the NumPy type of a variable of MATLAB 7.3, or its class where it is no array of numbers."""
    kind = value.attrs.get("MATLAB_class", b"")
    name = kind.decode() if isinstance(kind, bytes) else str(kind)
    if name in _CLASSES:
        return _CLASSES[name]
    return str(value.dtype) if hasattr(value, "dtype") else "struct"


def _is_plain(kind: str) -> bool:
    return kind not in ("cell", "struct", "object", "function", "opaque", "sparse", "unknown")


def _characters(codes: AnyArray) -> AnyArray:
    """Return the rows of a matrix of character codes as text."""
    rows = ["".join(map(chr, row)).rstrip() for row in np.atleast_2d(codes).tolist()]
    return np.asarray(rows)


def _column(array: AnyArray) -> AnyArray:
    flat = np.asarray(array).ravel()
    return np.char.rstrip(flat) if flat.dtype.kind == "U" else flat


def _text(array: AnyArray) -> AnyArray:
    return array.astype(str) if array.dtype.kind == "S" else array


def _with_bins(values: AnyArray, columns: dict[str, AnyArray]) -> RawResponses:
    """Return raw responses whose time bins, if the file has both edges, are no columns."""
    if not {"time_start", "time_end"} <= columns.keys():
        return RawResponses(values=values, columns=columns)
    start, end = (columns.pop(key).astype(float).tolist() for key in ("time_start", "time_end"))
    return RawResponses(values=values, columns=columns, bins=list(zip(start, end, strict=True)))
