"""`brainbench data list`, `show` and `verify`: what is known of data sets, and what is here."""

from __future__ import annotations

from typing import Annotated

import typer

from brainbench.cli import completion, options
from brainbench.cli import list_ as listing
from brainbench.cli import show as showing
from brainbench.cli import verify as verifying

Name = Annotated[
    str,
    typer.Argument(
        help="A data set, as `brainbench data list` shows it.",
        autocompletion=completion.data_sets,
    ),
]


def list_(
    pattern: Annotated[str, typer.Argument(help="A name or a wildcard.")] = "all",
    as_json: options.AsJson = False,
) -> None:
    """List data sets: which are here, and the command that gets each of the others."""
    listing.list_("data", pattern, as_json=as_json)


def show(name: Name, as_json: options.AsJson = False) -> None:
    """Show a data set: access, license, files, facts, and figures that an import must show."""
    from brainbench.core import registry

    if name not in registry.entries("data"):
        raise registry.unknown_name(name, "data")
    showing.show(name, as_json=as_json)


def verify(
    name: Annotated[
        str | None, typer.Argument(help="A data set; all of them without a name.")
    ] = None,
    known_answers: Annotated[
        bool,
        typer.Option("--known-answers", help="Compute published figures that the true data shows."),
    ] = False,
    output_format: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Compare every kept file of one data set, or of all, with its checksum.

    With --known-answers compute its noise ceilings, the score of its sites on
    themselves and the like instead, and compare them with those published.

    Exit status: 0; 1 if a file is damaged or a figure differs; 2 for wrong
    usage.
    """
    if known_answers:
        from brainbench.cli import known_answers as known

        known.report(name, output_format=output_format, quiet=quiet)
        return
    if name is not None:
        from brainbench.data.kept import folder_of

        folder_of(name)
    verifying.report(["data"], output_format=output_format, quiet=quiet, data_set=name)
