"""Words of a leaderboard: labels of its rows, what marks mean, why something is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from brainbench.core import registry
from brainbench.core.digits import between_ranks
from brainbench.core.marks import (
    APPROXIMATE,
    NOT_ABOVE_0,
    OLDER_KEY,
    SIMULATED,
    THESE_ANIMALS,
    UNDESCRIBED,
)
from brainbench.ranking.published import NOTE
from brainbench.ranking.ranks import COMPARED
from brainbench.ranking.table import Board, Row


def labels_of(ranked: Board) -> list[str]:
    """Return the name of each row with its marks; with weights or digits of the digest if two are alike."""
    weights: dict[str, set[str]] = {}
    for row in ranked.rows:
        weights.setdefault(row.model, set()).add(row.weights)
    labels, settings = [], settings_of(ranked)
    for row in ranked.rows:
        several = len(weights[row.model]) > 1 and row.weights not in row.model and not row.published
        marks = [f"[{row.weights}]"] if several else []
        marks += [f"({settings.index(row.unusual) + 1})"] if row.unusual else []
        marks += ["°"] if row.untrained else []
        marks += ["*"] if row.partial else []
        marks += ["?"] if row.undescribed else []
        marks += ["‡"] if row.older_key else []
        marks += ["(published)"] if row.published else []
        labels.append(" ".join([row.model, *marks]))
    counts = Counter(labels)
    return [
        label.replace(row.model, f"{row.model} [{row.digest[:8] or 'digest unknown'}]", 1)
        if counts[label] > 1
        else label
        for label, row in zip(labels, ranked.rows, strict=True)
    ]


def settings_of(ranked: Board) -> list[str]:
    """Return the settings that are not the defaults, in words, in the order of their first rows."""
    return list(dict.fromkeys(row.unusual for row in ranked.rows if row.unusual))


def rank_of(row: Row) -> str:
    """Return the ranks that the draws allow; without draws the place, marked."""
    if row.rank is None:
        return ""
    return f"{row.rank} §" if row.rank_interval is None else between_ranks(*row.rank_interval)


def notes_of(ranked: Board, labels: Sequence[str]) -> list[str]:
    """Return what the marks mean, and why something is missing."""
    cells = [cell for row in ranked.rows for cell in row.cells.values()]
    n_others = sum(row.n_others for row in ranked.rows)
    texts = (
        (f"protocol {ranked.protocol}", True),
        (
            f"no ranks: no score above counts in {ranked.composite.name}",
            not ranked.counts and bool(cells),
        ),
        *((f"({k + 1}) {words}", True) for k, words in enumerate(settings_of(ranked))),
        (
            "° untrained: the weights are seeded random numbers; a baseline, without a rank",
            any(r.untrained for r in ranked.rows),
        ),
        (
            "ranks: every place that the data allow, all at once in 95 % of all cases; "
            "`brainbench compare` has the differences",
            sum(row.rank_interval is not None for row in ranked.rows) > 1,
        ),
        (
            "§ the place alone: no joint draws of its scores, or other settings than most (score it "
            f"again with --overwrite always); or more rows than are shown or {COMPARED}",
            any(row.rank and not row.rank_interval for row in ranked.rows),
        ),
        (APPROXIMATE, any(cell.ci_approximate for cell in cells)),
        (NOT_ABOVE_0, any(cell.not_above_0 for cell in cells)),
        (SIMULATED, any(c.score.simulated for c in cells)),
        (THESE_ANIMALS, any(cell.score.for_these_animals for cell in cells)),
        (
            "* partial: only some of the stimuli were used; in no composite, no rank",
            any(r.partial for r in ranked.rows),
        ),
        (UNDESCRIBED, any(r.undescribed for r in ranked.rows)),
        (OLDER_KEY, any(r.older_key for r in ranked.rows)),
        (f"of another version or by another formula, and not shown: {n_others}", n_others > 0),
        (NOTE, any(row.published for row in ranked.rows)),
        (f"partial, and not shown: {ranked.n_partial} (--partial)", ranked.n_partial > 0),
        (f"of another protocol, and not shown: {ranked.n_elsewhere}", ranked.n_elsewhere > 0),
    )
    lines = [text for text, needed in texts if needed]
    undeclared = _undeclared(ranked) if ranked.counts else []
    return lines + undeclared + _reasons(ranked, labels)


def _undeclared(ranked: Board) -> list[str]:
    """Return a remark on members that no installed package has a benchmark of, and no row a figure."""
    known = registry.entries("benchmarks")
    undeclared = [
        name
        for name in ranked.composite.benchmarks
        if name not in known and all(row.why_not(name) for row in ranked.rows)
    ]
    if not undeclared:
        return []
    return [
        f"no benchmark of that name is installed: {', '.join(undeclared)}; "
        f"{ranked.composite.name} stays undefined. Rank by a composite of the simulated brain "
        "(--composite 'Simulated.*'), or declare the benchmark"
    ]


def _reasons(ranked: Board, labels: Sequence[str]) -> list[str]:
    """Return why values or intervals are missing or do not count, each reason once."""
    who: dict[str, list[str]] = {}
    for row, label in zip(ranked.rows, labels, strict=True):
        for name, why in _remarks(row):
            # The table shows which model a mark is about.
            who.setdefault(why, []).append(name if why[0] == "†" else f"{label} on {name}")
        if row.combined.why_no_ci:
            who.setdefault(f"no interval: {row.combined.why_no_ci}", []).append(label)
    return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in who.items()]


def _remarks(row: Row) -> Iterator[tuple[str, str]]:
    for name, cell in row.cells.items():
        if cell.score.reason:
            yield name, ("failed: " if cell.score.failed else "") + cell.score.reason
        elif cell.counts_not:
            yield name, f"† does not count: {cell.counts_not}"
        elif cell.remark:
            yield name, f"† {cell.remark}"
