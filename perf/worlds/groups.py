"""Worlds of images in groups, such as frames of films, and of sites in animals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brainbench.core.settings import Settings
from brainbench.metrics.array_types import AnyArray
from brainbench.metrics.gram import gram
from brainbench.scoring.by_animal import figures_by_animal
from brainbench.scoring.few_groups import score_interval
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.recordings import material_of
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.sessions import SessionFit
from brainbench.stats.bootstrap import Interval
from brainbench.stats.splits import Split
from worlds.regression import (
    N_TRIALS,
    OneLayer,
    Recorded,
    images,
    session,
    sites,
)
from worlds.world import IDS, N_DRAWS, N_IMAGES, OBJECTS, World, fixed

OF_A_FILM = 0.5
"""Share of the variance of features that the images of a film have in common."""
N_SITES = 12
"""Sites of each animal."""


def _evaluate(
    sample: Recorded, folds: list[Split], *, groups: AnyArray | None = None, **coords: Any
) -> PredictivityEvaluation:
    """Evaluate predictivity by PLS under `paper`, raw."""
    target = session(sample)
    neuroids = target.recordings.neuroids.assign_coords(
        {key: ("neuroid", names) for key, names in coords.items()}
    )
    recordings = replace(target.recordings, groups=groups, neuroids=neuroids)
    fitted = SessionFit(
        target=replace(target, recordings=recordings),
        folds=folds,
        selection=FoldSelection.of_one(OneLayer(), len(folds)),
        site_map=LinearMap(metric="pls", n_components=5),
        features=[gram(sample.features)],
    )
    return PredictivityEvaluation(
        material=material_of([recordings]),
        fits=[fitted],
        aggregate=Predictivity.rules["paper"].aggregate,
        formula="raw",
        floor=None,
        population="sites",
        details={},
        seeds={},
    )


# --- images in groups ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Films:
    """Draw, score and interval of 120 images of some films, held out by films or image by image."""

    n: int
    whole: bool  # splits and intervals take whole films

    @property
    def film(self) -> AnyArray:
        return np.array([f"film{k * self.n // N_IMAGES:02d}" for k in range(N_IMAGES)])

    def draw(self, rng: np.random.Generator, random: str) -> Recorded:
        scene, own = images(rng), images(rng)
        of_film = np.unique(self.film, return_inverse=True)[1]
        shown = [
            np.sqrt(OF_A_FILM) * common[of_film] + np.sqrt(1 - OF_A_FILM) * alone
            for common, alone in zip(scene, own, strict=True)
        ]
        seen, unseen, noise = sites(fixed() if random == "images" else rng)
        signal = shown[0] @ seen + shown[1] @ unseen
        trials = signal + noise * rng.standard_normal((N_TRIALS, *signal.shape))
        return Recorded(shown[0], trials)

    def evaluate(self, sample: Recorded) -> PredictivityEvaluation:
        groups = self.film if self.whole else None
        folds = Predictivity.rules["paper"].split(IDS, groups=groups)
        return _evaluate(sample, folds, groups=groups)


def films(n: int, *, whole: bool = True) -> World:
    """Build the world of images of n films."""
    world = _Films(n, whole)
    name = f"predictivity over {n} films, {'whole' if whole else 'image by image'}"
    return World.of(name=name, random=("images", "both"), draw=world.draw, evaluate=world.evaluate)


# --- sites in animals ------------------------------------------------------------------------------

ANIMALS = "animals"
ANIMALS_AND_IMAGES = "animals and images"
THESE = "sites and images of these animals"


@dataclass(frozen=True)
class _Animals:
    """Draw, score and interval of sites whose quality is more alike within an animal."""

    n: int
    share: float  # of the variance of site quality that is between animals
    over: bool  # the mean over animals with its interval, in place of the score's own

    @property
    def names(self) -> AnyArray:
        return np.repeat([f"animal{k}" for k in range(self.n)], N_SITES)

    def draw(self, rng: np.random.Generator, random: str) -> Recorded:
        shown = images(fixed() if random == ANIMALS else rng)
        n = self.n * N_SITES
        seen, unseen, _ = sites(rng, n)
        of_animal = (fixed() if random == THESE else rng).standard_normal(self.n)
        quality = np.sqrt(self.share) * np.repeat(of_animal, N_SITES)
        quality += np.sqrt(1 - self.share) * rng.standard_normal(n)
        seen *= np.exp(0.8 * quality)
        signal = shown[0] @ seen + shown[1] @ unseen
        return Recorded(shown[0], signal + 3.0 * rng.standard_normal((N_TRIALS, *signal.shape)))

    def evaluate(self, sample: Recorded) -> PredictivityEvaluation:
        folds = Predictivity.rules["paper"].split(IDS, OBJECTS)
        return _evaluate(sample, folds, animal=self.names)

    def score(self, sample: Recorded) -> float:
        evaluation = self.evaluate(sample)
        if self.over:
            return float(figures_by_animal(evaluation, "animals")["over_animals"]["mean"])
        return float(evaluation.figure().value("raw")[0])

    def interval(self, sample: Recorded, random: str) -> Interval:
        evaluation = self.evaluate(sample)
        if self.over:
            low, high = figures_by_animal(evaluation, "animals")["over_animals"]["ci"]
            return Interval(low, high, "over animals", 0, np.array([low, high]))
        resample = "units" if random == ANIMALS else "both"
        value = float(evaluation.figure().value("raw")[0])
        made = score_interval(evaluation, Settings(resample=resample), value, n_draws=N_DRAWS)
        assert made is not None
        return made


def animals(n: int, share: float, *, over: bool) -> World:
    """Build the world of 12 sites in each of n animals, with a share of site quality between animals."""
    world = _Animals(n, share, over)
    what = "mean over animals" if over else "sites drawn"
    return World(
        name=f"predictivity over {n} animals, {share:g} of quality between them, {what}",
        random=(ANIMALS, ANIMALS_AND_IMAGES) if over else (ANIMALS, THESE),
        draw=world.draw,
        score=world.score,
        interval=world.interval,
    )
