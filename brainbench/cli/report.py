"""`brainbench report`: stored scores as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainbench.cli import options


def report(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Stored names, comma lists and wildcards.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All stored models.")] = False,
    benchmark: options.StoredBenchmarks = options.ALL,
    protocol: Annotated[
        str | None,
        options.text_option("--protocol", metavar="NAME", help="Only scores of this protocol."),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Heading of the page.")] = "Scores",
    page: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The page.")] = Path(
        "report.html"
    ),
    results: options.SeveralResults = options.SEVERAL,
) -> None:
    """Write a report on stored scores: one HTML file, readable without a network.

    It has the scores, figures, the method in words with citations, warnings,
    the record of each score, and the commands that make them again.

    Exit status: 0; 2 for wrong usage, or where there is no such score.
    """
    from brainbench.cli import console
    from brainbench.cli.options import one_of, writable_file
    from brainbench.core import progress
    from brainbench.core.errors import InputError
    from brainbench.core.settings import VARIANTS

    if bool(models) == everything:
        raise InputError(
            "a report on no model" if not models else f"--all and {', '.join(models)}",
            allowed="names of stored models, or --all",
            todo="give MODEL..., such as 'cornet_s*', or --all",
        )
    if protocol is not None:
        one_of(protocol, VARIANTS, "--protocol")
    writable_file(page, "-o")
    with console.loading():
        from brainbench.ranking.selection import Chosen, stored_in
        from brainbench.reporting.figures import WITHOUT, can_draw
        from brainbench.reporting.page import write
        from brainbench.reporting.report import report_page
        from brainbench.storage.results import Results

    chosen = Chosen(models=tuple(models or ["all"]), benchmarks=tuple(benchmark), protocol=protocol)
    with console.working("writing the report"):
        scores, unreadable = stored_in([Results(folder) for folder in results], chosen)
        for problem in unreadable:
            progress.current().note(f"omitted: {problem}")
        if not can_draw():
            progress.current().note(WITHOUT)
        write(page, report_page(scores, unreadable=unreadable, title=title))
    print(page)
