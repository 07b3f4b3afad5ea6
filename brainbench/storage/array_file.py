"""Files of large float32 arrays that are written in rows, read in columns, and check themselves.

A file holds the chunks of an array (row, column, step), then a 64-bit checksum of each, then a header in
JSON, then a trailer with the lengths and the checksum of both. The trailer is written last, so that a file
that was not finished is never valid. A chunk has at most 16 rows, 3,072 columns and one step; the chunks of
16 rows lie together, step by step. Each chunk is verified whenever it is read. Readers share no position in
the file, so that threads may use one of them.
"""

from __future__ import annotations

import itertools
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
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from brainbench.core.errors import CacheError
from brainbench.storage.checksums import damaged

SUFFIX = ".chunks"
ROWS, COLUMNS = 16, 3072
"""Rows (as many as the smallest usual batch) and columns of a chunk of 192 KB.

Columns read together should begin and end with those of chunks; of 2,560 images, 3,072 are 63 MB in float64.
"""

_MAGIC = b"BBCHUNK1"
_TRAILER = struct.Struct("<8sQQQ")  # magic, bytes of the checksums, bytes of the header, checksum
_LENGTHS = struct.Struct("<QQ")
_ITEM = 4

Float32: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, int, int]
Index: TypeAlias = int | np.integer[Any] | slice | npt.NDArray[Any]
_Numbers: TypeAlias = slice | npt.NDArray[np.intp]


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

    def shape_of(self, block: int, band: int) -> tuple[int, int]:
        return self.rows_of(block), min(COLUMNS, self.shape[1] - band * COLUMNS)

    def start_within(self, block: int, step: int, band: int) -> int:
        """Return at which number of its block of rows a chunk starts."""
        return self.rows_of(block) * (step * self.shape[1] + band * COLUMNS)

    def offset(self, block: int, step: int, band: int) -> int:
        """Return at which byte of the file a chunk starts."""
        before = block * ROWS * self.shape[1] * self.shape[2]
        return _ITEM * (before + self.start_within(block, step, band))


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
        start, shape = self._grid.start_within(block, step, band), self._grid.shape_of(block, band)
        chunk: Float32 = self._block[start : start + math.prod(shape)].reshape(shape)
        return chunk

    def _flush(self, block: int) -> None:
        _, steps, bands = self._grid.counts
        for step in range(steps):
            for band in range(bands):
                self._sums[block, step, band] = _checksum(self._chunk(block, step, band))
        used = self._grid.rows_of(block) * self.shape[1] * self.shape[2]
        self._stream.write(self._block[:used].data.cast("B"))

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
            checksum = _checksum(index + _LENGTHS.pack(*lengths))
            self._stream.write(index + _TRAILER.pack(_MAGIC, *lengths, checksum))

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
        if not stat.S_ISREG(path.lstat().st_mode):  # a pipe would be waited for
            raise damaged(path, "not a file")
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._sums, header = self._read_index()
        if key is not None and header["key"] != key:
            raise damaged(path, "it belongs to another entry")
        self.about: dict[str, Any] = header["about"]
        rows, columns, steps = header["shape"]
        self.shape: Shape = (rows, columns, steps)
        self._grid = _Grid(self.shape)

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
        row_parts = list(_parts(numbers[0], ROWS))
        column_parts = list(_parts(numbers[1], COLUMNS))
        # Steps first: what is read of one chunk then lies together, and is read into its place.
        values = np.empty([len(numbers[axis]) for axis in (2, 0, 1)], dtype="<f4")
        buffer = np.empty(ROWS * COLUMNS, dtype="<f4")
        for (block, to_rows, from_rows), k in itertools.product(row_parts, range(len(values))):
            step = int(numbers[2][k])
            for band, to_columns, from_columns in column_parts:
                target = values[k][_outer(to_rows, to_columns)]
                whole = target.shape == self._grid.shape_of(block, band)
                if whole and isinstance(from_rows, slice) and isinstance(from_columns, slice):
                    self._read_chunk((block, step, band), target)  # straight into its place
                else:
                    chunk = self._read_buffered((block, step, band), buffer)
                    part = chunk[_outer(from_rows, from_columns)]
                    values[k][_outer(to_rows, to_columns)] = part
        kept = (slice(None) if isinstance(i, slice) or np.ndim(i) else 0 for i in given)
        return np.moveaxis(values, 0, 2)[tuple(kept)]

    def verify(self) -> None:
        """Read every chunk; DamagedEntryError for one that is damaged."""
        buffer = np.empty(ROWS * COLUMNS, dtype="<f4")
        for place in np.ndindex(*self._grid.counts):
            self._read_buffered(place, buffer)

    def _read_buffered(self, place: tuple[int, ...], buffer: Float32) -> Float32:
        shape = self._grid.shape_of(place[0], place[2])
        chunk = buffer[: math.prod(shape)].reshape(shape)
        self._read_chunk(place, chunk)
        return chunk

    def _read_chunk(self, place: tuple[int, ...], target: Float32) -> None:
        """Read a chunk into an array of its shape, whose rows may lie apart, and verify it."""
        block, step, band = place
        rows = [target] if target.flags.c_contiguous else list(target)
        self._fill(rows, self._grid.offset(block, step, band))
        if len(rows) == 1:
            found = _checksum(target)
        else:
            digest = xxhash.xxh3_64()
            for row in rows:
                digest.update(row.data)
            found = digest.intdigest()
        if found != self._sums[place]:
            at = f"rows from {block * ROWS}, columns from {band * COLUMNS}, step {step}"
            raise damaged(self.path, f"{at}: other bytes than were written")

    def _fill(self, targets: Sequence[Any], offset: int) -> None:
        """Read bytes from an offset on into buffers, one after the other."""
        views = [memoryview(target).cast("B") for target in targets]
        while views:
            try:
                n = _read_into(self._descriptor, views, offset)
            except OSError as error:
                raise damaged(self.path, f"cannot be read: {error.strerror}") from error
            if n == 0:
                raise damaged(self.path, "it ends too early")
            offset += n
            while views and n >= len(views[0]):
                n -= len(views.pop(0))
            if n:
                views[0] = views[0][n:]

    def _read_index(self) -> tuple[npt.NDArray[np.uint64], dict[str, Any]]:
        """Return the checksums of the chunks and the header."""
        size = os.fstat(self._descriptor).st_size
        if size < _TRAILER.size:
            raise damaged(self.path, f"{size} bytes")
        trailer = bytearray(_TRAILER.size)
        self._fill([trailer], size - _TRAILER.size)
        magic, n_sums, n_header, expected = _TRAILER.unpack(trailer)
        start = size - _TRAILER.size - n_sums - n_header
        if magic != _MAGIC or start < 0:
            raise damaged(self.path, "it does not end as it was written")
        index = bytearray(n_sums + n_header)
        self._fill([index], start)
        if _checksum(index + _LENGTHS.pack(n_sums, n_header)) != expected:
            raise damaged(self.path, "its header has other bytes than were written")
        header = json.loads(index[n_sums:])
        grid = _Grid(tuple(header["shape"]))
        if start != grid.nbytes:
            raise damaged(self.path, f"{size} bytes")
        sums = np.frombuffer(bytes(index[:n_sums]), dtype="<u8").reshape(grid.counts)
        return sums, header


