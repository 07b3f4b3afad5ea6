"""Figures of a report: those of `brainbench.plot` that make sense for its scores, as SVG."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from markupsafe import Markup

from brainbench.core import progress
from brainbench.core.digits import decimal
from brainbench.core.errors import BrainbenchError
from brainbench.core.score import Score
from brainbench.plot import FITS, KINDS, display_name, svg
from brainbench.plot.kinds import Panel, by_benchmark
from brainbench.plot.selection import Colors, colors_of
from brainbench.plot.style import COLORS

MOST_BARS = 40
"""Bars of one figure; the table has all scores."""
MOST_PANELS = 12
"""Figures of one kind but bars."""
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "bars": "Scores",
        "layers": "Layers",
        "time": "Correlation in each time bin",
        "temporal": "Correlation over time of single images",
        "ost": "Object solution times",
        "choices": "Choices",
        "rdm": "Dissimilarities",
    }
)
"""The figures of a report, and what a page calls them."""
_OF_BEST = ("choices", "rdm")
"""Those that show one model: the best one on the choices or dissimilarities of a data set."""
_OF_SEVERAL = ("time", "temporal", "ost")
"""Those that tell models apart by color."""
WITHOUT = (
    "no figures, since matplotlib is not installed: pip install 'brainbench[plot]', and write the "
    "report again"
)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of a page: its <svg>, and what stands above it."""

    svg: Markup
    caption: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Figures of one kind under a heading, and how many more there would be."""

    title: str
    drawings: tuple[Drawing, ...]
    n_more: int


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def groups_of(scores: Sequence[Score]) -> list[Group]:
    """Return the figures of scores by kind; a kind that makes sense for none of them is omitted.

    Scores of two protocols share no figure. A figure whose predictions cannot be read is named in a note.
    """
    ordered = sorted(scores, key=lambda score: score.model)
    colors = colors_of(ordered)  # a model keeps its color
    panels = {kind: panels_of(kind, ordered) for kind in _TITLES}
    shown = {kind: own if kind == "bars" else own[:MOST_PANELS] for kind, own in panels.items()}
    groups = []
    with progress.current().task("drawing figures", sum(map(len, shown.values()))) as advance:
        for kind, own in shown.items():
            drawings = tuple(_drawings(kind, own, colors, advance))
            n_more = len(panels[kind]) - len(own)
            groups.append(Group(title=_TITLES[kind], drawings=drawings, n_more=n_more))
    return [group for group in groups if group.drawings]


def _drawings(
    kind: str, panels: Sequence[tuple[Panel, str]], colors: Colors, advance: progress.Advance
) -> Iterator[Drawing]:
    for place, (panel, note) in enumerate(panels):
        try:
            options = {**panel.options, **({"colors": colors} if KINDS[kind].by_model else {})}
            own = replace(panel, options=options)
            yield _drawing(kind, own, f"{kind}-{place + 1}-", note)
        except BrainbenchError as error:
            progress.current().note(f"omitted: a figure {kind!r}: {error.got}")
        advance(1)


def panels_of(kind: str, scores: Sequence[Score]) -> list[tuple[Panel, str]]:
    """Return the scores of each figure of a kind, with a note on those that are left out."""
    fit = [score for score in scores if FITS[kind](score)]
    if kind == "rdm":  # those that were compared, not of predicted responses
        fit = [s for s in fit if s.record is not None and "similarity" in s.record.choices]
    made = []
    for protocol in dict.fromkeys(score.protocol for score in fit):
        own = [score for score in fit if score.protocol == protocol]
        if kind == "bars":
            panels = sorted(by_benchmark(own), key=lambda panel: panel.scores[0].benchmark)
            made += [_at_most(panel, MOST_BARS) for panel in panels]
        elif kind in _OF_SEVERAL:
            made += [_at_most(panel, len(COLORS)) for panel in KINDS[kind].panels(own)]
        else:
            panels = KINDS[kind].panels(_best(own) if kind in _OF_BEST else own)
            made += [(panel, "") for panel in panels]
    return made


def _best(scores: Sequence[Score]) -> list[Score]:
    """Return the highest score on each data set and region, of a trained model where there is one.

    Several measures of one region, such as choices and consistency, are of the same choices.
    """
    best: dict[str, Score] = {}
    for score in scores:
        place = score.benchmark.rpartition("-")[0]
        if place not in best or _merit(score) > _merit(best[place]):
            best[place] = score
    return [best[place] for place in sorted(best)]


def _merit(score: Score) -> tuple[bool, float]:
    return not score.untrained, float(score.value or 0.0)


def _at_most(panel: Panel, most: int) -> tuple[Panel, str]:
    """Return a panel of the models with the highest scores, and how many it leaves out."""
    by_model: dict[str, float] = {}
    for score in panel.scores:
        by_model[score.model] = max(float(score.value or 0.0), by_model.get(score.model, -1e300))
    kept = sorted(by_model, key=lambda model: -by_model[model])[:most]
    n_more = len(by_model) - len(kept)
    if not n_more:
        return panel, ""
    chosen = [score for score in panel.scores if score.model in kept]
    note = f"The {most} models with the highest scores; the table has {n_more} more."
    return replace(panel, scores=chosen), note


def _drawing(kind: str, panel: Panel, prefix: str, note: str) -> Drawing:
    axes = KINDS[kind].draw(panel.scores, **panel.options)
    picture = svg(axes, label=_description(kind, panel.scores), prefix=prefix)
    return Drawing(
        svg=Markup(picture),  # noqa: S704  # matplotlib escapes every text, `svg` the label
        caption=_caption(kind, panel),
        note=note,
    )


def _caption(kind: str, panel: Panel) -> str:
    """Return what the scores of a figure have in common."""
    first = panel.scores[0]
    benchmarks = list(dict.fromkeys(score.benchmark for score in panel.scores))
    what = benchmarks[0] if len(benchmarks) == 1 else f"{len(benchmarks)} benchmarks"
    if kind == "layers":
        what = display_name(first.model)
    if kind == "bars":  # its heading has the name
        what = first.formula
    return f"{what}, protocol {first.protocol}"


def _description(kind: str, scores: Sequence[Score]) -> str:
    """Return what a reader who does not see the figure is told."""
    benchmarks = ", ".join(dict.fromkeys(score.benchmark for score in scores))
    ranked = sorted(scores, key=lambda score: -float(score.value or 0.0))
    if kind != "bars":
        models = ", ".join(dict.fromkeys(score.model for score in ranked))
        return f"{_TITLES[kind]}: {models} on {benchmarks}. The table has the scores."
    first, last = ranked[0], ranked[-1]
    return (
        f"Bars of {len(ranked)} {'score' if len(ranked) == 1 else 'scores'} on {benchmarks}, from "
        f"{decimal(first.value)} ({first.model}) to {decimal(last.value)} ({last.model}), with 95 % "
        "intervals and what a model without error reaches."
    )
