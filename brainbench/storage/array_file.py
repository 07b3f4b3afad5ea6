"""Files of large float32 arrays that are written in rows, read in columns, and check themselves.

A file holds the chunks of an array (row, column, step), then a 64-bit checksum of each, then a header in
JSON, then a trailer with the lengths and the checksum of both. The trailer is written last, so that a file
that was not finished is never valid. A chunk has at most 16 rows, 4,096 columns and one step; the chunks of
16 rows lie together, step by step. Each chunk is verified whenever it is read. Readers share no position in
the file, so that threads may use one of them.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from brainbench.core.errors import CacheError
from brainbench.storage.checksums import damaged

SUFFIX = ".chunks"
ROWS, COLUMNS = 16, 4096
"""Rows (as many as the smallest usual batch) and columns of a chunk; 256 KB fit in a processor's cache."""

_MAGIC = b"BBCHUNK1"
_TRAILER = struct.Struct("<8sQQQ")  # magic, bytes of the checksums, bytes of the header, checksum
_ITEM = 4

Float32: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, int, int]
Index: TypeAlias = int | np.integer[Any] | slice | npt.NDArray[Any]
_Part: TypeAlias = slice | npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Grid:
    """Where the chunks of an array of (row, column, step) are in its file."""

    shape: Shape

    @property
    def counts(self) -> Shape:
        """Blocks of rows, steps, and bands of columns."""
        rows, columns, steps = self.shape
        return math.ceil(rows / ROWS), steps, math.ceil(columns / COLUMNS)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * _ITEM

    def rows_of(self, block: int) -> int:
        return min(ROWS, self.shape[0] - block * ROWS)

    def columns_of(self, band: int) -> int:
        return min(COLUMNS, self.shape[1] - band * COLUMNS)

    def within_block(self, block: int, step: int, band: int) -> tuple[int, tuple[int, int]]:
        """Return at which number of its block of rows a chunk starts, and its shape."""
        rows = self.rows_of(block)
        start = rows * (step * self.shape[1] + band * COLUMNS)
        return start, (rows, self.columns_of(band))

    def offset(self, block: int, step: int, band: int) -> int:
        _, columns, steps = self.shape
        start, _ = self.within_block(block, step, band)
        return _ITEM * (block * ROWS * columns * steps + start)


