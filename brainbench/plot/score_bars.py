"""Bars of scores with their intervals, against what a model without error reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brainbench.core.digits import decimal
from brainbench.core.score import Score
from brainbench.core.untrusted_text import visible
from brainbench.plot import style
from brainbench.plot.selection import (
    MARKS,
    Colors,
    Source,
    colors_of,
    fitting,
    identity_of,
    labels_of,
    marks_of,
    scores_of,
)
from brainbench.stats.ceiling import ceiled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

FORMULAS = {
    "raw": "",
    "r/c": "r / c",
    "(r/c)^2": "(r / c)²",
    "r2/c": "r² / c",
    "r/sqrt(c)": "r / √c",
    "clip(r/c)": "r / c, clipped",
}
_ROW, _FRAME, _LEGEND, _LETTER, _BARS = 3.6, 10.5, 3.5, 1.4, 29.0  # mm
_BAR = 0.74  # of a row


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What a model without error reaches on the scale of a score, with a 95 % interval."""

    value: float
    low: float
    high: float


def bound_of(score: Score) -> Bound | None:
    """Return what a model without error reaches, by the formula of the score; None where it is unknown.

    A reliability c allows a correlation of sqrt(c), which the formula turns into the scale of the value. The
    noise ceiling over subjects bounds the correlation itself, from its lower to its upper bound. The shares
    of variance that are unique to a model have no such bound, and neither has a score whose ceiling is not
    above 0.
    """
    formula = score.formula.rpartition("-v")[0]
    subjects = score.figures.get("noise_ceiling")
    if subjects is not None:
        low, high = subjects["lower"], subjects["upper"]
        scale = low if formula == "r/c" else 1.0
        return Bound(value=low / scale, low=low / scale, high=high / scale)
    is_reliable = (
        score.ceiling is not None and score.ceiling > 0 and score.ceiling_above_0 is not False
    )
    if score.ceiling is None or not is_reliable or "unique_A" in score.figures:
        return None
    c = np.array([score.ceiling, *(score.ceiling_ci or (score.ceiling, score.ceiling))])
    if (c <= 0).any():
        c[1:] = c[0]
    values = ceiled(np.sqrt(c), c, formula=formula)
    return Bound(value=float(values[0]), low=float(min(values)), high=float(max(values)))


