"""Speed of the ten fits of the transfer to CIFAR-100 beside ten fits of scikit-learn, in one run.

    python perf/transfer.py [--threads N] [--json FILE]

Features of 40,000 images and their 100 classes are drawn: rectified noise around a mean of each class. The
difference is that of the probabilities of 2,000 further images, for the largest C, from a fit of scikit-learn
with a tolerance of 1e-6 in place of 1e-4, its default; that of scikit-learn's own fit stands beside.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import sklearn
from bench import Bench, Row, timed
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from brainbench.metrics.classification.penalty_path import PUBLISHED, penalty_path
from brainbench.metrics.classification.softmax import probabilities

N_IMAGES, N_TESTED, N_FEATURES, N_CLASSES = 40_000, 2_000, 256, 100

Array = NDArray[Any]


def inputs() -> tuple[Array, Array]:
    """Return features, image x feature, and classes."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(N_IMAGES + N_TESTED) % N_CLASSES)
    means = 0.35 * rng.standard_normal((N_CLASSES, N_FEATURES))
    noise = rng.standard_normal((len(labels), N_FEATURES))
    return np.maximum(means[labels] + noise, 0), labels


@dataclass(frozen=True, kw_only=True)
class TransferRow(Row):
    """A row that says how far the reference is from the minimum too."""

    reference_difference: float


def by_sklearn(features: Array, labels: Array) -> LogisticRegression:
    """Return the last of ten separate fits."""
    for C in PUBLISHED:
        last = LogisticRegression(C=C, max_iter=2000).fit(features, labels)
    return last


def ten_fits() -> Row:
    """Measure the ten fits, and hold them against those of scikit-learn."""
    features, labels = inputs()
    fitted, codes, tested = features[:N_IMAGES], labels[:N_IMAGES], features[N_IMAGES:]
    weights, ours_s = timed(lambda: penalty_path(fitted, codes, n_classes=N_CLASSES))
    last, reference_s = timed(lambda: by_sklearn(fitted, codes))
    exact = LogisticRegression(C=PUBLISHED[-1], max_iter=3000, tol=1e-6).fit(fitted, codes)
    expected = exact.predict_proba(tested)
    return TransferRow(
        name="ten_fits",
        what=f"ten penalties, {N_IMAGES:,} images, {N_FEATURES} features, {N_CLASSES} classes",
        ours_s=ours_s,
        reference_s=reference_s,
        reference="scikit-learn, ten fits",
        difference=float(np.abs(probabilities(tested, weights[-1]) - expected).max()),
        reference_difference=float(np.abs(last.predict_proba(tested) - expected).max()),
        ratio_at_least=3.0,
        difference_at_most=5e-3,
    )


if __name__ == "__main__":
    sys.exit(
        Bench(
            description="the transfer to CIFAR-100",
            against="scikit-learn",
            measurements={"ten_fits": ten_fits},
            columns={"its difference": lambda r: f"{r['reference_difference']:.1e}"},
            versions=[np, scipy, sklearn],
        ).main()
    )
