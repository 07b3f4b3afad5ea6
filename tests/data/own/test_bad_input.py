"""Files that cannot be used: each is an error that names what was got and what to give."""

from __future__ import annotations

import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr
from own_files import IDS, N_IMAGES, N_SITES, SITES, TRIALS, images_folder, long_csv, nwb

from brainbench.core.errors import BrainbenchError, InputError, StimulusError, UnknownNameError
from brainbench.data.own import formats
from brainbench.data.own.dataset import OwnData, from_arrays, from_files, from_nwb, from_table
from brainbench.data.own.layout import Layout

pytestmark = pytest.mark.usefixtures("unguarded")
MEANS = TRIALS.mean(axis=0)


def _from(path: Path, images: Path | None = None, **layout: object) -> OwnData:
    shown = images or images_folder(path.parent)
    return from_files("Mine", path, shown, layout=Layout(**{"region": "V4", **layout}))


def _arrays(folder: Path, values: object, **more: object) -> OwnData:
    return from_arrays("Mine", values, images_folder(folder), **{"region": "V4", **more})


def _said(error: BrainbenchError) -> str:
    return f"{error.got} | {error.allowed} | {error.todo}"


# --- axes -----------------------------------------------------------------------------------------


def test_axes_that_are_ambiguous(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, TRIALS)
    assert "3 x 12 x 5" in caught.value.got
    assert "--dims ?,stimulus,?" in caught.value.todo


def test_as_many_sites_as_images(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, np.ones((N_IMAGES, N_IMAGES)))
    assert "12 x 12" in caught.value.got
    assert "--dims" in caught.value.todo


@pytest.mark.parametrize("dims", ["stimulus", "stimulus,neuroid,stimulus", "stimulus,cell"])
def test_dims_that_are_none(dims, tmp_path):
    with pytest.raises((InputError, UnknownNameError)) as caught:
        _arrays(tmp_path, MEANS, dims=dims)
    assert "stimulus" in _said(caught.value)


def test_dims_of_another_number_of_axes(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, MEANS, dims="stimulus,neuroid,repetition")
    assert "(12, 5)" in caught.value.got


def test_another_number_of_images(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, np.ones((7, 5)), dims="stimulus,neuroid")
    assert "7 responses" in caught.value.got
    assert "12 images" in caught.value.got


# --- time -----------------------------------------------------------------------------------------


def test_time_that_goes_backwards(tmp_path):
    coords = {
        "image_id": ("image", IDS),
        "time_start": ("time", [0.0, 20.0, 10.0]),
        "time_end": ("time", [10.0, 30.0, 20.0]),
    }
    values = np.ones((N_IMAGES, 2, 3))
    array = xr.DataArray(values, dims=("image", "unit", "time"), coords=coords, name="counts")
    array.to_netcdf(tmp_path / "back.nc")
    with pytest.raises(InputError) as caught:
        _from(tmp_path / "back.nc")
    assert "bin 3 starts at 10 ms" in caught.value.got


def test_time_that_is_not_known(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, np.ones((N_IMAGES, 2, 4)), dims="stimulus,neuroid,time")
    assert "4 entries along time" in caught.value.got
    assert "--time-step" in caught.value.todo


def test_a_window_outside_the_recording(tmp_path):
    values = np.ones((N_IMAGES, 2, 4))
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, values, dims="stimulus,neuroid,time", time_step=10.0, window="70,170")
    assert "70-170" in caught.value.got


# --- values ---------------------------------------------------------------------------------------


def test_float16_is_kept_as_it_is_in_float32(tmp_path):
    data = _arrays(tmp_path, MEANS.astype(np.float16))
    recording = data.recordings("V4")
    assert recording.dtype == np.float32
    np.testing.assert_array_equal(recording.values, MEANS.astype(np.float16).astype(np.float32))
    assert any("float16" in note for note in data.notes)


def test_float16_that_overflowed(tmp_path):
    values = np.full((N_IMAGES, N_SITES), 1e5, dtype=np.float32)
    with pytest.raises(InputError) as caught, np.errstate(over="ignore"):
        _arrays(tmp_path, values.astype(np.float16))
    assert "60 infinite" in caught.value.got
    assert "65504" in caught.value.got


