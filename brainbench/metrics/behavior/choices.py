"""Image-level behavior in choices among all categories: correlation of answers.

Where a subject chooses among all categories at once and gives each image one answer, rates of single pairs
are nearly all 0 or 1 and have no d' (see `brainbench.metrics.behavior.i2n`). The counterpart of I2n is the
share of answers in each cell image x category, less the mean over the images of the same category, correlated
over all cells.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import centered_correlation
from brainbench.metrics.reductions import draw_counts


def tally(
    subject: AnyArray, image: AnyArray, choice: AnyArray, *, shape: tuple[int, int, int]
) -> FloatArray:
    """Count how often each subject gave each answer to each image.

    Parameters
    ----------
    subject, image, choice : array of int, answer
        Row numbers.
    shape : (subjects, images, choices)
        Their numbers, which are the shape of the counts.

    Raises
    ------
    InputError
        Columns of different lengths, no answer, or a number outside the shape.

    Examples
    --------
    >>> tally(np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), shape=(2, 1, 2)).tolist()
    [[[0.0, 1.0]], [[0.0, 1.0]]]
    """
    columns = [np.asarray(column) for column in (subject, image, choice)]
    lengths = [column.size for column in columns]
    valid = len(set(lengths)) == 1 and all(
        column.size and 0 <= column.min() <= column.max() < size
        for column, size in zip(columns, shape, strict=True)
    )
    if not valid:
        raise InputError(
            f"answers with {lengths} subjects, images and choices for {shape}",
            allowed="one of each for every answer, at least one answer, numbers within the shape",
            todo="take all columns from one table of answers",
        )
    cell = np.ravel_multi_index(columns, shape)
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def shares(counts: AnyArray, weights: AnyArray | None = None) -> FloatArray:
    """Return the share of each answer among the answers to an image, subjects pooled.

    Parameters
    ----------
    counts : array, subject x image x choice
        From `tally`.
    weights : array, draw x subject, optional
        How often each subject counts.

    Returns
    -------
    array, (draw,) image x choice
        NaN for an image without an answer.
    """
    by_draw = np.ones((1, len(counts))) if weights is None else weights
    total = np.tensordot(by_draw, counts, axes=1)
    answered = total.sum(axis=-1, keepdims=True)
    share = total / np.where(answered > 0, answered, np.nan)
    return cast(FloatArray, share[0] if weights is None else share)


def image_level(
    x: AnyArray,
    y: AnyArray,
    truth: AnyArray,
    *,
    weights: AnyArray | None = None,
) -> FloatArray:
    """Return the correlation over cells image x choice, less the mean over the images of each category.

    Parameters
    ----------
    x, y : array, (draw,) image x choice
        Shares or probabilities of answers; an image with NaN on either side is skipped.
    truth : array of int, image
        Category of each image.
    weights : array, draw x image, optional
        How often each image counts.

    Returns
    -------
    array, draw (one without draws)
        NaN where nothing varies within a category on one side.

    Raises
    ------
    InputError
        Shapes that do not match.

    Examples
    --------
    >>> x = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]])
    >>> image_level(x, x**2, np.array([0, 0, 1, 1])).round(3)
    array([0.891])
    """
    x, y = (np.array(side, dtype=np.float64, ndmin=3) for side in (x, y))
    truth = np.asarray(truth)
    if x.shape[1:] != y.shape[1:] or truth.shape != x.shape[1:2]:
        raise InputError(
            f"answers of shape {x.shape[1:]} and {y.shape[1:]}, {truth.shape} truths",
            allowed="image x choice for both, the same images and choices, and a truth for each image",
            todo="align both by stimulus_id, and list all choices",
        )
    weight = draw_counts(weights, len(truth))
    order = np.argsort(truth, kind="stable")
    starts = np.flatnonzero(np.diff(truth[order], prepend=-1))
    x, y = x[:, order], y[:, order]
    defined = np.asarray(np.isfinite(x).all(axis=-1) & np.isfinite(y).all(axis=-1))
    weight = np.where(defined, weight[:, order], 0.0)
    x, y = (np.where(defined[..., None], side, 0.0) for side in (x, y))
    total = np.add.reduceat(weight, starts, axis=1)[..., None]
    total = np.where(total > 0, total, np.nan)
    # Means of the categories are subtracted first, so that sums of squares keep their digits.
    x, y = (_less_means(side, weight, starts, total, len(truth)) for side in (x, y))
    least = 1e-20 * weight.sum(axis=1)
    weight = np.repeat(weight, x.shape[-1], axis=1)
    x, y = x.reshape(weight.shape), y.reshape(weight.shape)
    return centered_correlation(x, y, weight, rounding=(least, least))


def _less_means(
    side: FloatArray, weight: FloatArray, starts: IntArray, total: FloatArray, n: int
) -> FloatArray:
    """Subtract the weighted mean of each group of images that begins at one of `starts`."""
    means = np.add.reduceat(weight[..., None] * side, starts, axis=1) / total
    sizes = np.diff(starts, append=n)
    return side - np.nan_to_num(np.repeat(means, sizes, axis=1))
