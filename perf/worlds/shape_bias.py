"""World of shape bias: a read-out of a layer in which the shape or the texture of a picture is louder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from brainbench.core import stimuli
from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.choices_target import ChoicesTarget
from brainbench.scoring.behavior.conflicts import Conflicts, CueColumns, cue_readout
from brainbench.scoring.behavior.readout import LabeledImages
from brainbench.scoring.behavior.shape_bias_evaluation import ShapeBiasEvaluation
from brainbench.scoring.layer_candidates import Candidate
from worlds.world import World, fixed

N_CATEGORIES, N_PHOTOGRAPHS, N_PICTURES, N_DIMENSIONS = 6, 8, 3, 12
SHAPE, TEXTURE, PHOTOGRAPH = (
    axis.ravel()
    for axis in np.meshgrid(
        range(N_CATEGORIES), range(N_CATEGORIES), range(N_PHOTOGRAPHS), indexing="ij"
    )
)
PICTURE = (SHAPE + PHOTOGRAPH) % N_PICTURES
NAMES = np.array([f"category{k}" for k in range(N_CATEGORIES)])
N = len(SHAPE)
OPTIONS = ReadoutOptions(C=1e-2)
PICTURES = stimuli.from_arrays(
    "conflicts",
    np.arange(N, dtype=np.uint32)
    .view(np.uint8)
    .reshape(N, 1, 4, 1)[..., :3, :]
    .reshape(N, 1, 1, 3),
    ids=[f"image{k:03d}" for k in range(N)],
    metadata={
        "object_name": NAMES[SHAPE],
        "texture": NAMES[TEXTURE],
        "exemplar": [f"{a}/{b}" for a, b in zip(SHAPE, PHOTOGRAPH, strict=True)],
        "texture_exemplar": [f"{a}/{b}" for a, b in zip(TEXTURE, PICTURE, strict=True)],
    },
)


@dataclass(frozen=True)
class _Cues:
    """Draw and evaluate a layer in which the shape is so much louder than the texture."""

    shape: float

    def draw(self, rng: np.random.Generator, random: str) -> FloatArray:
        """Draw features of other photographs of the same categories; pictures of textures are the same."""
        same = fixed()
        shapes = same.standard_normal((N_CATEGORIES, 1, N_DIMENSIONS))
        textures = same.standard_normal((N_CATEGORIES, 1, N_DIMENSIONS))
        textures = textures + same.standard_normal((N_CATEGORIES, N_PICTURES, N_DIMENSIONS))
        photographs = rng.standard_normal((N_CATEGORIES, N_PHOTOGRAPHS, N_DIMENSIONS))
        shown = (shapes + photographs)[SHAPE, PHOTOGRAPH]
        own = 0.5 * rng.standard_normal((N, N_DIMENSIONS))
        return np.asarray(
            np.hstack([self.shape * shown, textures[TEXTURE, PICTURE]]) + np.hstack([own, own])
        )

    def evaluate(self, features: FloatArray) -> ShapeBiasEvaluation:
        images = LabeledImages(
            stimuli=PICTURES,
            partial=False,
            labels=PICTURES.labels("object_name"),
            groups=PICTURES.labels("exemplar"),
            n_splits=5,
            n_inner=1,
            seed=0,
        )
        answers = np.eye(N_CATEGORIES)[SHAPE][None]
        target = ChoicesTarget(
            images=images,
            counts=answers,
            seen=np.full((1, N), True),
            subjects=("one",),
            halves=[],
            n_without=0,
            n_outside=0,
        )
        conflicts = Conflicts(
            answers=target, columns=CueColumns(), n_photographs=5, n_pictures=N_PICTURES
        )
        candidate = Candidate(
            layer="layer",
            step=None,
            span=(-np.inf, np.inf),
            activations=xr.DataArray(features[:, :, None], dims=("stimulus", "neuroid", "time")),
            weights=np.ones(1),
        )
        return ShapeBiasEvaluation(
            material=target.material,
            formula="raw",
            readout=cue_readout(conflicts, candidate, OPTIONS),
            seed=0,
            target=target,
            group="exemplar",
            conflicts=conflicts,
        )


def shape_bias(shape: float) -> World:
    """Build the world of a layer in which shapes are so much louder than textures."""
    world = _Cues(shape)
    return World.of(
        name=f"shape bias, shapes {shape:g} times as loud",
        random=("images",),
        draw=world.draw,
        evaluate=world.evaluate,
    )
