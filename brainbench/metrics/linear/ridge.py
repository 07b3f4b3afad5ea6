"""Ridge regression, exact, for all neuroids and many penalties at once, fold by fold.

With Xc = U diag(sqrt(l)) V' over the training stimuli, centered, a penalty a shrinks each direction by
l / (l + a), and the residual of the responses is (Yc - U U'Yc) + U diag(a / (l + a)) U'Yc. One
decomposition of X'X, or of K = XX' where there are more features than stimuli, serves all neuroids and
all penalties. The error on a left-out training stimulus is its residual divided by
1 - 1/n - sum_j u_ij^2 l_j / (l_j + a), so that a penalty is chosen without another fit. Stimuli that are left
out together have the matrix of these in place of the number.

References
----------
Hoerl & Kennard 1970 (ridge); Allen 1974 (PRESS: leave-one-out from one fit); Golub, Heath & Wahba 1979.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import (
    EPS,
    Split,
    center_columns,
    column_batches,
    leading_eigenvectors,
)
from brainbench.metrics.gram import Gram, as_gram
from brainbench.metrics.linear.folds import center, check_inputs, check_split, train_product

# Residuals of one batch of neuroids: 16 M numbers are 128 MB.
BATCH_NUMBERS = 1 << 24
# Residuals of all penalties that are computed at once: they fit in the L2 cache of a core.
BLOCK_NUMBERS = 1 << 18

RELATIVE: FloatArray = np.logspace(-6, 6, 25)
"""Penalties relative to the mean variance of the training features: invariant to the features' scale."""

BRAINSCORE: FloatArray = np.concatenate(
    [
        [0.01, 0.1, 0.5, 1.0],
        np.linspace(1e1, 1e2, 4, endpoint=False),
        *(np.linspace(10.0**k, 10.0 ** (k + 1), 18, endpoint=False) for k in range(2, 6)),
        np.linspace(1e6, 1e7, 19),
    ]
)
"""The 99 penalties among which Brain-Score 2.4.2 chooses; they do not adapt to the features' scale."""


@dataclass(frozen=True)
class Fit:
    """Held-out predictions and penalties of one split.

    Attributes
    ----------
    predicted : array, held-out stimulus x neuroid
        Rows in the order of the split's `test`.
    penalties : array, neuroid
        The penalty of each neuroid, in the units of X'X; 0 is ordinary least squares.
    left_out : array, neuroid
        Leave-one-out squared error of each neuroid with its penalty, summed over training stimuli; NaN where
        there was one penalty, so that nothing was chosen.
    """

    predicted: FloatArray
    penalties: FloatArray
    left_out: FloatArray


def cross_predict(
    features: AnyArray | Gram, Y: AnyArray, splits: Iterable[Split], **options: Any
) -> list[FloatArray]:
    """Predict the held-out responses of every split by ridge regression: `Fit.predicted` of `cross_fit`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 5))
    >>> Y = X @ rng.standard_normal((5, 3))
    >>> held_out = cross_predict(X, Y, [(np.arange(30), np.arange(30, 40))], penalties=0.0)
    >>> bool(np.allclose(held_out[0], Y[30:]))
    True
    """
    return [fit.predicted for fit in cross_fit(features, Y, splits, **options)]


