"""`brainbench verify`: whether what is kept is as it was written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brainbench.cli import options
from brainbench.storage.files import STATES

if TYPE_CHECKING:
    from brainbench.storage.files import Finding


def verify(
    *,
    cache: Annotated[bool, typer.Option("--cache", help="Check the cache.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Check imported recordings.")] = False,
    results: Annotated[bool, typer.Option("--results", help="Check stored scores.")] = False,
    output_format: options.Format = "table",
    output: options.ResultsFolder = options.RESULTS,
    quiet: options.Quiet = False,
) -> None:
    """Check that kept files are as they were written: cache, data and results, or those named.

    Every file is read. For each damaged one the command that repairs it is
    named; nothing is changed. A file is unknown where nothing was kept that
    it could be checked against.

    Exit status: 0; 1 if a file is damaged; 2 for wrong usage.
    """
    named = {"cache": cache, "data": data, "results": results}
    kinds = [kind for kind in named if named[kind] or not any(named.values())]
    report(kinds, output=output, output_format=output_format, quiet=quiet)


def report(
    kinds: Sequence[str],
    *,
    output: Path = options.RESULTS,
    output_format: str,
    quiet: bool,
    data_set: str | None = None,
) -> None:
    """Check what is kept of some kinds and print what was found; exit with 1 if a file is damaged."""
    options.one_of(output_format, ("table", "json"), "--format")

    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=False)
    found: dict[str, list[Finding]] = {}
    with console.working("checking", quiet=quiet):
        for kind in kinds:
            folder, findings = _check(kind, output, data_set)
            progress.current().note(f"checking {kind} in {folder}")
            found[kind] = list(findings)
    if output_format == "json":
        console.print_json([_object(kind, findings) for kind, findings in found.items()])
    else:
        _print_table(found)
    if any(finding.state == "damaged" for findings in found.values() for finding in findings):
        raise typer.Exit(1)


def _check(kind: str, output: Path, data_set: str | None) -> tuple[Path, Iterator[Finding]]:
    """Return the folder of what is kept, and what is found there once it is asked for."""
    if kind == "cache":
        from brainbench.storage import cache

        kept = cache.default()
        return kept.folder, kept.verify()
    if kind == "data":
        from brainbench.data.folder import data_folder
        from brainbench.data.integrity import verify_imported

        return data_folder() / (data_set or ""), verify_imported(data_set)
    from brainbench.storage.results import Results

    return output, Results(output).verify()


def _object(kind: str, findings: Sequence[Finding]) -> dict[str, object]:
    counts = Counter(finding.state for finding in findings)
    return {
        "kept": kind,
        "files": len(findings),
        **{state: counts[state] for state in STATES},
        "findings": [
            {"path": str(finding.path), "state": finding.state, "detail": finding.detail}
            for finding in findings
            if finding.state != "sound"
        ],
    }


def _print_table(found: Mapping[str, Sequence[Finding]]) -> None:
    from brainbench.cli.console import stdout, table_of
    from brainbench.cli.text import fitted

    table = table_of("kept", figures=("files", *STATES))
    for kind, findings in found.items():
        counts = Counter(finding.state for finding in findings)
        table.add_row(kind, str(len(findings)), *(str(counts[state]) for state in STATES))
    stdout().print(table)
    everything = [finding for findings in found.values() for finding in findings]
    lines = [
        f"damaged: {finding.path}\n  {finding.detail}"
        for finding in everything
        if finding.state == "damaged"
    ]
    unknown = Counter(finding.detail for finding in everything if finding.state == "unknown")
    lines += [f"unknown: {n} files: {detail}" for detail, n in unknown.items()]
    if lines:
        print(fitted("\n".join(lines), sys.stdout))
