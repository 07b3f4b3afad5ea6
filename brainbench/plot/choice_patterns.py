"""Choices of a model beside those of subjects: confusions, and every image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.digits import decimal
from brainbench.core.errors import unknown
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.selection import Source, fitting, labels_of, only, predictions_of, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
SIDES = ("model", "subjects")
_MAP = "cividis"
_CHANCE = 50.0  # percent, between two objects
_MOST_NAMED = 20  # objects


def choices(
    scores: Source, *, side: Literal["model", "subjects"] = "model", ax: Axes | None = None
) -> Axes:
    """Draw which objects are confused with which.

    A row is the object shown, a column the one chosen. Of choices between two objects a cell is how often
    the distractor of its column was chosen in its place; of choices among all it is the share of each answer.

    Parameters
    ----------
    scores : scores, or a path
        One score of behavior, with its held-out predictions.
    side : {"model", "subjects"}
        Whose choices.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several.
    UnknownNameError
        Another side.
    """
    if side not in SIDES:
        raise unknown("side", side, SIDES, todo="choose one of the two")
    shown = fitting(
        scores_of(scores), "choices", "scores of choices (i2n, choices) with predictions"
    )
    score, label = only(shown, "choices", one_model=True)[0], labels_of(shown)[0]
    names, table = confusions(score, side)
    chance = _CHANCE if _of_two(score) else 100.0
    with style.drawing(ax, height=78.0) as axes:
        image = axes.imshow(100 * table, cmap=_MAP, vmin=0, vmax=chance)
        is_above = bool(np.nanmax(100 * table) > chance)
        extend: Literal["max", "neither"] = "max" if is_above else "neither"
        bar = style.figure_of(axes).colorbar(image, ax=axes, shrink=0.8, extend=extend)
        bar.set_label("chosen (%)")
        bar.outline.set_visible(False)
        ticks = range(len(names)) if len(names) <= _MOST_NAMED else range(0, len(names), 10)
        axes.set_xticks(ticks, [names[k] for k in ticks], rotation=90)
        axes.set_yticks(ticks, [names[k] for k in ticks])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("chosen")
        axes.set_ylabel("shown")
        axes.set_title(label if side == "model" else "subjects" + _simulated(score))
    return axes


def _of_two(score: Score) -> bool:
    """Return whether each choice was between two objects."""
    return "n_cells" in score.figures


def _simulated(score: Score) -> str:
    return " (simulated)" if score.simulated else ""


def confusions(score: Score, side: str) -> tuple[list[str], FloatArray]:
    """Return objects, and how often each is chosen where each is shown, shown x chosen.

    Of choices between two objects the share of each distractor, NaN on the diagonal.
    """
    table = predictions_of(score)
    names = [str(name) for name in table["choice"].values]
    values = table["predicted" if side == "model" else "target"].values
    if _of_two(score):
        values = 1 - values  # from how often the right one of two is chosen
    truth = table["truth"].values.astype(str)
    rows = []
    for name in names:
        own = values[truth == name]
        answered = np.isfinite(own)
        total = np.where(answered, own, 0).sum(axis=0)
        rows.append(
            np.where(answered.any(axis=0), total / np.maximum(answered.sum(axis=0), 1), np.nan)
        )
    shares = np.array(rows)
    if _of_two(score):
        np.fill_diagonal(shares, np.nan)
    return names, shares


def images(scores: Source, *, ax: Axes | None = None) -> Axes:
    """Draw the figure of each image, the model's against the subjects'.

    Of I2n it is the mean normalized d' over distractors; of choices the probability of the right answer, less
    the mean of its category.

    Parameters
    ----------
    scores : scores, or a path
        One score of behavior.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several.
    """
    needs = "scores of behavior with a figure of each image (i2n, choices)"
    shown = only(fitting(scores_of(scores), "images", needs), "images", one_model=True)
    score, unit = shown[0], shown[0].per_unit
    with style.drawing(ax, height=72.0) as axes:
        if unit is not None:
            axes.plot(
                unit["observed"].values,
                unit.values,
                linestyle="",
                marker="o",
                markersize=2.2,
                markerfacecolor="none" if score.untrained else style.COLORS[0],
                markeredgecolor=style.COLORS[0],
                markeredgewidth=0.5,
                alpha=0.7,
            )
        axes.axhline(0, color=style.FAINT, linewidth=0.6, zorder=0)
        axes.axvline(0, color=style.FAINT, linewidth=0.6, zorder=0)
        axes.set_xlabel("subjects" + _simulated(score))
        axes.set_ylabel(labels_of(shown)[0])
        about = "" if unit is None else str(unit.attrs.get("units", "figure of an image"))
        value = f"score {decimal(float(score.value or 0), digits=2)}"
        axes.set_title(f"{score.benchmark}, {value}\n{about}", fontsize=style.SMALL)
    return axes
