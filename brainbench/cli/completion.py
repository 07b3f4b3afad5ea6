"""Completion of names in a shell, from what the plug-ins list; nothing is imported that takes time."""

from __future__ import annotations

from collections.abc import Iterable

from brainbench.core import registry
from brainbench.core.registry import Group


def models(incomplete: str) -> list[str]:
    """Return the names of models, and beginnings of families as "timm:", that begin so."""
    families = [key for key in registry.entries("families") if not key.startswith(".")]
    return _beginning([*registry.entries("models"), *families], incomplete)


def benchmarks(incomplete: str) -> list[str]:
    """Return the names of benchmarks that begin so."""
    return _beginning(registry.entries("benchmarks"), incomplete)


def benchmarks_and_composites(incomplete: str) -> list[str]:
    """Return the names of benchmarks and composites that begin so."""
    return _beginning(_names("benchmarks", "composites"), incomplete)


def data_sets(incomplete: str) -> list[str]:
    """Return the names of data sets that begin so."""
    return _beginning(registry.entries("data"), incomplete)


def everything(incomplete: str) -> list[str]:
    """Return the names of models, benchmarks, data sets and composites that begin so."""
    return _beginning(_names("models", "benchmarks", "data", "composites"), incomplete)


def _names(*groups: Group) -> list[str]:
    return [name for group in groups for name in registry.entries(group)]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Return names that begin as the last part of a comma list, after its other parts."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]
