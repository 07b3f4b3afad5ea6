"""Object solution times: when decoding from a population becomes as good as behavior (Kar et al. 2019).

A decoder reads the object from each time bin. The sensitivity I1 of an image, pooled over distractors, rises
from bin to bin, and crosses the sensitivity of the behaving subject at a time in ms: the image's object
solution time. Two brains, or a model and a brain, agree as far as they order the images alike.

    probabilities of held-out images -> sensitivity -> solution_times -> agreement
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.behavior.i2n import FalseAlarms, d_prime, i1, two_way
from brainbench.metrics.correlation import rank_correlation

HeldOutTimes: TypeAlias = tuple[AnyArray, FloatArray]
"""Rows of images that were held out together, and the solution time of each in ms."""


def sensitivity(
    probabilities: AnyArray,
    truth: AnyArray,
    *,
    false_alarms: FalseAlarms = "paper",
) -> FloatArray:
    """Return I1 of each image in each time bin: its d' pooled over distractors, not normalized.

    Parameters
    ----------
    probabilities : array, bin x image x class
        Decoded held-out images of each bin. False alarms come from these images alone.
    truth : array of int, image
        Class of each image.
    false_alarms : {"paper", "brainscore"}
        See `brainbench.metrics.behavior.i2n.d_prime`.

    Returns
    -------
    array, bin x image
        NaN for an image without any d': no other class among these images, or hit and false-alarm rates
        that are both 0 or both 1.

    Raises
    ------
    InputError
        Another shape; probabilities that are NaN (the bin is named) or not in [0, 1]; images of one class.

    Examples
    --------
    >>> sure, unsure = [[0.9, 0.1], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]]
    >>> sensitivity(np.array([unsure, sure]), np.array([0, 1])).round(3)
    array([[0.   , 0.   ],
           [2.563, 2.563]])
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 3 or not len(p):
        raise InputError(
            f"probabilities of shape {p.shape}",
            allowed="bin x image x class, at least one bin",
            todo="stack the probabilities of the decoders of all bins",
        )
    empty = np.flatnonzero(np.isnan(p).any(axis=(1, 2)))
    if len(empty):
        raise InputError(
            f"probabilities that are NaN in time bin {empty[0]} ({len(empty)} of {len(p)} bins)",
            allowed="a probability of each class for each image in each bin",
            todo="omit the bins without recordings",
        )
    if len(np.unique(truth)) < 2:
        raise InputError(
            f"{len(truth)} images of one class",
            allowed="held-out images of at least two classes: false alarms need the others",
            todo="use more images (a larger --limit)",
        )
    return np.stack(
        [i1(d_prime(two_way(by_class, truth), truth, false_alarms=false_alarms)) for by_class in p]
    )


def solution_times(sensitivities: AnyArray, thresholds: AnyArray, bins: AnyArray) -> FloatArray:
    """Return the time at which the sensitivity of each image crosses its threshold.

    Parameters
    ----------
    sensitivities : array, bin x image
        From `sensitivity`.
    thresholds : array, image
        Sensitivity of the behaving subject, its I1.
    bins : array, bin x 2
        (start, end) of each bin in ms.

    Returns
    -------
    array, image
        In ms. NaN where the threshold is never reached, or is NaN.

    Raises
    ------
    InputError
        Shapes that do not match; bins that are not in order or overlap; a bin without any sensitivity.

    Notes
    -----
    The closed form of Brain-Score's search. `hit` is the first bin at or above the threshold, `last` the bin
    before it with the highest value, the first of several. Between their starts the value is interpolated
    linearly. Where no bin is before the hit, the time is the start of the hit. (`last` need not be the bin
    just before the hit: where the sensitivity dips, a line is drawn over the dip.)

    Examples
    --------
    >>> bins = np.array([[70, 80], [80, 90], [90, 100]])
    >>> rising = np.array([[0.0, 2.0, 0.0], [1.0, 2.0, 0.5], [3.0, 2.0, 0.5]])
    >>> solution_times(rising, np.array([2.0, 1.0, 1.0]), bins)
    array([85., 70., nan])
    """
    values = np.asarray(sensitivities, dtype=np.float64)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    starts = check_bins(bins)[:, 0]
    if thresholds.ndim != 1 or values.shape != (len(starts), len(thresholds)):
        raise InputError(
            f"sensitivities of shape {values.shape} with {len(starts)} bins and thresholds of shape "
            f"{thresholds.shape}",
            allowed="bin x image, one (start, end) per bin and one threshold per image",
            todo="align thresholds and sensitivities by stimulus_id",
        )
    if values.size and np.isnan(values).all(axis=1).any():
        empty = int(np.flatnonzero(np.isnan(values).all(axis=1))[0])
        raise InputError(
            f"no image has a sensitivity in time bin {empty}, from {starts[empty]:g} ms",
            allowed="bins in which the object was decoded",
            todo="omit that bin",
        )
    reached = values >= thresholds
    solved, hit = reached.any(axis=0), reached.argmax(axis=0)
    below = np.where(np.arange(len(starts))[:, None] < hit, values, -np.inf)
    below = np.where(np.isnan(below), -np.inf, below)
    last, images = below.argmax(axis=0), np.arange(len(thresholds))
    has_last = np.isfinite(below[last, images])
    low = np.where(has_last, values[last, images], 0.0)
    rise = np.where(has_last & solved, values[hit, images] - low, 1.0)
    share = np.where(has_last, (thresholds - low) / rise, 1.0)
    early = np.where(has_last, starts[last], starts[hit])
    return np.where(solved, early + share * (starts[hit] - early), np.nan)


