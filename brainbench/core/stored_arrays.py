"""Arrays of a stored score as JSON values and back, NaN as None."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import BaseModel, ConfigDict, TypeAdapter

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_DRAWS = TypeAdapter(list[float | None], config=STRICT)
_JOINT = TypeAdapter(dict[str, list[float | None]], config=STRICT)


class _StoredArray(BaseModel):
    """A one-dimensional array with coordinates, as `array_to_json` writes it."""

    model_config = ConfigDict(**STRICT, extra="forbid")

    dim: str = "neuroid"
    values: list[float | bool | None]
    coords: dict[str, list[Any]]
    attrs: dict[str, Any]


def array_to_json(array: xr.DataArray) -> dict[str, Any]:
    """Return values, coordinates and attributes of a one-dimensional array."""
    along = {str(k): v.values for k, v in array.coords.items() if v.dims == array.dims}
    return {
        "dim": str(array.dims[0]),
        "values": array.values,
        "coords": along,
        "attrs": array.attrs,
    }


def array_from_json(stored: dict[str, Any]) -> xr.DataArray:
    """Rebuild an array from `array_to_json`; pydantic's ValidationError for anything else."""
    array = _StoredArray.model_validate(stored)
    coords = {k: _variable(array.dim, v) for k, v in array.coords.items()}
    values = _variable(array.dim, array.values)
    return xr.DataArray(values, dims=(array.dim,), coords=coords, attrs=array.attrs)


def draws_from_json(stored: Any) -> npt.NDArray[Any]:
    """Rebuild draws; pydantic's ValidationError for anything but numbers and None."""
    return _column(_DRAWS.validate_python(stored))


def joint_draws_from_json(stored: Any) -> dict[str, npt.NDArray[Any]]:
    """Rebuild draws by what was drawn, as `draws_from_json`."""
    return {kind: _column(drawn) for kind, drawn in _JOINT.validate_python(stored).items()}


def _variable(dim: str, stored: list[Any]) -> xr.Variable:
    """Return a variable, without xarray's search for other kinds of arrays, for which it imports dask."""
    return xr.Variable((dim,), _column(stored), fastpath=True)


def _column(stored: list[Any]) -> npt.NDArray[Any]:
    return np.array([math.nan if v is None else v for v in stored])
