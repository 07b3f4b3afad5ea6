"""Worlds of sites that a linear map predicts in part: predictivity, composites, explained variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from brainbench.core import stimuli
from brainbench.core.settings import ProtocolName
from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.explained_variance.unequal_trials import ESTIMATORS
from brainbench.metrics.gram import gram
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.recordings import Recordings, material_of
from brainbench.scoring.regression.explained_variance import SIGNAL_ALPHA
from brainbench.scoring.regression.explained_variance_evaluation import (
    Aggregate,
    ExplainedVarianceEvaluation,
    Variant,
)
from brainbench.scoring.regression.linear_maps import LinearMap, MapName
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.sessions import SessionFit, SessionTarget
from brainbench.stats.bootstrap import Interval
from brainbench.stats.composite import combine
from brainbench.stats.splits import Split, paper
from worlds.world import ALL, IDS, N_IMAGES, OBJECTS, World, fixed

N_UNITS, N_TRIALS = 16, 8
PICTURES = stimuli.from_arrays(
    "coverage",
    np.arange(3 * N_IMAGES, dtype=np.uint16).astype(np.uint8).reshape(N_IMAGES, 1, 1, 3),
    ids=IDS,
)
NEUROIDS = xr.DataArray(
    np.zeros(60),
    dims=("neuroid",),
    coords={"neuroid_id": ("neuroid", [f"site{k}" for k in range(60)])},
)


@dataclass(frozen=True)
class OneLayer:
    """The only candidate of a world."""

    layer: str = "layer"
    step: None = None

    @property
    def label(self) -> dict[str, str]:
        """Its name."""
        return {"layer": self.layer}


@dataclass(frozen=True)
class Recorded:
    """Features of a model, and trials of sites: repetition x stimulus x neuroid."""

    features: FloatArray
    trials: FloatArray


def sites(rng: np.random.Generator, n: int = N_UNITS) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw weights on 20 features of falling variance and 6 that the model lacks, and noise of each site."""
    seen = rng.standard_normal((20, n)) / np.sqrt(np.arange(1, 21))[:, None]
    unseen = 0.6 * rng.standard_normal((6, n))
    return seen, unseen, np.exp(rng.normal(np.log(3.0), 0.4, n))


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


def session(sample: Recorded) -> SessionTarget:
    """Recordings of a sample, as one session."""
    values = sample.trials.mean(axis=0)
    recordings = Recordings(
        stimuli=PICTURES,
        values=values,
        trials=sample.trials,
        strata=None,
        neuroids=NEUROIDS.isel(neuroid=slice(values.shape[1])),
        partial=False,
    )
    every_site = np.full(values.shape[1], True)
    return SessionTarget(label="world", recordings=recordings, sites=every_site, responses=values)


def with_signal(sample: Recorded) -> Recorded:
    """Keep the sites whose responses differ between images, as explained variance does."""
    p = ESTIMATORS["first"].p(sample.trials)
    return Recorded(sample.features, sample.trials[..., p < SIGNAL_ALPHA])


def fit(sample: Recorded, linear_map: LinearMap, folds: list[Split]) -> SessionFit:
    """A map fitted to the features of a sample; there is one layer, so nothing is selected."""
    return SessionFit(
        target=session(sample),
        folds=folds,
        selection=FoldSelection.of_one(OneLayer(), len(folds)),
        site_map=linear_map,
        features={0: gram(sample.features)},
    )


def evaluate_predictivity(
    sample: Recorded,
    *,
    protocol: ProtocolName = "paper",
    metric: MapName = "pls",
    formula: str = "raw",
) -> PredictivityEvaluation:
    """Evaluate a sample as `scoring.regression.predictivity` does."""
    rules = Predictivity.rules[protocol]
    linear_map = LinearMap(metric=metric, n_components=5, joint=rules.joint)
    fitted = fit(sample, linear_map, rules.split(IDS, OBJECTS))
    return PredictivityEvaluation(
        material=material_of([fitted.target.recordings]),
        fits=[fitted],
        aggregate=rules.aggregate,
        formula=formula,
        floor=None,
        population="sites",
        details={},
        seeds={},
    )


def predictivity(
    protocol: ProtocolName, metric: MapName, formula: str, *, noisier: float = 1.0
) -> World:
    """Predictivity as `scoring.regression.predictivity` scores it."""
    evaluate = partial(evaluate_predictivity, protocol=protocol, metric=metric, formula=formula)
    what = "predictivity" if noisier == 1 else "predictivity of noisy sites"
    return World.of(
        name=f"{what}, {protocol}, {metric}, {formula}",
        random=ALL,
        draw=partial(recorded, noisier=noisier),
        evaluate=evaluate,
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
        return Interval(*made.ci, "composite", made.n_undefined, made.draws)

    return World(
        name="composite of two regions, paper, pls, raw",
        random=("images",),
        draw=draw,
        score=lambda regions: float(np.mean([of_region.score(one) for one in regions])),
        interval=of,
    )


def explained_variance(variant: Variant, formula: str, *, aggregate: Aggregate = "mean") -> World:
    """CC_norm^2 or CC_norm as `scoring.regression.explained_variance` scores it: ridge, five folds."""
    folds = paper(IDS, OBJECTS, n_splits=5)

    def evaluate(sample: Recorded) -> ExplainedVarianceEvaluation:
        fitted = fit(with_signal(sample), LinearMap(metric="ridge-cv"), folds)
        return ExplainedVarianceEvaluation(
            material=material_of([fitted.target.recordings]),
            fits=[fitted],
            variant=variant,
            aggregate=aggregate,
            formula=formula,
            excluded_sites={},
            population="sites",
            details={},
            seeds={},
        )

    measure = {"r2/c": "CC_norm^2", "r/sqrt(c)": "CC_norm"}[formula]
    name = f"{measure}, {variant}" + (", median over sites" if aggregate == "median" else "")
    return World.of(name=name, random=ALL, draw=recorded, evaluate=evaluate)
