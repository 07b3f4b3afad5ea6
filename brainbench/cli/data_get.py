"""`brainbench data fetch`, `import` and `remove`: data sets come to this machine, and go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from brainbench.cli import options
from brainbench.cli.data_list import Name

GB, HOUR = 1e9, 3600.0


def fetch(
    names: Annotated[list[str], typer.Argument(help="Data sets or wildcards.", metavar="NAME...")],
    source: Annotated[
        str | None,
        options.text_option(
            "--from", metavar="DIR|URL", help="A folder, a stick or a mirror that is asked first."
        ),
    ] = None,
    only: Annotated[
        str | None,
        options.text_option(
            "--only", metavar="WILDCARD", help="Some files of a set that nothing reads yet."
        ),
    ] = None,
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="Accept terms of use that were shown.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="No network: say which files are missing.")
    ] = False,
    max_gb: Annotated[float, typer.Option(help="Largest size of a file.", min=0)] = 50.0,
    max_hours: Annotated[float, typer.Option(help="Longest time for a file.", min=0)] = 6.0,
    quiet: options.Quiet = False,
) -> None:
    """Get published data sets: download, check by checksums, convert, store in the data folder.

    An interrupted fetch goes on where it stopped. BRAINBENCH_MIRROR names
    a folder or a URL in place of --from, BRAINBENCH_OFFLINE=1 forbids
    downloads everywhere. The data folder is BRAINBENCH_DATA, or the
    user's own data folder.
    """
    from dataclasses import replace

    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.core import progress, registry
    from brainbench.core.errors import BrainbenchError, InputError
    from brainbench.data.fetch_dataset import LIMITS, Request, fetch_dataset

    request = Request(
        source=source,
        only=only,
        accept_license=accept_license,
        offline=offline,
        limits=replace(LIMITS, nbytes=int(max_gb * GB), total=max_hours * HOUR),
    )
    chosen = registry.match("data", names)
    failed = []
    for name in chosen:
        try:
            with progress.use(console.reporter(quiet=quiet)):
                place = fetch_dataset(name, request)
            print(fitted(f"{name} is here: {place}", sys.stdout))
        except BrainbenchError as error:
            if len(chosen) == 1:
                raise
            print(fitted(f"{name}: {error}", sys.stderr), file=sys.stderr)
            failed.append(name)
    if failed:
        raise InputError(
            f"{len(failed)} of {len(chosen)} data sets did not come: {', '.join(failed)}",
            allowed="data sets that can be had",
            todo="see the reason of each above",
        )


def import_(
    name: Name,
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

    with console.loading(quiet=quiet):
        from brainbench.core.dataset import Importable
        from brainbench.core.errors import InputError
        from brainbench.data.manifest import open_dataset

        data = open_dataset(name)
    if not isinstance(data, Importable):
        raise InputError(
            f"data set {name!r} is not imported ({data.command})",
            allowed="a data set whose files are published elsewhere",
            todo="see `brainbench data list`",
        )
    if not folder.is_dir():
        raise InputError(
            f"--from {folder}: no such folder",
            allowed="a folder with the published files",
            todo=f"see `brainbench data show {name}` for where they are published",
        )
    with console.working(f"importing {name}", quiet=quiet):
        place = data.import_from(folder)
    print(fitted(f"{name} is here: {place}", sys.stdout))


def remove(name: Name) -> None:
    """Remove everything that is kept of a data set; stored scores stay."""
    from brainbench.cli.text import fitted
    from brainbench.data import kept

    folder, nbytes = kept.remove(name)
    print(fitted(f"removed {folder} ({nbytes / 1e6:.1f} MB)", sys.stdout))
