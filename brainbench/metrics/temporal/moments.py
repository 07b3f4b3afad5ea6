"""Sums over samples (stimulus, bin) from which linear maps over time are computed, without the samples.

Features are stimulus x feature x state, responses stimulus x neuroid x bin; `weights`, bin x state, is the
share of each state in each bin (None where states are bins). A reference is subtracted from both before
products are summed, so that a large mean costs no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import EPS, leading_eigenvectors

CHUNK_NUMBERS = 1 << 22
"""Numbers of features that are read at once: 4 M are 32 MB."""


@dataclass(frozen=True, eq=False)
class FeatureSums:
    """Sums of the features over samples.

    Attributes
    ----------
    n : int
        Samples: images x bins.
    x : array, feature
        Sum.
    xx : array, feature x feature
        Sum of products.
    """

    n: int
    x: FloatArray
    xx: FloatArray

    def __add__(self, other: FeatureSums) -> FeatureSums:
        return FeatureSums(self.n + other.n, self.x + other.x, self.xx + other.xx)

    def __sub__(self, other: FeatureSums) -> FeatureSums:
        return FeatureSums(self.n - other.n, self.x - other.x, self.xx - other.xx)

    def centered(self) -> FloatArray:
        """Return X'X of the samples less their mean."""
        return self.xx - np.outer(self.x, self.x / self.n)


@dataclass(frozen=True, eq=False)
class CrossSums:
    """Sums of the responses, and of their products with features, over samples.

    Attributes
    ----------
    y : array, neuroid
        Sum.
    xy : array, feature x neuroid
        Sum of products.
    yy : array, neuroid
        Sum of squares.
    """

    y: FloatArray
    xy: FloatArray
    yy: FloatArray

    def __add__(self, other: CrossSums) -> CrossSums:
        return CrossSums(self.y + other.y, self.xy + other.xy, self.yy + other.yy)

    def __sub__(self, other: CrossSums) -> CrossSums:
        return CrossSums(self.y - other.y, self.xy - other.xy, self.yy - other.yy)

    def centered(self, side: FeatureSums) -> FloatArray:
        """Return X'Y of the samples less their mean."""
        return self.xy - np.outer(side.x, self.y / side.n)


def feature_sums(
    X: AnyArray, rows: IntArray, *, reference: FloatArray, weights: FloatArray | None
) -> FeatureSums:
    """Sum the features over some images and all bins.

    Parameters
    ----------
    X : array, stimulus x feature x state
        Read in chunks of stimuli.
    rows : array of int
        Images.
    reference : array, feature
        Subtracted from each feature.
    weights : array, bin x state, or None
        Rows sum to 1.

    Raises
    ------
    InputError
        NaN or inf among the features of these images.
    """
    states = X.shape[2]
    state_weights = np.ones(states) if weights is None else weights.sum(axis=0)
    factor = None if weights is None else _root(weights)
    x, xx = np.zeros(X.shape[1]), np.zeros((X.shape[1], X.shape[1]))
    for block in _blocks(X, rows, reference):
        x += (block @ state_weights).sum(axis=0)
        stacked = _stacked(block if factor is None else block @ factor)
        xx += stacked.T @ stacked
    if not np.isfinite(xx).all():
        raise InputError(
            "NaN or inf among the features",
            allowed="finite features",
            todo="check that layer's output, or choose another layer",
        )
    return FeatureSums(len(rows) * (states if weights is None else len(weights)), x, xx)


def cross_sums(
    X: AnyArray,
    Y: FloatArray,
    rows: IntArray,
    *,
    reference: FloatArray,
    level: FloatArray,
    weights: FloatArray | None,
) -> CrossSums:
    """Sum products of features and responses over some images and all bins.

    X, rows, reference and weights are those of `feature_sums`. Y is stimulus x neuroid x bin; `level`,
    neuroid, is subtracted from it.
    """
    centered = Y[rows] - level[:, None]
    by_state = centered if weights is None else centered @ weights
    xy = np.zeros((X.shape[1], Y.shape[1]))
    first = 0
    for block in _blocks(X, rows, reference):
        xy += _stacked(block).T @ _stacked(by_state[first : first + len(block)])
        first += len(block)
    return CrossSums(centered.sum(axis=(0, 2)), xy, np.square(centered).sum(axis=(0, 2)))


