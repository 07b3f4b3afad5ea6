"""Reader of one recording in the netCDF layout of Brain-Score (BrainIO) into memory.

`brainio_layout` says what lies where in such a file; `brainio_data` imports published sets of assembly, csv
and zip, block by block. Each presentation becomes one entry of (repetition, stimulus).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from brainbench.core import assembly
from brainbench.core.assembly import Assembly
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError
from brainbench.data.importers.brainio_layout import (
    BIN_ENDS,
    BIN_START,
    NEUROID,
    PRESENTATION,
    STIMULUS_IDS,
    along,
    blocks,
    choose_variable,
    layout_of,
)
from brainbench.storage.guarded import read_guarded

__all__ = ["NEUROID", "PRESENTATION", "STIMULUS_IDS", "by_region", "read"]
BIN_EDGES = (BIN_START, BIN_ENDS[0])
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
            f"neuroids with the coordinates {along(recorded, NEUROID)}",
            allowed="'region' among them",
            todo="assign_coords(region=('neuroid', ...))",
        )
    regions = recorded.coords["region"].values.astype(str)
    return {
        str(name): recorded.isel(neuroid=np.flatnonzero(regions == name))
        for name in np.unique(regions)
    }


def _assembly(opened: xr.Dataset, path: Path, variable: str | None, units: str | None) -> Assembly:
    array = choose_variable(opened, path, variable)
    layout = layout_of(array, path)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    values = np.full(layout.shape, np.nan, dtype=dtype)
    for rows, sites, block in blocks(array, layout):
        values[layout.row[rows], layout.column[rows], sites] = block
    missing = {"missing": "nan"} if np.isnan(values).any() else {}
    levels = {"levels": list(layout.levels)} if layout.levels else {}
    values = values if layout.bins is not None else values[..., 0]
    return assembly.make(
        values if layout.repeated else values[0],
        stimulus={"stimulus_id": layout.stimulus_ids, **layout.stimulus},
        neuroid=layout.neuroid,
        time=layout.bins,
        repetitions=layout.repeated,
        units=units or layout.units,
        attrs={"source": path.name, **missing, **levels},
    )
