"""Figure of the first images of a data set with the responses to them, by which an order is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainbench.core.assembly import Assembly, average
from brainbench.data.arrays import ArrayData
from brainbench.plot import style

_IMAGES = 8
_WIDTH, _HEIGHT, _LEFT = 38.0, 43.0, 25.0  # of an image and of the labels beside it, mm
_SMALL = 6.0  # points
_SITES = 200
"""Sites that are drawn, evenly spaced among all."""


def draw_responses(data: ArrayData, path: Path) -> Path:
    """Draw the first images, and below each the mean response of each site: a bar, or a row over time.

    The suffix of `path` is the format. InputError if it is another than .png, .pdf and .svg, matplotlib is
    not installed, or the path cannot be written.
    """
    style.checked_path(path)
    n = min(_IMAGES, len(data.pictures))
    rows = 1 + len(data.regions)
    with style.styled():
        figure = style.new_figure(width=_WIDTH * n + _LEFT, height=_HEIGHT * rows)
        axes = figure.subplots(rows, n, squeeze=False)
        for k in range(n):
            axes[0, k].imshow(data.pictures.picture(k))
            axes[0, k].set_title(data.pictures.ids[k], fontsize=_SMALL)
            axes[0, k].set_axis_off()
        for row, (region, recording) in zip(axes[1:], data.regions.items(), strict=True):
            _draw_region(row, region, recording)
    return style.save(figure, path)


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
            ax.bar(np.arange(len(sites)), values, width=1.0, color=style.INK)
            ax.set_ylim(min(0.0, low), high if high > min(0.0, low) else 1.0)
        ax.tick_params(labelsize=5)
    axes[0].set_ylabel(
        f"{region}\n" + ("site" if "time" in first.dims else "response"), fontsize=style.SMALL
    )
    axes[0].set_xlabel("ms" if "time" in first.dims else "site", fontsize=_SMALL)
