"""From an array in a file to assemblies: which axis is which, and to which image each response belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brainbench.core import assembly
from brainbench.core.assembly import DIMS, Assembly, check_present
from brainbench.core.errors import InputError, unknown
from brainbench.core.stimuli import StimulusSet
from brainbench.data.own.images import OwnImages, rows_of, with_columns
from brainbench.data.own.layout import Layout
from brainbench.data.own.raw import RawResponses
from brainbench.metrics.array_types import AnyArray, IntArray

FIXED = {
    "stimulus_id": "stimulus",
    "object_name": "stimulus",
    "group": "stimulus",
    "neuroid_id": "neuroid",
    "region": "neuroid",
    "animal": "neuroid",
}
"""The axis of columns that mean the same everywhere."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Understood:
    """Images with responses, the recording of each region, and what was decided on the way."""

    stimuli: StimulusSet
    regions: Mapping[str, Assembly]
    notes: tuple[str, ...]


def understand(raw: RawResponses, images: OwnImages, layout: Layout, *, where: str) -> Understood:
    """Return responses with named axes and ids.

    Raises
    ------
    InputError
        Axes that are ambiguous, with their sizes; ids without an image, with the closest; a time axis that
        goes backwards; values that are infinite, missing where there are no trials, or no numbers; sites
        without a region.
    """
    values, notes = _as_numbers(raw, where)
    columns = dict(raw.columns)
    dims = _dims(values, raw, images, layout, where)
    along = _along(columns, raw.along, dict(zip(dims, values.shape, strict=True)), layout)
    values = values.transpose([dims.index(dim) for dim in DIMS if dim in dims])
    dims = tuple(dim for dim in DIMS if dim in dims)
    ids = _ids(columns, along, images, layout, values.shape[dims.index("stimulus")])
    rows = np.asarray(rows_of(ids, images.stimuli, where=where))
    stimulus_columns = {key: columns[key] for key, dim in along.items() if dim == "stimulus"}
    if len(set(rows.tolist())) < len(rows):
        values, dims, first = _stacked(values, dims, rows, where)
        notes = (*notes, f"{len(rows)} presentations of {len(first)} images are trials")
        stimulus_columns = _of_images(stimulus_columns, rows, first)
        rows = rows[first]
    shown = with_columns(
        images.stimuli.take(rows.tolist()),
        {key: column.tolist() for key, column in stimulus_columns.items()},
        layout,
    )
    left_out = len(images.stimuli) - len(shown)
    if left_out:
        notes = (*notes, f"{left_out} images without responses are left out")
    recording = _assembly(values, dims, raw, shown, columns, along, layout, where)
    return Understood(
        stimuli=shown,
        regions=_by_region(recording, where),
        notes=(*raw.notes, *images.notes, *notes),
    )


def _as_numbers(raw: RawResponses, where: str) -> tuple[AnyArray, tuple[str, ...]]:
    values = np.asarray(raw.values)
    if values.dtype.kind not in "fiub" or not values.size:
        raise InputError(
            f"responses of {where} are {values.dtype} of shape {values.shape}",
            allowed="real numbers, at least one along each axis",
            todo="save the array of numbers itself",
        )
    if values.dtype.kind == "f" and np.isinf(values).any():
        half = ": beyond 65504, the largest float16" if values.dtype == np.float16 else ""
        raise InputError(
            f"responses of {where} have {int(np.isinf(values).sum())} infinite values{half}",
            allowed="finite values, or NaN for trials that were not recorded",
            todo="save them as float32 from where they were computed",
        )
    if values.dtype == np.float16:
        return values.astype(np.float32), ("float16, three digits, kept as float32",)
    if values.dtype.kind == "b":
        return values.astype(np.uint8), ()
    if values.dtype.kind == "f":  # of this machine's byte order, and not longer than netCDF has
        return values.astype(np.float32 if values.dtype.itemsize == 4 else np.float64), ()
    return values.astype(values.dtype.newbyteorder("=")), ()


def _dims(
    values: AnyArray, raw: RawResponses, images: OwnImages, layout: Layout, where: str
) -> tuple[str, ...]:
    given = layout.dim_names or raw.dims
    if given is None:
        given = _guessed(values, raw, images, layout, where)
    if len(given) != values.ndim:
        raise InputError(
            f"responses of {where} of shape {values.shape} for the dims {', '.join(given)}",
            allowed="a dim for each axis",
            todo="give --dims with as many names as the array has axes",
        )
    if not {"stimulus", "neuroid"} <= set(given):
        raise InputError(
            f"responses of {where} with the dims {', '.join(given)}",
            allowed="stimulus and neuroid among them",
            todo="say what the axes are with --dims",
        )
    return given


