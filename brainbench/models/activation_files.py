"""Files of activations: one netCDF4 file per layer, written in batches and read in column chunks."""

from __future__ import annotations

import contextlib
import errno
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.errors import ActivationError, CacheError
from brainbench.storage import files
from brainbench.storage.cache import CHOOSE, DEFAULT_GB, LIMIT

CHUNK = (16, 4096, 1)
"""Stimuli (as in a batch, so that a chunk is written once), neuroids and steps of one chunk on disk."""


class LayerFile:
    """A file that the responses of one layer are written to; CacheError if the disk has too little space.

    `path` is a temporary name; the caller renames the finished file. `shape` is that of one response without
    batch and time: (channel, y, x), (token, channel), ... `attrs` are further attributes of the values.
    """

    def __init__(
        self,
        path: Path,
        *,
        layer: str,
        stimulus_ids: Sequence[str],
        shape: tuple[int, ...],
        steps: int,
        attrs: Mapping[str, str],
    ) -> None:
        sizes = {"stimulus": len(stimulus_ids), "neuroid": math.prod(shape), "time": steps}
        self.path = path
        self.nbytes = math.prod(sizes.values()) * 4
        files.check_room(path.parent, self.nbytes, what="activations", choose=CHOOSE)
        self._file = netCDF4.Dataset(path, "w", format="NETCDF4")
        for dim, size in sizes.items():
            self._file.createDimension(dim, size)
        ids = self._file.createVariable("stimulus_id", str, ("stimulus",))
        ids[:] = np.array(stimulus_ids, dtype=object)
        chunks = tuple(map(min, CHUNK, sizes.values()))
        self._values = self._file.createVariable(
            "values", "f4", tuple(sizes), chunksizes=chunks, fill_value=False
        )
        self._values.setncatts(
            {"units": "a.u.", "layer": layer, "coordinates": "stimulus_id", **attrs}
        )
        self._values.setncattr("shape", np.array(shape or (1,), dtype=np.int64))

    def __enter__(self) -> LayerFile:
        return self

    def write(self, start: int, steps: Sequence[npt.NDArray[np.float32]]) -> None:
        """Write one batch: an array (batch, neuroid) for each step, at the rows from `start` on.

        ActivationError if the layer has another size than in the first batch.
        """
        _, neuroids, n_steps = self._values.shape
        if len(steps) != n_steps or any(values.shape[1] != neuroids for values in steps):
            raise ActivationError(
                f"layer {self._values.layer!r} gives {[v.shape[1] for v in steps]} units per step from "
                f"stimulus {start} on, and {[neuroids] * n_steps} before",
                allowed="the same units and steps for every stimulus",
                todo="resize all images to one size: Preprocess(size=(height, width))",
            )
        with netcdf_errors(self.path.parent, self.nbytes):
            for index, values in enumerate(steps):
                self._values[start : start + len(values), :, index] = values

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            with netcdf_errors(self.path.parent, self.nbytes):
                self._file.close()
        else:  # the file is discarded: an error of closing it says nothing new
            with contextlib.suppress(RuntimeError, OSError):
                self._file.close()


@contextlib.contextmanager
def netcdf_errors(folder: Path, nbytes: int) -> Iterator[None]:
    """Raise the RuntimeErrors by which netCDF reports a failed write as OSErrors.

    They do not say why: the disk counts as full if fewer than `nbytes` bytes are free in the folder.
    """
    try:
        yield
    except RuntimeError as error:
        is_full = shutil.disk_usage(folder).free < nbytes
        raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error)) from error


def open_layer(path: Path) -> xr.DataArray:
    """Open a file of `LayerFile`, dims (stimulus, neuroid, time); values are read when they are indexed.

    Coordinates of `neuroid`: neuroid_id (index into the flattened response, C order), layer, and the position
    in the response. CacheError if the file was removed: the cache is smaller than the activations of one
    model.
    """
    try:
        opened = xr.open_dataset(path, engine="netcdf4", cache=False, decode_times=False)
    except FileNotFoundError as error:
        raise CacheError(
            f"activations {path.name} were removed from the cache as soon as they were written",
            allowed=f"a cache that holds the activations of one model; its limit is {DEFAULT_GB:g} GB "
            f"unless {LIMIT} says otherwise",
            todo=f"set {LIMIT} to more gigabytes",
        ) from error
    values = opened["values"]
    shape = tuple(int(size) for size in np.atleast_1d(values.attrs.pop("shape")))
    return values.assign_coords(neuroid_coordinates(str(values.attrs["layer"]), shape))


def neuroid_coordinates(layer: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the coordinates of the units of a layer, flattened in C order.

    `shape` is that of one response: (channel,), (token, channel), (channel, y, x); axes of other shapes
    are numbered.
    """
    named = {1: ("channel",), 2: ("token", "channel"), 3: ("channel", "y", "x")}
    axes = named.get(len(shape)) or tuple(f"axis{i}" for i in range(len(shape)))
    size = math.prod(shape)
    coordinates: dict[str, Any] = {
        "neuroid_id": ("neuroid", np.arange(size)),
        "layer": ("neuroid", np.full(size, layer)),
    }
    for axis, positions in zip(axes, np.indices(shape, dtype=np.int32), strict=True):
        coordinates[axis] = ("neuroid", positions.ravel())
    return coordinates
