"""`brainbench leaderboard`: stored scores, model by model, ranked by a composite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from brainbench.ranking.table import Board, Cell, Row


def leaderboard(
    composite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to rank by: mean-v1, Simulated.mean-v1, ...; without, what fits best.",
            show_default=False,
        ),
    ] = "all",
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="Scores of which protocol: paper or brainscore.")
    ] = "paper",
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table or json.")
    ] = "table",
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a CSV too, all digits kept.", show_default=False),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            "--results",
            metavar="DIR",
            envvar="BRAINBENCH_RESULTS",
            help="Results folder.",
        ),
    ] = Path("results"),
) -> None:
    """Rank models by a composite of the scores in a results folder.

    A model that lacks a member has no composite: it is listed with "k of n",
    below those with a rank.
    Nothing is computed but means; `brainbench list composites` says what of.

    Exit status: 0; 2 for wrong usage, or where there is no score.
    """
    from brainbench.cli import options
    from brainbench.core.settings import PROTOCOLS

    options.one_of(output_format, ("table", "json"), "--format")
    options.one_of(protocol, PROTOCOLS, "--protocol")
    options.writable_file(csv, "--csv")

    from brainbench.cli.text import fitted
    from brainbench.ranking.ranks import board
    from brainbench.run.loading import load_composites
    from brainbench.storage.results import Results

    made = board(Results(output), load_composites(composite), protocol=protocol)
    for problem in made.unreadable:
        print(fitted(f"left out: {problem}", sys.stderr), file=sys.stderr)
    if csv is not None:  # first: who reads the table may stop reading, as `head` does
        _write_csv(made, csv)
    if output_format == "json":
        _print_json(made)
    else:
        _print_tables(made)


def _print_json(made: Board) -> None:
    import json

    print(json.dumps(made.to_json(), indent=1, allow_nan=False))


def _write_csv(made: Board, path: Path) -> None:
    from brainbench.core.errors import InputError

    try:
        made.to_frame().to_csv(path, index=False)
    except OSError as error:
        raise InputError(
            f"--csv {path} cannot be written ({error})",
            allowed="a file that you may write",
            todo="give another path",
        ) from error


def _print_tables(made: Board) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    labels = _labels(made)
    out = console.stdout()
    print(fitted(f"{made.composite.name}: {made.composite.meaning}", sys.stdout), end="\n\n")
    out.print(_ranking(made, labels))
    print()
    out.print(_by_benchmark(made, labels))
    print()
    print(fitted("\n".join(_notes(made, labels)), sys.stdout))


def _labels(made: Board) -> list[str]:
    """Name of each row with its marks; weights too where the name does not tell two rows apart."""
    names = [row.model for row in made.rows]
    labels = []
    for row in made.rows:
        twice = names.count(row.model) > 1 and row.weights not in row.model
        marks = [f"[{row.weights}]"] if twice else []
        marks += [f"({_settings(made).index(row.unusual) + 1})"] if row.unusual else []
        marks += ["°"] if row.untrained else []
        marks += ["*"] if row.partial else []
        labels.append(" ".join([row.model, *marks]))
    return labels


def _settings(made: Board) -> list[str]:
    return list(dict.fromkeys(row.unusual for row in made.rows if row.unusual))


def _table(*left: str, right: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in left:
        table.add_column(title, overflow="fold")
    for title in right:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _ranking(made: Board, labels: list[str]) -> Table:
    from brainbench.cli.console import between, decimal

    some = any(row.combined.of_those is not None for row in made.rows)
    extra = ("of those",) if some else ()
    table = _table("", "model", right=("score", "95 % CI", "members", *extra))
    for row, label in zip(made.rows, labels, strict=True):
        it = row.combined
        rank = "" if row.rank is None else str(row.rank)
        interval = between(it.ci, approximate=row.ci_approximate)
        figures = (decimal(it.value), interval, f"{it.k} of {it.n}", decimal(it.of_those))
        table.add_row(rank, label, *figures[: 3 + some])
    return table


def _by_benchmark(made: Board, labels: list[str]) -> Table:
    """Each benchmark and formula on a line of its own, the models below it in the order of the ranking."""
    table = _table("benchmark, model", right=("score", "95 % CI", "ceiling"))
    for name in made.benchmarks:
        for formula, lines in _groups(name, made, labels).items():
            simulated = any(
                made.composite.simulated if cell is None else cell.score.simulated
                for _, cell in lines
            )
            table.add_row(f"{name}{' ~' if simulated else ''}, {formula}")
            for label, cell in lines:
                table.add_row(f"  {label}", *_figures(cell))
    return table


def _groups(name: str, made: Board, labels: list[str]) -> dict[str, list[tuple[str, Cell | None]]]:
    """Rows of a benchmark by formula: figures that can be compared stand together."""
    groups: dict[str, list[tuple[str, Cell | None]]] = {}
    usual = {member.benchmark: member.formula for member in made.composite.members}.get(name)
    for row, label in zip(made.rows, labels, strict=True):
        cell = row.cells.get(name)
        if cell is not None:
            formula = usual if usual and cell.value is None else cell.formula
            groups.setdefault(formula, []).append((label, cell))
        elif usual and row.combined.k:  # of a model that has other members
            groups.setdefault(usual, []).append((label, None))
    return dict(sorted(groups.items(), key=lambda group: (group[0] != usual, group[0])))


def _figures(cell: Cell | None) -> tuple[str, ...]:
    from brainbench.cli.console import between, decimal

    if cell is None or cell.value is None:
        return ("not scored" if cell is None else "failed",)
    mark = " †" if cell.counts_not or cell.state == "outdated" else ""
    interval = between(cell.ci, approximate=cell.ci_approximate)
    return decimal(cell.value) + mark, interval, decimal(cell.score.ceiling)


def _notes(made: Board, labels: list[str]) -> list[str]:
    """What the marks mean, and why something is missing."""
    from brainbench.cli.console import APPROXIMATE

    cells = [cell for row in made.rows for cell in row.cells.values()]
    n_others = sum(row.n_others for row in made.rows)
    of_those = any(row.combined.of_those is not None for row in made.rows)
    texts = (
        (f"protocol {made.protocol}", True),
        ("of those: the mean of k of n members, which is not the composite", of_those),
        *((f"({k + 1}) {words}", True) for k, words in enumerate(_settings(made))),
        (
            "° untrained: the weights are seeded random numbers; a baseline, without a rank",
            any(r.untrained for r in made.rows),
        ),
        (APPROXIMATE, any(cell.ci_approximate for cell in cells)),
        ("~ simulated brain: no animal was recorded", any(c.score.simulated for c in cells)),
        (
            "* partial: only some of the stimuli were used; in no composite, no rank",
            any(r.partial for r in made.rows),
        ),
        (f"older, or by another formula, and not shown: {n_others}", n_others > 0),
        (f"of another protocol, and not shown: {made.n_elsewhere}", made.n_elsewhere > 0),
    )
    lines = [text for text, needed in texts if needed]
    return lines + _undeclared(made) + _reasons(made, labels)


def _undeclared(made: Board) -> list[str]:
    """Members that no installed package has a benchmark of, and that no row has a figure of."""
    from brainbench.core import registry

    known = registry.entries("benchmarks")
    gone = [
        name
        for name in made.composite.benchmarks
        if name not in known and all(row.why_not(name) for row in made.rows)
    ]
    if not gone:
        return []
    return [
        f"no benchmark of that name is installed: {', '.join(gone)}; {made.composite.name} stays undefined. "
        "Rank by a composite of the simulated brain (--composite 'Simulated.*'), or declare the benchmark"
    ]


def _reasons(made: Board, labels: list[str]) -> list[str]:
    """Why there is no value, why one does not count, why a composite has no interval; each reason once."""
    found: dict[str, list[str]] = {}
    for row, label in zip(made.rows, labels, strict=True):
        for name, why in _whys(row):
            # Which model it is that a mark speaks of, the table shows.
            found.setdefault(why, []).append(name if why[0] == "†" else f"{label} on {name}")
        if row.combined.why_no_ci:
            found.setdefault(f"no interval: {row.combined.why_no_ci}", []).append(label)
    return [f"{', '.join(dict.fromkeys(who))}: {why}" for why, who in found.items()]


def _whys(row: Row) -> Iterator[tuple[str, str]]:
    for name, cell in row.cells.items():
        if cell.score.reason:
            yield name, f"failed: {cell.score.reason}"
        elif cell.counts_not:
            yield name, f"† does not count: {cell.counts_not}"
        elif cell.state == "outdated":
            yield name, "† of an older version of the benchmark or its data"