def _guessed(
    values: AnyArray, raw: RawResponses, images: OwnImages, layout: Layout, where: str
) -> tuple[str, ...]:
    """Return the dims of two axes of which one alone has the size of the images; else ask for --dims."""
    name = layout.find("stimulus_id", raw.columns)
    n = len(images.stimuli) if name is None else len(raw.columns[name])
    fitting = [axis for axis, size in enumerate(values.shape) if size == n]
    if values.ndim == 2 and len(fitting) == 1:
        return ("stimulus", "neuroid") if fitting == [0] else ("neuroid", "stimulus")
    sizes = " x ".join(map(str, values.shape))
    known = f"{len(fitting)} axes have" if len(fitting) != 1 else f"axis {fitting[0] + 1} alone has"
    shown = ["stimulus" if [axis] == fitting else "?" for axis in range(values.ndim)]
    example = ",".join(shown) if len(fitting) == 1 else "stimulus,neuroid,repetition,time"
    raise InputError(
        f"responses of {where} are {sizes}, and there are {n} images: {known} this size",
        allowed="axes named in order, of stimulus, neuroid, repetition and time",
        todo=f"say what they are with --dims, for example --dims {example}",
    )


def _along(
    columns: Mapping[str, AnyArray],
    given: Mapping[str, str],
    sizes: Mapping[str, int],
    layout: Layout,
) -> dict[str, str]:
    """Return the axis of each column: as the file says, as its meaning says, or the only one of its size."""
    along = {key: dim for key, dim in given.items() if dim in sizes}
    for column_name, dim in along.items():
        shape = columns[column_name].shape
        if shape != (sizes[dim],):
            raise InputError(
                f"{column_name} of shape {shape} along {dim}, of which there are {sizes[dim]}",
                allowed=f"one entry for each {dim}",
                todo="check whether the responses or this column are in other axes than you say",
            )
    for key, dim in FIXED.items():
        name = layout.find(key, columns)
        if name is not None and name not in along and len(columns[name]) == sizes[dim]:
            along[name] = dim
    for name, column in columns.items():
        fitting = [dim for dim, size in sizes.items() if size == len(column)]
        if name not in along and len(fitting) == 1:
            along[name] = fitting[0]
    return along


def _ids(
    columns: Mapping[str, AnyArray],
    along: Mapping[str, str],
    images: OwnImages,
    layout: Layout,
    n: int,
) -> list[str]:
    there = [name for name in columns if along.get(name) == "stimulus"]
    name = layout.find("stimulus_id", there)
    if name is None:
        if layout.columns.get("stimulus_id"):
            layout.need("stimulus_id", there, where="the responses")
        return images.in_order(n)
    ids = columns[name]
    check_present(ids, key=name, name="responses")
    if ids.dtype.kind == "f" and (ids == np.round(ids)).all():  # MATLAB has no other numbers
        ids = ids.astype(np.int64)
    return [str(text) for text in ids.astype(str)]


def _stacked(
    values: AnyArray, dims: tuple[str, ...], rows: IntArray, where: str
) -> tuple[AnyArray, tuple[str, ...], IntArray]:
    """Return presentations as trials of images, and the first presentation of each image, in order."""
    if "repetition" in dims:
        raise InputError(
            f"responses of {where} with a dim repetition, and images that occur more than once",
            allowed="either of the two",
            todo="give the same image once along stimulus, or leave repetition out",
        )
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    codes = order[codes]
    first = np.sort(first)
    counts = np.bincount(codes)
    number = np.zeros(len(rows), dtype=np.intp)
    by_image = np.argsort(codes, kind="stable")
    number[by_image] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    shape = (int(counts.max()), len(first), *values.shape[1:])
    trials = np.full(shape, np.nan, dtype=kind)
    trials[number, codes] = values
    return trials, ("repetition", *dims), first


def _of_images(
    columns: Mapping[str, AnyArray], rows: IntArray, first: IntArray
) -> dict[str, AnyArray]:
    """Return the columns of presentations that are the same in all those of an image."""
    at = {int(rows[k]): k for k in first}
    source = np.asarray([at[int(row)] for row in rows])
    return {
        key: column[first]
        for key, column in columns.items()
        if bool(np.all(column[source].astype(str) == column.astype(str)))
    }