def agreement(
    parts: Sequence[HeldOutTimes], times: AnyArray, *, counts: AnyArray | None = None
) -> FloatArray:
    """Return the Spearman correlation of solution times in each part, over images that both sides solve.

    Parameters
    ----------
    parts : sequence of (rows, solution times)
        One side. One part with all images (protocol `paper`), or the held-out images of each split
        (`brainscore`).
    times : array, image
        The other side: times of all images in ms; NaN where an image is not solved.
    counts : array, draw x image, optional
        How often each image counts.

    Returns
    -------
    array, ([draw,] part)
        NaN where fewer than two images are solved by both, or one side is constant over them. The score
        is the mean over parts.

    Raises
    ------
    InputError
        No part; lengths that differ; rows outside the images.
    """
    times = np.asarray(times, dtype=np.float64)
    _check_parts(parts, times)
    r = [
        rank_correlation(held_out, times[rows], counts=None if counts is None else counts[:, rows])
        for rows, held_out in parts
    ]
    return cast(FloatArray, np.stack(r, axis=-1))


def _check_parts(parts: Sequence[HeldOutTimes], times: FloatArray) -> None:
    sizes = [(np.shape(rows), np.shape(held_out)) for rows, held_out in parts]
    inside = all(
        not np.size(rows) or 0 <= np.min(rows) <= np.max(rows) < len(times) for rows, _ in parts
    )
    if (
        not sizes
        or times.ndim != 1
        or any(rows != held_out for rows, held_out in sizes)
        or not inside
    ):
        raise InputError(
            f"rows and times of shapes {sizes} for times of shape {times.shape}",
            allowed=f"in each part a time for each row, rows from 0 to {len(times) - 1}",
            todo="give the rows of the images that were held out together",
        )


def check_bins(bins: AnyArray) -> FloatArray:
    """Check time bins, bin x 2, (start, end) in ms, and return them in float64.

    An InputError: no bin, another shape, bins that have no length, are infinite, out of order, or overlap.
    """
    edges = np.asarray(bins, dtype=np.float64)
    if edges.ndim != 2 or edges.shape[1] != 2 or not len(edges):
        raise InputError(
            f"time bins of shape {edges.shape}",
            allowed="one (start, end) in ms for each bin, at least one bin",
            todo="give for example [(70, 80), (80, 90)]",
        )
    wrong = ~(np.isfinite(edges).all(axis=1) & (edges[:, 0] < edges[:, 1]))
    wrong[1:] |= edges[1:, 0] < edges[:-1, 1]
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        after = f" after {edges[k - 1, 0]:g}-{edges[k - 1, 1]:g} ms" if k else ""
        raise InputError(
            f"time bin {edges[k, 0]:g}-{edges[k, 1]:g} ms{after}",
            allowed="bins of positive length, in order of time, that do not overlap",
            todo="sort the bins, or use a window that they cover once",
        )
    return edges
