"""Worlds of neural dynamics: responses over time under one map for all bins, of normal or skewed rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench.core.settings import Settings
from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.metrics.temporal.shared_map import ridge
from brainbench.scoring.dynamics.evaluation import DynamicsEvaluation
from brainbench.scoring.dynamics.maps import Ballot, FoldFit, RidgeFitter
from brainbench.scoring.dynamics.target import BinnedRecordings
from brainbench.scoring.few_groups import score_interval
from brainbench.scoring.recordings import material_of
from brainbench.stats.bootstrap import Interval
from brainbench.stats.splits import Split, inner, paper
from worlds.regression import NEUROIDS, PICTURES, images, sites
from worlds.world import IDS, OBJECTS, World, fixed

N_BINS, N_SITES = 3, 8


@dataclass(frozen=True)
class OverTime:
    """Features stimulus x feature x bin, and trials: repetition x stimulus x neuroid x bin."""

    features: FloatArray
    trials: FloatArray


def skewed_bins(rng: np.random.Generator, random: str) -> OverTime:
    """Draw as `bins` does, of lognormal features (sigma .8) that add up: few images drive a site strongly."""
    return bins(rng, random, skewed=True)


def bins(rng: np.random.Generator, random: str, *, skewed: bool = False) -> OverTime:
    """Draw six trials of 8 sites in three bins; features and what the model lacks rise with a delay."""
    shown = images(fixed() if random == "units" else rng)
    seen, unseen, noise = sites(fixed() if random == "images" else rng)
    if skewed:
        shown = np.exp(0.8 * shown[0]), np.exp(0.8 * shown[1])
        seen, unseen = np.abs(seen), np.abs(unseen)
    rise = 1 / (1 + np.exp(-(np.arange(N_BINS)[:, None] - fixed().uniform(-1, 2, 26))))
    features = shown[0][:, :, None] * rise[:, :20].T
    hidden = shown[1][:, :, None] * rise[:, 20:].T
    signal = np.einsum("ipt,pq->iqt", features, seen) + np.einsum("ipt,pq->iqt", hidden, unseen)
    trials = signal + noise[:, None] * rng.standard_normal((6, *signal.shape))
    return OverTime(features, trials[:, :, :N_SITES])


@dataclass(frozen=True)
class QuartersHeldOut:
    """Neural dynamics by ridge maps, with some quarters of the images held out in turn."""

    folds: list[Split]
    inner: list[list[Split]]
    formula: str
    scored: (
        BoolArray | None
    )  # bins that the value is the mean of; None for those that trials choose

    def evaluation(self, sample: OverTime) -> DynamicsEvaluation:
        """Fit the maps, as `Dynamics` does under the protocol `paper`."""
        recordings = BinnedRecordings(
            stimuli=PICTURES,
            bins=tuple((10.0 * k, 10.0 * (k + 1)) for k in range(N_BINS)),
            values=sample.trials.mean(axis=0),
            trials=sample.trials,
            strata=np.array(OBJECTS),
            neuroids=NEUROIDS[:N_SITES],
            partial=False,
            normalized_by="nothing",
        )
        fits = []
        for fold, within in zip(self.folds, self.inner, strict=True):
            fitted = ridge(sample.features, recordings.responses, fold.train, folds=within)
            predicted = fitted.predict(sample.features[fold.test])
            penalty = np.asarray(fitted.penalty)
            fits.append(
                FoldFit(
                    fold=fold,
                    ballot=Ballot(votes={}, explained={}),
                    predicted=predicted,
                    penalty=penalty,
                    features=[],
                )
            )
        return DynamicsEvaluation(
            material=material_of([recordings]),
            formula=self.formula,
            recordings=recordings,
            fits=fits,
            scored=self.scored,
            floor=None,
            population="sites",
            details={},
            seeds={},
            fitter=RidgeFitter(),
        )

    def score(self, sample: OverTime) -> float:
        """Return the value."""
        return float(self.evaluation(sample).figure().value(self.formula)[0])

    def interval(self, sample: OverTime, random: Any) -> Interval:
        """Return the interval of the value."""
        evaluation, settings = self.evaluation(sample), Settings(resample=random)
        value = float(evaluation.figure().value(self.formula)[0])
        made = score_interval(evaluation, settings, value)
        assert made is not None
        return made


def dynamics(n_splits: int, formula: str, *, declared: bool = False, skewed: bool = False) -> World:
    """Build the world of one quarter held out, or of several in turn; of chosen or declared bins."""
    folds = paper(IDS, OBJECTS, n_splits=4)[:n_splits]
    within = [inner(fold.train, IDS, OBJECTS, n_splits=3) for fold in folds]
    # The last two bins, in which the response has risen.
    scored = np.arange(N_BINS) > 0 if declared else None
    held_out = QuartersHeldOut(folds, within, formula, scored)
    what = "one quarter held out" if n_splits == 1 else f"{n_splits} quarters in turn"
    what = f"{what}, {formula}, {'declared' if declared else 'chosen'} bins"
    return World(
        name=f"dynamics, {what}" + (", skewed rates" if skewed else ""),
        random=("images", "both") if n_splits == 1 else ("both",),
        draw=skewed_bins if skewed else bins,
        score=held_out.score,
        interval=held_out.interval,
    )
