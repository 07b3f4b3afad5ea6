"""A world draws a sample, and gives its score and the interval that a Score would carry.

What is not random is drawn once, from a seed of its own, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from brainbench.core.settings import Settings
from brainbench.scoring.few_groups import score_interval
from brainbench.scoring.measure import Evaluation
from brainbench.stats.bootstrap import Interval

Sample = Any
ALL = ("images", "units", "both")
N_DRAWS = 400
N_IMAGES = 120
IDS = tuple(f"image{k:03d}" for k in range(N_IMAGES))
OBJECTS = [f"object{k % 8}" for k in range(N_IMAGES)]


@dataclass(frozen=True, kw_only=True)
class World:
    """A measure in a simulated world.

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

    @classmethod
    def of(
        cls,
        *,
        name: str,
        random: tuple[str, ...],
        draw: Callable[[np.random.Generator, str], Sample],
        evaluate: Callable[[Sample], Evaluation],
    ) -> World:
        """Make the world of a measure, from the evaluation of a sample, as the pipeline scores it."""
        return cls(
            name=name,
            random=random,
            draw=draw,
            score=partial(_value, evaluate),
            interval=partial(_interval, evaluate),
        )


def _value(evaluate: Callable[[Sample], Evaluation], sample: Sample) -> float:
    evaluation = evaluate(sample)
    return float(evaluation.figure().value(evaluation.formula)[0])


def _interval(evaluate: Callable[[Sample], Evaluation], sample: Sample, random: Any) -> Interval:
    evaluation = evaluate(sample)
    value = float(evaluation.figure().value(evaluation.formula)[0])
    interval = score_interval(evaluation, Settings(resample=random), value, n_draws=N_DRAWS)
    assert interval is not None
    return interval


def fixed() -> np.random.Generator:
    """Return the generator of what is not random."""
    return np.random.default_rng(20190)
