"""How fast object solution times are decoded: all bins and splits together, against a loop over them.

    python perf/ost.py [--threads N] [--json FILE] [--only NAME ...]

The loop is what a user writes, with torch's own layer and optimiser for the published schedule, and with
scikit-learn for the minimum of the loss. Both give the same probabilities, which is checked. The wide layer
is timed on one fit of scikit-learn and scaled, which the table says. `converged` decodes one bin per core.
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
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from brainbench.metrics.ost_decoder import PENALTY, Decoder, decode
from brainbench.metrics.ost_training import initial_weights
from brainbench.stats.splits import Split, paper

BINS = 18

Array = NDArray[Any]


@dataclass(frozen=True)
class Row:
    """Ours against a loop: seconds, and by how much the probabilities differ."""

    name: str
    what: str
    ours_s: float
    reference_s: float
    reference: str
    difference: float
    ratio_at_least: float
    difference_at_most: float

    def report(self) -> dict[str, Any]:
        """All figures, the derived ones too."""
        ratio = self.reference_s / self.ours_s
        passed = ratio >= self.ratio_at_least and self.difference <= self.difference_at_most
        return asdict(self) | {"ratio": ratio, "passed": passed}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def inputs(
    n: int, n_features: int, n_classes: int, n_bins: int
) -> tuple[list[Array], Array, list[Split]]:
    """Features of each bin, whose classes come apart over time; labels; ten folds."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    centres = rng.standard_normal((n_classes, n_features), dtype=np.float32)
    bins = [
        rng.standard_normal((n, n_features), dtype=np.float32) + k / n_bins * centres[labels]
        for k in range(n_bins)
    ]
    return bins, labels, paper([f"image{k:04d}" for k in range(n)], labels)


