"""Whether cached activations are what the network responds now: no digest can follow all code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.provenance import counting_time_only
from brainbench.core.user_code import OWN
from brainbench.models.batching import in_batches
from brainbench.models.extraction import Batch, Extraction, batch_bytes
from brainbench.models.network import FunctionNetwork, Network, Precision, TorchNetwork
from brainbench.models.repeat_checks import COMPARED, NOTABLE, largest_difference, rounding_of


def is_held_by_a_test(network: Network, fingerprint: str | None) -> bool:
    """Return whether a network is one of this program with a stated version, whose figures a test holds."""
    if not isinstance(network, TorchNetwork | FunctionNetwork):
        return False
    computes: Any = network.net if isinstance(network, TorchNetwork) else network.function
    while isinstance(computes, partial):
        computes = computes.func
    module = str((computes if hasattr(computes, "__qualname__") else type(computes)).__module__)
    is_stated = network.version is not None or fingerprint is not None
    return is_stated and module.partition(".")[0] in OWN


def change_of(
    extraction: Extraction, cached: Mapping[str, xr.DataArray], *, size: int, precision: Precision
) -> str | None:
    """Show the first images again, at most two, and compare with the cached responses of each layer.

    Batches have at most `size` images. Return which layer differs by how much where that is more than in the
    checks of an extraction (see `repeat_checks`), else None. DamagedEntryError for a cached layer that is
    damaged.
    """
    n = min(COMPARED, len(extraction.stimuli))
    rounding = rounding_of(precision)
    with counting_time_only():
        for start, stop, batch in in_batches(n, size, extraction.show_range, nbytes=batch_bytes):
            layer, found = largest_difference(_rows(cached, batch, start, stop), batch, rounding)
            what = f"layer {layer!r}: the cached responses differ by {found} from those of the network now"
            if found.excess(rounding) > 1:
                return what
            if found.mean > max(NOTABLE, rounding):
                progress.current().note(what)
    return None


def _rows(cached: Mapping[str, xr.DataArray], batch: Batch, start: int, stop: int) -> Batch:
    """Return cached responses to some stimuli, in the form of those of a batch."""
    rows = {layer: cached[layer][start:stop].values for layer in batch}
    return {
        layer: replace(response, steps=list(np.moveaxis(rows[layer], 2, 0)))
        for layer, response in batch.items()
    }
