"""Recordings of one's own in every format: the same trials of the same images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

N_IMAGES, N_SITES, N_TRIALS = 12, 5, 3
IDS = [f"image{k:02d}" for k in range(N_IMAGES)]
SITES = [f"site{k}" for k in range(N_SITES)]
ANIMALS = ["a", "a", "b", "b", "b"]
TRIALS = np.random.default_rng(0).poisson(5.0, (N_TRIALS, N_IMAGES, N_SITES)).astype(float)
"""Spike counts, repetition x stimulus x neuroid; image k shows object k // 6."""
OBJECTS = ["cat" if k < N_IMAGES // 2 else "dog" for k in range(N_IMAGES)]


def images_folder(folder: Path, *, n: int = N_IMAGES, names: list[str] | None = None) -> Path:
    """Write pictures of noise, named by their ids, and return their folder."""
    target = folder / "images"
    target.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    for name, picture in zip(names or [f"image{k:02d}" for k in range(n)], pixels, strict=True):
        Image.fromarray(picture).save(target / f"{name}.png")
    return target


def images_table(folder: Path) -> Path:
    """Write a table of the images of `images_folder` with what each shows."""
    path = folder / "images.csv"
    rows = {"filename": [f"images/{i}.png" for i in IDS], "object_name": OBJECTS, "film": OBJECTS}
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def npy(path: Path) -> dict[str, object]:
    np.save(path, TRIALS.transpose(2, 1, 0))
    return {"dims": "neuroid,stimulus,repetition"}


def npz(path: Path) -> dict[str, object]:
    np.savez(path, responses=TRIALS, stimulus_id=IDS, neuroid_id=SITES, animal=ANIMALS)
    return {"dims": "repetition,stimulus,neuroid"}


def matlab_5(path: Path) -> dict[str, object]:
    import scipy.io

    scipy.io.savemat(path, {"counts": TRIALS, "stimulus_id": np.array(IDS)})
    return {"dims": "repetition,stimulus,neuroid"}


def matlab_73(path: Path) -> dict[str, object]:
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_dataset("counts", data=TRIALS.T)  # MATLAB writes the last axis first
        stored.attrs["MATLAB_class"] = np.bytes_("double")
        codes = np.array([[ord(letter) for letter in name] for name in IDS], dtype=np.uint16)
        text = file.create_dataset("stimulus_id", data=codes.T)
        text.attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as stream:
        stream.write(
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: a day HDF5 schema 1.00 ."
        )
    return {"dims": "repetition,stimulus,neuroid"}


def long_csv(path: Path) -> dict[str, object]:
    rows = [
        (f"{IDS[k]}.png", SITES[s], r, TRIALS[r, k, s], ANIMALS[s])
        for r, k, s in np.ndindex(TRIALS.shape)
    ]
    columns = ["image", "unit", "trial", "spikes", "animal"]
    pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=0).to_csv(path, index=False)
    return {}


def wide_csv(path: Path) -> dict[str, object]:
    table = pd.DataFrame(TRIALS.reshape(-1, N_SITES), columns=SITES)
    table.insert(0, "image", np.tile(IDS, N_TRIALS))
    table.insert(1, "repetition", np.repeat(np.arange(N_TRIALS), N_IMAGES))
    table.to_csv(path, index=False)
    return {}


def netcdf(path: Path) -> dict[str, object]:
    coords = {"image_id": ("image", IDS), "animal": ("unit", ANIMALS)}
    array = xr.DataArray(
        TRIALS, dims=("trial", "image", "unit"), coords=coords, attrs={"units": "spikes"}
    )
    array.to_dataset(name="counts").to_netcdf(path, engine="netcdf4")
    return {}


def netcdf_of_presentations(path: Path) -> dict[str, object]:
    coords = {"image_id": ("trial", np.tile(IDS, N_TRIALS)), "animal": ("unit", ANIMALS)}
    array = xr.DataArray(TRIALS.reshape(-1, N_SITES), dims=("trial", "unit"), coords=coords)
    array.to_dataset(name="counts").to_netcdf(path, engine="netcdf4")
    return {}


def brainscore_netcdf(path: Path) -> dict[str, object]:
    coords = {
        "image_id": ("presentation", np.tile(IDS, N_TRIALS)),
        "repetition": ("presentation", np.repeat(np.arange(N_TRIALS), N_IMAGES)),
        "neuroid_id": ("neuroid", SITES),
        "animal": ("neuroid", ANIMALS),
    }
    values = TRIALS.reshape(-1, N_SITES)
    array = xr.DataArray(values, dims=("presentation", "neuroid"), coords=coords)
    array.to_dataset(name="counts").to_netcdf(path, engine="netcdf4")
    return {}


def nwb(path: Path, *, stimuli: bool = True) -> dict[str, object]:
    """Write spikes such that the trials are the counts from 70 to 170 ms after each image."""
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile

    file = NWBFile("a session", "own", datetime(2026, 1, 1, tzinfo=UTC))
    onsets = 1.0 + np.arange(N_TRIALS * N_IMAGES)
    if stimuli:
        file.add_trial_column("stimulus_id", "the image")
        for onset, name in zip(onsets, np.tile(IDS, N_TRIALS), strict=True):
            file.add_trial(start_time=onset, stop_time=onset + 0.2, stimulus_id=str(name))
    file.add_unit_column("animal", "whose")
    file.add_unit_column("unit_name", "its name")
    counts = TRIALS.reshape(-1, N_SITES).astype(int)
    for k, name in enumerate(SITES):
        spikes = [
            onset + 0.075 + 0.09 * np.arange(n) / max(n, 1)
            for onset, n in zip(onsets, counts[:, k], strict=True)
        ]
        background = onsets + 0.5  # outside the window
        times = np.sort(np.concatenate([*spikes, background]))
        file.add_unit(spike_times=times, animal=ANIMALS[k], unit_name=name)
    with NWBHDF5IO(str(path), "w") as stream:
        stream.write(file)
    return {}


FORMATS: dict[str, tuple[str, Callable[[Path], dict[str, object]]]] = {
    "npy": ("counts.npy", npy),
    "npz": ("counts.npz", npz),
    "MATLAB 5": ("counts.mat", matlab_5),
    "MATLAB 7.3": ("counts.mat", matlab_73),
    "long csv": ("counts.csv", long_csv),
    "wide csv": ("counts.csv", wide_csv),
    "netCDF": ("counts.nc", netcdf),
    "netCDF of presentations": ("counts.nc", netcdf_of_presentations),
    "Brain-Score netCDF": ("counts.nc", brainscore_netcdf),
    "NWB": ("counts.nwb", nwb),
}
NEEDS = {"MATLAB 7.3": "h5py", "NWB": "pynwb"}
"""The library without which a format is not written here."""
