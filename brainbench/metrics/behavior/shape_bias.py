"""Shape bias: where shape and texture of an image conflict, which of the two an answer names.

Shape answers over shape and texture answers (Geirhos et al. 2019); answers that name neither do not count.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.reductions import draw_counts


def cue_answers(answers: AnyArray, shape: AnyArray, texture: AnyArray) -> FloatArray:
    """Return how often the answers to each image name its shape, and its texture.

    Parameters
    ----------
    answers : array, subject x image x category
        How often each subject gave each answer.
    shape, texture : array of int, image
        Category of each, which differ.

    Returns
    -------
    array, subject x image x 2

    Raises
    ------
    InputError
        Other numbers of images, a category outside the answers, or an image of one category.

    Examples
    --------
    >>> cue_answers(np.array([[[3, 1, 5]]]), np.array([0]), np.array([1])).tolist()
    [[[3.0, 1.0]]]
    """
    answers = np.asarray(answers, dtype=np.float64)
    cues = np.stack([np.asarray(shape), np.asarray(texture)], axis=-1)
    is_valid = answers.ndim == 3 and cues.shape == (answers.shape[1], 2)
    if not is_valid or not len(cues) or cues.min() < 0 or cues.max() >= answers.shape[2]:
        raise InputError(
            f"answers of shape {answers.shape}, shapes and textures of {len(cues)} images",
            allowed="subject x image x category, and shape and texture of each image among the categories",
            todo="align answers, shapes and textures by stimulus_id, and list all categories",
        )
    same = int((cues[:, 0] == cues[:, 1]).sum())
    if same:
        raise InputError(
            f"{same} of {len(cues)} images whose shape and texture are of one category",
            allowed="images in which the two conflict: an answer to another one tells nothing",
            todo="leave these images out",
        )
    return cast(FloatArray, np.take_along_axis(answers, cues[None], axis=2))


def summed_cues(cues: AnyArray, image_counts: AnyArray | None = None) -> FloatArray:
    """Return how often each subject named shapes and textures, draw x subject x 2.

    `cues` is from `cue_answers`; `image_counts`, draw x image, says how often each image counts.
    """
    counts = draw_counts(image_counts, cues.shape[1])
    return cast(FloatArray, np.tensordot(counts, cues, axes=(1, 1)))


def shape_bias(sums: AnyArray, subject_counts: AnyArray | None = None) -> FloatArray:
    """Return the share of shape answers among shape and texture answers, subjects pooled.

    Parameters
    ----------
    sums : array, draw x subject x 2
        From `summed_cues`.
    subject_counts : array, draw x subject, optional
        How often each subject counts. Where one of the two has one draw it serves all of the other.

    Returns
    -------
    array, draw
        1 for answers by shape alone, 0 by texture alone; NaN where no answer names either.

    Examples
    --------
    >>> shape_bias(np.array([[[3.0, 1.0]], [[0.0, 0.0]]])).tolist()
    [0.75, nan]
    """
    counts = draw_counts(subject_counts, sums.shape[1])
    pooled = (counts[..., None] * sums).sum(axis=1)
    total = pooled.sum(axis=-1)
    return cast(FloatArray, pooled[:, 0] / np.where(total > 0, total, np.nan))
