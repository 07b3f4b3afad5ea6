"""Array files: what was written is what is read, or an error; also from several threads."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from damages import DAMAGES

from brainbench.core.errors import CacheError, DamagedEntryError
from brainbench.storage.array_file import COLUMNS, ROWS, ArrayReader, ArrayWriter

ALL = slice(None)
SHAPE = (2 * ROWS + 5, COLUMNS + 90, 2)


def values_of(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def write(path: Path, values: npt.NDArray[np.float32], *, batch: int = 10, key: str = "k") -> Path:
    about = {"name": "é", "ids": ["a", "\udcff"]}
    with ArrayWriter(path, key=key, shape=values.shape, about=about) as writer:
        for start in range(0, len(values), batch):
            rows = values[start : start + batch]
            writer.write([rows[..., step] for step in range(values.shape[2])])
    return path


@pytest.mark.parametrize("batch", [1, 7, ROWS, 3 * ROWS])
@pytest.mark.parametrize("shape", [SHAPE, (3, 5, 1), (ROWS, COLUMNS, 3), (1, 1, 1)])
def test_what_is_written_is_read(tmp_path: Path, batch: int, shape: tuple[int, int, int]) -> None:
    values = values_of(shape)
    reader = ArrayReader(write(tmp_path / "k.chunks", values, batch=batch), key="k")
    assert reader.shape == shape
    assert reader.about == {"name": "é", "ids": ["a", "\udcff"]}
    np.testing.assert_array_equal(reader.read(ALL, ALL, ALL), values)
    reader.verify()


INDICES: list[Any] = [
    ALL,
    slice(3, 20),
    slice(20, 3, -2),
    4,
    -1,
    np.array([30, 2, 2, 17]),
    np.arange(ROWS),
    np.array([], dtype=int),
]


@pytest.mark.parametrize("rows", range(len(INDICES)))
def test_indices_are_those_of_numpy_along_each_axis(tmp_path: Path, rows: int) -> None:
    values = values_of()
    reader = ArrayReader(write(tmp_path / "a", values))
    picked = values[INDICES[rows]]
    more = [COLUMNS - 2, slice(COLUMNS - 3, COLUMNS + 3), np.array([COLUMNS + 80, 0])]
    for columns, steps in itertools.product([*INDICES, *more], [ALL, 1, np.array([1, 0])]):
        expected = picked[..., columns, :][..., steps]
        np.testing.assert_array_equal(reader.read(INDICES[rows], columns, steps), expected)


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("shape", [SHAPE, (4, 3, 1)])
def test_damage_is_noticed(tmp_path: Path, name: str, shape: tuple[int, int, int]) -> None:
    values = values_of(shape)
    path = write(tmp_path / "k.chunks", values)
    other = write(tmp_path / "other.chunks", values_of(shape, 1), key="other")
    DAMAGES[name](path, other)
    with pytest.raises((DamagedEntryError, OSError)):
        ArrayReader(path, key="k").read(ALL, ALL, ALL)


def test_every_bit_counts(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "k.chunks", values_of((3, 4, 1))).read_bytes())
    path = tmp_path / "flipped"
    for bit in range(0, 8 * len(content), 7):
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(DamagedEntryError):
            ArrayReader(path, key="k").read(ALL, ALL, ALL)
        content[bit // 8] ^= 1 << bit % 8


def test_damage_names_the_file_and_the_chunk(tmp_path: Path) -> None:
    path = write(tmp_path / "k.chunks", values_of())
    reader = ArrayReader(path)
    rows_and_columns = ROWS * SHAPE[1] * 2 * 4 + 100  # in the second block of rows
    with path.open("r+b") as stream:
        stream.seek(rows_and_columns)
        stream.write(b"\0\0\0\0")
    reader.read(slice(0, ROWS), ALL, ALL)  # what is whole can be read
    with pytest.raises(DamagedEntryError, match=rf"k\.chunks.* {ROWS}, .* 0, .* 0") as caught:
        reader.read(ALL, slice(0, 5), 0)
    assert caught.value.path == path


@pytest.mark.parametrize("rows", [0, ROWS, SHAPE[0] - 1])
def test_a_file_with_missing_rows_is_never_valid(tmp_path: Path, rows: int) -> None:
    path, values = tmp_path / "k", values_of()
    with (
        pytest.raises(CacheError, match=rf"{rows} rows .* {SHAPE[0]}"),
        ArrayWriter(path, key="k", shape=SHAPE, about={}) as writer,
    ):
        writer.write([values[:rows, :, step] for step in range(2)])
    with pytest.raises(DamagedEntryError):
        ArrayReader(path)


def test_rows_beyond_the_last_are_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(CacheError, match="6 rows"),
        ArrayWriter(tmp_path / "k", key="k", shape=(5, 2, 1), about={}) as writer,
    ):
        writer.write([np.zeros((6, 2), np.float32)])


def test_a_failed_block_leaves_no_valid_file(tmp_path: Path) -> None:
    values = values_of((3, 2, 1))

    def break_off() -> None:
        with ArrayWriter(tmp_path / "k", key="k", shape=(3, 2, 1), about={}) as writer:
            writer.write([values[..., 0]])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    with pytest.raises(DamagedEntryError):
        ArrayReader(tmp_path / "k")


def test_a_leftover_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"of a killed run")
    with pytest.raises(FileExistsError):
        ArrayWriter(tmp_path / "k", key="k", shape=(1, 1, 1), about={})
    assert (tmp_path / "k").read_bytes() == b"of a killed run"


def test_threads_share_a_reader(tmp_path: Path) -> None:
    values = values_of((40, 2 * COLUMNS, 2))
    reader = ArrayReader(write(tmp_path / "k", values))
    wrong: list[int] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(10):
            columns = slice(int(rng.integers(COLUMNS)), int(rng.integers(COLUMNS, 2 * COLUMNS)))
            if not np.array_equal(reader.read(ALL, columns, ALL), values[:, columns]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_systems_without_vectored_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = values_of()
    reader = ArrayReader(write(tmp_path / "k", values))
    monkeypatch.delattr(os, "preadv")
    np.testing.assert_array_equal(reader.read(ALL, ALL, ALL), values)


def test_a_read_that_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = values_of()
    reader = ArrayReader(write(tmp_path / "k", values))
    whole = os.preadv

    def first(descriptor: int, views: list[memoryview], offset: int) -> int:
        return whole(descriptor, [views[0][:5000]], offset)

    monkeypatch.setattr(os, "preadv", first)
    np.testing.assert_array_equal(reader.read(ALL, ALL, ALL), values)


def test_a_removed_file_can_be_read_to_the_end(tmp_path: Path) -> None:
    values = values_of((3, 5, 1))
    path = write(tmp_path / "k", values)
    reader = ArrayReader(path)
    path.unlink()
    np.testing.assert_array_equal(copy.deepcopy(reader).read(ALL, ALL, ALL), values)
    assert not reader.is_at(path)


def test_a_reader_can_be_sent_to_another_process(tmp_path: Path) -> None:
    values = values_of((3, 5, 1))
    reader = ArrayReader(write(tmp_path / "k", values))
    sent = pickle.loads(pickle.dumps(reader))  # noqa: S301  # its own bytes
    np.testing.assert_array_equal(sent.read(ALL, ALL, 0), values[..., 0])
