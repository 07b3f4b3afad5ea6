"""Data sets of one's own, from arrays, tables and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.arguments import check_arguments
from brainbench.core.assembly import Assembly, plain, time_average
from brainbench.core.errors import InputError
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.settings import chosen, takes
from brainbench.core.stimuli import StimulusSet
from brainbench.data.arrays import ArrayData
from brainbench.data.own.axes import Understood, understand
from brainbench.data.own.behavior import Behavior, read_behavior
from brainbench.data.own.formats import read_responses
from brainbench.data.own.images import OwnImages, read_images
from brainbench.data.own.layout import WINDOW, Layout
from brainbench.data.own.raw import RawResponses
from brainbench.data.own.tables import read_csv, read_table

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnData(ArrayData):
    """Images with responses of one's own.

    Parameters
    ----------
    layout : Layout
        What the user said about it: the window and how long an image was shown are used.
    table : DataFrame or None
        Behavior, see `data.own.behavior`.
    notes : tuple of str
        What was decided while it was read.
    kept_version : str
        The version of kept data, which then is not hashed again.
    """

    layout: Layout
    table: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    kept_version: str = ""

    @cached_property
    def version(self) -> str:
        """SHA-256 over images, responses, behavior, and how the images were shown."""
        if self.kept_version:
            return self.kept_version
        table = "" if self.table is None else self.table.to_csv(index=False)
        shown = (self.layout.window, self.layout.shown, self.pictures.degrees)
        columns = {key: plain(v).tolist() for key, v in self.pictures.coordinates().items()}
        return sha256("own data 1", super().version, table, repr(shown), repr(columns))

    @property
    def presentation(self) -> Presentation:
        """How a model is shown the images."""
        if self.layout.shown is None:
            return CONSTANT
        ends = [self.window_of(region)[1] for region in self.regions]
        total = max([self.layout.shown, *ends])
        return Presentation(kind="pulse", on_ms=self.layout.shown, total_ms=total)

    def window_of(self, region: str) -> tuple[float, float]:
        """Return the window of a region: the given one, 70 to 170 ms, or all bins if it does not fit."""
        recording = self.regions.get(region)
        if self.layout.span is not None or recording is None or "time" not in recording.dims:
            return self.layout.span or WINDOW
        start, end = (recording.coords[key].values for key in ("time_start", "time_end"))
        whole = (float(start[0]), float(end[-1]))
        try:
            time_average(first_site(recording), WINDOW)
        except InputError:
            return whole
        return WINDOW


class OwnTrials(OwnData):
    """Data with choices between two objects."""

    def trials(self) -> pd.DataFrame:
        """Return the choices, see `HasTrials`."""
        return _table(self)


class OwnCategoryResponses(OwnData):
    """Data with answers among all objects."""

    def category_responses(self) -> pd.DataFrame:
        """Return the answers, see `HasCategoryResponses`."""
        return _table(self)


class OwnSolutionTimes(OwnData):
    """Data with the solution times of a brain."""

    def solution_times(self) -> pd.DataFrame:
        """Return the times, see `HasSolutionTimes`."""
        return _table(self)


KINDS: Mapping[str | None, type[OwnData]] = {
    None: OwnData,
    "trials": OwnTrials,
    "category_responses": OwnCategoryResponses,
    "solution_times": OwnSolutionTimes,
}
"""The class of data with each kind of table."""


def _table(data: OwnData) -> pd.DataFrame:
    return data.table if data.table is not None else pd.DataFrame()


@takes(Layout)
def from_arrays(
    name: str,
    responses: npt.ArrayLike,
    images: str | Path | StimulusSet,
    *,
    ids: npt.ArrayLike | None = None,
    sites: Mapping[str, npt.ArrayLike] | None = None,
    **layout: Any,
) -> OwnData:
    """Return a data set of responses in memory.

    Parameters
    ----------
    name : str
        Letters, digits and _.
    responses : array
        Axes as `dims` says. Of two axes the one that has the size of the images is theirs.
    images : path or StimulusSet
        A folder, a .zip, or a .csv with a column of file names.
    ids : sequence of str, optional
        The image of each response, its id or the name of its file; an id that occurs several times has as
        many trials. Without ids the n-th response is to the n-th image by name.
    sites : mapping, optional
        Columns with an entry for each site: neuroid_id, animal, region, ...
    **layout
        See `brainbench data add --help`: region="V4", dims="stimulus,neuroid,repetition", ...

    Returns
    -------
    OwnData
        `brainbench.benchmarks_of(data)` are its benchmarks; `brainbench.data.keep(data)` keeps it.

    Raises
    ------
    InputError, UnknownNameError
        What cannot be used, or is ambiguous; the error says what was got and what to give.
    """
    check_arguments(from_arrays, locals(), but=("responses", "ids", "sites", "layout"))
    options = _layout(layout, from_arrays)
    columns = {key: plain(column) for key, column in (sites or {}).items()}
    along = dict.fromkeys(columns, "neuroid")
    if ids is not None:
        name_of_ids = options.columns.get("stimulus_id", "stimulus_id")
        columns[name_of_ids], along[name_of_ids] = plain(ids), "stimulus"
    raw = RawResponses(values=np.asarray(responses), columns=columns, along=along)
    return _data(name, images, options, raw=raw, where="the array")


@takes(Layout)
def from_table(
    name: str, table: str | Path | pd.DataFrame, images: str | Path | StimulusSet, **layout: Any
) -> OwnData:
    """Return a data set of a table: responses, long or wide, or behavior where it has a column of choices.

    `table` is a DataFrame or a CSV; other arguments and errors are as in `from_arrays`.
    """
    check_arguments(from_table, locals(), but=("layout",))
    options = _layout(layout, from_table)
    where = "the table" if isinstance(table, pd.DataFrame) else Path(table).name
    content = table if isinstance(table, pd.DataFrame) else read_csv(Path(table))
    text = content.map(_as_text)
    names = [str(column) for column in text.columns]
    named = options.is_named("choice") or options.is_named("ost")
    long = options.find("neuroid_id", names) is not None
    if named or (not long and {"choice", "answer", "ost"} & set(names)):
        return _data(name, images, options, behavior=text, where=where)
    return _data(name, images, options, raw=read_table(text, options, where=where), where=where)


def _as_text(entry: Any) -> str:
    return "" if entry is None or entry != entry else str(entry)  # NaN is not itself


@takes(Layout)
def from_nwb(
    name: str, path: str | Path, images: str | Path | StimulusSet, **layout: Any
) -> OwnData:
    """Return a data set of a Neurodata Without Borders file; arguments and errors as in `from_arrays`."""
    check_arguments(from_nwb, locals(), but=("layout",))
    return from_files(name, Path(path), images, layout=_layout(layout, from_nwb))


def from_files(
    name: str,
    responses: Path | None,
    images: str | Path | StimulusSet,
    *,
    trials: Path | None = None,
    layout: Layout,
) -> OwnData:
    """Return a data set of a file of responses, a CSV of behavior, or both; errors as in `from_arrays`."""
    raw = None if responses is None else read_responses(responses, layout)
    behavior = None if trials is None else read_csv(trials)
    if raw is None and behavior is None:
        raise InputError(
            f"data set {name!r} without responses and without trials",
            allowed="a file of responses, a CSV of behavior, or both",
            todo="give --responses FILE or --trials FILE.csv",
        )
    where = " and ".join(path.name for path in (responses, trials) if path is not None)
    return _data(name, images, layout, raw=raw, behavior=behavior, where=where)


def _layout(given: Mapping[str, Any], function: Any) -> Layout:
    layout: Layout
    (layout,) = chosen(given, (Layout,), function)
    return layout


def _data(
    name: str,
    images: str | Path | StimulusSet,
    layout: Layout,
    *,
    raw: RawResponses | None = None,
    behavior: pd.DataFrame | None = None,
    where: str,
) -> OwnData:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise InputError(
            f"a data set called {name!r}",
            allowed="a letter, then letters, digits and _: benchmarks are called NAME.REGION-MEASURE",
            todo="choose another name",
        )
    source = images if isinstance(images, StimulusSet) else Path(images)
    given = read_images(source, layout, name=name)
    understood = Understood(stimuli=given.stimuli, regions={}, notes=given.notes)
    if raw is not None:
        understood = understand(raw, given, layout, where=where)
    found = None
    if behavior is not None:
        shown = OwnImages(stimuli=understood.stimuli, ordered=True)
        found = read_behavior(behavior, shown, layout, where=where)
        _check_labeled(understood, found, where)
    data = KINDS[found.kind if found else None](
        name=name,
        pictures=found.stimuli if found else understood.stimuli,
        regions=understood.regions,
        layout=layout,
        table=found.table if found else None,
        notes=understood.notes,
    )
    _check_roles(data)
    return data


def _check_labeled(understood: Understood, found: Behavior, where: str) -> None:
    """Raise InputError where images with responses have no trials that say what they show."""
    without = len(understood.stimuli) - len(found.stimuli)
    if without and understood.regions:
        raise InputError(
            f"{without} images have responses, and {where} does not say what they show",
            allowed="what each image shows",
            todo="give a CSV as --images with a column object_name",
        )


def _check_roles(data: OwnData) -> None:
    """Raise InputError for a column or a window that is named and not there."""
    columns = [str(column) for column in data.pictures.metadata.columns]
    for key in ("object_name", "group"):
        if data.layout.is_named(key) and key not in columns:
            data.layout.need(key, columns, where="the images")
    for region, recording in data.regions.items():
        if "time" in recording.dims and data.layout.span is not None:
            time_average(first_site(recording), data.window_of(region))


def first_site(recording: Assembly) -> Assembly:
    """Return the responses of the first site to the first image."""
    return recording.isel(neuroid=slice(1), stimulus=slice(1))
