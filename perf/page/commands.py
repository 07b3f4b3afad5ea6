"""Sections on the program itself: the main command, dry runs, precision."""

from __future__ import annotations

import time
from pathlib import Path

from page.tables import figure, measured, run, table


def main_command(folder: Path) -> list[str]:
    """Run the command of `make score`, first with an empty cache, then with a full one."""
    command = "brainbench score --model cornet_s --benchmark all --weights untrained"
    results = ("-o", str(folder / "results"))
    _, first = run(folder, *command.split(), *results)
    _, again = run(folder, *command.split(), *results)
    _, redone = run(folder, *command.split(), *results, "--overwrite", "always")
    began = time.perf_counter()
    run(folder, "brainbench", "--help")
    seconds = time.perf_counter() - began
    rows = [
        ("`brainbench --help`", f"{seconds:.2f} s"),
        ("first run, nothing cached", cost(first)),
        ("again: scores are stored", cost(again)),
        ("again with `--overwrite always`: activations are cached", cost(redone)),
    ]
    return ["## The main command", "", f"`{command}`", "", *table(("run", "cost"), rows)]


def cost(stderr: str) -> str:
    """Return the last line of a run: time in the network, everything else, memory."""
    return [line for line in stderr.splitlines() if "peak memory" in line][-1]


def foreseen(folder: Path) -> list[str]:
    """Compare the forecast of a dry run with the cost of the run."""
    report = measured(folder, "estimate")
    rows = [
        (
            f"`{r['command']}`",
            *(
                f"{r['expected'][key]:.2f} / {r['actual'][key]:.2f} = {r['ratio'][key]:.2f}"
                for key in ("seconds", "memory_gb", "disk_gb")
            ),
        )
        for r in report["rows"]
    ]
    return [
        "## What `--dry-run` foresees",
        "",
        f"`python perf/estimate.py`: foreseen / taken, for time, memory and disk; the aim is a factor of "
        f"{report['aim']:g} either way.",
        "",
        *table(("`brainbench score ...`", "seconds", "GB of memory", "GB in the cache"), rows),
    ]


def precision(folder: Path) -> list[str]:
    """Tabulate what bfloat16 changes, and say why float32 is the default."""
    report = measured(folder, "precision")
    rows = [
        (
            r["benchmark"],
            figure(r["float32"], 4),
            figure(r["bf16"], 4),
            "" if r["change"] is None else f"{r['change']:+.4f}",
            "" if r["ci"] is None else f"{r['ci'][0]:.3f} to {r['ci'][1]:.3f}",
        )
        for r in report["rows"]
    ]
    largest = max(abs(r["change"]) for r in report["rows"] if r["change"] is not None)
    speed = report["forward"]
    return [
        "## Precision",
        "",
        f"`python perf/precision.py`: `{report['model']}` (seeded random weights) on the simulated brain "
        "with `--precision float32` and `bf16`.",
        "",
        *table(("benchmark", "float32", "bf16", "change", "95 % interval, float32"), rows),
        f"Here the network answers {speed['float32']['images_per_second']:.1f} images/s in float32 and "
        f"{speed['bf16']['images_per_second']:.1f} in bf16, {report['ratio']:.2f} times as many. The "
        f"largest change of a score is {largest:.4f}. float32 is the default: figures are compared across "
        "machines to more digits than bfloat16 keeps, not every processor has bfloat16, and the passes "
        "are made once and cached. A model in bf16 has `+bf16` in its name.",
        "",
    ]
