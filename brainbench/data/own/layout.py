"""How the files of a user are laid out: the options of `brainbench data add`, each declared once."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from brainbench.core.errors import InputError, unknown
from brainbench.core.settings import Option, flag_of, options_of

WINDOW = (70.0, 170.0)
"""The window of responses without a time axis, in ms: it chooses the steps of a model with time."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "stimulus_id": (
        "stimulus_id", "image_id", "stimulus", "image", "image_name", "stimulus_name", "filename",
        "file_name", "file", "path",
    ),
    "neuroid_id": (
        "neuroid_id", "neuron_id", "site_id", "unit_id", "neuroid", "neuron", "site", "unit", "channel",
        "electrode",
    ),
    "repetition": ("repetition", "repeat", "rep", "trial"),
    "value": ("value", "response", "spikes", "rate", "count", "spike_count", "firing_rate"),
    "time_start": ("time_start", "time_bin_start"),
    "time_end": ("time_end", "time_bin_end"),
    "region": ("region",),
    "animal": ("animal", "monkey"),
    "object_name": ("object_name",),
    "group": ("group",),
    "neuroids": (),
    "truth": ("truth",),
    "distractor": ("distractor",),
    "choice": ("choice", "answer", "response"),
    "subject": ("subject", "participant", "observer"),
    "i1": ("i1",),
    "ost": ("ost",),
}  # fmt: skip
"""What a column can be, and the names under which it is found without `--columns KEY=NAME`."""
DIM_NAMES: Mapping[str, tuple[str, ...]] = {
    "stimulus": ("stimulus", "stimuli", "image", "images", "presentation"),
    "neuroid": ("neuroid", "neuroids", "neuron", "neurons", "unit", "units", "site", "sites", "channel"),
    "repetition": ("repetition", "repetitions", "repeat", "repeats", "rep", "trial", "trials"),
    "time": ("time", "time_bin", "bin"),
}  # fmt: skip
"""Names of each axis."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the files of a data set of one's own are laid out, and how the images were shown.

    Raises
    ------
    UnknownNameError
        A dim or a key of `columns` that does not exist.
    InputError
        A value that is not allowed.
    """

    region: Annotated[
        str | None, Option(metavar="NAME", help="Region of all sites: V1, V2, V4, IT.")
    ] = None
    dims: Annotated[
        str | None,
        Option(metavar="DIMS", help="Axes in order: stimulus,neuroid[,repetition][,time]."),
    ] = None
    columns: Annotated[
        Mapping[str, str],
        Option(metavar="KEY=NAME", help="What a column is, as stimulus_id=picture."),
    ] = field(default_factory=dict)
    variable: Annotated[
        str | None, Option(metavar="NAME", help="Array in the file, if there are several.")
    ] = None
    time_start: Annotated[
        float | None,
        Option(metavar="MS", least=-1e6, help="Start of the first time bin, from image onset."),
    ] = None
    time_step: Annotated[
        float | None, Option(metavar="MS", least=1e-3, help="Width of a time bin.")
    ] = None
    time_stop: Annotated[
        float | None,
        Option(metavar="MS", least=-1e6, help="End of the last bin; NWB: spikes are binned to it."),
    ] = None
    groups: Annotated[
        str | None,
        Option(metavar="COLUMN", help="Column of the images that splits keep together."),
    ] = None
    objects: Annotated[
        str | None, Option(metavar="COLUMN", help="Column that says what an image shows.")
    ] = None
    animal: Annotated[
        str | None, Option(metavar="COLUMN", help="Column that says whose a site is.")
    ] = None
    degrees: Annotated[
        float | None,
        Option(metavar="N", least=1e-3, help="Width of the images in degrees of visual angle."),
    ] = None
    units: Annotated[
        str | None, Option(metavar="TEXT", help="Unit of the responses, as spikes/s.")
    ] = None
    window: Annotated[
        str | None,
        Option(metavar="FROM,TO", help="Window of the response in ms; 70,170 where it fits."),
    ] = None
    shown: Annotated[
        float | None,
        Option(metavar="MS", least=1e-3, help="How long an image was shown; else all the time."),
    ] = None

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, option in options_of(type(self)).items():
            if getattr(self, name) is not None:
                option.check(name, getattr(self, name), hints[name])
        for key in self.columns:
            if key not in COLUMNS:
                raise unknown("key of columns", key, list(COLUMNS), todo="give KEY=NAME of these")
        self.dim_names  # noqa: B018  # checked
        self.span  # noqa: B018

    @property
    def dim_names(self) -> tuple[str, ...] | None:
        """The axes in order, by their own names."""
        if self.dims is None:
            return None
        names = tuple(dim_of(name.strip()) for name in self.dims.split(","))
        if len(set(names)) < len(names) or not {"stimulus", "neuroid"} <= set(names):
            raise InputError(
                f"dims {self.dims!r}",
                allowed="stimulus and neuroid, with or without repetition and time, each once",
                todo="give --dims stimulus,neuroid,repetition in the order of the axes",
            )
        return names

    @property
    def span(self) -> tuple[float, float] | None:
        """The window in ms, if it is given."""
        if self.window is None:
            return None
        try:
            start, end = (float(text) for text in self.window.split(","))
        except ValueError:
            start = end = math.nan
        if not -math.inf < start < end < math.inf:
            raise InputError(
                f"window {self.window!r}",
                allowed="FROM,TO in ms, FROM the smaller one",
                todo="give for example --window 70,170",
            )
        return start, end

    def names_of(self, key: str) -> tuple[str, ...]:
        """Return the names under which a column is looked for: the one that is given, or the usual ones."""
        option = {"object_name": self.objects, "group": self.groups, "animal": self.animal}.get(key)
        given = self.columns.get(key) or option
        return (given,) if given else COLUMNS[key]

    def is_named(self, key: str) -> bool:
        """Return whether the user says which column this is, so that it must be there."""
        option = {"object_name": self.objects, "group": self.groups, "animal": self.animal}.get(key)
        return bool(self.columns.get(key) or option)

    def find(self, key: str, there: typing.Iterable[str]) -> str | None:
        """Return the column that is `key` among those that are there; None where none is."""
        known = set(there)
        return next((name for name in self.names_of(key) if name in known), None)

    def need(self, key: str, there: typing.Iterable[str], *, where: str) -> str:
        """Return the column that is `key`; UnknownNameError that lists what is there."""
        known = list(there)
        found = self.find(key, known)
        if found is not None:
            return found
        wanted = self.names_of(key)[0] if self.is_named(key) else key
        raise unknown(
            f"column of {where}:",
            wanted,
            known,
            todo=f"name it with {flag_of('columns')} {key}=NAME; there are: {', '.join(known)}",
        )


def dim_of(name: str) -> str:
    """Return the dim that an axis with this name is; UnknownNameError."""
    lowered = name.lower()
    for dim, names in DIM_NAMES.items():
        if lowered in names:
            return dim
    raise unknown("dim", name, list(DIM_NAMES), todo="give --dims with names of these")
