"""Models as points: one benchmark against another, or against depth, parameters, accuracy or time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.metrics.correlation import pearson
from brainbench.plot import style
from brainbench.plot.names import display_names
from brainbench.plot.score_bars import number, title_of
from brainbench.plot.selection import Source, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Facts = Mapping[str, Mapping[str, float]]
SECONDS = "seconds"
AXES = {
    "depth": "depth (layers)",
    "parameters": "parameters",
    "top1": "ImageNet top-1 accuracy",
    SECONDS: "time of the score (s)",
}
"""What stands at an axis of a fact; other facts stand under their own name."""
_LOGARITHMIC = ("parameters", SECONDS)
_MOST_NAMED = 14  # models
_FEWEST = 3  # models with a correlation


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """Where a model is on one axis, with the interval of a score."""

    value: float
    ci: tuple[float, float] | None = None


def scatter(
    scores: Source, *, x: str, y: str, facts: Facts | None = None, ax: Axes | None = None
) -> Axes:
    """Draw models by two benchmarks, or by a benchmark and a fact (Kubilius et al. 2019, figures 1 to 3).

    Models that lack one of the two are omitted. Of at least three models the Pearson correlation over models
    is given. Hollow points are untrained models.

    Parameters
    ----------
    scores : scores, or a path
        At most one score of each model on each of the two benchmarks.
    x, y : str
        A benchmark, "seconds" (wall time of the score on the other axis, with its forward passes), or the
        name of a fact.
    facts : mapping, optional
        Model -> name of the fact -> number, such as {"cornet_s@imagenet": {"depth": 15, "top1": .731}}.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No model has both, or a model has several scores on one of them.
    UnknownNameError
        Neither a benchmark with a score nor a fact.
    """
    shown = [score for score in scores_of(scores) if score.value is not None]
    facts = facts or {}
    places = {
        name: _coordinates(name, shown, facts, other=x if name == y else y) for name in (x, y)
    }
    models = [model for model in places[x] if model in places[y]]
    if not models:
        raise InputError(
            f"no model with both {x} ({len(places[x])} models) and {y} ({len(places[y])})",
            allowed="at least one model that has both",
            todo="score more models, or choose other axes",
        )
    names = display_names(models)
    with style.drawing(ax, height=70.0) as axes:
        for model in models:
            _draw_point(
                axes,
                places[x][model],
                places[y][model],
                color=style.COLORS[0],
                hollow=_hollow(model),
            )
        for name, set_scale in ((x, axes.set_xscale), (y, axes.set_yscale)):
            if name in _LOGARITHMIC:
                set_scale("log")
        axes.margins(0.12)
        if len(models) <= _MOST_NAMED:
            _name_points(axes, [(names[m], places[x][m].value, places[y][m].value) for m in models])
        axes.set_xlabel(_axis_label(x, shown))
        axes.set_ylabel(_axis_label(y, shown))
        axes.set_title(
            _correlation([places[x][m].value for m in models], [places[y][m].value for m in models])
        )
    return axes


def _hollow(model: str) -> bool:
    return "@untrained" in model


def _coordinates(
    name: str, scores: Sequence[Score], facts: Facts, *, other: str
) -> dict[str, Coordinate]:
    """Return the place of each model on an axis."""
    own = [score for score in scores if score.benchmark == name]
    if own:
        _check_once(own)
        return {
            score.model: Coordinate(value=float(score.value or 0), ci=score.ci) for score in own
        }
    if name == SECONDS:
        times = [score for score in scores if score.benchmark == other]
        _check_once(times)
        return {score.model: Coordinate(value=_seconds(score)) for score in times}
    known = {
        model: Coordinate(value=float(entries[name]))
        for model, entries in facts.items()
        if entries.get(name) is not None and np.isfinite(entries[name])
    }
    if known:
        return known
    names = [score.benchmark for score in scores] + [fact for row in facts.values() for fact in row]
    known_names = list(dict.fromkeys([*names, SECONDS]))
    raise unknown(
        "axis",
        name,
        known_names,
        todo="choose a benchmark with scores, or give a fact of that name",
    )


def _seconds(score: Score) -> float:
    return score.seconds + (score.record.forward_seconds if score.record else 0.0)


def _check_once(scores: Sequence[Score]) -> None:
    models = [score.model for score in scores]
    kinds = list(dict.fromkeys((s.version, s.formula) for s in scores))
    several = sorted({model for model in models if models.count(model) > 1})
    if several or len(kinds) > 1:
        what = ", ".join(several) or ", ".join(f"version {v} ({f})" for v, f in kinds)
        raise InputError(
            f"several scores on {scores[0].benchmark} for one axis: {what}",
            allowed="one score of each model, of one version and formula",
            todo="choose among them before drawing",
        )


def _draw_point(axes: Axes, x: Coordinate, y: Coordinate, *, color: str, hollow: bool) -> None:
    if x.ci is not None:
        axes.plot(x.ci, (y.value, y.value), color=style.CEILING, linewidth=0.6, zorder=1)
    if y.ci is not None:
        axes.plot((x.value, x.value), y.ci, color=style.CEILING, linewidth=0.6, zorder=1)
    face = "white" if hollow else color
    axes.plot(
        x.value,
        y.value,
        marker="o",
        markersize=4,
        markerfacecolor=face,
        markeredgecolor=color,
        zorder=2,
    )


def _name_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write the name of each point beside it, towards the middle of the axes."""
    middle = np.median([x for _, x, _ in points])
    for name, x, y in points:
        right = x > middle
        axes.annotate(
            name,
            (x, y),
            xytext=(-4 if right else 4, 3),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=style.SMALL,
        )


def _axis_label(name: str, scores: Sequence[Score]) -> str:
    own = next((score for score in scores if score.benchmark == name), None)
    return AXES.get(name, name) if own is None else title_of(own)


def _correlation(x: Sequence[float], y: Sequence[float]) -> str:
    """Return the correlation over models in words; of few models how many there are."""
    n = len(x)
    if n < _FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return f"{n} model{'s' if n > 1 else ''}"
    return f"r = {number(float(pearson(np.array(x), np.array(y))))}, {n} models"
