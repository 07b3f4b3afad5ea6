"""How fast ridge regression with a chosen penalty is: ratios to scikit-learn in one run, equal threads.

    python perf/ridge.py [--threads N] [--json FILE] [--only NAME ...]

Run it on an idle machine; the load at the start is printed. scikit-learn's RidgeCV, which leaves out each
training image too, is timed on one split and scaled to ten, which the table says.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import RidgeCV
from synthetic_inputs import neural
from threadpoolctl import threadpool_info, threadpool_limits

from brainbench.metrics import ridge
from brainbench.metrics.gram import gram
from brainbench.stats.splits import Split, brainscore

N_NEUROIDS = 168
N_SPLITS = 10

Array = NDArray[Any]


@dataclass(frozen=True)
class Row:
    """Ours against scikit-learn: seconds, and by how much the results differ."""

    name: str
    what: str
    ours_s: float
    reference_s: float
    reference: str
    same_penalties: bool
    difference: float
    ratio_at_least: float
    difference_at_most: float

    def report(self) -> dict[str, Any]:
        """All figures, the derived ones too."""
        ratio = self.reference_s / self.ours_s
        equal = self.same_penalties and self.difference <= self.difference_at_most
        return asdict(self) | {"ratio": ratio, "passed": equal and ratio >= self.ratio_at_least}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def inputs(n_features: int) -> tuple[Array, Array, list[Split]]:
    X, Y, ids, objects = neural(7, 64, 40, n_features, N_NEUROIDS, n_latent=60, noise=2.0)
    return X, Y, brainscore(ids, objects)


def by_sklearn(X: Array, Y: Array, split: Split, penalties: Array, per_neuroid: bool) -> Any:
    return RidgeCV(penalties, alpha_per_target=per_neuroid).fit(X[split.train], Y[split.train])


def ridge_cv(n_features: int, *, per_neuroid: bool, ratio_at_least: float) -> Row:
    X, Y, splits = inputs(n_features)
    penalties = ridge.BRAINSCORE

    def ours() -> list[ridge.Fit]:
        features = gram(X) if n_features > len(X) else X
        return ridge.cross_fit(features, Y, splits, penalties=penalties, per_neuroid=per_neuroid)

    fits, seconds = timed(ours)
    model, one_split = timed(lambda: by_sklearn(X, Y, splits[0], penalties, per_neuroid))
    theirs = np.broadcast_to(model.alpha_, N_NEUROIDS)
    kind = "each neuroid its own" if per_neuroid else "one for all"
    return Row(
        name=f"ridge-cv-{n_features}" + ("-per-neuroid" if per_neuroid else ""),
        what=f"{n_features:,} features, {len(penalties)} penalties, {kind}",
        ours_s=seconds,
        reference_s=N_SPLITS * one_split,
        reference=f"1 split ({one_split:.1f} s) x {N_SPLITS}",
        same_penalties=bool((fits[0].penalties == theirs).all()),
        difference=float(np.abs(fits[0].predicted - model.predict(X[splits[0].test])).max()),
        ratio_at_least=ratio_at_least,
        difference_at_most=1e-8,
    )


MEASUREMENTS: dict[str, Callable[[], Row]] = {
    "ridge-cv-1000": lambda: ridge_cv(1000, per_neuroid=False, ratio_at_least=5),
    "ridge-cv-1000-per-neuroid": lambda: ridge_cv(1000, per_neuroid=True, ratio_at_least=5),
    "ridge-cv-25088": lambda: ridge_cv(25088, per_neuroid=False, ratio_at_least=3),
}


def warm_up() -> None:
    X = np.random.default_rng(0).standard_normal((80, 100))
    split = Split(np.arange(60), np.arange(60, 80))
    ridge.cross_fit(X, X, [split], penalties=ridge.BRAINSCORE)
    by_sklearn(X, X, split, ridge.BRAINSCORE, False)


def table(reports: Sequence[dict[str, Any]], threads: int) -> Table:
    shown = Table(
        title=f"Ridge-CV, {N_SPLITS} splits of 2,560 images, {N_NEUROIDS} neuroids, {threads} threads"
    )
    heads = ("", "ours", "scikit-learn", "ratio", "same penalties", "predictions differ", "")
    for head in heads:
        shown.add_column(head, justify="left" if head in ("", "scikit-learn") else "right")
    for r in reports:
        shown.add_row(
            r["what"],
            f"{r['ours_s']:.2f} s",
            f"{r['reference_s']:.0f} s\n{r['reference']}",
            f"{r['ratio']:.1f}\n(at least {r['ratio_at_least']:.0f})",
            "yes" if r["same_penalties"] else "NO",
            f"{r['difference']:.1e}\n(at most {r['difference_at_most']:.0e})",
            "pass" if r["passed"] else "FAIL",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of ridge regression.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    load = os.getloadavg()[0]
    with threadpool_limits(options.threads):
        pools = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()]
        console.print(f"threads: {', '.join(pools)}; load at the start: {load:.2f}")
        warm_up()
        reports = [MEASUREMENTS[name]().report() for name in options.only]
    console.print(table(reports, options.threads))
    if options.json:
        written = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": "python perf/ridge.py",
            "threads": options.threads,
            "load_at_start": load,
            "machine": platform.machine(),
            "versions": {m.__name__: m.__version__ for m in (np, scipy, sklearn)},
            "rows": reports,
        }
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    return 0 if all(report["passed"] for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
