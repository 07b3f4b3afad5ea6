"""Layer files: what is written batch by batch comes back lazily, labeled and whole."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from brainbench.core.errors import ActivationError, CacheError
from brainbench.models.activation_files import (
    CHUNK,
    LayerFile,
    netcdf_errors,
    neuroid_coordinates,
    open_layer,
)


class Usage(NamedTuple):
    """As shutil.disk_usage gives it."""

    total: int
    used: int
    free: int


def _file(path: Path, n: int, shape: tuple[int, ...], steps: int) -> LayerFile:
    ids = [f"picture-{index}" for index in range(n)]
    return LayerFile(
        path, layer="conv", stimulus_ids=ids, shape=shape, steps=steps, attrs={"model": "m"}
    )


def _values(n: int, shape: tuple[int, ...], steps: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, int(np.prod(shape)), steps)).astype(np.float32)


@pytest.mark.parametrize("steps", [1, 3])
def test_batches_come_back_as_one_lazy_array(tmp_path: Path, steps: int) -> None:
    shape = (5, 40, 40)
    values = _values(37, shape, steps)
    with _file(tmp_path / "a.nc", 37, shape, steps) as file:
        for start in range(0, 37, 16):
            batch = values[start : start + 16]
            file.write(start, [batch[..., t] for t in range(steps)])
    read = open_layer(tmp_path / "a.nc")
    assert not read.variable._in_memory
    assert read.dims == ("stimulus", "neuroid", "time")
    assert read.dtype == np.float32
    columns = read.isel(neuroid=slice(100, 300), time=steps - 1)
    np.testing.assert_array_equal(columns.values, values[:, 100:300, steps - 1])
    assert not read.variable._in_memory  # reading a part keeps no copy of the whole
    np.testing.assert_array_equal(read.values, values)


def test_chunks_hold_a_batch_of_stimuli_some_neuroids_and_one_step(tmp_path: Path) -> None:
    with _file(tmp_path / "a.nc", 40, (2, 60, 60), 2) as file:
        file.write(0, list(np.moveaxis(_values(40, (2, 60, 60), 2), 2, 0)))
    assert open_layer(tmp_path / "a.nc").encoding["chunksizes"] == CHUNK
    with _file(tmp_path / "b.nc", 3, (7,), 1) as file:
        file.write(0, [np.zeros((3, 7), np.float32)])
    assert open_layer(tmp_path / "b.nc").encoding["chunksizes"] == (3, 7, 1)


def test_the_file_alone_says_what_it_holds(tmp_path: Path) -> None:
    with _file(tmp_path / "a.nc", 2, (3,), 1) as file:
        file.write(0, [np.ones((2, 3), np.float32)])
    with xr.open_dataarray(tmp_path / "a.nc") as read:
        assert read.stimulus_id.values.tolist() == ["picture-0", "picture-1"]
        assert read.attrs["units"] == "a.u."
        assert read.attrs["layer"] == "conv"


def test_units_keep_their_place_in_the_response() -> None:
    maps = neuroid_coordinates("conv", (2, 3, 4))
    values = np.arange(24).reshape(2, 3, 4)
    for index in range(24):
        place = tuple(int(maps[axis][1][index]) for axis in ("channel", "y", "x"))
        assert values[place] == index == maps["neuroid_id"][1][index]
    assert set(neuroid_coordinates("fc", (5,))) == {"neuroid_id", "layer", "channel"}
    tokens = neuroid_coordinates("block", (2, 3))
    assert tokens["token"][1].tolist() == [0, 0, 0, 1, 1, 1]
    assert tokens["channel"][1].tolist() == [0, 1, 2, 0, 1, 2]
    assert "axis3" in neuroid_coordinates("video", (2, 1, 2, 2))


def test_a_layer_that_changes_its_size_is_an_error(tmp_path: Path) -> None:
    with _file(tmp_path / "a.nc", 2, (3,), 1) as file:
        file.write(0, [np.ones((1, 3), np.float32)])
        with pytest.raises(ActivationError, match=r"'conv' .*\[4\] .*1 .*\[3\]"):
            file.write(1, [np.ones((1, 4), np.float32)])


def test_no_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1))
    with pytest.raises(CacheError, match=rf"0\.00 GB.*{tmp_path}") as caught:
        _file(tmp_path / "a.nc", 2, (3,), 1)
    assert "BRAINBENCH_CACHE" in caught.value.todo
    assert not (tmp_path / "a.nc").exists()


@pytest.mark.parametrize(("free", "code"), [(10**9, errno.EIO), (1, errno.ENOSPC)])
def test_a_write_that_fails_says_whether_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, free))
    with pytest.raises(OSError, match="HDF error") as caught, netcdf_errors(tmp_path, 24):
        raise RuntimeError("NetCDF: HDF error")
    assert caught.value.errno == code


def test_a_file_that_is_gone_names_the_limit_of_the_cache(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"gone\.nc") as caught:
        open_layer(tmp_path / "gone.nc")
    assert "BRAINBENCH_CACHE_GB" in caught.value.todo
