"""Time and memory of maps to TVSD's size, measured at a fraction of it.

    python perf/large.py [--share 0.25] [--threads N] [--json FILE]

TVSD (Papale et al. 2025) has 22,248 images for training and 100 for testing; here with 25,088 features, 1,024
sites and one split. Features are drawn chunk by chunk and never held. With n images, the Gram matrix costs
n^2 x features, PLS1 n^2 x sites, ridge n^3 for each penalty and n^2 x sites; inner products and their factor
take n^2 numbers, everything else n. What is foreseen at full size follows from these laws. The floor is the
time of as many multiplications in a symmetric product in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from brainbench.core.provenance import peak_memory_mb
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.pls import cross_predict
from brainbench.metrics.linear.validated_ridge import fit_validated

TRAIN, TEST, FEATURES, SITES = 22_248, 100, 25_088, 1_024
COMPONENTS = 25
PENALTIES = np.logspace(-4, 3, 8)
CHUNK = 1024
LIMITS = {"PLS1": (15.0, 6.0), "ridge": (30.0, 10.0)}
"""Minutes and GB at full size."""

Array = NDArray[Any]


def chunks(n: int) -> Iterator[Array]:
    """Yield features of n images, a few columns at a time, with 200 causes that responses share."""
    causes = np.random.default_rng(0).standard_normal((n, 200)).astype(np.float32)
    for first in range(0, FEATURES, CHUNK):
        rng, width = np.random.default_rng([1, first]), min(CHUNK, FEATURES - first)
        mixed = causes @ rng.standard_normal((200, width), np.float32)
        yield mixed + 10 * rng.standard_normal((n, width), np.float32)


def responses(n: int) -> Array:
    """Return responses of all sites, half of their variance noise."""
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((n, 200)).astype(np.float32)
    signal = causes @ rng.standard_normal((200, SITES))
    return np.asarray(signal + 14 * rng.standard_normal((n, SITES)))


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a result, its wall and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - processor


def multiplications_per_second(n: int = 1024) -> float:
    """Return how many a square product does per second of this process."""
    A = np.random.default_rng(0).standard_normal((n, n))
    return n**3 / min(timed(lambda: A @ A)[2] for _ in range(3))


def measure(share: float) -> list[dict[str, Any]]:
    """Return a row for each map: seconds at this share and at full size, floor and memory."""
    start_mb, n_train = peak_memory_mb(), round(TRAIN * share)
    rate = multiplications_per_second()
    n = n_train + TEST
    train, test = np.arange(n_train), np.arange(n_train, n)
    features, *gram_s = timed(lambda: gram(chunks(n)))
    Y = responses(n)
    n_fitted = round(0.9 * n_train)
    parts = {"train": train[:n_fitted], "validation": train[n_fitted:], "test": test}
    _, *pls_s = timed(lambda: cross_predict(features, Y, [(train, test)], n_components=COMPONENTS))
    pls_mb = peak_memory_mb()
    _, *ridge_s = timed(lambda: fit_validated(features, Y, **parts, penalties=PENALTIES))
    ridge_mb = peak_memory_mb()
    square_mb = 8e-6 * n**2
    sites = COMPONENTS * n_train**2 * SITES
    cubic, solved = len(PENALTIES) * n_fitted**3 / 6, len(PENALTIES) * n_fitted**2 * SITES
    gram_floor = n**2 * FEATURES / 2 / rate
    cube = cubic / (cubic + solved)  # the share of ridge's time that grows with the cube
    memory = {
        "PLS1": (start_mb, square_mb, pls_mb),
        "ridge": (start_mb, square_mb + 8e-6 * n_fitted**2, ridge_mb),
    }
    at_full = {
        "PLS1": pls_s[1] / share**2,
        "ridge": ridge_s[1] / share**2 * (cube / share + 1 - cube),
    }
    return [
        {
            "name": name,
            "share": share,
            "gram_s": gram_s[1],
            "map_s": map_s[1],
            "wall_s": gram_s[0] + map_s[0],
            "floor_s": gram_floor + work / rate,
            "over_floor": (gram_s[1] + map_s[1]) / (gram_floor + work / rate),
            "peak_mb": memory[name][2],
            "full_processor_minutes": (gram_s[1] / share**2 + at_full[name]) / 60,
            "wall_over_processor": (gram_s[0] + map_s[0]) / (gram_s[1] + map_s[1]),
            "full_gb": full_gb(*memory[name], share=share),
            "limit_minutes": LIMITS[name][0],
            "limit_gb": LIMITS[name][1],
        }
        for name, map_s, work in (("PLS1", pls_s, sites), ("ridge", ridge_s, cubic + solved))
    ]


def full_wall_minutes(row: dict[str, Any]) -> float:
    """Return the minutes that pass at full size, with as many threads and as idle a machine as here."""
    minutes: float = row["full_processor_minutes"] * row["wall_over_processor"]
    return minutes


def full_gb(start_mb: float, square_mb: float, peak_mb: float, *, share: float) -> float:
    """Return the memory at full size: what the process starts with, squares of n, and multiples of n."""
    rest = max(peak_mb - start_mb - square_mb, 0.0)
    return (start_mb + square_mb / share**2 + rest / share) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with threadpool_limits(options.threads):
        rows = measure(options.share)
    table = Table(title=f"TVSD's size, measured at {options.share:g} of the images")
    for head in ("", "Gram", "map", "floor", "over floor", "memory", "full size", "limit"):
        table.add_column(head, justify="right" if head else "left")
    for r in rows:
        table.add_row(
            r["name"],
            f"{r['gram_s']:.1f} s",
            f"{r['map_s']:.1f} s",
            f"{r['floor_s']:.1f} s",
            f"{r['over_floor']:.2f}",
            f"{r['peak_mb']:.0f} MB",
            f"{full_wall_minutes(r):.0f} minutes, {r['full_processor_minutes']:.0f} of the processor, "
            f"{r['full_gb']:.1f} GB",
            f"{r['limit_minutes']:g} minutes, {r['limit_gb']:g} GB",
        )
    Console(width=140).print(table)
    if options.json:
        options.json.write_text(
            json.dumps({"load": os.getloadavg()[0], "rows": rows}, indent=2) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
