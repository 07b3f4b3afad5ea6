"""Solution times of halves of a brain's trials: how reliably the trials order the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from brainbench.core import progress
from brainbench.core.assembly import Assembly, time_average
from brainbench.core.errors import UnknownNameError
from brainbench.core.provenance import sha256
from brainbench.metrics.ranks import rank_correlation
from brainbench.metrics.solution_times import decoder
from brainbench.metrics.solution_times.decoder import Decoder, held_out
from brainbench.metrics.solution_times.solution_times import solution_times
from brainbench.models.digests import package_sources
from brainbench.scoring.context import RunContext
from brainbench.scoring.recordings import recordings_of
from brainbench.stats import ceiling
from brainbench.stats.aggregate import nan_mean
from brainbench.stats.ceiling import half_means, spearman_brown
from brainbench.stats.splits import Split, paper
from brainbench.storage import cache
from brainbench.storage.cache import Cache

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_KIND = "solution-times"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialHalves:
    """Solution times of both halves of the trials, halved several times.

    Parameters
    ----------
    times : array, 2 x halving x image
        In ms, of the halvings in which each half has every image; NaN where an image is not solved.
    gaps : str
        Why halvings were omitted; empty where none was.
    """

    times: FloatArray
    gaps: str

    @property
    def n_halvings(self) -> int:
        """Halvings in which each half has every image."""
        return int(self.times.shape[1])

    def reliability(self, counts: FloatArray | None = None) -> FloatArray:
        """Return the Spearman-Brown corrected correlation of the halves, mean over halvings.

        Parameters
        ----------
        counts : array, draw x image, optional
            How often each image counts.

        Returns
        -------
        array, () or draw
            NaN without a halving.
        """
        if not self.n_halvings:
            return np.full(() if counts is None else len(counts), np.nan)
        r = [rank_correlation(*pair, counts=counts) for pair in zip(*self.times, strict=True)]
        return nan_mean(spearman_brown(np.stack(r, axis=-1)), axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class HalvesDecoding:
    """What the trials of a region are decoded for.

    Parameters
    ----------
    ids : sequence of str
        Stimulus ids, in the order of the rows.
    objects : array of str, image
        What each image shows.
    strata : array, image, or None
        Objects by which folds are stratified.
    thresholds : array, image
        I1 that the decoder has to reach.
    bins : array, bin x 2
        Time bins in ms.
    n_splits, seed : int
        Disjoint folds of the decoders, and which.
    n_halves : int
        How often the trials are halved.
    """

    ids: Sequence[str]
    objects: npt.NDArray[np.str_]
    strata: npt.NDArray[Any] | None
    thresholds: FloatArray
    bins: FloatArray
    n_splits: int
    seed: int
    n_halves: int

    @cached_property
    def folds(self) -> list[Split]:
        """Training and held-out rows."""
        return paper(self.ids, self.strata, n_splits=self.n_splits, seed=self.seed)

    def key(self, context: RunContext) -> str:
        """Return the key of the times in the cache: data, options, and the code that computes them."""
        return sha256(
            context.data_version,
            context.benchmark.region,
            *self.ids,
            self.bins.tobytes(),
            self.thresholds.tobytes(),
            *(fold.test.tobytes() for fold in self.folds),
            str(self.n_halves),
            *package_sources(decoder, ceiling).values(),
            np.__version__,
        )

    def half_means(self, trials: Assembly) -> Iterator[FloatArray]:
        """Yield means over halves of the trials, 2 x halving x image x site, bin by bin."""
        for start, end in self.bins:
            responses = np.asarray(time_average(trials, (start, end)).values, dtype=np.float64)
            yield np.stack(half_means(responses, n_splits=self.n_halves))

    def complete(self, trials: Assembly) -> tuple[BoolArray, str]:
        """Return which halvings have every image in both halves, at every site and bin; and the gaps."""
        lost = np.zeros((self.n_halves, trials.sizes["stimulus"]), dtype=bool)
        if bool(trials.isnull().any()):
            for means in self.half_means(trials):
                lost |= np.isnan(means).any(axis=(0, 3))
        complete = np.logical_not(lost.any(axis=1))
        n_images, n_omitted = int(lost.any(axis=0).sum()), int((~complete).sum())
        gaps = (
            f"{n_images} of {lost.shape[1]} images without a trial of each site and bin in one half of the "
            f"repetitions: {n_omitted} of {self.n_halves} halvings omitted"
        )
        return np.asarray(complete), gaps if n_images else ""

    def solve(self, trials: Assembly, complete: BoolArray) -> FloatArray:
        """Return the solution times of the complete halvings, 2 x halving x image."""
        n_halvings = int(complete.sum())
        label = f"solution times of {2 * n_halvings} halves of the trials"
        with progress.current().task(label, len(self.bins)) as advance:
            (decoded,) = held_out(
                self._responses(trials, complete, advance),
                self.objects,
                self.folds,
                how=Decoder(name="converged"),
            )
        by_half = decoded.sensitivity.reshape(len(self.bins), 2 * n_halvings, -1)
        times = [
            solution_times(sensitivity, self.thresholds, self.bins)
            for sensitivity in np.moveaxis(by_half, 1, 0)
        ]
        return np.stack(times).reshape(2, n_halvings, -1)

    def _responses(
        self, trials: Assembly, complete: BoolArray, advance: Callable[[int], None]
    ) -> Iterator[FloatArray]:
        """Yield image x site, bin by bin, of all first halves and then of all second ones."""
        for means in self.half_means(trials):
            for half in means:
                yield from half[complete]
            advance(1)


def trial_halves(context: RunContext, decoding: HalvesDecoding) -> TrialHalves | None:
    """Return solution times of halves of the trials, by the converged decoder in disjoint folds.

    They depend on the brain alone and take thousands of decoders, so they are kept in the cache.

    Parameters
    ----------
    context : RunContext
        Data and region.
    decoding : HalvesDecoding
        Images, thresholds, bins and folds.

    Returns
    -------
    TrialHalves or None
        None without repeated trials over time.

    Raises
    ------
    InputError
        Recordings of other images, or without neuroids; bins that they do not cover; fewer images (of some
        object) than folds.
    """
    try:
        trials = recordings_of(context, context.data)
    except UnknownNameError:  # data with solution times and without recordings of the region
        return None
    if "time" not in trials.dims or trials.sizes.get("repetition", 1) < 2:
        return None
    complete, gaps = decoding.complete(trials)
    if not complete.any():
        return TrialHalves(times=np.empty((2, 0, len(decoding.thresholds))), gaps=gaps)
    return TrialHalves(times=_cached_times(context, decoding, trials, complete), gaps=gaps)


def _cached_times(
    context: RunContext, decoding: HalvesDecoding, trials: Assembly, complete: BoolArray
) -> FloatArray:
    """Return the times of the cache, computed and kept by the first process that asks for them."""
    store, key = cache.default(), decoding.key(context)
    times = _stored(store, key)
    if times is not None:
        return times
    with store.lock(_KIND, key):
        times = _stored(store, key)  # another process may have held the lock
        if times is None:
            times = decoding.solve(trials, complete)
            with store.writing(_KIND, key, ".npy") as path, path.open("wb") as stream:
                np.save(stream, times)
    return times


def _stored(store: Cache, key: str) -> FloatArray | None:
    path = store.find(_KIND, key, ".npy")
    return None if path is None else cast(FloatArray, np.load(path))
