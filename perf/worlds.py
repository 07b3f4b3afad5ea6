"""Small worlds in which every measure can be scored thousands of times: images, units, trials drawn afresh.

A world draws a sample, its estimator makes the score of a sample, its interval is the one that a Score
carries. What is not random is drawn once, from a seed of its own, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench import stimuli
from brainbench.interfaces import Settings
from brainbench.metrics import pls, ridge
from brainbench.metrics.cka import cka, cka_draws
from brainbench.metrics.correlation import pearson
from brainbench.metrics.i2n import consistency
from brainbench.metrics.ost import agreement
from brainbench.metrics.rdm import rdm
from brainbench.metrics.rsa import compare, compare_draws
from brainbench.metrics.shared_map import ridge as shared_ridge
from brainbench.metrics.signal_power import signal_power
from brainbench.procedures import normalised, over_time
from brainbench.procedures.fitted import Fitted, Session
from brainbench.procedures.recordings import Target
from brainbench.procedures.responses import Responses
from brainbench.stats.aggregate import AGGREGATES
from brainbench.stats.bootstrap import HeldOut, bootstrap_sessions
from brainbench.stats.ceiling import ceiled, spearman_brown, split_half
from brainbench.stats.resample import Interval, image_counts, interval
from brainbench.stats.splits import SPLITS, inner

FloatArray = npt.NDArray[np.float64]
Sample = Any
N_DRAWS = 400
N_IMAGES, N_UNITS, N_TRIALS = 120, 16, 8
IDS = tuple(f"image{k:03d}" for k in range(N_IMAGES))
OBJECTS = [f"object{k % 8}" for k in range(N_IMAGES)]


@dataclass(frozen=True, kw_only=True)
class World:
    """A measure in a world of its own.

    Parameters
    ----------
    name : str
        Of the measure and its formula.
    random : tuple of str
        What its interval may treat as random: each is measured.
    draw : function
        (Generator, what is random) -> sample; what is not random is the same each time.
    score : function
        Sample -> score.
    interval : function
        (sample, what is random) -> Interval.
    """

    name: str
    random: tuple[str, ...]
    draw: Callable[[np.random.Generator, str], Sample]
    score: Callable[[Sample], float]
    interval: Callable[[Sample, str], Interval]


ALL = ("images", "units", "both")
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


def fixed() -> np.random.Generator:
    """Of what is not random."""
    return np.random.default_rng(20190)


# --- sites that a linear map of a model predicts in part --------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """Features of a model, and trials of sites: repetition x stimulus x neuroid."""

    features: FloatArray
    trials: FloatArray


def sites(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights on 20 features of falling variance and on 6 that the model lacks, and noise of each site."""
    seen = rng.standard_normal((20, N_UNITS)) / np.sqrt(np.arange(1, 21))[:, None]
    unseen = 0.6 * rng.standard_normal((6, N_UNITS))
    return seen, unseen, np.exp(rng.normal(np.log(3.0), 0.4, N_UNITS))


