"""Which reader reads a file, and which of them run in a child process.

The libraries of HDF5 and MATLAB follow addresses in a file, and a compressed file may be far larger than it
looks: these are read by a child with limits of time and memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from brainbench.core.errors import InputError
from brainbench.data.own.array_files import read_matlab, read_npy, read_npz
from brainbench.data.own.layout import Layout
from brainbench.data.own.netcdf import read_netcdf
from brainbench.data.own.nwb import read_nwb
from brainbench.data.own.raw import RawResponses
from brainbench.data.own.tables import read_csv, read_table
from brainbench.storage.guarded import read_guarded

Reader = Callable[[Path, Layout], RawResponses]


def _read_table(path: Path, layout: Layout) -> RawResponses:
    return read_table(read_csv(path), layout, where=path.name)


PLAIN: Mapping[str, Reader] = {
    ".npy": read_npy,
    ".csv": _read_table,
    ".tsv": _read_table,
}
GUARDED: Mapping[str, Reader] = {
    ".npz": read_npz,
    ".mat": read_matlab,
    ".nc": read_netcdf,
    ".netcdf": read_netcdf,
    ".nwb": read_nwb,
}


def read_responses(path: Path, layout: Layout) -> RawResponses:
    """Read a file of responses by the suffix of its name.

    Raises
    ------
    InputError
        No such file, another format, or a file that its reader refuses, crashes or blocks on.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file", allowed="a file of responses", todo="correct the path"
        )
    suffix = path.suffix.lower()
    if suffix in PLAIN:
        return PLAIN[suffix](path, layout)
    if suffix not in GUARDED:
        raise InputError(
            f"{path.name} ends in {suffix or 'nothing'}",
            allowed=", ".join((*PLAIN, *GUARDED)) + "; pickles and the like are never opened",
            todo="save the responses in one of these formats",
        )
    options = dataclasses.asdict(layout)
    with read_guarded(convert, path, allowed=f"a whole {suffix} file", layout=options) as target:
        return RawResponses.load(target)


def convert(path: Path, target: Path, *, layout: Mapping[str, Any]) -> None:
    """Read a file in the child, and write what `RawResponses.load` takes over."""
    GUARDED[path.suffix.lower()](path, Layout(**layout)).save(target)
