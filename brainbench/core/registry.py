"""The registry of models, benchmarks, data sets and composites, by name and without importing them.

Every plug-in registers one entry point per group: a function that returns {name: "module:attribute"} or
{name: ("module:attribute", "summary")} and imports nothing heavy. The attribute is imported when used.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import importlib
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, cast

from brainbench.core.errors import InputError, UnknownNameError, unknown
from brainbench.core.untrusted_text import visible

log = logging.getLogger(__name__)


Group = Literal[
    "models", "families", "benchmarks", "data", "composites", "checks", "fitters", "spaces"
]
_NEARLY = 0.8  # of the letters of two names are the same
SINGULAR: dict[Group, str] = {
    "models": "model",
    "families": "family of models",
    "benchmarks": "benchmark",
    "data": "data set",
    "composites": "composite",
    "checks": "set of checks",
    "fitters": "fitter",
    "spaces": "search space",
}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What the plug-ins of a group register."""

    targets: Mapping[str, str]  # by name, in the order of the plug-ins
    summaries: Mapping[str, str]  # "" where the plug-in gives none
    broken: tuple[str, ...]  # which plug-ins are left out, each with the reason


@functools.cache
def entries(group: Group) -> Mapping[str, str]:
    """Return every registered name of a group with its target, in the order of its plug-in.

    A plug-in that cannot be listed, or registers a name that another one has, is left out with a warning.
    """
    listing = _listing_of(group)
    for problem in listing.broken:
        log.warning("%s", problem)
    return listing.targets


def summaries(group: Group) -> dict[str, str]:
    """Return the summary of each name, or its target where the plug-in gives no summary."""
    given = _listing_of(group).summaries
    return {name: given[name] or target for name, target in entries(group).items()}


def _listing_of(group: Group) -> Listing:
    listed: dict[str, dict[str, tuple[str, str]]] = {}
    bundled, broken = set(), []
    # Sorted: the order in which packages were installed means nothing.
    for point in sorted(_points(tuple(sys.path)).select(group=f"brainbench.{group}"), key=_value):
        try:
            listed[point.value] = _names_of(point)
        except (Exception, SystemExit) as error:  # the plug-in is somebody else's code
            broken.append(
                _left_out(point.value, f"cannot be listed ({type(error).__name__}: {error})")
            )
        if point.dist is not None and point.dist.name == "brainbench":
            bundled.add(point.value)
    kept: dict[str, tuple[str, str]] = {}
    for value, names in listed.items():
        clash = None if value in bundled else _clash(value, names, listed)
        if clash is None:
            kept |= names
        else:
            name, other = clash
            broken.append(
                _left_out(value, f"registers the {SINGULAR[group]} {name!r}, as {other} does")
            )
    return Listing(
        targets={name: target for name, (target, _) in kept.items()},
        summaries={name: summary for name, (_, summary) in kept.items()},
        broken=tuple(broken),
    )


@functools.lru_cache(maxsize=1)
def _points(path: tuple[str, ...]) -> metadata.EntryPoints:
    """Return what all installed packages on a path register; a search through their files, so done once."""
    return cast(metadata.EntryPoints, metadata.entry_points())  # typed as another class until 3.12


def _left_out(value: str, why: str) -> str:
    return visible(f"plug-in {value} is left out: it {why}")


def _value(point: metadata.EntryPoint) -> str:
    return point.value


def _names_of(point: metadata.EntryPoint) -> dict[str, tuple[str, str]]:
    """Return the target and the summary, or "", of each name of a plug-in."""
    given: Mapping[str, str | tuple[str, str]] = point.load()()
    names = {}
    for name, entry in given.items():
        target, summary = (entry, "") if isinstance(entry, str) else entry
        texts = (name, target, summary)
        if not name or not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise TypeError(f"{name!r}: {entry!r}, not name: 'module:attribute' or with a summary")
        names[name] = (target, summary)
    return names


def _clash(
    value: str,
    names: Mapping[str, tuple[str, str]],
    listed: Mapping[str, Mapping[str, tuple[str, str]]],
) -> tuple[str, str] | None:
    """Return a name that another plug-in gives another target, and that plug-in; None where there is none.

    Which of the two is meant cannot be known, so that neither is kept unless one is part of brainbench.
    """
    for other, others in listed.items():
        for name, (target, _) in names.items():
            if other != value and name in others and others[name][0] != target:
                return name, other
    return None


