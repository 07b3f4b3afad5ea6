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
from brainbench.metrics.array_types import AnyArray, FloatArray
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
    features, splits
        See `logistic_regression.cross_decode`.
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
    for batch in _batches(splits):
        for (train, test), inner in zip(batch, _inner(chunks, batch), strict=True):
            within = inner[np.ix_(train, train)]
            variance, vectors = leading_eigenvectors(within, rounding=len(train) * EPS)
            axes = vectors / np.sqrt(variance)
            yield within @ axes, inner[np.ix_(test, train)] @ axes


def _batches(splits: Sequence[Split]) -> Iterator[Sequence[Split]]:
    """Yield groups of splits whose inner products fit into memory together."""
    largest = max(len(train) + len(test) for train, test in splits)
    size = max(1, int(BATCH_BYTES / (8 * largest**2)))
    for first in range(0, len(splits), size):
        yield splits[first : first + size]


def _inner(chunks: Callable[[], Iterator[FloatArray]], splits: Sequence[Split]) -> list[FloatArray]:
    """Return inner products of all images for each split, features standardized by its training images.

    With mean m and deviation s over the training images, (x - m) / s . (y - m) / s is summed as
    x/s . y/s - x/s . m/s - y/s . m/s + m/s . m/s, so that features are scaled once for each split.
    """
    from scipy.linalg.blas import dsyrk

    sums: list[FloatArray] = []
    for chunk in chunks():
        n = len(chunk)
        sums = sums or [np.zeros((n, n), order="F") for _ in splits]
        moments = _moments(chunk, [train for train, _ in splits])
        for inner, mean, scale in zip(sums, *moments, strict=True):
            scaled, shift = chunk * scale, mean * scale
            cross = scaled @ shift
            # The upper triangle is summed in place; the lower one is filled in at the end.
            dsyrk(1.0, scaled.T, trans=1, beta=1.0, c=inner, overwrite_c=1)
            np.add(inner, (shift @ shift) - cross[:, None] - cross, out=inner)
    return [np.triu(inner) + np.triu(inner, 1).T for inner in sums]


def _moments(chunk: FloatArray, training: Sequence[AnyArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and 1 / deviation (0 for a constant feature) over training images, split x feature."""
    counted = np.zeros((len(training), len(chunk)))
    for row, train in zip(counted, training, strict=True):
        row[train] = 1.0 / len(train)
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
