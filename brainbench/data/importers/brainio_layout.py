"""What lies where in a netCDF file in the layout of Brain-Score (BrainIO), and its values, block by block.

A file holds one array with the dims (presentation, neuroid[, time_bin]) in any order, written by xarray from
a DataArray whose MultiIndexes were reset. `stimulus_id` (older files: `image_id`) and `repetition` lie along
`presentation`; `neuroid_id`, `region` and `animal` along `neuroid`; `time_bin_start` and `time_bin_end` (or
`time_bin_stop`), in ms, along `time_bin`. A dim with a single coordinate has lost its name: `neuroid_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core import assembly
from brainbench.core.errors import InputError, unknown

PRESENTATION, NEUROID, TIME = "presentation", "neuroid", "time_bin"
STIMULUS_IDS = ("stimulus_id", "image_id")
BIN_START, BIN_ENDS = "time_bin_start", ("time_bin_end", "time_bin_stop")
ANIMALS = ("animal", "monkey", "subject")
"""Names of the coordinate that tells animals apart."""
BLOCK_BYTES = 64_000_000
"""Values that are read at once, unless one chunk of the file is larger."""
Bins = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """In what files of the layout differ.

    Parameters
    ----------
    repetition : str
        Coordinate that numbers the presentations of a stimulus.
    apart : str or None
        Coordinate by which stimuli of one id are told apart: they become ID/VALUE.
    array : str or None
        Coordinate that names the array of electrodes of a site; it is called `array` then.
    bins : sequence of (start, end), or None
        Time bins that are read, in ms; None for all.
    bin_ms : float or None
        Values of narrower bins are summed up to bins of this length.
    """

    repetition: str = "repetition"
    apart: str | None = None
    array: str | None = None
    bins: Bins | None = None
    bin_ms: float | None = None


class Block(NamedTuple):
    """Values of some presentations and neuroids, (presentation, neuroid, time)."""

    presentations: slice
    neuroids: slice
    values: npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class FileLayout:
    """What each presentation, neuroid and time bin of a file is.

    `row` and `column` are the repetition and the stimulus of each presentation, as numbers of `repetitions`
    and `stimulus_ids`; `published_ids` are the ids before stimuli were told apart. `sources` are the time
    bins of the file that make each of `bins`; None without time. `levels` are coordinates by which
    Brain-Score sorts before it comes to the id.
    """

    name: str
    stimulus_ids: npt.NDArray[np.str_]
    published_ids: npt.NDArray[np.str_]
    repetitions: npt.NDArray[Any]
    repeated: bool
    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    bins: Bins | None
    sources: Sequence[npt.NDArray[np.intp]] | None
    stimulus: Mapping[str, npt.NDArray[Any]]
    neuroid: Mapping[str, npt.NDArray[Any]]
    levels: Sequence[str]
    units: str

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of repetitions, stimuli, neuroids and time bins; one bin without time."""
        n_neuroids = len(self.neuroid["neuroid_id"])
        return len(self.repetitions), len(self.stimulus_ids), n_neuroids, len(self.bins or [0])


def layout_of(array: xr.DataArray, path: Path, columns: Columns = Columns()) -> FileLayout:
    """Return what lies where in the array of a file; only its coordinates are read.

    InputError for missing ids, a repetition of a stimulus that occurs twice, time bins without edges or
    others than are asked for.
    """
    ids, published = _stimulus_ids(array, path, columns)
    repetition, numbered = _repetitions(array, ids, columns.repetition)
    stimuli, first, column = np.unique(ids, return_index=True, return_inverse=True)
    levels, row = np.unique(repetition, return_inverse=True)
    _check_once(row, column, path, levels=levels, stimuli=stimuli)
    bins, sources = _time_bins(array, path, columns)
    metadata = _stimulus_metadata(array, column, first, but=columns.repetition)
    return FileLayout(
        name=path.name,
        stimulus_ids=stimuli,
        published_ids=published[first],
        repetitions=levels,
        repeated=len(levels) > 1 or numbered,
        row=row,
        column=column,
        bins=bins,
        sources=sources,
        stimulus=metadata,
        neuroid=_neuroid_metadata(array, path, columns.array),
        levels=_levels(array, metadata),
        units=str(array.attrs.get("units") or "a.u."),
    )


