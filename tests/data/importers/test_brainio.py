"""Files in the layout of Brain-Score, right and wrong."""

from functools import partial

import numpy as np
import pytest
import xarray as xr
from brainio_files import IMAGES, REPEATS, layout, written

from brainbench.core.assembly import average
from brainbench.core.errors import DataAbsentError, InputError, UnknownNameError
from brainbench.data.importers import brainio
from brainbench.data.importers.brainio import by_region

read = partial(brainio.read, trusted=True)
"""In this process: a child takes a second to start."""


def test_presentations_become_repetitions_and_stimuli(tmp_path):
    dataset, values = layout()
    got = read(written(tmp_path, dataset))
    assert got.dims == ("repetition", "stimulus", "neuroid", "time")
    np.testing.assert_array_equal(got.values, values)
    assert got.dtype == np.float32
    assert got.stimulus_id.values.tolist() == ["a", "b", "c"]
    assert got.object_name.values.tolist() == ["object a", "object b", "object c"]
    np.testing.assert_array_equal(got["size"].values, [np.nan, 2.0, np.nan])
    assert "trial" not in got.coords  # another one at each presentation
    assert got.region.values.tolist() == ["V4", "IT", "V4", "IT", "IT"]
    assert (got.time_start.values.tolist(), got.time_end.values.tolist()) == ([70], [170])
    assert got.attrs == {"units": "a.u.", "source": "assembly.nc"}


def test_dims_may_come_in_any_order_and_without_time(tmp_path):
    dataset, values = layout(time=None)
    got = read(written(tmp_path, dataset.transpose("presentation", "neuroid")))
    assert got.dims == ("repetition", "stimulus", "neuroid")
    np.testing.assert_array_equal(got.values, values[..., 0])


def test_time_bins_are_sorted(tmp_path):
    dataset, values = layout(time=((90, 100), (70, 80), (80, 90)))
    got = read(written(tmp_path, dataset))
    assert got.time_start.values.tolist() == [70, 80, 90]
    np.testing.assert_array_equal(got.values, values[..., [1, 2, 0]])


def test_older_files_say_image_id(tmp_path):
    dataset, values = layout(ids="image_id")
    got = read(written(tmp_path, dataset))
    np.testing.assert_array_equal(got.values, values)
    assert "image_id" not in got.coords


def test_integers_and_their_unit(tmp_path):
    dataset, _ = layout()
    dataset["dicarlo.Test"] = (10 * dataset["dicarlo.Test"]).astype("int16")
    dataset["dicarlo.Test"].attrs["units"] = "spikes"
    path = written(tmp_path, dataset)
    assert read(path).attrs["units"] == "spikes"
    assert read(path, units="spikes/s").attrs["units"] == "spikes/s"
    assert read(path).dtype == np.float64


def test_stimuli_that_were_shown_less_often(tmp_path):
    dataset, values = layout()
    gone = (dataset.stimulus_id == "c") & (dataset.repetition >= 12)
    got = read(written(tmp_path, dataset.isel(presentation=np.flatnonzero(~gone))))
    assert got.attrs["missing"] == "nan"
    np.testing.assert_array_equal(got.values[:, :2], values[:, :2])
    np.testing.assert_array_equal(got.values[:2, 2], values[:2, 2])
    assert np.isnan(got.values[2:, 2]).all()
    np.testing.assert_allclose(average(got).values[2], values[:2, 2].mean(axis=0), rtol=1e-6)


def test_presentations_without_a_number_are_counted(tmp_path):
    dataset, values = layout(repetition=False)
    got = read(written(tmp_path, dataset))
    assert got.sizes["repetition"] == REPEATS
    for stimulus in range(len(IMAGES)):  # the same trials, in the order of the file
        theirs = sorted(got.values[:, stimulus, 0, 0].tolist())
        assert theirs == sorted(values[:, stimulus, 0, 0].tolist())
    first = dataset.isel(presentation=np.flatnonzero(dataset.stimulus_id == "a")[0])
    np.testing.assert_array_equal(got.values[0, 0], first["dicarlo.Test"].values)


def test_means_have_no_repetition(tmp_path):
    dataset, values = layout(repetition=False)
    once = [np.flatnonzero(dataset.stimulus_id == image)[0] for image in IMAGES]
    got = read(written(tmp_path, dataset.isel(presentation=once)))
    assert got.dims == ("stimulus", "neuroid", "time")
    assert got.shape == values.shape[1:]


