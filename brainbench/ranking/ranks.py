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
from typing import Any, TypeAlias

import numpy as np

from brainbench.core.collection import without_collection
from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.metrics.array_types import BoolArray
from brainbench.ranking.intervals import with_rank_intervals
from brainbench.ranking.published import MEMBERS, published_scores
from brainbench.ranking.selection import EVERYTHING, Chosen, named, summaries_in, whole
from brainbench.ranking.table import Board, Cell, Row
from brainbench.ranking.versions import Versions, counting, versions_here
from brainbench.stats.composite import RAW, Composite, Member, combine
from brainbench.storage.results import Results

COMPARED = 300
"""Ranked models up to which ranks are intervals: all pairs of them are compared."""
_SEPARATING = ("seed", "layers", "limit", "floor", "resample", "groups")
_DEFAULTS = Settings()

_Group: TypeAlias = dict[str, list[Score]]
"""Scores of one model under the same settings, by benchmark."""


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
    takes = {
        key: _takes(groups, *key, versions)
        for key in {(one, each.simulated) for each in composites for one in each.members}
    }
    composite = max(composites, key=lambda one: _coverage(groups, one, takes))  # first of equals
    return composite, _rows(groups, composite, versions)


def _takes(
    groups: Sequence[_Group], member: Member, simulated: bool, versions: Mapping[str, Versions]
) -> BoolArray:
    """Return for each model whether a composite takes a figure of it as a member."""
    name = member.benchmark
    return np.array(
        [
            name in group
            and _why_not(*_chosen(group[name], member, versions), member, simulated) is None
            for group in groups
        ],
        dtype=bool,
    )


def _coverage(
    groups: Sequence[_Group], composite: Composite, takes: Mapping[tuple[Member, bool], BoolArray]
) -> tuple[bool, bool, int, bool]:
    """Return how much a composite says: a rank, a figure, the number of scores that count, any score."""
    taken = np.stack([takes[member, composite.simulated] for member in composite.members])
    complete = [groups[int(k)] for k in np.flatnonzero(taken.all(axis=0))]
    is_there = any(name in group for group in groups for name in composite.benchmarks)
    ranks = any(not _first(group).untrained for group in complete)
    return ranks, bool(complete), int(taken.sum()), is_there


def rows(
    scores: Sequence[Score],
    composite: Composite,
    here: Mapping[str, tuple[int, str | None]] = MappingProxyType({}),
) -> list[Row]:
    """Return a row for each model by its digest, weights, protocol and settings, in no particular order."""
    return _rows(_grouped(scores), composite, counting(scores, here))


def _rows(
    groups: Sequence[_Group], composite: Composite, versions: Mapping[str, Versions]
) -> list[Row]:
    return [_row(group, composite, versions) for group in groups]


def _grouped(scores: Sequence[Score]) -> list[_Group]:
    """Return the scores of each model by its digest, weights, protocol and settings."""
    groups: dict[tuple[str, ...], _Group] = {}
    for score in scores:
        unusual = _settings(score)
        settings = json.dumps(unusual, sort_keys=True, default=str) if unusual else ""
        names = (score.model, score.weights, score.protocol, settings, str(score.partial))
        key = (*names, score.hash_of("model") or "", str(score.older_key))
        groups.setdefault(key, {}).setdefault(score.benchmark, []).append(score)
    return list(groups.values())


def _first(group: _Group) -> Score:
    """Return a score of a model, for what all of them share."""
    return next(iter(group.values()))[0]


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


def _row(group: _Group, composite: Composite, versions: Mapping[str, Versions]) -> Row:
    first = _first(group)
    cells = {
        name: _cell(scores, composite.member(name), composite.simulated, versions)
        for name, scores in group.items()
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
        n_others=sum(len(scores) - 1 for scores in group.values()),
    )


def _cell(
    scores: Sequence[Score],
    member: Member | None,
    simulated: bool,
    versions: Mapping[str, Versions],
) -> Cell:
    """Return the cell of one score of a model on a benchmark.

    Of a member it has the figure that the composite takes, or why it takes none: every score has the raw
    figure, but not its draws.
    """
    score, remark = _chosen(scores, member, versions)
    why = None if member is None else _why_not(score, remark, member, simulated)
    as_raw = member is not None and why is None and score.formula != member.formula
    return Cell(
        score=score,
        value=score.raw if as_raw else score.value,
        ci=None if as_raw else score.ci,
        draws=None if as_raw else score.draws,
        formula=RAW if as_raw else score.formula,
        state=score.status if versions[score.benchmark].why_not(score) is None else "outdated",
        remark=remark,
        counts_not=why,
    )


def _chosen(
    scores: Sequence[Score], member: Member | None, versions: Mapping[str, Versions]
) -> tuple[Score, str | None]:
    """Return one score of a model on a benchmark, by what it is and never by when it was made.

    First come scores on the versions that are here, then those with the member's formula, then those with a
    value. With it comes why it does not count whatever the composite, if so.
    """
    of_benchmark = versions[scores[0].benchmark]
    if len(scores) == 1:
        return scores[0], of_benchmark.why_not(scores[0])
    first, *others = sorted(scores, key=lambda score: _choice(score, member, of_benchmark))
    has_rival = any(_rivals(first, other, member, of_benchmark) for other in others)
    return first, of_benchmark.why_not(first) or (_SEVERAL if has_rival else None)


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


def _why_not(score: Score, remark: str | None, member: Member, simulated: bool) -> str | None:
    """Return why a composite, of a simulated brain or not, does not take a score; None where it does."""
    if remark is not None:
        return remark
    if score.value is None:
        return score.status.replace("_", " ")
    if score.partial:
        return "partial"
    if score.ceiling_above_0 is False and member.formula != RAW:
        return "ceiling not above 0"
    if score.simulated != simulated:
        return "of a simulated brain" if score.simulated else "not of a simulated brain"
    if score.formula != member.formula and (member.formula != RAW or score.raw is None):
        return f"scored as {score.formula}, not as {member.formula}"
    return None


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