def cross_fit(
    features: AnyArray | Gram,
    Y: AnyArray,
    splits: Iterable[Split],
    *,
    penalties: ArrayLike = 1.0,
    relative: bool = False,
    per_neuroid: bool = False,
    groups: AnyArray | None = None,
) -> list[Fit]:
    """Fit ridge regression to the training stimuli of every split, and predict the held-out ones.

    Parameters
    ----------
    features, Y, splits
        See `pls.cross_predict`.
    penalties : float or sequence of float
        One penalty on the squared weights (the intercept is free), or several to choose from, by the
        squared error on each training stimulus when it is left out. 0 is ordinary least squares, and the
        solution of least norm where features outnumber training stimuli.
    relative : bool
        Penalties are given in units of the mean variance per feature direction: trace(X'X) /
        (training stimuli - 1), of the centered training features.
    per_neuroid : bool
        Choose a penalty for each neuroid, or one for all (by the error summed over neuroids, in which
        those of large variance dominate).
    groups : array, stimulus, optional
        Stimuli of one group, such as copies of one picture, are left out together: a stimulus whose copy
        stays in would ask for too small a penalty.

    Returns
    -------
    list of Fit
        One per split. Among equally good penalties, the first.

    Raises
    ------
    InputError
        A negative penalty, 0 among several, or no penalty; NaN or inf in X or Y; shapes that do not
        match; a stimulus in train and test; fewer than two training stimuli.

    Notes
    -----
    A constant neuroid, or features that do not vary over the training stimuli, are predicted by the mean.
    Products square the condition number of X: with penalty 0, directions of X whose variance is below
    n x 2e-16 of the largest are dropped.

    With many penalties the residuals are computed from a low-rank basis: the shrinkages a / (l + a) of all
    penalties (a Cauchy matrix) span, to rounding, some 20 directions, which are multiplied out once.
    """
    candidates = _check_penalties(penalties)
    features, responses, p = check_inputs(features, Y)
    n = len(responses)
    checked = [check_split(split, n, least=2) for split in splits]
    if isinstance(features, Gram) or p >= n:
        K = as_gram(features).K
        axes_of_splits = (_dual_axes(K, train, test) for train, test in checked)
    else:
        X = center_columns(features)
        C = X.T @ X
        axes_of_splits = (_primal_axes(X, C, train, test) for train, test in checked)
    fits = []
    for (train, _), axes in zip(checked, axes_of_splits, strict=True):
        unit = float(axes.variance.sum()) / (len(train) - 1) if relative else 1.0
        together = [] if groups is None else _together(groups[train])
        fits.append(
            _fit(axes, responses[train], candidates * unit, together, per_neuroid=per_neuroid)
        )
    return fits


# --- principal axes of the training stimuli ------------------------------------------------------


@dataclass(frozen=True)
class _Axes:
    """Training features as U diag(sqrt(variance)) V', and held-out features along V."""

    U: FloatArray  # training stimulus x axis, orthonormal
    variance: FloatArray  # axis: eigenvalues of X'X
    held_out: FloatArray  # held-out stimulus x axis


def _primal_axes(X: FloatArray, C: FloatArray, train: IntArray, test: IntArray) -> _Axes:
    mean = X[train].mean(axis=0)
    variance, V = _axes(train_product(X, C, train, mean), len(train))
    scores = (X[train] - mean) @ V
    return _Axes(scores / np.sqrt(variance), variance, (X[test] - mean) @ V)


def _dual_axes(K: FloatArray, train: IntArray, test: IntArray) -> _Axes:
    inner = K[np.ix_(train, train)]
    mean = inner.mean(axis=0)
    variance, U = _axes(inner - mean - (mean - mean.mean())[:, None], len(train))
    across = K[np.ix_(test, train)]
    across = across - across.mean(axis=1, keepdims=True) - (mean - mean.mean())
    return _Axes(U, variance, across @ U / np.sqrt(variance))


