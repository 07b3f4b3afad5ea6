"""Ranks of a leaderboard as intervals, from the joint draws of the scores that make a composite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.ranking.comparable import Conditions
from brainbench.ranking.table import Cell, Row
from brainbench.stats.comparison import Differences, complete, decide, rank_intervals
from brainbench.stats.composite import Composite


def with_rank_intervals(rows: Sequence[Row], composite: Composite) -> list[Row]:
    """Return rows whose rank has the interval that the joint draws of its members allow.

    Rows are compared where their members were scored under the same conditions, those under which most rows
    were. Others keep their point rank alone, and may be anywhere in the intervals of the rest.
    """
    members = {k: _members(row, composite) for k, row in enumerate(rows) if row.rank is not None}
    under = {
        k: tuple(Conditions.of(cell.score) for cell in cells)
        for k, cells in members.items()
        if cells is not None
    }
    if len(members) == 1:  # alone, it needs no draws to be the first
        return [row if row.rank is None else replace(row, rank_interval=(1, 1)) for row in rows]
    if not under:
        return list(rows)
    [(usual, _)] = Counter(under.values()).most_common(1)
    compared = [k for k, conditions in under.items() if conditions == usual]
    values = np.array([rows[k].combined.value for k in compared], dtype=np.float64)
    significant = np.zeros((len(compared), len(compared)), dtype=bool)
    if len(compared) > 1:
        draws = np.stack([_draws(members[k] or []) for k in compared], axis=1)
        [significant] = decide([Differences(values=values, draws=draws)]).significant
    low, high = rank_intervals(values, significant)
    others = len(members) - len(compared)
    found = {
        k: (int(least), int(most) + others)
        for k, least, most in zip(compared, low, high, strict=True)
    }
    return [replace(row, rank_interval=found.get(k)) for k, row in enumerate(rows)]


def _members(row: Row, composite: Composite) -> list[Cell] | None:
    """Return the members of a row; None where some score has no joint draws of what the composite takes."""
    cells = [row.cells.get(name) for name in composite.benchmarks]
    found = [cell for cell in cells if cell is not None and cell.draws is not None]
    complete_row = len(found) == len(cells) and all(cell.score.joint_draws for cell in found)
    n_draws = {len(column) for cell in found for column in (cell.score.joint_draws or {}).values()}
    return found if complete_row and len(n_draws) == 1 else None


def _draws(cells: Sequence[Cell]) -> FloatArray:
    """Return joint draws of the mean of members, kind x draw."""
    of_members = [
        complete(cell.score.joint_draws or {}, float(cell.value or 0.0)) for cell in cells
    ]
    return np.asarray(np.mean(of_members, axis=0))
