"""Speed of the decoders of object solution times, beside a loop over bins and splits.

    python perf/ost.py [--threads N] [--json FILE] [--only NAME ...]

The loop is what a user writes, with torch's own layer and optimizer for the published schedule, and with
scikit-learn for the minimum of the loss. Both give the same probabilities, which is checked. The wide layer
is timed on one fit of scikit-learn and scaled, which the table says. `converged` decodes one bin per core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy
import sklearn
import torch
from bench import Bench, Row, timed
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from brainbench.metrics.solution_times.decoder import PENALTY, Decoder, decode
from brainbench.metrics.solution_times.published_training import initial_weights
from brainbench.stats.splits import Split, paper

BINS = 18

Array = NDArray[Any]


def inputs(
    n: int, n_features: int, n_classes: int, n_bins: int
) -> tuple[list[Array], Array, list[Split]]:
    """Return features of each bin, whose classes separate over time, labels, and ten folds."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    centers = rng.standard_normal((n_classes, n_features), dtype=np.float32)
    bins = [
        rng.standard_normal((n, n_features), dtype=np.float32) + k / n_bins * centers[labels]
        for k in range(n_bins)
    ]
    return bins, labels, paper([f"image{k:04d}" for k in range(n)], labels)


def plain_training(
    X: Array, labels: Array, split: Split, how: Decoder, *, bin_number: int, split_number: int
) -> Array:
    """Train one decoder as published, with torch's own layer and optimizer."""
    train, test = split
    scaler = StandardScaler().fit(X[train])
    z = torch.tensor(scaler.transform(X[train]), dtype=torch.float32)
    y = torch.tensor(labels[train])
    n_classes = int(labels.max()) + 1
    rng = np.random.default_rng(np.random.SeedSequence([how.seed, bin_number, split_number]))
    layer = torch.nn.Linear(X.shape[1], n_classes)
    with torch.no_grad():
        drawn = initial_weights(rng, X.shape[1], n_classes, kind=how.initializer)
        layer.weight.copy_(torch.from_numpy(drawn.T))
        layer.bias.fill_(1.0)
    optimizer = torch.optim.Adam(layer.parameters(), lr=how.learning_rate)
    for _ in range(how.epochs):
        order, total = torch.from_numpy(rng.permutation(len(train))), 0.0
        for rows in torch.split(order, how.batch):
            size = sum((part**2).sum() for part in layer.parameters())
            loss = torch.nn.functional.cross_entropy(layer(z[rows]), y[rows])
            loss = loss + 0.5 * how.penalty * size
            total += loss.item() * len(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if total / len(train) < how.tolerance:
            break
    with torch.no_grad():
        asked = torch.tensor(scaler.transform(X[test]), dtype=torch.float32)
        return np.asarray(torch.softmax(layer(asked), dim=1))


def by_sklearn(X: Array, labels: Array, split: Split) -> Array:
    """Minimize the loss with scikit-learn."""
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
    made, seconds = timed(lambda: list(decode(bins, labels, splits, decoder=how)))

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
    made, seconds = timed(lambda: list(decode(bins, labels, splits, decoder=how)))
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
    made, seconds = timed(lambda: list(decode(bins, labels, splits, decoder=how)))
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
        list(decode(bins, labels, splits, decoder=Decoder(name=name, epochs=1)))
    plain_training(bins[0], labels, splits[0], Decoder(epochs=1), bin_number=0, split_number=0)
    by_sklearn(bins[0], labels, splits[0])


BENCH = Bench(
    description="decoders of object solution times",
    against="a loop",
    measurements=MEASUREMENTS,
    versions=(np, scipy, sklearn, torch),
    warm_up=warm_up,
    set_threads=torch.set_num_threads,
)


if __name__ == "__main__":
    sys.exit(BENCH.main())
