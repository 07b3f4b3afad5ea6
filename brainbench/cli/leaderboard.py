"""`brainbench leaderboard`: stored scores, model by model, ranked by a composite."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brainbench.cli import options
from brainbench.core.collection import without_collection
from brainbench.core.settings import VARIANTS

if TYPE_CHECKING:
    from rich.table import Table

    from brainbench.ranking.selection import Chosen
    from brainbench.ranking.table import Board, Cell
    from brainbench.storage.results import Results

FORMATS = ("table", "json", "csv", "markdown", "latex")
TOP = 100
LINES = 1_000
"""Lines of figures of benchmarks that are no members of the composite; more are left to other formats."""


def leaderboard(
    composite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to rank by: mean-v1, Simulated.mean-v1, ...; by default the best match.",
            show_default=False,
        ),
    ] = "all",
    model: options.StoredModels = options.ALL,
    benchmark: options.StoredBenchmarks = options.ALL,
    protocol: options.Protocol = "paper",
    *,
    trained: Annotated[bool, typer.Option("--trained", help="Without untrained models.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="With scores on some of the stimuli.")
    ] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="With figures of Kubilius et al. (2019), not measured here."
        ),
    ] = False,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows of the table; other formats have all.")
    ] = TOP,
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
    ] = "table",
    csv: options.Csv = None,
    html: Annotated[
        Path | None, options.text_option("--html", metavar="FILE", help="Write a page too.")
    ] = None,
    output: options.SeveralStored = options.SEVERAL,
) -> None:
    """Rank models by a composite of the scores in results folders.

    A model that lacks a member has no composite: it is listed with "k of n",
    below those with a rank.
    Nothing is computed but means; `brainbench list composites` says what of.

    Exit status: 0; 2 for wrong usage, or where there is no score.
    """
    options.one_of(output_format, FORMATS, "--format")
    options.one_of(protocol, VARIANTS, "--protocol")
    options.writable_file(csv, "--csv")
    options.writable_file(html, "--html")

    from brainbench.cli import console
    from brainbench.cli.text import fitted

    with console.loading():
        from brainbench.core.untrusted_text import write_csv
        from brainbench.ranking.ranks import board
        from brainbench.ranking.selection import Chosen
        from brainbench.run.loading import load_composites
        from brainbench.storage.results import Results

    folders = [Results(folder) for folder in output]
    chosen = Chosen(models=model, benchmarks=benchmark, trained=trained)
    with without_collection():
        with console.working("ranking"):
            ranked = board(
                folders,
                load_composites(composite),
                protocol=protocol,
                chosen=chosen,
                partial=partial,
                published=published,
                most=top if (output_format, csv, html) == ("table", None, None) else None,
            )
        for problem in ranked.unreadable:
            print(fitted(f"omitted: {problem}", sys.stderr), file=sys.stderr)
        if csv is not None:
            with options.writing_csv(csv, todo="give another path"):
                write_csv(ranked.to_frame(), csv)
        if html is not None:
            with console.working("writing the page"):
                _write_page(html, ranked, folders, chosen, partial=partial, published=published)
        _print(ranked, output_format, top, only_chosen=list(benchmark) != list(options.ALL))
        gc.freeze()  # the program ends: thousands of scores are not looked through once more


def _write_page(
    path: Path,
    ranked: Board,
    folders: Sequence[Results],
    chosen: Chosen,
    *,
    partial: bool,
    published: bool,
) -> None:
    """Write a page of every composite and protocol of which something is stored, the chosen one first."""
    from brainbench.core.errors import InputError
    from brainbench.ranking.ranks import board
    from brainbench.reporting.leaderboard_page import leaderboard_page
    from brainbench.reporting.page import write
    from brainbench.run.loading import load_composites

    boards = [ranked]
    for protocol in VARIANTS:
        for composite in load_composites():
            if (composite.name, protocol) == (ranked.composite.name, ranked.protocol):
                continue
            try:
                other = board(
                    folders,
                    [composite],
                    protocol=protocol,
                    chosen=chosen,
                    partial=partial,
                    published=published and protocol == ranked.protocol,
                )
            except InputError:  # no score of this protocol
                continue
            if other.counts:
                boards.append(other)
    write(path, leaderboard_page(boards))


def _print(ranked: Board, output_format: str, top: int, *, only_chosen: bool) -> None:
    from brainbench.cli import console
    from brainbench.core.untrusted_text import visible, write_csv
    from brainbench.reporting.board_formats import as_latex, as_markdown

    if output_format == "json":
        console.print_json(ranked.to_json())
    elif output_format == "csv":
        write_csv(ranked.to_frame(), sys.stdout)
    elif output_format == "markdown":
        print(visible(as_markdown(ranked)))
    elif output_format == "latex":
        print(visible(as_latex(ranked)))
    else:
        _print_tables(ranked, top, only_chosen=only_chosen)


def _print_tables(ranked: Board, top: int, *, only_chosen: bool) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.reporting.board_words import labels_of, notes_of

    labels = labels_of(ranked)[:top]
    n_more = len(ranked.rows) - len(labels)
    ranked = replace(ranked, rows=ranked.rows[:top])
    members = ranked.composite.benchmarks
    n_further = len(ranked.benchmarks) - len(members)
    too_many = n_further * len(labels) > LINES
    shown = replace(ranked, benchmarks=members) if too_many else ranked
    if only_chosen:  # what -b left out is not shown as not scored
        shown = replace(shown, benchmarks=shown.scored)
    if ranked.counts:
        heading = f"{ranked.composite.name}: {ranked.composite.meaning}"
        print(fitted(heading, sys.stdout), end="\n\n")
        console.stdout().print(_ranking(ranked, labels))
        print()
    if ranked.rows:
        _print_by_benchmark(shown, labels)
        print()
    lines = notes_of(ranked, labels)
    if _of_those(ranked):
        lines.insert(1, "of those: the mean of k of n members, which is not the composite")
    lines += [f"rows that are not shown: {n_more} (--top N, --format csv)"] if n_more else []
    more = f"benchmarks that are no members, and not shown: {n_further} (-b NAME, --format csv)"
    lines += [more] if too_many else []
    print(fitted("\n".join(lines), sys.stdout))


def _ranking(ranked: Board, labels: list[str]) -> Table:
    from brainbench.cli.console import table_of
    from brainbench.core.digits import between, decimal
    from brainbench.reporting.board_words import rank_of

    some = _of_those(ranked)
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
        table.add_row(rank_of(row), label, *figures[: 3 + some])
    return table


def _of_those(ranked: Board) -> bool:
    """Return whether some model has the mean of some members alone."""
    return any(row.combined.of_those is not None for row in ranked.rows)


def _print_by_benchmark(ranked: Board, labels: list[str]) -> None:
    """Print each benchmark and formula, the models below it in the order of the ranking."""
    from brainbench.cli.console import print_grouped

    groups: list[tuple[str, list[tuple[str, ...]]]] = []
    for name in ranked.benchmarks:
        for formula, lines in _groups(name, ranked, labels).items():
            simulated = any(
                ranked.composite.simulated if cell is None else cell.score.simulated
                for _, cell in lines
            )
            heading = f"{name}{' ~' if simulated else ''}, {formula}"
            groups.append((heading, [(f"  {label}", *_figures(cell)) for label, cell in lines]))
    print_grouped("benchmark, model", groups, figures=("score", "95 % CI", "ceiling"))


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
