"""Every format holds the same trials: each is read as such, axes, ids and animals included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_files import ANIMALS, FORMATS, IDS, NEEDS, TRIALS, images_folder, nwb

from brainbench.core.errors import InputError
from brainbench.data.own.dataset import OwnData, from_files, from_nwb, from_table
from brainbench.data.own.layout import Layout

OF_SITES = {"npz", "long csv", "netCDF", "netCDF of presentations", "Brain-Score netCDF", "NWB"}


def _added(kind: str, folder: Path, **more: object) -> OwnData:
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    name, write = FORMATS[kind]
    options = write(folder / name)
    layout = Layout(region="V4", **{**options, **more})
    return from_files("Mine", folder / name, images_folder(folder), layout=layout)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_as_the_same_trials(kind, unguarded, tmp_path):
    data = _added(kind, tmp_path)
    recording = data.recordings("V4")
    assert recording.dims == ("repetition", "stimulus", "neuroid")
    assert data.stimuli().ids == tuple(recording.coords["stimulus_id"].values) == tuple(IDS)
    np.testing.assert_array_equal(recording.values, TRIALS)
    if kind in OF_SITES:
        assert recording.coords["animal"].values.tolist() == ANIMALS


@pytest.mark.parametrize("kind", ["npz", pytest.param("NWB", marks=pytest.mark.slow)])
def test_a_child_process_reads_the_same(kind, tmp_path):
    data = _added(kind, tmp_path)
    np.testing.assert_array_equal(data.recordings("V4").values, TRIALS)


def test_spikes_are_binned_on_the_way(unguarded, tmp_path):
    data = _added("NWB", tmp_path, time_start=0.0, time_step=50.0, time_stop=200.0)
    recording = data.recordings("V4")
    assert recording.dims == ("repetition", "stimulus", "neuroid", "time")
    assert recording.coords["time_start"].values.tolist() == [0, 50, 100, 150]
    np.testing.assert_array_equal(recording.sum("time").values, TRIALS)
    assert data.window_of("V4") == (70.0, 170.0)


def test_from_nwb_in_three_lines(unguarded, tmp_path):
    pytest.importorskip("pynwb")
    nwb(tmp_path / "session.nwb")
    data = from_nwb("Mine", tmp_path / "session.nwb", images_folder(tmp_path), region="IT")
    np.testing.assert_array_equal(data.recordings("IT").values, TRIALS)
    assert data.recordings("IT").attrs["units"] == "spikes"


def test_regions_and_time_of_a_long_table(unguarded, tmp_path):
    """A row for each response; two bins, two regions, the region a column of another name."""
    rows = [
        (IDS[k], f"s{s}", "V4" if s < 2 else "IT", start, start + 50, TRIALS[0, k, s] + start)
        for k, s in np.ndindex(12, 5)
        for start in (50, 100)
    ]
    names = ["image", "unit", "area", "time_start", "time_end", "rate"]
    table = pd.DataFrame(rows, columns=names)
    columns = {"region": "area"}
    data = from_table("Mine", table, images_folder(tmp_path), columns=columns, units="spikes/s")
    assert {region: one.sizes["neuroid"] for region, one in data.regions.items()} == {
        "IT": 3,
        "V4": 2,
    }
    recording = data.recordings("IT")
    assert recording.dims == ("stimulus", "neuroid", "time")
    assert recording.attrs["units"] == "spikes/s"
    expected = TRIALS[0][:, 2:, None] + np.array([50.0, 100.0])
    np.testing.assert_array_equal(recording.values, expected)
    assert data.window_of("IT") == (50.0, 150.0)  # which do not cover 70 to 170 ms


def test_trials_that_are_numbered_through_the_session(unguarded, tmp_path):
    """Trial 1 to 36 of twelve images are three trials of each, and stay together over sites."""
    rows = [
        (IDS[k], f"s{s}", 100 + 12 * r + k, TRIALS[r, k, s]) for r, k, s in np.ndindex(TRIALS.shape)
    ]
    table = pd.DataFrame(rows, columns=["image", "unit", "trial", "spikes"])
    table = table.drop(index=3)  # one site misses one trial
    data = from_table("Mine", table, images_folder(tmp_path), region="V4")
    expected = TRIALS.copy()
    expected[0, 0, 3] = np.nan
    np.testing.assert_array_equal(data.recordings("V4").values, expected)


def _session(path: Path, *, indexed: bool) -> None:
    """Write binned responses, presentation x unit, to images by a table or by their numbers."""
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile, TimeSeries
    from pynwb.base import ImageReferences, Images
    from pynwb.image import IndexSeries, RGBImage

    file = NWBFile("a session", "own", datetime(2026, 1, 1, tzinfo=UTC))
    onsets = np.arange(36.0)
    if indexed:
        pictures = [RGBImage(name=name, data=np.zeros((2, 2, 3), np.uint8)) for name in IDS]
        order = ImageReferences(name="order_of_images", data=pictures)
        images = Images(name="shown", images=pictures, order_of_images=order)
        file.add_stimulus_template(images)
        numbers = np.tile(np.arange(12, dtype=np.uint32), 3)
        series = IndexSeries(
            name="which", data=numbers, unit="N/A", indexed_images=images, timestamps=onsets
        )
        file.add_stimulus(series)
    else:
        file.add_trial_column("picture", "the image")
        for onset, name in zip(onsets, IDS * 3, strict=True):
            file.add_trial(start_time=onset, stop_time=onset + 0.2, picture=name)
    module = file.create_processing_module("ecephys", "binned")
    values = TRIALS.reshape(-1, TRIALS.shape[2])
    module.add(TimeSeries(name="binned", data=values, unit="spikes", timestamps=onsets))
    with NWBHDF5IO(str(path), "w") as stream:
        stream.write(file)


@pytest.mark.parametrize("indexed", [True, False])
def test_binned_responses_of_nwb(indexed, unguarded, tmp_path):
    pytest.importorskip("pynwb")
    _session(tmp_path / "session.nwb", indexed=indexed)
    options = {} if indexed else {"columns": {"stimulus_id": "picture"}}
    images = images_folder(tmp_path)
    path = tmp_path / "session.nwb"
    data = from_nwb("Mine", path, images, region="IT", variable="binned", **options)
    np.testing.assert_array_equal(data.recordings("IT").values, TRIALS)
    assert data.recordings("IT").attrs["units"] == "spikes"
    with pytest.raises(InputError) as caught:
        from_nwb("Mine", path, images, region="IT", variable="none", **options)
    assert "binned (36, 5)" in caught.value.got
