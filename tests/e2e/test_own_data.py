"""A newcomer scores real recordings as data of their own, with two commands, from every format.

Cowley session 210325: docs/data.md has the figures of its 50 neurons, of which the median split-half
reliability is .76. Edges of Geirhos et al. 2019: 160 images, 10 subjects.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr

from brainbench.core import registry
from brainbench.data.manifest import open_dataset

COWLEY, EDGES = "data/cowley_v4", "data/geirhos2019_edges_silhouettes"
IDS = [f"image{k:04d}" for k in range(1, 641)]
AXES = ("--dims", "neuroid,stimulus,repetition")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A data folder of this test alone."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "data"))
    registry.entries.cache_clear()
    yield tmp_path
    registry.entries.cache_clear()


@pytest.fixture
def trials(shared) -> np.ndarray:
    """Spike counts, neuron x image x repeat."""
    return np.load(shared(COWLEY) / "responses_raw" / "responses_210325.npy")


def _mat(trials: np.ndarray, path: Path) -> tuple[str, ...]:
    scipy.io.savemat(path, {"responses": trials})
    return AXES


def _long_csv(trials: np.ndarray, path: Path) -> tuple[str, ...]:
    site, image, trial = np.nonzero(~np.isnan(trials))
    rows = {
        "image": np.asarray(IDS)[image],
        "unit": [f"site{k:02d}" for k in site],
        "trial": trial,
        "spikes": trials[site, image, trial].astype(int),
    }
    pd.DataFrame(rows).to_csv(path, index=False)
    return ()


def _netcdf(trials: np.ndarray, path: Path) -> tuple[str, ...]:
    coords = {"image_id": ("image", IDS)}
    array = xr.DataArray(trials, dims=("neuron", "image", "trial"), coords=coords, name="counts")
    array.to_netcdf(path, engine="netcdf4")
    return ()


def _nwb(trials: np.ndarray, path: Path) -> tuple[str, ...]:
    from datetime import UTC, datetime

    pynwb = pytest.importorskip("pynwb")
    file = pynwb.NWBFile("210325", "own", datetime(2021, 3, 25, tzinfo=UTC))
    image, trial = np.nonzero(~np.isnan(trials[0]))
    onsets = 0.5 * np.arange(len(image))
    file.add_trial_column("stimulus_id", "the image")
    for onset, k in zip(onsets, image, strict=True):
        file.add_trial(start_time=onset, stop_time=onset + 0.2, stimulus_id=IDS[k])
    for k in range(len(trials)):
        counts = trials[k, image, trial].astype(int)
        nth = np.concatenate([np.arange(n) for n in counts])
        spikes = np.repeat(onsets, counts) + 0.051 + 0.002 * nth
        file.add_unit(spike_times=np.sort(spikes))
    with pynwb.NWBHDF5IO(str(path), "w") as stream:
        stream.write(file)
    return ("--window", "50,150")


FILES: dict[str, tuple[str, Callable[[np.ndarray, Path], tuple[str, ...]]]] = {
    "MATLAB": ("counts.mat", _mat),
    "csv": ("counts.csv", _long_csv),
    "netCDF": ("counts.nc", _netcdf),
    "NWB": ("counts.nwb", _nwb),
}


def _score(call, folder: Path, benchmark: str, *words: str) -> dict[str, float]:
    place = folder / "results"
    status, out, err = call(
        "score", "-m", "pixels", "-b", benchmark, "-o", place, "--format", "json", *words
    )
    assert status == 0, err
    (score,) = json.loads(out)
    return score


@pytest.mark.slow
def test_the_published_files_as_data_of_ones_own(call, shared, own_home):
    source = shared(COWLEY)
    status, out, err = call(
        "data", "add", "Mine", "--responses", source / "responses_raw" / "responses_210325.npy",
        "--images", source / "images" / "images_210325.zip", "--region", "V4", *AXES,
    )  # fmt: skip
    assert status == 0, err
    said = " ".join(out.split())
    assert "10 repetition x 640 stimulus x 50 neuroid" in said
    assert "trials: 6 to 10 an image" in said
    assert "median site 0.76" in said
    score = _score(call, own_home, "Mine.V4-pls", "--null", "none")
    assert score["value"] == pytest.approx(0.124, abs=6e-4)  # as docs/data.md says of this session
    assert score["ceiling"] == pytest.approx(0.759, abs=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_the_same_from_another_format(kind, call, shared, own_home, trials):
    images = shared(COWLEY) / "images" / "images_210325.zip"
    name, write = FILES[kind]
    words = write(trials, own_home / name)
    status, _, err = call(
        "data", "add", "Mine", "--responses", own_home / name, "--images", images,
        "--region", "V4", *words,
    )  # fmt: skip
    assert status == 0, err
    recorded = open_dataset("Mine").recordings("V4")
    np.testing.assert_array_equal(
        recorded.transpose("neuroid", "stimulus", "repetition").values, trials
    )
    assert recorded.coords["stimulus_id"].values.tolist() == IDS
    score = _score(call, own_home, "Mine.V4-rsa", "--limit", "60", "--null", "none")
    assert score["value"] == pytest.approx(RSA_OF_60, abs=1e-4)


RSA_OF_60 = 0.1302
"""Spearman correlation of the RDMs of pixels and of the 50 neurons, first 60 images."""


@pytest.mark.slow
def test_behavior_from_a_csv(call, shared, own_home):
    source = shared(EDGES)
    with zipfile.ZipFile(source / "edges.zip") as archive:
        archive.extractall(own_home / "unpacked")
    tables = [pd.read_csv(path) for path in sorted((source / "raw-data" / "edge").glob("*.csv"))]
    answers = pd.concat(tables)
    answers["image"] = [
        PurePosixPath(name.rpartition("_")[2]).stem for name in answers["imagename"]
    ]
    answers.to_csv(own_home / "answers.csv", index=False)
    status, out, err = call(
        "data", "add", "Edges", "--trials", own_home / "answers.csv", "--images", own_home / "unpacked",
        "--columns", "stimulus_id=image,truth=category,choice=object_response,subject=subj",
    )  # fmt: skip
    assert status == 0, err
    said = " ".join(out.split())
    assert f"{len(answers)} answers to 160 images" in said
    right = 100 * float((answers["category"] == answers["object_response"]).mean())
    assert f"correct: {right:.1f} %" in said
    assert "Edges.behavior-choices" in said
    assert "Edges.behavior-i2n: needs choices between two objects" in said
    score = _score(call, own_home, "Edges.behavior-choices", "--null", "none")
    assert -1 < score["value"] < 1
