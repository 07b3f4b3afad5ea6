"""`brainbench data add`: recordings and behavior of one's own become a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brainbench.cli import options
from brainbench.data.own.layout import Layout


@options.takes(Layout)
def add(
    name: Annotated[str, typer.Argument(help="A name of your own: letters, digits and _.")],
    images: Annotated[
        Path,
        typer.Option(
            "--images", metavar="PATH", help="Folder or .zip of images, or a .csv that names them."
        ),
    ],
    *,
    responses: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Responses: .npy, .npz, .mat, .csv, .tsv, .nc or .nwb."),
    ] = None,
    trials: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Behavior: a .csv with a row for each trial."),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What it is, in a line.")] = "",
    citation: Annotated[str, typer.Option(metavar="TEXT", help="Whom to cite.")] = "",
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the first images with their responses: .png."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a data set of yours of this name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is understood, and keep nothing.")
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    **given: Any,
) -> None:
    """Add recordings or behavior of your own.

    Says what is understood of the files, checks it, and keeps it in the data folder. Its benchmarks are
    called NAME.REGION-MEASURE. docs/own_data.md has an example of each format.
    """
    layout = options.read_options(Layout, given)
    options.writable_file(preview, "--preview")

    from brainbench.cli import console
    from brainbench.core import progress

    with console.loading(quiet=quiet):
        from brainbench.data.own.dataset import from_files
        from brainbench.data.own.kept import check_free, keep
        from brainbench.data.own.understood import describe

    console.start_logging(verbose=False)
    check_free(name, replace=replace)
    with progress.use(console.reporter(quiet=quiet)):
        data = from_files(name, responses, images, trials=trials, layout=layout)
        facts = describe(data)
        if preview is not None:
            from brainbench.plot.responses_preview import draw_responses

            facts["preview"] = str(draw_responses(data, preview))
        if not as_json:
            console.print_facts(facts)
            sys.stdout.flush()
        sources = [path.name for path in (responses, trials, images) if path is not None]
        place = None
        if not dry_run:
            place = keep(data, replace=replace, title=title, citation=citation, sources=sources)
    _print_end(name, facts, place, as_json=as_json)


def _print_end(name: str, facts: dict[str, Any], place: Path | None, *, as_json: bool) -> None:
    from brainbench.cli import console

    if as_json:
        console.print_json({**facts, "kept": place and str(place)})
    elif place is None:
        console.print_facts({"kept": "nothing, as --dry-run says"})
    else:
        console.print_facts(
            {"kept": str(place), "next": f"brainbench score -m MODEL -b '{name}.*'"}
        )
