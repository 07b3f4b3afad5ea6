"""The brain's side of a comparison over time: responses in time bins, rows in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.assembly import Assembly, average
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Span
from brainbench.scoring.recordings import per_neuroid, recorded, strata_of

FloatArray = npt.NDArray[np.float64]

BLANK = "blank"
"""Coordinate along `neuroid`: the average response to a blank, in the units of the responses."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """What a brain did in each time bin, rows sorted by stimulus_id.

    Parameters
    ----------
    stimuli : StimulusSet
        Stimuli in the order of the rows.
    bins : tuple of (start, end)
        Time bins in ms from stimulus onset.
    values : array, stimulus x neuroid x bin
        Mean over repetitions.
    trials : array, repetition x stimulus x neuroid x bin, or None
        Every trial; None where only the mean was published.
    strata : array of str, or None
        Object shown in each stimulus.
    neuroids : DataArray
        One entry per neuroid, with its coordinates.
    partial : bool
        A limit left some stimuli out.
    normalized : str
        By what responses were divided.
    """

    stimuli: StimulusSet
    bins: tuple[Span, ...]
    values: FloatArray
    trials: npt.NDArray[Any] | None
    strata: npt.NDArray[Any] | None
    neuroids: xr.DataArray
    partial: bool
    normalized: str


def responses(benchmark: Benchmark, settings: Settings, *, blank: bool = True) -> Responses:
    """Responses of the benchmark's region in the time bins of its window, aligned with its stimuli.

    Parameters
    ----------
    benchmark : Benchmark
        Data, region, and window: bins that lie in it wholly are used.
    settings : Settings
        The limit.
    blank : bool
        Divide each neuroid by its average response to a blank, where the data has one. It is one number per
        neuroid, so no correlation changes.

    Raises
    ------
    InputError
        Recordings without time; fewer than two bins in the window; bins that overlap; a response that no
        repetition recorded; recordings of other stimuli.
    """
    aligned, stimuli, partial = recorded(benchmark, settings)
    aligned = _in_window(aligned, benchmark)
    scale, how = _blank(aligned) if blank else (None, "nothing")
    if scale is not None:
        aligned = (aligned / scale).transpose(*aligned.dims).assign_attrs(aligned.attrs)
    repeated = aligned.sizes.get("repetition", 1) > 1
    edges = (aligned.coords[key].values.tolist() for key in ("time_start", "time_end"))
    return Responses(
        stimuli=stimuli,
        bins=tuple(zip(*edges, strict=True)),
        values=np.asarray(average(aligned).values, dtype=np.float64),
        trials=aligned.values if repeated else None,
        strata=strata_of(stimuli, partial=partial),
        neuroids=per_neuroid(aligned),
        partial=partial,
        normalized=how,
    )


def _in_window(aligned: Assembly, benchmark: Benchmark) -> Assembly:
    name, (first, last) = benchmark.identifier, benchmark.window
    if "time" not in aligned.dims:
        raise InputError(
            f"{name}: recordings without time bins",
            allowed="recordings with the dim time",
            todo="give the responses in bins, for example of 10 ms from stimulus onset",
        )
    start, end = (aligned.coords[key].values.astype(float) for key in ("time_start", "time_end"))
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
    return aligned.isel(time=inside)


def _blank(aligned: Assembly) -> tuple[xr.DataArray | None, str]:
    if BLANK not in aligned.coords or aligned.coords[BLANK].dims != ("neuroid",):
        return None, "nothing: the data has no response to a blank"
    given = aligned.coords[BLANK].astype(float)
    good = np.isfinite(given.values) & (given.values > 0)
    silent = int((~good).sum())
    left = f"; {silent} neuroids without one are as they were" if silent else ""
    scale = xr.DataArray(np.where(good, given.values, 1.0), dims="neuroid")
    return scale, "the average response to a blank" + left
