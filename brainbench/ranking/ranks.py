"""From stored scores to a leaderboard: one row per model, of scores that belong together.

A row is one model by its digest under one protocol and one choice of seed, layers, limit, floor and
resampling. Scores that differ in any of these never meet in a composite. Of two digests neither is newer, and
the times at which scores were made choose nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.ranking.intervals import with_rank_intervals
from brainbench.ranking.published import MEMBERS, published_scores
from brainbench.ranking.selection import EVERYTHING, Chosen, named, summaries_in, whole
from brainbench.ranking.table import Board, Cell, Row
from brainbench.ranking.versions import Versions, counting, versions_here
from brainbench.stats.composite import RAW, Composite, Member, combine
from brainbench.storage.index import without_collection
from brainbench.storage.results import Results

COMPARED = 300
"""Ranked models up to which ranks are intervals: all pairs of them are compared."""
_SEPARATING = ("seed", "layers", "limit", "floor", "resample", "groups")
_DEFAULTS = Settings()


def board(
    results: Results | Sequence[Results],
    composites: Sequence[Composite],
    *,
    protocol: str = "paper",
    chosen: Chosen = EVERYTHING,
    partial: bool = True,
    published: bool = False,
    most: int | None = None,
    here: Mapping[str, tuple[int, str | None]] | None = None,
) -> Board:
    """Return the leaderboard of results folders by the one of `composites` that `best_composite` takes.

    Scores of the other protocol are counted and omitted; a folder without any score that can be read, or
    without one of that protocol, is an InputError unless published scores are asked for.

    Parameters
    ----------
    results : Results or sequence of Results
        Folders; see `selection.summaries_in`.
    composites : sequence of Composite
        To choose from.
    protocol, chosen
        Which scores; errors as in `Chosen.of`.
    partial : bool
        With rows of scores on some of the stimuli.
    published : bool
        With rows of published scores, see `published.published_scores`.
    most : int, optional
        Number of rows whose intervals are read, the first; the others have none. By default all.
    here : mapping, optional
        The version of each installed benchmark and that of its data, if it is on this machine; by default it
        is looked up.
    """
    folders = [results] if isinstance(results, Results) else list(results)
    facts = published_scores() if published else []
    composites = _with_facts(composites) if published else composites
    with without_collection():
        summaries, problems = _summaries(folders, chosen, needed=not facts)
        of_protocol = [score for score in summaries if score.protocol == protocol]
        _check_protocol(of_protocol, summaries, protocol, folders, needed=not facts)
        shown = [score for score in of_protocol if partial or not score.partial]
        facts = [score for score in facts if score.protocol == protocol]
        if here is None:
            here = versions_here(sorted({score.benchmark for score in shown}))
        composite, unordered = best_composite(shown or facts, composites, here)
        published_rows = [replace(row, published=True) for row in rows(facts, composite)]
        ordered = _ranked([*(unordered if shown else []), *published_rows])
    ordered, damaged = _with_intervals(ordered, composite, most=most)
    further = sorted({score.benchmark for score in shown} - set(composite.benchmarks))
    return Board(
        composite=composite,
        protocol=protocol,
        rows=tuple(ordered),
        benchmarks=(*composite.benchmarks, *further),
        n_elsewhere=len(summaries) - len(of_protocol),
        n_partial=len(of_protocol) - len(shown),
        unreadable=(*problems, *damaged),
    )


def _with_facts(composites: Sequence[Composite]) -> list[Composite]:
    """Return the composites that published scores are members of; none is an InputError."""
    members = set(MEMBERS.values())
    kept = [composite for composite in composites if members & set(composite.benchmarks)]
    if not kept:
        raise InputError(
            f"published scores in {', '.join(composite.name for composite in composites)}",
            allowed=f"a composite with one of {', '.join(sorted(members))}",
            todo="give --composite mean-v1, or omit --published",
        )
    return kept


def _summaries(
    folders: Sequence[Results], chosen: Chosen, *, needed: bool
) -> tuple[list[Score], list[str]]:
    """Return the summaries that are asked for; none is an InputError where one is needed."""
    try:
        summaries, problems = summaries_in(folders)
    except InputError:
        if needed:
            raise
        return [], []
    return chosen.of(summaries, where=named(folders)), problems


def _check_protocol(
    of_protocol: Sequence[Score],
    scores: Sequence[Score],
    protocol: str,
    folders: Sequence[Results],
    *,
    needed: bool,
) -> None:
    """Raise InputError where no score is of the protocol and one is needed."""
    if of_protocol or not needed:
        return
    there = sorted({score.protocol for score in scores})
    raise InputError(
        f"no score of protocol {protocol} among the {len(scores)} in {named(folders)}",
        allowed=", ".join(there),
        todo=f"give --protocol {there[0]}, or score models under {protocol}",
    )


def _with_intervals(
    ordered: Sequence[Row], composite: Composite, *, most: int | None
) -> tuple[list[Row], list[str]]:
    """Return the rows with their intervals, the first `most` of them, and which files could not be read.

    Ranks are intervals where the draws of all rows with a rank are read, at most `COMPARED`.
    """
    damaged: list[str] = []
    n = len(ordered) if most is None else most
    done = [
        _with_draws(row, composite, damaged)
        if place < n and row.combined.value is not None and not row.published
        else row
        for place, row in enumerate(ordered)
    ]
    n_ranked = sum(row.rank is not None for row in ordered)
    return done if n_ranked > min(n, COMPARED) else with_rank_intervals(done, composite), damaged


def _with_draws(row: Row, composite: Composite, damaged: list[str]) -> Row:
    """Return a row whose members have the draws of their files."""
    cells = dict(row.cells)
    for name in composite.benchmarks:
        cell = cells[name]
        if cell.formula != cell.score.formula:  # the raw figure of another formula has no draws
            continue
        try:
            score = whole(cell.score)
        except InputError as error:
            damaged.append(error.got)
            continue
        cells[name] = replace(cell, score=score, draws=score.draws)
    members = [cells[name] for name in composite.benchmarks]
    combined = combine(
        [cell.value for cell in members],
        [cell.draws for cell in members],
        names=composite.benchmarks,
    )
    approximate = None if combined.ci is None else any(cell.ci_approximate for cell in members)
    return replace(row, cells=cells, combined=combined, ci_approximate=approximate)


def best_composite(
    scores: Sequence[Score],
    composites: Sequence[Composite],
    here: Mapping[str, tuple[int, str | None]],
) -> tuple[Composite, list[Row]]:
    """Return the composite that says most about the scores, with its rows in no particular order.

    One that ranks a model comes first; then one that is complete for some row, be it of an untrained model;
    then the one in which most scores count; then one with a member that was scored at all; then the first.
    """
    groups, versions = _grouped(scores), counting(scores, here)
    options = [
        (composite, _rows(_of_members(groups, composite), composite, versions))
        for composite in composites
    ]
    composite, _ = max(options, key=lambda option: _coverage(*option))  # the first of equals
    return composite, _rows(groups, composite, versions)


def _of_members(groups: Sequence[Sequence[Score]], composite: Composite) -> list[list[Score]]:
    """Return the scores of each group that are of a member of a composite; groups without one are omitted."""
    members = frozenset(composite.benchmarks)
    kept = ([score for score in group if score.benchmark in members] for group in groups)
    return [group for group in kept if group]


def _coverage(composite: Composite, rows: Sequence[Row]) -> tuple[bool, bool, int, bool]:
    return (
        any(_has_rank(row) for row in rows),
        any(row.combined.value is not None for row in rows),
        sum(row.combined.k for row in rows),
        any(name in row.cells for row in rows for name in composite.benchmarks),
    )


def rows(
    scores: Sequence[Score],
    composite: Composite,
    here: Mapping[str, tuple[int, str | None]] = MappingProxyType({}),
) -> list[Row]:
    """Return a row for each model by its digest, weights, protocol and settings, in no particular order."""
    return _rows(_grouped(scores), composite, counting(scores, here))


def _rows(
    groups: Sequence[Sequence[Score]], composite: Composite, versions: Mapping[str, Versions]
) -> list[Row]:
    return [_row(group, composite, versions) for group in groups]


def _grouped(scores: Sequence[Score]) -> list[list[Score]]:
    """Return the scores of each model by its digest, weights, protocol and settings."""
    groups: dict[tuple[str, ...], list[Score]] = {}
    for score in scores:
        unusual = _settings(score)
        settings = json.dumps(unusual, sort_keys=True, default=str) if unusual else ""
        names = (score.model, score.weights, score.protocol, settings, str(score.partial))
        key = (*names, score.hash_of("model") or "", str(score.older_key))
        groups.setdefault(key, []).append(score)
    return list(groups.values())


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


def _row(group: Sequence[Score], composite: Composite, versions: Mapping[str, Versions]) -> Row:
    first = group[0]
    members = {member.benchmark: member for member in composite.members}
    by_benchmark: dict[str, list[Score]] = {}
    for score in group:
        by_benchmark.setdefault(score.benchmark, []).append(score)
    cells = {
        name: _cell(scores, members.get(name), composite, versions[name])
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
        model=first.model,
        digest=first.hash_of("model") or "",
        weights=first.weights,
        protocol=first.protocol,
        settings=_settings(first),
        untrained=first.untrained,
        undescribed=first.undescribed,
        partial=first.partial,
        older_key=first.older_key,
        cells=cells,
        combined=combined,
        ci_approximate=None if combined.ci is None else any(c.ci_approximate for c in counted if c),
        n_others=len(group) - len(cells),
    )


def _cell(
    scores: Sequence[Score], member: Member | None, composite: Composite, versions: Versions
) -> Cell:
    """Return the cell of one score of a model on a benchmark, by what it is and never by when it was made.

    First come scores on the versions that are here, then those with the member's formula, then those with a
    value.
    """
    ordered = list(scores)
    if len(ordered) > 1:
        ordered.sort(key=lambda score: _choice(score, member, versions))
    score = ordered[0]
    rival = next((other for other in ordered[1:] if _rivals(score, other, member, versions)), None)
    why = versions.why_not(score)
    cell = Cell(
        score=score,
        value=score.value,
        ci=score.ci,
        draws=score.draws,
        formula=score.formula,
        state=score.status if why is None else "outdated",
        remark=why if rival is None else why or _SEVERAL,
    )
    return cell if member is None else _as_member(cell, member, composite)


_SEVERAL = (
    "one of several scores that differ, as by other candidate layers or another clock: give the models "
    "different names, or remove all but one file"
)


def _choice(score: Score, member: Member | None, versions: Versions) -> tuple[Any, ...]:
    other_formula = member is not None and score.formula != member.formula
    elsewhere = versions.why_not(score) is not None
    no_value = score.value is None
    return elsewhere, other_formula and not no_value, no_value, score.formula, score.file or ""


def _rivals(one: Score, other: Score, member: Member | None, versions: Versions) -> bool:
    """Return whether nothing but the figure, or the file, tells two scores apart."""
    alike = _choice(one, member, versions)[:4] == _choice(other, member, versions)[:4]
    return alike and one.value is not None and one.value != other.value


def _as_member(cell: Cell, member: Member, composite: Composite) -> Cell:
    """Return the cell with the figure that a composite takes, or with why it takes none."""
    score = cell.score
    why = None
    if cell.remark is not None:
        why = cell.remark
    elif score.value is None:
        why = score.status.replace("_", " ")
    elif score.partial:
        why = "partial"
    elif score.ceiling_above_0 is False and member.formula != RAW:
        why = "ceiling not above 0"
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
    return row.combined.value is not None and not (row.untrained or row.published)


def _place(row: Row) -> tuple[Any, ...]:
    value = row.combined.value
    names = (row.model, row.weights, row.unusual, row.older_key, row.digest)
    apart = row.partial, value is None, row.published
    return not _has_rank(row), *apart, -(value or 0.0), *names
