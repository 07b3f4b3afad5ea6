"""All figures by name, and figures of several panels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.choice_patterns import choices, images
from brainbench.plot.cue_answers import cues
from brainbench.plot.dissimilarities import rdm
from brainbench.plot.layer_curves import layers, units
from brainbench.plot.model_scatter import scatter
from brainbench.plot.score_bars import bars
from brainbench.plot.selection import FITS, Source, colors_of, scores_of
from brainbench.plot.solution_time_bins import ost
from brainbench.plot.time_courses import arrays_of, example_images, temporal, time, traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 12


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Scores of one panel, and options of the function that draws it."""

    scores: Sequence[Score]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A figure: what draws a panel, how scores are divided among panels, and the height of a panel in mm."""

    draw: Callable[..., Axes]
    what: str
    panels: Callable[[Sequence[Score]], list[Panel]]
    height: float
    n_columns: int = 2
    by_model: bool = False  # a color for each model


def _together(scores: Sequence[Score]) -> list[Panel]:
    return [Panel(scores=scores)]


def _by_model(scores: Sequence[Score]) -> list[Panel]:
    names = dict.fromkeys(score.model for score in scores)
    return [Panel(scores=[s for s in scores if s.model == name]) for name in names]


def by_benchmark(scores: Sequence[Score]) -> list[Panel]:
    """Return a panel for each benchmark, version and formula."""
    kinds = dict.fromkeys((s.benchmark, s.version, s.formula) for s in scores)
    return [
        Panel(scores=[s for s in scores if (s.benchmark, s.version, s.formula) == kind])
        for kind in kinds
    ]


def _each(scores: Sequence[Score]) -> list[Panel]:
    return [Panel(scores=[score]) for score in scores]


def _by_array(scores: Sequence[Score]) -> list[Panel]:
    return [
        Panel(scores=panel.scores, options={"array": array})
        for panel in by_benchmark(scores)
        for array in arrays_of(panel.scores)
    ]


def _by_image(scores: Sequence[Score]) -> list[Panel]:
    return [
        Panel(scores=panel.scores, options={"stimulus": image})
        for panel in by_benchmark(scores)
        for image in example_images(panel.scores[0])
    ]


def _with_subjects(scores: Sequence[Score]) -> list[Panel]:
    """Return a panel for each model, and one for the subjects of each benchmark before them."""
    panels = []
    for panel in by_benchmark(scores):
        panels.append(Panel(scores=panel.scores[:1], options={"side": "subjects"}))
        panels += _each(panel.scores)
    return panels


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "bars": Kind(
            draw=bars,
            what="scores, intervals, ceilings",
            panels=_together,
            height=80.0,
            by_model=True,
        ),
        "layers": Kind(
            draw=layers, what="score over layers x regions", panels=_by_model, height=62.0
        ),
        "units": Kind(draw=units, what="sites by preferred layer", panels=_by_model, height=58.0),
        "time": Kind(
            draw=time, what="correlation per time bin", panels=_by_array, height=58.0, by_model=True
        ),
        "traces": Kind(
            draw=traces,
            what="single images over time",
            panels=_by_image,
            height=38.0,
            n_columns=1,
            by_model=True,
        ),
        "temporal": Kind(
            draw=temporal,
            what="correlation over time",
            panels=_together,
            height=52.0,
            by_model=True,
        ),
        "ost": Kind(
            draw=ost, what="object solution times", panels=by_benchmark, height=72.0, by_model=True
        ),
        "choices": Kind(
            draw=choices, what="confusions of objects", panels=_with_subjects, height=78.0
        ),
        "images": Kind(draw=images, what="behavior, image by image", panels=_each, height=72.0),
        "cues": Kind(
            draw=cues,
            what="shape bias of each category",
            panels=by_benchmark,
            height=100.0,
            by_model=True,
        ),
        "rdm": Kind(draw=rdm, what="dissimilarities", panels=_each, height=80.0),
        "scatter": Kind(draw=scatter, what="models by two axes", panels=_together, height=70.0),
    }
)
"""Figures of scores by name. `graph` is made of a model."""


def figure(kind: str, scores: Source, **options: Any) -> Figure:
    """Draw a figure with all its panels: one for each model, benchmark, array or image that it needs.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    scores : scores, or a path
        Those that make no sense in the figure are omitted.
    **options
        Of the function of that name, for all panels.

    Returns
    -------
    Figure
        One column wide, two where there are several panels.

    Raises
    ------
    InputError
        No score makes sense in the figure, or there are more than `MOST_PANELS` panels.
    UnknownNameError
        No such figure.
    """
    if kind not in KINDS:
        raise unknown("figure", kind, list(KINDS), todo="choose one of these")
    made, given = KINDS[kind], scores_of(scores)
    shown = [score for score in given if FITS[kind](score)]
    panels = made.panels(shown) if shown else []
    if made.by_model:
        options = {"colors": colors_of(shown), **options}
    fixed = [{**panel.options, **options} for panel in panels]
    panels = [panel for k, panel in enumerate(panels) if not _repeats(k, panels, fixed)]
    if len(panels) <= 1:
        chosen = {**(panels[0].options if panels else {}), **options}
        return style.figure_of(made.draw(panels[0].scores if panels else given, **chosen))
    if len(panels) > MOST_PANELS:
        raise InputError(
            f"a figure {kind!r} with {len(panels)} panels",
            allowed=f"at most {MOST_PANELS}",
            todo="choose fewer models or benchmarks",
        )
    n_rows = -(-len(panels) // made.n_columns)
    with style.styled():
        whole = style.new_figure(height=made.height * n_rows, width=made.n_columns * style.COLUMN)
        places = whole.subplots(n_rows, made.n_columns, squeeze=False).ravel().tolist()
        for panel, axes in itertools.zip_longest(panels, places):
            if panel is None:
                axes.remove()
            else:
                made.draw(panel.scores, ax=axes, **{**panel.options, **options})
        _keep_one_legend(places[: len(panels)])
        for axes in places[: -1 if made.n_columns == 1 else 0]:
            axes.set_xlabel("")
    return whole


def _keep_one_legend(places: Sequence[Axes]) -> None:
    """Remove all legends but the last where all panels have the same."""
    legends = [axes.get_legend() for axes in places]
    texts = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend]
    if len(texts) == len(places) and all(own == texts[0] for own in texts):
        for legend in legends[:-1]:
            if legend is not None:
                legend.remove()


def _repeats(place: int, panels: Sequence[Panel], options: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a panel shows what an earlier one does, since an option was fixed for all."""
    return any(
        options[k] == options[place] and list(panels[k].scores) == list(panels[place].scores)
        for k in range(place)
    )