@pytest.mark.parametrize("values", [MEANS * 1j, MEANS.astype(str), MEANS.astype(object)])
def test_values_that_are_no_real_numbers(values, tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, values)
    assert str(values.dtype) in caught.value.got


def test_nan_without_trials(tmp_path):
    values = MEANS.copy()
    values[3, 2] = np.nan
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, values)
    assert "1 responses have no value" in caught.value.got
    assert "image03" in caught.value.got


def test_nan_in_all_trials_of_an_image(tmp_path):
    values = TRIALS.copy()
    values[:, 3, 2] = np.nan
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, values, dims="repetition,stimulus,neuroid")
    assert "no trial" in caught.value.got


def test_sites_without_a_region(tmp_path):
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, MEANS, region=None)
    assert "--region" in caught.value.todo


# --- ids ------------------------------------------------------------------------------------------


def test_ids_without_an_image_name_the_closest(tmp_path):
    ids = ["imag00", *IDS[1:]]
    with pytest.raises(InputError) as caught:
        _arrays(tmp_path, MEANS, ids=ids)
    assert "1 of 12 ids" in caught.value.got
    assert "'imag00'" in caught.value.got
    assert "image00" in caught.value.allowed


def test_an_order_that_is_in_doubt(tmp_path):
    """As text image10 comes before image2: the n-th response would be to another image."""
    folder = images_folder(tmp_path, names=[f"image{k}" for k in range(N_IMAGES)])
    with pytest.raises(InputError) as caught:
        from_arrays("Mine", MEANS, folder, region="V4")
    assert "'image10'" in caught.value.got
    assert "'image2'" in caught.value.got
    ids = [f"image{k}" for k in range(N_IMAGES)]
    named = from_arrays("Mine", MEANS, folder, ids=ids, region="V4")
    assert named.stimuli().ids == tuple(ids)


def test_another_number_of_ids_or_sites(tmp_path):
    for wrong in ({"ids": IDS[:-1]}, {"sites": {"animal": ["a"] * 4}}):
        folder = tmp_path / str(len(wrong.get("ids", [])))
        folder.mkdir()
        with pytest.raises(InputError) as caught:
            _arrays(folder, MEANS, dims="stimulus,neuroid", **wrong)
        assert "(11,)" in caught.value.got or "(4,)" in caught.value.got


def test_ids_that_are_whole_numbers(tmp_path):
    """MATLAB has no others than 1.0, 2.0, ..., which are the images 1, 2, ..."""
    names = [str(k) for k in range(1, N_IMAGES + 1)]
    folder = images_folder(tmp_path, names=names)
    ids = np.arange(1.0, N_IMAGES + 1)
    data = from_arrays("Mine", MEANS, folder, ids=ids, region="V4")
    assert data.stimuli().ids == tuple(names)
    np.testing.assert_array_equal(data.recordings("V4").values, MEANS)


@pytest.mark.parametrize("strange", [5, None, object(), ["x"], b"x", float("nan")])
def test_arguments_of_another_type(strange, tmp_path):
    images = images_folder(tmp_path)
    for call in (
        lambda: from_arrays(strange, MEANS, images, region="V4"),
        lambda: from_arrays("Mine", MEANS, strange, region="V4"),
        lambda: from_arrays("Mine", strange, images, region="V4"),
        lambda: from_arrays("Mine", MEANS, images, region=strange),
        lambda: from_table("Mine", strange, images, region="V4"),
        lambda: from_nwb("Mine", strange, images, region="V4"),
    ):
        with pytest.raises(BrainbenchError):
            call()


# --- tables ---------------------------------------------------------------------------------------


