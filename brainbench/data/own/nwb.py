"""Reader of Neurodata Without Borders: spikes are binned around each image, or binned responses are taken.

Which image was shown when is a table of intervals (`trials`, or any other) with a column of image ids, or an
IndexSeries into images with names. Times in the file are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.core.errors import InputError
from brainbench.data.own.layout import WINDOW, Layout
from brainbench.data.own.raw import RawResponses
from brainbench.data.source_files import reading
from brainbench.metrics.array_types import AnyArray, FloatArray

STOP = 250.0
"""End of the last bin where `time_step` is given alone, in ms."""
_INDEXED = "stimulus_id"
_LOCATIONS = ("region", "location", "area")


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """Which image was shown when, in s: the ids are one of the columns of the table."""

    onsets: FloatArray
    columns: dict[str, AnyArray]


def read_nwb(path: Path, layout: Layout) -> RawResponses:
    """Read units or binned responses with the table of the images that were shown.

    InputError for a file without such a table, without units, or where pynwb is not installed.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise InputError(
            f"{path.name} is an NWB file, and pynwb is not installed",
            allowed="pynwb, which is in the extra nwb",
            todo="run `pip install 'brainbench[nwb]'`",
        ) from error
    with (
        reading(path, "a whole NWB file"),
        NWBHDF5IO(str(path), "r", load_namespaces=True) as stream,
    ):
        content = stream.read()
        shown = _shown(content, layout, path)
        if layout.variable is not None:
            return _binned(content, shown, layout, path)
        return _spikes(content, shown, layout, path)


def _shown(content: Any, layout: Layout, path: Path) -> _Shown:
    tables = dict(content.intervals or {})
    tables |= {name: table for name in ("trials", "epochs") if (table := getattr(content, name))}
    for table in tables.values():
        column = layout.find("stimulus_id", table.colnames)
        if column is not None:
            others = {
                name: np.asarray(table[name][:])
                for name in table.colnames
                if name not in (column, "start_time", "stop_time")
                and np.asarray(table[name][:]).dtype.kind in "fiubUO"
                and np.asarray(table[name][:]).ndim == 1
            }
            onsets = np.asarray(table["start_time"][:], dtype=float)
            ids = np.asarray(table[column][:]).astype(str)
            return _Shown(onsets=onsets, columns={column: ids, **others})
    for series in content.stimulus.values():
        images = getattr(series, "indexed_images", None)
        if images is not None:
            names = np.asarray([str(image.name) for image in _in_order(images)])
            ids = names[np.asarray(series.data[:], dtype=int)]
            return _Shown(onsets=_times(series), columns={_INDEXED: ids})
    there = {name: list(table.colnames) for name, table in tables.items()}
    raise InputError(
        f"{path.name} does not say which image was shown when; its tables are {there or 'none'}",
        allowed="a table of intervals with a column of image ids, or an IndexSeries of images",
        todo="name the column with --columns stimulus_id=NAME, or add such a table to the file",
    )


def _in_order(images: Any) -> list[Any]:
    order = getattr(images, "order_of_images", None)
    return list(order.data if order is not None else images.images.values())


def _times(series: Any) -> FloatArray:
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], dtype=float)
    return np.asarray(series.starting_time + np.arange(len(series.data)) / series.rate)


