"""Image-level behavior in two-alternative choices: I2n and I1 (Rajalingham et al. 2018).

A matrix image x distractor holds how often the object that an image shows was chosen over each other
object. d' sets it against false alarms, and taking away the mean of each pair of objects leaves what is
unique to the image. Two subjects, or a model and a subject, are compared by the correlation of these cells.

    trials (`brainbench.metrics.behavior.trials`) -> fraction_correct --.
                                                                >-- d_prime -> normalized -> correlation
    probabilities of a read-out ---------> two_way ------------'

That is I2n. I1 pools the d' of an image over its distractors, without normalizing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from brainbench.core.errors import InputError

__all__ = [
    "FALSE_ALARMS",
    "consistency",
    "correlation",
    "d_prime",
    "i1",
    "normalized",
    "two_way",
    "undefined",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

FalseAlarms = Literal["paper", "brainscore"]
FALSE_ALARMS: tuple[FalseAlarms, ...] = ("paper", "brainscore")
CLIP = 5.0
"""d' beyond +-5 is set to it (Kubilius et al. 2019, section 3.2)."""


def two_way(probabilities: NDArray[Any], truth: NDArray[Any]) -> FloatArray:
    """Probability of choosing the object that is shown over each other one: p(truth) / (p(truth) + p(c)).

    Parameters
    ----------
    probabilities : array, image x object
        Of each object, from a read-out; NaN for images without one.
    truth : array of int, image
        Column of the object that each image shows.

    Returns
    -------
    array, image x object
        NaN in the column of the object itself, and where both probabilities are 0, so that nothing is said
        about the pair.

    Raises
    ------
    InputError
        Another shape, a probability that is not in [0, 1], or a truth that is no column.

    Examples
    --------
    >>> two_way(np.array([[0.6, 0.2, 0.2], [0.0, 1.0, 0.0]]), np.array([0, 0]))
    array([[ nan, 0.75, 0.75],
           [ nan, 0.  ,  nan]])
    """
    p = np.asarray(probabilities, dtype=np.float64)
    truth = _check(p, truth, what="probabilities")
    own = np.take_along_axis(p, truth[:, None], axis=1)
    total = own + p
    with np.errstate(invalid="ignore"):
        chosen = own / np.where(total > 0, total, np.nan)
    np.put_along_axis(chosen, truth[:, None], np.nan, axis=1)
    return chosen


def d_prime(
    fraction: NDArray[Any],
    truth: NDArray[Any],
    *,
    false_alarms: FalseAlarms = "paper",
    clip: float = CLIP,
    weights: NDArray[Any] | None = None,
) -> FloatArray:
    """Sensitivity of each image and distractor: Z(hit rate) - Z(false-alarm rate).

    Parameters
    ----------
    fraction : array, image x object
        Share of correct choices, from `fraction_correct` or `two_way`: the hit rate. NaN is left out.
    truth : array of int, image
        Column of the object that each image shows.
    false_alarms : {"paper", "brainscore"}
        How often the object was chosen where it is not. "paper": over all images that do not show it
        (Kubilius et al. 2019, 3.2). "brainscore": over the images of the distractor alone.
    clip : float
        d' beyond +- this is set to it: rates of 0 and 1 are infinite before.
    weights : array, draw x image, optional
        How often each image counts among the false alarms, one d' for each draw.

    Returns
    -------
    array, (draw,) image x object
        NaN where the hit rate is, where no false-alarm rate is known, and where both rates are 0 or both
        are 1, which is inf - inf. `undefined` counts them.

    Raises
    ------
    InputError
        As `two_way`; another name for `false_alarms`; a clip that is not positive; weights of another shape.

    Examples
    --------
    >>> fraction = np.array([[np.nan, 0.9], [0.8, np.nan]])
    >>> d_prime(fraction, np.array([0, 1])).round(3)
    array([[  nan, 2.123],
           [2.123,   nan]])
    """
    hit = np.asarray(fraction, dtype=np.float64)
    truth = _check(hit, truth, what="fractions")
    if false_alarms not in FALSE_ALARMS or not clip > 0:
        raise InputError(
            f"d' with false_alarms={false_alarms!r}, clip={clip}",
            allowed=f"false_alarms {' or '.join(map(repr, FALSE_ALARMS))}; a positive clip",
            todo="correct the option",
        )
    each = _weights(weights, len(hit))
    alarms = _alarms(hit, truth, each, false_alarms)
    with np.errstate(invalid="ignore"):  # inf - inf: NaN, as documented
        sensitivity = ndtri(hit) - ndtri(alarms)[:, truth]
    sensitivity = np.clip(sensitivity, -clip, clip)
    return cast(FloatArray, sensitivity[0] if weights is None else sensitivity)