def test_a_missing_column_lists_what_is_there(tmp_path):
    table = pd.DataFrame({"picture": IDS, "cell": SITES[0], "hz": 1.0})
    with pytest.raises(UnknownNameError) as caught:
        from_table("Mine", table, images_folder(tmp_path), region="V4")
    assert "'stimulus_id'" in caught.value.got
    assert "picture, cell, hz" in caught.value.todo
    columns = {"stimulus_id": "picture", "neuroid_id": "cell", "value": "hz"}
    images = tmp_path / "images"
    assert from_table("Mine", table, images, region="V4", columns=columns).regions["V4"].shape == (
        N_IMAGES,
        1,
    )


def test_an_entry_that_is_no_number(tmp_path):
    long_csv(tmp_path / "counts.csv")
    text = (tmp_path / "counts.csv").read_text().splitlines()
    text[4] = ",".join([*text[4].split(",")[:3], "1;5", "a"])
    (tmp_path / "counts.csv").write_text("\n".join(text))
    with pytest.raises(InputError) as caught:
        _from(tmp_path / "counts.csv")
    assert "row 5" in caught.value.got
    assert "'1;5'" in caught.value.got


def test_a_site_of_two_animals(tmp_path):
    """Channel 1 of one animal is not channel 1 of the other: their responses are not trials of one site."""
    rows = {"image": IDS * 2, "unit": "1", "rate": 1.0, "animal": ["a"] * 12 + ["b"] * 12}
    with pytest.raises(InputError) as caught:
        from_table("Mine", pd.DataFrame(rows), images_folder(tmp_path), region="V4")
    assert "'a'" in caught.value.got
    assert "'b'" in caught.value.got


def test_a_trial_that_occurs_twice(tmp_path):
    rows = {"image": IDS * 2, "unit": "1", "rate": 1.0, "trial": 1}
    with pytest.raises(InputError) as caught:
        from_table("Mine", pd.DataFrame(rows), images_folder(tmp_path), region="V4")
    assert "12 responses occur more than once" in caught.value.got


def test_a_trial_without_a_number(tmp_path):
    rows = {"image": IDS, "unit": "1", "rate": 1.0, "trial": ["1", "", *"1" * 10]}
    with pytest.raises(InputError) as caught:
        from_table("Mine", pd.DataFrame(rows), images_folder(tmp_path), region="V4")
    assert "1 of 12" in caught.value.got
    assert "trial" in caught.value.got


def test_ids_stay_text(tmp_path):
    names = [f"{k:03d}" for k in range(N_IMAGES)]
    folder = images_folder(tmp_path, names=names)
    pd.DataFrame({"image": names, "a": 1.5, "b": range(12)}).to_csv(tmp_path / "t.csv", index=False)
    data = from_files("Mine", tmp_path / "t.csv", folder, layout=Layout(region="V4"))
    assert data.stimuli().ids == tuple(names)


def test_an_index_column_is_no_site(tmp_path):
    pd.DataFrame({"image": IDS, "a": MEANS[:, 0]}).to_csv(tmp_path / "t.csv")
    data = _from(tmp_path / "t.csv")
    assert data.recordings("V4").coords["neuroid_id"].values.tolist() == ["a"]


# --- files ----------------------------------------------------------------------------------------


