"""Losses of ridge maps of more features than samples, from inner products of the samples.

What a map predicts of held-out samples needs the features only through their inner products with the training
samples: the eigenvectors of as many of them as there are training samples, not features, are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.features import EPS, Split


def held_out_losses(
    K: FloatArray, Y: FloatArray, folds: Sequence[Split], penalties: FloatArray
) -> FloatArray:
    """Return the summed squared errors of ridge maps over left-out samples.

    Parameters
    ----------
    K : array, sample x sample
        Inner products of the features, each feature's mean over any samples removed.
    Y : array, sample x neuroid
        Responses.
    folds : sequence of (fitted, left out)
        Rows of K and Y.
    penalties : array, penalty
        Added to the eigenvalues of X'X, as shares of their sum over the fitted samples of a fold.

    Returns
    -------
    array, penalty x neuroid
        Sum over all folds.

    Raises
    ------
    InputError
        NaN or inf among the inner products.
    """
    if not np.isfinite(K).all():
        raise InputError(
            "NaN or inf among the features",
            allowed="finite features",
            todo="check that layer's output, or choose another layer",
        )
    losses = np.zeros((len(penalties), Y.shape[1]))
    for fitted, left_out in folds:
        losses += _losses_of_fold(K, Y, fitted, left_out, penalties)
    return losses


def _losses_of_fold(
    K: FloatArray, Y: FloatArray, fitted: IntArray, left_out: IntArray, penalties: FloatArray
) -> FloatArray:
    """Return the summed squared errors over the samples that one fold leaves out, penalty x neuroid."""
    within, across = K[np.ix_(fitted, fitted)], K[np.ix_(left_out, fitted)]
    level = within.mean(axis=0)
    centered = within - level - level[:, None] + level.mean()
    across = across - across.mean(axis=1, keepdims=True) - level + level.mean()
    values, vectors = np.linalg.eigh((centered + centered.T) / 2)
    values = np.maximum(values, 0.0)
    # Directions that are rounding predict nothing, whatever the penalty.
    kept = values > len(values) * EPS * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    inverse = 1.0 / (values + penalties[:, None] * values.sum())
    mean = Y[fitted].mean(axis=0)
    scores = (across @ vectors) * inverse[:, None]  # penalty x sample x direction
    n_penalties, n_samples, n_directions = scores.shape
    predicted = scores.reshape(n_penalties * n_samples, n_directions) @ (
        vectors.T @ (Y[fitted] - mean)
    )
    errors = predicted.reshape(n_penalties, n_samples, -1) - (Y[left_out] - mean)
    return np.asarray(np.einsum("psn,psn->pn", errors, errors))
