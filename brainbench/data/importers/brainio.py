"""Reader of recordings in the netCDF layout of Brain-Score (BrainIO).

A file holds one array with the dims (presentation, neuroid[, time_bin]) in any order, written by xarray from
a DataArray whose MultiIndexes were reset. `stimulus_id` (older files: `image_id`) and `repetition` lie along
`presentation`; `neuroid_id`, `region` and `animal` along `neuroid`; `time_bin_start` and `time_bin_end`, in
ms, along `time_bin`. Each presentation becomes one entry of (repetition, stimulus).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core import assembly
from brainbench.core.assembly import Assembly
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError, unknown
from brainbench.storage.guarded import read_guarded

PRESENTATION, NEUROID, TIME = "presentation", "neuroid", "time_bin"
STIMULUS_IDS = ("stimulus_id", "image_id")
BIN_EDGES = ("time_bin_start", "time_bin_end")
_WHOLE = "a whole netCDF file"
_COORDINATE = "coordinate "


def read(
    path: Path, *, variable: str | None = None, units: str | None = None, trusted: bool = False
) -> Assembly:
    """Read a netCDF file into an assembly with the dims (repetition, stimulus, neuroid[, time]).

    `variable` is the name of the array in the file, required if there are several; `units` is the unit of the
    values, by default the attribute of the array, or "a.u.".

    Repetitions and stimuli are sorted, neuroids as in the file, time bins in order. Coordinates of
    presentations lie along `stimulus` if they depend on the stimulus alone, and are omitted otherwise. NaN,
    declared in `attrs`, stands for missing repetitions of a stimulus. A file with one presentation of each
    stimulus and no `repetition` holds means: it has no dim `repetition`. Otherwise presentations without
    `repetition` are numbered in the order of the file. Brain-Score sorts stimuli by all coordinates of a
    presentation in the order of the file: those that come before the id are kept as the attribute `levels`,
    on which the splits of the protocol `brainscore` depend.

    A damaged netCDF file may crash or block the library that reads it. Therefore a child process reads it,
    with limits of time and memory; it takes a second or two to start. A `trusted` file is read in this
    process.

    DataAbsentError if the file does not exist. InputError for a damaged file or another layout, missing ids,
    a repetition of a stimulus that occurs twice, inf, and what `assembly.validate` does not accept.
    """
    if not path.is_file():
        raise DataAbsentError(
            f"{path} is not here",
            allowed="a netCDF file in the layout of Brain-Score",
            todo="get the file, or correct the path",
        )
    if trusted:
        return _read(path, variable, units)
    with read_guarded(convert, path, allowed=_WHOLE, variable=variable, units=units) as target:
        return _unpacked(target)


def convert(path: Path, target: Path, *, variable: str | None, units: str | None) -> None:
    """Write the assembly of a netCDF file to `target`, as NumPy arrays that `read` takes over."""
    recorded = _read(path, variable, units)
    dims = {str(key): list(map(str, c.dims)) for key, c in recorded.coords.items()}
    about = {"dims": list(map(str, recorded.dims)), "coords": dims, "attrs": recorded.attrs}
    columns = {f"{_COORDINATE}{key}": recorded.coords[key].values for key in dims}
    with target.open("wb") as stream:
        np.savez(stream, about=json.dumps(about), values=recorded.values, **columns)


def _unpacked(target: Path) -> Assembly:
    with np.load(target, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        coords = {
            key: (dims, stored[f"{_COORDINATE}{key}"]) for key, dims in about["coords"].items()
        }
        return xr.DataArray(
            stored["values"], dims=about["dims"], coords=coords, attrs=about["attrs"]
        )


def _read(path: Path, variable: str | None, units: str | None) -> Assembly:
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as opened:
            return _assembly(opened, path, variable, units)
    except (BrainbenchError, MemoryError):
        raise
    except Exception as error:  # xarray, netCDF4 and numpy raise many types for a damaged file
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            allowed=_WHOLE,
            todo="get the file again",
        ) from error


def by_region(recorded: Assembly) -> dict[str, Assembly]:
    """Split an assembly of `read` by the coordinate `region` of its neuroids; InputError without it."""
    if "region" not in recorded.coords or recorded.coords["region"].dims != (NEUROID,):
        raise InputError(
            f"neuroids with the coordinates {_along(recorded, NEUROID)}",
            allowed="'region' among them",
            todo="assign_coords(region=('neuroid', ...))",
        )
    regions = recorded.coords["region"].values.astype(str)
    return {
        str(name): recorded.isel(neuroid=np.flatnonzero(regions == name))
        for name in np.unique(regions)
    }


def _assembly(opened: xr.Dataset, path: Path, variable: str | None, units: str | None) -> Assembly:
    array = _variable(opened, path, variable)
    ids = _stimulus_ids(array, path)
    repetition = _repetitions(array, ids)
    stimuli, column = np.unique(ids, return_inverse=True)
    levels, row = np.unique(repetition, return_inverse=True)
    _check_once(row, column, len(stimuli), path, levels=levels, stimuli=stimuli)
    bins, order = _time_bins(array, path)
    values = _values(array, order, (row, column), (len(levels), len(stimuli)))
    repeated = len(levels) > 1 or "repetition" in array.coords
    missing = {"missing": "nan"} if np.isnan(values).any() else {}
    metadata = _stimulus_metadata(array, column, len(stimuli))
    return assembly.make(
        values if repeated else values[0],
        stimulus={"stimulus_id": stimuli, **metadata},
        neuroid=_neuroid_metadata(array, path),
        time=bins,
        repetitions=repeated,
        units=units or str(array.attrs.get("units") or "a.u."),
        attrs={"source": path.name, **missing, **_levels(array, metadata)},
    )


def _variable(opened: xr.Dataset, path: Path, variable: str | None) -> xr.DataArray:
    names = [
        str(name)
        for name, array in opened.data_vars.items()
        if {PRESENTATION, NEUROID} <= set(array.dims) <= {PRESENTATION, NEUROID, TIME}
    ]
    if variable is not None and variable not in names:
        raise unknown(f"array in {path.name}:", variable, names, todo="choose one of these")
    if variable is None and len(names) != 1:
        dims = {str(name): array.dims for name, array in opened.data_vars.items()}
        raise InputError(
            f"{path.name} holds {dims}",
            allowed=f"one array with the dims ({PRESENTATION}, {NEUROID}) or with {TIME} too",
            todo=f"name one of them: variable={names[0]!r}"
            if names
            else "check that it is an assembly in the layout of Brain-Score",
        )
    array = opened[variable or names[0]]
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"{array.name} in {path.name} holds {array.dtype}",
            allowed="numbers",
            todo="check that it is an assembly of responses",
        )
    return array


def _stimulus_ids(array: xr.DataArray, path: Path) -> npt.NDArray[np.str_]:
    for name in STIMULUS_IDS:
        if name in array.coords and array.coords[name].dims == (PRESENTATION,):
            return np.asarray(array.coords[name].values.astype(str), dtype=np.str_)
    raise InputError(
        f"presentations of {path.name} with the coordinates {_along(array, PRESENTATION)}",
        allowed=" or ".join(STIMULUS_IDS) + " among them",
        todo="check that the file was written with its coordinates",
    )


def _repetitions(array: xr.DataArray, ids: npt.NDArray[np.str_]) -> npt.NDArray[Any]:
    """Return the number of each presentation among those of its stimulus."""
    if "repetition" in array.coords and array.coords["repetition"].dims == (PRESENTATION,):
        return np.asarray(array.coords["repetition"].values)
    order = np.argsort(ids, kind="stable")
    _, first, counts = np.unique(ids[order], return_index=True, return_counts=True)
    number = np.empty(len(ids), dtype=np.intp)
    number[order] = np.arange(len(ids)) - np.repeat(first, counts)
    return number


def _check_once(
    row: npt.NDArray[np.intp],
    column: npt.NDArray[np.intp],
    n_stimuli: int,
    path: Path,
    *,
    levels: npt.NDArray[Any],
    stimuli: npt.NDArray[np.str_],
) -> None:
    cell, counts = np.unique(row * n_stimuli + column, return_counts=True)
    twice = cell[counts > 1]
    if len(twice):
        level, stimulus = levels[twice[0] // n_stimuli], str(stimuli[twice[0] % n_stimuli])
        raise InputError(
            f"{path.name}: {len(twice)} repetitions of a stimulus occur more than once, for example "
            f"repetition {level} of {stimulus!r}",
            allowed="each repetition of a stimulus once",
            todo="number the presentations of each stimulus, or remove the coordinate 'repetition'",
        )


def _time_bins(
    array: xr.DataArray, path: Path
) -> tuple[list[tuple[float, float]] | None, npt.NDArray[np.intp]]:
    """Return the time bins in order, or None without time, and their positions in the file."""
    if TIME not in array.dims:
        return None, np.zeros(1, dtype=np.intp)
    edges = [array.coords[name] for name in BIN_EDGES if name in array.coords]
    if len(edges) != 2 or any(e.dims != (TIME,) or e.dtype.kind not in "fiu" for e in edges):
        raise InputError(
            f"time bins of {path.name} with the coordinates {_along(array, TIME)}",
            allowed=" and ".join(BIN_EDGES) + ", in ms",
            todo="check that the file was written with its coordinates",
        )
    start, end = (np.asarray(edge.values, dtype=np.float64) for edge in edges)
    order = np.argsort(start, kind="stable")
    return list(zip(start[order].tolist(), end[order].tolist(), strict=True)), order


def _values(
    array: xr.DataArray,
    order: npt.NDArray[np.intp],
    cells: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
    shape: tuple[int, int],
) -> npt.NDArray[Any]:
    """Return the values (repetition, stimulus, neuroid[, time]), read one time bin at a time."""
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    has_time = TIME in array.dims
    full_shape = (*shape, array.sizes[NEUROID], len(order))
    values = np.full(full_shape if has_time else full_shape[:3], np.nan, dtype=dtype)
    for k, bin_ in enumerate(order):
        source = array.isel({TIME: int(bin_)}) if has_time else array
        target = values[..., k] if has_time else values
        target[cells] = source.transpose(PRESENTATION, NEUROID).values
    return values


def _stimulus_metadata(
    array: xr.DataArray, column: npt.NDArray[np.intp], n_stimuli: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the coordinates of presentations that depend on the stimulus alone."""
    first = np.full(n_stimuli, -1, dtype=np.intp)
    first[column[::-1]] = np.arange(len(column))[::-1]
    kept = {}
    for name in _along(array, PRESENTATION):
        values = assembly.plain(array.coords[name].values)
        of_stimuli = values[first]
        same = of_stimuli[column] == values
        if values.dtype.kind == "f":
            same |= np.isnan(of_stimuli[column]) & np.isnan(values)
        if same.all() and name not in (*STIMULUS_IDS, "repetition"):
            kept[name] = of_stimuli
    return kept


def _levels(array: xr.DataArray, metadata: Mapping[str, npt.NDArray[Any]]) -> dict[str, list[str]]:
    """Return the coordinates of stimuli that come before the id in the file; {} for none."""
    names = _along(array, PRESENTATION)
    first = min(names.index(name) for name in STIMULUS_IDS if name in names)
    levels = [name for name in names[:first] if name in metadata]
    return {"levels": levels} if levels else {}


def _neuroid_metadata(array: xr.DataArray, path: Path) -> dict[str, npt.NDArray[Any]]:
    names = _along(array, NEUROID)
    if "neuroid_id" not in names:
        raise InputError(
            f"neuroids of {path.name} with the coordinates {names}",
            allowed="'neuroid_id' among them",
            todo="check that the file was written with its coordinates",
        )
    return {name: array.coords[name].values for name in names}


def _along(array: xr.DataArray, dim: str) -> list[str]:
    return [str(name) for name, c in array.coords.items() if c.dims == (dim,) and name != dim]
