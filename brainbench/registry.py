"""Finding models, benchmarks and data sets by name, without importing them.

Every plug-in, the bundled ones too, registers one entry point per group. It names a function that
returns {name: "module:attribute"} and imports nothing heavy; the attribute is imported when it is used.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from brainbench.errors import InputError, UnknownNameError, unknown

Group = Literal["models", "benchmarks", "data"]
SINGULAR = {"models": "model", "benchmarks": "benchmark", "data": "data set"}


@functools.cache
def entries(group: Group) -> dict[str, str]:
    """Return every registered name of a group with the "module:attribute" behind it.

    Raises
    ------
    InputError
        Two plug-ins register the same name.
    """
    found: dict[str, str] = {}
    origin: dict[str, str] = {}
    for point in metadata.entry_points(group=f"brainbench.{group}"):
        listing: dict[str, str] = point.load()()
        for name, target in listing.items():
            if name in found and found[name] != target:
                raise InputError(
                    f"{SINGULAR[group]} {name!r} is registered by {origin[name]} and by {point.value}",
                    allowed="each name once",
                    todo="uninstall one of the two packages, or rename its entry",
                )
            found[name], origin[name] = target, point.value
    return dict(sorted(found.items()))


def match(group: Group, patterns: str | Sequence[str]) -> list[str]:
    """Names that fit patterns: a name, a wildcard such as 'Simulated.*', a comma list, or "all".

    Raises
    ------
    UnknownNameError
        A pattern that fits nothing; the message names the closest.
    """
    wanted = patterns.split(",") if isinstance(patterns, str) else list(patterns)
    known = list(entries(group))
    chosen: list[str] = []
    for pattern in (w.strip() for w in wanted):
        hits = _hits(group, pattern, known)
        chosen += [name for name in hits if name not in chosen]
    return chosen


def _hits(group: Group, pattern: str, known: list[str]) -> list[str]:
    if pattern == "all":
        return known
    hits = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
    if hits or (group == "models" and pattern.partition("@")[0] in known):
        return hits or [pattern]
    raise unknown(SINGULAR[group], pattern, known, todo=f"see `brainbench list {group}`")


def load(group: Group, name: str) -> Any:
    """Import what a name stands for.

    Raises
    ------
    UnknownNameError
        No such name.
    """
    known = entries(group)
    if name not in known:
        raise unknown(SINGULAR[group], name, list(known), todo=f"see `brainbench list {group}`")
    return imported(known[name])


def imported(target: str) -> Any:
    """Attribute behind "module:attribute"."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def factory_from_file(spec: str) -> Callable[..., Any]:
    """Function behind "FILE.py:function", for models that live in a user's own file.

    Raises
    ------
    InputError
        The file is absent, or is not named with a function.
    UnknownNameError
        The file has no such function.
    """
    file, _, attribute = spec.rpartition(":")
    path = Path(file)
    if not attribute or path.suffix != ".py" or not path.is_file():
        raise InputError(
            f"model {spec!r}: "
            + ("no such file" if path.suffix == ".py" else "not FILE.py:function"),
            allowed="FILE.py:function, where the function returns a model",
            todo="check the path, for example -m my_model.py:make_model",
        )
    module_name = f"brainbench_user_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, path.resolve())
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"file {file!r} cannot be imported", allowed="a Python file", todo="check it"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module  # dataclasses and inspect look the module up there
    module_spec.loader.exec_module(module)
    if not callable(getattr(module, attribute, None)):
        functions = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        raise unknown(f"function in {file}", attribute, functions, todo=f"define it in {file}")
    return getattr(module, attribute)  # type: ignore[no-any-return]  # checked callable above


__all__ = ["Group", "UnknownNameError", "entries", "factory_from_file", "imported", "load", "match"]
