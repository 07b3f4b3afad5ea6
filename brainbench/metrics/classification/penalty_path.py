"""Multinomial logistic regression for a row of l2 penalties, each fit beginning where the one before ended.

Transfer to another classification chooses its penalty among ten (Kubilius et al. 2019, 3.4). The loss is that
of scikit-learn's LogisticRegression: mean cross-entropy plus half the penalty times the sum of the squared
weights, without one on the bias, minimized by L-BFGS. Here the features are first rotated and scaled so that
all directions are about equally steep, which changes no minimum and takes far fewer steps. Products with
features are computed in float32 first, and in float64 where that is not enough for the gradient at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.optimize

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray

TOLERANCE: Final = 1e-4
"""The gradient for the weights of a class is no longer than this at the end; no entry is in scikit-learn."""
PUBLISHED: Final = tuple(np.geomspace(0.0005, 0.05, 10).tolist())
"""C of the ten fits."""
_ROUNDS: Final = (3e-5, 3e-6, 3e-7)  # largest gradients in the rotated space
_MAX_ITER: Final = 2000


def penalty_path(
    features: FloatArray,
    codes: AnyArray,
    *,
    n_classes: int,
    Cs: Sequence[float] = PUBLISHED,
) -> list[FloatArray]:
    """Return the weights for each C, as of scikit-learn's LogisticRegression(C=C).

    Parameters
    ----------
    features : array, image x feature
        Responses.
    codes : array of int, image
        Class of each image, from 0.
    n_classes : int
        Number of classes.
    Cs : sequence of float
        Inverse penalties; fits begin with the smallest, the most penalized one.

    Returns
    -------
    list of array, (feature + 1) x class
        In the order of `Cs`; the last row is the bias. `softmax.probabilities` takes them.

    Raises
    ------
    InputError
        A C that is not positive, features that are not finite, or no convergence.
    """
    if not Cs or min(Cs) <= 0 or not np.isfinite(features).all():
        raise InputError(
            f"Cs {list(Cs)} and features of which {int((~np.isfinite(features)).sum())} are not finite",
            allowed="positive Cs and finite features",
            todo="check the responses of that layer",
        )
    n, p = features.shape
    mean = features.mean(axis=0)
    values, vectors = np.linalg.eigh((features.T @ features) / n - np.outer(mean, mean))
    targets = np.eye(n_classes)[codes]
    typical = 1 / (float(np.sqrt(min(Cs) * max(Cs))) * n)
    scales = 1 / np.sqrt(np.maximum(values, 0) / n_classes + typical)
    rotated = (features - mean) @ (vectors * scales)
    found: dict[float, FloatArray] = {}
    for C in sorted(set(Cs)):
        start = _extrapolated(found, C) if found else np.zeros((p + 1, n_classes))
        found[C] = _minimum(rotated, targets, scales[:, None], 1 / (C * n), start)
    return [_unrotated(found[C], vectors * scales, mean) for C in Cs]


def _extrapolated(found: dict[float, FloatArray], C: float) -> FloatArray:
    """Return where the minimum for C should be: on the line in log C through the last two."""
    *before, last = found
    if not before:
        return found[last]
    step = np.log(C / last) / np.log(last / before[-1])
    start: FloatArray = found[last] + step * (found[last] - found[before[-1]])
    return start


def _unrotated(v: FloatArray, rotation: FloatArray, mean: FloatArray) -> FloatArray:
    """Return weights of features from those of centered and rotated ones."""
    weights = rotation @ v[:-1]
    return np.concatenate([weights, v[-1:] - mean @ weights])


def _minimum(
    Z: npt.NDArray[np.floating], Y: FloatArray, scales: FloatArray, penalty: float, v: FloatArray
) -> FloatArray:
    """Return the weights of rotated features at the minimum, from `v` on.

    Weights of the features are those times a rotation and `scales`.
    """
    for rounded, largest in zip((Z.astype(np.float32), Z, Z), _ROUNDS, strict=True):
        loss = partial(_loss, rounded, Y, scales**2, penalty)
        options: Any = {"gtol": largest, "ftol": 0.0, "maxiter": _MAX_ITER, "maxcor": 20}
        result = scipy.optimize.minimize(
            loss, v.ravel(), jac=True, method="L-BFGS-B", options=options
        )
        v = result.x.reshape(v.shape)
        gradient = np.linalg.norm(result.jac.reshape(v.shape)[:-1] / scales, axis=0).max()
        if gradient <= TOLERANCE:
            return v
    raise InputError(
        f"a classifier whose gradient is {gradient:.1e} at the end",
        allowed=f"{TOLERANCE:g} or less",
        todo="standardize the features",
    )


def _loss(
    Z: npt.NDArray[np.floating],
    Y: FloatArray,
    squares: FloatArray,
    penalty: float,
    flat: FloatArray,
) -> tuple[float, FloatArray]:
    """Return the penalized loss and its gradient; `squares` are those of the scales."""
    v = flat.reshape(Z.shape[1] + 1, Y.shape[1])
    logits = (Z @ v[:-1].astype(Z.dtype)).astype(np.float64) + v[-1]
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    total = exponentials.sum(axis=1, keepdims=True)
    squared = squares * v[:-1]
    loss = float((np.log(total[:, 0]) - (logits * Y).sum(axis=1)).mean())
    residual = (exponentials / total - Y) / len(Z)
    gradient = np.concatenate(
        [Z.T @ residual.astype(Z.dtype) + penalty * squared, residual.sum(axis=0)[None]]
    )
    return loss + penalty / 2 * float((v[:-1] * squared).sum()), gradient.ravel()
