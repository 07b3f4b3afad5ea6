"""The unit of a layer that is nearest to each neuroid over all images and time bins, without a mixture.

Nothing is lost by fitting: a model that has the neuroid itself among at most a thousand units predicts it
without the error of a map's weights.
"""

from __future__ import annotations

import numpy as np

from brainbench.metrics.array_types import AnyArray
from brainbench.metrics.features import EPS
from brainbench.metrics.temporal.moments import (
    check_features,
    check_responses,
    cross_sums,
    feature_sums,
)
from brainbench.metrics.temporal.shared_map import SharedMap


def best_unit(
    X: AnyArray, Y: AnyArray, train: AnyArray, *, weights: AnyArray | None = None
) -> SharedMap:
    """Fit each neuroid by the unit of highest correlation over training images and bins, scaled and shifted.

    Parameters
    ----------
    X, Y, train, weights
        See `brainbench.metrics.temporal.shared_map.ridge`.

    Returns
    -------
    SharedMap
        One coefficient for each neuroid, the others 0; without penalty or loss.

    Raises
    ------
    InputError
        Shapes that do not match; NaN or inf.
    """
    rows, shares = check_features(X, train, weights)
    bins = X.shape[2] if shares is None else len(shares)
    responses = check_responses(Y, rows=rows, n=len(X), bins=bins)
    reference = np.asarray(X[rows], dtype=np.float64).mean(axis=(0, 2))
    level = responses[rows].mean(axis=(0, 2))
    side = feature_sums(X, rows, reference=reference, weights=shares)
    cross = cross_sums(X, responses, rows, reference=reference, level=level, weights=shares)
    variance, shared = np.diag(side.centered()), cross.centered(side)
    varies = variance > EPS * side.n * variance.max(initial=0.0)
    safe = np.where(varies, variance, 1.0)
    likeness = np.where(varies[:, None], shared / np.sqrt(safe)[:, None], -np.inf)
    nearest, neuroids = likeness.argmax(axis=0), np.arange(Y.shape[1])
    coefficients = np.zeros(shared.shape)
    coefficients[nearest, neuroids] = (shared / safe[:, None])[nearest, neuroids]
    return SharedMap(coefficients, level - (reference + side.x / side.n) @ coefficients)
