"""`brainbench list`: models, benchmarks and data sets by name."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

KINDS = ("models", "benchmarks", "data")


def list_(
    kind: Annotated[str, typer.Argument(help="models, benchmarks or data.", metavar="KIND")],
    pattern: Annotated[str, typer.Argument(help="A name or a wildcard.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects.")] = False,
) -> None:
    """List models, benchmarks or data sets."""
    from brainbench.errors import unknown

    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, todo="write for example `brainbench list models`")
    rows = {"models": _models, "benchmarks": _benchmarks, "data": _data}[kind](pattern)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    _print(rows)


def _models(pattern: str) -> list[dict[str, Any]]:
    from brainbench import registry

    targets = registry.entries("models")
    return [{"model": n, "made by": targets[n]} for n in registry.match("models", pattern)]


def _benchmarks(pattern: str) -> list[dict[str, Any]]:
    from brainbench.data.manifest import source
    from brainbench.loading import list_benchmarks, load_benchmark

    rows = []
    for name in list_benchmarks(pattern):
        benchmark = load_benchmark(name)
        absent = source(benchmark.data).absent()
        rows.append(
            {
                "benchmark": name,
                "version": benchmark.version,
                "region": benchmark.region,
                "window": "{:g}-{:g} ms".format(*benchmark.window),
                "data": "data not here" if absent else "here",
            }
        )
    return rows


def _data(pattern: str) -> list[dict[str, Any]]:
    from brainbench.data.manifest import manifest, source
    from brainbench.loading import list_data

    rows = []
    for name in list_data(pattern):
        declared, found = manifest(name), source(name)
        state = "data not here" if found.absent() else "here"
        get = found.command if found.absent() else ""
        rows.append({"data": name, "state": state, "title": declared.title, "get it with": get})
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from brainbench.cli.console import stdout

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [key for key in rows[0] if any(row[key] != "" for row in rows)] if rows else []
    for key in shown:
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[key]) for key in shown))
    stdout().print(table)
