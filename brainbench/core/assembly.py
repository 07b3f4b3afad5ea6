"""Assemblies: responses as a plain xarray.DataArray.

An assembly has the dims (`repetition`, `stimulus`, `neuroid`, `time`) in this order, or a subset. Its
coordinates are flat: stimulus_id and stimulus metadata along `stimulus`; neuroid_id, region, layer,
animal, x, y, channel along `neuroid`; time_start and time_end, in ms from stimulus onset, along `time`.
Its attribute `units` is the unit of the values. It is never subclassed and never has a MultiIndex.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from brainbench.core.errors import InputError

Assembly: TypeAlias = xr.DataArray
DIMS = ("repetition", "stimulus", "neuroid", "time")
LONGEST_ID = 1000
"""Characters of an id; columns of text are as wide as the longest, and the names of files are shorter."""
REQUIRED = {
    "stimulus": ("stimulus_id",),
    "neuroid": ("neuroid_id",),
    "time": ("time_start", "time_end"),
}


def make(
    values: npt.ArrayLike,
    *,
    stimulus: Mapping[str, npt.ArrayLike] | None = None,
    neuroid: Mapping[str, npt.ArrayLike] | None = None,
    time: Sequence[tuple[float, float]] | None = None,
    repetitions: bool = False,
    units: str,
    attrs: Mapping[str, Any] | None = None,
) -> Assembly:
    """Return a checked assembly; errors as in `validate`.

    `values` has an axis for each given dim, in the order repetition (with `repetitions`), stimulus,
    neuroid, time. `stimulus` and `neuroid` are coordinates along that dim by name, with `stimulus_id` and
    `neuroid_id` among them; `time` is the (start, end) of each bin in ms from stimulus onset. `units` is
    the unit of the values: "spikes/s", "spikes", "a.u.", ... Of the further attributes `attrs`,
    `missing="nan"` declares that NaN stands for trials that were not recorded. InputError as for
    `validate`.
    """
    coords: dict[str, Any] = {}
    for dim, given in (("stimulus", stimulus), ("neuroid", neuroid)):
        for key, column in (given or {}).items():
            if key in REQUIRED[dim]:
                check_present(column, key=key, name="assembly")
            coords[key] = (dim, plain(column))
    if time is not None:
        bins = _bins(time)
        coords["time_start"] = ("time", bins[:, 0])
        coords["time_end"] = ("time", bins[:, 1])
    has_dim = (repetitions, stimulus is not None, neuroid is not None, time is not None)
    dims = [dim for dim, given in zip(DIMS, has_dim, strict=True) if given]
    array = np.asarray(values)
    if array.ndim != len(dims):
        raise InputError(
            f"values of shape {array.shape} for the dims {tuple(dims)}",
            allowed="one axis per dim",
            todo="give the coordinates of each axis, or repetitions=True for trials",
        )
    for key, (dim, column) in coords.items():
        if column.shape != (array.shape[dims.index(dim)],):
            raise InputError(
                f"coordinate {key!r} of shape {column.shape} along {dim!r} of size "
                f"{array.shape[dims.index(dim)]}",
                allowed=f"one entry per {dim}",
                todo="check whether values or coordinate are wrong",
            )
    return validate(
        xr.DataArray(array, dims=dims, coords=coords, attrs={"units": units, **(attrs or {})})
    )


def _bins(time: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    bins = np.asarray(time, dtype=np.float64)
    if bins.ndim != 2 or bins.shape[1] != 2:
        raise InputError(
            f"time bins of shape {bins.shape}",
            allowed="a (start, end) in ms for each bin",
            todo="write for example time=[(70, 80), (80, 90)]",
        )
    return bins


def plain(column: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a column as a numpy array for netCDF: text as fixed-width unicode, the rest unchanged."""
    if isinstance(column, pd.Series | pd.Index):
        column = column.to_numpy()
    array = np.asarray(column)
    return array.astype(str) if array.dtype.kind in "OTSU" else array


def validate(assembly: Assembly, *, name: str = "assembly", values: bool = True) -> Assembly:
    """Check an assembly, called `name` in error messages, and return it.

    With `values=False` the values are not read: lazy activations were checked when they were written.
    InputError for unknown or misordered dims; a MultiIndex; a missing, duplicate or misplaced id; time
    bins that do not increase; no units; inf; NaN that `attrs["missing"] == "nan"` does not declare; no
    rows.
    """
    if not isinstance(assembly, xr.DataArray):
        raise InputError(
            f"{name} is a {type(assembly).__name__}",
            allowed="an xarray.DataArray with dims from " + ", ".join(DIMS),
            todo="create it with brainbench.core.assembly.make",
        )
    expected = tuple(dim for dim in DIMS if dim in assembly.dims)
    if assembly.dims != expected:
        raise InputError(
            f"{name} has the dims {assembly.dims}",
            allowed=f"{DIMS} in this order, or a subset",
            todo="rename the dims and transpose",
        )
    _check_coordinates(assembly, name)
    if not assembly.attrs.get("units"):
        raise InputError(
            f"{name} has no units",
            allowed="attrs['units'], for example 'spikes/s' or 'a.u.'",
            todo="set assembly.attrs['units']",
        )
    if values:
        _check_values(assembly, name)
    return assembly


