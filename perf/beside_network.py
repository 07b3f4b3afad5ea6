"""What a run costs beside its forward passes, and what it costs when everything is stored.

    python perf/beside_network.py [--model cornet_s@untrained-0] [--benchmarks 'Simulated.*'] [--json FILE]

The same command runs in processes of their own: for another model, which makes the data; with nothing of the
model (cold), with its activations (warm), and with its scores (stored). Processor seconds of all threads,
which other programs on the machine change little; those of the forward passes are cold less warm.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

RATIO_AT_MOST = 0.35


def processor_seconds(model: str, benchmarks: str, results: Path, *options: str) -> float:
    """Return the processor seconds of one command, start-up included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["score", "-m", model, "-b", benchmarks, "-o", str(results), *options]
    command = [sys.executable, "-m", "brainbench", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cornet_s@untrained-0")
    parser.add_argument("--benchmarks", default="Simulated.*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAINBENCH_CACHE"] = str(Path(folder) / "cache")
        results = Path(folder) / "results"
        asked = (options.model, options.benchmarks, results)
        processor_seconds("pixels", *asked[1:])  # makes the data
        cold = processor_seconds(*asked)
        warm = processor_seconds(*asked, "--overwrite", "always")
        stored = processor_seconds(*asked)
    forward = cold - warm
    report = {
        "model": options.model,
        "benchmarks": options.benchmarks,
        "forward_s": forward,
        "warm_s": warm,
        "stored_s": stored,
        "ratio": warm / forward,
        "ratio_at_most": RATIO_AT_MOST,
        "load": os.getloadavg()[0],
    }
    table = Table(title=f"{options.model} on {options.benchmarks}, processor seconds")
    for head in ("forward passes", "everything else", "ratio", "at most", "all stored"):
        table.add_column(head, justify="right")
    table.add_row(
        f"{forward:.1f}",
        f"{warm:.1f}",
        f"{warm / forward:.2f}",
        f"{RATIO_AT_MOST:g}",
        f"{stored:.1f}",
    )
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["ratio"] <= RATIO_AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
