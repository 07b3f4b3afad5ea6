"""Cost forecast of `--dry-run` beside the cost of the run.

    python perf/estimate.py [--json FILE]

Each command is first given with --dry-run and then without, with the same empty cache (only the simulated
brain is in it). The aim is a factor of 2 either way for the time in the network, memory and disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

AIM = 2.0
COMMANDS = (
    "-m cornet_s@untrained-0 -b Simulated.*",
    "-m pixels -b Simulated.*",
    "-m cornet_s@untrained-0,simulated_population -b Simulated.IT-pls,Simulated.IT-dynamics",
)
PROGRAM = Path(sys.executable).parent / "brainbench"


def run(folder: Path, command: str, *more: str) -> tuple[str, str, float]:
    env = {**os.environ, "BRAINBENCH_CACHE": str(folder)}
    began = time.perf_counter()
    done = subprocess.run(
        [str(PROGRAM), "score", *command.split(), "-o", str(folder / "results"), *more],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr, time.perf_counter() - began


def size_gb(folder: Path) -> float:
    files = [path for path in (folder / "activations").rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1e9


def measure(command: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        foreseen, _, _ = run(folder, command, "--dry-run", "--format", "json")
        estimates = json.loads(foreseen)["estimates"]
        _, stderr, _ = run(folder, command, "--format", "json")
        peak = re.search(r"peak\s+memory\s+([\d.]+)\s+GB", stderr)
        forward = re.search(r"forward\s+passes\s+([\d.]+)\s+s", stderr)
        assert peak is not None
        assert forward is not None
        actual = {
            "forward_seconds": float(forward[1]),
            "memory_gb": float(peak[1]),
            "disk_gb": size_gb(folder),
        }
    expected = {
        "forward_seconds": sum(one["forward_seconds"] for one in estimates),
        "memory_gb": max(one["memory_gb"] for one in estimates),
        "disk_gb": sum(one["disk_gb"] for one in estimates),
    }
    return {
        "command": command,
        "expected": expected,
        "actual": actual,
        "ratio": {key: expected[key] / actual[key] for key in actual},
        "unknown": [reason for one in estimates for reason in one["unknown"]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(command) for command in COMMANDS]
    for row in rows:
        print(row["command"])
        for key, ratio in row["ratio"].items():
            print(f"  {key:<10} {row['expected'][key]:8.2f} {row['actual'][key]:8.2f} {ratio:6.2f}")
    if options.json:
        options.json.write_text(json.dumps({"aim": AIM, "rows": rows}, indent=1))
    ratios = [ratio for row in rows for ratio in row["ratio"].values()]
    return 0 if all(1 / AIM <= ratio <= AIM for ratio in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
