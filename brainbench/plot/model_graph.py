"""Figures. Matplotlib is asked for when one is drawn: the extra `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainbench.core.errors import InputError
from brainbench.core.model_info import Diagram

FORMATS = (".png", ".pdf", ".svg")
_INK, _BACK, _CELL = "#222222", "#c0392b", "#2e6f9e"
_WIDTH, _HEIGHT = 0.72, 0.5  # of a node, where neighbors are 1 apart
_UNIT = (1.02, 0.91)  # inches of a unit, across and up
_TITLE = 0.35  # inches


def draw_graph(diagram: Diagram, path: Path, *, title: str = "") -> Path:
    """Draw a network: feed-forward in a row, feedback in arcs above, a loop under each recurrent cell.

    Parameters
    ----------
    diagram : Diagram
        Nodes and arrows.
    path : Path
        Where to; its end says the format.
    title : str
        Above the figure.

    Raises
    ------
    InputError
        Matplotlib is not installed; an end that is no format; a path that cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"a figure called {path.name!r}",
            allowed="a file that ends in " + ", ".join(FORMATS),
            todo="call it for example graph.png",
        )
    place = {name: float(index) for index, name in enumerate(diagram.nodes)}
    arms = max((abs(place[b] - place[a]) for a, b in diagram.feedforward), default=1.0)
    below = max(1.15 if diagram.recurrent else 0.75, 0.7 + 0.2 * arms if arms > 1 else 0.0)
    peaks = [_peak(abs(place[a] - place[b])) for a, b in diagram.feedback]
    above = max(peaks, default=_HEIGHT / 2) + 0.2
    figure, axes = _canvas(width=len(place) + 0.4, below=below, above=above)
    for name, x in place.items():
        _node(axes, name, x, diagram)
    for source, target in diagram.feedforward:
        _forward(axes, place[source], place[target])
    for source, target in diagram.feedback:
        _arc(axes, place[source], place[target])
    axes.set_title(title, fontsize=11, color=_INK)
    _legend(axes, diagram)
    try:
        figure.savefig(path, dpi=200)
    except OSError as error:
        raise InputError(
            f"a figure at {path} ({error.strerror or error})",
            allowed="a folder that exists and can be written",
            todo="choose another path",
        ) from error
    return path


def _canvas(*, width: float, below: float, above: float) -> tuple[Any, Any]:
    """Figure and axes of a size that draws a unit alike in every network; the row of nodes is at 0."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            f"a figure without matplotlib ({error})",
            allowed="matplotlib, which comes with the extra plot",
            todo="pip install 'brainbench[plot]'",
        ) from error
    size = (max(_UNIT[0] * width, 5.0), _UNIT[1] * (below + above) + _TITLE)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    side = (size[0] / _UNIT[0] - width) / 2  # a row too short for the legend stands in the middle
    axes.set_xlim(-0.7 - side, width - 0.7 + side)
    axes.set_ylim(-below, above)
    return figure, axes


def _node(axes: Any, name: str, x: float, diagram: Diagram) -> None:
    from matplotlib.patches import FancyBboxPatch

    kind = (diagram.recurrent or {}).get(name)
    corner = (x - _WIDTH / 2, -_HEIGHT / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="#e4eef6" if kind else "white",
            edgecolor=_CELL if kind else _INK,
            linewidth=1.2,
        )
    )
    axes.text(x, 0.07 if name in (diagram.captions or {}) else 0.0, name, **_text(9, _INK))
    axes.text(x, -0.12, (diagram.captions or {}).get(name, ""), **_text(6.5, "#555555"))
    if kind:
        _loop(axes, x)


def _text(size: float, color: str) -> dict[str, Any]:
    return {"ha": "center", "va": "center", "fontsize": size, "color": color}


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, **style))


def _forward(axes: Any, source: float, target: float) -> None:
    if target - source == 1:
        ends = ((source + _WIDTH / 2, 0.0), (target - _WIDTH / 2, 0.0))
        _arrow(axes, *ends, color=_INK, linewidth=1.2, shrinkA=0, shrinkB=0)
        return
    below = -_HEIGHT / 2  # an arm that passes over nodes goes below them
    curve = f"arc3,rad={0.35 if target > source else -0.35}"
    _arrow(axes, (source, below), (target, below), color=_INK, linewidth=1.2, connectionstyle=curve)


def _peak(span: float) -> float:
    """How high an arc over so many nodes goes."""
    return _HEIGHT / 2 + 0.75 * _handle(span)  # where a cubic with such handles is highest


def _handle(span: float) -> float:
    return 0.5 + 0.64 * span


def _arc(axes: Any, source: float, target: float) -> None:
    """Feedback, above the row."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Outline

    base = _HEIGHT / 2
    high = base + _handle(abs(source - target))
    start, end = (source - 0.12, base), (target + 0.12, base)
    outline = Outline(
        [start, (start[0], high), (end[0], high), end],
        [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4],
    )
    axes.add_patch(
        FancyArrowPatch(
            path=outline, arrowstyle="-|>", mutation_scale=9, color=_BACK, linewidth=1.2
        )
    )


def _loop(axes: Any, x: float) -> None:
    """Draw the cell's own past, under its node."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Outline

    base, depth, reach = -_HEIGHT / 2, 0.6, 0.2
    points = [
        (x + 0.1, base),
        (x + reach, base - depth),
        (x - reach, base - depth),
        (x - 0.1, base),
    ]
    outline = Outline(points, [Outline.MOVETO, *[Outline.CURVE4] * 3])
    axes.add_patch(
        FancyArrowPatch(
            path=outline, arrowstyle="-|>", mutation_scale=8, color=_CELL, linewidth=1.1
        )
    )


def _legend(axes: Any, diagram: Diagram) -> None:
    from matplotlib.lines import Line2D

    kinds = sorted(set((diagram.recurrent or {}).values()))
    entries = [("feed-forward", _INK)]
    entries += [("feedback", _BACK)] if diagram.feedback else []
    entries += [(f"recurrent cell: {', '.join(kinds)}", _CELL)] if kinds else []
    lines = [Line2D([], [], color=color, label=label) for label, color in entries]
    axes.legend(handles=lines, loc="lower center", ncols=3, frameon=False, fontsize=8)
