"""`brainbench leaderboard`: stored scores, model by model, ranked by a composite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from brainbench.cli import options
from brainbench.core.settings import VARIANTS

if TYPE_CHECKING:
    from rich.table import Table

    from brainbench.ranking.table import Board, Cell, Row


def leaderboard(
    composite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to rank by: mean-v1, Simulated.mean-v1, ...; by default the best match.",
            show_default=False,
        ),
    ] = "all",
    protocol: options.Protocol = "paper",
    output_format: options.Format = "table",
    csv: options.Csv = None,
    output: options.StoredResults = options.RESULTS,
) -> None:
    """Rank models by a composite of the scores in a results folder.

    A model that lacks a member has no composite: it is listed with "k of n",
    below those with a rank.
    Nothing is computed but means; `brainbench list composites` says what of.

    Exit status: 0; 2 for wrong usage, or where there is no score.
    """
    options.one_of(output_format, ("table", "json"), "--format")
    options.one_of(protocol, VARIANTS, "--protocol")
    options.writable_file(csv, "--csv")

    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.core.untrusted_text import write_csv
    from brainbench.ranking.ranks import board
    from brainbench.run.loading import load_composites
    from brainbench.storage.results import Results

    ranked = board(Results(output), load_composites(composite), protocol=protocol)
    for problem in ranked.unreadable:
        print(fitted(f"omitted: {problem}", sys.stderr), file=sys.stderr)
    if csv is not None:
        with options.writing_csv(csv, todo="give another path"):
            write_csv(ranked.to_frame(), csv)
    if output_format == "json":
        console.print_json(ranked.to_json())
    else:
        _print_tables(ranked)


def _print_tables(ranked: Board) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    labels = _labels(ranked)
    out = console.stdout()
    print(fitted(f"{ranked.composite.name}: {ranked.composite.meaning}", sys.stdout), end="\n\n")
    out.print(_ranking(ranked, labels))
    print()
    out.print(_by_benchmark(ranked, labels))
    print()
    print(fitted("\n".join(_notes(ranked, labels)), sys.stdout))


def _labels(ranked: Board) -> list[str]:
    """Return the name of each row with its marks; with weights or digits of the digest if two are alike."""
    weights: dict[str, set[str]] = {}
    for row in ranked.rows:
        weights.setdefault(row.model, set()).add(row.weights)
    labels = []
    for row in ranked.rows:
        several = len(weights[row.model]) > 1 and row.weights not in row.model
        marks = [f"[{row.weights}]"] if several else []
        marks += [f"({_settings(ranked).index(row.unusual) + 1})"] if row.unusual else []
        marks += ["°"] if row.untrained else []
        marks += ["*"] if row.partial else []
        marks += ["?"] if row.undescribed else []
        marks += ["‡"] if row.older_key else []
        labels.append(" ".join([row.model, *marks]))
    return [
        label.replace(row.model, f"{row.model} [{row.digest[:8] or 'digest unknown'}]", 1)
        if labels.count(label) > 1
        else label
        for label, row in zip(labels, ranked.rows, strict=True)
    ]


def _settings(ranked: Board) -> list[str]:
    return list(dict.fromkeys(row.unusual for row in ranked.rows if row.unusual))


def _ranking(ranked: Board, labels: list[str]) -> Table:
    from brainbench.cli.console import table_of
    from brainbench.core.digits import between, decimal

    some = any(row.combined.of_those is not None for row in ranked.rows)
    extra = ("of those",) if some else ()
    table = table_of("", "model", figures=("score", "95 % CI", "members", *extra))
    for row, label in zip(ranked.rows, labels, strict=True):
        combined = row.combined
        figures = (
            decimal(combined.value),
            between(combined.ci, approximate=row.ci_approximate),
            f"{combined.k} of {combined.n}",
            decimal(combined.of_those),
        )
        table.add_row(_rank(row), label, *figures[: 3 + some])
    return table


def _rank(row: Row) -> str:
    """Return the ranks that the draws allow; without draws the place, marked."""
    from brainbench.core.digits import between_ranks

    if row.rank is None:
        return ""
    return f"{row.rank} §" if row.rank_interval is None else between_ranks(*row.rank_interval)


def _by_benchmark(ranked: Board, labels: list[str]) -> Table:
    """Return a table of each benchmark and formula, the models below it in the order of the ranking."""
    from brainbench.cli.console import table_of

    table = table_of("benchmark, model", figures=("score", "95 % CI", "ceiling"))
    for name in ranked.benchmarks:
        for formula, lines in _groups(name, ranked, labels).items():
            simulated = any(
                ranked.composite.simulated if cell is None else cell.score.simulated
                for _, cell in lines
            )
            table.add_row(f"{name}{' ~' if simulated else ''}, {formula}")
            for label, cell in lines:
                table.add_row(f"  {label}", *_figures(cell))
    return table


def _groups(
    name: str, ranked: Board, labels: list[str]
) -> dict[str, list[tuple[str, Cell | None]]]:
    """Return the rows of a benchmark by formula, so that comparable figures stand together."""
    groups: dict[str, list[tuple[str, Cell | None]]] = {}
    usual = {member.benchmark: member.formula for member in ranked.composite.members}.get(name)
    for row, label in zip(ranked.rows, labels, strict=True):
        cell = row.cells.get(name)
        if cell is not None:
            formula = usual if usual and cell.value is None else cell.formula
            groups.setdefault(formula, []).append((label, cell))
        elif usual and row.combined.k:  # of a model that has other members
            groups.setdefault(usual, []).append((label, None))
    return dict(sorted(groups.items(), key=lambda group: (group[0] != usual, group[0])))


def _figures(cell: Cell | None) -> tuple[str, ...]:
    from brainbench.cli.console import SHORT
    from brainbench.core.digits import between, decimal

    if cell is None or cell.value is None:
        return ("not scored" if cell is None else SHORT[cell.score.status],)
    mark = " †" if cell.counts_not or cell.remark else ""
    mark += " !" if cell.not_above_0 else ""
    interval = between(cell.ci, approximate=cell.ci_approximate)
    return decimal(cell.value) + mark, interval, decimal(cell.score.ceiling)


def _notes(ranked: Board, labels: list[str]) -> list[str]:
    """Return what the marks mean, and why something is missing."""
    from brainbench.core.marks import (
        APPROXIMATE,
        NOT_ABOVE_0,
        OLDER_KEY,
        THESE_ANIMALS,
        UNDESCRIBED,
    )

    cells = [cell for row in ranked.rows for cell in row.cells.values()]
    n_others = sum(row.n_others for row in ranked.rows)
    of_those = any(row.combined.of_those is not None for row in ranked.rows)
    texts = (
        (f"protocol {ranked.protocol}", True),
        ("of those: the mean of k of n members, which is not the composite", of_those),
        *((f"({k + 1}) {words}", True) for k, words in enumerate(_settings(ranked))),
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
            "§ the place alone: no joint draws of its scores, or other settings than most; score it "
            "again with --overwrite always",
            any(row.rank and not row.rank_interval for row in ranked.rows),
        ),
        (APPROXIMATE, any(cell.ci_approximate for cell in cells)),
        (NOT_ABOVE_0, any(cell.not_above_0 for cell in cells)),
        ("~ simulated brain: no animal was recorded", any(c.score.simulated for c in cells)),
        (THESE_ANIMALS, any(cell.score.for_these_animals for cell in cells)),
        (
            "* partial: only some of the stimuli were used; in no composite, no rank",
            any(r.partial for r in ranked.rows),
        ),
        (UNDESCRIBED, any(r.undescribed for r in ranked.rows)),
        (OLDER_KEY, any(r.older_key for r in ranked.rows)),
        (f"of another version or by another formula, and not shown: {n_others}", n_others > 0),
        (f"of another protocol, and not shown: {ranked.n_elsewhere}", ranked.n_elsewhere > 0),
    )
    lines = [text for text, needed in texts if needed]
    return lines + _undeclared(ranked) + _reasons(ranked, labels)


def _undeclared(ranked: Board) -> list[str]:
    """Return a remark on members that no installed package has a benchmark of, and no row a figure."""
    from brainbench.core import registry

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


def _reasons(ranked: Board, labels: list[str]) -> list[str]:
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
