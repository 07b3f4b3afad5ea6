"""Models as points: one benchmark against another, or against depth, parameters, accuracy or time."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brainbench.core.digits import decimal
from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.metrics.correlation import pearson
from brainbench.plot import style
from brainbench.plot.names import display_names
from brainbench.plot.score_bars import title_of
from brainbench.plot.selection import MARKS, Source, marks_of, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Facts = Mapping[str, Mapping[str, float]]
SECONDS = "seconds"
AXES = {
    "depth": "depth (layers)",
    "parameters": "parameters (millions)",
    "top1": "ImageNet top-1 accuracy",
    "cifar100": "CIFAR-100 transfer accuracy",
    "brain_score": "Brain-Score",
    "IT_new_data": "IT, new neurons",
    "IT_new_images": "IT, new images",
    "behavior_new_data": "behavior, new objects",
    SECONDS: "time of the score (s)",
}
"""What stands at an axis of a fact; other facts stand under their own name."""
_LOGARITHMIC = ("parameters", SECONDS)
_MILLION = 1e6
_MOST_NAMED = 14  # models
_MANY = 40  # models with small points
_LETTER, _LINE, _POINT = (
    0.021,
    0.052,
    0.012,
)  # width and height of a letter, and a point's radius, of the axes
_FEWEST = 3  # models with a correlation


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """Where a model is on one axis, with the interval of a score."""

    value: float
    ci: tuple[float, float] | None = None


def scatter(
    scores: Source,
    *,
    x: str,
    y: str,
    facts: Facts | None = None,
    published: Collection[str] = (),
    named: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw models by two benchmarks, or by a benchmark and a fact (Kubilius et al. 2019, figures 1 to 3).

    Models that lack one of the two are omitted; the title says of how many. Of at least three models the
    Pearson correlation over models is given, of the logarithm of parameters and seconds. Hollow points are
    untrained models, gray points published figures; the correlation of one kind leaves out the other.

    Parameters
    ----------
    scores : scores, or a path
        At most one score of each model on each of the two benchmarks.
    x, y : str
        A benchmark, "seconds" (wall time of the score on the other axis, with its forward passes), or the
        name of a fact.
    facts : mapping, optional
        Model -> name of the fact -> number, such as {"cornet_s@imagenet": {"depth": 15, "top1": .731}}.
    published : collection of str
        Models whose figures were published, and not measured here.
    named : sequence of str
        Models or wildcards of those whose names are written; by default all, if there are at most 14.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No model has both, or a model has several scores on one of them.
    UnknownNameError
        Neither a benchmark with a score nor a fact, or no model in the figure has such a name.
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
    models.sort(key=lambda model: model not in published)  # those of the user above the others
    names, written = display_names(models), _written(models, named)
    points = [(places[x][model], places[y][model]) for model in models]
    theirs = [model in published for model in models]
    with style.drawing(ax, height=70.0) as axes:
        size = 2.4 if len(models) > _MANY else 4.0
        for model, (across, up), is_theirs in zip(models, points, theirs, strict=True):
            color = style.CEILING if is_theirs else style.COLORS[0]
            of_point = size if is_theirs else max(size, 3.2)
            _draw_point(axes, across, up, size=of_point, color=color, hollow=_hollow(model))
        axes.margins(0.12)
        if x in _LOGARITHMIC:
            axes.set_xscale("log")
            _number_plainly(axes.xaxis)
        if y in _LOGARITHMIC:
            axes.set_yscale("log")
            _number_plainly(axes.yaxis)
        marks = {s.model: marks_of(s) for s in shown if s.benchmark in (x, y)}
        labels = [
            " ".join([names[model], *marks.get(model, ())]) if model in written else ""
            for model in models
        ]
        _name_points(axes, labels, points)
        axes.set_xlabel(_axis_label(x, shown))
        axes.set_ylabel(_axis_label(y, shown))
        logarithmic = [name in _LOGARITHMIC for name in (x, y)]
        n_omitted = len(set(marks) - set(models))
        axes.set_title(_correlations(points, theirs, logarithmic=logarithmic, n_omitted=n_omitted))
        _draw_legend(axes, theirs, {mark for model in written for mark in marks.get(model, ())})
    return axes


def _written(models: Sequence[str], named: Sequence[str]) -> Sequence[str]:
    """Return the models whose names are written; UnknownNameError for a name that no model has."""
    if not named:
        return models if len(models) <= _MOST_NAMED else ()
    written = []
    for pattern in named:
        found = fnmatch.filter(models, pattern)
        if not found:
            raise unknown("model in the figure", pattern, models, todo="name one of them")
        written += found
    return written


def _draw_legend(axes: Axes, theirs: Sequence[bool], marks: Collection[str]) -> None:
    """Explain gray points, and the marks of names that are in use."""
    from matplotlib.lines import Line2D

    entries = {"published, not measured here": style.CEILING} if any(theirs) else {}
    if entries and not all(theirs):
        entries["measured here"] = style.COLORS[0]
    points = [
        Line2D([], [], linestyle="", marker="o", color=color, label=label)
        for label, color in entries.items()
    ]
    points += [
        Line2D([], [], linestyle="", label=f"{mark} {words}")
        for mark, words in MARKS.items()
        if mark in marks
    ]
    if points:
        style.legend_below(axes, points)


def _number_plainly(axis: Axis) -> None:
    """Write plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter("{:g}".format))
    axis.set_minor_locator(NullLocator())


