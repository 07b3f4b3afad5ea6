"""`brainbench cite`: whom to cite, as BibTeX."""

from __future__ import annotations

from typing import Annotated

import typer

from brainbench.cli import options


def cite(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Models, benchmarks, data sets, files of scores, or folders of them.",
            metavar="NAME...",
        ),
    ],
    quiet: options.Quiet = False,
) -> None:
    """Print BibTeX of everything that models, benchmarks, data or results rest on."""
    from brainbench.cli import console

    with console.loading(quiet=quiet):
        from brainbench.run.citations import bibliography

    console.start_logging(verbose=False)
    with console.working("collecting citations", quiet=quiet):
        text = bibliography(names)
    print(text, end="")
