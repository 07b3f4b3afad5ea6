"""World of neural dynamics: responses over time under one map for all bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench.core.settings import Settings
from brainbench.metrics.temporal.shared_map import ridge as shared_ridge
from brainbench.scoring.dynamics import evaluation as over_time
from brainbench.scoring.dynamics.target import Responses
from brainbench.stats.bootstrap import Interval
from brainbench.stats.splits import SPLITS, inner
from worlds.regression import NEUROIDS, PICTURES, images, sites
from worlds.world import IDS, OBJECTS, FloatArray, World, fixed

N_BINS, N_SITES = 3, 8


@dataclass(frozen=True)
class OverTime:
    """Features stimulus x feature x bin, and trials: repetition x stimulus x neuroid x bin."""

    features: FloatArray
    trials: FloatArray


def bins(rng: np.random.Generator, random: str) -> OverTime:
    """Draw six trials of 8 sites in three bins; the causes of responses rise with different delays."""
    shown = images(fixed() if random == "units" else rng)
    seen, unseen, noise = sites(fixed() if random == "images" else rng)
    rise = 1 / (1 + np.exp(-(np.arange(N_BINS)[:, None] - fixed().uniform(-1, 2, 26))))
    features = shown[0][:, :, None] * rise[:, :20].T
    hidden = shown[1][:, :, None] * rise[:, 20:].T
    signal = np.einsum("ipt,pq->iqt", features, seen) + np.einsum("ipt,pq->iqt", hidden, unseen)
    trials = signal + noise[:, None] * rng.standard_normal((6, *signal.shape))
    return OverTime(features, trials[:, :, :N_SITES])


def dynamics(n_splits: int, formula: str) -> World:
    """Build the world of neural dynamics: one ridge map for all bins."""
    folds = SPLITS["paper"](IDS, OBJECTS, n_splits=4)[:n_splits]
    within = [inner(fold.train, IDS, OBJECTS, n_splits=3) for fold in folds]
    everyone = np.full(N_SITES, True)
    rule = over_time.Rule(formula=formula, every_bin=False)

    def held(sample: OverTime) -> over_time.Held:
        Y = sample.trials.mean(axis=0)
        pairs = zip(folds, within, strict=True)
        maps = [shared_ridge(sample.features, Y, fold.train, folds=some) for fold, some in pairs]
        brain = Responses(
            stimuli=PICTURES,
            bins=tuple((10.0 * k, 10.0 * (k + 1)) for k in range(N_BINS)),
            values=Y,
            trials=sample.trials,
            strata=np.array(OBJECTS),
            neuroids=NEUROIDS[:N_SITES],
            partial=False,
            normalized="nothing",
        )
        predicted = [
            one.predict(sample.features[fold.test]) for one, fold in zip(maps, folds, strict=True)
        ]
        return over_time.Held(brain=brain, varying=everyone, folds=folds, predicted=predicted)

    def score(sample: OverTime) -> float:
        one = held(sample)
        return float(rule.value(one.r.mean(axis=0), one.c))

    def of(sample: OverTime, random: Any) -> Interval:
        settings = Settings(resample=random)
        return over_time.value_interval(held(sample), everyone, rule, settings, population="sites")

    what = "one quarter held out" if n_splits == 1 else f"{n_splits} quarters in turn"
    return World(
        name=f"dynamics, {what}, {formula}",
        random=("images", "both") if n_splits == 1 else ("both",),
        draw=bins,
        score=score,
        interval=of,
    )
