"""Curvature of a trajectory: the mean angle between successive steps, exact or from noisy trials.

With v_i = x_(i+1) - x_i the curvature is the mean over i of the angle between v_i and v_(i+1), in degrees: 0
for a straight line, 90 for a walk in random directions. Independent noise of the x alone gives 120 degrees,
since v_i and v_(i+1) share x_(i+1), with opposite signs. The means of trials therefore bend too much, and
more where steps are small; `cross_validated_curvature` has no such bias.

References
----------
Hénaff, Goris & Simoncelli 2019, Nature Neuroscience (curvature); Hénaff et al. 2021, Nature Communications
(V1). The cross-validated estimate is ours; the published figures come from a recovery
analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.reductions import nan_mean

N_HALVINGS = 100
"""Random halvings of the trials over which products are averaged."""
MOST_NEGATIVE = 0.1
"""Share of squared lengths that may be 0 or less: beyond it noise outweighs the steps: no value."""
_ROUNDING = 1e-12  # of a squared length, relative to the squared size of the responses


def curvature(X: AnyArray) -> float:
    """Return the mean angle between successive steps, in degrees.

    Parameters
    ----------
    X : array, frame x dimension
        Responses to the frames of a film, in order.

    Raises
    ------
    InputError
        Fewer than three frames, another shape, NaN or inf.

    Returns
    -------
    float
        NaN where two successive frames have the same responses, so that a step has no direction.

    Examples
    --------
    >>> round(curvature(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]])), 6)
    90.0
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2:
        raise _wrong(X.shape, "frame x dimension, at least three frames")
    return curvature_of_products(X @ X.T)


def curvature_of_products(K: AnyArray) -> float:
    """Return the curvature of a film from the inner products of its frames, frame x frame.

    Inner products of centered responses serve as well. Errors and NaN as for `curvature`.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    >>> round(curvature_of_products(X @ X.T), 6)
    90.0
    """
    K = np.asarray(K, dtype=np.float64)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) < 3:
        raise _wrong(K.shape, "frame x frame, at least three frames")
    _check_finite(K)
    steps = _differences(K)
    squared = np.diagonal(steps)
    if (squared <= _ROUNDING * np.abs(K).max()).any():
        return float("nan")
    cosines = np.diagonal(steps, 1) / np.sqrt(squared[:-1] * squared[1:])
    return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).mean())


@dataclass(frozen=True)
class Estimate:
    """Curvature of a film from trials.

    Attributes
    ----------
    degrees : float
        NaN where more than `MOST_NEGATIVE` of the squared lengths are not above 0, or all together are not. A
        cosine beyond 1 or -1, which noise can make, counts as 1 or -1.
    negative : float
        Share of the squared lengths that are 0 or less.
    """

    degrees: float
    negative: float


def cross_validated_curvature(
    trials: AnyArray, *, seed: int = 0, n_halvings: int = N_HALVINGS
) -> Estimate:
    """Return the curvature of a film from trials, without the bias of their noise.

    Parameters
    ----------
    trials : array, repetition x frame x unit
        Spike counts, whose square roots are taken; NaN where a trial is missing.
    seed, n_halvings : int
        Of the random halvings of the trials of each frame.

    Notes
    -----
    With a and b the means over two halves of the trials, the product of two steps is (v_i^a . v_(i+1)^b +
    v_i^b . v_(i+1)^a) / 2 and the squared length v_i^a . v_i^b, whose expectations do not contain the
    noise. They are averaged over the halvings, and summed over the film before the ratio, since a ratio of
    small noisy numbers has no mean: cosine = sum_i v_i . v_(i+1) / sqrt(sum |v_i|^2 sum |v_(i+1)|^2). It
    weights long steps more than the mean angle does, and is the same where all angles are equal.

    Raises
    ------
    InputError
        Another shape, fewer than three frames, a negative or infinite count, or fewer than two trials of a
        frame and unit.

    Examples
    --------
    >>> trials = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [16.0, 4.0]])[None].repeat(6, axis=0)
    >>> round(cross_validated_curvature(trials).degrees, 6)
    90.0
    """
    roots = np.sqrt(_checked(trials))
    rng = np.random.default_rng(seed)
    products = np.zeros((roots.shape[1],) * 2)
    for _ in range(n_halvings):
        a, b = _halves(roots[rng.permutation(len(roots))])
        products += a @ b.T / n_halvings
    steps = _differences((products + products.T) / 2)
    squared, following = np.diagonal(steps), np.diagonal(steps, 1)
    negative = float((squared <= 0).mean())
    first, second = squared[:-1].sum(), squared[1:].sum()
    if negative > MOST_NEGATIVE or first <= 0 or second <= 0:
        return Estimate(float("nan"), negative)
    cosine = following.sum() / np.sqrt(first * second)
    return Estimate(float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))), negative)


def naive_curvature(trials: AnyArray) -> float:
    """Return the curvature of the means of square roots of counts: biased towards 120 degrees by noise.

    Arguments and errors as for `cross_validated_curvature`; for comparison with it.
    """
    return curvature(nan_mean(np.sqrt(_checked(trials)), axis=0))


def _halves(roots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return means over the first and the other half of the trials of each frame and unit, frame x unit."""
    exists = np.isfinite(roots)
    n, values = exists.sum(axis=0), np.where(exists, roots, 0.0)
    if exists.all():
        half = len(roots) // 2
        return values[:half].mean(axis=0), values[half:].mean(axis=0)
    first = np.where(exists.cumsum(axis=0) <= n // 2, values, 0.0).sum(axis=0)
    return first / (n // 2), (values.sum(axis=0) - first) / (n - n // 2)


def _differences(K: FloatArray) -> FloatArray:
    """Return the inner products of successive steps from those of the frames."""
    rows = np.diff(K, axis=0)
    return np.diff(rows, axis=1)


def _checked(trials: AnyArray) -> FloatArray:
    values = np.asarray(trials, dtype=np.float64)
    if values.ndim != 3 or values.shape[1] < 3 or not values.size:
        raise _wrong(values.shape, "repetition x frame x unit, at least three frames")
    if np.isinf(values).any() or (values < 0).any():
        raise InputError(
            f"trials with {int(np.isinf(values).sum())} infinite and {int((values < 0).sum())} negative "
            "counts",
            allowed="counts of spikes, 0 or more, NaN where a trial is missing",
            todo="give counts, before any normalization",
        )
    least = int(np.isfinite(values).sum(axis=0).min())
    if least < 2:
        raise InputError(
            f"{least} trials of a frame and unit",
            allowed="at least two, so that there are two halves",
            todo="omit the units or films without trials",
        )
    return values


def _check_finite(values: FloatArray) -> None:
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise InputError(
            f"{n_bad} of {values.size} numbers of a film are not finite",
            allowed="finite responses",
            todo="check the layer, or omit the film",
        )


def _wrong(shape: tuple[int, ...], allowed: str) -> InputError:
    return InputError(
        f"a film of shape {shape}", allowed=allowed, todo="give the frames of one film in order"
    )
