"""Composites that were named in place of benchmarks, below the scores of their members."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from brainbench.cli.console import stdout, table_of
from brainbench.cli.text import fitted
from brainbench.core.digits import between, decimal
from brainbench.ranking.table import Row
from brainbench.stats.composite import Composite

Composites = Sequence[tuple[Composite, Row]]


def print_composites(composites: Composites) -> None:
    """Print a table of composites, then what each means and why some have no value or interval."""
    table = table_of("model, composite", figures=("score", "95 % CI", "members"))
    model = None
    for composite, row in composites:
        if row.model != model:
            table.add_row(f"{row.model}{' °' if row.untrained else ''}")
            model = row.model
        table.add_row(f"  {composite.name}{' ~' if composite.simulated else ''}", *_figures(row))
    print()
    stdout().print(table)
    print(fitted("\n".join(_notes(composites)), sys.stdout))


def composite_lines(composites: Composites) -> list[str]:
    """Return each composite in a line, for output that has only scores in its table."""
    lines = []
    for composite, row in composites:
        value, interval, members = _figures(row)
        lines.append(
            f"{row.model} on {composite.name}: {value or 'none'}"
            + (f", 95 % CI {interval}" if interval else "")
            + f", {members} members"
        )
    return [*lines, *_reasons(composites)]


def composite_objects(composites: Composites) -> list[dict[str, Any]]:
    """Return composites as plain JSON values."""
    return [
        {
            "composite": composite.name,
            "model": row.model,
            "weights": row.weights,
            "value": row.combined.value,
            "ci": row.combined.ci,
            "ci_approximate": row.ci_approximate,
            "k": row.combined.k,
            "n": row.combined.n,
            "mean_of_k_of_n": row.combined.of_those,
            "why_no_ci": row.combined.why_no_ci,
            "why_not": {name: row.why_not(name) for name in composite.benchmarks},
        }
        for composite, row in composites
    ]


def _figures(row: Row) -> tuple[str, str, str]:
    combined = row.combined
    interval = between(combined.ci, approximate=row.ci_approximate)
    return decimal(combined.value), interval, f"{combined.k} of {combined.n}"


def _notes(composites: Composites) -> list[str]:
    meanings = {composite.name: composite.meaning for composite, _ in composites}
    return [f"{name}: {meaning}" for name, meaning in meanings.items()] + _reasons(composites)


def _reasons(composites: Composites) -> list[str]:
    """Return why composites have no value, or no interval."""
    lines = []
    for composite, row in composites:
        why = [f"{name} {row.why_not(name)}" for name in composite.benchmarks if row.why_not(name)]
        if why:
            lines.append(f"no {composite.name} of {row.model}: {', '.join(why)}")
        elif row.combined.why_no_ci:
            lines.append(
                f"no interval of {composite.name} of {row.model}: {row.combined.why_no_ci}"
            )
    return lines
