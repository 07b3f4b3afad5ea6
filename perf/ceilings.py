"""Split-half ceilings of a published recording, and their speed beside xarray and scipy.

    python perf/ceilings.py [--file FILE] [--json FILE]

FILE is a recording in the layout of Brain-Score; the default is looked for beside the project. The loop does
what Brain-Score does in each of ten splits: choose the presentations of a half, average them by stimulus with
xarray, correlate neuroid by neuroid with scipy, Spearman-Brown; median over neuroids, mean over splits.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import pearsonr
from sklearn.model_selection import ShuffleSplit

from brainbench.core.assembly import time_average
from brainbench.data.importers.brainio import by_region, read
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.ceiling import split_half

SHARED = Path(__file__).resolve().parents[2] / "shared"
PUBLISHED = "data/hvm_majaj_brainio_test/test_data.nc"
WINDOW = (70.0, 170.0)
REPEATS, IMAGES, SITES = 28, 2560, 168

Array = NDArray[Any]


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def presentations(trials: Array) -> xr.DataArray:
    """Return trials as one row per presentation, as Brain-Score stores recordings."""
    n_repeats, n_images, n_sites = trials.shape
    return xr.DataArray(
        trials.reshape(n_repeats * n_images, n_sites),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.tile(np.arange(n_images), n_repeats)),
            "repetition": ("presentation", np.repeat(np.arange(n_repeats), n_images)),
        },
    )


def half(recorded: xr.DataArray, repetitions: Array) -> Array:
    chosen = np.isin(recorded.repetition.values, repetitions)
    mean = recorded.isel(presentation=chosen).groupby("stimulus_id").mean("presentation")
    return np.asarray(mean.transpose("stimulus_id", "neuroid").values)


def looped(recorded: xr.DataArray) -> float:
    repetitions = np.unique(recorded.repetition.values)
    medians = []
    for first, second in ShuffleSplit(10, train_size=0.5, random_state=1).split(repetitions):
        one, other = half(recorded, repetitions[first]), half(recorded, repetitions[second])
        r = np.array([pearsonr(one[:, k], other[:, k])[0] for k in range(one.shape[1])])
        medians.append(np.median(2 * r / (1 + r)))
    return float(np.mean(medians))


def published(path: Path) -> dict[str, Any]:
    """Return the ceiling of each region of a recording, and its difference from the loop."""
    if not path.is_file():
        return {"published recording": f"not here: {path}"}
    figures: dict[str, Any] = {}
    for region, recorded in by_region(read(path)).items():
        trials = time_average(recorded, WINDOW).values.astype(np.float64)
        figures[f"{region}, sites"] = trials.shape[2]
        ours = float(median_then_mean(split_half(trials)))
        figures[f"{region}, split-half ceiling"] = ours
        figures[f"{region}, difference from the loop"] = abs(ours - looped(presentations(trials)))
    return figures


def speed() -> dict[str, Any]:
    """Measure the seconds of the ceiling at the size of a real benchmark."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((IMAGES, SITES))
    trials = signal + 3 * rng.standard_normal((REPEATS, IMAGES, SITES))
    split_half(trials[:4, :50])  # what is done once is not counted
    ours, ours_s = timed(lambda: float(median_then_mean(split_half(trials))))
    recorded = presentations(trials)
    theirs, theirs_s = timed(lambda: looped(recorded))
    return {
        "speed of": f"{IMAGES} images x {REPEATS} repeats x {SITES} sites, 10 splits",
        "ceiling, seconds": ours_s,
        "ceiling by xarray and scipy, seconds": theirs_s,
        "ratio": theirs_s / ours_s,
        "difference": abs(ours - theirs),
        "load at the start": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Split-half ceilings and their speed.")
    shared = Path(os.environ.get("BRAINBENCH_SHARED", SHARED))
    parser.add_argument("--file", type=Path, default=shared / PUBLISHED, help="a recording")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    figures = published(options.file) | speed()
    for name, value in figures.items():
        print(f"{name}: {value:.5g}" if isinstance(value, float) else f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
