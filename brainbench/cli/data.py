"""`brainbench data`: imports data sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from brainbench.cli import completion, options

app = typer.Typer(no_args_is_help=True, help="Get data sets onto this machine.")


@app.callback()
def _data() -> None:
    pass


@app.command("import")
def import_(
    name: Annotated[
        str,
        typer.Argument(
            help="A data set, as `brainbench list data` shows it.",
            autocompletion=completion.data_sets,
        ),
    ],
    folder: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Folder with the published files.")
    ],
    quiet: options.Quiet = False,
) -> None:
    """Check published files by their checksums, convert them and store them in the data folder.

    The data folder is BRAINBENCH_DATA, or the user's own data folder.
    """
    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.core import progress
    from brainbench.core.dataset import Importable
    from brainbench.core.errors import InputError
    from brainbench.data.manifest import open_dataset

    data = open_dataset(name)
    if not isinstance(data, Importable):
        raise InputError(
            f"data set {name!r} is not imported ({data.command})",
            allowed="a data set whose files are published elsewhere",
            todo="see `brainbench list data`",
        )
    if not folder.is_dir():
        raise InputError(
            f"--from {folder}: no such folder",
            allowed="a folder with the published files",
            todo=f"see `brainbench show {name}` for where they are published",
        )
    with progress.use(console.reporter(quiet=quiet)):
        place = data.import_from(folder)
    print(fitted(f"{name} is here: {place}", sys.stdout))
