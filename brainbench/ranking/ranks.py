"""From stored scores to a leaderboard: one row per model, of scores that belong together.

A row is one version of one model under one protocol and one choice of seed, layers, limit, floor and
resampling. Scores that differ in any of these never meet in a composite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.ranking.intervals import with_rank_intervals
from brainbench.ranking.table import Board, Cell, Row, State
from brainbench.stats.composite import RAW, Composite, Member, combine
from brainbench.storage.results import Results

_SEPARATING = ("seed", "layers", "limit", "floor", "resample")
_DEFAULTS = Settings()


def board(
    results: Results,
    composites: Sequence[Composite],
    *,
    protocol: str = "paper",
) -> Board:
    """Return the leaderboard of a results folder by the one of `composites` that `best_composite` takes.

    Scores of the other protocol are counted and omitted. A folder without any score that can be read, or
    without one of that protocol, is an InputError.
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
    composite, unordered = best_composite(shown, composites)
    further = sorted({score.benchmark for score in shown} - set(composite.benchmarks))
    return Board(
        composite=composite,
        protocol=protocol,
        rows=tuple(with_rank_intervals(_ranked(unordered), composite)),
        benchmarks=(*composite.benchmarks, *further),
        n_elsewhere=len(scores) - len(shown),
        unreadable=tuple(unreadable),
    )


def best_composite(
    scores: Sequence[Score], composites: Sequence[Composite]
) -> tuple[Composite, list[Row]]:
    """Return the composite that says most about the scores, with its rows in no particular order.

    One that ranks a model comes first; then one that is complete for some row, be it of an untrained model;
    then the one in which most scores count; then one with a member that was scored at all; then the first.
    """
    options = [(composite, rows(scores, composite)) for composite in composites]
    return max(options, key=lambda option: _coverage(*option))  # the first of equals


def _coverage(composite: Composite, rows: Sequence[Row]) -> tuple[bool, bool, int, bool]:
    return (
        any(_has_rank(row) for row in rows),
        any(row.combined.value is not None for row in rows),
        sum(row.combined.k for row in rows),
        any(name in row.cells for row in rows for name in composite.benchmarks),
    )


def stored(results: Results) -> tuple[list[Score], list[str]]:
    """Return every score of a folder that can be read, and what is wrong with the other files."""
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
    first = "".join(f"; {text}" for text in unreadable[:1])
    raise InputError(
        f"no score in {results.folder}{first}",
        allowed="a folder that `brainbench score -o DIR` has written to",
        todo="score a model first, or give the folder with -o DIR",
    )


def rows(scores: Sequence[Score], composite: Composite) -> list[Row]:
    """Return a row for each model, weights, protocol and choice of settings, in no particular order.

    The newest score of the newest version of each model counts.
    """
    groups: dict[tuple[str, ...], list[Score]] = {}
    for score in sorted(scores, key=_age):
        settings = json.dumps(_settings(score), sort_keys=True, default=str)
        key = (score.model, score.weights, score.protocol, settings, str(score.partial))
        groups.setdefault(key, []).append(score)
    current = _current(scores)
    return [_row(group, composite, current) for group in groups.values()]


def _age(score: Score) -> tuple[str, str]:
    return (score.record.created if score.record else ""), score.file or ""


def _settings(score: Score) -> dict[str, Any]:
    """Return the settings that keep scores apart, where they are not the defaults."""
    settings = score.record.settings if score.record else {}
    unusual = {
        key: settings[key]
        for key in _SEPARATING
        if key in settings and settings[key] != getattr(_DEFAULTS, key)
    }
    if not score.partial:  # a limit above the number of stimuli limits nothing
        unusual.pop("limit", None)
    return unusual


def _hash(score: Score, what: str) -> str | None:
    return score.record.hashes.get(what) if score.record else None


def _current(scores: Sequence[Score]) -> dict[str, tuple[int, str | None]]:
    """Return the newest version of each benchmark, and of its data, that any score has."""
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
    digests = [digest for score in group if (digest := _hash(score, "model"))]
    members = {member.benchmark: member for member in composite.members}
    by_benchmark: dict[str, list[Score]] = {}
    for score in group:
        # Scores of an older version of the model are only counted.
        if _hash(score, "model") in (None, *digests[-1:]):
            by_benchmark.setdefault(score.benchmark, []).append(score)
    cells = {
        name: _cell(scores, members.get(name), composite, current.get(name))
        for name, scores in by_benchmark.items()
    }
    of_members = [cells.get(name) for name in composite.benchmarks]
    counted = [None if cell is None or cell.counts_not else cell for cell in of_members]
    combined = combine(
        [None if cell is None else cell.value for cell in counted],
        [None if cell is None else cell.draws for cell in counted],
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
        ci_approximate=None if combined.ci is None else any(c.ci_approximate for c in counted if c),
        n_others=len(group) - len(cells),
    )


def _cell(
    scores: Sequence[Score],
    member: Member | None,
    composite: Composite,
    current: tuple[int, str | None] | None,
) -> Cell:
    """Return the cell of the newest score; for a member, of the newest with the member's formula."""
    score = scores[-1]
    if member is not None:
        usable = [s for s in scores if s.value is None or s.formula == member.formula]
        score = (usable or scores)[-1]
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
    version, data = score.version, _hash(score, "data")
    if current is not None and data is not None and (version, data) != current:
        return "outdated"
    return score.status


def _as_member(cell: Cell, member: Member, composite: Composite) -> Cell:
    """Return the cell with the figure that a composite takes, or with why it takes none."""
    score = cell.score
    why = None
    if cell.state == "outdated":
        why = "of an older version of the benchmark or its data"
    elif score.value is None:
        why = score.status.replace("_", " ")
    elif score.partial:
        why = "partial"
    elif score.simulated != composite.simulated:
        why = "of a simulated brain" if score.simulated else "not of a simulated brain"
    elif cell.formula != member.formula and (member.formula != RAW or score.raw is None):
        why = f"scored as {score.formula}, not as {member.formula}"
    elif cell.formula != member.formula:  # every score has the raw figure, but not its draws
        return replace(cell, value=score.raw, ci=None, draws=None, formula=RAW)
    return replace(cell, counts_not=why)


def _ranked(unordered: Sequence[Row]) -> list[Row]:
    """Return rows with a rank, then untrained ones, each by composite; then by name; partial ones last."""
    ordered = sorted(unordered, key=_place)
    return [
        replace(row, rank=place) if _has_rank(row) else row
        for place, row in enumerate(ordered, start=1)
    ]


def _has_rank(row: Row) -> bool:
    return row.combined.value is not None and not row.untrained


def _place(row: Row) -> tuple[Any, ...]:
    value = row.combined.value
    names = (row.model, row.weights, row.unusual)
    return not _has_rank(row), row.partial, value is None, -(value or 0.0), *names
