"""Features standardized by the training images of each split, for decoders that penalize weights.

The mean and the deviation of each feature are those over the training images. Where there are more features
than training images, a penalized solution lies in the space that these span: the inner products of the
images, rotated to at most as many columns as there are training images, determine it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import (
    EPS,
    Features,
    Split,
    center_columns,
    column_chunks,
    leading_eigenvectors,
)

BATCH_BYTES = 1e9
"""Inner products that are summed in one pass over the features."""


@dataclass(frozen=True, eq=False)
class Standardized:
    """Features of the training and of the held-out images of each split.

    Attributes
    ----------
    spaces : iterator of (training image x column, held-out image x column)
        In the order of the splits, computed lazily.
    rotated : bool
        Columns are a rotation of the features, not the features themselves.
    """

    spaces: Iterator[tuple[FloatArray, FloatArray]]
    rotated: bool


def standardized(
    features: Features,
    splits: Sequence[Split],
    *,
    n_images: int,
    constant: bool = False,
) -> Standardized:
    """Standardize features by the training images of each split.

    Parameters
    ----------
    features
        See `logistic_regression.cross_decode`.
    splits : sequence of (train, test)
        Row numbers. An image that is in a part twice counts twice.
    n_images : int
        Rows that the features must have.
    constant : bool
        Whether features may be the same for every image.

    Raises
    ------
    InputError
        Features of another number of images, NaN, infinite, or the same for every image.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [3.0, 5.0], [9.0, 5.0]])
    >>> result = standardized(X, [(np.array([0, 1]), np.array([2]))], n_images=3)
    >>> [part.tolist() for part in next(result.spaces)]
    [[[-1.0, -1.0], [1.0, 1.0]], [[7.0, 1.0]]]
    """
    chunks = partial(_centered, features, n_images, constant=constant)
    widest = max(len(train) for train, _ in splits)
    narrow = _narrow(chunks(), widest)
    if narrow is None:
        return Standardized(_rotated(chunks, splits), rotated=True)
    return Standardized(_scaled(narrow, splits), rotated=False)


def _scaled(
    features: FloatArray, splits: Sequence[Split]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield standardized features of training and held-out images of each split."""
    from sklearn.preprocessing import StandardScaler

    for train, test in splits:
        scaler = StandardScaler().fit(features[train])
        yield scaler.transform(features[train]), scaler.transform(features[test])


def _rotated(
    chunks: Callable[[], Iterator[FloatArray]], splits: Sequence[Split]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the same rotated into the space of the training images, at most one column for each."""
    used = [np.union1d(train, test) for train, test in splits]
    for batch in _batches(splits, used):
        for (train, test), rows, inner in zip(*batch, _inner(chunks, *batch), strict=True):
            fitted, held_out = np.searchsorted(rows, train), np.searchsorted(rows, test)
            within = inner[np.ix_(fitted, fitted)]
            variance, vectors = leading_eigenvectors(within, rounding=len(fitted) * EPS)
            axes = vectors / np.sqrt(variance)
            yield within @ axes, inner[np.ix_(held_out, fitted)] @ axes


def _batches(
    splits: Sequence[Split], used: Sequence[IntArray]
) -> Iterator[tuple[Sequence[Split], Sequence[IntArray]]]:
    """Yield groups of splits, and of their images, whose inner products fit into memory together."""
    largest = max(len(rows) for rows in used)
    size = max(1, int(BATCH_BYTES / (8 * largest**2)))
    for first in range(0, len(splits), size):
        chosen = slice(first, first + size)
        yield splits[chosen], used[chosen]


def _inner(
    chunks: Callable[[], Iterator[FloatArray]],
    splits: Sequence[Split],
    used: Sequence[IntArray],
) -> list[FloatArray]:
    """Return inner products of the images of each split, features standardized by its training images.

    `used` are the images of each split, sorted, each once, however often a split has it. With mean m and
    deviation s over the training images, (x - m) / s . (y - m) / s is summed as
    x/s . y/s - x/s . m/s - y/s . m/s + m/s . m/s, so that features are scaled once for each split.
    """
    from scipy.linalg.blas import dsyrk

    sums = [np.zeros((len(rows), len(rows)), order="F") for rows in used]
    for chunk in chunks():
        moments = _moments(chunk, [train for train, _ in splits])
        for inner, rows, mean, scale in zip(sums, used, *moments, strict=True):
            own = chunk if len(rows) == len(chunk) else chunk[rows]
            scaled, shift = own * scale, mean * scale
            cross = scaled @ shift
            # The upper triangle is summed in place; the lower one is filled in at the end.
            dsyrk(1.0, scaled.T, trans=1, beta=1.0, c=inner, overwrite_c=1)
            np.add(inner, (shift @ shift) - cross[:, None] - cross, out=inner)
    return [np.triu(inner) + np.triu(inner, 1).T for inner in sums]


def _moments(chunk: FloatArray, training: Sequence[AnyArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and 1 / deviation (0 for a constant feature) over training images, split x feature."""
    n = len(chunk)
    counted = np.stack([np.bincount(train, minlength=n) / len(train) for train in training])
    mean, square = counted @ chunk, counted @ chunk**2
    variance = square - mean**2
    constant = variance <= 1e-12 * square
    return mean, np.where(constant, 0.0, 1.0 / np.sqrt(np.where(constant, 1.0, variance)))


def _narrow(chunks: Iterator[FloatArray], widest: int) -> FloatArray | None:
    """Return all features as one array, or None where there are more than `widest`."""
    kept, width = [], 0
    for chunk in chunks:
        width += chunk.shape[1]
        if width > widest:
            return None
        kept.append(chunk)
    return np.concatenate(kept, axis=1)


def _centered(features: Features, n_images: int, *, constant: bool) -> Iterator[FloatArray]:
    """Yield centered chunks of columns; raise where no feature varies, unless `constant` allows it."""
    varies = constant
    for first, chunk in column_chunks(features, n_stimuli=n_images):
        varies = varies or bool((np.ptp(chunk, axis=0) > 0).any())
        yield center_columns(chunk, first_feature=first)
    if not varies:
        raise InputError(
            f"features that are the same for all {n_images} images",
            allowed="a layer whose responses vary with the image",
            todo="check the preprocessing and the layer's name",
        )