def chunks(rows: IntArray, X: AnyArray) -> Iterator[IntArray]:
    """Yield rows of X, stimulus x feature x state, in parts of at most 32 MB of features."""
    size = max(1, CHUNK_NUMBERS // (X.shape[1] * X.shape[2]))
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _blocks(X: AnyArray, rows: IntArray, reference: FloatArray) -> Iterator[FloatArray]:
    """Yield features less the reference, image x feature x state, a few images at a time."""
    for part in chunks(rows, X):
        yield np.asarray(X[part], dtype=np.float64) - reference[:, None]


def _stacked(block: FloatArray) -> FloatArray:
    """Reshape image x column x state to (image and state) x column."""
    return block.transpose(0, 2, 1).reshape(-1, block.shape[1])


def root_samples(
    X: AnyArray, rows: IntArray, *, reference: FloatArray, weights: FloatArray | None
) -> FloatArray:
    """Return rows R with R'R = `feature_sums(...).xx`: one for each image and independent state."""
    factor = None if weights is None else _root(weights)
    blocks = _blocks(X, rows, reference)
    return np.concatenate([_stacked(b if factor is None else b @ factor) for b in blocks])


def _root(weights: FloatArray) -> FloatArray:
    """Return L with LL' = W'W, one column for each independent state."""
    values, vectors = leading_eigenvectors(weights.T @ weights, rounding=weights.shape[1] * EPS)
    return vectors * np.sqrt(values)


def check_features(
    X: AnyArray, train: AnyArray, weights: AnyArray | None
) -> tuple[IntArray, FloatArray | None]:
    """Return training rows as integers and weights, bin x state, in float64; values of X are not read.

    Raises
    ------
    InputError
        Another number of dimensions; rows that are repeated, do not exist, or are fewer than two; weights
        that are not bin x state or do not sum to 1 in a bin.
    """
    rows = np.asarray(train, dtype=np.intp).ravel()
    if X.ndim != 3 or 0 in X.shape:
        raise InputError(
            f"features of shape {X.shape}",
            allowed="stimulus x feature x state",
            todo="keep the model's steps along the last axis, which has length 1 for a static model",
        )
    if len(np.unique(rows)) < max(len(rows), 2) or rows.min() < 0 or rows.max() >= len(X):
        raise InputError(
            f"{len(rows)} training rows of {len(X)} images, {len(np.unique(rows))} of them distinct",
            allowed=f"at least two rows from 0 to {len(X) - 1}, each once",
            todo="make splits with brainbench.stats.splits",
        )
    if weights is None:
        return rows, None
    shares = np.asarray(weights, dtype=np.float64)
    fits = shares.ndim == 2 and shares.shape[1] == X.shape[2]
    if not (fits and np.allclose(shares.sum(axis=1), 1.0)):
        raise InputError(
            f"weights of shape {shares.shape} for {X.shape[2]} states",
            allowed="bin x state, each row summing to 1",
            todo="take them from Timeline.weights",
        )
    return rows, shares


def check_responses(Y: AnyArray, *, rows: IntArray, n: int, bins: int) -> FloatArray:
    """Return responses, n stimuli x neuroid x `bins`, in float64.

    Raises
    ------
    InputError
        Another shape; NaN or inf among the given rows (the first neuroid and bin are named).
    """
    responses = np.asarray(Y, dtype=np.float64)
    if responses.ndim != 3 or len(responses) != n or responses.shape[2] != bins:
        raise InputError(
            f"responses of shape {responses.shape} for {n} images and {bins} time bins",
            allowed=f"({n}, number of neuroids, {bins})",
            todo="align model and brain by stimulus_id and by time bin",
        )
    check_finite(responses[rows], what="responses")
    return responses


def check_finite(values: FloatArray, *, what: str) -> None:
    """Refuse values, stimulus x neuroid x bin, that are NaN or inf; the first neuroid and bin are named."""
    bad = ~np.isfinite(values)
    if bad.any():
        _, neuroid, time_bin = np.argwhere(bad)[0]
        raise InputError(
            f"{int(bad.sum())} {what} that are NaN or inf, first of neuroid {neuroid} in bin {time_bin}",
            allowed=f"finite {what} in every bin",
            todo="omit those neuroids or bins and count them as excluded",
        )
