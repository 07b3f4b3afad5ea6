"""Time and memory of reverse predictivity and dynamics on a stand-in of MajajHong2015public in full size.

    python perf/full_size.py [--json FILE]

3,200 images; 148,480 presentations of 256 sites, or 37,760 over 26 bins of 10 ms, in the published layout.
The model is `gabor`, whose forward passes are included. Each score is computed in a process of its own:
processor seconds of all threads, start-up included, and the peak of its memory.
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
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

CASES = (
    ("MajajHong2015public.IT-reverse", "brainscore"),
    ("MajajHong2015public.IT-reverse", "paper"),
    ("MajajHong2015public.IT-dynamics", "brainscore"),
    ("MajajHong2015public.IT-dynamics", "paper"),
)
STATIC, OVER_TIME = "MajajHong2015public", "MajajHong2015temporal"
TRIALS = {STATIC: (28, 51), OVER_TIME: (11, 12)}
SIZE = {"per_object": 400, "sites": (88, 168)}


def data_of(benchmark: str) -> str:
    """Return the name of the data set that a benchmark reads."""
    return OVER_TIME if benchmark.endswith("-dynamics") else STATIC


def make(name: str, folder: Path) -> None:
    """Write a stand-in and import it."""
    import standins

    from brainbench.data.manifest import open_dataset

    folder.mkdir()
    made = standins.MAKERS[name](folder, name, trials=TRIALS[name], **SIZE)
    (folder / "manifest.json").write_text(json.dumps(made.table("http://127.0.0.1:9")))
    with pytest.MonkeyPatch.context() as patch:
        made.register(patch)
        open_dataset(name).import_from(made.folder)


def score(benchmark: str, protocol: str, folder: Path) -> dict[str, Any]:
    """Return the figures of one score, with its cost in this process."""
    import brainbench
    import brainbench_manifests

    table = json.loads((folder / "manifest.json").read_text())
    setattr(brainbench_manifests, data_of(benchmark).lower(), table)
    found = brainbench.score("gabor", benchmark, protocol=protocol)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "benchmark": benchmark,
        "protocol": protocol,
        "value": found.value,
        "ci": found.ci,
        "units": found.n_units,
        "processor_s": used.ru_utime + used.ru_stime,
        "peak_gb": used.ru_maxrss / 1e6,
    }


def measured(*words: str) -> dict[str, Any]:
    """Return what this script writes in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--make", nargs=2, metavar=("NAME", "DIR"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--score", nargs=3, metavar=("BENCHMARK", "PROTOCOL", "DIR"), help=argparse.SUPPRESS
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.make:
        make(options.make[0], Path(options.make[1]))
        return 0
    if options.score:
        benchmark, protocol, folder = options.score
        print(json.dumps(score(benchmark, protocol, Path(folder))))
        return 0
    with tempfile.TemporaryDirectory() as root:
        os.environ |= {"BRAINBENCH_DATA": f"{root}/data", "BRAINBENCH_CACHE": f"{root}/cache"}
        for name in (STATIC, OVER_TIME):
            measured("--make", name, f"{root}/{name}")
        rows = [measured("--score", *case, f"{root}/{data_of(case[0])}") for case in CASES]
    shown = Table(title="gabor on a stand-in of full size")
    for head in ("benchmark", "protocol", "value", "processor seconds", "peak GB"):
        shown.add_column(head)
    for row in rows:
        costs = (f"{row['value']:.3f}", f"{row['processor_s']:.0f}", f"{row['peak_gb']:.2f}")
        shown.add_row(row["benchmark"], row["protocol"], *costs)
    Console(width=120).print(shown)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
