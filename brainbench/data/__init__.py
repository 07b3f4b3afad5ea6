"""Data sets: manifests, checked downloads, importers of published files, and recordings of one's own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brainbench.data.own.dataset import from_arrays, from_nwb, from_table
    from brainbench.data.own.kept import keep

_HOME = {
    "from_arrays": "own.dataset",
    "from_nwb": "own.dataset",
    "from_table": "own.dataset",
    "keep": "own.kept",
}

__all__ = ["from_arrays", "from_nwb", "from_table", "keep"]


def __getattr__(name: str) -> Any:
    # Names are imported when they are used: names of data sets are listed without xarray.
    if name in _HOME:
        return getattr(importlib.import_module(f"brainbench.data.{_HOME[name]}"), name)
    raise AttributeError(f"module 'brainbench.data' has no attribute {name!r}")
