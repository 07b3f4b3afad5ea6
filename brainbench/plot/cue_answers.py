"""Shape bias of models beside that of people, category by category."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brainbench.core.digits import decimal
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.layer_curves import marker_of
from brainbench.plot.score_bars import title_of
from brainbench.plot.selection import (
    Colors,
    Source,
    colors_of,
    fitting,
    identity_of,
    labels_of,
    only,
    scores_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PEOPLE = "people"


def cues(scores: Source, *, colors: Colors | None = None, ax: Axes | None = None) -> Axes:
    """Draw how often models and people name the shape, of each category (Geirhos et al. 2019, figure 4).

    A marker is the share of shape answers among the answers by shape or texture to images with the shape of a
    category, from 0, by texture alone, to 1. A line is the share over all images. A category whose images
    have no such answer has no marker.

    Parameters
    ----------
    scores : scores, or a path
        Of shape bias, on one benchmark.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several benchmarks.
    """
    shown = only(fitting(scores_of(scores), "cues", "scores of shape bias"), "cues")
    palette = colors_of(shown, colors)
    categories = list(shown[0].figures["by_shape"])
    with style.drawing(ax, height=4.2 * len(categories) + 6.0 * len(shown) + 22.0) as axes:
        whole = float(shown[0].figures["shape_bias_of_subjects"])
        _draw(
            axes,
            _shares(shown[0], "subjects", categories),
            whole,
            PEOPLE,
            style.INK,
            "*",
            style.INK,
        )
        for k, (score, label) in enumerate(zip(shown, labels_of(shown), strict=True)):
            color = palette[identity_of(score)]
            filled = "white" if score.untrained else color
            own = _shares(score, "model", categories)
            _draw(axes, own, float(score.value or 0), label, color, marker_of(k), filled)
        axes.set_yticks(range(len(categories)), categories)
        axes.invert_yaxis()
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("answers by texture (0) or by shape (1)")
        axes.set_title(title_of(shown[0]))
        style.legend_below(axes, axes.get_legend_handles_labels()[0])
    return axes


def _shares(score: Score, side: str, categories: list[str]) -> list[float]:
    """Return the share of shape answers of each category, NaN where there is none."""
    found = score.figures["by_shape"]
    shares = [found.get(name, {}).get(side) for name in categories]
    return [np.nan if share is None else float(share) for share in shares]


def _draw(
    axes: Axes,
    shares: list[float],
    whole: float,
    label: str,
    color: str,
    marker: str,
    filled: str,
) -> None:
    axes.axvline(whole, color=color, linewidth=0.8, alpha=0.6, zorder=0)
    axes.plot(
        shares,
        np.arange(len(shares)),
        color=color,
        linestyle="",
        marker=marker,
        markersize=3.5,
        markerfacecolor=filled,
        label=f"{label}: {decimal(whole, digits=2)}",
    )
