"""Processor seconds of `brainbench leaderboard` over a folder with many results.

    python perf/leaderboard.py [--results 50000] [--json FILE]

Made-up scores of models with random figures on twelve benchmarks of the simulated brain, in the files that
`brainbench score` writes. The index of the folder is written with them, as it is after the first leaderboard.
The floor is the JSON of that index, parsed once. Each command runs three times, and the least counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from brainbench.core import provenance, registry
from brainbench.core.score import Score
from brainbench.simulate.brain import SimulatedBrain
from brainbench.storage import index
from brainbench.storage.results import SCHEMA, _digest, _lines

SECONDS_AT_MOST = 2.0
DRAWS = 50


def fill(folder: Path, n: int) -> int:
    """Write about `n` scores, as many for each benchmark, and their index; return the number."""
    rng = np.random.default_rng(0)
    names = [name for name in registry.entries("benchmarks") if name.startswith("Simulated.")][:12]
    record = provenance.record(
        seeds={"bootstrap": 0}, hashes={"model": "", "data": SimulatedBrain().version}
    )
    entries = {}
    for name in names:
        version = registry.load("benchmarks", name).version
        (folder / name).mkdir(parents=True)
        for k in range(n // len(names)):
            value = float(rng.uniform(0.1, 0.9))
            hashes = {**record.hashes, "model": hashlib.sha256(str(k).encode()).hexdigest()}
            score = Score(
                model=f"net{k:05d}@imagenet",
                weights="imagenet",
                benchmark=name,
                value=value,
                raw=value,
                ceiling=0.9,
                ci=(value - 0.02, value + 0.02),
                draws=value + 0.01 * rng.standard_normal(DRAWS),
                version=version,
                protocol="paper",
                simulated=True,
                record=record.model_copy(update={"hashes": hashes}),
            )
            key = hashlib.sha256(f"{name} {k}".encode()).hexdigest()
            file = f"{name}/{score.model}--paper-{key[:12]}.json"
            stored = {"schema": SCHEMA, "key": key, **score.to_json()}
            stored = json.loads(json.dumps(stored, allow_nan=False, default=str))
            path = folder / file
            path.write_text(
                _lines({"schema": SCHEMA, "key": key, "digest": _digest(stored), **stored})
            )
            status = path.stat()
            times = status.st_mtime_ns, status.st_ctime_ns
            entries[file] = ((status.st_ino, status.st_size, *times), index._summary(score))
    index._write(folder, entries)
    return len(entries)


def processor_seconds(*words: str) -> float:
    """Return the processor seconds of one command, start-up included, with bytecode as where installed."""
    env = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "brainbench", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def parsing(folder: Path) -> float:
    """Return the processor seconds of the bare JSON of the index."""
    body = (folder / index.NAME).read_bytes().partition(b"\n")[2]
    start = time.process_time()
    json.loads(body)
    return time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        n = fill(Path(folder), options.results)
        seconds = min(processor_seconds("leaderboard", "-o", folder) for _ in range(3))
        report = {
            "results": n,
            "seconds": seconds,
            "start_s": min(processor_seconds("list", "models") for _ in range(3)),
            "parsing_s": parsing(Path(folder)),
            "seconds_at_most": SECONDS_AT_MOST,
            "load": os.getloadavg()[0],
        }
    table = Table(title=f"brainbench leaderboard over {n:,} results, processor seconds")
    for head in ("all", "start-up alone", "JSON of the index", "at most"):
        table.add_column(head, justify="right")
    names = ("seconds", "start_s", "parsing_s", "seconds_at_most")
    table.add_row(*(f"{report[name]:.2f}" for name in names))
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if seconds <= SECONDS_AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
