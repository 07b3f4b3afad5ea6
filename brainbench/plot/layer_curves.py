"""Scores over the layers of a model, and which layers the sites of a brain prefer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.score_bars import name_of
from brainbench.plot.selection import Source, check_name, fitting, labels_of, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 25  # layers
_LINES = ("-", (0, (3, 1)), (0, (1, 1)))
"""Lines of the first benchmarks, as many as there are colors, of the next ones, and of those after them."""


def layers(scores: Source, *, only_layers: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw the score of each layer of one model, a line for each benchmark.

    The score is the one that layers were selected by: inside the training images, mean over folds (and
    sessions), with its standard deviation over folds. Of several steps of a layer the best counts. A large
    marker is the layer of most folds.

    Parameters
    ----------
    scores : scores, or a path
        Of one model, or a results folder with such scores of one model.
    only_layers : sequence of str
        Those to show, in this order; by default all, from the input to the output.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No score compares layers, or the scores are of several models.
    UnknownNameError
        A layer that was not compared.
    """
    shown = fitting(scores_of(scores), "layers", "scores for which several layers were compared")
    _check_one_model(shown)
    tables = [_curve(score) for score in shown]
    names = list(dict.fromkeys(layer for table in tables for layer in table))
    for name in only_layers:
        check_name("layer", name, names, of=shown[0].model)
    names = list(only_layers) or names
    with style.drawing(ax, height=62.0 + 3.3 * max(0, len(shown) - 5)) as axes:
        for k, (score, table) in enumerate(zip(shown, tables, strict=True)):
            own = [name for name in names if name in table]
            x = np.array([names.index(name) for name in own])
            mean, sd = np.array([table[name] for name in own]).reshape(-1, 2).T
            color, line = (
                style.COLORS[k % len(style.COLORS)],
                _LINES[k // len(style.COLORS) % len(_LINES)],
            )
            axes.fill_between(x, mean - sd, mean + sd, color=color, alpha=0.18, linewidth=0)
            axes.plot(x, mean, color=color, linestyle=line, marker=marker_of(k), markersize=2.5)
            if score.selection.layer in own:
                place = own.index(str(score.selection.layer))
                axes.plot(
                    x[place],
                    mean[place],
                    marker=marker_of(k),
                    color=color,
                    markersize=5.5,
                    linestyle="",
                )
            axes.plot(
                [], [], color=color, linestyle=line, marker=marker_of(k), label=name_of(score)
            )
        common, short = style.strip(names)
        _name_layers(axes, short, f"layer of {common.strip('._')}" if common else "layer")
        axes.set_ylabel("score inside the\ntraining images")
        axes.set_title(labels_of(shown)[0])
        style.legend_below(
            axes, axes.get_legend_handles_labels()[0], columns=1, points=_room(short)
        )
    return axes


def marker_of(place: int) -> str:
    """Return the marker of one of several things."""
    return style.MARKERS[place % len(style.MARKERS)]


def _check_one_model(scores: Sequence[Score]) -> None:
    models = list(dict.fromkeys(score.model for score in scores))
    if len(models) > 1:
        raise InputError(
            f"the layers of {len(models)} models: {', '.join(models)}",
            allowed="scores of one model: another model has other layers",
            todo="choose one of them, or draw figure('layers', scores) with a panel for each",
        )


def _curve(score: Score) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of each layer, of its best step, mean over sessions."""
    by_layer: dict[str, dict[object, list[tuple[float, float]]]] = {}
    for row in score.selection.curve:
        if row.get("inner_mean") is not None:
            steps = by_layer.setdefault(row["layer"], {})
            steps.setdefault(row.get("step"), []).append(
                (row["inner_mean"], row["inner_sd"] or 0.0)
            )
    return {
        layer: max(tuple(np.mean(sessions, axis=0).tolist()) for sessions in steps.values())
        for layer, steps in by_layer.items()
    }


def _name_layers(axes: Axes, names: Sequence[str], label: str) -> None:
    upright = max(map(len, names)) > 3
    size = style.SMALL - 1 if len(names) > 12 else style.SMALL
    every = -(-len(names) // _MOST_NAMED)
    places = range(0, len(names), every)
    axes.set_xticks(
        places, [names[k] for k in places], rotation=90 if upright else 0, fontsize=size
    )
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(label)


def _room(names: Sequence[str]) -> float:
    """Return how many points the names of layers take below the axes, with the label."""
    longest = max(map(len, names))
    return 26.0 if longest <= 3 else 18.0 + 4.2 * longest


def units(scores: Source, *, ax: Axes | None = None) -> Axes:
    """Draw how many sites of each array each layer predicts best (Nayebi et al. 2018, figure 5b).

    Parameters
    ----------
    scores : scores, or a path
        One score of neural dynamics for which several layers were compared.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several models.
    """
    needs = "scores of neural dynamics for which several layers were compared"
    shown = fitting(scores_of(scores), "units", needs)
    _check_one_model(shown)
    arrays = {
        _array(score, array, len(shown)): table
        for score in shown
        for array, table in score.figures["layer_units"].items()
    }
    names = list(dict.fromkeys(layer for table in arrays.values() for layer in table))
    width = 0.8 / len(arrays)
    with style.drawing(ax, height=58.0) as axes:
        for k, (array, table) in enumerate(arrays.items()):
            total = sum(table.values())
            heights = [100 * table.get(name, 0.0) / total for name in names]
            places = np.arange(len(names)) - 0.4 + (k + 0.5) * width
            color = style.color_of(k, len(arrays))
            axes.bar(
                places, heights, width * 0.92, color=color, label=f"{array} ({total:.0f} units)"
            )
        common, short = style.strip(names)
        _name_layers(axes, short, f"layer of {common.strip('._')}" if common else "layer")
        axes.set_ylabel("units that a layer\npredicts best (%)")
        axes.set_ylim(0, None)
        axes.set_title(labels_of(shown)[0])
        style.legend_below(axes, axes.get_legend_handles_labels()[0], points=_room(short))
    return axes


def _array(score: Score, array: str, n_scores: int) -> str:
    """Return the name of an array; where sites have none, or there are several scores, with the benchmark."""
    if array == "all":
        return name_of(score)
    return array if n_scores == 1 else f"{score.benchmark} {array}"