def plain_training(
    X: Array, labels: Array, split: Split, how: Decoder, *, bin_number: int, split_number: int
) -> Array:
    """The published training of one decoder, with torch's own layer and optimiser."""
    train, test = split
    scaler = StandardScaler().fit(X[train])
    z = torch.tensor(scaler.transform(X[train]), dtype=torch.float32)
    y = torch.tensor(labels[train])
    n_classes = int(labels.max()) + 1
    rng = np.random.default_rng(np.random.SeedSequence([how.seed, bin_number, split_number]))
    layer = torch.nn.Linear(X.shape[1], n_classes)
    with torch.no_grad():
        drawn = initial_weights(rng, X.shape[1], n_classes, kind=how.initialiser)
        layer.weight.copy_(torch.from_numpy(drawn.T))
        layer.bias.fill_(1.0)
    optimiser = torch.optim.Adam(layer.parameters(), lr=how.learning_rate)
    for _ in range(how.epochs):
        order, total = torch.from_numpy(rng.permutation(len(train))), 0.0
        for rows in torch.split(order, how.batch):
            size = sum((part**2).sum() for part in layer.parameters())
            loss = torch.nn.functional.cross_entropy(layer(z[rows]), y[rows])
            loss = loss + 0.5 * how.penalty * size
            total += loss.item() * len(rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if total / len(train) < how.tolerance:
            break
    with torch.no_grad():
        asked = torch.tensor(scaler.transform(X[test]), dtype=torch.float32)
        return np.asarray(torch.softmax(layer(asked), dim=1))


def by_sklearn(X: Array, labels: Array, split: Split) -> Array:
    """The minimum of the loss."""
    train, test = split
    scaler = StandardScaler().fit(X[train].astype(np.float64))
    fit = LogisticRegression(C=1 / (PENALTY * len(train)), tol=1e-8, max_iter=10_000)
    fit.fit(scaler.transform(X[train].astype(np.float64)), labels[train])
    return np.asarray(fit.predict_proba(scaler.transform(X[test].astype(np.float64))))


def difference(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def published() -> Row:
    bins, labels, splits = inputs(1320, 424, 10, BINS)
    how = Decoder()
    made, seconds = timed(lambda: list(decode(bins, labels, splits, how=how)))

    def loop() -> list[Array]:
        return [
            plain_training(X, labels, split, how, bin_number=b, split_number=k)
            for b, X in enumerate(bins)
            for k, split in enumerate(splits)
        ]

    theirs, reference = timed(loop)
    return Row(
        name="published",
        what="published schedule, 1,320 images, 424 sites, 10 objects, 18 bins, 10 splits",
        ours_s=seconds,
        reference_s=reference,
        reference="torch.nn.Linear and torch.optim.Adam in a loop",
        difference=difference([one for found in made for one in found], theirs),
        ratio_at_least=1.5,
        difference_at_most=1e-4,
    )


def converged() -> Row:
    bins, labels, splits = inputs(320, 96, 8, BINS)
    how = Decoder(name="converged")
    made, seconds = timed(lambda: list(decode(bins, labels, splits, how=how)))
    theirs, reference = timed(
        lambda: [by_sklearn(X, labels, split) for X in bins for split in splits]
    )
    return Row(
        name="converged",
        what="converged, 320 images, 96 sites, 8 objects, 18 bins, 10 splits",
        ours_s=seconds,
        reference_s=reference,
        reference="sklearn.linear_model.LogisticRegression in a loop",
        difference=difference([one for found in made for one in found], theirs),
        ratio_at_least=1.2,
        difference_at_most=1e-5,
    )


def wide() -> Row:
    bins, labels, splits = inputs(320, 25_088, 8, 2)
    how = Decoder(name="converged")
    made, seconds = timed(lambda: list(decode(bins, labels, splits, how=how)))
    theirs, one = timed(lambda: by_sklearn(bins[1], labels, splits[0]))
    return Row(
        name="wide",
        what="converged, 320 images, 25,088 features in 2 states (CORnet-S, IT), 10 splits",
        ours_s=seconds,
        reference_s=one * len(bins) * len(splits),
        reference=f"LogisticRegression, 1 fit ({one:.1f} s) x 20",
        difference=difference([made[1][0]], [theirs]),
        ratio_at_least=5.0,
        difference_at_most=1e-4,
    )


MEASUREMENTS: dict[str, Callable[[], Row]] = {
    "published": published,
    "converged": converged,
    "wide": wide,
}


def warm_up() -> None:
    bins, labels, splits = inputs(40, 5, 2, 1)
    for name in ("published", "converged"):
        list(decode(bins, labels, splits, how=Decoder(name=name, epochs=1)))
    plain_training(bins[0], labels, splits[0], Decoder(epochs=1), bin_number=0, split_number=0)
    by_sklearn(bins[0], labels, splits[0])


def table(reports: Sequence[dict[str, Any]], threads: int) -> Table:
    shown = Table(title=f"decoders of object solution times, {threads} threads for both")
    for head in ("", "ours", "a loop", "ratio", "largest difference", ""):
        shown.add_column(head, justify="left" if head in ("", "a loop") else "right")
    for r in reports:
        shown.add_row(
            r["what"],
            f"{r['ours_s']:.2f} s",
            f"{r['reference_s']:.1f} s\n{r['reference']}",
            f"{r['ratio']:.1f}\n(at least {r['ratio_at_least']:g})",
            f"{r['difference']:.1e}\n(at most {r['difference_at_most']:.0e})",
            "pass" if r["passed"] else "FAIL",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of object solution times.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    load = os.getloadavg()[0]
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        warm_up()
        reports = [MEASUREMENTS[name]().report() for name in options.only]
    console.print(f"load at the start: {load:.2f}")
    console.print(table(reports, options.threads))
    if options.json:
        written = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": "python perf/ost.py",
            "threads": options.threads,
            "load_at_start": load,
            "machine": platform.machine(),
            "versions": {m.__name__: m.__version__ for m in (np, scipy, sklearn, torch)},
            "rows": reports,
        }
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    return 0 if all(report["passed"] for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