def choose_variable(opened: xr.Dataset, path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the array of responses of a file, whatever its name; InputError for none, or several."""
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


def blocks(array: xr.DataArray, layout: FileLayout) -> Iterator[Block]:
    """Yield all values of a file in blocks of about `BLOCK_BYTES`; each chunk of the file is read once."""
    order = [array.dims.index(dim) for dim in (PRESENTATION, NEUROID, TIME) if dim in array.dims]
    n_presentations, n_neuroids = block_shape(array)
    for first in range(0, array.sizes[PRESENTATION], n_presentations):
        for site in range(0, array.sizes[NEUROID], n_neuroids):
            rows, sites = slice(first, first + n_presentations), slice(site, site + n_neuroids)
            # Read first: xarray would turn a transposed block into single points.
            read = array.isel({PRESENTATION: rows, NEUROID: sites}).values.transpose(order)
            values = read if read.dtype == np.float32 else read.astype(np.float64, copy=False)
            yield Block(rows, sites, _binned(values, layout.sources))


def block_shape(array: xr.DataArray) -> tuple[int, int]:
    """Return how many presentations and neuroids are read at once, whole chunks of the file."""
    chunks = array.encoding.get("chunksizes") or (1,) * array.ndim
    chunk = dict(zip(array.dims, chunks, strict=True))
    n_presentations, n_neuroids = (
        max(1, min(int(chunk[dim]), array.sizes[dim])) for dim in (PRESENTATION, NEUROID)
    )
    nbytes = array.dtype.itemsize * max(1, array.sizes.get(TIME, 1))
    n_neuroids *= max(1, BLOCK_BYTES // (nbytes * n_presentations * n_neuroids))
    n_neuroids = max(1, min(n_neuroids, array.sizes[NEUROID]))
    n_presentations *= max(1, BLOCK_BYTES // (nbytes * n_neuroids))
    return n_presentations, n_neuroids


def along(array: xr.DataArray, dim: str) -> list[str]:
    """Return the names of the coordinates along a dim, in the order of the file."""
    return [str(name) for name, c in array.coords.items() if c.dims == (dim,) and name != dim]


def _binned(
    values: npt.NDArray[Any], sources: Sequence[npt.NDArray[np.intp]] | None
) -> npt.NDArray[Any]:
    if sources is None:
        return values[..., None]
    if all(len(bins) == 1 for bins in sources):
        return values[..., np.concatenate(sources)]
    return np.stack([values[..., bins].sum(axis=-1) for bins in sources], axis=-1)


# --- presentations ----------------------------------------------------------------------------------


def _stimulus_ids(
    array: xr.DataArray, path: Path, columns: Columns
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Return the id of the stimulus of each presentation, told apart, and as published."""
    for name in (*STIMULUS_IDS, f"{PRESENTATION}_"):
        if name in array.coords and array.coords[name].dims == (PRESENTATION,):
            published = np.asarray(array.coords[name].values.astype(str), dtype=np.str_)
            break
    else:
        raise InputError(
            f"presentations of {path.name} with the coordinates {along(array, PRESENTATION)}",
            allowed=" or ".join(STIMULUS_IDS) + " among them",
            todo="check that the file was written with its coordinates",
        )
    if columns.apart is None or columns.apart not in array.coords:
        return published, published
    return told_apart(published, array.coords[columns.apart].values), published


def told_apart(ids: npt.NDArray[np.str_], values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """Return ids, those that go with several values as ID/VALUE."""
    pairs = np.stack([ids.astype(object), values.astype(str).astype(object)], axis=1)
    unique = np.array(sorted(set(map(tuple, pairs.tolist()))), dtype=object)
    names, counts = np.unique(unique[:, 0].astype(str), return_counts=True)
    several = np.isin(ids, names[counts > 1])
    return np.where(several, (pairs[:, 0] + "/" + pairs[:, 1]).astype(str), ids)


def _repetitions(
    array: xr.DataArray, ids: npt.NDArray[np.str_], name: str
) -> tuple[npt.NDArray[Any], bool]:
    """Return the number of each presentation among those of its stimulus, and whether the file has it."""
    if name in array.coords and array.coords[name].dims == (PRESENTATION,):
        return np.asarray(array.coords[name].values), True
    order = np.argsort(ids, kind="stable")
    _, first, counts = np.unique(ids[order], return_index=True, return_counts=True)
    number = np.empty(len(ids), dtype=np.intp)
    number[order] = np.arange(len(ids)) - np.repeat(first, counts)
    return number, False


def _check_once(
    row: npt.NDArray[np.intp],
    column: npt.NDArray[np.intp],
    path: Path,
    *,
    levels: npt.NDArray[Any],
    stimuli: npt.NDArray[np.str_],
) -> None:
    cell, counts = np.unique(row * len(stimuli) + column, return_counts=True)
    twice = cell[counts > 1]
    if len(twice):
        level, stimulus = (
            levels[twice[0] // len(stimuli)],
            str(stimuli[twice[0] % len(stimuli)]),
        )
        raise InputError(
            f"{path.name}: {len(twice)} repetitions of a stimulus occur more than once, for example "
            f"repetition {level} of {stimulus!r}",
            allowed="each repetition of a stimulus once",
            todo="number the presentations of each stimulus, or remove the coordinate 'repetition'",
        )


def _stimulus_metadata(
    array: xr.DataArray, column: npt.NDArray[np.intp], first: npt.NDArray[np.intp], *, but: str
) -> dict[str, npt.NDArray[Any]]:
    """Return the coordinates of presentations that depend on the stimulus alone, read one by one."""
    kept = {}
    for name in along(array, PRESENTATION):
        if name in (*STIMULUS_IDS, f"{PRESENTATION}_", but):
            continue
        values = assembly.plain(array.coords[name].values)
        of_stimuli = values[first]
        same = of_stimuli[column] == values
        if values.dtype.kind == "f":
            same |= np.isnan(of_stimuli[column]) & np.isnan(values)
        if same.all():
            kept[name] = of_stimuli
    return kept


def _levels(array: xr.DataArray, metadata: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    """Return the coordinates of stimuli that come before the id in the file."""
    names = along(array, PRESENTATION)
    ids = [names.index(name) for name in (*STIMULUS_IDS, f"{PRESENTATION}_") if name in names]
    return [name for name in names[: min(ids)] if name in metadata]


# --- neuroids and time ------------------------------------------------------------------------------


def _neuroid_metadata(
    array: xr.DataArray, path: Path, array_name: str | None
) -> dict[str, npt.NDArray[Any]]:
    """Return the coordinates of neuroids; ids that restart for each animal are put behind its name."""
    columns = {name: array.coords[name].values for name in along(array, NEUROID)}
    nameless = [name for name in (f"{NEUROID}_", NEUROID) if name in array.coords]
    if "neuroid_id" not in columns and nameless:
        columns.pop(f"{NEUROID}_", None)
        columns = {"neuroid_id": array.coords[nameless[0]].values, **columns}
    if "neuroid_id" not in columns:
        raise InputError(
            f"neuroids of {path.name} with the coordinates {list(columns)}",
            allowed="'neuroid_id' among them",
            todo="check that the file was written with its coordinates",
        )
    animal = next((columns[name] for name in ANIMALS if name in columns), None)
    if animal is not None:
        columns["animal"] = animal
        ids = columns["neuroid_id"].astype(str)
        if len(np.unique(ids)) < len(ids):
            pairs = zip(animal.astype(str), ids, strict=True)
            columns["neuroid_id"] = np.array([f"{name}/{number}" for name, number in pairs])
    if array_name is not None:
        if array_name not in columns:
            raise InputError(
                f"neuroids of {path.name} with the coordinates {list(columns)}",
                allowed=f"{array_name!r} among them, the array of electrodes",
                todo="check that the file was written with its coordinates",
            )
        columns["array"] = columns[array_name]
    return columns


def _time_bins(
    array: xr.DataArray, path: Path, columns: Columns
) -> tuple[Bins | None, Sequence[npt.NDArray[np.intp]] | None]:
    """Return the time bins in order, and the bins of the file that make each; None without time."""
    if TIME not in array.dims:
        return None, None
    names = (BIN_START, next((name for name in BIN_ENDS if name in array.coords), BIN_ENDS[0]))
    edges = [array.coords[name] for name in names if name in array.coords]
    if len(edges) != 2 or any(e.dims != (TIME,) or e.dtype.kind not in "fiu" for e in edges):
        raise InputError(
            f"time bins of {path.name} with the coordinates {along(array, TIME)}",
            allowed=f"{BIN_START} and {' or '.join(BIN_ENDS)}, in ms",
            todo="check that the file was written with its coordinates",
        )
    start, end = (np.asarray(edge.values, dtype=np.float64) for edge in edges)
    if columns.bins is not None:
        return _chosen_bins(start, end, columns.bins, path)
    order = np.argsort(start, kind="stable")
    if columns.bin_ms is not None:
        return _wider_bins(start[order], end[order], order, columns.bin_ms, path)
    bins = list(zip(start[order].tolist(), end[order].tolist(), strict=True))
    return bins, list(order[:, None])


def _chosen_bins(
    start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], wanted: Bins, path: Path
) -> tuple[Bins, Sequence[npt.NDArray[np.intp]]]:
    sources = [np.flatnonzero((start == a) & (end == b)) for a, b in wanted]
    if any(len(source) != 1 for source in sources):
        there = [f"{a:g}-{b:g}" for a, b in zip(start, end, strict=True)]
        raise InputError(
            f"{path.name}: time bins {', '.join(there)} ms",
            allowed=" and ".join(f"{a:g}-{b:g} ms" for a, b in wanted) + ", once",
            todo="check that it is the published file",
        )
    return [(float(a), float(b)) for a, b in wanted], sources


def _wider_bins(
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    order: npt.NDArray[np.intp],
    bin_ms: float,
    path: Path,
) -> tuple[Bins, Sequence[npt.NDArray[np.intp]]]:
    number = np.floor((start - start[0]) / bin_ms + 1e-9).astype(int)
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    bins = [(start[0] + bin_ms * k, start[0] + bin_ms * (k + 1)) for k in number[firsts].tolist()]
    groups = np.split(np.arange(len(start)), firsts[1:])
    whole = all(
        np.isclose(start[group[0]], a)
        and np.isclose(end[group[-1]], b)
        and np.allclose(end[group[:-1]], start[group[1:]])
        for group, (a, b) in zip(groups, bins, strict=True)
    )
    if not whole:
        raise InputError(
            f"{path.name}: {len(start)} time bins from {start[0]:g} to {end[-1]:g} ms, which do not make "
            f"whole bins of {bin_ms:g} ms",
            allowed=f"bins that follow one another and fill {bin_ms:g} ms each",
            todo="check that it is the published file",
        )
    return [(float(a), float(b)) for a, b in bins], [order[group] for group in groups]
