"""Scores of a network whose layer is chosen among 16 on macaque V4, against the forward passes.

    python perf/real_selection.py [--sessions 190923 201025 210224 210325] [--json FILE]

EfficientNet-Lite0 on Cowley2023: forward passes with all layers written to a cache, then scores of PLS and
ridge-cv from them, in processor seconds of one thread; peak memory of the process so far. The floor of a
score is its bare arithmetic at the speed of this process: a symmetric product for each layer, and in each of
50 inner folds and layer the products of inner products and sites, once for each of 25 components (PLS), or
one eigendecomposition (ridge-cv). The recordings are those of real_v4.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from real_v4 import shared
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from brainbench import load_benchmark, load_model
from brainbench.core.presentation import CONSTANT
from brainbench.core.provenance import peak_memory_mb
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.scoring.pipeline import score as score_model

MODEL = "efficientnet_lite0"
SESSIONS = ("190923", "201025", "210224", "210325")
OUTER, INNER, COMPONENTS = 10, 5, 25
RATIO_AT_MOST = {"Cowley2023.V4-pls": 1.0, "Cowley2023.V4-ridge": 1.2}


def processor_seconds(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of a call and what it returned."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def floor(n: int, features: list[int], n_sites: int) -> dict[str, float]:
    """Return the seconds of the bare arithmetic of one session, for each benchmark."""
    square = np.random.default_rng(0).standard_normal((1024, 1024))
    rate = 1024**3 / min(processor_seconds(lambda: square @ square)[0] for _ in range(3))
    n_inner = round(n * (1 - 1 / OUTER) * (1 - 1 / INNER))
    K = square[:, :n_inner].T @ square[:, :n_inner]
    eigenvectors = min(processor_seconds(lambda: np.linalg.eigh(K))[0] for _ in range(3))
    products = n**2 * sum(features) / 2 / rate
    folds = OUTER * INNER * len(features)
    return {
        "Cowley2023.V4-pls": products + folds * COMPONENTS * n_inner**2 * n_sites / rate,
        "Cowley2023.V4-ridge": products + folds * eigenvectors,
    }


def measure(names: list[str]) -> list[dict[str, Any]]:
    """Return a row for each benchmark: seconds of all sessions, floor and memory."""
    model = load_model(MODEL)
    sessions = open_dataset("Cowley2023").sessions()  # type: ignore[attr-defined]
    forward, rows = 0.0, {name: {"seconds": 0.0, "floor_s": 0.0} for name in RATIO_AT_MOST}
    for session in names:
        shown = sessions[session].stimuli()
        layers = model.areas["V4"]
        seconds, found = processor_seconds(lambda: model.activations(shown, layers, CONSTANT))  # noqa: B023
        forward += seconds
        features = [one.sizes["neuroid"] for one in found.values()]
        for name, row in rows.items():
            benchmark = load_benchmark(name).on(sessions[session])
            seconds, score = processor_seconds(
                lambda: score_model(benchmark, model, Settings())  # noqa: B023
            )
            row["seconds"] += seconds
            row["floor_s"] += floor(len(shown), features, score.n_units)[name]
            row["peak_mb"] = peak_memory_mb()
    return [
        {
            "benchmark": name,
            "sessions": names,
            "forward_s": forward,
            **row,
            "over_floor": row["seconds"] / row["floor_s"],
            "ratio": row["seconds"] / forward,
            "ratio_at_most": RATIO_AT_MOST[name],
            "load": os.getloadavg()[0],
        }
        for name, row in rows.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", nargs="+", default=list(SESSIONS), choices=SESSIONS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not shared().is_dir():
        sys.exit(f"{shared()} is absent; BRAINBENCH_SHARED names the folder with the recordings")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        os.environ["BRAINBENCH_DATA"] = str(Path(folder) / "data")
        os.environ["BRAINBENCH_CACHE"] = str(Path(folder) / "cache")
        open_dataset("Cowley2023").import_from(shared())  # type: ignore[attr-defined]
        rows = measure(options.sessions)
    table = Table(title=f"{MODEL}, 16 layers, processor seconds of one thread")
    for head in ("", "score", "floor", "forward passes", "ratio", "at most", "memory"):
        table.add_column(head, justify="right" if head else "left")
    for r in rows:
        table.add_row(
            r["benchmark"],
            *(f"{r[key]:.1f}" for key in ("seconds", "floor_s", "forward_s")),
            f"{r['ratio']:.2f}",
            f"{r['ratio_at_most']:g}",
            f"{r['peak_mb']:.0f} MB",
        )
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    return 0 if all(r["ratio"] <= r["ratio_at_most"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