class ArrayWriter:
    """A new file that the rows of an array are written to, in order; use it in a `with` block.

    `key` is the name of the entry that the file becomes, so that no other file passes for it; `about` is
    plain values that are kept beside the array. FileExistsError if the path exists. CacheError at the end of
    the block if rows are missing: the file is then not valid.
    """

    def __init__(self, path: Path, *, key: str, shape: Shape, about: Mapping[str, Any]) -> None:
        self.shape = shape
        self.rows = 0  # written so far
        self._header = {"key": key, "shape": list(shape), "about": dict(about)}
        self._path = path
        self._grid = _Grid(shape)
        self._sums = np.zeros(self._grid.counts, dtype="<u8")
        self._block = np.empty(min(ROWS, shape[0]) * shape[1] * shape[2], dtype="<f4")
        self._stream: BinaryIO = path.open("xb")

    def __enter__(self) -> ArrayWriter:
        return self

    def write(self, steps: Sequence[Float32]) -> None:
        """Write the next rows: an array (row, column) for each step."""
        done, n = 0, len(steps[0])
        while done < n:
            block, first = divmod(self.rows, ROWS)
            taken = min(n - done, self._grid.rows_of(block) - first)
            if taken <= 0:
                raise self._wrong_rows(f"{self.rows + n - done} rows")
            for step, values in enumerate(steps):
                for band in range(self._grid.counts[2]):
                    columns = slice(band * COLUMNS, (band + 1) * COLUMNS)
                    chunk = self._chunk(block, step, band)
                    chunk[first : first + taken] = values[done : done + taken, columns]
            done, self.rows = done + taken, self.rows + taken
            if first + taken == self._grid.rows_of(block):
                self._flush(block)

    def _chunk(self, block: int, step: int, band: int) -> Float32:
        start, shape = self._grid.within_block(block, step, band)
        chunk: Float32 = self._block[start : start + math.prod(shape)].reshape(shape)
        return chunk

    def _flush(self, block: int) -> None:
        _, steps, bands = self._grid.counts
        for step in range(steps):
            for band in range(bands):
                self._sums[block, step, band] = _checksum(self._chunk(block, step, band))
        used = self._grid.rows_of(block) * self.shape[1] * self.shape[2]
        self._stream.write(memoryview(self._block[:used]).cast("B"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stream:
            if error is not None:
                return
            if self.rows != self.shape[0]:
                raise self._wrong_rows(f"{self.rows} rows")
            index = self._sums.tobytes() + json.dumps(self._header).encode()
            lengths = self._sums.nbytes, len(index) - self._sums.nbytes
            self._stream.write(index + _TRAILER.pack(_MAGIC, *lengths, _checksum(index)))

    def _wrong_rows(self, got: str) -> CacheError:
        return CacheError(
            f"{got} for an array of {self.shape[0]} in {self._path}",
            allowed=f"{self.shape[0]} rows",
            todo="check what writes them; the file is discarded",
        )


class ArrayReader:
    """A file of `ArrayWriter`; its values are read when they are indexed.

    A removed file can be read as long as its reader lives. FileNotFoundError if there is no such file;
    DamagedEntryError if it is not whole or, where a key is given, is that of another entry.
    """

    def __init__(self, path: Path, *, key: str | None = None) -> None:
        self.path = path
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise damaged(path, "not a file")
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._sums, header = self._read_index()
        if key is not None and header["key"] != key:
            raise damaged(path, "it belongs to another entry")
        self.about: dict[str, Any] = header["about"]
        rows, columns, steps = header["shape"]
        self.shape: Shape = (rows, columns, steps)

    def __deepcopy__(self, memo: dict[int, Any]) -> ArrayReader:
        return self  # it is never changed

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayReader, (self.path,)

    def is_at(self, path: Path) -> bool:
        """Return whether a path still leads to the file that is open."""
        try:
            found = path.lstat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._descriptor))

    def read(self, rows: Index, columns: Index, steps: Index) -> Float32:
        """Return values by orthogonal indexing, an axis for each index that is no integer.

        DamagedEntryError for a chunk whose bytes are not those that were written.
        """
        given = rows, columns, steps
        numbers = [np.atleast_1d(np.arange(n)[i]) for n, i in zip(self.shape, given, strict=True)]
        values = np.empty([len(axis) for axis in numbers], dtype=np.float32)
        buffer = np.empty(ROWS * COLUMNS, dtype="<f4")
        parts = [list(_parts(*axis)) for axis in zip(numbers[:2], (ROWS, COLUMNS), strict=True)]
        for block, to_rows, from_rows in parts[0]:
            for k, step in enumerate(numbers[2]):
                for band, to_columns, from_columns in parts[1]:
                    chunk = self._read_chunk((block, int(step), band), buffer)
                    values[..., k][_outer(to_rows, to_columns)] = chunk[
                        _outer(from_rows, from_columns)
                    ]
        return values[
            tuple(0 if np.ndim(i) == 0 and not isinstance(i, slice) else slice(None) for i in given)
        ]

    def verify(self) -> None:
        """Read every chunk; DamagedEntryError for one that is damaged."""
        buffer = np.empty(ROWS * COLUMNS, dtype="<f4")
        for place in np.ndindex(*_Grid(self.shape).counts):
            self._read_chunk(place, buffer)

    def _read_chunk(self, place: tuple[int, ...], buffer: Float32) -> Float32:
        grid = _Grid(self.shape)
        block, step, band = place
        _, shape = grid.within_block(block, step, band)
        chunk = buffer[: math.prod(shape)]
        self._fill(memoryview(chunk).cast("B"), grid.offset(block, step, band))
        if _checksum(chunk) != self._sums[place]:
            raise damaged(self.path, f"chunk {place} has other bytes than were written")
        return chunk.reshape(shape)

    def _fill(self, target: memoryview, offset: int) -> None:
        done = 0
        while done < len(target):
            try:
                n = os.preadv(self._descriptor, [target[done:]], offset + done)
            except OSError as error:
                raise damaged(self.path, f"cannot be read: {error.strerror}") from error
            if n == 0:
                raise damaged(self.path, "it ends too early")
            done += n

    def _read_index(self) -> tuple[npt.NDArray[np.uint64], dict[str, Any]]:
        """Return the checksums of the chunks and the header."""
        size = os.fstat(self._descriptor).st_size
        if size < _TRAILER.size:
            raise damaged(self.path, f"{size} bytes")
        trailer = bytearray(_TRAILER.size)
        self._fill(memoryview(trailer), size - _TRAILER.size)
        magic, n_sums, n_header, expected = _TRAILER.unpack(trailer)
        start = size - _TRAILER.size - n_sums - n_header
        if magic != _MAGIC or start < 0:
            raise damaged(self.path, "it does not end as it was written")
        index = bytearray(n_sums + n_header)
        self._fill(memoryview(index), start)
        if _checksum(index) != expected:
            raise damaged(self.path, "its header has other bytes than were written")
        header = json.loads(index[n_sums:])
        grid = _Grid(tuple(header["shape"]))
        if start != grid.nbytes:
            raise damaged(self.path, f"{size} bytes")
        sums = np.frombuffer(bytes(index[:n_sums]), dtype="<u8").reshape(grid.counts)
        return sums, header


def _checksum(data: Any) -> int:
    return xxhash.xxh3_64_intdigest(data)


def _parts(numbers: npt.NDArray[np.intp], size: int) -> Iterator[tuple[int, _Part, _Part]]:
    """Yield each chunk that numbers along an axis lie in: which, where they go, and where they are in it."""
    chunks = numbers // size
    for chunk in np.unique(chunks):
        to = np.flatnonzero(chunks == chunk)
        yield int(chunk), _as_slice(to), _as_slice(numbers[to] - chunk * size)


def _as_slice(numbers: npt.NDArray[np.intp]) -> _Part:
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first == len(numbers) - 1 and bool((np.diff(numbers) == 1).all()):
        return slice(first, last + 1)
    return numbers


def _outer(rows: _Part, columns: _Part) -> tuple[_Part, _Part]:
    """Return an index of rows x columns; numpy pairs two lists of numbers by itself."""
    if isinstance(rows, slice) or isinstance(columns, slice):
        return rows, columns
    return rows[:, None], columns
