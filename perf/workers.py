"""Two workers of one thread against one: nine small networks on twelve benchmarks.

    python perf/workers.py [--limit 60] [--json FILE]

The command runs in processes of their own, always for all networks anew: with one process, with two workers,
and again with both where every score is stored, which is the start-up. What counts is the work of the busiest
worker, start-up taken off: efficiency is half the work of the one process over it.

Seconds are those of the processor, which other programs change little; those of the wall stand beside them,
with the load of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

EFFICIENCY_AT_LEAST = 0.9
BENCHMARKS = [
    *(f"Simulated.{region}-pls" for region in ("V1", "V2", "V4", "IT")),
    *(f"Simulated.{region}-{measure}" for region in ("V4", "IT") for measure in ("rsa", "cka")),
    *("Simulated.V1-ccnorm2", "Simulated.V2-ccnorm2", "Simulated.V1-ccnorm"),
    "Simulated.V2-rsa",
]
"""Twelve of less than some seconds each."""
WIDTHS = (8, 12, 16, 24, 32, 40, 48, 56, 64)
NETWORKS = f"""
import torch
import brainbench

def network(width):
    torch.manual_seed(width)
    conv = torch.nn.Conv2d
    net = torch.nn.Sequential(
        conv(3, width, 7, 8), torch.nn.ReLU(), conv(width, width, 3, 2), torch.nn.ReLU(),
        conv(width, width, 3), torch.nn.ReLU(),
    )
    layers = {{"V1": "1", "V2": "3", "V4": "5", "IT": "5"}}
    return brainbench.wrap(net, name=f"small{{width}}", weights="untrained", layers=layers)

for width in {WIDTHS}:
    globals()[f"small{{width}}"] = lambda width=width: network(width)
"""
PROGRAM = "import sys; from brainbench.cli.main import run; sys.exit(run())"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took."""

    wall_s: float
    processor_s: float  # of all its processes
    busiest_s: float  # of that one of its processes which had most of it


def cost(models: str, benchmarks: str, results: Path, limit: int, workers: int) -> Cost:
    """Return what one command takes, each of its workers in one thread."""
    words = ["score", "-m", models, "-b", benchmarks, "-o", str(results), "--limit", str(limit)]
    env = {**os.environ, "LOKY_MAX_CPU_COUNT": str(workers), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words, "--workers", str(workers), "--quiet"],
        env=env,
        stdout=subprocess.DEVNULL,
    )
    seconds: dict[int, float] = {}
    root = psutil.Process(running.pid)
    # Processes are asked as long as they run: one that has ended cannot be.
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (root, *root.children()):
                seconds[process.pid] = sum(process.cpu_times()[:2])
        time.sleep(0.5)
    if running.returncode:
        sys.exit(f"{' '.join(words)} ended with {running.returncode}")
    return Cost(
        wall_s=time.perf_counter() - began,
        processor_s=sum(seconds.values()),
        busiest_s=max(seconds.values()),
    )


def measure(limit: int) -> dict[str, object]:
    """Return what each command took, and the efficiency of two workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BRAINBENCH_CACHE"] = str(folder / "data")
        (folder / "networks.py").write_text(NETWORKS)
        models = ",".join(f"{folder}/networks.py:small{width}" for width in WIDTHS)
        benchmarks = ",".join(BENCHMARKS)
        asked = (models, benchmarks)
        # The data is made once, and each run has a copy of the cache in which nothing is of the networks.
        cost("pixels", benchmarks, folder / "pixels", limit, 1)
        costs: dict[str, Cost] = {}
        for workers in (1, 2):
            cache = folder / f"cache{workers}"
            shutil.copytree(folder / "data", cache)
            os.environ["BRAINBENCH_CACHE"] = str(cache)
            results = folder / f"results{workers}"
            costs[f"{workers}"] = cost(*asked, results, limit, workers)
            costs[f"{workers} stored"] = cost(*asked, results, limit, workers)
    one, two = costs["1"], costs["2"]
    work = one.busiest_s - costs["1 stored"].busiest_s
    shared = two.busiest_s - costs["2 stored"].busiest_s
    added = two.processor_s - costs["2 stored"].processor_s - work
    return {
        "limit": limit,
        "networks": len(WIDTHS),
        "benchmarks": len(BENCHMARKS),
        "costs": {name: asdict(each) for name, each in costs.items()},
        "work_s": work,
        "busiest_s": shared,
        "efficiency": work / shared / 2,
        "added": added / work,
        "wall_efficiency": one.wall_s / two.wall_s / 2,
        "at_least": EFFICIENCY_AT_LEAST,
        "load": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.limit)
    table = Table(title="Nine networks x twelve benchmarks, one thread for each worker")
    for head in ("", "processor seconds", "of the busiest process", "wall"):
        table.add_column(head, justify="right" if head else "left")
    for name, each in report["costs"].items():
        row = (each["processor_s"], each["busiest_s"], each["wall_s"])
        table.add_row(name, *(f"{seconds:.1f}" for seconds in row))
    Console(width=120).print(table)
    print(
        f"efficiency {report['efficiency']:.2f} (at least {EFFICIENCY_AT_LEAST}), work added "
        f"{report['added']:.1%}, by the wall {report['wall_efficiency']:.2f} at load {report['load']:.1f}"
    )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["efficiency"] >= EFFICIENCY_AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