def _hollow(model: str) -> bool:
    return "@untrained" in model


def _coordinates(
    name: str, scores: Sequence[Score], facts: Facts, *, other: str
) -> dict[str, Coordinate]:
    """Return the place of each model on an axis."""
    own = [score for score in scores if score.benchmark == name]
    if own:
        _check_once(own, name)
        return {
            score.model: Coordinate(value=float(score.value or 0), ci=score.ci) for score in own
        }
    if name == SECONDS:
        times = [score for score in scores if score.benchmark == other]
        _check_once(times, name)
        return {score.model: Coordinate(value=_seconds(score)) for score in times}
    scale = _MILLION if name == "parameters" else 1.0
    known = {
        model: Coordinate(value=float(entries[name]) / scale)
        for model, entries in facts.items()
        if entries.get(name) is not None and np.isfinite(entries[name])
    }
    if name in _LOGARITHMIC:  # a model without any has no place
        known = {model: place for model, place in known.items() if place.value > 0}
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


def _check_once(scores: Sequence[Score], name: str) -> None:
    models = [score.model for score in scores]
    kinds = list(dict.fromkeys((s.version, s.formula) for s in scores))
    several = sorted({model for model in models if models.count(model) > 1})
    if several or len(kinds) > 1:
        what = ", ".join(several) or ", ".join(f"version {v} ({f})" for v, f in kinds)
        raise InputError(
            f"several scores of a model, or kinds of scores, for the axis {name}: {what}",
            allowed="one score of each model, of one version and formula",
            todo="choose models by name (-m), or draw from a folder without the others (--results)",
        )


def _draw_point(
    axes: Axes, x: Coordinate, y: Coordinate, *, size: float, color: str, hollow: bool
) -> None:
    if x.ci is not None:
        axes.plot(x.ci, (y.value, y.value), color=style.CEILING, linewidth=0.6, zorder=1)
    if y.ci is not None:
        axes.plot((x.value, x.value), y.ci, color=style.CEILING, linewidth=0.6, zorder=1)
    face = "white" if hollow else color
    axes.plot(
        x.value,
        y.value,
        marker="o",
        markersize=size,
        markerfacecolor=face,
        markeredgecolor=color if hollow else "white",
        markeredgewidth=0.8 if hollow else 0.3,
        zorder=2,
    )


