"""Commands of the results page, and tables of their output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = Path(os.environ.get("BRAINBENCH_SHARED", ROOT.parent / "shared")) / "data"
FOLDERS = {
    "Cichy2014": "cichy2014_92",
    "Cowley2023": "cowley_v4",
    "Geirhos2019": "cue_conflict_behaviour",
    "Geirhos2019edges": "geirhos2019_edges_silhouettes",
    "Geirhos2019silhouettes": "geirhos2019_edges_silhouettes",
    "Henaff2021": "henaff2021_v1",
    "Kriegeskorte2008": "kriegeskorte92",
}
"""Data set -> the folder of `SHARED` with its files."""


def run(folder: Path, *command: str, may_miss: bool = False) -> tuple[str, str]:
    """Run a command of the environment with a cache of its own; return stdout and stderr.

    With `may_miss` it may end with 1, as perf scripts do when an aim is missed: the page shows it.
    """
    own = {"BRAINBENCH_CACHE": str(folder / "cache"), "BRAINBENCH_DATA": str(folder / "data")}
    env = {**os.environ, **own}
    program = Path(sys.executable).parent / command[0]
    print("$", " ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode not in ((0, 1) if may_miss else (0,)):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}{done.stdout}")
    return done.stdout, done.stderr


def import_sets(folder: Path, names: Iterable[str]) -> None:
    """Import data sets of `FOLDERS` into the data folder of `run`."""
    for name in names:
        run(folder, "brainbench", "data", "import", name, "--from", str(SHARED / FOLDERS[name]))


def measured(folder: Path, script: str, *options: str) -> dict[str, Any]:
    """Run a perf script, and return the figures that it writes with --json."""
    path = folder / f"{script}.json"
    run(folder, "python", f"perf/{script}.py", *options, "--json", str(path), may_miss=True)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return a markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def figure(value: float | None, digits: int = 3) -> str:
    """Format a number with `digits` decimals; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def cell(score: dict[str, Any]) -> str:
    """Format value and interval of a score, or why it has none."""
    if score["value"] is None:
        if score["status"] == "not_applicable":
            return "none"
        return (
            "not here"
            if score["status"] == "data_absent"
            else f"failed: {score['reason'].splitlines()[0]}"
        )
    if score["ci"] is None:
        return figure(score["value"])
    low, high = score["ci"]
    about = "≈ " if score["ci_approximate"] else ""
    return f"{figure(score['value'])} [{about}{figure(low)}, {figure(high)}]"


def scores_by_benchmark(scores: Sequence[dict[str, Any]]) -> list[str]:
    """Return a table with a row for each benchmark and a column for each model."""
    cells = {(s["benchmark"], s["model"]): s for s in scores}
    benchmarks = list(dict.fromkeys(s["benchmark"] for s in scores))
    models = list(dict.fromkeys(s["model"] for s in scores))
    rows = []
    for benchmark in benchmarks:
        row = [cells[benchmark, model] for model in models]
        known = next((score for score in row if score["value"] is not None), row[0])
        about = (known["formula"].rpartition("-v")[0], figure(known["ceiling"]), known["n_units"])
        mark = " ~" if known["simulated"] else ""
        rows.append((benchmark + mark, *about, *(cell(score) for score in row)))
    untrained = {s["model"] for s in scores if s["untrained"]}
    marked = [f"{model} °" if model in untrained else model for model in models]
    return table(("benchmark", "score", "c", "units", *marked), rows)


def reasons(scores: Sequence[dict[str, Any]]) -> list[str]:
    """Return why benchmarks do not apply, each reason once."""
    said = [s["reason"].splitlines()[0] for s in scores if s["status"] == "not_applicable"]
    return [f"None: {'; '.join(dict.fromkeys(said))}.", ""] if said else []


def text(value: Any) -> str:
    """Format a number with five digits, anything else as it is."""
    return f"{value:.5g}" if isinstance(value, int | float) else str(value)


def figures(folder: Path, script: str, title: str, what: str, *options: str) -> list[str]:
    """Return a section with one row per figure of a perf script."""
    report = measured(folder, script, *options)
    rows = [(name.replace("_", " "), text(value)) for name, value in report.items()]
    return [title, "", f"`python perf/{script}.py`: {what}", "", *table(("", ""), rows)]
