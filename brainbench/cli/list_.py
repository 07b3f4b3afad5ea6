"""`brainbench list`: models, benchmarks, data sets and composites by name."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from brainbench.cli import options
from brainbench.core.registry import Group

KINDS: tuple[Group, ...] = ("models", "benchmarks", "data", "composites")


def list_(
    kind: Annotated[
        str, typer.Argument(help="models, benchmarks, data or composites.", metavar="KIND")
    ],
    pattern: Annotated[str, typer.Argument(help="A name or a wildcard.")] = "all",
    as_json: options.AsJson = False,
) -> None:
    """List models, benchmarks, data sets or composites."""
    from brainbench.core.errors import unknown

    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, todo="write for example `brainbench list models`")
    from brainbench.cli import console

    listings = (_models, _benchmarks, _data, _composites)
    if kind != "models":
        with console.loading():
            import brainbench.run.loading  # noqa: F401
    with console.working(f"listing {kind}"):
        rows = dict(zip(KINDS, listings, strict=True))[kind](pattern)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    console.print_rows(rows)


def _models(pattern: str) -> list[dict[str, Any]]:
    """Return models, and families as "timm:NAME", that match a pattern; none is imported."""
    from brainbench.core import registry

    summaries = registry.summaries("models") | registry.summaries("families")
    entries: dict[str, str] = {}
    for part in pattern.split(","):
        entries |= _models_like(part.strip())
    return [{"model": name, "what it is": summaries[key]} for name, key in entries.items()]


def _models_like(pattern: str) -> dict[str, str]:
    """Return names that match, each with the name or family by which it is registered."""
    from brainbench.core import registry

    models = {name: name for name in registry.entries("models")}
    families = {_member(key): key for key in registry.entries("families")}
    named = {**models, **families}
    key = registry.family(pattern)
    if key is not None and not key.startswith("."):  # its members, as "timm:resnet*"
        return dict.fromkeys(registry.match("models", pattern), key)
    matches = {n: named[n] for n in named if pattern == "all" or fnmatch.fnmatchcase(n, pattern)}
    return matches or {name: _registered(name) for name in registry.match("models", pattern)}


def _member(family: str) -> str:
    """Return how a member of a family is written."""
    return f"FILE{family}" if family.startswith(".") else f"{family}NAME"


def _registered(name: str) -> str:
    """Return the name or family by which a model is registered: without weights."""
    from brainbench.core import registry

    base = name.partition("@")[0]
    return base if base in registry.entries("models") else str(registry.family(name))


def _benchmarks(pattern: str) -> list[dict[str, Any]]:
    from brainbench.run.loading import list_benchmarks

    columns = ("benchmark", "version", "region", "window", "data", "get it with")
    return [_row(_benchmark, name, columns) for name in list_benchmarks(pattern)]


def _data(pattern: str) -> list[dict[str, Any]]:
    from brainbench.run.loading import list_data

    columns = ("data", "state", "title", "get it with")
    return [_row(_data_set, name, columns) for name in list_data(pattern)]


def _composites(pattern: str) -> list[dict[str, Any]]:
    from brainbench.core import registry

    columns = ("composite", "members")
    return [_row(_composite, name, columns) for name in registry.match("composites", pattern)]


def _row(
    describe: Callable[[str], tuple[Any, ...]], name: str, columns: Sequence[str]
) -> dict[str, Any]:
    from brainbench.core.errors import BrainbenchError

    try:
        values = describe(name)
    except BrainbenchError as error:  # one broken plug-in does not hide the others
        values = (*[""] * (len(columns) - 2), f"broken: {error.got}")
    return dict(zip(columns, (name, *values), strict=True))


def _benchmark(name: str) -> tuple[Any, ...]:
    from brainbench.data.manifest import open_dataset
    from brainbench.run.loading import load_benchmark

    benchmark = load_benchmark(name)
    data = open_dataset(benchmark.data)
    state = ("data not here", data.command) if data.absent() else ("here", "")
    return benchmark.version, benchmark.region, "{:g}-{:g} ms".format(*benchmark.window), *state


def _composite(name: str) -> tuple[Any, ...]:
    from brainbench.run.loading import load_composite

    return (list(load_composite(name).benchmarks),)


def _data_set(name: str) -> tuple[Any, ...]:
    from brainbench.data.manifest import manifest, open_dataset

    declared, data = manifest(name), open_dataset(name)
    if data.absent() is None:
        return "here" if declared.loader else "files here", declared.title, ""
    access = "" if declared.access == "public" else f" ({declared.access})"
    return f"data not here{access}", declared.title, data.command
