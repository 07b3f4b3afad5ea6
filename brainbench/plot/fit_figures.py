"""Figures of fitted models: what variants gain, their paths, ablations (Zhang et al. 2020).

They draw tables: of `training.summary`, and of the path analysis of recurrent V1 models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brainbench.core.errors import InputError
from brainbench.plot import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FIGURE = "mean CC_norm^2"
_MARKED = "{name}, not the published schedule"


def fit_pairs(
    table: pd.DataFrame,
    *,
    x: str = "baseline_test",
    y: str = "test",
    by: str = "fraction",
    labels: tuple[str, str] = ("feed-forward", "recurrent"),
    figure: str = FIGURE,
    ax: Axes | None = None,
) -> Axes:
    """Draw pairs of models as points around the diagonal (figures 3a to 3c, 4c, 4d, 9, 10).

    Parameters
    ----------
    table : DataFrame
        A row for each pair: of `training.summary.pairs`, or of multi-path twins.
    x, y, by : str
        Columns of the two figures, and of what is told apart by color.
    labels : (str, str)
        What is compared, for the axes.
    figure : str
        What the figures are: "average path length" for figure 4d.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such column, or no pair.
    """
    _check(table, x, y, by)
    low, high = (float(f(table[[x, y]].to_numpy(dtype=float))) for f in (np.nanmin, np.nanmax))
    margin = 0.05 * (high - low) or 0.05
    ends = (low - margin, high + margin)
    with style.drawing(ax, height=70.0) as axes:
        axes.plot(ends, ends, color=style.CEILING, linewidth=0.8, zorder=1)
        groups = list(table.groupby(by, dropna=False))
        for k, (name, own) in enumerate(groups):
            axes.plot(
                own[x],
                own[y],
                linestyle="",
                marker=style.MARKERS[k % len(style.MARKERS)],
                markersize=3,
                alpha=0.75,
                color=style.color_of(k, len(groups)),
                label=f"{by} {name} (n = {len(own)})",
            )
        axes.set(
            xlim=ends,
            ylim=ends,
            aspect="equal",
            xlabel=f"{labels[0]}: {figure}",
            ylabel=f"{labels[1]}: {figure}",
        )
        _finish(axes, table)
    return axes


def fit_curves(
    table: pd.DataFrame,
    *,
    x: str = "iterations",
    y: str = "test",
    by: str = "mode",
    error: str | None = "sem",
    baseline: str | None = "baseline_test",
    ax: Axes | None = None,
) -> Axes:
    """Draw performance over iterations or path lengths, a line for each mode (figures 3d to 3f, 6a-d, 11).

    Parameters
    ----------
    table : DataFrame
        A row for each point, of `training.summary.gains`; with `x="average_path_length"` and `error=None`
        for figures 6c and 6d.
    x, y, by, error : str
        Columns of the point, of the lines, and of the standard error; None for no error bars.
    baseline : str or None
        Column whose mean is a horizontal line: the models that are compared with.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such column, or no point.
    """
    _check(table, *(name for name in (x, y, by, error, baseline) if name))
    with style.drawing(ax, height=58.0) as axes:
        groups = list(table.groupby(by, sort=False))
        for k, (name, own) in enumerate(groups):
            points = own.sort_values(x if error else "iterations" if "iterations" in own else x)
            axes.errorbar(
                points[x],
                points[y],
                yerr=points[error] if error else None,
                color=style.color_of(k, len(groups)),
                marker=style.MARKERS[k % len(style.MARKERS)],
                label=str(name),
            )
        if baseline:
            level = float(table[baseline].mean())
            axes.axhline(level, color=style.INK, linewidth=0.9, label="feed-forward")
        axes.set(xlabel=x.replace("_", " "), ylabel=FIGURE)
        _finish(axes, table)
    return axes


def length_shares(
    distributions: Mapping[str, Mapping[int, float]], *, ax: Axes | None = None
) -> Axes:
    """Draw the share of each path length, bars for each model (figures 6e, 6f).

    Parameters
    ----------
    distributions : mapping of str to mapping of int to float
        For each model, by what the legend calls it, length -> share.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No distribution.
    """
    if not distributions:
        raise InputError(
            "no distribution of path lengths", allowed="at least one", todo="give a fitted model"
        )
    lengths = sorted({length for one in distributions.values() for length in one})
    width = 0.8 / len(distributions)
    with style.drawing(ax, height=55.0) as axes:
        for k, (name, shares) in enumerate(distributions.items()):
            places = np.array(lengths) - 0.4 + (k + 0.5) * width
            axes.bar(
                places,
                [shares.get(length, 0.0) for length in lengths],
                width * 0.92,
                color=style.color_of(k, len(distributions)),
                label=name,
            )
        axes.set(xlabel="path length", ylabel="share of the strength", xticks=lengths)
        style.legend_below(axes, axes.get_legend_handles_labels()[0], columns=1)
    return axes


def ablated_lengths(table: pd.DataFrame, *, n_removed: int, ax: Axes | None = None) -> Axes:
    """Draw performance without paths of 1, 2 or 3 adjacent lengths, a line for each mode (figures 6g to 6i).

    Parameters
    ----------
    table : DataFrame
        With the columns `mode`, `removed`, `n_removed`, `test`, `sem` (NaN of a single model: no bar) and
        `whole`, whose mean is a dashed line of each mode; of one benchmark and schedule, where it names them.
    n_removed : int
        How many lengths are removed: 1 for figure 6g, 2 for 6h, 3 for 6i.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such column, no ablation of so many lengths, or several benchmarks or schedules.
    """
    _check(table, "mode", "removed", "n_removed", "test", "sem", "whole")
    own = table[table["n_removed"] == n_removed]
    _check(own, "mode")
    for column in {"benchmark", "schedule"} & set(own.columns):
        _check_one(own, column)
    names = sorted(set(own["removed"]))
    with style.drawing(ax, height=58.0) as axes:
        groups = list(own.groupby("mode", sort=False))
        for k, (mode, points) in enumerate(groups):
            color = style.color_of(k, len(groups))
            places = [names.index(removed) for removed in points["removed"]]
            axes.errorbar(
                places, points["test"], yerr=points["sem"], color=color, marker="o", label=str(mode)
            )
            axes.axhline(float(points["whole"].mean()), color=color, linestyle="--", linewidth=0.8)
        axes.set_xticks(range(len(names)), [_range(name) for name in names])
        axes.set(xlabel="lengths removed", ylabel=FIGURE)
        _finish(axes, own)
    return axes


def _range(lengths: Sequence[int]) -> str:
    return str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]}-{lengths[-1]}"


def _check(table: Any, *columns: str) -> None:
    absent = [name for name in columns if name not in table.columns]
    if absent or not len(table):
        raise InputError(
            f"a table of {len(table)} rows" + (f" without {', '.join(absent)}" if absent else ""),
            allowed=f"rows with the columns {', '.join(columns)}",
            todo="give a table of the fits that the figure shows",
        )


def _check_one(table: pd.DataFrame, column: str) -> None:
    names = sorted(set(table[column]))
    if len(names) > 1:
        raise InputError(
            f"ablations of several values of {column}: {', '.join(names)}",
            allowed="one, since a line is for one mode",
            todo=f"give the rows of one {column}",
        )


def _finish(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the legend, and mark figures that are not of the published schedule."""
    if "schedule" in table.columns:
        others = sorted(set(table["schedule"]) - {"published"})
        if others:
            axes.set_title(_MARKED.format(name=", ".join(others)))
    style.legend_below(axes, axes.get_legend_handles_labels()[0])
