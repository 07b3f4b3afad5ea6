"""Speed of RDMs, CKA and their bootstrap beside scipy and numpy, in one run with equal threads.

    python perf/rsa.py [--threads N] [--json FILE] [--only NAME ...]

Run it on an idle machine; the load at the start is printed. What a plain program does once per draw is
timed on a few draws and scaled, which the table says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from bench import Bench, Row, timed
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from brainbench.metrics.gram import gram
from brainbench.metrics.similarity.cka import cka, cka_draws
from brainbench.metrics.similarity.rdm import rdm
from brainbench.metrics.similarity.rsa import compare_draws
from brainbench.stats.bootstrap import image_counts

N_IMAGES, N_FEATURES, N_DRAWS, FEW = 320, 25_088, 1000, 10

Array = NDArray[Any]


def inputs(n_features: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((N_IMAGES, 30))
    X = latent @ rng.standard_normal((30, n_features)) + rng.standard_normal((N_IMAGES, n_features))
    Y = latent @ rng.standard_normal((30, 168)) + 3 * rng.standard_normal((N_IMAGES, 168))
    return X, Y


def dissimilarities() -> Row:
    X, _ = inputs(N_FEATURES)
    ours, seconds = timed(lambda: rdm(X))
    theirs, reference = timed(lambda: pdist(X, "correlation"))
    return Row(
        name="rdm",
        what=f"RDM, {N_IMAGES} images, {N_FEATURES:,} features",
        ours_s=seconds,
        reference_s=reference,
        reference="scipy pdist",
        difference=float(np.abs(ours - theirs).max()),
        ratio_at_least=3,
        difference_at_most=1e-10,
    )


def one_by_one(a: Array, b: Array, counts: Array) -> Array:
    """Return Spearman's r of repeated rows for each draw, without pairs of an image with itself."""
    squares = squareform(a), squareform(b)
    values = []
    for row in counts.astype(int):
        drawn = np.repeat(np.arange(len(row)), row)
        one, other = np.triu_indices(len(drawn), k=1)
        one, other = drawn[one], drawn[other]
        distinct = one != other
        x, y = (square[one, other][distinct] for square in squares)
        values.append(spearmanr(x, y).statistic)
    return np.array(values)


def rsa_draws() -> Row:
    X, Y = inputs(1000)
    a, b = rdm(X), rdm(Y)
    counts = image_counts([str(k) for k in range(N_IMAGES)], n_draws=N_DRAWS)
    ours, seconds = timed(lambda: compare_draws(a, b, counts))
    theirs, few = timed(lambda: one_by_one(a, b, counts[:FEW]))
    return Row(
        name="rsa-draws",
        what=f"bootstrap of RSA, {N_IMAGES} images, {N_DRAWS:,} draws",
        ours_s=seconds,
        reference_s=few * N_DRAWS / FEW,
        reference=f"scipy spearmanr, {FEW} draws ({few:.1f} s), scaled",
        difference=float(np.abs(ours[:FEW] - theirs).max()),
        ratio_at_least=3,
        difference_at_most=1e-10,
    )


def cka_bootstrap() -> Row:
    X, Y = inputs(1000)
    K, L = gram(X), gram(Y)
    counts = image_counts([str(k) for k in range(N_IMAGES)], n_draws=N_DRAWS)
    _, seconds = timed(lambda: cka_draws(K, L, counts))
    # A plain program draws without repeats to avoid pairs of an image with itself: half of the images.
    halves = (np.random.default_rng(0).random((FEW, N_IMAGES)) < 0.5).astype(float)
    half = [np.flatnonzero(row) for row in halves]
    theirs, few = timed(lambda: np.array([cka(X[rows], Y[rows]) for rows in half]))
    return Row(
        name="cka-draws",
        what=f"bootstrap of unbiased CKA, {N_IMAGES} images, {N_DRAWS:,} draws",
        ours_s=seconds,
        reference_s=few * N_DRAWS / FEW,
        reference=f"CKA of each draw alone, {FEW} draws ({few:.2f} s), scaled",
        difference=float(np.abs(cka_draws(K, L, halves) - theirs).max()),
        ratio_at_least=3,
        difference_at_most=1e-10,
    )


MEASUREMENTS: dict[str, Callable[[], Row]] = {
    "rdm": dissimilarities,
    "rsa-draws": rsa_draws,
    "cka-draws": cka_bootstrap,
}


BENCH = Bench(
    description="RDMs, CKA and their bootstrap",
    against="a plain program",
    measurements=MEASUREMENTS,
    versions=(np, scipy),
)


if __name__ == "__main__":
    sys.exit(BENCH.main())
