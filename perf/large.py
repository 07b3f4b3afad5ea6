"""Time and memory of maps to TVSD's size, measured at a fraction of it.

    python perf/large.py [--share 0.1] [--threads N] [--json FILE]

TVSD (Papale et al. 2025) has 22,248 images for training and 100 for testing; here 25,088 features, 1,024 sites, one
split. Features are drawn chunk by chunk and never held. PLS1 with 25 components costs n^2 x sites, ridge with 8
penalties on a validation part n^3 / 3 for each and n^2 x sites, both beside the Gram matrix, n^2 x features; n is the
share of the images, and the figures foreseen at full size follow from these laws. The floor of each is the same number
of multiplications as one square product in this process.
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
    pls_mb = peak_memory_mb() - start_mb
    _, *ridge_s = timed(lambda: fit_validated(features, Y, **parts, penalties=PENALTIES))
    ridge_mb = peak_memory_mb() - start_mb
    products = n**2 * FEATURES / 2  # a symmetric product
    sites = COMPONENTS * n_train**2 * SITES
    cubic = len(PENALTIES) * n_fitted**3 / 6
    solved = len(PENALTIES) * n_fitted**2 * SITES
    larger = 1 / share
    # The share of ridge's time that grows with the cube.
    cube = cubic / (cubic + solved)
    at_full_ridge = ridge_s[1] * larger**2 * (cube * larger + 1 - cube)
    return [
        row("PLS1", gram_s, pls_s, pls_s[1] * larger**2, (products + sites) / rate, pls_mb, share),
        row(
            "ridge",
            gram_s,
            ridge_s,
            at_full_ridge,
            (products + cubic + solved) / rate,
            ridge_mb,
            share,
        ),
    ]


def row(
    name: str,
    gram_s: list[float],
    map_s: list[float],
    map_at_full: float,
    floor_s: float,
    peak_mb: float,
    share: float,
) -> dict[str, Any]:
    """Return the figures of one map; seconds are of the processor but for `wall_s`."""
    at_full = gram_s[1] / share**2 + map_at_full
    minutes, gigabytes = at_full / 60, peak_mb / share**2 / 1000
    limit_minutes, limit_gb = LIMITS[name]
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    return {
        "name": name,
        "share": share,
        "gram_s": gram_s[1],
        "map_s": map_s[1],
        "wall_s": gram_s[0] + map_s[0],
        "floor_s": floor_s,
        "over_floor": (gram_s[1] + map_s[1]) / floor_s,
        "peak_mb": peak_mb,
        "full_processor_minutes": minutes,
        "full_gb": gigabytes,
        "limit_minutes": limit_minutes,
        "limit_gb": limit_gb,
        "threads": threads,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.1)
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
            f"{r['full_processor_minutes']:.0f} processor minutes, {r['full_gb']:.1f} GB",
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