def unknown_name(name: str, *groups: Group) -> UnknownNameError:
    """Return the error for a name in no group, with the plug-ins that may have it but are left out."""
    kind = SINGULAR[groups[0]] if len(groups) == 1 else "name"
    known = [registered for group in groups for registered in entries(group)]
    error = unknown(kind, name, known, todo=f"see `brainbench list {'|'.join(groups)}`")
    if groups == ("models",):
        error = _with_families(error, name, known)
    broken = [problem for group in groups for problem in _listing_of(group).broken]
    if not broken:
        return error
    return UnknownNameError(
        "; ".join((error.got, *broken)),
        allowed=error.allowed,
        todo=f"{error.todo}, or repair or uninstall the package of the plug-in",
    )


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
        hits = _of_family(pattern) if family(pattern) else _with_weights(pattern, known)
    if hits:
        return hits
    raise unknown_name(pattern, group)


def _of_family(pattern: str) -> list[str]:
    """Return the name of a member of a family, or its members that match a wildcard, as "timm:resnet*".

    A family whose members can be listed has a function `members(pattern)` beside its own.
    """
    base, at, weights = pattern.partition("@")
    key = str(family(pattern))
    if key.startswith(".") or not has_wildcard(base):
        return [pattern]
    target = entries("families")[key]
    imported(target)  # says what is missing
    list_members = getattr(importlib.import_module(target.partition(":")[0]), "members", None)
    if list_members is None:
        raise InputError(
            f"wildcard {pattern!r} for {key}NAME, whose members cannot be listed",
            allowed=f"the name of one model, as {key}NAME",
            todo="write each name, separated by commas",
        )
    names = list_members(base.removeprefix(key))
    if not names:
        todo = f"see `brainbench list models '{key}*'`"
        raise unknown(
            f"network of {key[:-1]}", base.removeprefix(key), list_members("*"), todo=todo
        )
    return [f"{key}{name}{at}{weights}" for name in names]


def has_wildcard(name: str) -> bool:
    """Return whether a name stands for all that match it."""
    return bool(set(name) & set("*?["))


def _with_families(error: UnknownNameError, name: str, known: list[str]) -> UnknownNameError:
    """Return the error for an unknown model with the members of families that are called so, "timm:NAME".

    A family with members by name has a function `suggestions(name)` beside its own. It imports a library, so
    that names that are nearly those of a model are not looked up.
    """
    base, at, weights = name.partition("@")
    if not base or set(base) & set("*?[:") or difflib.get_close_matches(base, known, 1, _NEARLY):
        return error
    members, advice = [], []
    for key, target in entries("families").items():
        try:
            module = importlib.import_module(target.partition(":")[0])
            suggest = getattr(module, "suggestions", None)
            members += [f"{member}{at}{weights}" for member in (suggest(base) if suggest else [])]
        except ImportError:
            continue  # it is named where a member of this family is asked for
        except InputError as absent:
            advice.append(f"for {key}{base} {absent.todo}")
    if not members and not advice:
        return error
    found = f"did you mean {', '.join(members)}; or " if members else ""
    allowed = found + error.allowed.removeprefix("did you mean ")
    return UnknownNameError(error.got, allowed=allowed, todo="; ".join([error.todo, *advice]))


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
        raise unknown_name(name, group)
    return imported(known[name])


def imported(target: str) -> Any:
    """Import the attribute of "module:attribute".

    InputError if the module has no such attribute or cannot be imported, for example because a library is
    not installed, or because the module raises an error of its own.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # the module may be somebody else's
        raise InputError(
            f"{target} cannot be imported ({type(error).__name__}: {error})",
            allowed="module:attribute, with everything installed that the module needs",
            todo="install what is missing, or correct the entry of the plug-in",
        ) from error


def family(name: str) -> str | None:
    """Return the family of a model's name, by its prefix, "timm:", or its suffix, ".onnx"; or None.

    A path after @ is one of weights: "cornet_s@mine.safetensors" is CORnet-S.
    """
    keys = entries("families")
    for key in keys:
        if not key.startswith(".") and name.startswith(key):
            return key
    if name.partition("@")[0] in entries("models"):
        return None
    for key in keys:
        if key.startswith(".") and name.endswith(key):
            return key
    return None


def is_file(name: str) -> bool:
    """Return whether a model's name is a function in a file, "FILE.py:function"."""
    return ".py:" in name or name.endswith(".py")


def check_file(
    spec: str, *, what: str = "model", example: str = "-m my_model.py:make_model"
) -> tuple[Path, str]:
    """Return the file and the function of "FILE.py:function"; InputError if either is missing.

    `what` is what the function makes, `example` how the command line names one.
    """
    file, _, attribute = spec.rpartition(":")
    path = Path(file).expanduser()
    problem = None
    if not attribute or path.suffix != ".py":
        problem = "no function is named"
    elif not path.is_file():
        problem = "there is no such file"
    if problem:
        raise InputError(
            f"{what} {spec!r}: {problem}",
            allowed=f"FILE.py:function, where the function makes the {what}",
            todo=f"write for example {example}",
        )
    return path, attribute