def normalized(
    sensitivity: NDArray[Any], truth: NDArray[Any], *, weights: NDArray[Any] | None = None
) -> FloatArray:
    """Take the mean over images of each pair of objects away: what is left is unique to the image.

    Parameters
    ----------
    sensitivity : array, (draw,) image x object
        From `d_prime`.
    truth : array of int, image
        Column of the object that each image shows.
    weights : array, draw x image, optional
        How often each image counts in the mean.

    Returns
    -------
    array, as `sensitivity`
        NaN where it was NaN.

    Raises
    ------
    InputError
        Another number of truths than images, a truth that is no column, or weights of another shape.

    Examples
    --------
    >>> normalized(np.array([[np.nan, 1.0], [np.nan, 3.0], [2.0, np.nan]]), np.array([0, 0, 1]))
    array([[nan, -1.],
           [nan,  1.],
           [ 0., nan]])
    """
    values = np.array(sensitivity, dtype=np.float64, ndmin=3)
    truth = _check_truth(values.shape[1:], truth, what="sensitivities")
    each = _weights(weights, values.shape[-2])
    there = np.isfinite(values)
    filled = np.where(there, values, 0.0)
    for shown in np.unique(truth):
        rows = np.flatnonzero(truth == shown)
        weight = each[:, rows, None]
        total = (weight * there[:, rows]).sum(axis=1, keepdims=True)
        mean = (weight * filled[:, rows]).sum(axis=1, keepdims=True)
        values[:, rows] -= mean / np.where(total > 0, total, np.nan)
    return cast(FloatArray, values if np.ndim(sensitivity) == 3 else values[0])


def i1(sensitivity: NDArray[Any]) -> FloatArray:
    """Sensitivity of each image, pooled over distractors: the mean of its d', NaN skipped.

    Parameters
    ----------
    sensitivity : array, (...,) image x object
        From `d_prime`, not normalized.

    Returns
    -------
    array, (...,) image
        NaN for an image without any d'.

    Examples
    --------
    >>> i1(np.array([[np.nan, 1.0, 2.0], [np.nan, np.nan, np.nan]]))
    array([1.5, nan])
    """
    values = np.asarray(sensitivity, dtype=np.float64)
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return cast(FloatArray, total / np.where(count > 0, count, np.nan))


