"""Figures of trainings: loss and accuracy over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainbench.core.errors import InputError
from brainbench.plot import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_NEEDED = ("epoch", "loss", "top1")


def training_curve(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the training loss, and the top-1 accuracy on validation images, over epochs.

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
        axes.plot(table["epoch"], table["loss"], color=style.color_of(0, 2), label="training loss")
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss")
        beside = axes.twinx()
        beside.plot(table["epoch"], table["top1"], color=style.color_of(1, 2), label="top-1")
        beside.set_ylabel("top-1, validation images")
        beside.set_ylim(0, 1)
        beside.spines["right"].set_visible(True)
    return axes
