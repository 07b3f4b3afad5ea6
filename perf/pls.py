"""Speed of PLS beside scikit-learn, in one run with equal threads.

    python perf/pls.py [--threads N] [--json FILE] [--only NAME ...]

Run it on an idle machine; the load at the start is printed. scikit-learn is timed on one split, and
for PLS1 on a few neuroids, and scaled, which the table says: all of it would take an hour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
from bench import Bench, Report, Row, timed
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from synthetic_inputs import neural

from brainbench.metrics.correlation import pearson, weighted_moments, weighted_pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.pls import cross_predict
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import split_half
from brainbench.stats.splits import Split, brainscore

ORACLE = Path(__file__).parents[1] / "tests" / "oracle" / "data" / "seedscale_pls_168.npz"
N_COMPONENTS = 25
N_NEUROIDS = 168
PLS1_NEUROIDS = 12

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class PlsRow(Row):
    """A row with the seconds of the bare Gram product."""

    gram_s: float
    difference_of: str

    def report(self) -> Report:
        """Return all figures, including derived ones."""
        return super().report() | {"ours_over_gram": self.ours_s / self.gram_s}


def inputs(n_features: int) -> tuple[Array, Array, list[Split]]:
    X, Y, ids, objects = neural(7, 64, 40, n_features, N_NEUROIDS, n_latent=60, noise=2.0)
    return X.astype(np.float32), Y, brainscore(ids, objects)


def bare_gram(X: Array) -> float:
    """Measure the seconds of X'X or XX', whichever is smaller, from float64 features."""
    X = X.astype(np.float64)
    X = X.T if X.shape[1] < X.shape[0] else X
    return timed(lambda: X @ X.T)[1]


def by_sklearn(X: Array, Y: Array, split: Split) -> Array:
    model = PLSRegression(N_COMPONENTS, scale=False).fit(X[split.train], Y[split.train])
    return np.asarray(model.predict(X[split.test]).reshape(len(split.test), -1))


def pls2(n_features: int, *, ratio_at_least: float) -> Row:
    X, Y, splits = inputs(n_features)

    def ours() -> list[Array]:
        features = gram(X) if n_features > len(X) else X
        return cross_predict(features, Y, splits, n_components=N_COMPONENTS, kind="pls2")

    held_out, seconds = timed(ours)
    theirs, one_split = timed(lambda: by_sklearn(X, Y, splits[0]))
    r = np.stack([pearson(p, Y[s.test]) for p, s in zip(held_out, splits, strict=True)])
    if n_features == 1000:
        difference = float(median_then_mean(r)) - float(np.load(ORACLE)["score"])
        difference_of, at_most = "score to Brain-Score's, 10 splits", 5e-4
    else:
        difference = float(np.median(r[0]) - np.median(pearson(theirs, Y[splits[0].test])))
        difference_of, at_most = "median r, same split", 2e-3
    return PlsRow(
        name=f"pls2-{n_features}",
        what=f"PLS2, {n_features:,} features, 10 splits",
        ours_s=seconds,
        reference_s=10 * one_split,
        reference=f"1 split ({one_split:.1f} s) x 10",
        gram_s=bare_gram(X),
        difference=abs(difference),
        difference_of=difference_of,
        ratio_at_least=ratio_at_least,
        difference_at_most=at_most,
    )


def pls1(n_features: int, *, ratio_at_least: float) -> Row:
    X, Y, splits = inputs(n_features)
    X = X.astype(np.float64)  # given float32, scikit-learn would predict in float32
    held_out, seconds = timed(lambda: cross_predict(X, Y, splits, n_components=N_COMPONENTS))
    some = np.linspace(0, N_NEUROIDS - 1, PLS1_NEUROIDS).astype(int)
    theirs, few = timed(lambda: [by_sklearn(X, Y[:, [i]], splits[0]) for i in some])
    return PlsRow(
        name=f"pls1-{n_features}",
        what=f"PLS1, {n_features:,} features, 10 splits",
        ours_s=seconds,
        reference_s=10 * few * N_NEUROIDS / PLS1_NEUROIDS,
        reference=f"1 split, {PLS1_NEUROIDS} of {N_NEUROIDS} neuroids ({few:.1f} s), scaled",
        gram_s=bare_gram(X),
        difference=float(np.abs(held_out[0][:, some] - np.hstack(theirs)).max()),
        difference_of="largest of the predictions",
        ratio_at_least=ratio_at_least,
        difference_at_most=1e-8,
    )


MEASUREMENTS: dict[str, Callable[[], Row]] = {
    "pls2-1000": lambda: pls2(1000, ratio_at_least=10),
    "pls1-1000": lambda: pls1(1000, ratio_at_least=60),
    "pls2-25088": lambda: pls2(25088, ratio_at_least=100),
}


def bootstrap(predicted: list[Array], observed: list[Array], rows: list[Array]) -> Array:
    """Draw images 1,000 times; return the median over neuroids of the mean correlation over folds."""
    counts = image_counts([f"image{k}" for k in range(sum(map(len, rows)))])
    r = [
        weighted_pearson(counts[:, fold], weighted_moments(x, y))
        for x, y, fold in zip(predicted, observed, rows, strict=True)
    ]
    return nan_median(nan_mean(np.stack(r), axis=0))


def seconds_of_the_rest() -> dict[str, float]:
    """Measure ceiling and interval at the size of a real benchmark: 2,560 images, 168 sites."""
    rng = np.random.default_rng(0)
    trials = rng.standard_normal((28, 2560, N_NEUROIDS))
    y = trials[0].reshape(10, 256, N_NEUROIDS)
    x = y + rng.standard_normal(y.shape)
    rows = np.arange(2560).reshape(10, 256)
    return {
        "split-half ceiling, 28 trials": timed(lambda: split_half(trials))[1],
        "bootstrap, 1,000 draws": timed(lambda: bootstrap(list(x), list(y), list(rows)))[1],
    }


def warm_up() -> None:
    X = np.random.default_rng(0).standard_normal((80, 100))
    cross_predict(X, X, [(np.arange(60), np.arange(60, 80))], kind="pls2")


BENCH = Bench(
    description="PLS, 25 components, 2,560 images, 168 neuroids",
    against="scikit-learn",
    measurements=MEASUREMENTS,
    versions=(np, scipy, sklearn),
    columns={
        "bare Gram": lambda r: f"{r['gram_s']:.2f} s",
        "ours / Gram": lambda r: f"{r['ours_over_gram']:.1f}",
        "difference of": lambda r: r["difference_of"],
    },
    warm_up=warm_up,
    rest=seconds_of_the_rest,
)


if __name__ == "__main__":
    sys.exit(BENCH.main())
