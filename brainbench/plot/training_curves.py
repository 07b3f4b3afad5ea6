"""Figures of trainings: loss, accuracy and brain score over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brainbench.core.errors import InputError
from brainbench.plot import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_NEEDED = ("epoch", "loss", "top1")


def training_curve(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the training loss, and the top-1 accuracy on validation images, over epochs.

    A score that chose the epoch is drawn too, with its 95 % interval and the epoch that it chose.

    Parameters
    ----------
    table : DataFrame
        A row for each check, as in the CSV that `brainbench train` writes.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    absent = [column for column in _NEEDED if column not in table]
    if absent or table.empty:
        raise InputError(
            f"a curve of {len(table)} rows" + (f" without {', '.join(absent)}" if absent else ""),
            allowed=f"at least one row with the columns {', '.join(_NEEDED)}",
            todo="give the CSV that `brainbench train` has written",
        )
    with style.drawing(ax, height=50.0) as axes:
        n = 3 if "score" in table else 2
        axes.plot(table["epoch"], table["loss"], color=style.color_of(0, n), label="training loss")
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss")
        beside = axes.twinx()
        beside.plot(table["epoch"], table["top1"], color=style.color_of(1, n), label="top-1")
        beside.set_ylabel("top-1, validation images")
        beside.set_ylim(0, 1)
        beside.spines["right"].set_visible(True)
        if "score" in table:
            _draw_score(table, beside)
            handles = [*axes.get_lines(), *beside.get_lines()]
            axes.legend(handles=handles, loc="best")
    return axes


def _draw_score(table: pd.DataFrame, axes: Axes) -> None:
    color = style.color_of(2, 3)
    axes.fill_between(
        table["epoch"],
        table["score_low"].astype(float),
        table["score_high"].astype(float),
        color=color,
        alpha=0.25,
        linewidth=0,
    )
    name = str(table["benchmark"].iloc[0])
    axes.plot(table["epoch"], table["score"], color=color, label=name)
    if table["score"].notna().any():
        best = int(np.nanargmax(table["score"].to_numpy(dtype=float)))
        epoch, score = float(table["epoch"].iloc[best]), float(table["score"].iloc[best])
        axes.plot(epoch, score, "o", color=color, label=f"chosen: epoch {epoch:g}")
    drawn = table[["score", "score_low", "score_high"]].to_numpy(dtype=float)
    axes.set_ylim(np.nanmin(drawn, initial=0.0), np.nanmax(drawn, initial=1.0))
    axes.set_ylabel("top-1, validation images; score")
