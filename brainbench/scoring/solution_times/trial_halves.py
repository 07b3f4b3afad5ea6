"""Solution times of halves of a brain's trials, kept in the cache: how reliably trials order the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import numpy as np

from brainbench.core import progress
from brainbench.core.assembly import Assembly, time_average
from brainbench.core.errors import UnknownNameError
from brainbench.core.provenance import sha256
from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.metrics.solution_times.solution_times import solution_times
from brainbench.scoring.context import RunContext
from brainbench.scoring.recordings import recordings_of
from brainbench.scoring.solution_times.target import BrainTimes
from brainbench.stats.ceiling import half_means
from brainbench.stats.splits import Split, paper
from brainbench.storage import cache

VERSION = 1
"""Raised when the solution times of the same trials change; a test holds it."""

_KIND = "solution-times"
_SUFFIX = ".npy"


def trial_halves(
    context: RunContext, brain: BrainTimes, *, n_splits: int, n_halves: int
) -> tuple[FloatArray | None, str]:
    """Return solution times of halves of the trials, and why halvings were omitted, empty where none was.

    The times, 2 x halving x image in ms, are those of the halvings in which each half has every image; NaN
    where an image is not solved, None without repeated trials over time. They depend on the brain alone and
    take thousands of converged decoders, so they are kept in the cache. InputError for recordings of other
    images, bins that they do not cover, or fewer images (of some object) than folds.
    """
    try:
        trials = recordings_of(context, context.data)
    except UnknownNameError:  # data with solution times and without recordings of the region
        return None, ""
    if "time" not in trials.dims or trials.sizes.get("repetition", 1) < 2:
        return None, ""
    complete, gaps = _complete_halvings(trials, brain.bins, n_halves)
    if not complete.any():
        return np.empty((2, 0, len(brain.times))), gaps
    folds = paper(
        brain.stimuli.ids,
        brain.strata,
        groups=brain.groups,
        n_splits=n_splits,
        seed=context.settings.seed,
    )
    key = sha256(
        context.data_version,
        context.benchmark.region,
        *brain.stimuli.ids,
        brain.bins.tobytes(),
        brain.thresholds.tobytes(),
        *(test.tobytes() for _, test in folds),
        str(n_halves),
        str(VERSION),
        np.__version__,
    )
    solve = partial(_store_solved, key, trials, brain, folds, complete)
    paths = cache.default().obtain(_KIND, key, [_SUFFIX], solve)
    return cast(FloatArray, np.load(paths[_SUFFIX])), gaps


def _store_solved(
    key: str, trials: Assembly, brain: BrainTimes, folds: Sequence[Split], complete: BoolArray
) -> None:
    times = _solve(trials, brain, folds, complete)
    with cache.default().writing(_KIND, key, _SUFFIX) as path, path.open("wb") as stream:
        np.save(stream, times)


def _complete_halvings(trials: Assembly, bins: FloatArray, n_halves: int) -> tuple[BoolArray, str]:
    """Return in which halvings both halves have every image, at every site and bin; and what they lack."""
    lost = np.zeros((n_halves, trials.sizes["stimulus"]), dtype=bool)
    if bool(trials.isnull().any()):
        for means in _half_means(trials, bins, n_halves):
            lost |= np.isnan(means).any(axis=(0, 3))
    complete = np.logical_not(lost.any(axis=1))
    n_images, n_omitted = int(lost.any(axis=0).sum()), int((~complete).sum())
    gaps = (
        f"{n_images} of {lost.shape[1]} images without a trial of each site and bin in one half of the "
        f"repetitions: {n_omitted} of {n_halves} halvings omitted"
    )
    return np.asarray(complete), gaps if n_images else ""


def _solve(
    trials: Assembly, brain: BrainTimes, folds: Sequence[Split], complete: BoolArray
) -> FloatArray:
    """Return the solution times of the complete halvings, 2 x halving x image."""
    n_halvings = int(complete.sum())
    label = f"solution times of {2 * n_halvings} halves of the trials"
    with progress.current().task(label, len(brain.bins)) as advance:
        decoded = decode_sensitivity(
            _responses(trials, brain.bins, complete, advance),
            brain.objects,
            folds,
            decoder=Decoder(name="converged"),
        )
    by_half = decoded.sensitivity.reshape(len(brain.bins), 2 * n_halvings, -1)
    times = [
        solution_times(sensitivity, brain.thresholds, brain.bins)
        for sensitivity in np.moveaxis(by_half, 1, 0)
    ]
    return np.stack(times).reshape(2, n_halvings, -1)


def _responses(
    trials: Assembly, bins: FloatArray, complete: BoolArray, advance: Callable[[int], None]
) -> Iterator[FloatArray]:
    """Yield mean responses image x site, bin by bin, of all first halves and then of all second ones."""
    for means in _half_means(trials, bins, len(complete)):
        for half in means:
            yield from half[complete]
        advance(1)


def _half_means(trials: Assembly, bins: FloatArray, n_halves: int) -> Iterator[FloatArray]:
    """Yield means over halves of the trials, 2 x halving x image x site, bin by bin."""
    for start, end in bins:
        responses = np.asarray(time_average(trials, (start, end)).values, dtype=np.float64)
        yield np.stack(half_means(responses, n_splits=n_halves))
