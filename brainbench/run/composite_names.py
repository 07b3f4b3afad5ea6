"""Composites named in place of benchmarks: their members, each by the formula that the composite takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings, Variant
from brainbench.run.identity import measure_of
from brainbench.run.loading import load_benchmark, load_composite
from brainbench.stats.composite import Composite, Member


def with_members(
    given: Sequence[Any], settings: Settings, variant: Variant
) -> tuple[list[Any], list[Composite]]:
    """Return what names benchmarks, with members in place of each composite, and these composites.

    A member has the formula of its composite, whatever the protocol's own is.

    Raises
    ------
    InputError
        A member that no package has; a formula, another map or reference models, by which the members would
        not be those of the composite.
    """
    expanded: list[Any] = []
    composites: list[Composite] = []
    for entry in given:
        parts = [part.strip() for part in entry.split(",")] if isinstance(entry, str) else []
        if not any(map(_is_composite, parts)):
            expanded.append(entry)  # a comma list stays one, of which something must be left
            continue
        for part in filter(None, parts):
            if not _is_composite(part):
                expanded.append(part)
                continue
            composite = load_composite(part)
            _check(composite, settings, variant)
            composites.append(composite)
            expanded += [_scored_as(member, settings) for member in composite.members]
    return expanded, composites


def _is_composite(name: str) -> bool:
    """Return whether a name is that of a composite, and of no benchmark."""
    return name in registry.entries("composites") and name not in registry.entries("benchmarks")


def _check(composite: Composite, settings: Settings, variant: Variant) -> None:
    known = registry.entries("benchmarks")
    missing = [name for name in composite.benchmarks if name not in known]
    if missing:
        raise InputError(
            f"composite {composite.name}: no installed package has {', '.join(missing)}",
            allowed="a composite whose members are all installed; see `brainbench list composites`",
            todo="declare the benchmarks that are missing, or name another composite",
        )
    changed = {
        "--formula": settings.formula,
        "--metric": variant.metric,
        "--beyond": variant.beyond,
    }
    for option, value in changed.items():
        if value is not None:
            raise InputError(
                f"composite {composite.name} together with {option} {value}",
                allowed="the composite as it is declared: members of another kind are no part of it",
                todo=f"omit {option}, or name the benchmarks {', '.join(composite.benchmarks)}",
            )


def _scored_as(member: Member, settings: Settings) -> Benchmark:
    """Return the benchmark of a member, with the member's formula where its own is another one."""
    benchmark = load_benchmark(member.benchmark)
    measure = measure_of(benchmark)
    rules = measure.rules.get(settings.protocol)
    formula = member.formula.rpartition("-v")[0]
    if rules is None or formula == (measure.formula or rules.formula):
        return benchmark
    return replace(benchmark, measure=replace(measure, formula=formula))
