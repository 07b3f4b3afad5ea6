"""Files of activations: one array file per layer, written in batches and read in column chunks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from brainbench.core.errors import ActivationError, DamagedEntryError
from brainbench.storage.array_file import ArrayReader, ArrayWriter
from brainbench.storage.cache import discard, gone


class LayerFile:
    """A new file that the responses of one layer are written to; FileExistsError if the path exists.

    `path` is a temporary name; the caller renames the finished file, which is the entry `key` of the cache.
    `shape` is that of one response without batch and time: (channel, y, x), (token, channel), ... `attrs` are
    further attributes of the values. A file that does not get a row for each stimulus is a CacheError when
    it is closed, and is not valid.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: str,
        layer: str,
        stimulus_ids: Sequence[str],
        shape: tuple[int, ...],
        steps: int,
        attrs: Mapping[str, str],
    ) -> None:
        self.path, self.layer = path, layer
        about = {
            "layer": layer,
            "shape": list(shape or (1,)),
            "stimulus_ids": list(stimulus_ids),
            "attrs": {"units": "a.u.", "layer": layer, **attrs},
        }
        sizes = len(stimulus_ids), math.prod(shape), steps
        self._writer = ArrayWriter(path, key=key, shape=sizes, about=about)

    def __enter__(self) -> LayerFile:
        self._writer.__enter__()
        return self

    def write(self, start: int, steps: Sequence[npt.NDArray[np.float32]]) -> None:
        """Write one batch: an array (batch, neuroid) for each step, at the rows from `start` on.

        ActivationError if the layer has another size than in the first batch, or the rows do not follow those
        before.
        """
        _, neuroids, n_steps = self._writer.shape
        if len(steps) != n_steps or any(values.shape[1] != neuroids for values in steps):
            raise ActivationError(
                f"layer {self.layer!r} gives {[v.shape[1] for v in steps]} units per step from "
                f"stimulus {start} on, and {[neuroids] * n_steps} before",
                allowed="the same units and steps for every stimulus",
                todo="resize all images to one size: Preprocess(size=(height, width))",
            )
        if start != self._writer.rows or len({len(values) for values in steps}) != 1:
            raise ActivationError(
                f"layer {self.layer!r} gives {[len(v) for v in steps]} rows per step from stimulus {start} "
                f"on, after {self._writer.rows}",
                allowed="batches that follow each other",
                todo="report this: it is an error of the program",
            )
        self._writer.write(steps)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


class _LazyValues(BackendArray):
    """The values of a file, as xarray reads them lazily: by rows, columns and steps."""

    def __init__(self, reader: ArrayReader) -> None:
        self.reader = reader
        self.shape = reader.shape
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[np.float32]:
        try:
            return self.reader.read(*key)
        except DamagedEntryError as error:
            if self.reader.is_at(self.reader.path):  # not one that was made anew meanwhile
                discard(error)
            raise


def open_layer(path: Path) -> xr.DataArray:
    """Open a file of `LayerFile`, dims (stimulus, neuroid, time); values are read when they are indexed.

    Coordinates of `neuroid`: neuroid_id (index into the flattened response, C order), layer, and the position
    in the response. CacheError if the file was removed: the cache is smaller than the activations of one
    model. DamagedEntryError if it is not whole, now or when the damaged part is read: the file is then
    removed, and what reads it has to ask for the activations again (`storage.cache.healed`).
    """
    try:
        reader = ArrayReader(path, key=path.stem)
    except FileNotFoundError as error:
        raise gone(f"activations {path.name}") from error
    except DamagedEntryError as error:
        discard(error)
        raise
    about = reader.about
    values = xr.Variable(
        ("stimulus", "neuroid", "time"),
        indexing.LazilyIndexedArray(_LazyValues(reader)),
        attrs=about["attrs"],
    )
    coordinates = {
        "stimulus_id": ("stimulus", np.array(about["stimulus_ids"])),
        **neuroid_coordinates(about["layer"], tuple(about["shape"])),
    }
    return xr.DataArray(values, coords=coordinates, name="values")


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
