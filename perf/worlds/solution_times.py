"""World of object solution times, given or decoded on both sides."""

from __future__ import annotations

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.metrics.solution_times.solution_times import agreement
from brainbench.metrics.solution_times.solution_times import solution_times as solution_times_of
from brainbench.stats.bootstrap import Interval, image_counts, interval
from brainbench.stats.splits import paper
from worlds.world import IDS, N_DRAWS, N_IMAGES, World

N_OBJECTS = 4
BINS = np.array([(start, start + 10.0) for start in range(70, 150, 10)])


def solved(rng: np.random.Generator, random: str) -> tuple[FloatArray, FloatArray]:
    """Draw solution times of a model and of a brain for 120 images, some of them unsolved."""
    common = rng.gamma(4.0, 10.0, N_IMAGES)
    model, brain = 80 + common + rng.gamma(2.0, 10.0, (2, N_IMAGES))
    model[rng.random(N_IMAGES) < 0.2] = np.nan
    brain[rng.random(N_IMAGES) < 0.1] = np.nan
    return model, brain


def decoded(rng: np.random.Generator, random: str) -> tuple[FloatArray, FloatArray]:
    """Decode times from responses of model and brain in eight bins, which carry the object from some time on.

    That moment is the image's own, in part for both. The subject's threshold is the brain's sensitivity in
    some bin, as if it had answered by then.
    """
    truth = np.arange(N_IMAGES) % N_OBJECTS
    late = rng.gamma(3.0, 10.0, N_IMAGES)
    starts = BINS[:, 0]
    folds = paper(IDS, truth.astype(str), n_splits=4)
    sides = []
    for side in range(2):
        means = np.random.default_rng(side).standard_normal((N_OBJECTS, 12))
        onset = 80 + late + rng.gamma(2.0, 8.0, N_IMAGES)
        known = 1 / (1 + np.exp(-(starts[:, None] - onset) / 8))
        seen = known[:, :, None] * means[truth] + rng.standard_normal((len(BINS), N_IMAGES, 12))
        converged = Decoder(name="converged")
        found = decode_sensitivity(list(seen), truth.astype(str), folds, decoder=converged)
        sides.append(found.sensitivity)
    wanted = np.quantile(sides[1], 0.7, axis=0) + 0.3 * rng.standard_normal(N_IMAGES)
    model, brain = (solution_times_of(one, wanted, BINS) for one in sides)
    return model, brain


def solution_times(*, by_decoders: bool = False) -> World:
    """Build the world of the Spearman correlation of object solution times."""
    rows = np.arange(N_IMAGES)

    def score(sample: tuple[FloatArray, FloatArray]) -> float:
        return float(agreement([(rows, sample[0])], sample[1]).mean())

    def of(sample: tuple[FloatArray, FloatArray], random: str) -> Interval:
        counts = image_counts(IDS, n_draws=N_DRAWS)
        drawn = agreement([(rows, sample[0])], sample[1], counts=counts).mean(axis=-1)
        return interval(drawn, what="images", seed=0, value=score(sample))

    return World(
        name=f"object solution times{', decoded' * by_decoders}, paper",
        random=("images",),
        draw=decoded if by_decoders else solved,
        score=score,
        interval=of,
    )
