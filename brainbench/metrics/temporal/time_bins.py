"""Figures of responses over time: per time bin, and over time within an image.

Arrays are stimulus x neuroid x bin. A prediction that is the same for all images of a bin, as that of a
static network after image offset, explains nothing there: r is 0 and is counted, never skipped as NaN. For
a measured response that is the same for all images, r is NaN; it is counted too.

References
----------
Nayebi et al. 2018, figures 5c and S1b, supplement 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import pearson
from brainbench.metrics.features import EPS, Split
from brainbench.metrics.temporal.moments import check_features, check_finite, check_responses
from brainbench.metrics.temporal.sample_space import held_out_losses
from brainbench.metrics.temporal.shared_map import PENALTIES, check_folds, ridge

_ROUNDING = 1e-9  # share of the spread over all bins up to which a spread is rounding


@dataclass(frozen=True, eq=False)
class OverImages:
    """Correlation over images in each time bin.

    Attributes
    ----------
    r : array, neuroid x bin
        0 where the prediction is constant, NaN where the measured response is.
    constant_prediction, constant_response : array of bool, neuroid x bin
    """

    r: FloatArray
    constant_prediction: BoolArray
    constant_response: BoolArray


def over_images(predicted: AnyArray, measured: AnyArray) -> OverImages:
    """Return the Pearson correlation of prediction and response over images, in each time bin.

    Parameters
    ----------
    predicted, measured : array, stimulus x neuroid x bin
        Over held-out images.

    Raises
    ------
    InputError
        Shapes that differ, fewer than two images, or NaN.

    Examples
    --------
    >>> measured = np.array([[[1.0, 3.0]], [[2.0, 1.0]], [[4.0, 2.0]]])
    >>> predicted = np.array([[[2.0, 5.0]], [[4.0, 5.0]], [[8.0, 5.0]]])
    >>> over_images(predicted, measured).r
    array([[1., 0.]])
    """
    x, y = _pair(predicted, measured)
    constant_x, constant_y = _constant(x, axis=0), np.ptp(y, axis=0) == 0
    r = pearson(np.where(constant_x, 0.0, x), y)
    r = np.where(constant_y, np.nan, np.where(constant_x, 0.0, r))
    return OverImages(r, constant_x, constant_y)


def over_time(predicted: AnyArray, measured: AnyArray) -> FloatArray:
    """Return the correlation of prediction and response over time bins, in each image and neuroid.

    Parameters
    ----------
    predicted, measured : array, stimulus x neuroid x bin

    Returns
    -------
    array, stimulus x neuroid
        0 where the prediction does not change over time, NaN where the measured response does not.

    Raises
    ------
    InputError
        See `over_images`.
    """
    x, y = _pair(predicted, measured)
    constant_x, constant_y = _constant(x, axis=2), np.ptp(y, axis=2) == 0
    r = pearson(np.where(constant_x[:, :, None], 0.0, x), y, axis=2)
    return np.where(constant_y, np.nan, np.where(constant_x, 0.0, r))


@dataclass(frozen=True)
class Votes:
    """The layer that is assigned to an array of electrodes.

    Attributes
    ----------
    layer : str
        The layer that is best for most units; the one named first where several are.
    units : dict
        For each layer, the number of units for which it is best (figure 5b).
    """

    layer: str
    units: dict[str, int]


def best_layer(losses: Mapping[str, ArrayLike]) -> Votes:
    """Assign the units of an array to the layer of least loss for most of them (supplement 6.6).

    Parameters
    ----------
    losses : mapping of str to array, neuroid
        For each layer the loss of each unit, averaged over time bins.

    Raises
    ------
    InputError
        No layer, losses of different numbers of units, or a loss that is NaN.

    Examples
    --------
    >>> best_layer({"conv5": [0.2, 0.9, 0.8], "conv6": [0.5, 0.4, 0.3]})
    Votes(layer='conv6', units={'conv5': 1, 'conv6': 2})
    """
    names = list(losses)
    table = [np.asarray(losses[name], dtype=np.float64).ravel() for name in names]
    if not names or len({len(row) for row in table}) > 1 or np.isnan(np.concatenate(table)).any():
        raise InputError(
            f"losses of {[len(row) for row in table]} units for the layers {names}",
            allowed="at least one layer, each with one finite loss per unit",
            todo="fit every layer to the same units",
        )
    winners = np.stack(table).argmin(axis=0)
    counts = np.bincount(winners, minlength=len(names)).tolist()
    return Votes(names[int(np.argmax(counts))], dict(zip(names, counts, strict=True)))


def loss_per_bin(
    X: AnyArray,
    Y: AnyArray,
    train: AnyArray,
    *,
    folds: Sequence[Split],
    weights: AnyArray | None = None,
) -> FloatArray:
    """Return the loss of a layer whose map is fitted to each time bin separately.

    Parameters
    ----------
    X, Y, train, folds, weights
        See `brainbench.metrics.temporal.shared_map.ridge`.

    Returns
    -------
    array, neuroid x bin
        Mean squared error over the left-out folds of the training images. The paper (supplement 6.6) does not
        state on which images its loss was taken.
    """
    n_neuroids, bins = Y.shape[1:]
    rows, shares = check_features(X, train, np.eye(bins) if weights is None else weights)
    responses = check_responses(Y, rows=rows, n=len(X), bins=bins)
    check_folds(folds, rows)
    states, state_of_bin = np.unique(np.asarray(shares), axis=0, return_inverse=True)
    losses = np.empty((n_neuroids, bins))
    for k, share in enumerate(states):
        bins_of_state = np.flatnonzero(state_of_bin == k)
        state, of_state = _mean_state(X, share), responses[:, :, bins_of_state].reshape(len(X), -1)
        loss = _loss(state, of_state, rows, folds)
        losses[:, bins_of_state] = loss.reshape(n_neuroids, -1)
    return losses


def _mean_state(X: AnyArray, share: FloatArray) -> FloatArray:
    """Return the mean of states that count so much, stimulus x feature."""
    used = np.flatnonzero(share)
    # The features of a state lie together in memory, so that each is added as a whole.
    mean = X[:, :, used[0]] * share[used[0]]
    for state in used[1:]:
        mean = mean + X[:, :, state] * share[state]
    return np.asarray(mean, dtype=np.float64)


def _loss(state: FloatArray, Y: FloatArray, rows: IntArray, folds: Sequence[Split]) -> FloatArray:
    """Return the least mean squared error over left-out folds among penalties, neuroid."""
    if state.shape[1] < len(rows):
        return np.asarray(ridge(state[:, :, None], Y[:, :, None], rows, folds=folds).loss)
    order = np.concatenate([left_out for _, left_out in folds])
    features = state[order] - state[order].mean(axis=0)
    ends = np.cumsum([len(left_out) for _, left_out in folds])
    parts = np.split(np.arange(len(order)), ends[:-1])
    pairs = [(np.setdiff1d(np.arange(len(order)), part), part) for part in parts]
    losses = held_out_losses(features @ features.T, Y[order], pairs, PENALTIES)
    return np.asarray(losses.min(axis=0) / len(order))


def explained_variance(predicted: AnyArray, measured: AnyArray) -> FloatArray:
    """Return 1 - squared error / variance over images, in each time bin.

    Parameters
    ----------
    predicted, measured : array, stimulus x neuroid x bin
        Over held-out images.

    Returns
    -------
    array, neuroid x bin
        Negative where the mean of the images is closer than the prediction; NaN where the measured response
        is the same for all images.

    Raises
    ------
    InputError
        See `over_images`.
    """
    x, y = _pair(predicted, measured)
    return share_explained(np.square(y - x).mean(axis=0), y)


def share_explained(loss: FloatArray, measured: AnyArray) -> FloatArray:
    """Return 1 - loss / variance, neuroid x bin, of the mean squared error of measured responses.

    `measured` is stimulus x neuroid x bin; NaN where it does not vary over the stimuli.
    """
    y = np.asarray(measured, dtype=np.float64)
    varies = np.ptp(y, axis=0) > 0
    return np.asarray(1.0 - loss / np.where(varies, y.var(axis=0), np.nan))


def _pair(predicted: AnyArray, measured: AnyArray) -> tuple[FloatArray, FloatArray]:
    x, y = (np.asarray(side, dtype=np.float64) for side in (predicted, measured))
    if x.shape != y.shape or x.ndim != 3 or len(x) < 2:
        raise InputError(
            f"predictions of shape {x.shape} and responses of shape {y.shape}",
            allowed="equal shapes stimulus x neuroid x bin, at least two stimuli",
            todo="align both by stimulus_id, neuroid_id and time bin",
        )
    check_finite(x, what="predictions")
    check_finite(y, what="responses")
    return x, y


def _constant(x: FloatArray, *, axis: int) -> BoolArray:
    """Return where a prediction does not vary over an axis, up to rounding of the neuroid's predictions."""
    largest = np.abs(x - x.mean(axis=(0, 2), keepdims=True)).max(axis=(0, 2))
    floor = np.maximum(_ROUNDING * largest, 64 * EPS * np.abs(x).max(axis=(0, 2)))
    limit = floor[:, None] if axis == 0 else floor
    return cast(BoolArray, np.ptp(x, axis=axis) <= limit)
