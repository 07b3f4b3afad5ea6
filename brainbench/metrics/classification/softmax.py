"""Multinomial logistic regression with an l2 penalty, minimized exactly for many problems at once.

The loss of one problem is the mean cross-entropy of the softmax over its images plus half the penalty times
the sum of the squared weights; the bias is free. It is strictly convex in its predictions, so any method
finds the same probabilities. Here: Newton's method, its steps by conjugate gradients, all problems in one
product; problems at their minimum drop out.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray

_TOLERANCE = 1e-8  # no gradient is larger at the end
_ROUNDS = 100
_STEPS = 200
_HALVINGS = 30
_TINY = 1e-30
_ROUNDING = 1e-12  # of a loss, which is about 1


def probabilities(features: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the softmax of a linear map, (..., image, class).

    `features` are (..., image, feature), `weights` from `minimize`: their last row is the bias.
    """
    return _softmax(features @ weights[..., :-1, :] + weights[..., -1:, :])


def minimize(
    features: FloatArray,
    codes: AnyArray,
    *,
    n_classes: int,
    penalty: float,
) -> FloatArray:
    """Return the weights at the minimum of the penalized loss, for each problem.

    Parameters
    ----------
    features : array, problem x image x feature
        Standardized features, or a rotation of them.
    codes : array of int, problem x image
        Class of each image.
    n_classes : int
        Number of classes.
    penalty : float
        l2 penalty on the weights: scikit-learn's LogisticRegression(C=1 / (penalty * n_images)).

    Returns
    -------
    array, problem x (feature + 1) x class
        The last row is the bias, which is not penalized. Each row sums to 0 over classes.

    Raises
    ------
    InputError
        A penalty that is not positive, features that are not finite, or no convergence.

    Examples
    --------
    >>> features = np.array([[[-1.0], [1.0], [1.0], [-1.0]]])
    >>> weights = minimize(features, np.array([[0, 1, 1, 0]]), n_classes=2, penalty=0.1)
    >>> probabilities(features, weights)[0, :2].round(3)
    array([[0.894, 0.106],
           [0.106, 0.894]])
    """
    if not penalty > 0 or not np.isfinite(features).all():
        raise InputError(
            f"a penalty of {penalty} and features of which "
            f"{int((~np.isfinite(features)).sum())} are not finite",
            allowed="a positive penalty and finite features",
            todo="check the responses of that layer or site",
        )
    n_problems, n_images, n_features = features.shape
    X = np.concatenate([features, np.ones((n_problems, n_images, 1))], axis=2)
    Y = np.eye(n_classes)[codes]
    ridge = np.full((n_features + 1, 1), float(penalty))
    ridge[-1] = 0.0
    W = np.zeros((n_problems, n_features + 1, n_classes))
    active = np.arange(n_problems)
    for _ in range(_ROUNDS):
        P = _softmax(X @ W[active])
        gradient = _t(X) @ (P - Y) / n_images + ridge * W[active]
        steep = np.abs(gradient).max(axis=(1, 2))
        going = steep > _TOLERANCE
        if not going.any():
            return W
        if not going.all():
            active, X, Y, P = active[going], X[going], Y[going], P[going]
            gradient, steep = gradient[going], steep[going]
        step = _newton_step(X, P, gradient, ridge, steep)
        W[active] = _along(X, Y, W[active], step, gradient, ridge)
    raise InputError(
        f"a decoder whose gradient is {steep.max():.1e} after {_ROUNDS} Newton steps",
        allowed=f"{_TOLERANCE:g} or less",
        todo="standardize the features",
    )


def _newton_step(
    X: FloatArray, P: FloatArray, gradient: FloatArray, ridge: FloatArray, steep: FloatArray
) -> FloatArray:
    """Solve (Hessian) step = -gradient by conjugate gradients, preconditioned by the diagonal.

    The tolerance shrinks with the gradient, which keeps Newton's speed near the minimum.
    """
    n_images = X.shape[1]
    spread = (P * (1.0 - P)).sum(axis=1, keepdims=True) / n_images
    diagonal = spread * np.square(X).mean(axis=1)[:, :, None] + ridge
    # A bias that is added to all classes changes nothing: keep out of that direction.
    diagonal[:, -1] = np.maximum(spread.mean(axis=2), _TINY)
    step, residual = np.zeros_like(gradient), -gradient
    scaled = residual / diagonal
    direction, size = scaled, _dot(residual, scaled)
    enough = size * np.minimum(steep, 0.1) ** 2 + _TINY
    for _ in range(_STEPS):
        z = X @ direction
        curved = P * (z - (P * z).sum(axis=2, keepdims=True)) / n_images
        curved = _t(X) @ curved + ridge * direction  # Hessian @ direction
        bend = _dot(direction, curved)
        active = (size > enough) & (bend > 0)
        length = np.where(active, size / np.where(active, bend, 1.0), 0.0)[:, None, None]
        step = step + length * direction
        residual = residual - length * curved
        scaled = residual / diagonal
        after = _dot(residual, scaled)
        if (after <= enough).all():
            break
        direction = scaled + (after / np.maximum(size, _TINY))[:, None, None] * direction
        size = after
    # A step common to all classes changes no probability; the preconditioner, which differs between
    # classes, introduces some.
    return cast(FloatArray, step - step.mean(axis=2, keepdims=True))


def _along(
    X: FloatArray,
    Y: FloatArray,
    W: FloatArray,
    step: FloatArray,
    gradient: FloatArray,
    ridge: FloatArray,
) -> FloatArray:
    """Return W moved along the step, which is halved until the loss falls."""
    before, slope = _loss(X, Y, W, ridge), _dot(step, gradient)
    length = np.ones((len(W), 1, 1))
    for _ in range(_HALVINGS):
        after = _loss(X, Y, W + length * step, ridge)
        risen = after > before + 1e-4 * length[:, 0, 0] * slope + _ROUNDING
        if not risen.any():
            break
        length = np.where(risen[:, None, None], length / 2, length)
    return W + length * step


def _loss(X: FloatArray, Y: FloatArray, W: FloatArray, ridge: FloatArray) -> FloatArray:
    z = X @ W
    z -= z.max(axis=2, keepdims=True)
    entropy = np.log(np.exp(z).sum(axis=2)) - (z * Y).sum(axis=2)
    return cast(FloatArray, entropy.mean(axis=1) + 0.5 * _dot(ridge * W, W))


def _softmax(z: FloatArray) -> FloatArray:
    raised = np.exp(z - z.max(axis=-1, keepdims=True))
    return cast(FloatArray, raised / raised.sum(axis=-1, keepdims=True))


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return cast(FloatArray, np.einsum("pij,pij->p", a, b))


def _t(X: FloatArray) -> FloatArray:
    return X.transpose(0, 2, 1)