def _read_into(descriptor: int, views: Sequence[memoryview], offset: int) -> int:
    """Read from an offset into buffers and return the number of bytes, as `os.preadv` where there is one."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, views, offset)
    content = os.pread(descriptor, len(views[0]), offset)
    views[0][: len(content)] = content
    return len(content)


def _checksum(data: Any) -> int:
    return xxhash.xxh3_64_intdigest(data)


class _Part(NamedTuple):
    """The numbers along an axis that lie in one chunk."""

    chunk: int
    to: _Numbers  # where they go
    within: _Numbers  # where they are in the chunk


def _parts(numbers: npt.NDArray[np.intp], size: int) -> Iterator[_Part]:
    """Yield each chunk of a size that some of the numbers along an axis lie in."""
    if bool((np.diff(numbers) == 1).all()):
        first, end = (int(numbers[0]), int(numbers[-1]) + 1) if len(numbers) else (0, 0)
        for chunk in range(first // size, math.ceil(end / size)):
            start, stop = max(first, chunk * size), min(end, (chunk + 1) * size)
            within = slice(start - chunk * size, stop - chunk * size)
            yield _Part(chunk, slice(start - first, stop - first), within)
        return
    chunks = numbers // size
    for chunk in np.unique(chunks):
        to = np.flatnonzero(chunks == chunk)
        yield _Part(int(chunk), to, numbers[to] - chunk * size)


def _outer(rows: _Numbers, columns: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return an index of rows x columns; numpy pairs two lists of numbers by itself."""
    if isinstance(rows, slice) or isinstance(columns, slice):
        return rows, columns
    return rows[:, None], columns
