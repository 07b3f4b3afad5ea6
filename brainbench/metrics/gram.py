"""Gram matrices of features, accumulated over chunks of features, and principal components.

A linear map from p features to responses on n stimuli needs the features only through the n x n
inner products K = XX'. They are summed over column chunks, so that the features of a layer never
have to be in memory together, and 100,352 features cost little more than 1,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from brainbench.core.errors import InputError

__all__ = ["Gram", "gram", "pca"]

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

_CHUNK_COLUMNS = 4096  # 2,560 stimuli x 4,096 features in float64 are 84 MB


@dataclass(frozen=True)
class Gram:
    """Inner products of all pairs of stimuli, each feature's grand mean removed.

    Attributes
    ----------
    K : array, stimulus x stimulus, float64
        K = XX' with the columns of X centered over all stimuli.
    n_features : int
        How many features were summed over.
    """

    K: FloatArray
    n_features: int

    @property
    def n_stimuli(self) -> int:
        """Rows of the features."""
        return len(self.K)


def gram(features: AnyArray | Iterable[AnyArray]) -> Gram:
    """Accumulate K = XX' over chunks of features.

    Parameters
    ----------
    features : array, stimulus x feature, or an iterable of such arrays
        The whole matrix, or chunks of its columns in any number and width, which may be made
        lazily: never more than two are held. Any real type; the sums are float64.

    Returns
    -------
    Gram
        The grand column mean is removed from each chunk before the product. Removing it from K
        afterwards would lose as many digits as the mean is larger than the variation.

    Raises
    ------
    InputError
        A chunk is not stimulus x feature, the chunks differ in stimuli, there are fewer than two
        stimuli or no features, or a value is NaN or infinite (stimulus and feature are named).

    Examples
    --------
    >>> X = np.array([[0.0, 2.0], [2.0, 2.0], [4.0, 2.0]])
    >>> gram(X).K
    array([[ 4.,  0., -4.],
           [ 0.,  0.,  0.],
           [-4.,  0.,  4.]])
    >>> bool(np.all(gram([X[:, :1], X[:, 1:]]).K == gram(X).K))
    True
    """
    K: FloatArray | None = None
    n_features = 0
    for chunk in _column_chunks(features):
        centered = center_columns(chunk, first_feature=n_features)
        if K is None:
            K = np.zeros((len(chunk), len(chunk)), order="F")
        elif len(chunk) != len(K):
            raise InputError(
                f"a chunk of features with {len(chunk)} stimuli after one with {len(K)}",
                allowed="chunks of columns that share their stimuli",
                todo="cut the features by columns (features), not by rows (stimuli)",
            )
        # In column-major order K's upper triangle is summed in place, without an n x n temporary.
        K = dsyrk(1.0, centered.T, trans=1, beta=1.0, c=K, overwrite_c=1)
        n_features += chunk.shape[1]
    if K is None:
        raise InputError(
            "no features", allowed="at least one chunk", todo="choose a layer with outputs"
        )
    full = K + K.T
    np.fill_diagonal(full, np.diagonal(K))
    return Gram(full, n_features)


def pca(features: AnyArray | Gram, n_components: int = 1000) -> FloatArray:
    """Principal component scores, without responses and without a random number.

    Parameters
    ----------
    features : array, stimulus x feature, or Gram
        What is rotated.
    n_components : int
        At most so many components; never more than min(n - 1, p).

    Returns
    -------
    array, stimulus x min(n_components, n - 1, p)
        Scores by falling variance, their columns centered; the largest entry of each component is
        positive. With n - 1 or p components this is a lossless rotation, which changes no
        prediction of PLS or ridge: skip it there. Components beyond the rank are exactly 0.

    Raises
    ------
    InputError
        `n_components` is below 1, or the features cannot be used (see `gram`).

    Examples
    --------
    >>> pca(np.array([[0.0, 5.0], [2.0, 5.0], [7.0, 5.0]]), 1).round(3).ravel().tolist()
    [-3.0, -1.0, 4.0]
    """
    if n_components < 1:
        raise InputError(
            f"n_components = {n_components} for PCA",
            allowed="1 or more",
            todo="leave it at 1000, or give at least 1",
        )
    if isinstance(features, Gram):
        k = min(n_components, features.n_stimuli - 1, features.n_features)
        variance, vectors = _leading(features.K, k)
        return _sign(vectors * np.sqrt(variance))
    features = as_features(features)
    n, p = features.shape
    if p >= n:
        return pca(gram(features), n_components)
    X = center_columns(features)
    variance, vectors = _leading(X.T @ X, min(n_components, n - 1, p))
    return _sign(np.where(variance > 0, X @ vectors, 0.0))


def as_features(features: AnyArray) -> AnyArray:
    """Check that features are a real stimulus x feature array of at least two stimuli.

    Parameters
    ----------
    features : array
        What was given as features.

    Raises
    ------
    InputError
        Wrong number of dimensions, no features, one stimulus, or values that are no real numbers.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[0] < 2 or features.shape[1] < 1:
        raise InputError(
            f"features of shape {features.shape}",
            allowed="stimulus x feature, at least two stimuli and one feature",
            todo="flatten everything but the stimuli: features.reshape(n_stimuli, -1)",
        )
    if features.dtype.kind not in "fiub":
        raise InputError(
            f"features of type {features.dtype}",
            allowed="real numbers (float32, float64, integers)",
            todo="convert the features, for example with .astype('float32')",
        )
    return features


def center_columns(features: AnyArray, *, first_feature: int = 0) -> FloatArray:
    """Remove each feature's mean over stimuli, in float64.

    Parameters
    ----------
    features : array, stimulus x feature
        Any real type.
    first_feature : int
        Number of the first column, for the error message.

    Raises
    ------
    InputError
        A value is NaN or infinite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        stimulus, feature = np.argwhere(~np.isfinite(features))[0]
        raise InputError(
            f"{features[stimulus, feature]} in feature {first_feature + feature} "
            f"of the stimulus in row {stimulus}",
            allowed="finite features",
            todo="look at that layer's output for that image, or choose another layer",
        )
    return cast(FloatArray, np.subtract(features, mean, dtype=np.float64, order="C"))


def _column_chunks(features: AnyArray | Iterable[AnyArray]) -> Iterator[AnyArray]:
    for block in [features] if isinstance(features, np.ndarray) else features:
        checked = as_features(block)
        for start in range(0, checked.shape[1], _CHUNK_COLUMNS):
            yield checked[:, start : start + _CHUNK_COLUMNS]


def _leading(symmetric: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, largest first and 0 where they are rounding, and their eigenvectors."""
    values, vectors = np.linalg.eigh(symmetric)
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    rounding = len(symmetric) * np.finfo(float).eps * max(values[0], 0.0)
    return np.where(values > rounding, values, 0.0), vectors


def _sign(scores: FloatArray) -> FloatArray:
    largest = np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)
    return scores * np.where(largest < 0, -1.0, 1.0)
