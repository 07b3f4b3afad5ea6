"""Responses as a file holds them, before it is known what its axes are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench.core.assembly import plain
from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray

RESPONSES = ("responses", "response", "values", "data", "spikes", "rates", "counts")
"""Names by which the responses are found among several arrays."""
_COLUMN = "column "


@dataclass(frozen=True, kw_only=True, eq=False)
class RawResponses:
    """An array, and what the file says about it.

    Parameters
    ----------
    values : array
        As it lies in the file.
    dims : tuple of str or None
        The axes, where the file names them.
    columns : mapping
        One-dimensional arrays by name.
    along : mapping
        The axis of a column, where the file says so.
    bins : list or None
        (start, end) of each time bin in ms.
    units : str
    levels : tuple of str
        Columns of the stimuli by which Brain-Score sorts them, see `data.importers.brainio.read`.
    notes : tuple of str
        What the reader left out or decided, for the user.
    """

    values: AnyArray
    dims: tuple[str, ...] | None = None
    columns: Mapping[str, AnyArray] = field(default_factory=dict)
    along: Mapping[str, str] = field(default_factory=dict)
    bins: list[tuple[float, float]] | None = None
    units: str = ""
    levels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write all of it as arrays without objects."""
        about = {
            "dims": self.dims,
            "along": dict(self.along),
            "bins": self.bins,
            "units": self.units,
            "levels": self.levels,
            "notes": self.notes,
        }
        columns = {f"{_COLUMN}{name}": plain(column) for name, column in self.columns.items()}
        with path.open("wb") as stream:
            np.savez(stream, about=json.dumps(about), values=self.values, **columns)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> RawResponses:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            names = [name for name in stored.files if name.startswith(_COLUMN)]
            return cls(
                values=stored["values"],
                dims=tuple(about["dims"]) if about["dims"] else None,
                columns={name.removeprefix(_COLUMN): stored[name] for name in names},
                along=about["along"],
                bins=None if about["bins"] is None else [(a, b) for a, b in about["bins"]],
                units=about["units"],
                levels=tuple(about["levels"]),
                notes=tuple(about["notes"]),
            )


def choose(
    arrays: Mapping[str, tuple[tuple[int, ...], str]], wanted: str | None, *, where: str
) -> str:
    """Return the name of the responses among arrays, given the shape and the type of each.

    The one that is wanted, the only one with two axes or more, or the only one of these with a usual name.
    InputError where none is meant, or one that does not hold numbers.
    """
    shown = ", ".join(f"{name} {kind} {shape}" for name, (shape, kind) in arrays.items()) or "none"
    if wanted is not None:
        candidates = [wanted] if wanted in arrays else []
    else:
        candidates = [
            name
            for name, (shape, kind) in arrays.items()
            if len(shape) > 1 and max(shape) < np.prod(shape) and _is_number(kind)
        ]
        usual = [name for name in candidates if name.lower() in RESPONSES]
        candidates = usual if len(usual) == 1 else candidates
    if len(candidates) != 1:
        raise InputError(
            f"{where} with the arrays {shown}",
            allowed="one array of responses with two axes or more, or the name of one of them",
            todo="name it with --variable NAME",
        )
    kind = arrays[candidates[0]][1]
    if not _is_number(kind):
        raise InputError(
            f"{candidates[0]} of {where} is {kind}",
            allowed="an array of real numbers; structs, cells, objects and pickles are refused",
            todo="save the array of numbers itself, under a name of its own",
        )
    return candidates[0]


def _is_number(kind: str) -> bool:
    try:
        return np.dtype(kind).kind in "fiub"
    except TypeError:
        return False
