"""World of curvature: how a layer and a brain bend ten scenes, each filmed at two scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench.core import stimuli
from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.curvature.curvature import Estimate
from brainbench.scoring.curvature.evaluation import CurvatureEvaluation
from brainbench.scoring.curvature.films import CurvatureTarget, Films
from worlds.regression import OneLayer
from worlds.world import World

N_FRAMES, SCALES = 5, 2
OF_THE_SCENE = 0.5
"""Share of the variance of curvature that both films of a scene have in common."""
SPREAD, NOISE = 12.0, 8.0
"""Standard deviations over films, and of the estimate of a brain's curvature, in degrees."""


@dataclass(frozen=True)
class Bent:
    """Curvature of each film in the layer and in the brain, in degrees."""

    layer: FloatArray
    brain: FloatArray


@dataclass(frozen=True)
class _Scenes:
    """Draw and evaluate films of some scenes."""

    n: int

    @property
    def n_films(self) -> int:
        return self.n * SCALES

    def draw(self, rng: np.random.Generator, random: str) -> Bent:
        """Draw films that layer and brain bend alike in part, and the noise of the brain's estimate."""
        common, of_layer, of_brain = (self._deviations(rng) for _ in range(3))
        layer = 80 + SPREAD * (np.sqrt(0.6) * common + np.sqrt(0.4) * of_layer)
        brain = 80 + SPREAD * (np.sqrt(0.6) * common + np.sqrt(0.4) * of_brain)
        return Bent(layer, brain + NOISE * rng.standard_normal(self.n_films))

    def _deviations(self, rng: np.random.Generator) -> FloatArray:
        of_scene = np.repeat(rng.standard_normal(self.n), SCALES)
        own = rng.standard_normal(self.n_films)
        return np.asarray(np.sqrt(OF_THE_SCENE) * of_scene + np.sqrt(1 - OF_THE_SCENE) * own)

    def evaluate(self, sample: Bent) -> CurvatureEvaluation:
        n_frames = self.n_films * N_FRAMES
        rows = np.arange(n_frames).reshape(self.n_films, N_FRAMES)
        pictures = stimuli.from_arrays(
            "films",
            np.arange(3 * n_frames, dtype=np.uint16)
            .view(np.uint8)[: 3 * n_frames]
            .reshape(n_frames, 1, 1, 3),
            ids=[f"frame{k:03d}" for k in range(n_frames)],
        )
        products = np.zeros((n_frames, n_frames))
        for film, degrees in zip(rows, sample.layer, strict=True):
            path = zigzag(degrees)
            products[np.ix_(film, film)] = path @ path.T
        groups = np.repeat([f"scene{k:02d}" for k in range(self.n)], SCALES * N_FRAMES)
        target = CurvatureTarget(
            stimuli=pictures,
            partial=False,
            films=Films(
                kind="natural",
                names=tuple(f"film{k:02d}" for k in range(self.n_films)),
                rows=list(rows),
            ),
            others=(),
            groups=groups,
            pixels=np.full(self.n_films, 90.0),
            estimates=[Estimate(degrees, 0.0) for degrees in sample.brain],
            naive=np.full(self.n_films, 100.0),
            n_sites=1,
            published={},
        )
        return CurvatureEvaluation(
            material=target.material,
            formula="raw",
            target=target,
            products=products,
            candidate=OneLayer(),  # type: ignore[arg-type]
            seed=0,
        )


def zigzag(degrees: float) -> FloatArray:
    """Return frames in a plane whose steps turn by an angle, to the left and right in turn."""
    angles = np.radians(degrees) * (np.arange(N_FRAMES - 1) % 2)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(np.concatenate([np.zeros((1, 2)), steps.cumsum(axis=0)]))


def curvature(n: int) -> World:
    """Build the world of n scenes."""
    world = _Scenes(n)
    name = f"curvature of {n} scenes at {SCALES} scales"
    return World.of(name=name, random=("images",), draw=world.draw, evaluate=world.evaluate)