def test_objects_and_pickles_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([_Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", responses=np.array([[_Bomb()]] * 2, dtype=object))
    (tmp_path / "counts.pkl").write_bytes(pickle.dumps(_Bomb()))
    images = images_folder(tmp_path)
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(InputError) as caught:
            _from(tmp_path / name, images)
        assert "object" in caught.value.got
    with pytest.raises(InputError) as caught:
        formats.read_responses(tmp_path / "counts.pkl", Layout())
    assert ".pkl" in caught.value.got
    assert not _Bomb.opened


class _Bomb:
    """An object that says when it was unpickled."""

    opened = False

    def __setstate__(self, state: object) -> None:
        _Bomb.opened = True

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}


def test_matlab_structs_and_cells_are_refused(tmp_path):
    cells = np.empty((12, 5), dtype=object)
    cells[:] = 1.0
    content = {"session": {"counts": MEANS}, "cells": cells}
    scipy.io.savemat(tmp_path / "counts.mat", content)
    images = images_folder(tmp_path)
    for name, kind in (("session", "struct"), ("cells", "cell")):
        with pytest.raises(InputError) as caught:
            _from(tmp_path / "counts.mat", images, variable=name)
        assert kind in caught.value.got
    with pytest.raises(InputError) as caught:
        _from(tmp_path / "counts.mat", images)
    assert "struct" in caught.value.got


def test_matlab_73_structs_and_cells_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "counts.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("session")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        cells = file.create_dataset("cells", data=np.zeros((5, 12)))
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    images = images_folder(tmp_path)
    for name, kind in (("session", "struct"), ("cells", "cell")):
        with pytest.raises(InputError) as caught:
            _from(path, images, variable=name)
        assert kind in caught.value.got


def test_several_arrays_of_which_none_is_named(tmp_path):
    np.savez(tmp_path / "two.npz", first=MEANS, second=TRIALS)
    with pytest.raises(InputError) as caught:
        _from(tmp_path / "two.npz")
    assert "first float64 (12, 5)" in caught.value.got
    assert "--variable" in caught.value.todo


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat", "a.nc", "a.nwb"])
def test_files_of_something_else(name, tmp_path):
    if name == "a.nwb":
        pytest.importorskip("pynwb")
    (tmp_path / name).write_bytes(b"something else" * 100)
    with pytest.raises(InputError) as caught:
        _from(tmp_path / name)
    assert name in caught.value.got


def test_nwb_without_stimuli(tmp_path):
    pytest.importorskip("pynwb")
    nwb(tmp_path / "session.nwb", stimuli=False)
    with pytest.raises(InputError) as caught:
        _from(tmp_path / "session.nwb")
    assert "which image was shown when" in caught.value.got


# --- images ---------------------------------------------------------------------------------------


def test_an_image_that_is_none(tmp_path):
    folder = images_folder(tmp_path)
    (folder / "image03.png").write_text("no image")
    with pytest.raises(StimulusError) as caught:
        from_arrays("Mine", MEANS, folder, region="V4")
    assert "image03.png" in caught.value.got


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError) as caught:
        from_arrays("Mine", MEANS, tmp_path, region="V4")
    assert "1 files" in caught.value.got


def _zip(path: Path, folder: Path, *more: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for image in sorted(folder.iterdir()):
            archive.write(image, f"session/{image.name}")
        for member, content in more:
            archive.writestr(member, content)
    return path


def test_a_zip_of_images(tmp_path):
    folder = images_folder(tmp_path)
    hidden = (zipfile.ZipInfo("__MACOSX/session/._image00.png"), b"x")
    data = from_arrays("Mine", MEANS, _zip(tmp_path / "i.zip", folder, hidden), region="V4")
    assert data.stimuli().digest == from_arrays("Mine", MEANS, folder, region="V4").stimuli().digest


@pytest.mark.parametrize(
    "name", ["../outside.png", "/outside.png", "a/../../outside.png", "..\\a.png"]
)
def test_a_zip_that_leads_outside(name, tmp_path):
    path = _zip(tmp_path / "i.zip", images_folder(tmp_path), (zipfile.ZipInfo(name), b"x"))
    with pytest.raises(InputError) as caught:
        from_arrays("Mine", MEANS, path, region="V4")
    assert "outside.png" in caught.value.got or "a.png" in caught.value.got
    assert not (tmp_path / "outside.png").exists()


def test_a_zip_with_a_link(tmp_path):
    link = zipfile.ZipInfo("session/image99.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = _zip(tmp_path / "i.zip", images_folder(tmp_path), (link, b"/etc/passwd"))
    with pytest.raises(InputError) as caught:
        from_arrays("Mine", MEANS, path, region="V4")
    assert "image99.png" in caught.value.got


@pytest.mark.parametrize("name", ["", "a.b", "a-b", "1a", "a/b", "..", "a b", "*"])
def test_names_that_are_none(name, tmp_path):
    with pytest.raises(InputError) as caught:
        from_arrays(name, MEANS, tmp_path, region="V4")
    assert repr(name) in caught.value.got