def correlation(
    one: NDArray[Any], other: NDArray[Any], *, weights: NDArray[Any] | None = None
) -> FloatArray:
    """Pearson correlation over the cells, or images, where both have a figure.

    Parameters
    ----------
    one, other : array, image x object, image, or each with a leading draw
        From `normalized` (I2n) or `i1` (I1), both of one kind. With a draw in front, one figure each.
    weights : array, draw x image, optional
        How often each image counts; asks for a draw in front of both.

    Returns
    -------
    array, () or draw
        NaN where fewer than two cells are left, or one side is constant over them.

    Raises
    ------
    InputError
        Shapes that differ.

    Examples
    --------
    >>> a = np.array([[np.nan, 1.0], [2.0, np.nan], [3.0, np.nan]])
    >>> float(correlation(a, 5.0 - a))
    -1.0
    """
    x, y = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if x.shape != y.shape:
        raise InputError(
            f"matrices of shape {x.shape} and {y.shape} to correlate",
            allowed="the same images and objects, in the same order",
            todo="give both the same images= and objects=",
        )
    drawn = weights is not None
    n_draws = len(x) if drawn else 1
    x, y = x.reshape(n_draws, -1), y.reshape(n_draws, -1)
    weight = (np.isfinite(x) & np.isfinite(y)).astype(np.float64)
    if weights is not None:
        each = _weights(weights, np.shape(one)[1])
        weight *= np.repeat(each, x.shape[1] // each.shape[1], axis=1)
    r = _weighted_pearson(x, y, weight)
    return cast(FloatArray, r if drawn else r[0])


def consistency(
    model: NDArray[Any],
    subject: NDArray[Any],
    halves: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    truth: NDArray[Any],
    *,
    false_alarms: FalseAlarms = "paper",
    against_halves: bool = False,
    pooled: bool = False,
    weights: NDArray[Any] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Correlate a model with a subject, and the subject with itself.

    Parameters
    ----------
    model : array, image x object
        Fractions, from `two_way`.
    subject : array, image x object
        Fractions of all trials, from `brainbench.metrics.behavior.trials.fraction_correct`.
    halves : sequence of (array, array)
        Fractions of halves of the trials; none where there is no ceiling to compute.
    truth : array of int, image
        Column of the object that each image shows.
    false_alarms : {"paper", "brainscore"}
        See `d_prime`.
    against_halves : bool
        The model is compared with the first half of each pair, not with all trials.
    pooled : bool
        I1, not I2n.
    weights : array, draw x image, optional
        How often each image counts: in false alarms, means and correlation.

    Returns
    -------
    r : array, draw x 1, or draw x pair of halves
        Of the model.
    c : array, draw x pair of halves
        Of the two halves, not corrected for their length. One draw where there are no weights.

    Examples
    --------
    >>> fractions = np.array([[np.nan, 0.9], [np.nan, 0.6], [0.7, np.nan], [0.8, np.nan]])
    >>> consistency(fractions, fractions, [(fractions, fractions)], np.array([0, 0, 1, 1]))
    (array([[1.]]), array([[1.]]))
    """
    each = _weights(weights, len(np.asarray(model)))

    def matrix(fraction: NDArray[Any]) -> FloatArray:
        sensitivity = d_prime(fraction, truth, false_alarms=false_alarms, weights=each)
        return i1(sensitivity) if pooled else normalized(sensitivity, truth, weights=each)

    mine = matrix(model)
    against = [] if against_halves else [matrix(subject)]
    reliability = np.empty((len(each), len(halves)))
    for place, pair in enumerate(halves):
        one, other = (matrix(half) for half in pair)
        reliability[:, place] = correlation(one, other, weights=each)
        if against_halves:
            against.append(one)
    r = [correlation(mine, other, weights=each) for other in against]
    return np.stack(r, axis=1) if r else np.empty((len(each), 0)), reliability


def undefined(
    fraction: NDArray[Any], sensitivity: NDArray[Any], truth: NDArray[Any]
) -> dict[str, int]:
    """Count the cells that have no d', by their reason.

    Parameters
    ----------
    fraction, sensitivity : array, image x object
        Hit rates, and what `d_prime` made of them.
    truth : array of int, image
        Column of the object that each image shows; it has no cell.

    Returns
    -------
    dict of str to int
        "no hit rate", and "no d'" (no false-alarm rate, or both rates 0 or both 1); empty where all cells
        have one.

    Raises
    ------
    InputError
        Shapes that differ, another number of truths than images, or a truth that is no column.

    Examples
    --------
    >>> fraction = np.array([[np.nan, 1.0], [0.0, np.nan]])
    >>> truth = np.array([0, 1])
    >>> undefined(fraction, d_prime(fraction, truth), truth)
    {"no d'": 2}
    """
    if np.shape(fraction) != np.shape(sensitivity):
        raise InputError(
            f"fractions of shape {np.shape(fraction)} and sensitivities of shape {np.shape(sensitivity)}",
            allowed="the same images and objects, in the same order",
            todo="give the fractions that d_prime was given",
        )
    truth = _check_truth(np.shape(fraction), truth, what="fractions")
    cell = np.ones(np.shape(fraction), dtype=bool)
    np.put_along_axis(cell, truth[:, None], False, axis=1)
    unseen = cell & np.isnan(fraction)
    lost = cell & ~unseen & np.isnan(sensitivity)
    counts = {"no hit rate": int(unseen.sum()), "no d'": int(lost.sum())}
    return {reason: count for reason, count in counts.items() if count}


def _alarms(hit: FloatArray, truth: IntArray, weights: FloatArray, kind: FalseAlarms) -> FloatArray:
    """False-alarm rates, draw x object x distractor."""
    there = np.isfinite(hit)
    miss = np.where(there, 1.0 - hit, 0.0)
    if kind == "paper":
        rate = _ratio(weights @ miss, weights @ there)
        return np.broadcast_to(rate[:, :, None], (*rate.shape, hit.shape[1]))
    alarms = np.full((len(weights), hit.shape[1], hit.shape[1]), np.nan)
    for distractor in np.unique(truth):
        rows = truth == distractor
        mine = weights[:, rows]
        alarms[:, :, distractor] = _ratio(mine @ miss[rows], mine @ there[rows])
    return alarms


def _ratio(total: FloatArray, count: FloatArray) -> FloatArray:
    # Sums of equal rates may differ from the rate by rounding, and 1 + 1e-16 has no quantile.
    rate = total / np.where(count > 0, count, np.nan)
    return np.clip(rate, 0.0, 1.0)


def _weighted_pearson(x: FloatArray, y: FloatArray, weight: NDArray[Any]) -> FloatArray:
    """Correlation of each row; cells of weight 0 do not count, whatever is in them."""
    used = weight > 0
    x, y = np.where(used, x, 0.0), np.where(used, y, 0.0)
    total = weight.sum(axis=1, keepdims=True)
    total = np.where(total > 0, total, np.nan)
    x = np.where(used, x - (weight * x).sum(axis=1, keepdims=True) / total, 0.0)
    y = np.where(used, y - (weight * y).sum(axis=1, keepdims=True) / total, 0.0)
    xx, yy, xy = ((weight * a * b).sum(axis=1) for a, b in ((x, x), (y, y), (x, y)))
    # Below this a variance is the rounding of the mean.
    flat = (xx <= 1e-24 * total[:, 0]) | (yy <= 1e-24 * total[:, 0]) | (used.sum(axis=1) < 2)
    r = xy / np.where(flat, np.nan, np.sqrt(xx * yy))
    return cast(FloatArray, np.clip(r, -1.0, 1.0))


def _weights(weights: NDArray[Any] | None, n_images: int) -> FloatArray:
    if weights is None:
        return np.ones((1, n_images))
    each = np.asarray(weights, dtype=np.float64)
    if each.ndim != 2 or each.shape[1] != n_images:
        raise InputError(
            f"weights of shape {each.shape} for {n_images} images",
            allowed="draw x image",
            todo="take them from brainbench.stats.bootstrap.image_counts of the same images",
        )
    return each


def _check(matrix: FloatArray, truth: NDArray[Any], *, what: str) -> IntArray:
    truth = _check_truth(matrix.shape, truth, what=what)
    if ((matrix < 0) | (matrix > 1)).any():
        low, high = np.nanmin(matrix), np.nanmax(matrix)
        raise InputError(
            f"{what} from {low:.3g} to {high:.3g}",
            allowed="0 to 1, or NaN where there is none",
            todo="give probabilities, not scores or logits",
        )
    return truth


def _check_truth(shape: tuple[int, ...], truth: NDArray[Any], *, what: str) -> IntArray:
    truth = np.asarray(truth)
    if len(shape) != 2 or truth.shape != shape[:1] or truth.dtype.kind not in "iu":
        raise InputError(
            f"{what} of shape {shape} with {truth.shape} truths of type {truth.dtype}",
            allowed="image x object, and for each image the column of what it shows",
            todo="give the truth as row numbers of the objects",
        )
    if truth.size and not 0 <= truth.min() <= truth.max() < shape[1]:
        raise InputError(
            f"a truth of {truth.max()} among {shape[1]} objects",
            allowed=f"0 to {shape[1] - 1}",
            todo="give all objects that are shown a column",
        )
    return truth.astype(np.intp)
