"""The registry of models, benchmarks, data sets and composites, by name and without importing them.

Every plug-in registers one entry point per group: a function that returns {name: "module:attribute"} or
{name: ("module:attribute", "summary")} and imports nothing heavy. The attribute is imported when used.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from brainbench.core.errors import InputError, unknown

Group = Literal["models", "families", "benchmarks", "data", "composites", "checks"]
SINGULAR: dict[Group, str] = {
    "models": "model",
    "families": "family of models",
    "benchmarks": "benchmark",
    "data": "data set",
    "composites": "composite",
    "checks": "set of checks",
}


@functools.cache
def entries(group: Group) -> dict[str, str]:
    """Return every registered name of a group with its target, in the order of its plug-in.

    InputError if two plug-ins register the same name, or one of them cannot be imported.
    """
    targets: dict[str, str] = {}
    origin: dict[str, str] = {}
    for point, listing in _listings(group):
        for name, (target, _) in listing.items():
            if name in targets and targets[name] != target:
                raise InputError(
                    f"{SINGULAR[group]} {name!r} is registered by {origin[name]} and by {point.value}",
                    allowed="each name once",
                    todo="uninstall one of the two packages, or rename its entry",
                )
            targets[name], origin[name] = target, point.value
    return targets


def summaries(group: Group) -> dict[str, str]:
    """Return the summary of each name, or its target where the plug-in gives no summary."""
    given = {name: text for _, listing in _listings(group) for name, (_, text) in listing.items()}
    return {name: given[name] or target for name, target in entries(group).items()}


def _listings(group: Group) -> Iterator[tuple[metadata.EntryPoint, dict[str, tuple[str, str]]]]:
    # Sorted: the order in which packages were installed means nothing.
    points = metadata.entry_points(group=f"brainbench.{group}")
    for point in sorted(points, key=lambda point: point.value):
        yield point, _listing(point)


def _listing(point: metadata.EntryPoint) -> dict[str, tuple[str, str]]:
    """Return the target and the summary, or "", of each name of a plug-in."""
    try:
        given: Mapping[str, str | tuple[str, str]] = point.load()()
        return {
            name: (entry, "") if isinstance(entry, str) else (str(entry[0]), str(entry[1]))
            for name, entry in given.items()
        }
    except Exception as error:  # the plug-in is somebody else's code
        raise InputError(
            f"plug-in {point.value} cannot be listed ({type(error).__name__}: {error})",
            allowed="a function that returns {name: 'module:attribute'}, or a pair of this and a summary",
            todo="repair or uninstall the package that registers it",
        ) from error


def match(group: Group, patterns: str | Sequence[str]) -> list[str]:
    """Return the names that match patterns: names, wildcards ('Simulated.*'), comma lists, or "all".

    Weights after a pattern of models, as in "cornet_*@untrained-0", are appended to each match; several seeds
    are written "@untrained-0..4".
    UnknownNameError for a pattern that matches nothing, with the closest names.
    """
    parts = patterns.split(",") if isinstance(patterns, str) else list(patterns)
    known = list(entries(group))
    chosen: list[str] = []
    for part in [part.strip() for part in parts if part.strip()] or [""]:
        for pattern in seeds_of(part) if group == "models" else [part]:
            hits = _hits(group, pattern, known)
            chosen += [name for name in hits if name not in chosen]
    return chosen


def seeds_of(name: str) -> list[str]:
    """Return a model's name for each of its seeds, "net@untrained-0..4"; without a range, the name alone.

    InputError for a range that ends before it begins.

    Examples
    --------
    >>> seeds_of("net@untrained-0..2"), seeds_of("net@untrained-1")
    (['net@untrained-0', 'net@untrained-1', 'net@untrained-2'], ['net@untrained-1'])
    """
    found = re.fullmatch(r"(.+@.*?)(\d+)\.\.(\d+)", name)
    if not found:
        return [name]
    stem, first, last = found[1], int(found[2]), int(found[3])
    if first > last:
        raise InputError(
            f"seeds {first}..{last} of {stem}",
            allowed="the smaller number first, as untrained-0..4",
            todo=f"write {stem}{last}..{first}",
        )
    return [f"{stem}{seed}" for seed in range(first, last + 1)]


def _hits(group: Group, pattern: str, known: list[str]) -> list[str]:
    if pattern == "all":
        return known
    hits = _matching(pattern, known)
    if not hits and group == "models":
        hits = [pattern] if family(pattern) else _with_weights(pattern, known)
    if hits:
        return hits
    raise unknown(SINGULAR[group], pattern, known, todo=f"see `brainbench list {group}`")


def _matching(pattern: str, known: list[str]) -> list[str]:
    return [name for name in known if fnmatch.fnmatchcase(name, pattern)]


def _with_weights(pattern: str, known: list[str]) -> list[str]:
    base, at, weights = pattern.partition("@")
    names = known if base == "all" else _matching(base, known)
    return [f"{name}@{weights}" for name in names] if at else []


def load(group: Group, name: str) -> Any:
    """Import the target of a name; UnknownNameError if it is not registered."""
    known = entries(group)
    if name not in known:
        raise unknown(SINGULAR[group], name, list(known), todo=f"see `brainbench list {group}`")
    return imported(known[name])


def imported(target: str) -> Any:
    """Import the attribute of "module:attribute".

    InputError if the module has no such attribute or cannot be imported, for example because a library is
    not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{target} cannot be imported ({type(error).__name__}: {error})",
            allowed="module:attribute, with everything installed that the module needs",
            todo="install what is missing, or correct the entry of the plug-in",
        ) from error


def family(name: str) -> str | None:
    """Return the family of a model's name, by its prefix, "timm:", or its suffix, ".onnx"; or None."""
    for key in entries("families"):
        if name.startswith(key) or (key.startswith(".") and name.endswith(key)):
            return key
    return None


def is_file(name: str) -> bool:
    """Return whether a model's name is a function in a file, "FILE.py:function"."""
    return ".py:" in name or name.endswith(".py")


def check_file(spec: str) -> tuple[Path, str]:
    """Return the file and the function of "FILE.py:function"; InputError if either is missing."""
    file, _, attribute = spec.rpartition(":")
    path = Path(file).expanduser()
    problem = None
    if not attribute or path.suffix != ".py":
        problem = "no function is named"
    elif not path.is_file():
        problem = "there is no such file"
    if problem:
        raise InputError(
            f"model {spec!r}: {problem}",
            allowed="FILE.py:function, where the function returns a model",
            todo="write for example -m my_model.py:make_model",
        )
    return path, attribute


def factory_from_file(spec: str) -> Callable[..., Any]:
    """Import the function of "FILE.py:function", for models in a user's file.

    InputError as for `check_file`; UnknownNameError if the file has no such function.
    """
    path, attribute = check_file(spec)
    module_name = f"brainbench_user_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, path.resolve())
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"file {path} cannot be imported", allowed="a Python file", todo="check it"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module  # dataclasses and inspect look the module up there
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]  # the next import must not find half of a module
        raise
    if not callable(getattr(module, attribute, None)):
        functions = [name for name, v in vars(module).items() if inspect.isfunction(v)]
        raise unknown(f"function in {path}", attribute, functions, todo=f"define it in {path}")
    return getattr(module, attribute)  # type: ignore[no-any-return]  # checked callable above