def test_regions(tmp_path):
    dataset, values = layout()
    parts = by_region(read(written(tmp_path, dataset)))
    assert list(parts) == ["IT", "V4"]
    np.testing.assert_array_equal(parts["V4"].values, values[:, :, [0, 2]])
    assert parts["IT"].neuroid_id.values.tolist() == ["site1", "site3", "site4"]


def test_one_of_several_arrays(tmp_path):
    dataset, values = layout()
    dataset["other"] = 2 * dataset["dicarlo.Test"]
    path = written(tmp_path, dataset)
    with pytest.raises(InputError, match=r"'dicarlo.Test': .*'other': "):
        read(path)
    np.testing.assert_array_equal(read(path, variable="other").values, 2 * values)
    with pytest.raises(UnknownNameError, match=r"othr(.|\n)* other"):
        read(path, variable="othr")


# --- wrong files ----------------------------------------------------------------------------------


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(DataAbsentError, match=r"none\.nc"):
        read(tmp_path / "none.nc")


@pytest.mark.parametrize("content", [b"", b"no netCDF", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_file_that_is_no_netcdf(tmp_path, content):
    path = tmp_path / "damaged.nc"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.nc"):
        read(path)


def test_file_that_was_cut_off(tmp_path):
    path = written(tmp_path, layout()[0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=str(path)):
        read(path)


def changed(dataset, **coords):
    array = dataset["dicarlo.Test"]
    return array.assign_coords(coords).to_dataset()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.rename(presentation="trial_number"), r"\{'dicarlo\.Test'"),
        (lambda d: d.drop_vars("dicarlo.Test"), r"\{\}"),
        (lambda d: d.drop_vars("stimulus_id"), "stimulus_id or image_id"),
        (lambda d: d.drop_vars("neuroid_id"), "'neuroid_id'"),
        (lambda d: d.drop_vars("time_bin_end"), "time_bin_start and time_bin_end"),
        (lambda d: d.astype(str), "<U"),
        (lambda d: d.isel(presentation=[0, 1, 1]), r"1 .*repetition \d+ of '[abc]'"),
        (lambda d: d.isel(presentation=[]), "'stimulus': 0"),
        (lambda d: d.isel(neuroid=[0, 1, 1]), "1 duplicate neuroid_id"),
        (lambda d: d.where(d < 1, np.inf), "infinite"),
        (lambda d: changed(d, time_bin_end=("time_bin", [60])), "time bins"),
    ],
)
def test_wrong_layout_is_named(tmp_path, change, named):
    path = written(tmp_path, change(layout()[0]))
    with pytest.raises(InputError, match=named):
        read(path)


def test_time_bins_that_begin_together(tmp_path):
    path = written(tmp_path, layout(time=((70, 80), (70, 90)))[0])
    with pytest.raises(InputError, match="time bins"):
        read(path)


def test_a_child_reads_what_this_process_reads(tmp_path):
    dataset, _ = layout(time=((70, 80), (80, 90)))
    path = written(tmp_path, dataset.isel(presentation=slice(1, None)))  # one repetition is missing
    got, expected = brainio.read(path, units="spikes"), read(path, units="spikes")
    xr.testing.assert_identical(got, expected)
    assert got.dtype == expected.dtype
    assert {k: c.dtype for k, c in got.coords.items()} == {
        k: c.dtype for k, c in expected.coords.items()
    }


def test_neuroids_without_a_region(tmp_path):
    recorded = read(written(tmp_path, layout()[0])).drop_vars("region")
    with pytest.raises(InputError, match="'region'"):
        by_region(recorded)


def test_levels_before_the_id_are_kept_in_the_order_of_the_file(tmp_path):
    dataset, _ = layout()
    array = dataset["dicarlo.Test"]
    first = ["size", "trial", "object_name", "repetition"]
    names = [*first, "stimulus_id"]
    late = array.drop_vars(names).assign_coords(
        {name: ("presentation", array.coords[name].values) for name in names}
    )
    got = read(written(tmp_path, late.to_dataset()))
    assert got.attrs["levels"] == ["size", "object_name"]  # those that depend on the stimulus alone
