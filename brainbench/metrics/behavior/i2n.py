"""Image-level behavior in two-alternative choices: I2n and I1 (Rajalingham et al. 2018).

A matrix image x distractor holds how often the object that an image shows was chosen over each other
object. d' relates it to false alarms, and subtracting the mean of each pair of objects leaves what is
specific to the image. Two subjects, or a model and a subject, are compared by the correlation of these cells.

    trials -------------------> fraction_correct --.
                                                    >-- d_prime -> normalized -> correlation
    read-out probabilities ---> two_way -----------'

That is I2n. I1 pools the d' of an image over its distractors, without normalizing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import centered_correlation
from brainbench.metrics.reductions import draw_counts, nan_mean

FalseAlarms = Literal["paper", "brainscore"]
FALSE_ALARMS: tuple[FalseAlarms, ...] = ("paper", "brainscore")
CLIP = 5.0
"""d' beyond +-5 is set to it (Kubilius et al. 2019, section 3.2)."""


def two_way(probabilities: AnyArray, truth: AnyArray) -> FloatArray:
    """Return the probability of choosing the shown object over each other: p(truth) / (p(truth) + p(c)).

    Parameters
    ----------
    probabilities : array, image x object
        Probabilities of the objects, from a read-out; NaN for images that it did not decode.
    truth : array of int, image
        Column of the object that each image shows.

    Returns
    -------
    array, image x object
        NaN in the column of the object itself, and where both probabilities are 0.

    Raises
    ------
    InputError
        Another shape, a probability outside [0, 1], or a truth outside the columns.

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
    fraction: AnyArray,
    truth: AnyArray,
    *,
    false_alarms: FalseAlarms = "paper",
    weights: AnyArray | None = None,
) -> FloatArray:
    """Return d' of each image and distractor: Z(hit rate) - Z(false-alarm rate).

    Parameters
    ----------
    fraction : array, image x object
        Share of correct choices, from `fraction_correct` or `two_way`: the hit rate. NaN is skipped.
    truth : array of int, image
        Column of the object that each image shows.
    false_alarms : {"paper", "brainscore"}
        How often the object was chosen for other images. "paper": over all images that do not show it
        (Kubilius et al. 2019, 3.2). "brainscore": over the images of the distractor alone.
    weights : array, draw x image, optional
        How often each image counts among the false alarms, one d' for each draw.

    Returns
    -------
    array, (draw,) image x object
        Within +-`CLIP`. NaN where the hit rate is NaN, where no false-alarm rate is known, and where both
        rates are 0 or both are 1, which is inf - inf. `undefined` counts these cells.

    Raises
    ------
    InputError
        As `two_way`; another name for `false_alarms`; weights of another shape.

    Examples
    --------
    >>> d_prime(np.array([[np.nan, 0.9], [0.8, np.nan]]), np.array([0, 1])).round(3)
    array([[  nan, 2.123],
           [2.123,   nan]])
    """
    from scipy.special import ndtri

    hit = np.asarray(fraction, dtype=np.float64)
    truth = _check(hit, truth, what="fractions")
    if false_alarms not in FALSE_ALARMS:
        raise InputError(
            f"d' with false_alarms={false_alarms!r}",
            allowed=" or ".join(map(repr, FALSE_ALARMS)),
            todo="choose one of them",
        )
    alarms = _alarms(hit, truth, draw_counts(weights, len(hit)), false_alarms)
    with np.errstate(invalid="ignore"):  # inf - inf: NaN, as documented
        sensitivity = ndtri(hit) - ndtri(alarms)[:, truth]
    sensitivity = np.clip(sensitivity, -CLIP, CLIP)
    return cast(FloatArray, sensitivity[0] if weights is None else sensitivity)


def normalized(
    sensitivity: AnyArray, truth: AnyArray, *, weights: AnyArray | None = None
) -> FloatArray:
    """Subtract the mean over images of each pair of objects, which leaves what is specific to the image.

    Parameters
    ----------
    sensitivity : array, (draw,) image x object
        From `d_prime`; NaN stays.
    truth, weights
        See `d_prime`; how often each image counts in the mean.

    Raises
    ------
    InputError
        Another number of truths than images, a truth outside the columns, or weights of another shape.

    Examples
    --------
    >>> normalized(np.array([[np.nan, 1.0], [np.nan, 3.0], [2.0, np.nan]]), np.array([0, 0, 1]))
    array([[nan, -1.],
           [nan,  1.],
           [ 0., nan]])
    """
    values = np.array(sensitivity, dtype=np.float64, ndmin=3)
    truth = _check_truth(values.shape[1:], truth, what="sensitivities")
    weights = draw_counts(weights, values.shape[-2])
    defined = np.isfinite(values)
    filled = np.where(defined, values, 0.0)
    for shown in np.unique(truth):
        rows = np.flatnonzero(truth == shown)
        weight = weights[:, rows, None]
        total = (weight * defined[:, rows]).sum(axis=1, keepdims=True)
        mean = (weight * filled[:, rows]).sum(axis=1, keepdims=True)
        values[:, rows] -= mean / np.where(total > 0, total, np.nan)
    return cast(FloatArray, values if np.ndim(sensitivity) == 3 else values[0])


def i1(sensitivity: AnyArray) -> FloatArray:
    """Return the mean d' over the distractors of each image, (...,) image; NaN is skipped."""
    return nan_mean(np.asarray(sensitivity, dtype=np.float64), axis=-1)


