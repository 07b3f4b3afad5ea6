"""Every format holds the same trials: each is read as such, axes, ids and animals included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_files import ANIMALS, FORMATS, IDS, NEEDS, TRIALS, images_folder, nwb

from brainbench.data.own.dataset import OwnData, from_files, from_nwb
from brainbench.data.own.layout import Layout

OF_SITES = {"npz", "long csv", "netCDF", "Brain-Score netCDF", "NWB"}


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
