"""Worlds of sites that a linear map predicts in part: predictivity, composites, explained variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core import stimuli
from brainbench.core.settings import Settings
from brainbench.metrics.correlation import pearson
from brainbench.metrics.explained_variance.signal_power import signal_power
from brainbench.metrics.linear import pls, ridge
from brainbench.scoring.recordings import Target
from brainbench.scoring.regression import normalized_correlation as normalized
from brainbench.scoring.regression.held_out import Fitted, Session
from brainbench.stats.aggregate import AGGREGATES
from brainbench.stats.bootstrap import Interval
from brainbench.stats.ceiling import ceiled, split_half
from brainbench.stats.composite import combine
from brainbench.stats.held_out_bootstrap import HeldOut, bootstrap_sessions
from brainbench.stats.splits import SPLITS
from worlds.world import ALL, IDS, N_DRAWS, N_IMAGES, OBJECTS, FloatArray, World, fixed

N_UNITS, N_TRIALS = 16, 8
PICTURES = stimuli.from_arrays(
    "coverage",
    np.arange(3 * N_IMAGES, dtype=np.uint16).astype(np.uint8).reshape(N_IMAGES, 1, 1, 3),
    ids=IDS,
)
NEUROIDS = xr.DataArray(
    np.zeros(N_UNITS),
    dims=("neuroid",),
    coords={"neuroid_id": ("neuroid", [f"site{k}" for k in range(N_UNITS)])},
)


@dataclass(frozen=True)
class Recorded:
    """Features of a model, and trials of sites: repetition x stimulus x neuroid."""

    features: FloatArray
    trials: FloatArray


def sites(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw weights on 20 features of falling variance and 6 that the model lacks, and noise of each site."""
    seen = rng.standard_normal((20, N_UNITS)) / np.sqrt(np.arange(1, 21))[:, None]
    unseen = 0.6 * rng.standard_normal((6, N_UNITS))
    return seen, unseen, np.exp(rng.normal(np.log(3.0), 0.4, N_UNITS))


def images(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw features of the images: 20 that the model has and 6 that it lacks."""
    seen = 1.5 * rng.standard_normal((N_IMAGES, 20)) / np.sqrt(np.arange(1, 21))
    return seen, rng.standard_normal((N_IMAGES, 6))


def recorded(rng: np.random.Generator, random: str, *, noisier: float = 1.0) -> Recorded:
    """Draw eight trials of 16 sites to 120 images, with `noisier` times the usual noise."""
    shown = images(fixed() if random == "units" else rng)
    seen, unseen, noise = sites(fixed() if random == "images" else rng)
    signal = shown[0] @ seen + shown[1] @ unseen
    trials = signal + noisier * noise * rng.standard_normal((N_TRIALS, *signal.shape))
    return Recorded(shown[0], trials)


def predictivity(protocol: str, metric: str, formula: str, *, noisier: float = 1.0) -> World:
    """Build a world of predictivity."""
    folds = SPLITS[protocol](IDS, OBJECTS)
    total = AGGREGATES[protocol]

    def held_out(sample: Recorded) -> HeldOut:
        Y = sample.trials.mean(axis=0)
        if metric == "ridge-cv":
            options = {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}
            predicted = ridge.cross_predict(sample.features, Y, folds, **options)
        else:
            kind: Any = "pls1" if protocol == "paper" else "pls2"
            predicted = pls.cross_predict(sample.features, Y, folds, n_components=5, kind=kind)
        return HeldOut(
            predictions=predicted,
            targets=[Y[fold.test] for fold in folds],
            rows=[fold.test for fold in folds],
            ids=IDS,
            trials=sample.trials,
        )

    def score(sample: Recorded) -> float:
        held = held_out(sample)
        pairs = zip(held.predictions, held.targets, strict=True)
        raw = total(np.stack([pearson(x, y) for x, y in pairs]))
        if formula == "raw":
            return float(raw)
        c = split_half(sample.trials, correlate=pearson).value
        return float(ceiled(raw, c, formula=formula))

    def of(sample: Recorded, random: Any) -> Interval:
        return bootstrap_sessions(
            [held_out(sample)],
            aggregate=total,
            formula=formula,
            resample=random,
            n_draws=N_DRAWS,
        )

    what = "predictivity" if noisier == 1 else "predictivity of noisy sites"
    return World(
        name=f"{what}, {protocol}, {metric}, {formula}",
        random=ALL,
        draw=partial(recorded, noisier=noisier),
        score=score,
        interval=of,
    )


def composite() -> World:
    """Build the world of a composite: the mean of two regions on the same images, drawn together."""
    of_region = predictivity("paper", "pls", "raw")

    def draw(rng: np.random.Generator, random: str) -> tuple[Recorded, Recorded]:
        both = recorded(rng, random)
        early, late = both.trials[..., : N_UNITS // 2], both.trials[..., N_UNITS // 2 :]
        return Recorded(both.features, early), Recorded(both.features, late)

    def of(regions: tuple[Recorded, Recorded], random: str) -> Interval:
        values = [of_region.score(one) for one in regions]
        draws = [of_region.interval(one, random).draws for one in regions]
        made = combine(values, draws)
        assert made.ci is not None
        assert made.draws is not None
        return Interval(*made.ci, 0.95, "composite", made.n_undefined, made.draws)

    return World(
        name="composite of two regions, paper, pls, raw",
        random=("images",),
        draw=draw,
        score=lambda regions: float(np.mean([of_region.score(one) for one in regions])),
        interval=of,
    )


def explained_variance(variant: Any, formula: str) -> World:
    """Build the world of CC_norm^2 or CC_norm: ridge regression, five folds."""
    folds = SPLITS["paper"](IDS, OBJECTS, n_splits=5)
    everyone = np.full(N_UNITS, True)

    def part(sample: Recorded) -> normalized.Part:
        Y = sample.trials.mean(axis=0)
        brain = Target(
            stimuli=PICTURES,
            values=Y,
            trials=sample.trials,
            strata=None,
            neuroids=NEUROIDS,
            partial=False,
        )
        options = {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}
        fitted = Fitted(
            folds=folds,
            predicted=ridge.cross_predict(sample.features, Y, folds, **options),
            observed=[Y[fold.test] for fold in folds],
            chosen=[],
            curve=[],
            n_features=20,
            again=lambda _: [],
            joint=False,
        )
        return normalized.Part(
            session=Session(name="", brain=brain, varying=everyone, fitted=fitted),
            trials=sample.trials,
            power=signal_power(sample.trials),
            reasons=np.full(N_UNITS, "", dtype=str),
        )

    def value_of(one: normalized.Part) -> float:
        return float(np.nanmean(normalized.Figures.of([one], variant).per_site(formula)))

    def of(sample: Recorded, random: Any) -> Interval:
        one = part(sample)
        return normalized.value_interval(
            [one],
            variant,
            formula=formula,
            settings=Settings(resample=random),
            value=value_of(one),
            population="sites",
        )

    measure = {"r2/c": "CC_norm^2", "r/sqrt(c)": "CC_norm"}[formula]
    return World(
        name=f"{measure}, {variant}",
        random=ALL,
        draw=recorded,
        score=lambda sample: value_of(part(sample)),
        interval=of,
    )
