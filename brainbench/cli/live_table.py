"""Tables on a terminal whose rows are printed as soon as they are finished."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from brainbench.cli.console import figure_cells, name_of_benchmark, name_of_model, stdout
from brainbench.core import progress
from brainbench.core.bars import Bars
from brainbench.core.untrusted_text import visible

if TYPE_CHECKING:
    from brainbench.core.score import Score

_SCORE_FIGURES = {"score": 8, "95 % CI": 16, "ceiling": 7, "units": 10}
_GAP = 2


class LiveTable:
    """A table of one column of texts and columns of figures, whose widths are known beforehand."""

    def __init__(self, title: str, width: int, figures: dict[str, int]) -> None:
        beside = sum(width + _GAP for width in figures.values())
        self._widths = (max(min(width, stdout().width - beside), len(title)), *figures.values())
        self._titles: tuple[str, ...] | None = (title, *figures)

    def row(self, *cells: str, heading: str | None = None) -> None:
        """Print a row, above the bars, below its heading; before the first one the titles."""
        bars = progress.current()
        with bars.taken_away() if isinstance(bars, Bars) else contextlib.nullcontext():
            if self._titles is not None:
                self._print(self._titles, style="bold")
                self._titles = None
            if heading is not None:
                stdout().print(visible(heading, keep=""))
            self._print(cells, style="")

    def _print(self, cells: Sequence[str], *, style: str) -> None:
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, _GAP, 0, 0))
        for k, width in enumerate(self._widths):
            table.add_column(width=width, overflow="fold", justify="right" if k else "left")
        first, *others = (visible(cell, keep="") for cell in cells)
        table.add_row(_folded(first, self._widths[0]), *others, style=style)
        stdout().print(table)


def _folded(text: str, width: int) -> str:
    """Return a text in lines of at most this width, cut at hyphens and indented below the first."""
    indent = " " * min(width // 4, len(text) - len(text.lstrip()) + 2)
    return textwrap.fill(text, width, subsequent_indent=indent, drop_whitespace=False)


class LiveScores:
    """A table of scores: each model on a line of its own, its benchmarks below it."""

    def __init__(self, benchmarks: Sequence[str]) -> None:
        title = "model, benchmark"
        width = max([len(title), *(len(f"  {name} ~") for name in benchmarks)])
        self._table = LiveTable(title, width, _SCORE_FIGURES)
        self._model: str | None = None

    def add(self, score: Score) -> None:
        """Print a score, after its model where that is another one than before."""
        model = name_of_model(score)
        heading = None if model == self._model else model
        self._table.row(f"  {name_of_benchmark(score)}", *figure_cells(score), heading=heading)
        self._model = model
