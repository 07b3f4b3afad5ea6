"""Scores and predictions to be stored, and the files of a results folder."""

import numpy as np
import xarray as xr

from brainbench.core import provenance
from brainbench.core.score import Score

KEY = "0123456789abcdef" * 4
WHO = {"model": "cornet_s@untrained-0", "benchmark": "Simulated.IT-pls", "protocol": "paper"}


def score(**more):
    record = provenance.record(seeds={"run": 0}, hashes={})
    base = {**WHO, "weights": "untrained-0", "version": 1, "value": 0.5, "record": record}
    return Score(**{**base, **more})


def predictions(shift=0.0):
    values = np.arange(12.0).reshape(4, 3) + shift
    return xr.Dataset(
        {"predicted": (("sample", "neuroid"), values), "target": (("sample", "neuroid"), -values)},
        coords={
            "fold": ("sample", [0, 0, 1, 1]),
            # as text comes out of netCDF files and data frames
            "stimulus_id": ("sample", np.array([f"im{k}" for k in range(4)], dtype=object)),
            "neuroid_id": ("neuroid", np.array(["a", "b", "c"], dtype=object)),
        },
    )


def files(results):
    return sorted(
        str(p.relative_to(results.folder)) for p in results.folder.rglob("*") if p.is_file()
    )
