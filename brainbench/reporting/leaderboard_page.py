"""The page of a leaderboard: a table for each composite and protocol, one of them shown at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brainbench.core.digits import between, decimal
from brainbench.ranking.table import Board, Cell, Row
from brainbench.reporting.board_words import labels_of, notes_of, rank_of
from brainbench.reporting.page import render

LEFT, RIGHT = 2.0, 98.0  # of the axis from 0 to 1, in the units of the small figure


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A cell of the page: the figure, and what is said when a reader points at it."""

    text: str
    value: float | None
    tip: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the page."""

    label: str
    row: Row
    rank: str
    interval: str
    bar: tuple[float, tuple[float, float] | None] | None  # its value and interval along the axis
    figures: tuple[Figure | None, ...]  # by benchmark


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of the page."""

    anchor: str
    board: Board
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def leaderboard_page(boards: Sequence[Board]) -> str:
    """Return a page of at least one leaderboard; the first is shown first."""
    sheets = [_sheet(board, k) for k, board in enumerate(boards)]
    return render(
        "leaderboard.html.j2",
        sheets=sheets,
        composites=list(dict.fromkeys(board.composite.name for board in boards)),
        protocols=list(dict.fromkeys(board.protocol for board in boards)),
        benchmarks=list(dict.fromkeys(name for board in boards for name in board.shown)),
        unreadable=boards[0].unreadable,
    )


def _sheet(board: Board, place: int) -> Sheet:
    labels = labels_of(board)
    return Sheet(
        anchor=f"board-{place + 1}",
        board=board,
        lines=tuple(
            _line(row, label, board) for row, label in zip(board.rows, labels, strict=True)
        ),
        notes=tuple(notes_of(board, labels)),
    )


def _line(row: Row, label: str, board: Board) -> Line:
    value, ci = row.combined.value, row.combined.ci
    return Line(
        label=label,
        row=row,
        rank=rank_of(row),
        interval=between(ci, approximate=row.ci_approximate),
        bar=None if value is None else (_x(value), None if ci is None else (_x(ci[0]), _x(ci[1]))),
        figures=tuple(_figure(name, row.cells.get(name)) for name in board.shown),
    )


def _x(value: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * min(max(value, 0.0), 1.0), 1)


def _figure(benchmark: str, cell: Cell | None) -> Figure | None:
    """Return a cell; None where nothing was scored."""
    if cell is None:
        return None
    score, parts = cell.score, []
    if cell.value is None:
        parts = [score.status.replace("_", " "), (score.reason or "").partition("\n")[0]]
        return Figure(
            text=parts[0], value=None, tip=f"{benchmark}: {': '.join(filter(None, parts))}"
        )
    mark = " †" if cell.counts_not or cell.remark else ""
    mark += " !" if cell.not_above_0 else ""
    interval = between(cell.ci, approximate=cell.ci_approximate)
    parts = [
        f"{benchmark}: {decimal(cell.value)} ({cell.formula})",
        f"95 % interval {interval}" if interval else "no interval",
        "no ceiling" if score.ceiling is None else f"ceiling {decimal(score.ceiling)}",
        f"does not count: {cell.counts_not}" if cell.counts_not else "",
    ]
    return Figure(
        text=decimal(cell.value) + mark, value=cell.value, tip=", ".join(filter(None, parts))
    )
