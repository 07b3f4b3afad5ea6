"""The brain's side of object solution times: when it has solved each image, and how reliably."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core import progress
from brainbench.core.assembly import Assembly, check_unique, time_average
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.provenance import sha256
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior import i2n
from brainbench.metrics.classification import softmax
from brainbench.metrics.classification import standardize as standardize
from brainbench.metrics.solution_times import decoder as ost_decoder
from brainbench.metrics.solution_times import solution_times as ost
from brainbench.metrics.solution_times.decoder import Decoder, decode_sensitivity
from brainbench.metrics.solution_times.solution_times import solution_times
from brainbench.models.digests import source as code
from brainbench.scoring.recordings import recorded, shown, strata_of
from brainbench.stats import ceiling
from brainbench.stats.ceiling import half_means
from brainbench.stats.splits import SPLITS, Split, paper
from brainbench.storage import cache as caches

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

COLUMNS = ("stimulus_id", "i1", "ost")
_KIND = "solving"
_CODE = (i2n, ost, ost_decoder, softmax, standardize, ceiling)
"""What halves of the trials are turned into solution times by."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Brain:
    """When a brain has solved each image, rows sorted by stimulus_id.

    Parameters
    ----------
    stimuli : StimulusSet
        Images in the order of the rows.
    objects : array of str, image
        What each shows.
    strata : array of str, or None
        Objects by which folds are stratified; None where `--limit` left too few images of one.
    bins : array, bin x 2
        Time bins in ms.
    thresholds : array, image
        I1 of the behaving subject.
    times : array, image
        Object solution time in ms; NaN where the brain never solves the image.
    halves : array, 2 x halving x image, or None
        Solution times from one half of the trials and from the other, of the halvings in which each half has
        every image; None without trials over time.
    gaps : str
        Why halvings were left out; empty where none was.
    partial : bool
        A limit left some images out.
    """

    stimuli: StimulusSet
    objects: npt.NDArray[np.str_]
    strata: npt.NDArray[Any] | None
    bins: FloatArray
    thresholds: FloatArray
    times: FloatArray
    halves: FloatArray | None
    gaps: str
    partial: bool

    def folds(self, protocol: str, *, n_splits: int, seed: int) -> list[Split]:
        """Disjoint folds stratified by object, or Brain-Score's random splits, which are not stratified."""
        if protocol == "paper":
            return paper(self.stimuli.ids, self.strata, n_splits=n_splits, seed=seed)
        return SPLITS[protocol](self.stimuli.ids, n_splits=n_splits)


def brain_of(
    benchmark: Benchmark, settings: Settings, *, bin_ms: float, n_splits: int, n_halves: int
) -> Brain:
    """What the data says of the solution times, with those of halves of the trials where there are any.

    Parameters
    ----------
    benchmark : Benchmark
        Data, region, and the window that the bins fill.
    settings : Settings
        Limit, and the seed of the folds.
    bin_ms : float
        Width of a bin.
    n_splits : int
        Folds of the decoders of half the trials.
    n_halves : int
        How often the trials are halved.

    Raises
    ------
    InputError
        Data without solution times or with those of other images; stimuli without `object_name`; a window
        that is no whole number of bins; recordings that do not cover it.
    """
    data = open_dataset(benchmark.data)
    if not isinstance(data, HasSolutionTimes):
        raise InputError(
            f"data set {data.name!r} has no object solution times",
            allowed="data with a method solution_times(): stimulus_id, i1, ost",
            todo="choose a benchmark of another measure for it",
        )
    stimuli = shown(benchmark, settings)
    if "object_name" not in stimuli.metadata.columns:
        raise InputError(
            f"stimuli of {data.name!r} without object_name",
            allowed="the object that each image shows, which the decoder learns",
            todo="add the column object_name to the stimuli",
        )
    thresholds, times = _table(data, stimuli)
    partial = len(stimuli) < len(data.stimuli())
    brain = Brain(
        stimuli=stimuli,
        objects=stimuli.metadata["object_name"].to_numpy(str),
        strata=strata_of(stimuli, partial=partial),
        bins=_bins(benchmark, bin_ms),
        thresholds=thresholds,
        times=times,
        halves=None,
        gaps="",
        partial=partial,
    )
    halves, gaps = _halves(benchmark, settings, brain, n_splits=n_splits, n_halves=n_halves)
    return replace(brain, halves=halves, gaps=gaps)


def _bins(benchmark: Benchmark, bin_ms: float) -> FloatArray:
    first, last = benchmark.window
    n = round((last - first) / bin_ms) if bin_ms > 0 else 0
    if n < 1 or abs(first + n * bin_ms - last) > 1e-9:
        raise InputError(
            f"window {first:g}-{last:g} ms of {benchmark.identifier} in bins of {bin_ms:g} ms",
            allowed="a whole number of bins",
            todo="choose another window or bin_ms",
        )
    starts = first + bin_ms * np.arange(n)
    return np.stack([starts, starts + bin_ms], axis=1)


