"""A leaderboard as a table for a paper or a README."""

from __future__ import annotations

import pandas as pd

from brainbench.core.digits import between, decimal
from brainbench.ranking.table import Board
from brainbench.reporting.board_words import labels_of, notes_of, rank_of

_IN_LATEX = {
    "≈": r"$\approx$",
    "°": r"$^{\circ}$",
    "§": r"\S{}",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "…": r"\ldots{}",
}
"""Signs that not every font and engine has."""
_RULES = {"l": "---", "r": "---:"}


def to_table(ranked: Board) -> pd.DataFrame:
    """Return ranks, composite, interval and the figure on each benchmark as text, a row for each model.

    Without ranks and composite where no score counts in it.
    """
    rows = []
    columns = ["model", *ranked.shown]
    if ranked.counts:
        columns = ["rank", "model", ranked.composite.name, "95 % CI", "members", *ranked.shown]
    for row, label in zip(ranked.rows, labels_of(ranked), strict=True):
        combined = row.combined
        cells = {name: row.cells.get(name) for name in ranked.shown}
        figures = {
            name: ""
            if cell is None or cell.value is None
            else decimal(cell.value)
            + (" †" if cell.counts_not or cell.remark else "")
            + (" !" if cell.not_above_0 else "")
            for name, cell in cells.items()
        }
        rows.append(
            {
                "rank": rank_of(row),
                "model": label,
                ranked.composite.name: decimal(combined.value),
                "95 % CI": between(combined.ci, approximate=row.ci_approximate),
                "members": f"{combined.k} of {combined.n}",
                **figures,
            }
        )
    return pd.DataFrame(rows, columns=columns)


def as_markdown(ranked: Board) -> str:
    """Return a leaderboard as a table of Markdown, with the notes below it."""
    table = to_table(ranked)
    lines = [list(table.columns), [_RULES[column] for column in _aligned(table)]]
    lines += table.to_numpy().tolist()
    shown = ["| " + " | ".join(_in_markdown(cell) for cell in line) + " |" for line in lines]
    notes = [f"- {_in_markdown(note)}" for note in notes_of(ranked, labels_of(ranked))]
    return "\n".join([*shown, "", *notes])


def as_latex(ranked: Board) -> str:
    """Return a leaderboard as a table of LaTeX with the rules of booktabs, the notes as comments below it."""
    table = to_table(ranked)
    text = table.to_latex(index=False, escape=True, column_format=_aligned(table))
    for sign, command in _IN_LATEX.items():
        text = text.replace(sign, command)
    notes = [line for note in notes_of(ranked, labels_of(ranked)) for line in note.splitlines()]
    return "\n".join(["% needs \\usepackage{booktabs}", text.rstrip(), *(f"% {n}" for n in notes)])


def _aligned(table: pd.DataFrame) -> str:
    """Return "l" or "r" for each column: ranks and models to the left, figures to the right."""
    return "".join("l" if name in ("rank", "model") else "r" for name in table.columns)


def _in_markdown(text: str) -> str:
    one_line = " ".join(text.split())
    for sign in "\\|<>*_`[]":
        one_line = one_line.replace(sign, f"\\{sign}")
    return one_line
