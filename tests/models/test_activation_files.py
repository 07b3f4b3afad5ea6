"""Layer files: what is written batch by batch comes back lazily, labeled and whole."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import ActivationError, CacheError, DamagedEntryError
from brainbench.models.activation_files import LayerFile, neuroid_coordinates, open_layer


def _file(path: Path, n: int, shape: tuple[int, ...], steps: int) -> LayerFile:
    ids = [f"picture-{index}" for index in range(n)]
    return LayerFile(
        path,
        key=path.stem,
        layer="conv",
        stimulus_ids=ids,
        shape=shape,
        steps=steps,
        attrs={"model": "m"},
    )


def _values(n: int, shape: tuple[int, ...], steps: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, int(np.prod(shape)), steps)).astype(np.float32)


def _write(path: Path, *batches: tuple[int, tuple[int, int]]) -> None:
    """Write two rows of three units, or what is given as (first row, shape)."""
    with _file(path, 2, (3,), 1) as file:
        for start, shape in batches or [(0, (2, 3))]:
            file.write(start, [np.ones(shape, np.float32)])


@pytest.mark.parametrize("steps", [1, 3])
def test_batches_come_back_as_one_lazy_array(tmp_path: Path, steps: int) -> None:
    shape = (5, 40, 40)
    values = _values(37, shape, steps)
    with _file(tmp_path / "a.chunks", 37, shape, steps) as file:
        for start in range(0, 37, 16):
            batch = values[start : start + 16]
            file.write(start, [batch[..., t] for t in range(steps)])
    read = open_layer(tmp_path / "a.chunks")
    assert not read.variable._in_memory
    assert read.dims == ("stimulus", "neuroid", "time")
    assert read.dtype == np.float32
    columns = read.isel(neuroid=slice(100, 300), time=steps - 1)
    np.testing.assert_array_equal(columns.values, values[:, 100:300, steps - 1])
    assert not read.variable._in_memory  # reading a part keeps no copy of the whole
    np.testing.assert_array_equal(read.values, values)


def test_an_opened_file_is_indexed_as_an_array(tmp_path: Path) -> None:
    values = _values(20, (2, 30, 60), 3)
    with _file(tmp_path / "a.chunks", 20, (2, 30, 60), 3) as file:
        file.write(0, list(np.moveaxis(values, 2, 0)))
    read, order = open_layer(tmp_path / "a.chunks"), np.random.default_rng(0).permutation(20)
    again = read.isel(stimulus=order).isel(neuroid=slice(5, 3500, 7), time=[2, 0])
    np.testing.assert_array_equal(again.values, values[order][:, 5:3500:7][..., [2, 0]])
    np.testing.assert_array_equal(read[3, :, 1].values, values[3, :, 1])
    one = read.isel(stimulus=0, neuroid=3, time=2)
    assert one.values.shape == ()
    assert one.item() == values[0, 3, 2]
    at = {dim: ("pair", [1, 0, 2]) for dim in read.dims}  # pairs, not an outer product
    np.testing.assert_array_equal(read.isel(at).values, values[[1, 0, 2], [1, 0, 2], [1, 0, 2]])
    np.testing.assert_array_equal(copy.deepcopy(read).values, values)
    np.testing.assert_allclose(read.mean("stimulus").values, values.mean(axis=0), rtol=1e-5)


def test_the_file_alone_says_what_it_holds(tmp_path: Path) -> None:
    _write(tmp_path / "a.chunks")
    read = open_layer(tmp_path / "a.chunks")
    assert read.stimulus_id.values.tolist() == ["picture-0", "picture-1"]
    assert read.attrs == {"units": "a.u.", "layer": "conv", "model": "m"}
    assert read.channel.values.tolist() == [0, 1, 2]
    assert read.name == "values"


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
    with pytest.raises(ActivationError, match=r"'conv' .*\[4\] .*1 .*\[3\]"):
        _write(tmp_path / "a.chunks", (0, (1, 3)), (1, (1, 4)))


@pytest.mark.parametrize(("start", "n"), [(2, 1), (0, 1), (1, 2)])
def test_batches_that_do_not_follow_each_other_are_an_error(
    tmp_path: Path, start: int, n: int
) -> None:
    with pytest.raises((ActivationError, CacheError), match="rows"):
        _write(tmp_path / "a.chunks", (0, (1, 3)), (start, (n, 3)))


def test_a_file_that_is_gone_names_the_limit_of_the_cache(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"gone\.chunks") as caught:
        open_layer(tmp_path / "gone.chunks")
    assert "BRAINBENCH_CACHE_GB" in caught.value.todo


def test_damage_found_late_is_said_and_the_file_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.chunks"
    _write(path)
    first, second = open_layer(path), open_layer(path)
    with path.open("r+b") as stream:
        stream.write(b"\1")
    notes = RecordedNotes()
    with progress.use(notes):
        with pytest.raises(DamagedEntryError, match=str(path)):
            _ = first.values
        assert not path.exists()
        path.write_text("made anew")
        with pytest.raises(DamagedEntryError):
            _ = second.values
    assert path.exists()  # it is not the one that was damaged
    (note,) = notes.notes
    assert str(path) in note