def _table(data: HasSolutionTimes, stimuli: StimulusSet) -> tuple[FloatArray, FloatArray]:
    """I1 and solution time of each image."""
    table = data.solution_times()
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise InputError(
            f"solution times without the column {lacking[0]!r}",
            allowed=", ".join(COLUMNS),
            todo="name the columns so",
        )
    names = table["stimulus_id"].astype(str)
    check_unique(names.to_numpy(), key="stimulus_id", name="solution times")
    known = table.set_axis(names, axis=0)
    absent = [stimulus for stimulus in stimuli.ids if stimulus not in known.index]
    if absent:
        raise InputError(
            f"no solution time for {len(absent)} of {len(stimuli)} images, for example {absent[0]!r}",
            allowed="one row per image; ost is NaN where it is never solved",
            todo="check that both are about the same stimuli",
        )
    rows = known.loc[list(stimuli.ids)]
    return _numbers(rows, "i1"), _numbers(rows, "ost")


def _numbers(rows: pd.DataFrame, column: str) -> FloatArray:
    found = pd.to_numeric(rows[column], errors="coerce")
    text = rows[rows[column].notna() & found.isna()]
    if len(text):
        raise InputError(
            f"{len(text)} of {len(rows)} values of {column} are no numbers, first "
            f"{text[column].iloc[0]!r} of {text.index.tolist()[0]!r}",
            allowed="a number for each image, or NaN",
            todo=f"write NaN where there is no {column}",
        )
    return found.to_numpy(np.float64)


def _halves(
    benchmark: Benchmark, settings: Settings, brain: Brain, *, n_splits: int, n_halves: int
) -> tuple[FloatArray | None, str]:
    """Solution times of halves of the trials, by the converged decoder in disjoint folds, and what they lack.

    They depend on the brain alone and take thousands of decoders, so they are kept in the cache.
    """
    try:
        trials, _, _ = recorded(benchmark, settings)
    except UnknownNameError:  # data that knows solution times only
        return None, ""
    if "time" not in trials.dims or trials.sizes.get("repetition", 1) < 2:
        return None, ""
    complete, gaps = _complete(trials, brain.bins, n_halves)
    if not complete.any():
        return np.empty((2, 0, len(brain.times))), gaps
    folds = brain.folds("paper", n_splits=n_splits, seed=settings.seed)
    key = sha256(
        open_dataset(benchmark.data).version,
        benchmark.region,
        *brain.stimuli.ids,
        brain.bins.tobytes(),
        brain.thresholds.tobytes(),
        *(test.tobytes() for _, test in folds),
        str(n_halves),
        *(code(module) for module in _CODE),
        np.__version__,
    )
    store = caches.default()
    found = store.find(_KIND, key, ".npy")
    if found is not None:
        return cast(FloatArray, np.load(found)), gaps
    with store.lock(_KIND, key):
        times = _halved(trials, brain, folds, complete)
        with store.writing(_KIND, key, ".npy") as path, path.open("wb") as stream:
            np.save(stream, times)
    return times, gaps


def _complete(trials: Assembly, bins: FloatArray, n_halves: int) -> tuple[BoolArray, str]:
    """Halvings in which both halves have every image, at every site in every bin; else what they lack."""
    lost = np.zeros((n_halves, trials.sizes["stimulus"]), dtype=bool)
    if bool(trials.isnull().any()):
        for means in _half_means(trials, bins, n_halves):
            lost |= np.isnan(means).any(axis=(0, 3))
    complete = np.logical_not(lost.any(axis=1))
    images, halvings = int(lost.any(axis=0).sum()), int((~complete).sum())
    gaps = (
        f"{images} of {lost.shape[1]} images without a trial of each site and bin in one half of the "
        f"repetitions: {halvings} of {n_halves} halvings left out"
    )
    return np.asarray(complete), gaps if images else ""


def _halved(
    trials: Assembly, brain: Brain, folds: Sequence[Split], complete: BoolArray
) -> FloatArray:
    n_halves = int(complete.sum())
    label = f"solution times of {2 * n_halves} halves of the trials"
    with progress.current().task(label, len(brain.bins)) as advance:
        found = decode_sensitivity(
            _states(trials, brain.bins, complete, advance),
            brain.objects,
            folds,
            decoder=Decoder(name="converged"),
        )
    sensitivities = found.sensitivity.reshape(len(brain.bins), 2 * n_halves, -1)
    times = [
        solution_times(one, brain.thresholds, brain.bins)
        for one in np.moveaxis(sensitivities, 1, 0)
    ]
    return np.stack(times).reshape(2, n_halves, -1)


def _states(
    trials: Assembly, bins: FloatArray, complete: BoolArray, advance: Callable[[int], None]
) -> Iterator[FloatArray]:
    """Mean responses image x site, bin by bin, of all first halves and then of all second ones."""
    for means in _half_means(trials, bins, len(complete)):
        for half in means:
            yield from half[complete]
        advance(1)


def _half_means(trials: Assembly, bins: FloatArray, n_halves: int) -> Iterator[FloatArray]:
    """Means over halves of the trials, 2 x halving x image x site, bin by bin."""
    for start, end in bins:
        responses = np.asarray(time_average(trials, (start, end)).values, dtype=np.float64)
        yield np.stack(half_means(responses, n_splits=n_halves))
