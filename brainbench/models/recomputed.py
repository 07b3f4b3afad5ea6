"""Layers whose responses have no room in the cache: computed again where they are read, nothing kept.

Units are computed in blocks, each by one pass of all stimuli through the network, up to the layer alone where
that is known to suffice. The last block of all layers is held, so that reading the units in order takes as
many passes as the layer has blocks.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from brainbench.models.activation_files import neuroid_coordinates
from brainbench.models.response_checks import CheckedResponse

BLOCK_BYTES = 2e9
"""Size of the block of units that is held in memory: one at a time in a process."""

_one_at_a_time = threading.RLock()
_held: weakref.WeakKeyDictionary[RecomputedValues, _Block] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Layout:
    """What is known of a layer from its first batch."""

    shape: tuple[int, ...]  # of the response to one stimulus
    n_steps: int
    batch_size: int  # of another one the last digits of responses may differ

    @classmethod
    def of(cls, response: CheckedResponse) -> Layout:
        """Return the layout of the response to a batch."""
        return cls(response.shape, len(response.steps), len(response.steps[0]))

    @property
    def n_features(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    def block_width(self, n_stimuli: int) -> int:
        """Return how many units a block has: at least one."""
        return max(1, int(BLOCK_BYTES / (4 * n_stimuli * self.n_steps)))

    def n_passes(self, n_stimuli: int) -> int:
        """Return the number of blocks: passes that reading all units in order takes."""
        return -(-self.n_features // self.block_width(n_stimuli))


Passes: TypeAlias = Callable[[], Iterator[tuple[int, int, CheckedResponse]]]
"""Shows all stimuli to a network: (start, stop, response of one layer) of each batch."""


@dataclass(frozen=True)
class _Block:
    number: int
    values: npt.NDArray[np.float32]  # stimulus x column of the block x step


class RecomputedValues(BackendArray):
    """The values of a layer, stimulus x neuroid x step, as xarray reads them lazily.

    Parameters
    ----------
    show : Passes
        Yields (start, stop, response) for batches of stimuli, anew at each call.
    n_stimuli : int
    layout : Layout
    """

    def __init__(self, show: Passes, n_stimuli: int, layout: Layout) -> None:
        self.show = show
        self.shape = (n_stimuli, layout.n_features, layout.n_steps)
        self.dtype = np.dtype(np.float32)
        self.width = layout.block_width(n_stimuli)

    def __deepcopy__(self, memo: Any) -> RecomputedValues:
        return self  # what it reads never changes

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[np.float32]:
        """Return values by orthogonal indexing, an axis for each index that is no integer."""
        numbers = [np.atleast_1d(np.arange(n)[i]) for n, i in zip(self.shape, key, strict=True)]
        rows, columns, steps = numbers
        values = np.empty([len(axis) for axis in numbers], dtype=np.float32)
        with _one_at_a_time:
            for number in np.unique(columns // self.width).tolist():
                places = np.flatnonzero(columns // self.width == number)
                within = columns[places] - number * self.width
                values[:, places] = self._block(number)[np.ix_(rows, within, steps)]
        kept = (slice(None) if isinstance(i, slice) or np.ndim(i) else 0 for i in key)
        whole: npt.NDArray[np.float32] = values[tuple(kept)]
        return whole

    def _block(self, number: int) -> npt.NDArray[np.float32]:
        held = _held.get(self)
        if held is None or held.number != number:
            _held.clear()  # freed before the next one is made, also that of another layer
            held = _held[self] = _Block(number, self._computed(number))
        return held.values

    def _computed(self, number: int) -> npt.NDArray[np.float32]:
        first = number * self.width
        columns = slice(first, min(first + self.width, self.shape[1]))
        values = np.empty((self.shape[0], columns.stop - first, self.shape[2]), dtype=np.float32)
        for start, stop, response in self.show():
            for k, step in enumerate(response.steps):
                values[start:stop, :, k] = step[:, columns]
        return values


def recomputed_layer(
    values: RecomputedValues,
    layer: str,
    layout: Layout,
    *,
    stimulus_ids: npt.ArrayLike,
    attrs: Mapping[str, str],
) -> xr.DataArray:
    """Return a layer as `activation_files.open_layer` does, with values that are computed when indexed."""
    lazy = xr.Variable(("stimulus", "neuroid", "time"), indexing.LazilyIndexedArray(values))
    coordinates = {
        "stimulus_id": ("stimulus", np.asarray(stimulus_ids)),
        **neuroid_coordinates(layer, layout.shape),
    }
    about = {"units": "a.u.", "layer": layer, **attrs}
    return xr.DataArray(lazy, coords=coordinates, name="values", attrs=about)
