"""Sections on all measures: self-test, ceilings, speed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from page.tables import cell, figure, figures, measured, run, table, text

SPEEDS = ("i2n", "ost", "ridge", "rsa")
"""Scripts that write rows with `what`, `ours_s`, `reference_s`, `reference`, `ratio`, `difference`."""


def speeds(folder: Path) -> list[str]:
    """Tabulate the speed of each measure beside a plain program."""
    return [
        "## Speed of the other measures",
        "",
        "Each pair in one run, the same number of threads, equal figures.",
        "",
        *_speeds(folder, SPEEDS),
    ]


def transfer(folder: Path) -> list[str]:
    """Tabulate the speed of the ten fits of a transfer beside scikit-learn's."""
    report = measured(folder, "transfer")
    rows = [(*_speed(r), f"{r['reference_difference']:.1e}") for r in report["rows"]]
    columns = ("what", "brainbench", "instead", "ratio", "difference", "scikit-learn's")
    return [
        "## Transfer to CIFAR-100",
        "",
        "`python perf/transfer.py`: the ten fits of `brainbench transfer` beside ten fits of scikit-learn as "
        "it is by default, in one run with the same number of threads, on drawn features. Aim: at most a "
        "third of the time. Differences are those of the probabilities of further images, for the largest C, "
        "from a fit with a tolerance of 1e-6 in place of 1e-4.",
        "",
        *table(columns, rows),
    ]


def _speeds(folder: Path, scripts: Sequence[str]) -> list[str]:
    rows = []
    for script in scripts:
        report = measured(folder, script)
        rows += [(*_speed(r), f"`perf/{script}.py`") for r in report["rows"]]
    return table(("what", "brainbench", "instead", "ratio", "difference", "script"), rows)


def _speed(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(row["what"]),
        f"{row['ours_s']:.2f} s",
        f"{row['reference_s']:.2f} s ({row['reference']})",
        f"{row['ratio']:.0f}" if row["ratio"] >= 10 else f"{row['ratio']:.1f}",
        f"{row['difference']:.1e}",
    )


def dynamics(folder: Path) -> list[str]:
    """Tabulate time and memory of one map for all time bins."""
    report = measured(folder, "dynamics")
    flat = {k: v for k, v in report.items() if not isinstance(v, dict)}
    for group, inner in report.items():
        if isinstance(inner, dict):
            flat |= {f"{group}: {k}": v for k, v in inner.items()}
    rows = [(k.replace("_", " "), text(v)) for k, v in flat.items()]
    return [
        "## One map for all time bins",
        "",
        "`python perf/dynamics.py`: ridge with its penalty chosen inside the training images, from sums, "
        "beside scikit-learn's on stacked samples of a subset.",
        "",
        *table(("", ""), rows),
    ]


def explained(folder: Path) -> list[str]:
    """Tabulate the speed of CC_norm^2 beside a loop over neurons."""
    what = "beside a loop over neurons of the published formulas."
    return figures(folder, "ccnorm", "## Speed of explainable variance", what)


def ceilings(folder: Path) -> list[str]:
    """Tabulate split-half ceilings of a published recording, and their speed."""
    what = "V4 and IT of a recording in Brain-Score's layout, and speed beside xarray and scipy."
    return figures(folder, "ceilings", "## Split-half ceilings", what)


def through_of(check: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a check that differ from the benchmark's."""
    other = {} if check["protocol"] == "paper" else {"protocol": check["protocol"]}
    return check["through"] | other


def selftest(folder: Path) -> list[str]:
    """Run every measure on known truth."""
    began = time.perf_counter()
    written, _ = run(folder, "brainbench", "selftest", "--format", "json", may_miss=True)
    seconds = time.perf_counter() - began
    rows = [
        (
            ", ".join([r["benchmark"], *(f"{k}={v}" for k, v in through_of(r).items())]),
            r["model"],
            " to ".join(f"{end:g}" for end in dict.fromkeys(r["expected"])),
            cell({**r, "value": r["measured"], "reason": "; ".join(r["wrong"])}),
            figure(r["shuffled"]) or "none",
            ", ".join(f"{name} {figure(value)}" for name, value in r["weaker"].items()),
            "pass" if r["passed"] else "MISS",
        )
        for r in json.loads(written)
    ]
    columns = ("check", "model", "expected", "found", "shuffled", "weaker", "")
    return [
        "## Self-test",
        "",
        f"`brainbench selftest`, {seconds:.0f} s with an empty cache: the measures on the simulated brain, "
        "expected beside found; the shuffled control must fall below.",
        "",
        *table(columns, rows),
    ]
