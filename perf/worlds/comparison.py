"""Worlds of several models on the same images and sites: differences, ranks, and exchanges of pairs.

Each model sees the 20 features of `worlds.regression` with noise of its own; models of equal noise are
exchangeable, and truly tied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.interval_and_null import joint_draws
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.stats.aggregate import mean_then_median
from brainbench.stats.bootstrap import Interval
from brainbench.stats.comparison import Differences, complete, decide, rank_intervals
from brainbench.stats.permutation import pair_test
from worlds.regression import Recorded, evaluate_predictivity, recorded
from worlds.world import ALL, IDS, N_DRAWS, World, fixed

RANKED = (0.3, 0.3, 0.9, 1.1, 1.8)
"""Noise of the models of a ranking: the first two are tied."""
Models = list[Recorded]


def models(rng: np.random.Generator, random: str, *, noise: Sequence[float]) -> Models:
    """Draw one recording and the features of each model, which are noisy and depend on the image alone."""
    sample = recorded(rng, random)
    of_features = fixed() if random == "units" else rng
    spread = sample.features.std(axis=0)
    return [
        Recorded(
            sample.features + level * spread * of_features.standard_normal(sample.features.shape),
            sample.trials,
        )
        for level in noise
    ]


def scores(sample: Models) -> FloatArray:
    """Score each model."""
    return np.array([_value(evaluate_predictivity(one)) for one in sample])


def _value(evaluation: PredictivityEvaluation) -> float:
    return float(evaluation.figure().value(evaluation.formula)[0])


def differences(sample: Models, random: str) -> Differences:
    """Build the differences of all models, as `brainbench compare` does."""
    values, drawn = [], []
    for one in sample:
        evaluation = evaluate_predictivity(one)
        value = _value(evaluation)
        joint = joint_draws(evaluation, random, n_draws=N_DRAWS, seed=0).joint  # type: ignore[arg-type]
        values.append(value)
        drawn.append(complete(joint, value))
    return Differences(values=np.array(values), draws=np.stack(drawn, axis=1))


@dataclass(frozen=True)
class _Difference:
    """Draw, score and interval of the difference between two models."""

    noise: tuple[float, float]

    def draw(self, rng: np.random.Generator, random: str) -> Models:
        return models(rng, random, noise=self.noise)

    def score(self, sample: Models) -> float:
        first, second = scores(sample)
        return float(first - second)

    def interval(self, sample: Models, random: str) -> Interval:
        made = differences(sample, random)
        d, half = float(made.of_pairs[0, 1]), float(made.alone()[0, 1])
        drawn = made.draws[2, 0] - made.draws[2, 1]
        return Interval(d - half, d + half, "difference", 0, drawn)


def difference(first: float, second: float) -> World:
    """Build the world of the difference between models of some noise."""
    world = _Difference((first, second))
    return World(
        name=f"difference of models, {first:g} and {second:g} noise",
        random=ALL,
        draw=world.draw,
        score=world.score,
        interval=world.interval,
    )


def rank_coverage(*, replicates: int, random: str = "both", seed: int = 0) -> dict[str, float]:
    """Measure how often the rank intervals of all models hold at once, and how wide they are.

    True ranks are those of the noise; a tied model's interval must hold all of its places. `wrong` is the
    share of replicates in which tied models are called different.
    """
    rng = np.random.default_rng([seed, 12])
    true_low = np.array([1 + sum(other < own for other in RANKED) for own in RANKED])
    true_high = np.array([sum(other <= own for other in RANKED) for own in RANKED])
    held, wrong, width = 0, 0, 0.0
    for _ in range(replicates):
        made = differences(models(rng, random, noise=RANKED), random)
        [significant] = decide([made]).significant
        low, high = rank_intervals(made.values, significant)
        held += bool(((low <= true_low) & (high >= true_high)).all())
        wrong += bool(significant[0, 1])
        width += float((high - low + 1).mean())
    return {
        "coverage": held / replicates,
        "wrong": wrong / replicates,
        "width": width / replicates,
        "replicates": replicates,
    }


def exchange_size(*, replicates: int, n_draws: int = 199, seed: int = 0) -> dict[str, float]:
    """Measure how often the permutation test calls exchangeable models different at 5 %, and others."""
    rng = np.random.default_rng([seed, 13])
    rejected = {}
    for name, noise in (("size", (0.6, 0.6)), ("power", (0.3, 0.9))):
        p = [_exchanged(models(rng, "both", noise=noise), n_draws) for _ in range(replicates)]
        rejected[name] = float(np.mean(np.array(p) <= 0.05))
    return {**rejected, "replicates": replicates}


def _exchanged(sample: Models, n_draws: int) -> float:
    evaluations = [evaluate_predictivity(one) for one in sample]
    fits = [evaluation.fits[0] for evaluation in evaluations]
    folds = fits[0].folds
    return pair_test(
        (np.concatenate(fits[0].predicted), np.concatenate(fits[1].predicted)),
        np.concatenate(fits[0].observed),
        folds=np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        groups=np.array(IDS)[np.concatenate([fold.test for fold in folds])],
        aggregate=mean_then_median,
        n_draws=n_draws,
    ).p
