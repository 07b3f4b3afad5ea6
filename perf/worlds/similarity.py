"""Worlds of representational similarity and CKA of 40 images."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.similarity.cka import cka, cka_draws
from brainbench.metrics.similarity.rdm import rdm
from brainbench.metrics.similarity.rsa import compare, compare_draws
from brainbench.stats.bootstrap import Interval, image_counts, interval
from worlds.regression import recorded
from worlds.world import IDS, N_DRAWS, World

N_RDM = 40


def few(rng: np.random.Generator, random: str) -> tuple[FloatArray, FloatArray]:
    """Draw features and mean responses to 40 images."""
    sample = recorded(rng, random)
    return sample.features[:N_RDM], sample.trials.mean(axis=0)[:N_RDM]


def rsa(how: Any) -> World:
    """Build the world of RSA, the correlation of two RDMs."""

    def pair(sample: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        return rdm(sample[0]), rdm(sample[1])

    def of(sample: tuple[FloatArray, FloatArray], random: str) -> Interval:
        counts = image_counts(IDS[:N_RDM], n_draws=N_DRAWS)
        drawn = compare_draws(*pair(sample), counts, comparison=how)
        return interval(drawn, what="images", seed=0, value=compare(*pair(sample), comparison=how))

    return World(
        name=f"RSA, {how}",
        random=("images",),
        draw=few,
        score=lambda sample: compare(*pair(sample), comparison=how),
        interval=of,
    )


def alignment(*, unbiased: bool) -> World:
    """Build the world of linear CKA."""

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