def correlation(x: AnyArray, y: AnyArray, *, weights: AnyArray | None = None) -> FloatArray:
    """Return the Pearson correlation over the cells, or images, where both sides have a figure.

    Parameters
    ----------
    x, y : array, image x object or image; with weights, draw x image x object or draw x image
        Both from `normalized` (I2n) or both from `i1` (I1).
    weights : array, draw x image, optional
        How often each image counts in each draw.

    Returns
    -------
    array, () or draw
        NaN where fewer than two cells are left, or one side is constant over them.

    Raises
    ------
    InputError
        Shapes that differ.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape:
        raise InputError(
            f"matrices of shape {x.shape} and {y.shape} to correlate",
            allowed="the same images and objects, in the same order",
            todo="give both the same images= and objects=",
        )
    if weights is None:
        cells = x.reshape(1, -1), y.reshape(1, -1)
        return cast(FloatArray, _cell_correlation(*cells, np.ones((1, x.size)))[0])
    by_image = draw_counts(weights, x.shape[1])
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    return _cell_correlation(x, y, np.repeat(by_image, x.shape[1] // by_image.shape[1], axis=1))


def consistency(
    model: AnyArray,
    subject: AnyArray,
    halves: Sequence[tuple[AnyArray, AnyArray]],
    truth: AnyArray,
    *,
    false_alarms: FalseAlarms = "paper",
    against_halves: bool = False,
    pooled: bool = False,
    weights: AnyArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the correlation of a model with a subject, and of halves of the subject's trials.

    Parameters
    ----------
    model : array, image x object
        Fractions, from `two_way`.
    subject : array, image x object
        Fractions of all trials, from `brainbench.metrics.behavior.trials.fraction_correct`.
    halves : sequence of (array, array)
        Fractions of halves of the trials; empty where no ceiling is computed.
    truth, false_alarms
        See `d_prime`.
    against_halves : bool
        Compare the model with the first half of each pair, not with all trials.
    pooled : bool
        Correlate I1, not I2n.
    weights : array, draw x image, optional
        How often each image counts: in false alarms, means and correlation.

    Returns
    -------
    r : array, draw x 1, or draw x pair of halves
        Correlation of the model with all trials, or with the first half of each pair.
    c : array, draw x pair of halves
        Correlation of the two halves, not corrected for their length.
    """
    weights = draw_counts(weights, len(np.asarray(model)))
    matrix = partial(
        _matrix, truth=truth, false_alarms=false_alarms, pooled=pooled, weights=weights
    )
    of_model = matrix(model)
    targets = [] if against_halves else [matrix(subject)]
    c = np.empty((len(weights), len(halves)))
    for k, (first, second) in enumerate(halves):
        of_first = matrix(first)
        c[:, k] = correlation(of_first, matrix(second), weights=weights)
        if against_halves:
            targets.append(of_first)
    r = [correlation(of_model, target, weights=weights) for target in targets]
    return np.stack(r, axis=1) if r else np.empty((len(weights), 0)), c


def consistency_of_pairs(
    pairs: Iterable[tuple[AnyArray, AnyArray]],
    truth: AnyArray,
    *,
    false_alarms: FalseAlarms = "paper",
    pooled: bool = False,
    weights: AnyArray | None = None,
) -> FloatArray:
    """Return the correlation of the two subjects of each pair, draw x pair.

    Parameters
    ----------
    pairs : iterable of (fractions, fractions)
        Image x object for both subjects of a pair; taken one by one.
    truth, false_alarms, pooled, weights
        See `consistency`.
    """
    r = []
    for first, second in pairs:
        counts = draw_counts(weights, len(np.asarray(first)))
        matrices = (
            _matrix(side, truth=truth, false_alarms=false_alarms, pooled=pooled, weights=counts)
            for side in (first, second)
        )
        r.append(correlation(*matrices, weights=counts))
    return np.stack(r, axis=1)


def _matrix(
    fraction: AnyArray,
    *,
    truth: AnyArray,
    false_alarms: FalseAlarms,
    pooled: bool,
    weights: FloatArray,
) -> FloatArray:
    """Return I1 or I2n of fractions for each draw."""
    sensitivity = d_prime(fraction, truth, false_alarms=false_alarms, weights=weights)
    return i1(sensitivity) if pooled else normalized(sensitivity, truth, weights=weights)


