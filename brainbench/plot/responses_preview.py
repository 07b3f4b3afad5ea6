"""Figure of the first images of a data set with the responses to them, by which an order is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainbench.core.assembly import Assembly, average
from brainbench.core.errors import InputError
from brainbench.data.arrays import ArrayData
from brainbench.plot.style import checked_path

_IMAGES = 8
_SITES = 200
"""Sites that are drawn, evenly spaced among all."""


def draw_responses(data: ArrayData, path: Path) -> Path:
    """Draw the first images, and below each the mean response of each site: a bar, or a row over time.

    The suffix of `path` is the format. InputError if it is another than .png, .pdf and .svg, Matplotlib is
    not installed, or the path cannot be written.
    """
    checked_path(path)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "Matplotlib is not installed",
            allowed="Matplotlib, which is in the extra plot",
            todo="run `pip install 'brainbench[plot]'`, or omit --preview",
        ) from error
    n = min(_IMAGES, len(data.pictures))
    rows = 1 + len(data.regions)
    figure = Figure(figsize=(1.5 * n + 1, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, n, squeeze=False)
    for k in range(n):
        axes[0, k].imshow(data.pictures.picture(k))
        axes[0, k].set_title(data.pictures.ids[k], fontsize=6)
        axes[0, k].set_axis_off()
    for row, (region, recording) in zip(axes[1:], data.regions.items(), strict=True):
        _draw_region(row, region, recording)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(
            f"a figure at {path} ({error.strerror or error})",
            allowed="a folder that exists and can be written",
            todo="choose another path",
        ) from error
    return path


def _draw_region(axes: Any, region: str, recording: Assembly) -> None:
    n_sites = recording.sizes["neuroid"]
    sites = np.unique(np.linspace(0, n_sites - 1, min(_SITES, n_sites)).astype(int))
    first = average(recording.isel(stimulus=slice(len(axes)), neuroid=sites))
    low, high = float(first.min()), float(first.max())
    for k, ax in enumerate(axes):
        values = first.isel(stimulus=k).values
        if "time" in first.dims:
            span = [float(first["time_start"][0]), float(first["time_end"][-1]), len(sites), 0]
            ax.imshow(values, aspect="auto", vmin=low, vmax=high, cmap="gray_r", extent=span)
        else:
            ax.bar(np.arange(len(sites)), values, width=1.0, color="#222222")
            ax.set_ylim(min(0.0, low), high if high > min(0.0, low) else 1.0)
        ax.tick_params(labelsize=5)
    axes[0].set_ylabel(f"{region}\n" + ("site" if "time" in first.dims else "response"), fontsize=7)
    axes[0].set_xlabel("ms" if "time" in first.dims else "site", fontsize=6)
