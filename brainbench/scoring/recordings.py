"""The brain's side of a comparison: stimuli, trials and time-averaged target, rows in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.assembly import Assembly, align, average, time_average, validate
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasSessions
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset

PER_OBJECT = 10
"""Images of each object that ten stratified splits need."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """What a brain did in one window of time, rows sorted by stimulus_id.

    Parameters
    ----------
    stimuli : StimulusSet
        Stimuli in the order of the rows.
    values : array, shape (n_stimuli, n_neuroids)
        Mean over repetitions of the time-averaged response.
    trials : array, shape (n_repetitions, n_stimuli, n_neuroids), or None
        Time-averaged response of every trial; None where only the mean was published.
    strata : array of str, or None
        Object shown in each stimulus, by which splits are stratified. None where there are no objects,
        and where `--limit` left too few images of some object: splits are then not stratified.
    neuroids : DataArray
        One entry per neuroid, with its coordinates.
    partial : bool
        A limit left some stimuli out.
    """

    stimuli: StimulusSet
    values: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64] | None
    strata: npt.NDArray[Any] | None
    neuroids: xr.DataArray
    partial: bool


def sessions(benchmark: Benchmark) -> dict[str, Benchmark]:
    """Return the benchmark on each recording session of its data, sorted by name.

    Data without sessions is one session without a name.

    Raises
    ------
    InputError
        Data that offers sessions and has none.
    """
    data = open_dataset(benchmark.data)
    if not isinstance(data, HasSessions):
        return {"": benchmark}
    found = data.sessions()
    if not found:
        raise InputError(
            f"data set {data.name!r} has no session",
            allowed="at least one",
            todo="check what its sessions() returns",
        )
    return {name: benchmark.on(found[name]) for name in sorted(found)}


def shown(benchmark: Benchmark, settings: Settings) -> StimulusSet:
    """Stimuli of one session, sorted by stimulus_id, at most `settings.limit` of them."""
    return _limited(_sorted(open_dataset(benchmark.data).stimuli()), settings)


def _sorted(stimuli: StimulusSet) -> StimulusSet:
    order = np.argsort(np.asarray(stimuli.ids), kind="stable")
    return stimuli.take([int(i) for i in order])


def _limited(stimuli: StimulusSet, settings: Settings) -> StimulusSet:
    return stimuli if settings.limit is None else stimuli.limit(settings.limit)


def target(benchmark: Benchmark, settings: Settings) -> Target:
    """Time-averaged responses of the benchmark's region, aligned with its stimuli.

    Raises
    ------
    InputError
        Recordings of other stimuli than those of the set; a window outside the recording; a response
        that no repetition recorded.
    """
    responses, stimuli, partial = recorded(benchmark, settings)
    windowed = time_average(responses, benchmark.window)
    repeated = "repetition" in windowed.dims
    return Target(
        stimuli=stimuli,
        values=np.asarray(average(windowed).values, dtype=np.float64),
        trials=np.asarray(windowed.values, dtype=np.float64) if repeated else None,
        strata=strata_of(stimuli, partial=partial),
        neuroids=per_neuroid(windowed),
        partial=partial,
    )


def recorded(benchmark: Benchmark, settings: Settings) -> tuple[Assembly, StimulusSet, bool]:
    """Recordings of the benchmark's region, their stimuli sorted, and whether a limit left some out.

    Raises
    ------
    InputError
        Recordings of other stimuli than those of the set, or without neuroids.
    """
    data = open_dataset(benchmark.data)
    whole = _sorted(data.stimuli())
    stimuli = _limited(whole, settings)
    partial = len(stimuli) < len(whole)
    name = f"{data.name} {benchmark.region}"
    responses = validate(data.recordings(benchmark.region), name=name)
    if "neuroid" not in responses.dims:
        raise InputError(
            f"recordings of {name} have the dims {responses.dims}",
            allowed="neuroid among them",
            todo="give each site a neuroid_id",
        )
    if partial:
        responses = _keep(responses, stimuli.ids)
    return align(responses, stimuli.ids, name=f"recordings of {name}"), stimuli, partial


def strata_of(stimuli: StimulusSet, *, partial: bool) -> npt.NDArray[Any] | None:
    """Object of each stimulus; None where there are none, or a limit left too few images of one."""
    if "object_name" not in stimuli.metadata.columns:
        return None
    objects = stimuli.metadata["object_name"].to_numpy(str)
    _, counts = np.unique(objects, return_counts=True)
    return None if partial and counts.min() < PER_OBJECT else objects


def _keep(recorded: xr.DataArray, ids: tuple[str, ...]) -> xr.DataArray:
    chosen = np.isin(recorded.coords["stimulus_id"].values.astype(str), np.asarray(ids))
    return recorded.isel(stimulus=np.flatnonzero(chosen))


def per_neuroid(assembly: Assembly) -> xr.DataArray:
    """One entry per neuroid, with its coordinates."""
    coords = {
        str(key): ("neuroid", value.values)
        for key, value in assembly.coords.items()
        if value.dims == ("neuroid",)
    }
    return xr.DataArray(np.zeros(assembly.sizes["neuroid"]), dims=("neuroid",), coords=coords)