def _name_points(
    axes: Axes, names: Sequence[str], points: Sequence[tuple[Coordinate, Coordinate]]
) -> None:
    """Write the name of each point that has one beside it, clear of other names and points, in the axes."""
    axes.autoscale_view()
    to_axes = axes.transData + axes.transAxes.inverted()
    places = to_axes.transform([(across.value, up.value) for across, up in points])
    boxes = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in places.tolist()]
    for name, (x, y) in zip(names, places.tolist(), strict=True):
        if not name:
            continue
        width = _LETTER * len(name)
        corners = [
            (x + dx if dx > 0 else x + dx - width, y + dy)
            for dy in (0.01, -0.06, 0.06, -0.11, 0.11)
            for dx in (0.02, -0.02)
        ]
        costs = [_cost((left, low, left + width, low + _LINE), boxes) for left, low in corners]
        left, low = corners[int(np.argmin(costs))]
        boxes.append((left, low, left + width, low + _LINE))
        right = left < x
        if len(names) > _MOST_NAMED:  # which of many points it names may be in doubt
            _draw_pointer(axes, (x, y), low + _LINE if low < y else low)
        axes.text(
            left + width if right else left,
            low,
            name,
            transform=axes.transAxes,
            ha="right" if right else "left",
            fontsize=style.SMALL,
        )


def _draw_pointer(axes: Axes, point: tuple[float, float], height: float) -> None:
    """Draw a ring around a point, and a line from it to the height of its name, in axes coordinates."""
    x, y = point
    place: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": style.INK,
        "linewidth": 0.5,
        "zorder": 3,
    }
    if abs(height - y) > _LINE:
        axes.plot((x, x), (y, height), **place)
    axes.plot(x, y, marker="o", markersize=4.0, markerfacecolor="none", **place)


def _cost(box: tuple[float, float, float, float], boxes: Sequence[tuple[float, ...]]) -> float:
    """Return by how much a box leaves the axes or covers others."""
    left, low, right, high = box
    outside = max(-left, 0) + max(right - 1, 0) + max(-low, 0) + max(high - 1, 0)
    covered = [
        max(min(right, b[2]) - max(left, b[0]), 0) * max(min(high, b[3]) - max(low, b[1]), 0)
        for b in boxes
    ]
    return outside + 10 * sum(covered)


def _axis_label(name: str, scores: Sequence[Score]) -> str:
    own = next((score for score in scores if score.benchmark == name), None)
    return AXES.get(name, name) if own is None else title_of(own)


def _correlations(
    points: Sequence[tuple[Coordinate, Coordinate]],
    theirs: Sequence[bool],
    *,
    logarithmic: Sequence[bool],
    n_omitted: int,
) -> str:
    """Return the correlation over models, of published and of measured ones apart where there are both."""
    groups = {
        "published": [point for point, is_theirs in zip(points, theirs, strict=True) if is_theirs],
        "measured": [point for point, own in zip(points, theirs, strict=True) if not own],
    }
    texts = {
        name: _correlation(
            group, logarithmic=logarithmic, n_omitted=n_omitted if name == "measured" else 0
        )
        for name, group in groups.items()
        if group
    }
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _correlation(
    points: Sequence[tuple[Coordinate, Coordinate]],
    *,
    logarithmic: Sequence[bool],
    n_omitted: int,
) -> str:
    """Return the correlation over models, of logarithms where an axis is; of few models their number."""
    values = np.array([[place.value for place in pair] for pair in points]).T
    values = np.array(
        [np.log(row) if is_log else row for row, is_log in zip(values, logarithmic, strict=True)]
    )
    n = len(points)
    counted = f"{n} of {n + n_omitted} models" if n_omitted else f"{n} model{'s' * (n > 1)}"
    if n < _FEWEST or (np.ptp(values, axis=1) == 0).any():
        return counted
    return f"r = {decimal(float(pearson(*values)), digits=2)}, {counted}"
