"""When the simulated brain has solved an image: the object solution times of its IT.

A decoder of each time bin reads the trial averages of the IT sites (`converged`, ten folds). Its sensitivity
I1 of an image crosses that of the behaving subject at the image's solution time. Images differ in that time
because IT is recurrent: lateral excitation and slow surrounds go on sorting out the harder ones.

The subject is not asked trial by trial. It reads the noiseless late responses (200-250 ms) through the same
decoder, and its I1 is

    .55 (m + .45 (late - m))

with `late` the sensitivity read there and m its mean over images. Below what IT reaches, so that nearly all
images are solved; and closer to one another than `late`. Thresholds that were a share of `late` itself would
order solution times by themselves: the higher the threshold, the later it is reached, in any brain. OSTs of
unrelated images would then agree at about .25; as it is, they do not agree (docs/measures.md).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.metrics.solution_times.solution_times import solution_times
from brainbench.simulate.network import BIN_MS
from brainbench.stats.splits import Split, paper

Array: TypeAlias = npt.NDArray[np.float64]

REGION = "IT"
WINDOW_MS = (70.0, 250.0)
LATE_MS = (200.0, 250.0)
SHARE = 0.55
"""Mean sensitivity of the subject, as a share of that of the late noiseless responses."""
SPREAD = 0.45
"""How far images differ for the subject, as a share of how far they differ for that decoder."""
FOLDS = 10


def thresholds(expected: Array, objects: npt.NDArray[Any], ids: npt.ArrayLike) -> Array:
    """I1 of the simulated subject for each image.

    Parameters
    ----------
    expected
        Noiseless responses, (image, site, time), bins of 10 ms from stimulus onset.
    objects
        Object that each image shows, (image,).
    ids
        Stimulus ids, (image,).

    Returns
    -------
    ndarray, (image,)
        d', pooled over distractors.

    Raises
    ------
    InputError
        One object, or one image of some object.
    """
    late = _sensitivity(expected, LATE_MS, objects, ids).mean(axis=0)
    return np.asarray(SHARE * (late.mean() + SPREAD * (late - late.mean())))


def times(measured: Array, i1: Array, objects: npt.NDArray[Any], ids: npt.ArrayLike) -> Array:
    """Object solution time of each image.

    Parameters
    ----------
    measured
        Trial averages, (image, site, time), bins of 10 ms from stimulus onset.
    i1
        From `thresholds`, (image,).
    objects, ids
        As in `thresholds`.

    Returns
    -------
    ndarray, (image,)
        ms; NaN where the sensitivity never reaches the threshold.

    Raises
    ------
    InputError
        As `thresholds`.
    """
    starts = np.arange(WINDOW_MS[0], WINDOW_MS[1], BIN_MS)
    bins = np.stack([starts, starts + BIN_MS], axis=1)
    return solution_times(_sensitivity(measured, WINDOW_MS, objects, ids), i1, bins)


def _sensitivity(
    responses: Array,
    window_ms: tuple[float, float],
    objects: npt.NDArray[Any],
    ids: npt.ArrayLike,
) -> Array:
    """I1 of each image in each bin of a window, (bin, image)."""
    first, last = (round(edge / BIN_MS) for edge in window_ms)
    bins = (responses[:, :, k] for k in range(first, last))
    converged = Decoder(name="converged")
    found = decode_sensitivity(bins, objects, _folds(objects, ids), decoder=converged)
    return found.sensitivity


def _folds(objects: npt.NDArray[Any], ids: npt.ArrayLike) -> list[Split]:
    fewest = int(np.unique(objects, return_counts=True)[1].min())
    if fewest < 2:
        raise InputError(
            "a simulated brain with one picture of some object",
            allowed="two or more: an image is decoded by a decoder of the others",
            todo="give images_per_object=2 or more",
        )
    return paper(ids, objects, n_splits=min(FOLDS, fewest))
