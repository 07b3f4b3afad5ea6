"""Bars of scores with intervals and ceilings, in the units of an SVG of 440 across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from brainbench.core.digits import between, decimal
from brainbench.core.score import Score
from brainbench.plot.score_bars import bound_of

WIDTH, LEFT, RIGHT = 440, 8, 432
ROW, TOP, BOTTOM = 38, 8, 26
MOST = 40
"""Bars of one figure; the table has all scores."""
_LETTERS = 52  # of a name, which stands above its bar


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One score: its name and value as text, and where it begins and ends."""

    name: str
    value: str
    title: str
    y: int  # of the text; the bar is below it
    left: float
    width: float
    untrained: bool
    interval: tuple[float, float] | None = None
    reference: float | None = None  # what a model without error reaches


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A figure of bars."""

    description: str  # what a reader who does not see it is told
    height: int
    zero: float
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...]
    note: str = ""


def bars_of(benchmark: str, scores: Sequence[Score]) -> Bars | None:
    """Return the bars of the scores of a benchmark, highest first; None where none has a value."""
    valued = sorted((s for s in scores if s.value is not None), key=lambda s: -(s.value or 0))
    if not valued:
        return None
    shown = valued[:MOST]
    step, low, high = _domain(shown)
    bars = tuple(_bar(score, k, low, high) for k, score in enumerate(shown))
    bottom = TOP + ROW * len(bars)
    first, last = valued[0], valued[-1]
    description = (
        f"Bars of {len(valued)} scores on {benchmark}, from {decimal(first.value)} ({first.model}) "
        f"to {decimal(last.value)} ({last.model}), with 95 % intervals and ceilings."
    )
    more = len(valued) - len(shown)
    count = round((high - low) / step) + 1
    return Bars(
        description=description,
        height=bottom + BOTTOM,
        zero=_x(0.0, low, high),
        ticks=tuple((_x(low + k * step, low, high), f"{low + k * step:g}") for k in range(count)),
        bars=bars,
        note=f"The {MOST} highest; {more} more are in the table." if more else "",
    )


def _bar(score: Score, place: int, low: float, high: float) -> Bar:
    value = float(score.value or 0.0)
    zero, end = _x(0.0, low, high), _x(value, low, high)
    bound = bound_of(score)
    interval = between(score.ci, approximate=score.ci_approximate)
    facts = (
        f"{score.model}: {decimal(value)}",
        f"95 % interval {interval}" if interval else "no interval",
        "no ceiling" if score.ceiling is None else f"ceiling {decimal(score.ceiling)}",
    )
    name = score.model + (" °" if score.untrained else "")
    return Bar(
        name=name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…",
        value=decimal(value),
        title=", ".join(facts),
        y=TOP + ROW * place + 12,
        left=min(zero, end),
        width=abs(end - zero),
        untrained=score.untrained,
        interval=None
        if score.ci is None
        else (_x(score.ci[0], low, high), _x(score.ci[1], low, high)),
        reference=None if bound is None else _x(bound.value, low, high),
    )


def _domain(scores: Sequence[Score]) -> tuple[float, float, float]:
    """Return the step of the ticks and the ends of the axis, which has 0 and all that is drawn."""
    ends = [0.0]
    for score in scores:
        bound = bound_of(score)
        reached = None if bound is None else bound.value
        ends += [v for v in (score.value, reached, *(score.ci or ())) if v is not None]
    span = max(max(ends) - min(ends), 0.1)
    step = next((s for s in (0.05, 0.1, 0.2, 0.25, 0.5) if span / s <= 6), 0.0)
    step = step or 10 ** math.ceil(math.log10(span / 6))
    low = step * math.floor(min(ends) / step + 1e-9)
    high = step * math.ceil(max(ends) / step - 1e-9)
    return step, round(low, 10), round(max(high, low + step), 10)


def _x(value: float, low: float, high: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)
