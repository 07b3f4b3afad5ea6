"""Composites of the scores of one run."""

from __future__ import annotations

from collections.abc import Sequence

from brainbench.core.score import Score
from brainbench.ranking.ranks import rows
from brainbench.ranking.table import Row
from brainbench.stats.composite import Composite


def composites_of_run(
    scores: Sequence[Score], composites: Sequence[Composite]
) -> list[tuple[Composite, Row]]:
    """Return each composite of each model, from scores in the order of a run: model by model.

    A member without a value makes the composite undefined, as on a leaderboard.
    """
    # A score that failed early knows neither weights nor digest: it is in no row, and not in its place.
    return [
        (composite, max(rows(of_model, composite), key=_members))
        for of_model in _by_model(scores)
        for composite in composites
    ]


def _by_model(scores: Sequence[Score]) -> list[list[Score]]:
    """Return the scores of each model; two models of one name follow each other, as the run has them."""
    groups: list[list[Score]] = []
    seen: set[tuple[str, str]] = set()
    for score in scores:
        key = (score.benchmark, score.formula)
        if not groups or groups[-1][0].model != score.model or key in seen:
            groups.append([])
            seen = set()
        groups[-1].append(score)
        seen.add(key)
    return groups


def _members(row: Row) -> int:
    return row.combined.k
