"""Responses of one layer as one netCDF4 file, written batch by batch, read column chunk by column chunk."""

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
from brainbench.storage.cache import DEFAULT_GB, ENVIRONMENT, LIMIT

CHUNK = (16, 4096, 1)
"""Stimuli, neuroids and steps that lie together on disk.

As many stimuli as a batch holds, so that each chunk is written once; few enough neuroids that a read
of some of them over all stimuli fetches little else.
"""


class LayerFile:
    """One layer's responses while they are written.

    Parameters
    ----------
    path : Path
        A temporary name; the caller renames the file when it is whole.
    layer : str
        Dotted name.
    stimulus_ids : sequence of str
        Rows, in order.
    shape : tuple of int
        Shape of one response of the layer, without batch and time: (channel, y, x), (token, channel), ...
    steps : int
        Number of model steps.
    attrs : mapping
        Further attributes of the values.
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
        check_room(path.parent, self.nbytes)
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
        """Write one batch: for every step an array (batch, neuroid), rows from `start` on.

        Raises
        ------
        ActivationError
            The layer has another size than it had for the first batch.
        """
        _, neuroids, n_steps = self._values.shape
        if len(steps) != n_steps or any(values.shape[1] != neuroids for values in steps):
            raise ActivationError(
                f"layer {self._values.layer!r} gives {[v.shape[1] for v in steps]} units per step from "
                f"stimulus {start} on, and {[neuroids] * n_steps} before",
                allowed="the same units and steps for every stimulus",
                todo="resize all pictures to one size: Preprocess(size=(height, width))",
            )
        with self._disk_errors():
            for index, values in enumerate(steps):
                self._values[start : start + len(values), :, index] = values

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            with self._disk_errors():
                self._file.close()
        else:  # the file is thrown away: that it cannot be finished is no news
            with contextlib.suppress(RuntimeError, OSError):
                self._file.close()

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        # netCDF reports every failed write as a RuntimeError without its cause.
        try:
            yield
        except RuntimeError as error:
            full = shutil.disk_usage(self.path.parent).free < self.nbytes
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def check_room(folder: Path, nbytes: int) -> None:
    """Raise CacheError if a folder has not so many bytes left."""
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise CacheError(
            f"activations of {nbytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB free in {folder}",
            allowed="room for the activations of the layers in use",
            todo=f"free some space, or set {ENVIRONMENT} to a folder on a larger disk",
        )


def open_layer(path: Path) -> xr.DataArray:
    """Responses of one layer, read when they are indexed.

    Parameters
    ----------
    path : Path
        What `LayerFile` wrote.

    Returns
    -------
    DataArray, dims (stimulus, neuroid, time)
        With the coordinates of `neuroid`: neuroid_id (index into the flattened response, C order),
        layer, and the place in the response as far as it has one.

    Raises
    ------
    CacheError
        The file is gone: the cache is smaller than what has just been written.
    """
    try:
        opened = xr.open_dataset(path, engine="netcdf4", cache=False, decode_times=False)
    except FileNotFoundError as error:
        raise CacheError(
            f"activations {path.name} were removed from the cache as soon as they were made",
            allowed=f"a cache that holds the activations of one model; its limit is {DEFAULT_GB:g} GB "
            f"unless {LIMIT} says otherwise",
            todo=f"set {LIMIT} to more gigabytes",
        ) from error
    values = opened["values"]
    shape = tuple(int(size) for size in np.atleast_1d(values.attrs.pop("shape")))
    return values.assign_coords(neuroid_coordinates(str(values.attrs["layer"]), shape))


def neuroid_coordinates(layer: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Coordinates of the units of a layer, flattened in C order.

    Parameters
    ----------
    layer : str
        Dotted name.
    shape : tuple of int
        Of one response: (channel,), (token, channel), (channel, y, x); other lengths count their axes.

    Examples
    --------
    >>> neuroid_coordinates("conv", (2, 1, 3))["x"][1].tolist()
    [0, 1, 2, 0, 1, 2]
    """
    named = {1: ("channel",), 2: ("token", "channel"), 3: ("channel", "y", "x")}
    axes = named.get(len(shape)) or tuple(f"axis{i}" for i in range(len(shape)))
    size = math.prod(shape)
    coordinates: dict[str, Any] = {
        "neuroid_id": ("neuroid", np.arange(size)),
        "layer": ("neuroid", np.full(size, layer)),
    }
    for axis, places in zip(axes, np.indices(shape, dtype=np.int32), strict=True):
        coordinates[axis] = ("neuroid", places.ravel())
    return coordinates
