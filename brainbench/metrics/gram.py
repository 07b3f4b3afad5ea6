"""Gram matrices of features, accumulated over chunks of features, and principal components.

A linear map from p features to responses on n stimuli needs the features only through the n x n
inner products K = XX'. They are summed over chunks of columns, so that the features of a layer never
have to fit in memory, and 100,352 features cost little more than 1,000.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.features import (
    EPS,
    as_features,
    center_columns,
    column_batches,
    column_chunks,
    leading_eigenvectors,
)

_BLOCK = 512  # rows that are transposed at once


@dataclass(frozen=True)
class Gram:
    """Inner products of all pairs of stimuli, each feature's mean over stimuli removed.

    Attributes
    ----------
    K : array, stimulus x stimulus, float64
        K = XX' with the columns of X centered over all stimuli.
    n_features : int
        Number of features.
    """

    K: FloatArray
    n_features: int

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli."""
        return len(self.K)


def gram(features: AnyArray | Iterable[AnyArray]) -> Gram:
    """Accumulate K = XX' over chunks of features.

    Parameters
    ----------
    features : array, stimulus x feature, or an iterable of such arrays
        See `column_chunks`. Any real type; the sums are float64.

    Returns
    -------
    Gram
        The mean over stimuli is removed from each chunk before the product. Removing it from K afterwards
        would lose digits where the mean is large.

    Raises
    ------
    InputError
        See `column_chunks`; a value that is NaN or infinite (stimulus and feature are named).

    Examples
    --------
    >>> X = np.array([[0.0, 2.0], [2.0, 2.0], [4.0, 2.0]])
    >>> gram([X[:, :1], X[:, 1:]]).K
    array([[ 4.,  0., -4.],
           [ 0.,  0.,  0.],
           [-4.,  0.,  4.]])
    """
    from scipy.linalg.blas import dsyrk

    K = np.zeros((0, 0))
    n_features = 0
    for first, chunk in column_chunks(features):
        if not n_features:
            K = np.zeros((len(chunk), len(chunk)), order="F")
        centered = center_columns(chunk, first_feature=first)
        # In column-major order K's upper triangle is summed in place, without an n x n temporary.
        K = dsyrk(1.0, centered.T, trans=1, beta=1.0, c=K, overwrite_c=1)
        n_features += chunk.shape[1]
    return Gram(symmetric(K), n_features)


def symmetric(upper: FloatArray) -> FloatArray:
    """Fill in the lower triangle of a matrix from its upper one, in place; return it in row-major order.

    `upper` is column-major, and 0 or anything below its diagonal.
    """
    K = upper.T
    for rows in column_batches(len(K), 1, _BLOCK):
        K[: rows.start, rows] = K[rows, : rows.start].T
        square = K[rows, rows]
        K[rows, rows] = np.tril(square) + np.tril(square, -1).T
    return K


def as_gram(features: AnyArray | Gram) -> Gram:
    """Return the inner products of features, or the given ones."""
    return features if isinstance(features, Gram) else gram(features)


def pca(features: AnyArray | Gram, n_components: int = 1000) -> FloatArray:
    """Return principal component scores; no responses and no random numbers are involved.

    Parameters
    ----------
    features : array, stimulus x feature, or Gram
        Features, or their inner products.
    n_components : int
        At most this many; never more than min(n - 1, p).

    Returns
    -------
    array, stimulus x min(n_components, n - 1, p)
        Scores by falling variance, their columns centered; the largest entry of each component is
        positive. With n - 1 or p components this is a lossless rotation, which changes no
        prediction of PLS or ridge and can be skipped. Components beyond the rank are exactly 0.

    Raises
    ------
    InputError
        `n_components` is below 1, or the features cannot be used (see `gram`).
    """
    if n_components < 1:
        raise InputError(
            f"n_components = {n_components} for PCA",
            allowed="1 or more",
            todo="omit it for 1000, or give at least 1",
        )
    if isinstance(features, Gram):
        k = min(n_components, features.n_stimuli - 1, features.n_features)
        variance, vectors = _principal(features.K, k)
        return _padded(vectors * np.sqrt(variance), k)
    features = as_features(features)
    n, p = features.shape
    if p >= n:
        return pca(gram(features), n_components)
    X = center_columns(features)
    k = min(n_components, n - 1, p)
    return _padded(X @ _principal(X.T @ X, k)[1], k)


def _principal(symmetric: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return at most k variances above rounding, largest first, and their axes."""
    values, vectors = leading_eigenvectors(symmetric, rounding=len(symmetric) * EPS)
    return values[::-1][:k], vectors[:, ::-1][:, :k]


def _padded(scores: FloatArray, k: int) -> FloatArray:
    """Return k columns of scores, 0 beyond the rank; the largest entry of each is positive."""
    largest = np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)
    signed = scores * np.where(largest < 0, -1.0, 1.0)
    return np.pad(signed, ((0, 0), (0, k - scores.shape[1])))
