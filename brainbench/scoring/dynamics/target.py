"""The brain's side of a comparison over time: responses in time bins, and how reliable they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import rankdata

from brainbench.core.assembly import Assembly, average
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.timeline import Span
from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import weighted_moments, weighted_pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.context import RunContext
from brainbench.scoring.recordings import Recordings, per_neuroid, recordings_of, strata_of
from brainbench.stats.ceiling import half_means, spearman_brown

BLANK = "blank"
"""Coordinate along `neuroid`: the average response to a blank, in the units of the responses."""
ARRAY = "array"
"""Coordinate along `neuroid` that names the array of electrodes; without it a region is one array."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedRecordings(Recordings):
    """Responses of a region in each time bin: `values` and `trials` have bins as their last axis."""

    bins: tuple[Span, ...]  # (start, end) in ms from stimulus onset
    normalized_by: str  # what responses were divided by

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

    def reliability(self, sites: IntArray, images: IntArray, counts: FloatArray) -> FloatArray:
        """Return the split-half reliability where images count so often, draw x site x bin.

        Spearman correlation of half means, Spearman-Brown corrected, mean over ten splits of the trials.
        Ranks are those among the given images; each draw, a row of `counts`, correlates them with its
        weights.
        """
        neuroids = np.flatnonzero(self.varying)[sites]
        return np.stack([self._reliability(k, images, counts) for k in neuroids.tolist()], axis=1)

    def _reliability(self, neuroid: int, images: IntArray, counts: FloatArray) -> FloatArray:
        first, second = (_ranks(half) for half in self._half_means(neuroid, images))
        c = spearman_brown(weighted_pearson(counts, weighted_moments(first, second)))
        return nan_mean(c.reshape(len(c), -1, len(self.bins)), axis=1)

    def _half_means(self, neuroid: int, images: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return both half means of a neuroid, split x image x bin."""
        trials = np.asarray(self.trials)[:, images, neuroid]
        return half_means(np.asarray(trials, dtype=np.float64))

    def why_unreliable(self, images: IntArray) -> str:
        """Return why no site has a reliability in any bin."""
        if self.trials is None:
            return "only the mean of the trials is there"
        missing = np.zeros(len(images), dtype=bool)
        for neuroid in np.flatnonzero(self.varying).tolist():
            for half in self._half_means(neuroid, images):
                missing |= np.isnan(half).any(axis=(0, 2))
        if missing.any():
            return (
                f"{int(missing.sum())} of {len(missing)} held-out images without a trial in one half of "
                "the repetitions"
            )
        return "half means of the repetitions do not vary with the image, or are opposites"


def binned_recordings(context: RunContext, *, blank: bool) -> BinnedRecordings:
    """Return the responses of the benchmark's region in the time bins that lie in its window.

    With `blank` each neuroid is divided by its average response to a blank, where the data has one: one
    number per neuroid, so that no correlation changes. InputError for fewer than two bins, bins that overlap,
    a response that no repetition recorded, or recordings of other stimuli.
    """
    stimuli, partial = context.stimuli(), context.is_partial()
    binned = _in_window(recordings_of(context, context.data), context.benchmark)
    scale, normalized_by = _blank_response(binned) if blank else (None, "nothing")
    if scale is not None:
        binned = (binned / scale).transpose(*binned.dims).assign_attrs(binned.attrs)
    repeated = binned.sizes.get("repetition", 1) > 1
    edges = (binned.coords[key].values.tolist() for key in ("time_start", "time_end"))
    return BinnedRecordings(
        stimuli=stimuli,
        bins=tuple(zip(*edges, strict=True)),
        values=np.asarray(average(binned).values, dtype=np.float64),
        trials=binned.values if repeated else None,
        strata=strata_of(stimuli, partial=partial),
        neuroids=per_neuroid(binned),
        partial=partial,
        normalized_by=normalized_by,
    )


def _in_window(recordings: Assembly, benchmark: Benchmark) -> Assembly:
    name, (first, last) = benchmark.identifier, benchmark.window
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


def _ranks(half: FloatArray) -> FloatArray:
    """Return ranks over the stimuli, stimulus x (split and bin), of split x stimulus x bin; NaN stays."""
    columns = half.transpose(1, 0, 2).reshape(half.shape[1], -1)
    return np.asarray(rankdata(columns, axis=0, nan_policy="propagate"))
