"""From stored scores to a leaderboard: one row per model, what belongs together and nothing else.

A row is one version of one model under one protocol and one choice of seed, layers, limit, floor and what
intervals resample. Scores that differ in any of these never meet in a composite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.ranking.table import Board, Cell, Row, State
from brainbench.stats.composite import RAW, Composite, Member, combine
from brainbench.storage.results import Results

_APART = ("seed", "layers", "limit", "floor", "resample")
_USUAL = Settings()


def board(
    results: Results,
    composites: Sequence[Composite],
    *,
    protocol: str = "paper",
) -> Board:
    """Leaderboard of a results folder.

    Parameters
    ----------
    results : Results
        Where the scores are.
    composites : sequence of Composite
        Which of them ranks the models: see `fitting`.
    protocol : {"paper", "brainscore"}
        Scores of the other one are counted and left out.

    Raises
    ------
    InputError
        No score that can be read, or none of that protocol.
    """
    scores, unreadable = stored(results)
    _check_any(results, scores, unreadable)
    shown = [score for score in scores if score.protocol == protocol]
    if not shown:
        there = sorted({score.protocol for score in scores})
        raise InputError(
            f"no score of protocol {protocol} among the {len(scores)} in {results.folder}",
            allowed=", ".join(there),
            todo=f"give --protocol {there[0]}, or score models under {protocol}",
        )
    chosen, made = fitting(shown, composites)
    others = sorted({score.benchmark for score in shown} - set(chosen.benchmarks))
    return Board(
        composite=chosen,
        protocol=protocol,
        rows=tuple(_ranked(made)),
        benchmarks=(*chosen.benchmarks, *others),
        n_elsewhere=len(scores) - len(shown),
        unreadable=tuple(unreadable),
    )


def fitting(
    scores: Sequence[Score], composites: Sequence[Composite]
) -> tuple[Composite, list[Row]]:
    """Composite that says most about the scores, with its rows, in no particular order.

    First one that ranks a model; then one that is complete for some row, if only of an untrained model; then
    the one in which most scores count; then one with a member that was scored at all; then the first.
    """
    made = [(one, rows(scores, one)) for one in composites]
    return max(made, key=lambda pair: _fit(*pair))  # the first of equals


def _fit(composite: Composite, of_it: Sequence[Row]) -> tuple[bool, bool, int, bool]:
    return (
        any(_has_rank(row) for row in of_it),
        any(row.combined.value is not None for row in of_it),
        sum(row.combined.k for row in of_it),
        any(name in row.cells for row in of_it for name in composite.benchmarks),
    )


def stored(results: Results) -> tuple[list[Score], list[str]]:
    """Every score of a folder that can be read, and what is wrong with the other files."""
    scores, unreadable = [], []
    for path in results.files():
        try:
            scores.append(results.read(path))
        except InputError as error:  # one broken file does not hide the others
            unreadable.append(error.got)
    return scores, unreadable


def _check_any(results: Results, scores: Sequence[Score], unreadable: Sequence[str]) -> None:
    if scores:
        return
    what = "".join(f"; {text}" for text in unreadable[:1])
    raise InputError(
        f"no score in {results.folder}{what}",
        allowed="a folder that `brainbench score -o DIR` has written to",
        todo="score a model first, or give the folder with -o DIR",
    )


def rows(scores: Sequence[Score], composite: Composite) -> list[Row]:
    """One row for each model, weights, protocol and choice of settings, in no particular order.

    Parameters
    ----------
    scores : sequence of Score
        Of these, the newest of the newest version of each model counts.
    composite : Composite
        What to make of them.
    """
    groups: dict[tuple[str, ...], list[Score]] = {}
    for score in sorted(scores, key=_age):
        apart = json.dumps(_settings(score), sort_keys=True, default=str)
        key = (score.model, score.weights, score.protocol, apart, str(score.partial))
        groups.setdefault(key, []).append(score)
    current = _current(scores)
    return [_row(group, composite, current) for group in groups.values()]


def _age(score: Score) -> tuple[str, str]:
    return (score.record.created if score.record else ""), score.file or ""


def _settings(score: Score) -> dict[str, Any]:
    """What was asked for apart from the usual, and makes scores that do not belong together."""
    asked = score.record.settings if score.record else {}
    unusual = {
        key: asked[key] for key in _APART if key in asked and asked[key] != getattr(_USUAL, key)
    }
    if not score.partial:  # a limit above the number of stimuli limits nothing
        unusual.pop("limit", None)
    return unusual


def _hash(score: Score, what: str) -> str | None:
    return score.record.hashes.get(what) if score.record else None


def _current(scores: Sequence[Score]) -> dict[str, tuple[int, str | None]]:
    """Newest version of each benchmark, and of its data, that any score in the folder has."""
    newest: dict[str, Score] = {}
    for score in sorted(scores, key=lambda one: (one.version, _age(one))):
        if _hash(score, "data") is not None:
            newest[score.benchmark] = score
    return {name: (score.version, _hash(score, "data")) for name, score in newest.items()}


def _row(
    group: Sequence[Score],
    composite: Composite,
    current: Mapping[str, tuple[int, str | None]],
) -> Row:
    last = group[-1]
    digest = next((_hash(one, "model") for one in reversed(group) if _hash(one, "model")), None)
    alive = [one for one in group if _hash(one, "model") in (None, digest)]
    members = {member.benchmark: member for member in composite.members}
    by_benchmark: dict[str, list[Score]] = {}
    for score in alive:
        by_benchmark.setdefault(score.benchmark, []).append(score)
    cells = {
        name: _cell(mine, members.get(name), composite, current.get(name))
        for name, mine in by_benchmark.items()
    }
    counted = [cells.get(name) for name in composite.benchmarks]
    there = [None if cell is None or cell.counts_not else cell for cell in counted]
    combined = combine(
        [None if cell is None else cell.value for cell in there],
        [None if cell is None else cell.draws for cell in there],
        names=composite.benchmarks,
    )
    return Row(
        model=last.model,
        weights=last.weights,
        protocol=last.protocol,
        settings=_settings(last),
        untrained=last.untrained,
        partial=last.partial,
        cells=cells,
        combined=combined,
        ci_approximate=None if combined.ci is None else any(c.ci_approximate for c in there if c),
        n_others=len(group) - len(cells),
    )


def _cell(
    scores: Sequence[Score],
    member: Member | None,
    composite: Composite,
    current: tuple[int, str | None] | None,
) -> Cell:
    """Cell of the newest score; of a member, the newest that has the formula it must have."""
    score = scores[-1]
    if member is not None:
        fitting = [one for one in scores if one.failed or one.formula == member.formula]
        score = (fitting or scores)[-1]
    as_scored = Cell(
        score=score,
        value=score.value,
        ci=score.ci,
        draws=score.draws,
        formula=score.formula,
        state=_state(score, current),
    )
    return as_scored if member is None else _as_member(as_scored, member, composite)


def _state(score: Score, current: tuple[int, str | None] | None) -> State:
    mine = (score.version, _hash(score, "data"))
    if current is not None and mine[1] is not None and mine != current:
        return "outdated"
    return "failed" if score.value is None else "scored"


def _as_member(cell: Cell, member: Member, composite: Composite) -> Cell:
    """The figure that a composite takes from a score, or why it takes none."""
    score = cell.score
    why = None
    if cell.state == "outdated":
        why = "of an older version of the benchmark or its data"
    elif score.value is None:
        why = "failed"
    elif score.partial:
        why = "partial"
    elif score.simulated != composite.simulated:
        why = "of a simulated brain" if score.simulated else "not of a simulated brain"
    elif cell.formula != member.formula and (member.formula != RAW or score.raw is None):
        why = f"scored as {score.formula}, not as {member.formula}"
    elif cell.formula != member.formula:  # the raw figure stands in every score, its draws do not
        return replace(cell, value=score.raw, ci=None, draws=None, formula=RAW)
    return replace(cell, counts_not=why)


def _ranked(unordered: Sequence[Row]) -> list[Row]:
    """Those with a rank, best first; untrained ones by composite; then by name; partial ones last."""
    ordered = sorted(unordered, key=_place)
    rank = 0
    ranked = []
    for row in ordered:
        if _has_rank(row):
            rank += 1
            ranked.append(replace(row, rank=rank))
        else:
            ranked.append(row)
    return ranked


def _has_rank(row: Row) -> bool:
    return row.combined.value is not None and not row.untrained


def _place(row: Row) -> tuple[Any, ...]:
    value = row.combined.value
    names = (row.model, row.weights, row.unusual)
    return not _has_rank(row), row.partial, value is None, -(value or 0.0), *names
