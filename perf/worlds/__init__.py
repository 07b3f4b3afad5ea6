"""Small simulated worlds in which every measure is scored on thousands of fresh samples."""

from __future__ import annotations

from worlds.behavior import i2n
from worlds.between_animals import between_animals
from worlds.comparison import difference
from worlds.curvature import curvature
from worlds.dynamics import dynamics
from worlds.groups import animals, films
from worlds.regression import composite, explained_variance, predictivity
from worlds.reverse import reverse
from worlds.shape_bias import shape_bias
from worlds.similarity import alignment, rsa
from worlds.solution_times import solution_times
from worlds.world import World

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
    predictivity("paper", "pls", "r/sqrt(c)", noisier=3.0),
    composite(),
    i2n("paper", "raw", fitted=True),
    solution_times(by_decoders=True),
    dynamics(1, "r/sqrt(c)", declared=True),
    dynamics(4, "r/sqrt(c)", declared=True),
    dynamics(1, "r/sqrt(c)", declared=True, skewed=True),
    dynamics(4, "r/sqrt(c)", declared=True, skewed=True),
    dynamics(4, "r/sqrt(c)", skewed=True),
    difference(0.3, 0.9),
    difference(0.6, 0.6),
    *(films(n) for n in (3, 5, 10, 20)),
    films(10, whole=False),
    animals(2, 0.1, over=False),
    animals(2, 0.3, over=False),
    *(animals(n, share, over=True) for n in (3, 5) for share in (0.1, 0.3)),
    explained_variance("paper", "r/sqrt(c)", aggregate="median"),
    reverse("paper", "raw"),
    reverse("brainscore", "r2/c"),
    curvature(10),
    curvature(30),
    shape_bias(1.0),
    shape_bias(0.6),
    between_animals("raw"),
    between_animals("r/sqrt(c)"),
)
