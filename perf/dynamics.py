"""Time and memory of one linear map for all time bins, beside scikit-learn's Ridge on stacked samples.

    python perf/dynamics.py [--images 3840] [--features 1000] [--sites 256] [--json FILE]

Features lie in a file, float32, image x feature x bin, and are read in chunks. The map is fitted with a
penalty for each site, chosen from 23 by five folds over images. scikit-learn is timed on a tenth of the
images, a few of its fits (each penalty in each fold is one more), and scaled by their number.
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
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from brainbench.core.provenance import peak_memory_mb
from brainbench.metrics.temporal.shared_map import PENALTIES, fit, prepare, ridge
from brainbench.stats.splits import Split, inner

BINS = 25
LATENT = 40
LIMIT_MB = 2000.0
LIMIT_S = 60.0
RATIO_AT_LEAST = 5.0
DIFFERENCE_AT_MOST = 1e-8

Array = NDArray[Any]


def inputs(path: Path, n: int, p: int, q: int) -> tuple[Array, Array]:
    """Write features to a file, and return them and responses with the same latent causes over time."""
    rng = np.random.default_rng(0)
    to_features = rng.standard_normal((LATENT, p)).astype(np.float32)
    to_sites = rng.standard_normal((LATENT, q))
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, p, BINS))
    Y = np.empty((n, q, BINS))
    for first in range(0, n, 64):
        rows = slice(first, min(first + 64, n))
        size = (rows.stop - first, LATENT, BINS)
        cause = rng.standard_normal(size).cumsum(axis=2) / 5
        X[rows] = np.einsum("ict,cp->ipt", cause.astype(np.float32), to_features, optimize=True)
        X[rows] += rng.standard_normal((len(cause), p, BINS), np.float32)
        Y[rows] = np.einsum("ict,cq->iqt", cause, to_sites, optimize=True)
        Y[rows] += 3 * rng.standard_normal((len(cause), q, BINS))
    X.flush()
    return np.load(path, mmap_mode="r"), Y


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def folds_of(n: int) -> list[Split]:
    return inner(np.arange(n), [f"im{k:05d}" for k in range(n)])


def stacked(A: Array) -> Array:
    return np.asarray(A, dtype=np.float64).transpose(0, 2, 1).reshape(-1, A.shape[1])


def beside_sklearn(X: Array, Y: Array) -> dict[str, Any]:
    """Measure both on the same images; scikit-learn's seconds are those of three fits, scaled."""
    n = len(X)
    folds = folds_of(n)
    _, ours = timed(lambda: ridge(X, Y, np.arange(n), folds=folds))
    penalty = 1e-3 * float(np.square(stacked(X) - stacked(X).mean(axis=0)).sum())

    def one_fit() -> Ridge:
        return Ridge(penalty).fit(stacked(X), stacked(Y))

    theirs, seconds = timed(lambda: [one_fit() for _ in range(3)])
    fits = len(PENALTIES) * len(folds) * (1 - 1 / len(folds)) + 1  # a fold leaves a fifth out
    same = fit(prepare(X, np.arange(n)), Y, penalty=penalty)
    return {
        "images": n,
        "ours_s": ours,
        "sklearn_s": seconds / 3 * fits,
        "sklearn_one_fit_s": seconds / 3,
        "fits": fits,
        "ratio": seconds / 3 * fits / ours,
        "difference": float(np.abs(theirs[0].coef_.T - same.coefficients).max()),
        "stacked_mb": n * BINS * X.shape[1] * 8 / 1e6,
    }


def measure(n: int, p: int, q: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        X, Y = inputs(Path(folder) / "features.npy", n, p, q)
        folds = folds_of(n)
        before = peak_memory_mb()
        processor = time.process_time()
        fit_all, seconds = timed(lambda: ridge(X, Y, np.arange(n), folds=folds))
        processor = time.process_time() - processor
        peak = peak_memory_mb()
        subset = beside_sklearn(np.array(X[: n // 10]), Y[: n // 10])
    return {
        "images": n,
        "bins": BINS,
        "features": p,
        "sites": q,
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_mb": peak,
        "peak_before_mb": before,
        "stacked_mb": n * BINS * p * 8 / 1e6,
        "median_loss": float(np.median(np.asarray(fit_all.loss))),
        "subset": subset,
        "passed": seconds < LIMIT_S
        and peak < LIMIT_MB
        and subset["ratio"] >= RATIO_AT_LEAST
        and subset["difference"] <= DIFFERENCE_AT_MOST,
    }


def table(figures: dict[str, Any]) -> Table:
    shown = Table("", "images", "ours", "stacked Ridge", "ratio", "peak memory", "stacked samples")
    subset = figures["subset"]
    shown.add_row(
        "all",
        f"{figures['images']:,}",
        f"{figures['seconds']:.1f} s (limit {LIMIT_S:.0f} s), "
        f"{figures['processor_seconds']:.1f} s of processor time",
        "",
        "",
        f"{figures['peak_mb']:,.0f} MB (limit {LIMIT_MB:,.0f} MB)",
        f"{figures['stacked_mb']:,.0f} MB",
    )
    shown.add_row(
        "a tenth",
        f"{subset['images']:,}",
        f"{subset['ours_s']:.1f} s",
        f"{subset['sklearn_s']:.0f} s ({subset['fits']:.0f} fits of {subset['sklearn_one_fit_s']:.2f} s)",
        f"{subset['ratio']:.0f} (at least {RATIO_AT_LEAST:.0f})",
        "",
        f"{subset['stacked_mb']:,.0f} MB",
    )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=3840)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--sites", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with threadpool_limits(options.threads):
        figures = measure(options.images, options.features, options.sites)
    figures |= {"threads": options.threads, "load_at_start": load}
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(f"{options.threads} threads, load at the start {load:.2f}")
    console.print(table(figures))
    console.print(
        f"largest difference of coefficients at the same penalty: {figures['subset']['difference']:.1e}"
    )
    console.print("pass" if figures["passed"] else "FAIL")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
