"""A world: it draws a sample, scores it, and gives the interval that a Score would have.

What is not random is drawn once, from a seed of its own, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.stats.bootstrap import Interval

FloatArray = npt.NDArray[np.float64]
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


def fixed() -> np.random.Generator:
    """Return the generator of what is not random."""
    return np.random.default_rng(20190)
