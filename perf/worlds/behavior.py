"""World of I2n: choices between two objects, for a given or a fitted read-out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.behavior.i2n import consistency, consistency_of_pairs, two_way
from brainbench.metrics.behavior.simulated_subjects import corrected_rate, simulated_subjects
from brainbench.metrics.classification.logistic_regression import ReadoutOptions, cross_decode
from brainbench.stats.bootstrap import Interval, image_counts, interval
from brainbench.stats.ceiling import ceiled
from brainbench.stats.splits import paper
from worlds.world import IDS, N_DRAWS, N_IMAGES, World, fixed

N_OBJECTS, N_TRIALS_OF_CELL = 6, 24
N_SIMULATED, N_SIMULATED_DRAWN = 40, 10


@dataclass(frozen=True)
class Chosen:
    """Fractions correct of a model, and trials of a subject in all and in two pairs of halves."""

    truth: npt.NDArray[np.intp]
    model: FloatArray
    right: FloatArray  # correct trials, image x object
    count: FloatArray  # all trials, none where the distractor is the object itself
    halves: list[tuple[FloatArray, FloatArray]]  # fractions correct


def chosen(rng: np.random.Generator, random: str) -> Chosen:
    """Draw a model and a subject that share part of what makes an image hard against an object."""
    truth = np.arange(N_IMAGES) % N_OBJECTS
    shape = (N_IMAGES, N_OBJECTS)
    pairs = fixed().standard_normal((N_OBJECTS, N_OBJECTS))[truth]
    common = rng.standard_normal(shape) + 0.7 * rng.standard_normal((N_IMAGES, 1))
    own = rng.standard_normal((2, *shape))
    p = 1 / (1 + np.exp(-(1.0 + 0.5 * pairs + common + 0.8 * own)))
    return _of(truth, p[0], p[1], rng)


def read_out(rng: np.random.Generator, random: str) -> Chosen:
    """Draw a subject that sees noisy features, and a read-out of the same features fitted in folds."""
    truth = np.arange(N_IMAGES) % N_OBJECTS
    means = fixed().standard_normal((N_OBJECTS, 12))
    features = means[truth] + rng.standard_normal((N_IMAGES, 12))
    seen = features + 0.7 * rng.standard_normal((N_IMAGES, 12))
    distance = np.square(seen[:, None] - means).sum(axis=2)
    evidence = 0.15 * (distance - distance[np.arange(N_IMAGES), truth][:, None])
    folds = paper(IDS, truth.astype(str), n_splits=5)
    decoded = cross_decode(features, truth, folds, readout=ReadoutOptions())
    p = np.empty((N_IMAGES, N_OBJECTS))
    for fold, found in zip(folds, decoded.probabilities, strict=True):
        p[fold.test] = found
    return _of(truth, two_way(p, truth), 1 / (1 + np.exp(-evidence)), rng)


def _of(
    truth: npt.NDArray[np.intp], model: FloatArray, subject: FloatArray, rng: np.random.Generator
) -> Chosen:
    """Draw the trials of each cell by the subject's probabilities, and halves of them."""
    shape, p = subject.shape, np.stack([model, subject])
    outside = truth[:, None] == np.arange(N_OBJECTS)
    p[:, outside] = np.nan
    right = rng.random((N_TRIALS_OF_CELL, *shape)) < np.nan_to_num(p[1])
    correct = np.where(outside, np.nan, right)
    half = N_TRIALS_OF_CELL // 2
    orders = np.stack([rng.permutation(N_TRIALS_OF_CELL) for _ in range(2)])
    halves = [(correct[o[:half]].mean(axis=0), correct[o[half:]].mean(axis=0)) for o in orders]
    count = np.where(outside, 0.0, N_TRIALS_OF_CELL)
    return Chosen(truth, p[0], np.nan_to_num(correct).sum(axis=0), count, halves)


def brainscore_values(sample: Chosen, counts: FloatArray | None) -> FloatArray:
    """Return r / sqrt(c) of each half, mean of two, for each draw."""
    r, c = consistency(
        sample.model,
        sample.halves[0][0],
        sample.halves,
        sample.truth,
        false_alarms="brainscore",
        against_halves=True,
        weights=counts,
    )
    return np.asarray(ceiled(r, c, formula="r/sqrt(c)").mean(axis=1))


def paper_values(formula: str, sample: Chosen, counts: FloatArray | None) -> FloatArray:
    """Return r, or r over what simulated subjects reach, for each draw."""
    rates = corrected_rate(sample.right, sample.count)
    r = consistency_of_pairs([(sample.model, rates)], sample.truth, weights=counts)[:, 0]
    if formula == "raw":
        return r
    rng = np.random.default_rng(0)
    subjects = list(simulated_subjects(sample.right, sample.count, n_subjects=N_SIMULATED, rng=rng))
    reached = consistency_of_pairs(subjects, sample.truth)[0]
    if counts is None:
        return r / reached.mean()
    drawn = consistency_of_pairs(subjects[:N_SIMULATED_DRAWN], sample.truth, weights=counts)
    share = reached.mean() / reached[:N_SIMULATED_DRAWN].mean()
    return r / (drawn.mean(axis=1) * share)


def i2n(protocol: Any, formula: str, *, fitted: bool = False) -> World:
    """I2n as `scoring.behavior.i2n` scores it, for a read-out that is given or fitted."""
    values = brainscore_values if protocol == "brainscore" else partial(paper_values, formula)

    def of(sample: Chosen, random: str) -> Interval:
        counts = image_counts(IDS, n_draws=N_DRAWS)
        drawn = values(sample, counts)
        return interval(drawn, what="images", seed=0, value=float(values(sample, None)[0]))

    return World(
        name=f"I2n{' of a fitted read-out' * fitted}, {protocol}, {formula}",
        random=("images",),
        draw=read_out if fitted else chosen,
        score=lambda sample: float(values(sample, None)[0]),
        interval=of,
    )