def bars(scores: Source, *, colors: Colors | None = None, ax: Axes | None = None) -> Axes:
    """Draw the score of each model on each benchmark, with its interval and its ceiling.

    Untrained models have hollow bars; dotted intervals are approximate. The gray line is what a model without
    error reaches on the scale of the score (`bound_of`). A group of bars is one benchmark, version, protocol
    and formula.

    Parameters
    ----------
    scores : scores, or a path
        Scores in the order of the groups, or a results folder.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw; by default a new figure, one column wide.

    Raises
    ------
    InputError
        No score has a value.
    """
    shown = fitting(scores_of(scores), "bars", "scores with a value")
    groups = _groups(shown)
    palette = colors_of(shown, colors)
    n_rows = len(shown) + len(groups)
    with style.styled():
        legend = _legend_entries(shown)
    frame = _FRAME + _LEGEND * -(-len(legend) // 2)
    longest = max(len(label) for members in groups.values() for label, _ in members)
    width = max(style.COLUMN, _LETTER * longest + _BARS)
    with style.drawing(ax, height=_ROW * n_rows + frame, width=width) as axes:
        row, ticks, headings = 0.0, [], []
        for heading, members in groups.items():
            headings.append((row, heading))
            for label, score in sorted(members, key=lambda one: -float(one[1].value or 0)):
                row += 1
                _draw_bar(axes, row, score, palette[identity_of(score)])
                ticks.append((row, label))
            row += 1
        axes.set_yticks([place for place, _ in ticks], [label for _, label in ticks])
        for place, (name, remarks) in headings:
            _draw_heading(axes, place, name, remarks)
        axes.set_ylim(n_rows - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("score and 95 % interval")
        if legend:
            style.legend_below(axes, legend, to_the_right=True)
    return axes


def _groups(scores: Sequence[Score]) -> dict[tuple[str, str], list[tuple[str, Score]]]:
    """Return label and score by the benchmark and the remarks of each group."""
    groups: dict[tuple[str, str], list[tuple[str, Score]]] = {}
    keys = [(score.benchmark, _remarks(score), score.version) for score in scores]
    for key in dict.fromkeys(keys):
        members = [score for score, own in zip(scores, keys, strict=True) if own == key]
        several = len({version for name, _, version in keys if name == key[0]}) > 1
        name = f"{key[0]} v{key[2]}" if several else key[0]
        groups[visible(name, keep=""), key[1]] = list(zip(labels_of(members), members, strict=True))
    return groups


def _remarks(score: Score) -> str:
    """Return whether the brain is simulated, the formula unless it is raw, and an unusual protocol."""
    formula = FORMULAS.get(score.formula.rpartition("-v")[0], score.formula)
    protocol = "" if score.protocol == "paper" else score.protocol
    texts = ("simulated brain" if score.simulated else "", formula, protocol)
    return ", ".join(text for text in texts if text)


def title_of(score: Score) -> str:
    """Return a benchmark with its remarks."""
    remarks = _remarks(score)
    return visible(score.benchmark, keep="") + (f" ({remarks})" if remarks else "")


def name_of(score: Score) -> str:
    """Return a benchmark, a simulated brain marked."""
    return visible(score.benchmark, keep="") + (" (simulated brain)" if score.simulated else "")


def _draw_heading(axes: Axes, row: float, name: str, remarks: str) -> None:
    """Write the name of a group from where the longest name of a model begins, and its remarks after it."""
    longest = max(axes.get_yticklabels(), key=lambda label: len(label.get_text()))
    baseline: dict[str, Any] = {"va": "center_baseline", "annotation_clip": False}
    heading = axes.annotate(
        name, (0.0, row), xycoords=(longest, "data"), fontweight="bold", **baseline
    )
    after = axes.annotate(
        remarks,
        (1.0, row),
        xycoords=(heading, "data"),
        xytext=(4.0, 0.0),
        textcoords="offset points",
        fontsize=style.SMALL,
        color=style.MUTED,
        **baseline,
    )
    for text in (
        heading,
        after,
    ):  # which may be longer than the names of models and reach over the bars
        text.set_in_layout(False)


def _draw_bar(axes: Axes, row: float, score: Score, color: str) -> None:
    value = float(score.value or 0)
    axes.barh(
        row,
        value,
        height=_BAR,
        facecolor="white" if score.untrained else color,
        edgecolor=color,
        linewidth=0.8,
        zorder=1,
    )
    if score.ci is not None:
        axes.plot(
            score.ci,
            (row, row),
            color=style.INK,
            linewidth=0.9,
            linestyle=(0, (1, 1)) if score.ci_approximate else "-",
            solid_capstyle="butt",
            zorder=4,
        )
    bound, ends = bound_of(score), (row - 0.5, row + 0.5)
    axes.plot((0, 0), ends, color=style.INK, linewidth=0.6, zorder=3)
    if bound is not None:
        axes.fill_betweenx(ends, bound.low, bound.high, color=style.FAINT, linewidth=0, zorder=0)
        axes.plot((bound.value,) * 2, ends, color=style.CEILING, solid_capstyle="butt", zorder=2)
    axes.text(
        1.02,
        row,
        decimal(value, digits=2).replace("-", "\N{MINUS SIGN}"),
        transform=axes.get_yaxis_transform(),
        va="center_baseline",
        color=style.MUTED,
    )


def _legend_entries(scores: Sequence[Score]) -> list[Artist]:
    """Return what explains the marks that are in use."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Artist] = []
    if any(bound_of(score) for score in scores):
        entries.append(Line2D([], [], color=style.CEILING, label="a model without error"))
    if any(score.untrained for score in scores):
        entries.append(
            Patch(facecolor="white", edgecolor=style.INK, linewidth=0.8, label="untrained")
        )
    if any(score.ci_approximate and score.ci for score in scores):
        dotted = (0, (1, 1))
        entries.append(
            Line2D([], [], color=style.INK, linestyle=dotted, label="approximate interval")
        )
    used = {mark for score in scores for mark in marks_of(score)}
    entries += [
        Line2D([], [], linestyle="", label=f"{mark} {words}")
        for mark, words in MARKS.items()
        if mark in used
    ]
    return entries
