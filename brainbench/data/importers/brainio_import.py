"""The import of an assembly with its stimuli: values block by block, pixels one image at a time."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import DIMS, plain
from brainbench.core.errors import InputError
from brainbench.core.stimuli import OBJECT
from brainbench.data.importers import brainio_stimuli
from brainbench.data.importers.brainio_layout import (
    Block,
    Columns,
    FileLayout,
    block_shape,
    blocks,
    choose_variable,
    layout_of,
)
from brainbench.data.source_files import reading, wrong
from brainbench.stats.ceiling import split_half

PIXELS, STIMULI, ABOUT = "pixels.bin", "stimuli.npz", "about.json"
PLACES = ("start", "height", "width")
"""Entries of `STIMULI`: where the pixels of an image begin in `PIXELS`, and its size."""
PUBLISHED_OBJECT = "published_object_name"
"""Column of what an image shows where splits are not stratified by it."""
_COLUMN = "column "
_OVERHEAD = 1_000_000
_PIXELS_PER_BYTE = 12  # bytes of pixels per byte of a compressed image, about


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a set and how they are read, see `brainio_data.Declared`."""

    assembly: Path
    table: Path
    images: Path
    columns: Columns
    regions: Sequence[str]
    region: str | None
    objects: str
    whole_set: bool
    unrecorded: bool
    least_reliability: float | None
    unused_end_ms: float
    units: str | None


