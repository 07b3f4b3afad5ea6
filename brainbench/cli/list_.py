"""`brainbench list`: models, benchmarks, data sets and composites by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from brainbench.registry import Group

KINDS: tuple[Group, ...] = ("models", "benchmarks", "data", "composites")


def list_(
    kind: Annotated[
        str, typer.Argument(help="models, benchmarks, data or composites.", metavar="KIND")
    ],
    pattern: Annotated[str, typer.Argument(help="A name or a wildcard.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects.")] = False,
) -> None:
    """List models, benchmarks, data sets or composites."""
    from brainbench.errors import unknown

    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, todo="write for example `brainbench list models`")
    listings = (_models, _benchmarks, _data, _composites)
    rows = dict(zip(KINDS, listings, strict=True))[kind](pattern)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from brainbench.cli.console import print_rows

    print_rows(rows)


def _models(pattern: str) -> list[dict[str, Any]]:
    from brainbench import registry

    targets = registry.entries("models")
    return [{"model": n, "made by": targets[n]} for n in registry.match("models", pattern)]


def _benchmarks(pattern: str) -> list[dict[str, Any]]:
    from brainbench.loading import list_benchmarks

    columns = ("benchmark", "version", "region", "window", "data")
    return [_row(_benchmark, name, columns) for name in list_benchmarks(pattern)]


def _data(pattern: str) -> list[dict[str, Any]]:
    from brainbench.loading import list_data

    columns = ("data", "state", "title", "get it with")
    return [_row(_data_set, name, columns) for name in list_data(pattern)]


def _composites(pattern: str) -> list[dict[str, Any]]:
    from brainbench import registry

    columns = ("composite", "members")
    return [_row(_composite, name, columns) for name in registry.match("composites", pattern)]


def _row(
    describe: Callable[[str], tuple[Any, ...]], name: str, columns: Sequence[str]
) -> dict[str, Any]:
    from brainbench.errors import BrainbenchError

    try:
        values = describe(name)
    except BrainbenchError as error:  # one broken plug-in does not hide the others
        values = (*[""] * (len(columns) - 2), f"broken: {error.got}")
    return dict(zip(columns, (name, *values), strict=True))


def _benchmark(name: str) -> tuple[Any, ...]:
    from brainbench.data.manifest import source
    from brainbench.loading import load_benchmark

    one = load_benchmark(name)
    state = "data not here" if source(one.data).absent() else "here"
    return one.version, one.region, "{:g}-{:g} ms".format(*one.window), state


def _composite(name: str) -> tuple[Any, ...]:
    from brainbench.loading import load_composite

    return (list(load_composite(name).benchmarks),)


def _data_set(name: str) -> tuple[Any, ...]:
    from brainbench.data.manifest import manifest, source

    declared, found = manifest(name), source(name)
    if found.absent():
        return "data not here", declared.title, found.command
    return "here", declared.title, ""
