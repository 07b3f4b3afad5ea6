"""The brain's side of a comparison over time: responses in time bins, and how reliable they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.assembly import Assembly, average
from brainbench.core.errors import InputError
from brainbench.core.timeline import Span
from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import (
    pearson,
    tolerant_ranks,
    weighted_correlation_of_halves,
    weighted_moments,
    weighted_pearson,
)
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.context import RunContext
from brainbench.scoring.kept import BrainFigures
from brainbench.scoring.recordings import (
    Recordings,
    check_sizes,
    per_neuroid,
    recordings_of,
    strata_of,
)
from brainbench.stats.ceiling import half_means, spearman_brown

BLANK = "blank"
"""Coordinate along `neuroid`: the average response to a blank, in the units of the responses."""
WINDOW = "brainscore_window"
"""Attribute of recordings: start and end of the time bins that Brain-Score uses of them, in ms."""
ARRAY = "array"
"""Coordinate along `neuroid` that names the array of electrodes; without it a region is one array."""
FEWEST_TO_CHOOSE = 4
"""Least repetitions by which time bins can be chosen: two choose, and two make the ceiling."""
_ROUNDING = 1e-12  # share of the largest half mean up to which a spread over images is rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedRecordings(Recordings):
    """Responses of a region in each time bin: `values` and `trials` have bins as their last axis."""

    bins: tuple[Span, ...]  # (start, end) in ms from stimulus onset
    normalized_by: str  # what responses were divided by
    kept: BrainFigures = field(default_factory=BrainFigures, repr=False)

    @cached_property
    def varying(self) -> BoolArray:
        """Neuroids whose response varies with the image in some bin: the sites that are predicted."""
        return np.asarray((np.ptp(self.values, axis=0) > 0).any(axis=1))

    @cached_property
    def responses(self) -> FloatArray:
        """Responses that maps are fitted to, stimulus x site x bin."""
        return np.asarray(self.values[:, self.varying])

    @cached_property
    def site_ids(self) -> npt.NDArray[np.str_]:
        return np.asarray(self.neuroid_ids[self.varying])

    @cached_property
    def arrays(self) -> dict[str, IntArray]:
        """Numbers of the sites of each array of electrodes."""
        if ARRAY not in self.neuroids.coords:
            return {"all": np.arange(self.varying.sum())}
        names = self.neuroids.coords[ARRAY].values[self.varying].astype(str)
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}

    @property
    def can_choose(self) -> bool:
        """Whether there are trials enough to choose time bins by some and to divide by the others."""
        return self.trials is not None and len(self.trials) >= FEWEST_TO_CHOOSE

    @property
    def choosing(self) -> IntArray:
        """Repetitions that choose time bins: every third."""
        return np.arange(0, len(np.asarray(self.trials)), 3)

    @property
    def dividing(self) -> IntArray:
        """Repetitions that do not choose time bins, whose reliability a figure is divided by."""
        return np.setdiff1d(np.arange(len(np.asarray(self.trials))), self.choosing)

    def reliability(
        self,
        sites: IntArray,
        images: IntArray,
        counts: FloatArray,
        *,
        repetitions: IntArray | None = None,
        bins: IntArray | None = None,
    ) -> FloatArray:
        """Return the reliability of the mean over all trials, from halves of some or all of them.

        Pearson correlation of half means, mean over ten splits of the repetitions, Spearman-Brown corrected
        for the number of trials of the mean.

        Parameters
        ----------
        sites, images : array of int
        counts : array, draw x image
            How often each of the images counts.
        repetitions : array of int, optional
            Repetitions that are halved; None halves all.
        bins : array of int, optional
            Numbers of the time bins; None takes all.

        Returns
        -------
        array, draw x site x bin
            NaN where a half has no trial of an image, or does not vary.
        """
        neuroids = np.flatnonzero(self.varying)[sites].tolist()
        chosen = slice(None) if bins is None else bins
        by_site = [
            self.kept.of(_reliability, self._trials(k, images)[:, :, chosen], counts, repetitions)
            for k in neuroids
        ]
        return np.stack(by_site, axis=1)

    def reliability_of_noise(self, n_values: int) -> float:
        """Return the c that two standard errors of a median correlation make of noise, in choosing trials.

        `n_values` is the number of images times that of the sites, whose noise is taken as independent.
        """
        error = np.sqrt(np.pi / 2 / n_values)
        times = 2 * len(np.asarray(self.trials)) / len(self.choosing)
        return float(spearman_brown(2 * error, times=times))

    def rank_reliability(self, images: IntArray) -> FloatArray:
        """Return the reliability by Spearman correlations of half means of all trials, site x bin.

        Not what a Pearson r is divided by: on skewed rates it is lower than the share of signal. Half means
        that differ by rounding alone are tied, so that no number of threads changes it.
        """
        neuroids = np.flatnonzero(self.varying).tolist()
        return np.stack(
            [self.kept.of(_rank_reliability, self._trials(k, images)) for k in neuroids]
        )

    def _trials(self, neuroid: int, images: IntArray) -> FloatArray:
        """Return the trials of a neuroid, repetition x image x bin."""
        return np.asarray(np.asarray(self.trials)[:, images, neuroid], dtype=np.float64)

    def why_unreliable(self, images: IntArray) -> str:
        """Return why no site has a reliability in any bin."""
        if self.trials is None:
            return "only the mean of the trials is there"
        missing = np.zeros(len(images), dtype=bool)
        for neuroid in np.flatnonzero(self.varying).tolist():
            for half in _halves(self._trials(neuroid, images)):
                missing |= np.isnan(half).any(axis=(0, 2))
        if missing.any():
            return (
                f"{int(missing.sum())} of {len(missing)} held-out images without a trial in one half of "
                "the repetitions"
            )
        return "half means of the repetitions do not vary with the image, or are opposites"


def binned_recordings(
    context: RunContext, *, blank: bool, follows_file: bool = False
) -> BinnedRecordings:
    """Return the responses of the benchmark's region in the time bins that lie in its window.

    With `follows_file` the window is the one that Brain-Score asks of a file, where the recordings have it
    as the attribute `brainscore_window`. With `blank` each neuroid is divided by its average response to a
    blank, where the data has one: one number per neuroid, so that no correlation changes. InputError for
    fewer than two bins, bins that overlap, a response that no repetition recorded, or recordings of other
    stimuli.
    """
    stimuli, partial = context.stimuli(), context.is_partial()
    recorded, window = recordings_of(context, context.data), context.benchmark.window
    if follows_file and WINDOW in recorded.attrs:
        first, end = recorded.attrs[WINDOW]
        window = (float(first), float(end))
    binned = _in_window(recorded, context.benchmark.identifier, window)
    scale, normalized_by = _blank_response(binned) if blank else (None, "nothing")
    if scale is not None:
        binned = (binned / scale).transpose(*binned.dims).assign_attrs(binned.attrs)
    repeated = binned.sizes.get("repetition", 1) > 1
    values = np.asarray(average(binned).values, dtype=np.float64)
    check_sizes(values, binned)
    edges = (binned.coords[key].values.tolist() for key in ("time_start", "time_end"))
    return BinnedRecordings(
        stimuli=stimuli,
        bins=tuple(zip(*edges, strict=True)),
        values=values,
        trials=binned.values if repeated else None,
        strata=strata_of(stimuli, partial=partial),
        neuroids=per_neuroid(binned),
        partial=partial,
        normalized_by=normalized_by,
        groups=context.groups(),
        split_groups=context.split_groups(),
        kept=context.run.brain,
    )


def _in_window(recordings: Assembly, name: str, window: Span) -> Assembly:
    first, last = window
    if "time" not in recordings.dims:
        raise InputError(
            f"{name}: recordings without time bins",
            allowed="recordings with the dim time",
            todo="give the responses in bins, for example of 10 ms from stimulus onset",
        )
    start, end = (recordings.coords[key].values.astype(float) for key in ("time_start", "time_end"))
    inside = np.flatnonzero((start >= first) & (end <= last))
    if len(inside) < 2:
        raise InputError(
            f"{name}: {len(inside)} of the time bins from {start[0]:g} to {end[-1]:g} ms lie in its window "
            f"{first:g}-{last:g} ms",
            allowed="at least two bins in the window",
            todo="widen the window, or give responses in narrower bins",
        )
    overlap = end[inside[:-1]] > start[inside[1:]] + 1e-9
    if overlap.any():
        k = inside[np.flatnonzero(overlap)[0]]
        raise InputError(
            f"{name}: time bins {start[k]:g}-{end[k]:g} and {start[k + 1]:g}-{end[k + 1]:g} ms overlap",
            allowed="bins that follow one another",
            todo="take every second bin, or count the spikes again in bins that do not overlap",
        )
    if len(inside) == inside[-1] + 1 - inside[0]:
        # A view: numbers would make time the slowest axis in memory, by which trials are slow to read.
        return recordings.isel(time=slice(int(inside[0]), int(inside[-1]) + 1))
    return recordings.isel(time=inside)


def _blank_response(recordings: Assembly) -> tuple[xr.DataArray | None, str]:
    """Return the response to a blank that each neuroid is divided by, 1 where it has none, in words too."""
    if BLANK not in recordings.coords or recordings.coords[BLANK].dims != ("neuroid",):
        return None, "nothing: the data has no response to a blank"
    response = recordings.coords[BLANK].values.astype(float)
    positive = np.isfinite(response) & (response > 0)
    n_without = int((~positive).sum())
    unchanged = f"; {n_without} neuroids without one are as they were" if n_without else ""
    scale = xr.DataArray(np.where(positive, response, 1.0), dims="neuroid")
    return scale, "the average response to a blank" + unchanged


def _reliability(
    trials: FloatArray, counts: FloatArray, repetitions: IntArray | None
) -> FloatArray:
    """Return the reliability of a neuroid, draw x bin, see `BinnedRecordings.reliability`."""
    halved = trials if repetitions is None else trials[repetitions]
    r = nan_mean(_correlation_of_halves(halved, counts), axis=1)
    n_all, n_halved = ((~np.isnan(side)).sum(axis=(0, 1)) for side in (trials, halved))
    return spearman_brown(r, times=2 * n_all / np.maximum(n_halved, 1))


def _rank_reliability(trials: FloatArray) -> FloatArray:
    """Return the reliability of the ranks of a neuroid, bin."""
    first, second = (tolerant_ranks(_columns(half)) for half in _halves(trials))
    by_split = pearson(first, second).reshape(-1, trials.shape[2])
    return spearman_brown(nan_mean(by_split, axis=0))


def _halves(trials: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both half means, split x image x bin; those that vary by rounding alone are 0."""
    first, second = half_means(trials)
    return _without_rounding(first), _without_rounding(second)


def _correlation_of_halves(trials: FloatArray, counts: FloatArray) -> FloatArray:
    """Return the correlation of half means over images that count so often, draw x split x bin."""
    first, second = _halves(trials)
    if np.isnan(trials).any():
        by_split = weighted_pearson(counts, weighted_moments(_columns(first), _columns(second)))
        return by_split.reshape(len(counts), len(first), -1)
    share = len(trials) // 2 / len(trials)
    r = weighted_correlation_of_halves(counts, first, trials.mean(axis=0), share=share)
    return np.where(second.any(axis=1), r, np.nan)


def _without_rounding(half: FloatArray) -> FloatArray:
    spread, largest = np.ptp(half, axis=1, keepdims=True), np.abs(half).max(axis=1, keepdims=True)
    return np.where(spread <= _ROUNDING * largest, 0.0, half)


def _columns(half: FloatArray) -> FloatArray:
    """Return split x stimulus x bin as stimulus x (split and bin)."""
    return half.transpose(1, 0, 2).reshape(half.shape[1], -1)