def _spikes(content: Any, shown: _Shown, layout: Layout, path: Path) -> RawResponses:
    units = content.units
    if units is None or "spike_times" not in units.colnames:
        raise InputError(
            f"{path.name} has no units with spike times",
            allowed="a table of units, or binned responses",
            todo="name binned responses with --variable NAME",
        )
    bins = _bins(layout)
    edges = np.asarray(bins) / 1000
    counts = np.empty((len(shown.onsets), len(units), len(bins)), dtype=np.float32)
    for k in range(len(units)):
        times = np.sort(np.asarray(units["spike_times"][k], dtype=float))
        at = np.searchsorted(times, shown.onsets[:, None, None] + edges)
        counts[:, k] = at[..., 1] - at[..., 0]
    ids = units.id[:] if "unit_name" not in units.colnames else units["unit_name"][:]
    columns = {**_sites(units, layout), "neuroid_id": np.asarray(ids).astype(str)}
    has_time = layout.time_step is not None
    window = "{:g} to {:g} ms".format(*bins[0]) if not has_time else f"{len(bins)} bins"
    return RawResponses(
        values=counts if has_time else counts[..., 0],
        dims=("stimulus", "neuroid", "time") if has_time else ("stimulus", "neuroid"),
        columns={**shown.columns, **columns},
        along={
            **dict.fromkeys(shown.columns, "stimulus"),
            **dict.fromkeys(columns, "neuroid"),
        },
        bins=bins if has_time else None,
        units="spikes",
        notes=(f"spikes counted in {window} from the start of each image",),
    )


def _bins(layout: Layout) -> list[tuple[float, float]]:
    """Return the bins that spikes are counted in: one, the window, or several of `time_step` ms."""
    if layout.time_step is None:
        return [layout.span or WINDOW]
    start = layout.time_start or 0.0
    stop = STOP if layout.time_stop is None else layout.time_stop
    n = int(np.floor((stop - start) / layout.time_step + 1e-9))
    if n < 1:
        raise InputError(
            f"no bin of {layout.time_step:g} ms from {start:g} to {stop:g} ms",
            allowed="time_stop after time_start",
            todo="give --time-start, --time-step and --time-stop in ms from image onset",
        )
    edges = start + layout.time_step * np.arange(n + 1)
    return [(float(a), float(b)) for a, b in pairwise(edges)]


def _sites(units: Any, layout: Layout) -> dict[str, AnyArray]:
    """Return the columns of the units that say one word or number of each, and their regions."""
    columns = {}
    for name in units.colnames:
        if name in ("spike_times", "electrodes", "waveforms", "waveform_mean", "obs_intervals"):
            continue
        values = np.asarray(units[name][:])
        if values.ndim == 1 and values.dtype.kind in "fiubUO":
            columns["region" if name in _LOCATIONS else name] = (
                values.astype(str) if values.dtype.kind == "O" else values
            )
    if "region" not in columns and "electrodes" in units.colnames:
        first = [units["electrodes"][k] for k in range(len(units))]
        columns["region"] = np.asarray([str(rows["location"].iloc[0]) for rows in first])
    return columns


def _binned(content: Any, shown: _Shown, layout: Layout, path: Path) -> RawResponses:
    """Return binned responses: a series whose first axis is the table of images."""
    series = {
        item.name: item
        for item in content.objects.values()
        if hasattr(item, "data") and getattr(item.data, "ndim", np.ndim(item.data)) > 1
    }
    found = series.get(str(layout.variable))
    shape = None if found is None else np.shape(found.data)
    if found is None or shape is None or shape[0] != len(shown.onsets):
        there = ", ".join(f"{name} {np.shape(item.data)}" for name, item in series.items())
        raise InputError(
            f"binned responses {layout.variable!r} of {path.name}; there are: {there or 'none'}",
            allowed=f"an array whose first axis has the {len(shown.onsets)} rows of the table of images",
            todo="name one with --variable NAME",
        )
    dims = ("stimulus", "neuroid") if len(shape) == 2 else ("stimulus", "neuroid", "time")
    units = content.units
    columns = {} if units is None or len(units) != shape[1] else _sites(units, layout)
    return RawResponses(
        values=np.asarray(found.data[:]),
        dims=dims,
        columns={**shown.columns, **columns},
        along={
            **dict.fromkeys(shown.columns, "stimulus"),
            **dict.fromkeys(columns, "neuroid"),
        },
        units=str(found.unit or ""),
        notes=(f"binned responses {found.name}",),
    )
