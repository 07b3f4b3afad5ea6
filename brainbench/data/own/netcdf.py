"""Reader of netCDF files that xarray wrote: with dims of ours, of Brain-Score, or named by `--dims`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from brainbench.core.assembly import Assembly, plain
from brainbench.core.errors import UnknownNameError
from brainbench.data.importers import brainio
from brainbench.data.own.layout import Layout, dim_of
from brainbench.data.own.raw import RawResponses, choose
from brainbench.data.source_files import reading


def read_netcdf(path: Path, layout: Layout) -> RawResponses:
    """Read a netCDF file; InputError for a damaged file, or several arrays of which none is named."""
    with (
        reading(path, "a whole netCDF file"),
        xr.open_dataset(path, engine="netcdf4", decode_times=False) as opened,
    ):
        arrays = {
            str(name): (array.shape, str(array.dtype)) for name, array in opened.data_vars.items()
        }
        name = choose(arrays, layout.variable, where=path.name)
        array = opened[name].load()
        arrays_of_axes = {
            str(key): plain(column.values)
            for key, column in (*opened.coords.items(), *opened.data_vars.items())
            if column.ndim == 1 and set(column.dims) <= set(array.dims)
        }
        dims_of_axes = {key: str(opened[key].dims[0]) for key in arrays_of_axes}
    if {brainio.PRESENTATION, brainio.NEUROID} <= set(map(str, array.dims)) and layout.dims is None:
        recorded = brainio.read(path, variable=name, units=layout.units, trusted=True)
        return _of_assembly(recorded, layout.columns.get("stimulus_id"))
    dims = _dims(array)
    along = {
        key: dims[list(map(str, array.dims)).index(dim)]
        for key, dim in dims_of_axes.items()
        if dims
    }
    return RawResponses(
        values=np.asarray(array.values),
        dims=dims,
        columns=arrays_of_axes,
        along=along,
        bins=_bins(array),
        units=str(array.attrs.get("units", "")),
    )


def _of_assembly(recorded: Assembly, ids: str | None) -> RawResponses:
    columns = {str(key): c for key, c in recorded.coords.items() if len(c.dims) == 1}
    if ids in brainio.STIMULUS_IDS:
        columns[str(ids)] = columns.pop("stimulus_id")  # by the name that the user gives it
    notes = ("the layout of Brain-Score",)
    return RawResponses(
        values=np.asarray(recorded.values),
        dims=tuple(map(str, recorded.dims)),
        columns={key: plain(column.values) for key, column in columns.items()},
        along={key: str(column.dims[0]) for key, column in columns.items()},
        bins=_bins(recorded),
        units=str(recorded.attrs.get("units", "")),
        levels=tuple(np.atleast_1d(recorded.attrs.get("levels", [])).tolist()),
        notes=notes,
    )


def _dims(array: xr.DataArray) -> tuple[str, ...] | None:
    """Return what the named axes are; None where a name is not known, or two are the same.

    Trials without an axis of images are presentations, each with the id of its image.
    """
    try:
        dims = tuple(dim_of(str(name)) for name in array.dims)
    except UnknownNameError:
        return None
    if "stimulus" not in dims:
        dims = tuple("stimulus" if dim == "repetition" else dim for dim in dims)
    return dims if len(set(dims)) == len(dims) else None


def _bins(array: xr.DataArray) -> list[tuple[float, float]] | None:
    pairs = (("time_start", "time_end"), brainio.BIN_EDGES)
    for start, end in pairs:
        if start in array.coords and end in array.coords:
            edges = (np.asarray(array.coords[key].values, dtype=float) for key in (start, end))
            return [(float(a), float(b)) for a, b in zip(*edges, strict=True)]
    return None
