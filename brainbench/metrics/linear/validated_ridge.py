"""Ridge regression whose penalties are compared on a fixed validation part, for many thousands of stimuli.

With M = K + aI over the training stimuli, the map of a penalty a has the weights M^-1 (Y - 1b), b the
intercept for which they sum to 0. One Cholesky factor of M serves all neuroids; an eigendecomposition, from
which `ridge` computes any number of penalties, costs as much as 20 to 30 factors, and several times the
memory.

References
----------
Saunders, Gammerman & Vovk 1998 (the dual form).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import EPS
from brainbench.metrics.gram import Gram
from brainbench.metrics.linear.folds import block, check_inputs, check_split
from brainbench.metrics.linear.ridge import Fit

RELATIVE: FloatArray = np.logspace(-4, 3, 8)
"""Penalties of `scoring.regression.published_division`, in the units of `fit_validated`."""


def fit_validated(
    features: Gram,
    Y: AnyArray,
    *,
    train: ArrayLike,
    validation: ArrayLike,
    test: ArrayLike,
    penalties: ArrayLike,
) -> Fit:
    """Fit ridge regression, choose each neuroid's penalty on validation stimuli, and predict test stimuli.

    Parameters
    ----------
    features : Gram
        Inner products of all stimuli, from `gram(chunks)`. They are held once, and a factor of them once:
        8 GB for 22,348 stimuli.
    Y : array, stimulus x neuroid
        Responses, in the same order of stimuli.
    train, validation, test : array of int
        Row numbers. The map is fitted to `train` alone, also once a penalty is chosen. Rows that follow one
        another save a copy of the inner products.
    penalties : sequence of float
        Above 0, in units of trace(X'X) / (training stimuli - 1), as `ridge.RELATIVE`.

    Returns
    -------
    Fit
        `left_out` is the squared error of each neuroid summed over the validation stimuli. Among equally good
        penalties, the first.

    Raises
    ------
    InputError
        A penalty that is not above 0, or none; rows that are repeated or in two parts; NaN or inf in Y;
        features that do not vary over the training stimuli.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> Y = X @ rng.standard_normal((5, 3))
    >>> from brainbench.metrics.gram import gram
    >>> fit = fit_validated(
    ...     gram(X),
    ...     Y,
    ...     train=range(40),
    ...     validation=range(40, 50),
    ...     test=range(50, 60),
    ...     penalties=[1e-6, 1.0],
    ... )
    >>> bool(np.allclose(fit.predicted, Y[50:], atol=1e-3))
    True
    """
    _, responses, _ = check_inputs(features, Y)
    rows, compared, held_out = _parts(train, validation, test, n=len(responses))
    shares = _check_penalties(penalties)
    among = block(features.K, rows, rows)
    n = len(rows)
    unit = float(np.trace(among) - among.sum() / n) / (n - 1)
    if not unit > EPS * float(np.trace(among)):
        raise InputError(
            f"features that are the same for all {n} training stimuli",
            allowed="features that vary over the training stimuli",
            todo="check that layer's output, or choose another layer",
        )
    mean = responses[rows].mean(axis=0)
    centered, others = responses[rows] - mean, np.concatenate([compared, held_out])
    across = block(features.K, others, rows)
    truth = responses[compared] - mean
    best = np.full(responses.shape[1], np.inf)
    chosen, predicted = np.zeros_like(best), np.zeros((len(held_out), len(best)))
    for penalty in shares * unit:
        shown = _predictions(among, across, centered, penalty)
        loss = np.square(shown[: len(compared)] - truth).sum(axis=0)
        better = loss < best
        best[better], chosen[better] = loss[better], penalty
        predicted[:, better] = shown[len(compared) :, better]
    return Fit(mean + predicted, chosen, best)


def _predictions(
    among: FloatArray, across: FloatArray, Y: FloatArray, penalty: float
) -> FloatArray:
    """Return predictions of other stimuli, whose inner products with the training stimuli are `across`."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    n = len(among)
    factor = np.array(among, order="F")
    factor[np.arange(n), np.arange(n)] += penalty
    factor, failed = dpotrf(factor, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise InputError(
            f"inner products of {n} stimuli that are not positive, with penalty {penalty:.2g}",
            allowed="penalties well above rounding: 1e-8 or more in these units",
            todo="omit the smallest penalties",
        )
    solved, _ = dpotrs(factor, np.column_stack([Y, np.ones(n)]), lower=1, overwrite_b=1)
    weights, ones = solved[:, :-1], solved[:, -1]
    intercept = weights.sum(axis=0) / ones.sum()
    weights -= np.outer(ones, intercept)
    return np.asarray(across @ weights + intercept)


def _parts(
    train: ArrayLike, validation: ArrayLike, test: ArrayLike, *, n: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return row numbers of the three parts as integers, each stimulus in one of them."""
    compared, held_out = (np.asarray(rows, dtype=np.intp).ravel() for rows in (validation, test))
    rows, _ = check_split((np.asarray(train), np.concatenate([compared, held_out])), n, least=2)
    if not len(compared) or not len(held_out):
        raise InputError(
            f"{len(compared)} validation and {len(held_out)} test stimuli",
            allowed="at least one of each",
            todo="choose penalties by ridge.cross_fit where there is no validation part",
        )
    return rows, compared, held_out


def _check_penalties(penalties: ArrayLike) -> FloatArray:
    given = np.atleast_1d(np.asarray(penalties, dtype=np.float64)).ravel()
    if not len(given) or not (np.isfinite(given) & (given > 0)).all():
        raise InputError(
            f"penalties {given[:5].tolist()}",
            allowed="one or more numbers above 0",
            todo="give numbers such as [1e-3, 1e-2, 0.1, 1.0]",
        )
    return given