def _axes(symmetric: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues above rounding for n training stimuli, and their vectors."""
    return leading_eigenvectors(symmetric, rounding=max(n, len(symmetric)) * EPS)


# --- ridge along these axes ----------------------------------------------------------------------


def _together(groups: AnyArray) -> list[IntArray]:
    """Return the rows of each group of several stimuli."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return [np.flatnonzero(group.ravel() == k) for k in np.flatnonzero(sizes > 1)]


def _fit(
    axes: _Axes,
    Y: FloatArray,
    penalties: FloatArray,
    together: Sequence[IntArray],
    *,
    per_neuroid: bool,
) -> Fit:
    centered, mean = center(Y)
    along = axes.U.T @ centered
    if len(penalties) == 1:
        chosen, left_out = np.full(Y.shape[1], penalties[0]), np.full(Y.shape[1], np.nan)
    else:
        alone = np.setdiff1d(np.arange(len(Y)), np.concatenate([*together, np.array([], int)]))
        loss = _left_out(axes, centered, along, penalties, alone)
        loss = loss + _groups_left_out(axes, centered, along, penalties, together)
        best = loss.argmin(axis=0) if per_neuroid else loss.sum(axis=1).argmin()
        chosen = np.broadcast_to(penalties[best], Y.shape[1]).copy()
        left_out = loss[best, np.arange(Y.shape[1])]
    weights = along * np.sqrt(axes.variance)[:, None] / (axes.variance[:, None] + chosen)
    return Fit(mean + axes.held_out @ weights, chosen, left_out)


def _left_out(
    axes: _Axes, Y: FloatArray, along: FloatArray, penalties: FloatArray, alone: IntArray
) -> FloatArray:
    """Return the leave-one-out squared error summed over some training stimuli, penalty x neuroid."""
    n, U = len(Y), axes.U
    if not len(alone):
        return np.zeros((len(penalties), Y.shape[1]))
    if len(alone) < n:
        Y, U = Y[alone], U[alone]
    if not len(axes.variance):  # each is predicted by the mean of the others
        error = np.square(Y / (1 - 1 / n)).sum(axis=0)
        return np.broadcast_to(error, (len(penalties), Y.shape[1]))
    shrunk = penalties[:, None] / (axes.variance + penalties[:, None])
    square = np.square(U)
    free = np.maximum(1 - 1 / n - square.sum(axis=1), 0.0) + shrunk @ square.T
    mix, basis = _low_rank(shrunk)
    rest = Y - U @ along
    loss = np.zeros((len(penalties), Y.shape[1]))
    for columns in column_batches(Y.shape[1], len(basis) * n, BATCH_NUMBERS):
        # All parts in one product: U times each direction times the responses along the axes.
        weighted = basis.T[:, :, None] * along[:, None, columns]
        parts = U @ weighted.reshape(len(along), -1)
        loss[:, columns] = _squares(
            parts.reshape(len(Y), len(basis), -1), rest[:, columns], mix, free
        )
    return loss


def _groups_left_out(
    axes: _Axes,
    Y: FloatArray,
    along: FloatArray,
    penalties: FloatArray,
    together: Sequence[IntArray],
) -> FloatArray:
    """Return the squared error on groups that are left out whole, penalty x neuroid.

    It is (I - H)^-1 times the residual of a group, H the block of the hat matrix of its stimuli.
    """
    n = len(Y)
    shrunk = penalties[:, None] / (axes.variance + penalties[:, None])
    loss = np.zeros((len(penalties), Y.shape[1]))
    for rows in together:
        U = axes.U[rows]
        outside = np.eye(len(rows)) - 1 / n - U @ U.T
        rest = Y[rows] - U @ along
        for k, shrinkage in enumerate(shrunk):
            kept = outside + (U * shrinkage) @ U.T
            residual = rest + U @ (shrinkage[:, None] * along)
            loss[k] += np.square(np.linalg.solve(kept, residual)).sum(axis=0)
    return loss


def _low_rank(shrunk: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factor a matrix into penalty x part and part x axis, as few parts as rounding allows."""
    # Rounding is relative to the size of each row: the small residuals of a small penalty count.
    size = shrunk.max(axis=1, keepdims=True)
    left, values, right = np.linalg.svd(shrunk / size, full_matrices=False)
    kept = values > EPS * values[0]
    return size * left[:, kept] * values[kept], right[kept]


def _squares(parts: FloatArray, rest: FloatArray, mix: FloatArray, free: FloatArray) -> FloatArray:
    """Return the sum over stimuli of ((mix @ parts + rest) / free)^2, penalty x neuroid."""
    n, _, neuroids = parts.shape
    total = np.zeros((len(mix), neuroids))
    for rows in column_batches(n, len(mix) * neuroids, BLOCK_NUMBERS):
        error = mix @ parts[rows]
        error += rest[rows, None]
        error /= free.T[rows, :, None]
        total += np.einsum("iak,iak->ak", error, error)
    return total


# --- checks --------------------------------------------------------------------------------------


def _check_penalties(penalties: ArrayLike) -> FloatArray:
    given = np.atleast_1d(np.asarray(penalties, dtype=np.float64))
    several = len(given) > 1
    good = given > 0 if several else given >= 0
    if given.ndim != 1 or not len(given) or not (np.isfinite(given) & good).all():
        raise InputError(
            f"penalties {_shown(given.ravel().tolist())}",
            allowed="one penalty of 0 or more, or several above 0 to choose from",
            todo="give numbers such as 1.0 or [0.1, 1.0, 10.0]",
        )
    return given


def _shown(values: Sequence[float]) -> str:
    return str(values[:5]) + (f" ... ({len(values)} in all)" if len(values) > 5 else "")
