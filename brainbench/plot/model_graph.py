"""Figure of a network: its layers, the arrows between them, its recurrent cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainbench.core.model_info import Diagram
from brainbench.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FEEDBACK, _CELL = style.INK, "#D55E00", "#0072B2"
_WIDTH, _HEIGHT = 0.72, 0.5  # of a node, in units; neighbors are 1 unit apart
_UNIT_MM = (26.0, 23.0)  # width and height of a unit
_TITLE_MM = 9.0
_NARROWEST_MM = 127.0  # for the legend


def graph(diagram: Diagram, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw a network: nodes in a row, feedback in arcs above, a loop under each recurrent cell.

    Parameters
    ----------
    diagram : Diagram
        Layers and arrows, as `model.about.graph`.
    title : str
        Above the figure, such as the name of the model.
    ax : Axes, optional
        Where to draw; by default a figure in which a node has the same size for every network.

    Raises
    ------
    InputError
        Matplotlib is not installed.
    """
    places = {name: float(index) for index, name in enumerate(diagram.nodes)}
    span = max((abs(places[b] - places[a]) for a, b in diagram.feedforward), default=1.0)
    below = max(1.15 if diagram.recurrent else 0.75, 0.7 + 0.2 * span if span > 1 else 0.0)
    peaks = [_arc_peak(abs(places[a] - places[b])) for a, b in diagram.feedback]
    above = max(peaks, default=_HEIGHT / 2) + 0.2
    n_units = len(places) + 0.4
    width = max(_UNIT_MM[0] * n_units, _NARROWEST_MM)
    height = _UNIT_MM[1] * (below + above) + _TITLE_MM
    with style.drawing(ax, height=height, width=width) as axes:
        axes.set_axis_off()
        margin = (width / _UNIT_MM[0] - n_units) / 2  # a row narrower than the legend is centered
        axes.set_xlim(-0.7 - margin, n_units - 0.7 + margin)
        axes.set_ylim(-below, above)
        for name, x in places.items():
            _draw_node(axes, name, x, diagram)
        for source, target in diagram.feedforward:
            _draw_feedforward(axes, places[source], places[target])
        for source, target in diagram.feedback:
            _draw_feedback(axes, places[source], places[target])
        axes.set_title(title, fontsize=11, loc="center")
        _draw_legend(axes, diagram)
    return axes


def _draw_node(axes: Any, name: str, x: float, diagram: Diagram) -> None:
    from matplotlib.patches import FancyBboxPatch

    kind = (diagram.recurrent or {}).get(name)
    corner = (x - _WIDTH / 2, -_HEIGHT / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="#e3eef5" if kind else "white",
            edgecolor=_CELL if kind else _INK,
            linewidth=1.2,
        )
    )
    axes.text(x, 0.07 if name in (diagram.captions or {}) else 0.0, name, **_text(9, _INK))
    axes.text(x, -0.12, (diagram.captions or {}).get(name, ""), **_text(6.5, "#555555"))
    if kind:
        _draw_loop(axes, x)


def _text(size: float, color: str) -> dict[str, Any]:
    return {"ha": "center", "va": "center", "fontsize": size, "color": color}


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, **style))


def _draw_feedforward(axes: Any, source: float, target: float) -> None:
    if target - source == 1:
        ends = ((source + _WIDTH / 2, 0.0), (target - _WIDTH / 2, 0.0))
        _arrow(axes, *ends, color=_INK, linewidth=1.2, shrinkA=0, shrinkB=0)
        return
    below = -_HEIGHT / 2  # an arrow past other nodes goes below them
    curve = f"arc3,rad={0.35 if target > source else -0.35}"
    _arrow(axes, (source, below), (target, below), color=_INK, linewidth=1.2, connectionstyle=curve)


def _arc_peak(span: float) -> float:
    return _HEIGHT / 2 + 0.75 * _arc_handle(span)


def _arc_handle(span: float) -> float:
    return 0.5 + 0.64 * span


def _draw_feedback(axes: Any, source: float, target: float) -> None:
    base = _HEIGHT / 2
    high = base + _arc_handle(abs(source - target))
    left, right = source - 0.12, target + 0.12
    points = [(left, base), (left, high), (right, high), (right, base)]
    _draw_curve(axes, points, color=_FEEDBACK, mutation_scale=9, linewidth=1.2)


def _draw_loop(axes: Any, x: float) -> None:
    base, low = -_HEIGHT / 2, -_HEIGHT / 2 - 0.6
    points = [(x + 0.1, base), (x + 0.2, low), (x - 0.2, low), (x - 0.1, base)]
    _draw_curve(axes, points, color=_CELL, mutation_scale=8, linewidth=1.1)


def _draw_curve(axes: Any, points: list[tuple[float, float]], **style: Any) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    curve = Curve(points, [Curve.MOVETO, *[Curve.CURVE4] * 3])
    axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", **style))


def _draw_legend(axes: Any, diagram: Diagram) -> None:
    from matplotlib.lines import Line2D

    kinds = sorted(set((diagram.recurrent or {}).values()))
    entries = [("feed-forward", _INK)]
    entries += [("feedback", _FEEDBACK)] if diagram.feedback else []
    entries += [(f"recurrent cell: {', '.join(kinds)}", _CELL)] if kinds else []
    lines = [Line2D([], [], color=color, label=label) for label, color in entries]
    axes.legend(handles=lines, loc="lower center", ncols=3, frameon=False, fontsize=8)
