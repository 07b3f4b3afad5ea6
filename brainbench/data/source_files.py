"""Published zip, CSV and NumPy files: whatever a damaged one makes a library raise is the project's error.

Nothing is unpacked to disk, and no more is read than a file may hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.reading import open_regular
from brainbench.data.manifest import PublishedFile

_BLOCK = 1_000_000  # bytes that are hashed at once
MAX_TABLE = 200_000_000  # bytes of a CSV; those that are published have less than 1 MB


def wrong(got: str, allowed: str) -> InputError:
    """Return the error of a file whose content is not as published."""
    return InputError(got, allowed=allowed, todo="get the file again from the public repository")


def check_published(name: str, stream: BinaryIO, file: PublishedFile) -> None:
    """Raise InputError unless a stream, that of `name`, has the size and the checksum that were published."""
    algorithm, _, digits = (file.checksum or "").partition(":")
    hashed = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
    size = 0
    while block := stream.read(_BLOCK):
        size += len(block)
        if hashed is not None:
            hashed.update(block)
    is_intact = hashed is None or hashed.hexdigest() == digits
    if not is_intact or size != (file.bytes or size):
        raise InputError(
            f"{name} has {size} bytes" + ("" if is_intact else " and another checksum"),
            allowed=f"the file of {file.bytes or 'unknown'} bytes with {file.checksum or 'no checksum'}",
            todo=f"get it again from {file.url}; do not use this one",
        )


def check_file(path: Path, file: PublishedFile) -> None:
    """Raise InputError unless a file has the size and the checksum that were published."""
    with reading(path, "a readable file"), open_regular(path) as stream:
        check_published(str(path), stream, file)


@contextlib.contextmanager
def reading(path: Path | str, allowed: str) -> Iterator[None]:
    """Raise InputError for whatever a library raises while it reads a file that should be `allowed`."""
    try:
        yield
    except BrainbenchError:
        raise
    except Exception as error:  # each library has its own types
        raise wrong(f"{path} cannot be read ({type(error).__name__}: {error})", allowed) from error


def unpack(
    path: Path, order: Callable[[list[str]], Sequence[str]], *, limit: int, allowed: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of members of a zip, those that `order` chooses of all names, in its order.

    `allowed` says what the zip should hold. InputError for a damaged zip, and for a member of more than
    `limit` bytes, which is not unpacked.
    """
    with reading(path, allowed):
        archive = zipfile.ZipFile(path)
    with archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        for name in order(names):
            with reading(f"{path}:{name}", allowed):
                member = archive.getinfo(name)
                if member.file_size > limit:
                    raise wrong(
                        f"{path}:{name} has {member.file_size} bytes",
                        f"{allowed}, at most {limit} bytes each",
                    )
                content = archive.read(member)
            yield name, content


def read_floats(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the array of a .npy file as float64; InputError unless it holds floats of this shape.

    Shape and type are compared before any memory is taken.
    """
    with reading(path, "a whole NumPy file of numbers"):
        mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    if mapped.shape != shape or mapped.dtype.kind != "f":
        raise wrong(
            f"{path} holds {mapped.dtype} of shape {mapped.shape}",
            f"floats of shape {shape}, as declared",
        )
    return np.array(mapped, dtype=np.float64, order="C")


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of a CSV as text, "" where a row ends early; InputError for another file."""
    allowed = f"a CSV with the columns {', '.join(columns)}"
    with reading(path, allowed):
        size = path.stat().st_size
        if size > MAX_TABLE:
            raise wrong(f"{path} has {size} bytes", f"{allowed}, at most {MAX_TABLE} bytes")
        table = pd.read_csv(path, usecols=list(columns), dtype=str, keep_default_na=False)
    return table.fillna("")


def open_hdf5(path: Path) -> Any:
    """Return an open HDF5 file, as MATLAB 7.3 writes; InputError where h5py is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path.name} is a file of MATLAB 7.3, and h5py is not installed",
            allowed="h5py, which is in the extra matlab",
            todo="run `pip install 'brainbench[matlab]'`",
        ) from error
    return h5py.File(path, "r")