def undefined(fraction: AnyArray, sensitivity: AnyArray, truth: AnyArray) -> dict[str, int]:
    """Count the cells without d', by reason.

    Parameters
    ----------
    fraction, sensitivity : array, image x object
        Hit rates, and their d'.
    truth : array of int, image
        See `d_prime`; the column of the shown object is not a cell.

    Returns
    -------
    dict of str to int
        "no hit rate", and "no d'" (no false-alarm rate, or both rates 0 or both 1); empty where every cell
        has a d'.

    Raises
    ------
    InputError
        Shapes that differ, another number of truths than images, or a truth outside the columns.

    Examples
    --------
    >>> fraction, truth = np.array([[np.nan, 1.0], [0.0, np.nan]]), np.array([0, 1])
    >>> undefined(fraction, d_prime(fraction, truth), truth)
    {"no d'": 2}
    """
    if np.shape(fraction) != np.shape(sensitivity):
        raise InputError(
            f"fractions of shape {np.shape(fraction)} and sensitivities of shape {np.shape(sensitivity)}",
            allowed="the same images and objects, in the same order",
            todo="give the fractions from which d_prime was computed",
        )
    truth = _check_truth(np.shape(fraction), truth, what="fractions")
    cell = np.ones(np.shape(fraction), dtype=bool)
    np.put_along_axis(cell, truth[:, None], False, axis=1)
    no_rate = cell & np.isnan(fraction)
    no_d_prime = cell & ~no_rate & np.isnan(sensitivity)
    counts = {"no hit rate": int(no_rate.sum()), "no d'": int(no_d_prime.sum())}
    return {reason: count for reason, count in counts.items() if count}


def _alarms(hit: FloatArray, truth: IntArray, weights: FloatArray, kind: FalseAlarms) -> FloatArray:
    """Return false-alarm rates, draw x object x distractor."""
    defined = np.isfinite(hit)
    miss = np.where(defined, 1.0 - hit, 0.0)
    if kind == "paper":
        rate = _ratio(weights @ miss, weights @ defined)
        return np.broadcast_to(rate[:, :, None], (*rate.shape, hit.shape[1]))
    alarms = np.full((len(weights), hit.shape[1], hit.shape[1]), np.nan)
    for distractor in np.unique(truth):
        rows = truth == distractor
        of_rows = weights[:, rows]
        alarms[:, :, distractor] = _ratio(of_rows @ miss[rows], of_rows @ defined[rows])
    return alarms


def _ratio(total: FloatArray, count: FloatArray) -> FloatArray:
    # Sums of equal rates may differ from the rate by rounding, and 1 + 1e-16 has no quantile.
    rate = total / np.where(count > 0, count, np.nan)
    return np.clip(rate, 0.0, 1.0)


def _cell_correlation(x: FloatArray, y: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weighted correlation of each draw over cells that are defined on both sides."""
    weight = np.where(np.isfinite(x) & np.isfinite(y), weight, 0.0)
    used = weight > 0
    total = weight.sum(axis=1, keepdims=True)
    divisor = np.where(total > 0, total, np.nan)
    x, y = np.where(used, x, 0.0), np.where(used, y, 0.0)
    x = np.where(used, x - (weight * x).sum(axis=1, keepdims=True) / divisor, 0.0)
    y = np.where(used, y - (weight * y).sum(axis=1, keepdims=True) / divisor, 0.0)
    least = 1e-24 * total[:, 0]  # below this a sum of squares is the rounding of the mean
    r = centered_correlation(x, y, weight, rounding=(least, least))
    return np.where(used.sum(axis=1) < 2, np.nan, r)


def _check(matrix: FloatArray, truth: AnyArray, *, what: str) -> IntArray:
    truth = _check_truth(matrix.shape, truth, what=what)
    if ((matrix < 0) | (matrix > 1)).any():
        low, high = np.nanmin(matrix), np.nanmax(matrix)
        raise InputError(
            f"{what} from {low:.3g} to {high:.3g}",
            allowed="0 to 1, or NaN where missing",
            todo="give probabilities, not scores or logits",
        )
    return truth


def _check_truth(shape: tuple[int, ...], truth: AnyArray, *, what: str) -> IntArray:
    truth = np.asarray(truth)
    if len(shape) != 2 or truth.shape != shape[:1] or truth.dtype.kind not in "iu":
        raise InputError(
            f"{what} of shape {shape} with {truth.shape} truths of type {truth.dtype}",
            allowed="image x object, and for each image the column of the object that it shows",
            todo="give the truth as column numbers of the objects",
        )
    if truth.size and not 0 <= truth.min() <= truth.max() < shape[1]:
        raise InputError(
            f"a truth of {truth.max()} among {shape[1]} objects",
            allowed=f"0 to {shape[1] - 1}",
            todo="give every object that is shown a column",
        )
    return truth.astype(np.intp)