def _check_coordinates(assembly: Assembly, name: str) -> None:
    multi = [
        str(key) for key, index in assembly.indexes.items() if isinstance(index, pd.MultiIndex)
    ]
    if multi:
        raise InputError(
            f"{name} has a MultiIndex on {', '.join(multi)}",
            allowed="flat coordinates",
            todo=f"assembly.reset_index({multi[0]!r})",
        )
    for dim in assembly.dims:
        for key in REQUIRED.get(str(dim), ()):
            if key not in assembly.coords or assembly.coords[key].dims != (dim,):
                raise InputError(
                    f"{name} has no coordinate {key!r} along {dim!r}",
                    allowed=f"{dim!r} carries " + ", ".join(REQUIRED[str(dim)]),
                    todo=f"assign_coords({key}=({str(dim)!r}, ...))",
                )
    if 0 in assembly.shape:
        raise InputError(
            f"{name} is empty: {dict(assembly.sizes)}",
            allowed="at least one entry along each dim",
            todo="check the selection that it comes from",
        )
    for dim, key in (("stimulus", "stimulus_id"), ("neuroid", "neuroid_id")):
        if dim in assembly.dims:
            check_ids(assembly.coords[key].values, key=key, name=name)
    if "time" in assembly.dims:
        start, end = assembly.coords["time_start"].values, assembly.coords["time_end"].values
        numeric = start.dtype.kind in "fiu" and end.dtype.kind in "fiu"
        if not (numeric and (end > start).all() and (np.diff(start) > 0).all()):
            raise InputError(
                f"{name} has time bins that do not increase",
                allowed="each time_start below its time_end, and time_start rising, in ms",
                todo="sort by time_start and remove empty bins",
            )


def check_ids(ids: npt.ArrayLike, *, key: str, name: str) -> None:
    """Raise InputError if an id is missing, cannot be stored, or occurs more than once."""
    check_present(ids, key=key, name=name)
    array = np.asarray(ids)
    if array.dtype.kind not in "fiub":
        for text in map(str, array.tolist()):
            _check_storable(text, key, name)
    check_unique(array, key=key, name=name)


def _check_storable(text: str, key: str, name: str) -> None:
    """Raise InputError for text that netCDF would cut or cannot encode, or that would fill the memory."""
    problem = None
    if "\0" in text:
        problem = "with a zero character"
    elif len(text) > LONGEST_ID:
        problem = f"of {len(text)} characters"
    elif not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        problem = "that is not UTF-8"
    if problem:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise InputError(
            f"{name} has a {key} {problem}, {shown!a}",
            allowed=f"Unicode text of at most {LONGEST_ID} characters, without zero characters",
            todo="give other ids, or rename the file that it is the name of",
        )


def check_present(labels: npt.ArrayLike, *, key: str, name: str) -> None:
    """Raise InputError for labels of which some are missing: None, NaN, NA, NaT or empty text.

    A missing label would become a label of its own, "nan", and images without one would count as alike.
    """
    missing = is_missing(labels)
    if missing.any():
        raise InputError(
            f"{name} has {int(missing.sum())} of {len(missing)} entries without {key}, "
            f"the first at row {int(missing.argmax())}",
            allowed=f"a {key} in each row",
            todo=f"fill in the missing {key}, remove these rows, or leave the column out",
        )