def images(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Features of the images: 20 that the model has and 6 that it lacks."""
    seen = 1.5 * rng.standard_normal((N_IMAGES, 20)) / np.sqrt(np.arange(1, 21))
    return seen, rng.standard_normal((N_IMAGES, 6))


def recorded(rng: np.random.Generator, random: str) -> Recorded:
    """Eight trials of 16 sites to 120 images."""
    shown = images(fixed() if random == "units" else rng)
    seen, unseen, noise = sites(fixed() if random == "images" else rng)
    signal = shown[0] @ seen + shown[1] @ unseen
    trials = signal + noise * rng.standard_normal((N_TRIALS, *signal.shape))
    return Recorded(shown[0], trials)


def predictivity(protocol: str, metric: str, formula: str) -> World:
    """Predictivity as `procedures.predictivity` scores it."""
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

    name = f"predictivity, {protocol}, {metric}, {formula}"
    return World(name=name, random=ALL, draw=recorded, score=score, interval=of)


# --- explained variance ---------------------------------------------------------------------------


def explained_variance(variant: Any, formula: str) -> World:
    """CC_norm^2 as `procedures.explained` scores it: ridge regression, five folds."""
    folds = SPLITS["paper"](IDS, OBJECTS, n_splits=5)
    everyone = np.full(N_UNITS, True)

    def part(sample: Recorded) -> normalised.Part:
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
        return normalised.Part(
            session=Session(name="", brain=brain, varying=everyone, fitted=fitted),
            trials=sample.trials,
            power=signal_power(sample.trials),
            reasons=np.full(N_UNITS, "", dtype=str),
        )

    def value_of(one: normalised.Part) -> float:
        return float(np.nanmean(normalised.Figures.of([one], variant).per_site(formula)))

    def of(sample: Recorded, random: Any) -> Interval:
        one = part(sample)
        return normalised.value_interval(
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


# --- behaviour ------------------------------------------------------------------------------------

N_OBJECTS, N_TRIALS_OF_CELL, N_HALVES = 6, 20, 4


@dataclass(frozen=True)
class Chosen:
    """Fractions correct, image x object: of a model, of a subject in all trials and in halves of them."""

    truth: npt.NDArray[np.intp]
    model: FloatArray
    subject: FloatArray
    halves: list[tuple[FloatArray, FloatArray]]


def chosen(rng: np.random.Generator, random: str) -> Chosen:
    """Model and subject share what makes an image hard against an object, in part; 20 trials of a cell."""
    truth = np.arange(N_IMAGES) % N_OBJECTS
    shape = (N_IMAGES, N_OBJECTS)
    pairs = fixed().standard_normal((N_OBJECTS, N_OBJECTS))[truth]
    common = rng.standard_normal(shape) + 0.7 * rng.standard_normal((N_IMAGES, 1))
    own = rng.standard_normal((2, *shape))
    p = 1 / (1 + np.exp(-(1.0 + 0.5 * pairs + common + 0.8 * own)))
    outside = truth[:, None] == np.arange(N_OBJECTS)
    p[:, outside] = np.nan
    right = rng.random((N_TRIALS_OF_CELL, *shape)) < np.nan_to_num(p[1])
    correct = np.where(outside, np.nan, right)
    half = N_TRIALS_OF_CELL // 2
    orders = np.stack([rng.permutation(N_TRIALS_OF_CELL) for _ in range(N_HALVES)])
    halves = [(correct[o[:half]].mean(axis=0), correct[o[half:]].mean(axis=0)) for o in orders]
    return Chosen(truth, p[0], correct.mean(axis=0), halves)


def i2n(protocol: Any, formula: str) -> World:
    """I2n as `procedures.behaviour` scores it, for a read-out that is given."""

    def values(sample: Chosen, counts: FloatArray | None) -> FloatArray:
        needed = sample.halves if protocol == "paper" else sample.halves[:2]
        if formula == "raw":
            needed = []
        r, c = consistency(
            sample.model,
            sample.subject,
            needed,
            sample.truth,
            protocol=protocol,
            weights=counts,
        )
        if formula == "raw":
            return r[:, 0]
        if protocol == "paper":
            return ceiled(r[:, 0], spearman_brown(c).mean(axis=1), formula=formula)
        return np.asarray(ceiled(r, c, formula=formula).mean(axis=1))

    def of(sample: Chosen, random: str) -> Interval:
        counts = image_counts(IDS, n_draws=N_DRAWS)
        drawn = np.concatenate([values(sample, counts[k : k + 50]) for k in range(0, N_DRAWS, 50)])
        return interval(drawn, what="images", seed=0, value=float(values(sample, None)[0]))

    return World(
        name=f"I2n, {protocol}, {formula}",
        random=("images",),
        draw=chosen,
        score=lambda sample: float(values(sample, None)[0]),
        interval=of,
    )


# --- representational similarity ------------------------------------------------------------------

N_RDM = 40


def few(rng: np.random.Generator, random: str) -> tuple[FloatArray, FloatArray]:
    """Features and mean responses to 40 images."""
    sample = recorded(rng, random)
    return sample.features[:N_RDM], sample.trials.mean(axis=0)[:N_RDM]


def rsa(how: Any) -> World:
    """Likeness of two RDMs, as `metrics.rsa` draws it."""

    def pair(sample: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        return rdm(sample[0]), rdm(sample[1])

    def of(sample: tuple[FloatArray, FloatArray], random: str) -> Interval:
        counts = image_counts(IDS[:N_RDM], n_draws=N_DRAWS)
        drawn = compare_draws(*pair(sample), counts, how=how)
        return interval(drawn, what="images", seed=0, value=compare(*pair(sample), how=how))

    return World(
        name=f"RSA, {how}",
        random=("images",),
        draw=few,
        score=lambda sample: compare(*pair(sample), how=how),
        interval=of,
    )


def alignment(*, unbiased: bool) -> World:
    """Linear CKA, as `metrics.cka` draws it."""

    def of(sample: tuple[FloatArray, FloatArray], random: str) -> Interval:
        counts = image_counts(IDS[:N_RDM], n_draws=N_DRAWS)
        drawn = cka_draws(*sample, counts, unbiased=unbiased)
        return interval(drawn, what="images", seed=0, value=cka(*sample, unbiased=unbiased))

    return World(
        name=f"CKA, {'unbiased' if unbiased else 'biased'}",
        random=("images",),
        draw=few,
        score=lambda sample: cka(*sample, unbiased=unbiased),
        interval=of,
    )


# --- over time ------------------------------------------------------------------------------------

N_BINS, N_SITES = 3, 8


@dataclass(frozen=True)
class OverTime:
    """Features stimulus x feature x bin, and trials: repetition x stimulus x neuroid x bin."""

    features: FloatArray
    trials: FloatArray


def bins(rng: np.random.Generator, random: str) -> OverTime:
    """Six trials of 8 sites in three bins; features and what the model lacks rise with their own delay."""
    shown = images(fixed() if random == "units" else rng)
    seen, unseen, noise = sites(fixed() if random == "images" else rng)
    rise = 1 / (1 + np.exp(-(np.arange(N_BINS)[:, None] - fixed().uniform(-1, 2, 26))))
    features = shown[0][:, :, None] * rise[:, :20].T
    hidden = shown[1][:, :, None] * rise[:, 20:].T
    signal = np.einsum("ipt,pq->iqt", features, seen) + np.einsum("ipt,pq->iqt", hidden, unseen)
    trials = signal + noise[:, None] * rng.standard_normal((6, *signal.shape))
    return OverTime(features, trials[:, :, :N_SITES])


def dynamics(n_splits: int, formula: str) -> World:
    """Neural dynamics as `procedures.dynamics` scores it: one ridge map for all bins."""
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
            normalised="nothing",
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


def solved(rng: np.random.Generator, random: str) -> tuple[FloatArray, FloatArray]:
    """Solution times of a model and of a brain for 120 images; either leaves some unsolved."""
    common = rng.gamma(4.0, 10.0, N_IMAGES)
    model, brain = 80 + common + rng.gamma(2.0, 10.0, (2, N_IMAGES))
    model[rng.random(N_IMAGES) < 0.2] = np.nan
    brain[rng.random(N_IMAGES) < 0.1] = np.nan
    return model, brain


def solution_times() -> World:
    """Spearman correlation of object solution times, as `metrics.ost` draws it."""
    rows = np.arange(N_IMAGES)

    def score(sample: tuple[FloatArray, FloatArray]) -> float:
        return float(agreement([(rows, sample[0])], sample[1]).mean())

    def of(sample: tuple[FloatArray, FloatArray], random: str) -> Interval:
        counts = image_counts(IDS, n_draws=N_DRAWS)
        drawn = agreement([(rows, sample[0])], sample[1], counts=counts).mean(axis=-1)
        return interval(drawn, what="images", seed=0, value=score(sample))

    return World(
        name="object solution times, paper",
        random=("images",),
        draw=solved,
        score=score,
        interval=of,
    )


WORLDS: tuple[World, ...] = (
    predictivity("paper", "pls", "raw"),
    predictivity("paper", "pls", "r/sqrt(c)"),
    predictivity("paper", "ridge-cv", "raw"),
    predictivity("brainscore", "pls", "r2/c"),
    explained_variance("paper", "r2/c"),
    explained_variance("schoppe", "r2/c"),
    i2n("paper", "raw"),
    i2n("paper", "r/sqrt(c)"),
    i2n("brainscore", "r/sqrt(c)"),
    rsa("spearman"),
    rsa("pearson"),
    alignment(unbiased=True),
    alignment(unbiased=False),
    dynamics(1, "r/sqrt(c)"),
    dynamics(4, "r/sqrt(c)"),
    solution_times(),
)
