"""Figures of architecture searches (Nayebi et al. 2018, figures 2b, 3b, 4a, 4b, 4c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainbench.core.errors import InputError
from brainbench.plot import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WINDOW_COLUMNS = ("top1", "best", "mean_of_last")
_GAIN_COLUMNS = ("gain", "low", "high", "n_with")
_MOTIF_COLUMNS = ("chosen", "share", "share_of_all")
_TRAINED_COLUMNS = ("value", "low", "high", "parameters")


def search_progress(table: pd.DataFrame, *, window: int, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of each trial, the best so far, and the mean of the last ones (figure 3b).

    Parameters
    ----------
    table : DataFrame
        By number of the trial: "top1", "best", "mean_of_last", as `training.search_summary.progress_of`
        gives them.
    window : int
        Trials of the mean, for the legend.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    _check(table, _WINDOW_COLUMNS)
    with style.drawing(ax, height=50.0) as axes:
        axes.plot(
            table.index, table["top1"], "o", color=style.COLORS[0], markersize=2.5, label="a trial"
        )
        axes.step(
            table.index, table["best"], where="post", color=style.COLORS[1], label="best so far"
        )
        label = f"mean of the last {window}"
        axes.plot(table.index, table["mean_of_last"], color=style.COLORS[4], label=label)
        axes.set_xlabel("trial")
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]  # MaxNLocator
        axes.set_ylabel("top-1 after the proxy")
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right")
    return axes


def search_sizes(trials: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of each trial over its number of parameters (figure 2b).

    Parameters
    ----------
    trials : DataFrame
        A row for each trial: "top1", "parameters", "diverged".
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    _check(trials, ("top1", "parameters", "diverged"))
    failed = trials["diverged"].astype(bool)
    with style.drawing(ax, height=50.0) as axes:
        kept = trials[~failed]
        axes.plot(
            kept["parameters"] / 1e3, kept["top1"], "o", color=style.COLORS[0], label="a trial"
        )
        if failed.any():
            lost, label = trials[failed], "its loss diverged: chance"
            axes.plot(lost["parameters"] / 1e3, lost["top1"], "x", color=style.MUTED, label=label)
        axes.set_xlabel("parameters, thousands")
        axes.set_ylabel("top-1 after the proxy")
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right")
    return axes


def search_shares(shares: pd.DataFrame, *, window: int, ax: Axes | None = None) -> Axes:
    """Draw the share of the last trials that have each feedback connection (figure 4b, top).

    Parameters
    ----------
    shares : DataFrame
        By number of the trial, a column for each connection.
    window : int
        Trials of a share.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows.
    """
    _check(shares, ())
    with style.drawing(ax, height=50.0) as axes:
        for place, name in enumerate(shares):
            color = style.color_of(place, len(shares.columns))
            axes.plot(shares.index, shares[name], color=color, label=_short(str(name)))
        axes.set_xlabel("trial")
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]  # MaxNLocator
        axes.set_ylabel(f"share of the last {window}")
        axes.set_ylim(-0.02, 1.4)  # the legend is above the lines
        axes.set_yticks([0, 0.5, 1])
        axes.legend(loc="upper left", ncols=2)
    return axes


def search_gains(gains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the gain of each feedback connection with its interval (figure 4b, bottom): not causal.

    Parameters
    ----------
    gains : DataFrame
        A row for each connection: "gain", "low", "high", "n_with".
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    _check(gains, _GAIN_COLUMNS)
    with style.drawing(ax, height=50.0) as axes:
        for place, (_, row) in enumerate(gains.iterrows()):
            color = style.color_of(place, len(gains))
            bounds = [[row["gain"] - row["low"]], [row["high"] - row["gain"]]]
            axes.bar(place, row["gain"], color=color, yerr=bounds, error_kw={"elinewidth": 0.8})
        axes.axhline(0, color=style.INK, linewidth=0.6)
        names = [
            _short(str(name)).replace(" to ", "\nto ") + f"\nn = {int(row['n_with'])}"
            for name, row in gains.iterrows()
        ]
        axes.set_xticks(range(len(gains)), names, rotation=0 if len(gains) < 5 else 90)
        axes.set_ylabel("median top-1,\nwith less without")
    return axes


def search_motif(motif: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many of the best models share each choice of the best one's cell (figure 4a).

    Parameters
    ----------
    motif : DataFrame
        A row for each choice: "chosen", "share" of the best models, "share_of_all" trials.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    _check(motif, _MOTIF_COLUMNS)
    with style.drawing(ax, height=8.0 + 4.0 * len(motif)) as axes:
        places = range(len(motif))
        labels = [f"{name}: {_said(chosen)}" for name, chosen in motif["chosen"].items()]
        colors = [style.COLORS[1] if share == 1 else style.COLORS[5] for share in motif["share"]]
        axes.barh(places, motif["share"], color=colors, height=0.7)
        axes.plot(motif["share_of_all"], places, "|", color=style.INK, label="of all trials")
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the models that were best so far (bar) and of all trials (tick)")
    return axes


def trained_accuracies(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of networks that were trained to the end, parameters above each (figure 4c).

    Parameters
    ----------
    table : DataFrame
        A row for each network, by its name: "value", "low", "high", "parameters".
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No rows, or a column that is not there.
    """
    _check(table, _TRAINED_COLUMNS)
    with style.drawing(ax, height=55.0) as axes:
        bounds = [table["value"] - table["low"], table["high"] - table["value"]]
        axes.bar(range(len(table)), table["value"], color=style.COLORS[0], yerr=bounds)
        for place, (high, parameters) in enumerate(
            zip(table["high"], table["parameters"], strict=True)
        ):
            text = f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters / 1e3:.0f} k"
            axes.text(place, high + 0.01, text, ha="center", fontsize=style.SMALL)
        names = [str(name) for name in table.index]
        axes.set_xticks(range(len(table)), names, rotation=25, ha="right", rotation_mode="anchor")
        axes.set_ylabel("top-1, validation images")
        axes.set_ylim(0, min(1.0, float(table["high"].max()) * 1.15))
    return axes


def _short(name: str) -> str:
    return name.removeprefix("feedback ").replace("-", " to ")


def _said(chosen: Any) -> str:
    return {"True": "yes", "False": "no"}.get(str(chosen), str(chosen))


def _check(table: pd.DataFrame, needed: tuple[str, ...]) -> None:
    absent = [column for column in needed if column not in table]
    if absent or table.empty:
        raise InputError(
            f"a table of {len(table)} rows" + (f" without {', '.join(absent)}" if absent else ""),
            allowed="at least one row" + (f" with {', '.join(needed)}" if needed else ""),
            todo="give what brainbench.training.search_summary computes of a study",
        )
