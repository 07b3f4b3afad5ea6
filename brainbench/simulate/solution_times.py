"""Object solution times of the simulated brain: when its IT has solved each image.

In each time bin a decoder reads the trial averages of the IT sites (`converged`, ten folds). The solution
time of an image is when its sensitivity I1 crosses that of the behaving subject. Images differ because IT is
recurrent: lateral excitation and slow surrounds take longer to resolve the harder ones.

The subject is not simulated trial by trial. It reads the noiseless late responses (200-250 ms) with the same
decoder, and its I1 is

    .55 (m + .45 (late - m))

with `late` the sensitivity of that decoder and m its mean over images. This is below what IT reaches, so that
nearly all images are solved, and varies less than `late`. Thresholds proportional to `late` would order the
solution times by themselves, since any brain reaches a higher threshold later: OSTs of unrelated images would
then agree at about .25; with this rule they do not agree (docs/measures.md).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.metrics.solution_times.solution_times import solution_times
from brainbench.simulate.areas import BIN_MS
from brainbench.stats.splits import Split, paper

Array: TypeAlias = npt.NDArray[np.float64]

REGION = "IT"
WINDOW_MS = (70.0, 250.0)
LATE_MS = (200.0, 250.0)
SHARE = 0.55  # mean sensitivity of the subject relative to that of the late noiseless responses
SPREAD = 0.45
"""Spread over images of the sensitivity of the subject relative to that of the late decoder."""
FOLDS = 10


def thresholds(expected: Array, objects: npt.NDArray[Any], ids: npt.ArrayLike) -> Array:
    """Return I1 of the simulated subject for each image: d', pooled over distractors.

    `expected` are noiseless responses, (image, site, time), in bins of 10 ms from stimulus onset; `objects`
    and `ids` are the object and stimulus id of each image. InputError for only one object, or only one image
    of some object.
    """
    late = _sensitivity(expected, LATE_MS, objects, ids).mean(axis=0)
    return np.asarray(SHARE * (late.mean() + SPREAD * (late - late.mean())))


def times(measured: Array, i1: Array, objects: npt.NDArray[Any], ids: npt.ArrayLike) -> Array:
    """Return the object solution time of each image in ms; NaN where it never reaches the threshold.

    `measured` are trial averages, (image, site, time), in bins of 10 ms from stimulus onset; `i1` is from
    `thresholds`, whose other arguments and errors are the same.
    """
    starts = np.arange(WINDOW_MS[0], WINDOW_MS[1], BIN_MS)
    bins = np.stack([starts, starts + BIN_MS], axis=1)
    return solution_times(_sensitivity(measured, WINDOW_MS, objects, ids), i1, bins)


def _sensitivity(
    responses: Array, window_ms: tuple[float, float], objects: npt.NDArray[Any], ids: npt.ArrayLike
) -> Array:
    """Return I1 of each image in each bin of a window, (bin, image)."""
    first, last = (round(edge / BIN_MS) for edge in window_ms)
    bins = (responses[:, :, k] for k in range(first, last))
    converged = Decoder(name="converged")
    decoded = decode_sensitivity(bins, objects, _folds(objects, ids), decoder=converged)
    return decoded.sensitivity


def _folds(objects: npt.NDArray[Any], ids: npt.ArrayLike) -> list[Split]:
    fewest = int(np.unique(objects, return_counts=True)[1].min())
    if fewest < 2:
        raise InputError(
            "a simulated brain with one image of some object",
            allowed="two or more: the decoder of an image learns from the others",
            todo="give images_per_object=2 or more",
        )
    return paper(ids, objects, n_splits=min(FOLDS, fewest))