def is_missing(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return which labels are missing: None, NaN, NA, NaT or empty text."""
    given = isinstance(labels, np.ndarray)
    array = np.asarray(labels) if given else np.asarray(labels, dtype=object)  # None stays None
    if array.dtype.kind in "OTSU":
        empty = [isinstance(label, str | bytes) and not label for label in array.tolist()]
        return np.asarray(pd.isna(array.astype(object)) | np.array(empty, dtype=bool))
    return np.asarray(pd.isna(array))


def check_unique(ids: npt.ArrayLike, *, key: str, name: str) -> None:
    """Raise InputError if an id occurs more than once."""
    values, counts = np.unique(np.asarray(ids), return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1]
        raise InputError(
            f"{name} has {len(twice)} duplicate {key}, for example {str(twice[0])!r}",
            allowed=f"each {key} once",
            todo="average repetitions along their own dim, or give the rows different ids",
        )


def _check_values(assembly: Assembly, name: str) -> None:
    array = np.asarray(assembly.values)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} holds values of type {array.dtype}",
            allowed="real numbers",
            todo="convert them, for example with .astype(float)",
        )
    if array.dtype.kind != "f":
        return
    if np.isinf(array).any():
        raise InputError(
            f"{name} has {int(np.isinf(array).sum())} infinite values",
            allowed="finite values",
            todo="find out where they come from; they are never replaced silently",
        )
    if assembly.attrs.get("missing") != "nan" and np.isnan(array).any():
        raise InputError(
            f"{name} has {int(np.isnan(array).sum())} NaN",
            allowed="finite values, or NaN for unrecorded trials with attrs['missing'] = 'nan'",
            todo="declare them with attrs['missing'] = 'nan', or remove the rows",
        )


def average(assembly: Assembly) -> Assembly:
    """Return the mean over repetitions, ignoring NaN; an assembly without repetitions is unchanged.

    A stimulus without a recorded repetition for some neuroid is an InputError.
    """
    if "repetition" not in assembly.dims:
        return assembly
    recorded = assembly.notnull().any("repetition")
    if not bool(recorded.all()):
        raise InputError(
            f"{int((~recorded).sum())} responses have no recorded repetition",
            allowed="at least one repetition of each stimulus for each neuroid",
            todo="remove these stimuli or these neuroids",
        )
    return assembly.mean("repetition", skipna=True, keep_attrs=True)


def time_average(assembly: Assembly, window: tuple[float, float]) -> Assembly:
    """Return the mean over a time window in ms, each bin weighted by its overlap with the window.

    An assembly without time is unchanged. A window that the bins do not cover, or cover twice, or of zero or
    infinite length is an InputError.
    """
    if "time" not in assembly.dims:
        return assembly
    start, end = assembly.coords["time_start"].values, assembly.coords["time_end"].values
    overlap = np.clip(np.minimum(end, window[1]) - np.maximum(start, window[0]), 0.0, None)
    used = np.flatnonzero(overlap)
    joints = end[used[:-1]] - start[used[1:]]  # below 0: a gap; above 0: an overlap
    covered = math.isclose(overlap.sum(), window[1] - window[0], rel_tol=1e-6)
    if not (0 < window[1] - window[0] < math.inf and covered and np.allclose(joints, 0.0)):
        raise InputError(
            f"window {window[0]:g}-{window[1]:g} ms over bins from {start[0]:g} to {end[-1]:g} ms",
            allowed="a window of positive length that the time bins cover without gap or overlap",
            todo="choose a window inside the recording",
        )
    weights = xr.DataArray(overlap[used] / overlap.sum(), dims="time")
    kept = assembly.isel(time=used)
    return kept.dot(weights, dim="time").assign_attrs(assembly.attrs)


def align(
    assembly: Assembly, stimulus_ids: Sequence[str] | npt.NDArray[Any], *, name: str
) -> Assembly:
    """Return the rows of an assembly in the order of `stimulus_ids`.

    Other stimuli than those of the assembly, or an id that is given twice, are an InputError.
    """
    own = [str(i) for i in assembly.coords["stimulus_id"].values]
    ordered = [str(i) for i in stimulus_ids]
    if own == ordered:
        return assembly
    missing, extra = sorted(set(ordered) - set(own)), sorted(set(own) - set(ordered))
    if missing or extra:
        parts = (("missing", missing), ("not asked for", extra))
        differ = (f"{len(ids)} {what}, for example {ids[0]!r}" for what, ids in parts if ids)
        raise InputError(
            f"{name}: of {len(ordered)} stimuli " + "; ".join(differ),
            allowed="the same stimulus_id on both sides",
            todo="check that model and brain saw the same stimulus set",
        )
    check_unique(ordered, key="stimulus_id", name=f"the order asked of {name}")
    row_of = {i: k for k, i in enumerate(own)}
    return assembly.isel(stimulus=[row_of[i] for i in ordered])


def save(assembly: Assembly, path: Path) -> None:
    """Write an assembly as netCDF4 with checksums to a path that the caller makes atomic."""
    validate(assembly)
    named = assembly.rename("values")
    encoding = checksum_encoding({"values": named, **named.coords})
    named.to_netcdf(path, engine="netcdf4", format="NETCDF4", encoding=encoding)


def checksum_encoding(variables: Mapping[Any, xr.DataArray]) -> dict[Any, dict[str, Any]]:
    """Return how xarray writes variables as netCDF4 so that damaged values are noticed when they are read.

    HDF5 keeps no checksums of text of any length: text is written as characters.
    """
    return {
        name: {"fletcher32": True} | ({"dtype": "S1"} if values.dtype.kind in "OTU" else {})
        for name, values in variables.items()
        if values.ndim
    }


def load(path: Path) -> Assembly:
    """Open an assembly; values are read when they are indexed.

    A file that does not exist, is damaged or holds something else is an InputError.
    """
    try:
        opened = xr.open_dataarray(path, engine="netcdf4")
    except Exception as error:  # xarray and netCDF4 raise many types for a damaged file
        raise InputError(
            f"assembly file {path} cannot be read ({error})",
            allowed="a whole netCDF4 file that brainbench wrote",
            todo="remove the file, so that it is written again",
        ) from error
    return validate(with_plain_text(opened), name=path.name, values=False)


def with_plain_text(opened: Assembly) -> Assembly:
    """Return an assembly that was opened from netCDF with text coordinates as numpy has them, `<U`."""
    text = {
        name: (values.dims, plain(values.values))
        for name, values in opened.coords.items()
        if values.dtype.kind == "O"
    }
    assembly = opened.assign_coords(text)
    assembly.set_close(opened.close)
    return assembly
