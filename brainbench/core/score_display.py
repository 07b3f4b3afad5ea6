"""Scores as people read them: a few lines of text, and for notebooks a table with a bar for each score."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from brainbench.core.digits import between, decimal
from brainbench.core.untrusted_text import visible

if TYPE_CHECKING:
    from brainbench.core.score import Score

SHOWN = 40
"""Largest number of scores that a set shows; its frame has all."""
REPRESENTED = 6
"""Largest number of scores in the representation of a set."""
_BAR_WIDTH, _BAR_HEIGHT = 160, 14
_TITLES = ("model", "benchmark", "score", "95 % CI", "ceiling")
_FIGURES = (2, 3, 4)  # columns of figures among these titles


def score_repr(score: Score) -> str:
    """Return a score on one line: whose it is, the figure or why there is none, the protocol unless usual."""
    names = f"{visible(score.model, keep='')!r}, {visible(score.benchmark, keep='')!r}"
    figures = {
        "value": decimal(score.value),
        "ci": f"({', '.join(map(decimal, score.ci))})" if score.ci else "",
        "ceiling": decimal(score.ceiling),
        "status": "" if score.value is not None else repr(score.status),
        "protocol": "" if score.protocol == "paper" else repr(score.protocol),
    }
    shown = ", ".join(f"{name}={text}" for name, text in figures.items() if text)
    return f"<Score {names}: {shown}>"


def scores_repr(scores: Sequence[Score]) -> str:
    """Return a set of scores in a few lines: how many, and the first of them."""
    head = f"<ScoreSet of {len(scores)} {'score' if len(scores) == 1 else 'scores'}"
    lines = [f"  {score_repr(score)}" for score in scores[:REPRESENTED]]
    more = len(scores) - len(lines)
    lines += [f"  ... and {more} more"] if more else []
    return "\n".join([f"{head}:" if lines else head, *lines]) + ">"


def score_text(score: Score) -> str:
    """Return a score in two to four lines: what was scored, the figure, how it was made, what to know."""
    lines = [f"{score.model} on {score.benchmark}: {_figure_text(score)}"]
    lines += [f"  {line}" for line in _details(score)]
    return visible("\n".join(lines))


def scores_text(scores: Sequence[Score]) -> str:
    """Return scores as a table of text, one line for each, and why some have no value."""
    rows = [_TITLES, *(_cells(score) for score in scores[:SHOWN])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if k in _FIGURES else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *_remarks(scores)])


def score_html(score: Score) -> str:
    """Return a score as HTML: its figure, a bar with interval and ceiling, and how it was made."""
    who = f"<b>{_safe(score.model)}</b> on <b>{_safe(score.benchmark)}</b>"
    lines = [f"{who}: {_safe(_figure_text(score))}", *map(_safe, _details(score))]
    return f"<div>{_bar(score, _ends([score]))}<div>{'<br>'.join(lines)}</div></div>"


def scores_html(scores: Sequence[Score]) -> str:
    """Return scores as an HTML table, each with its bar, all on one scale."""
    ends = _ends(scores[:SHOWN])
    titles = "".join(f"<th>{title}</th>" for title in (*_TITLES, ""))
    rows = []
    for score in scores[:SHOWN]:
        cells = "".join(f"<td>{_safe(cell)}</td>" for cell in _cells(score))
        rows.append(f"<tr>{cells}<td>{_bar(score, ends)}</td></tr>")
    remarks = "<br>".join(map(_safe, _remarks(scores)))
    head, body = f"<thead><tr>{titles}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    return f"<div><table>{head}{body}</table>{remarks}</div>"


def _safe(text: str) -> str:
    return escape(visible(text)).replace("\n", "<br>")


def _figure_text(score: Score) -> str:
    if score.value is None:
        return score.status.replace("_", " ")
    interval = f" (95 % CI {_interval(score)})" if score.ci else ""
    ceiling = "" if score.ceiling is None else f", ceiling {decimal(score.ceiling)}"
    return f"{decimal(score.value)}{interval}{ceiling}"


def _interval(score: Score) -> str:
    return between(score.ci, approximate=score.ci_approximate)


def _details(score: Score) -> list[str]:
    """Return how the figure was made, or why there is none, and what to know of it."""
    if score.value is None:
        return (score.reason or "").splitlines()
    omitted = f" ({score.n_excluded} omitted)" if score.n_excluded else ""
    parts = [
        f"by {score.formula}, protocol {score.protocol}",
        f"{score.n_units} units{omitted}",
        f"{score.n_stimuli} stimuli",
    ]
    if score.selection.layer is not None:
        step = "" if score.selection.step is None else f", step {score.selection.step}"
        parts.append(f"layer {score.selection.layer}{step}")
    warnings = _warnings(score)
    return ["; ".join(parts), *([f"note: {', '.join(warnings)}"] if warnings else [])]


def _warnings(score: Score) -> list[str]:
    remarks = (
        ("untrained weights", score.untrained),
        ("nobody said what the weights are", score.undescribed),
        ("simulated brain", score.simulated),
        ("only some of the stimuli", score.partial),
        ("≈ approximate interval", score.ci_approximate),
        ("ceiling not above 0", score.ceiling_above_0 is False),
        ("for these animals only", score.for_these_animals),
        ("stored by an earlier version", score.older_key),
    )
    return [words for words, present in remarks if present]


def _cells(score: Score) -> tuple[str, ...]:
    names = visible(score.model, keep=""), visible(score.benchmark, keep="")
    if score.value is None:
        return (*names, score.status.replace("_", " "), "", "")
    return (*names, decimal(score.value), _interval(score), decimal(score.ceiling))


def _remarks(scores: Sequence[Score]) -> list[str]:
    """Return how many scores are not shown, what to know of some, and each reason for no value once."""
    known = dict.fromkeys(words for score in scores for words in _warnings(score))
    lines = [f"... and {len(scores) - SHOWN} more: to_frame()"] if len(scores) > SHOWN else []
    for words in known:
        n = sum(words in _warnings(score) for score in scores)
        lines.append(f"{words}: {'all' if n == len(scores) else f'{n} of {len(scores)}'}")
    why: dict[str, list[str]] = {}
    for score in scores:
        if score.reason:
            first = visible(score.reason.splitlines()[0])
            why.setdefault(first, []).append(
                visible(f"{score.model} on {score.benchmark}", keep="")
            )
    return lines + [f"{', '.join(names)}: {reason}" for reason, names in why.items()]


def _ceiling(score: Score) -> float | None:
    """Return the ceiling on the scale of the value: 1 where the formula divides by it."""
    return score.ceiling if score.formula.startswith("raw") else 1.0


def _ends(scores: Sequence[Score]) -> tuple[float, float]:
    """Return the smallest and the largest figure in the bars of scores, 0 and 1 among them."""
    figures = [0.0, 1.0]
    for score in scores:
        if score.value is not None:
            of_score = (score.value, _ceiling(score), *(score.ci or ()))
            figures += [figure for figure in of_score if figure is not None]
    return min(figures), max(figures)


def _bar(score: Score, ends: tuple[float, float]) -> str:
    """Return a bar as SVG: the value from 0, a line for the interval, a tick for the ceiling."""
    if score.value is None:
        return ""
    ceiling = _ceiling(score)
    zero, value = (_place(figure, ends) for figure in (0.0, score.value))
    shapes = [
        _line(zero, zero, color="currentColor", opacity=0.5),
        f'<rect x="{min(zero, value):.1f}" y="3" width="{abs(value - zero):.1f}" '
        f'height="{_BAR_HEIGHT - 6}" fill="#0072b2"/>',
    ]
    if ceiling is not None:
        at = _place(ceiling, ends)
        shapes.append(_line(at, at, color="#d55e00"))
    if score.ci is not None:
        low, high = (_place(figure, ends) for figure in score.ci)
        shapes.append(_line(low, high, color="currentColor"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" '
        f'role="img" aria-label="{_safe(_figure_text(score))}">{"".join(shapes)}</svg>'
    )


def _place(figure: float, ends: tuple[float, float]) -> float:
    """Return the horizontal place of a figure between the two ends of a bar, px."""
    low, high = ends
    return 2 + (figure - low) / (high - low) * (_BAR_WIDTH - 4)


def _line(start: float, end: float, *, color: str, opacity: float = 1.0) -> str:
    """Return a line across the middle of a bar, or over its whole height where it has no length."""
    top, bottom = (0.0, _BAR_HEIGHT) if start == end else (_BAR_HEIGHT / 2, _BAR_HEIGHT / 2)
    return (
        f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{top:g}" y2="{bottom:g}" stroke="{color}" '
        f'stroke-width="2" stroke-opacity="{opacity:g}"/>'
    )
