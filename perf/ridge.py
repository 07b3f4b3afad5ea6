"""Speed of ridge regression with a chosen penalty beside scikit-learn, in one run with equal threads.

    python perf/ridge.py [--threads N] [--json FILE] [--only NAME ...]

Run it on an idle machine; the load at the start is printed. scikit-learn's RidgeCV, which leaves out each
training image too, is timed on one split and scaled to ten, which the table says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import sklearn
from bench import Bench, Row, timed
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from synthetic_inputs import neural

from brainbench.metrics.gram import gram
from brainbench.metrics.linear import ridge
from brainbench.stats.splits import Split, brainscore

N_NEUROIDS = 168
N_SPLITS = 10

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class RidgeRow(Row):
    """A row that passes only if the same penalties are chosen."""

    same_penalties: bool

    @property
    def passed(self) -> bool:
        """Return whether it is fast enough and the results agree."""
        return super().passed and self.same_penalties


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
    return RidgeRow(
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


BENCH = Bench(
    description=f"Ridge-CV, {N_SPLITS} splits of 2,560 images, {N_NEUROIDS} neuroids",
    against="scikit-learn",
    measurements=MEASUREMENTS,
    versions=(np, scipy, sklearn),
    columns={"same penalties": lambda r: "yes" if r["same_penalties"] else "NO"},
    warm_up=warm_up,
)


if __name__ == "__main__":
    sys.exit(BENCH.main())
