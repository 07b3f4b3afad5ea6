"""`brainbench results`: what is stored, one score in full, one table of all, and its removal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options

if TYPE_CHECKING:
    from brainbench.core.score import Score

FORMATS = ("table", "json", "csv")
Protocol = Annotated[
    str | None, options.text_option("--protocol", metavar="NAME", help="Only this protocol.")
]
Which = Annotated[
    str,
    typer.Argument(
        metavar="SCORE",
        help="A result file, or the digits that `results list` shows.",
        show_default=False,
    ),
]

app = typer.Typer(help="List, show, export and delete stored scores.", no_args_is_help=True)


@app.command("list")
def list_(
    model: options.StoredModels = options.ALL,
    benchmark: options.StoredBenchmarks = options.ALL,
    protocol: Protocol = None,
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json or csv.")
    ] = "table",
    output: options.SeveralStored = options.SEVERAL,
) -> None:
    """List stored scores, a line for each; its digits name it for `show`, `delete` and `explain`."""
    options.one_of(output_format, FORMATS, "--format")

    from brainbench.cli import console

    scores = _summaries(output, model, benchmark, protocol)
    from brainbench.core.score import ScoreSet
    from brainbench.core.untrusted_text import write_csv
    from brainbench.ranking.selection import digits_of

    if output_format == "json":
        named = [(score, {"digits": digits_of(score), "file": score.file}) for score in scores]
        console.print_json([{**names, **score.row()} for score, names in named])
    elif output_format == "csv":
        write_csv(ScoreSet(tuple(scores)).to_frame(), sys.stdout)
    else:
        _print_table(scores)


@app.command()
def show(
    which: Which,
    as_json: options.AsJson = False,
    output: options.SeveralStored = options.SEVERAL,
) -> None:
    """Show one score: its figures, its record, and the command that computes it again."""
    from brainbench.cli import console

    with console.loading():
        from brainbench.core.marks import marks_of
        from brainbench.ranking.selection import one_stored
        from brainbench.storage.repeat import command_of
        from brainbench.storage.results import Results, summary

    score = one_stored([Results(folder) for folder in output], which)
    command = command_of(score, folder=str(Path(str(score.file)).parent.parent))
    if as_json:
        console.print_json({**summary(score), "command": command})
        return
    record = {} if score.record is None else score.record.model_dump()
    facts = {
        key: value for key, value in summary(score).items() if key not in ("record", "selection")
    }
    facts |= {"layer": score.selection.layer, "step": score.selection.step, **record}
    facts |= {"marks": marks_of(score), "command": command}
    console.print_facts({key: _words(value) for key, value in facts.items() if _is_said(value)})


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV.", show_default=False)],
    model: options.StoredModels = options.ALL,
    benchmark: options.StoredBenchmarks = options.ALL,
    protocol: Protocol = None,
    output: options.SeveralStored = options.SEVERAL,
) -> None:
    """Write all stored scores as one CSV, a row for each, all digits kept; see docs/scores.md."""
    options.writable_file(path, "FILE")

    scores = _summaries(output, model, benchmark, protocol)
    from brainbench.core.score import ScoreSet

    with options.writing_csv(path, todo="give another path"):
        ScoreSet(tuple(scores)).to_csv(path)
    print(f"{path}: {_counted(len(scores))}")


@app.command()
def delete(
    model: options.StoredModels = options.NONE,
    benchmark: options.StoredBenchmarks = options.NONE,
    protocol: Protocol = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: options.SeveralStored = options.SEVERAL,
) -> None:
    """Remove stored scores, with predictions that no other score has; asks first.

    Exit status: 0; 1 where the answer is no; 2 for wrong usage, or where there is no such score.
    """
    from brainbench.core.errors import InputError
    from brainbench.storage.results import Results

    if not model and not benchmark:
        raise InputError(
            "delete without saying which scores",
            allowed="-m MODEL, -b BENCHMARK or both; 'all' for all",
            todo="give -m or -b; `brainbench results list` shows the names",
        )
    scores = _summaries(output, model or options.ALL, benchmark or options.ALL, protocol)
    _print_table(scores)
    if not yes:
        typer.confirm(f"Remove {_counted(len(scores))}?", abort=True, err=True)
    by_folder: dict[Path, list[Path]] = {}
    for score in scores:
        path = Path(str(score.file))
        by_folder.setdefault(path.parent.parent, []).append(path)
    for folder, paths in by_folder.items():
        Results(folder).remove(paths)
    print(f"{_counted(len(scores))} removed")


def _summaries(
    folders: Sequence[Path], models: Sequence[str], benchmarks: Sequence[str], protocol: str | None
) -> list[Score]:
    """Return the scores that are asked for, by benchmark, model and digits; what is unreadable is noted."""
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    with console.loading():
        from brainbench.ranking.selection import Chosen, named, summaries_in
        from brainbench.storage.results import Results

    stores = [Results(folder) for folder in folders]
    with console.working("reading scores"):
        scores, problems = summaries_in(stores)
    for problem in problems:
        print(fitted(f"omitted: {problem}", sys.stderr), file=sys.stderr)
    chosen = Chosen(models=models, benchmarks=benchmarks, protocol=protocol)
    return chosen.of(scores, where=named(stores))


def _print_table(scores: Sequence[Score]) -> None:
    """Print a line for each score below the benchmark, formula and protocol that it shares with others."""
    from brainbench.cli import console
    from brainbench.core.digits import between, decimal
    from brainbench.core.marks import marks_of
    from brainbench.ranking.selection import digits_of

    groups: list[tuple[str, list[tuple[str, ...]]]] = []
    for score in scores:
        heading = ", ".join((console.name_of_benchmark(score), score.formula, score.protocol))
        if not groups or heading != groups[-1][0]:
            groups.append((heading, []))
        signs = [
            mark[0] for mark in marks_of(score) if mark[0] not in "~≈" and not mark[0].isalnum()
        ]
        row = (
            "  " + " ".join([score.model, *signs]),
            decimal(score.value) or console.SHORT.get(score.status, ""),
            between(score.ci, approximate=score.ci_approximate),
            decimal(score.ceiling),
            digits_of(score),
        )
        groups[-1][1].append(row)
    console.print_grouped(
        "benchmark, model", groups, figures=("score", "95 % CI", "ceiling", "digits")
    )


def _counted(n_scores: int) -> str:
    return f"{n_scores} score" + ("s" if n_scores != 1 else "")


def _is_said(value: Any) -> bool:
    return value is not None and value not in ({}, [])


def _words(value: Any) -> Any:
    """Return a value of a record as lines of text."""
    if isinstance(value, dict):
        return [f"{key}: {item}" for key, item in value.items()]
    return [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
