"""Checks of responses and splits, and centering over training stimuli, for all linear maps."""

from __future__ import annotations

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import EPS, Split, as_features
from brainbench.metrics.gram import Gram


def center(Y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return responses less their mean over stimuli (exactly 0 for a constant neuroid), and the mean."""
    mean = Y.mean(axis=0)
    centered = Y - mean
    constant = _largest(centered) <= 10 * EPS * _largest(Y)
    if constant.any():
        centered[:, constant] = 0.0
    return centered, mean


def _largest(Y: FloatArray) -> FloatArray:
    """Return the largest absolute value of each column, without a copy of them."""
    return np.asarray(np.maximum(Y.max(axis=0), -Y.min(axis=0)))


def block(K: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """Return some rows and columns of a matrix: a view of those that follow one another, else a copy."""
    if len(rows) and (np.diff(rows) == 1).all() and (np.diff(columns) == 1).all():
        return K[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return K[rows].take(columns, axis=1)  # less than half the time of np.ix_


def train_product(X: FloatArray, C: FloatArray, rows: IntArray, mean: FloatArray) -> FloatArray:
    """Return X'X of the centered training stimuli: of all stimuli less the others, or summed directly.

    X, stimulus x feature, is centered over any stimuli, C is its X'X, `mean` the mean of the training stimuli
    in `rows`.
    """
    others = np.setdiff1d(np.arange(len(X)), rows)
    if len(others) > len(rows):
        centered = X[rows] - mean
        return centered.T @ centered
    return C - X[others].T @ X[others] - len(rows) * np.outer(mean, mean)


def check_inputs(features: AnyArray | Gram, Y: AnyArray) -> tuple[AnyArray | Gram, FloatArray, int]:
    """Return features (or their Gram matrix) and responses, checked, and the number of features."""
    if isinstance(features, Gram):
        return features, check_responses(Y, features.n_stimuli), features.n_features
    features = as_features(features)
    return features, check_responses(Y, len(features)), features.shape[1]


def check_responses(Y: AnyArray, n: int) -> FloatArray:
    """Return finite responses, stimulus x neuroid, in float64.

    Raises
    ------
    InputError
        Another number of stimuli than n, another number of dimensions, no neuroid; NaN or inf.
    """
    Y = np.asarray(Y, dtype=np.float64)
    if Y.ndim != 2 or len(Y) != n or Y.shape[1] < 1:
        raise InputError(
            f"responses of shape {Y.shape} for features of {n} stimuli",
            allowed=f"({n}, number of neuroids)",
            todo="align model and brain by stimulus_id and average over repetitions and time",
        )
    bad = ~np.isfinite(Y)
    if bad.any():
        stimulus, neuroid = np.argwhere(bad)[0]
        raise InputError(
            f"{Y[stimulus, neuroid]} in the response of neuroid {neuroid} to the stimulus in row "
            f"{stimulus}; {int(bad.any(axis=0).sum())} of {Y.shape[1]} neuroids have such values",
            allowed="finite responses",
            todo="omit those neuroids or stimuli and count them as excluded",
        )
    return Y


def check_split(split: Split, n: int, *, least: int = 0) -> Split:
    """Return the row numbers of training and held-out stimuli among n as integers.

    Raises
    ------
    InputError
        A row that does not exist, is repeated or is in both; no held-out row; fewer training rows than
        `least`.
    """
    train, test = (np.asarray(rows, dtype=np.intp).ravel() for rows in split)
    rows = np.concatenate([train, test])
    if len(np.unique(rows)) < len(rows) or not len(test) or rows.min() < 0 or rows.max() >= n:
        raise InputError(
            f"a split of {len(train)} training and {len(test)} held-out rows "
            f"of which {len(rows) - len(np.unique(rows))} are repeated",
            allowed=f"row numbers from 0 to {n - 1}, each once, in train or in test",
            todo="make the splits with brainbench.stats.splits",
        )
    if len(train) < least:
        raise InputError(
            f"{len(train)} training stimuli (of {n})",
            allowed=f"at least {least}",
            todo="use more images or fewer held out",
        )
    return train, test