@dataclass(kw_only=True, eq=False)
class Recording:
    """An assembly that is open, and the stimuli that belong to it."""

    source: Files
    array: xr.DataArray
    layout: FileLayout
    table: pd.DataFrame  # of the csv, all of its rows
    shown: pd.DataFrame  # rows of the stimuli that were recorded, in their order
    sites: Mapping[str, npt.NDArray[np.intp]]  # of each region
    counts: npt.NDArray[np.uint16] = field(init=False)  # trials, stimulus x neuroid

    @property
    def n_blocks(self) -> int:
        """Number of blocks that the values are read in."""
        sizes = (self.array.sizes[dim] for dim in ("presentation", "neuroid"))
        return int(
            np.prod([-(-n // k) for n, k in zip(sizes, block_shape(self.array), strict=True)])
        )

    @property
    def nbytes(self) -> int:
        """Bytes that are written, about."""
        values = int(np.prod(self.layout.shape)) * self.dtype.itemsize
        return values + _PIXELS_PER_BYTE * self.source.images.stat().st_size + _OVERHEAD

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that are kept."""
        return np.dtype(np.float32 if self.array.dtype == np.float32 else np.float64)

    def write(self, folder: Path, step: progress.Advance) -> None:
        """Write values, stimuli and what is known of both into a folder."""
        self._write_values(folder, step)
        images = self._recorded_images()
        sites = {region: self._kept_sites(folder, region, images) for region in self.sites}
        stimuli = self._columns(images)
        _write_stimuli(folder, self._pictures(images, step), stimuli)
        for region, kept in sites.items():
            neuroid = {key: column[kept] for key, column in self.layout.neuroid.items()}
            np.savez(folder / files_of(region)[1], **_named(neuroid))  # type: ignore[arg-type]
        about = self._about(images, sites, stimuli)
        (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    # --- values -------------------------------------------------------------------------------------

    def _write_values(self, folder: Path, step: progress.Advance) -> None:
        n_repetitions, n_stimuli, n_neuroids, n_bins = self.layout.shape
        self.counts = np.zeros((n_stimuli, n_neuroids), dtype=np.uint16)
        with contextlib.ExitStack() as stack:
            writers = {
                region: stack.enter_context(
                    _writer(
                        folder / files_of(region)[0],
                        (n_repetitions, n_stimuli, len(sites), n_bins),
                        self.dtype,
                    )
                )
                for region, sites in self.sites.items()
            }
            empty = np.setdiff1d(
                np.arange(n_repetitions * n_stimuli),
                self.layout.row * n_stimuli + self.layout.column,
            )
            for writer in writers.values():
                writer.fill(empty)
            for block in blocks(self.array, self.layout):
                self._check(block)
                for region, writer in writers.items():
                    self._write_block(block, self.sites[region], writer)
                step(1)

    def _check(self, block: Block) -> None:
        if np.isinf(block.values).any():
            raise wrong(
                f"{self.layout.name} holds {int(np.isinf(block.values).sum())} infinite values",
                "finite values, or NaN for trials that were not recorded",
            )
        recorded = ~np.isnan(block.values).any(axis=2)
        of_sites = self.counts[:, block.neuroids]  # a view
        np.add.at(of_sites, self.layout.column[block.presentations], recorded)

    def _write_block(self, block: Block, sites: npt.NDArray[np.intp], writer: _Writer) -> None:
        """Write what a block has of a region; its sites lie side by side in the region's array."""
        first, end = np.searchsorted(sites, (block.neuroids.start, block.neuroids.stop))
        if first == end:
            return
        values = block.values[:, sites[first:end] - block.neuroids.start]
        cells = (
            self.layout.row[block.presentations] * self.layout.shape[1]
            + self.layout.column[block.presentations]
        )
        for k in np.argsort(cells):
            writer.put(int(cells[k]), int(first), values[k])

    # --- what is left out ---------------------------------------------------------------------------

    def _recorded_images(self) -> npt.NDArray[np.intp]:
        """Return the stimuli that every site has a trial of; InputError for others, unless they may be."""
        used = np.concatenate(list(self.sites.values()))
        complete = (self.counts[:, used] > 0).all(axis=1)
        n_missing = int((~complete).sum())
        if n_missing and not self.source.unrecorded:
            example = str(self.layout.stimulus_ids[np.argmin(complete)])
            raise wrong(
                f"{self.layout.name}: {n_missing} stimuli without a recorded trial of some site, for "
                f"example {example!r}",
                "at least one trial of each stimulus for each site",
            )
        if not complete.any():
            raise wrong(f"{self.layout.name}: no stimulus that all sites recorded", "some")
        return np.flatnonzero(complete)

    def _kept_sites(
        self, folder: Path, region: str, images: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.intp]:
        """Return the sites of a region that are kept, after rewriting its array without the others."""
        sites, path = self.sites[region], folder / files_of(region)[0]
        kept = np.arange(len(sites))
        stored: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        least = self.source.least_reliability
        if least is not None:
            trials = np.asarray(stored[:, images].mean(axis=3), dtype=np.float64)
            reliability = np.nanmean(split_half(trials), axis=0)
            kept = np.flatnonzero(reliability >= least)
            if not len(kept):
                raise InputError(
                    f"{region} of {self.layout.name}: no site with a reliability of {least}; the "
                    f"highest is {np.nanmax(reliability):.3f}",
                    allowed=f"sites whose split-half, Spearman-Brown corrected, is {least} or more",
                    todo="check that it is the published file",
                )
        if len(kept) < len(sites) or len(images) < stored.shape[1]:
            shape = (len(stored), len(images), len(kept), stored.shape[3])
            smaller = path.with_suffix(".smaller")
            with _writer(smaller, shape, self.dtype) as writer:
                for repetition, trial in enumerate(stored):
                    for row, image in enumerate(images):
                        writer.put(repetition * len(images) + row, 0, trial[image][kept])
            del stored
            os.replace(smaller, path)
        return sites[kept]

    # --- stimuli ------------------------------------------------------------------------------------

    def _columns(self, images: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of the stimuli that are kept, `object_name` being what splits stratify by."""
        ids = {"stimulus_id": self.layout.stimulus_ids}
        columns = brainio_stimuli.merged(self.shown, {**ids, **self.layout.stimulus})
        given = self.source.objects
        if given and given not in columns:
            raise wrong(
                f"{self.source.table} and {self.layout.name} with the columns {list(columns)}",
                f"{given!r} among them, by which splits are stratified",
            )
        if given != OBJECT and OBJECT in columns:
            columns[PUBLISHED_OBJECT] = columns.pop(OBJECT)
        if given:
            columns[OBJECT] = columns[given]
        return {
            f"{key}_" if key in DIMS else key: plain(column)[images]
            for key, column in columns.items()
        }

    def _pictures(
        self, images: npt.NDArray[np.intp], step: progress.Advance
    ) -> Iterator[npt.NDArray[np.uint8]]:
        names = self.shown[brainio_stimuli.FILENAME].to_numpy()[images].tolist()
        for picture in brainio_stimuli.pictures(self.source.images, self.table, names):
            yield picture
            step(1)

    # --- what is known ------------------------------------------------------------------------------

    def _about(
        self,
        images: npt.NDArray[np.intp],
        sites: Mapping[str, npt.NDArray[np.intp]],
        stimuli: Mapping[str, npt.NDArray[Any]],
    ) -> dict[str, Any]:
        """Return facts, bins and attributes of the recordings, as plain values."""
        bins, n_repetitions = self.layout.bins, len(self.layout.repetitions)
        used = np.concatenate(list(sites.values()))
        attrs: dict[str, Any] = {
            "units": self.source.units or self.layout.units,
            "source": self.layout.name,
        }
        if (self.counts[np.ix_(images, used)] < n_repetitions).any():
            attrs["missing"] = "nan"
        if self.layout.levels:
            renamed = {} if self.source.objects == OBJECT else {OBJECT: PUBLISHED_OBJECT}
            attrs["levels"] = [renamed.get(name, name) for name in self.layout.levels]
        if bins and self.source.unused_end_ms:
            attrs["brainscore_window"] = [0.0, bins[-1][1] - self.source.unused_end_ms]
        counts = {region: self.counts[np.ix_(images, kept)] for region, kept in sites.items()}
        objects = stimuli[OBJECT].tolist() if OBJECT in stimuli else []
        return {
            "bins": bins,
            "repeated": self.layout.repeated,
            "attrs": attrs,
            "objects": dict(sorted(Counter(map(str, objects)).items())),
            "images_left_out": self.layout.shape[1] - len(images),
            "sites_left_out": {
                region: len(self.sites[region]) - len(kept) for region, kept in sites.items()
            },
            "regions": {
                region: {
                    "sites": len(kept),
                    "trials": int(counts[region].max()),
                    "least_trials": int(counts[region].min()),
                    "bins": len(bins or []),
                    "span": [bins[0][0], bins[-1][1]] if bins else None,
                    "overlapping": any(
                        later[0] < earlier[1] - 1e-9
                        for earlier, later in zip(bins or [], (bins or [])[1:], strict=False)
                    ),
                }
                for region, kept in sites.items()
            },
        }


@contextlib.contextmanager
def opened(source: Files) -> Iterator[Recording]:
    """Open an assembly and read the csv of its stimuli; InputError for files that do not fit each other.

    The assembly is read in this process: its checksum says that it is the published file.
    """
    path = source.assembly
    with (
        reading(path, "a whole netCDF file"),
        xr.open_dataset(path, engine="netcdf4", decode_times=False) as dataset,
    ):
        array = choose_variable(dataset, path)
        layout = layout_of(array, path, source.columns)
        table = brainio_stimuli.read_table(source.table, apart=source.columns.apart)
        shown = brainio_stimuli.rows_of(
            table,
            layout.stimulus_ids,
            layout.published_ids,
            source.table,
            part=not source.whole_set,
        )
        sites = _sites_of_regions(layout, source)
        yield Recording(
            source=source, array=array, layout=layout, table=table, shown=shown, sites=sites
        )


def _sites_of_regions(layout: FileLayout, source: Files) -> dict[str, npt.NDArray[np.intp]]:
    """Return the sites of each declared region; sites of others are left out, with a note."""
    n_sites = layout.shape[2]
    if source.region is not None:
        return {source.region: np.arange(n_sites)}
    names = layout.neuroid.get("region")
    if names is None:
        raise wrong(
            f"neuroids of {layout.name} with the coordinates {list(layout.neuroid)}",
            "'region' among them",
        )
    regions = names.astype(str)
    sites = {region: np.flatnonzero(regions == region) for region in source.regions}
    absent = [region for region, found in sites.items() if not len(found)]
    if absent:
        raise wrong(
            f"{layout.name} has sites of {', '.join(np.unique(regions))}, none of {', '.join(absent)}",
            f"sites of {', '.join(source.regions)}",
        )
    others = Counter(regions[~np.isin(regions, list(sites))].tolist())
    if others:
        told = ", ".join(f"{n} of {region}" for region, n in others.items())
        progress.current().note(f"{layout.name}: sites left out, {told}")
    return sites


def files_of(region: str) -> tuple[str, str]:
    """Return the names of the files with the values and with the sites of a region."""
    return f"responses_{region}.npy", f"sites_{region}.npz"


def name_of(key: str) -> str:
    """Return the name of the column that an entry of an .npz file holds."""
    return key.removeprefix(_COLUMN)


def _named(columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {f"{_COLUMN}{key}": plain(column) for key, column in columns.items()}


def _write_stimuli(
    folder: Path,
    pictures: Iterator[npt.NDArray[np.uint8]],
    columns: Mapping[str, npt.NDArray[Any]],
) -> None:
    starts, heights, widths, position = [], [], [], 0
    with (folder / PIXELS).open("wb") as stream:
        for picture in pictures:
            starts.append(position)
            heights.append(picture.shape[0])
            widths.append(picture.shape[1])
            stream.write(np.ascontiguousarray(picture).data)
            position += picture.size
    places = dict(zip(PLACES, map(np.array, (starts, heights, widths)), strict=True))
    np.savez(folder / STIMULI, **places, **_named(columns))  # type: ignore[arg-type]


class _Writer:
    """Rows of an array (repetition, stimulus, neuroid, time) in a file, in any order.

    Not through a memory map, where a full disk would kill the process.
    """

    def __init__(
        self, descriptor: int, offset: int, shape: Sequence[int], dtype: np.dtype[Any]
    ) -> None:
        self._descriptor, self._offset, self._dtype = descriptor, offset, dtype
        self._per_site = shape[3] * dtype.itemsize
        self._per_cell = shape[2] * self._per_site
        self._nan = np.full(shape[2:], np.nan, dtype=dtype)

    def put(self, cell: int, site: int, values: npt.NDArray[Any]) -> None:
        """Write some sites from `site` on of one presentation, (neuroid, time)."""
        content = memoryview(np.ascontiguousarray(values, dtype=self._dtype).tobytes())
        position = self._offset + cell * self._per_cell + site * self._per_site
        while content:
            n_written = os.pwrite(self._descriptor, content, position)
            content, position = content[n_written:], position + n_written

    def fill(self, cells: npt.NDArray[np.intp]) -> None:
        """Write NaN for presentations that did not happen."""
        for cell in cells.tolist():
            self.put(cell, 0, self._nan)


@contextlib.contextmanager
def _writer(path: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> Iterator[_Writer]:
    """Open a .npy file for the rows of an array; every row must be written."""
    with path.open("wb") as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.flush()
        yield _Writer(stream.fileno(), stream.tell(), shape, dtype)