def _assembly(
    values: AnyArray,
    dims: tuple[str, ...],
    raw: RawResponses,
    shown: StimulusSet,
    columns: Mapping[str, AnyArray],
    along: Mapping[str, str],
    layout: Layout,
    where: str,
) -> Assembly:
    stimulus = {"stimulus_id": np.asarray(shown.ids)}
    stimulus |= {key: shown.metadata[key].to_numpy() for key in raw.levels}
    missing = values.dtype.kind == "f" and np.isnan(values).any()
    if missing:
        _check_gaps(values, dims, shown, where)
    return assembly.make(
        values,
        stimulus=stimulus,
        neuroid=_sites(values.shape[dims.index("neuroid")], columns, along, layout, where),
        time=_bins(values.shape[-1], raw, layout, where) if "time" in dims else None,
        repetitions="repetition" in dims,
        units=layout.units or raw.units or "a.u.",
        attrs={
            **({"missing": "nan"} if missing else {}),
            **({"levels": list(raw.levels)} if raw.levels else {}),
        },
    )


def _check_gaps(values: AnyArray, dims: tuple[str, ...], shown: StimulusSet, where: str) -> None:
    """Raise InputError for a response that no trial recorded."""
    gaps = np.isnan(values).all(axis=0) if "repetition" in dims else np.isnan(values)
    if gaps.any():
        stimulus, site = np.argwhere(gaps)[0][:2]
        what = "no trial" if "repetition" in dims else "no value"
        raise InputError(
            f"{where}: {int(gaps.sum())} responses have {what}, the first of site {site} to "
            f"{shown.ids[stimulus]!r}",
            allowed="a response of each site to each image; NaN stands for single trials, along repetition",
            todo="leave these sites or images out"
            + ("" if "repetition" in dims else ", or name the axis of trials with --dims"),
        )


def _bins(n: int, raw: RawResponses, layout: Layout, where: str) -> list[tuple[float, float]]:
    """Return the (start, end) of each bin; InputError where it is not known, or goes backwards."""
    bins = raw.bins
    if layout.time_step is not None:
        starts = (layout.time_start or 0.0) + layout.time_step * np.arange(n)
        bins = [(float(start), float(start + layout.time_step)) for start in starts]
    if bins is None or len(bins) != n:
        there = "none" if bins is None else f"{len(bins)} bins"
        raise InputError(
            f"responses of {where} have {n} entries along time, and the file says of their times: {there}",
            allowed="time_start and time_end of each bin in ms from image onset, in the file, or "
            "bins of equal width",
            todo="give --time-start MS --time-step MS",
        )
    starts = np.asarray([start for start, _ in bins])
    back = np.flatnonzero(np.diff(starts) <= 0)
    if len(back):
        k = int(back[0])
        raise InputError(
            f"time of {where} goes backwards: bin {k + 2} starts at {starts[k + 1]:g} ms, after one at "
            f"{starts[k]:g} ms",
            allowed="bins in the order of time",
            todo="sort the axis of time, and its edges with it",
        )
    return bins


def _sites(
    n: int,
    columns: Mapping[str, AnyArray],
    along: Mapping[str, str],
    layout: Layout,
    where: str,
) -> dict[str, AnyArray]:
    """Return the coordinates of the sites: id, region, and all that the file says of them."""
    own = {key: columns[key] for key, dim in along.items() if dim == "neuroid"}
    sites = dict(own)
    for key in ("neuroid_id", "animal"):
        name = layout.find(key, own)
        if name is not None:
            sites[key] = own[name]
        elif layout.is_named(key):
            layout.need(key, own, where=f"the sites of {where}")
    if "neuroid_id" not in sites:
        width = len(str(n - 1))
        sites["neuroid_id"] = np.asarray([f"site{k:0{width}d}" for k in range(n)])
    sites["neuroid_id"] = sites["neuroid_id"].astype(str)
    region = layout.find("region", own)
    if layout.region is not None:
        sites["region"] = np.full(n, layout.region)
    elif region is not None:
        sites["region"] = own[region].astype(str)
    else:
        raise InputError(
            f"sites of {where} without a region",
            allowed="the region of all sites, or a column of them named region",
            todo="give --region V4, or --columns region=NAME",
        )
    return sites


def _by_region(recording: Assembly, where: str) -> dict[str, Assembly]:
    regions = recording.coords["region"].values.astype(str)
    names = sorted(set(regions.tolist()))
    for name in names:
        if not name.replace("_", "").isalnum():
            raise unknown(
                f"region of {where}:",
                name,
                ("V1", "V2", "V4", "IT"),
                todo="name regions with letters, digits and _, for example with --region",
            )
    if len(names) == 1:
        return {names[0]: recording}
    return {name: recording.isel(neuroid=np.flatnonzero(regions == name)) for name in names}
