"""Small files in the layout of Brain-Score."""

import numpy as np
import xarray as xr

IMAGES, REPEATS, SITES = ("b", "a", "c"), 4, 5


def layout(*, time=((70, 170),), ids="stimulus_id", repetition=True, dtype="float32", seed=0):
    """A dataset as xarray 0.x wrote it, presentations shuffled, and its values by name."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((REPEATS, len(IMAGES), SITES, len(time or [0]))).astype(dtype)
    shown = [(r, i) for r in range(REPEATS) for i in range(len(IMAGES))]
    order = rng.permutation(len(shown))
    rows = [shown[k] for k in order]
    flat = np.stack([values[r, i] for r, i in rows])  # presentation x neuroid x time
    coords = {
        ids: ("presentation", [IMAGES[i] for _, i in rows]),
        "object_name": ("presentation", [f"object {IMAGES[i]}" for _, i in rows]),
        "size": ("presentation", [np.nan if i else 2.0 for _, i in rows]),
        "trial": ("presentation", np.arange(len(rows))),
        "neuroid_id": ("neuroid", [f"site{k}" for k in range(SITES)]),
        "region": ("neuroid", ["V4", "IT", "V4", "IT", "IT"]),
        "x": ("neuroid", np.linspace(0, 1, SITES)),
    }
    if repetition:
        coords["repetition"] = ("presentation", [10 + r for r, _ in rows])
    dims = ("neuroid", "presentation")
    array = flat.transpose(1, 0, 2)
    if time is None:
        array = array[..., 0]
    else:
        dims += ("time_bin",)
        coords["time_bin_start"] = ("time_bin", [start for start, _ in time])
        coords["time_bin_end"] = ("time_bin", [end for _, end in time])
    made = xr.DataArray(array, dims=dims, coords=coords, name="dicarlo.Test")
    return made.to_dataset(), values[:, [1, 0, 2]]  # images sorted


def written(tmp_path, dataset):
    path = tmp_path / "assembly.nc"
    dataset.to_netcdf(path)
    return path
