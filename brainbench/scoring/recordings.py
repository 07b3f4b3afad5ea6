"""The brain's side of a comparison: trials and time-averaged responses, rows in the order of the stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from brainbench.core.assembly import Assembly, align, average, time_average, validate
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError
from brainbench.core.stimuli import OBJECT, StimulusSet
from brainbench.core.timeline import Span
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.features import check_magnitude
from brainbench.scoring.context import DataContext, RunContext, Session
from brainbench.scoring.measure import ImageSet, Material
from brainbench.stats.splits import Split

IMAGES_PER_OBJECT = 10
"""Images of each object that ten stratified splits need."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recordings:
    """Responses of a region in one window of time, rows sorted by stimulus_id."""

    stimuli: StimulusSet
    values: FloatArray  # stimulus x neuroid, mean over repetitions of the time-averaged response
    # Repetition x stimulus x neuroid; None where only the mean was published.
    trials: FloatArray | None
    strata: AnyArray | None  # see `strata_of`
    neuroids: xr.DataArray  # one entry per neuroid, with its coordinates
    partial: bool  # a limit left some stimuli out
    session: str = ""  # its name; empty for data without sessions
    order: IntArray | None = (
        None  # rows as Brain-Score orders them, see `level_order`; None: as they are
    )
    groups: AnyArray | None = None  # of each stimulus, which draws and nulls take whole
    split_groups: AnyArray | None = None  # which splits keep on one side

    @property
    def neuroid_ids(self) -> npt.NDArray[np.str_]:
        return np.asarray(self.neuroids.coords["neuroid_id"].values.astype(str))

    @property
    def repeated_trials(self) -> FloatArray | None:
        """Trials, where there are two or more of them."""
        return self.trials if self.trials is not None and len(self.trials) > 1 else None

    @property
    def objects(self) -> AnyArray | None:
        """Object shown in each stimulus, also where there are too few images to stratify by; None without."""
        return objects_of(self.stimuli)


def material_of(
    sessions: Sequence[Recordings], targets: Sequence[FloatArray] | None = None
) -> Material:
    """Return what an evaluation of recordings speaks of; the targets are the mean responses by default."""
    return Material(
        stimulus_sets=[session.stimuli for session in sessions],
        image_sets=[
            ImageSet(
                ids=session.stimuli.ids,
                objects=session.objects,
                groups=session.groups,
                name=session.session,
            )
            for session in sessions
        ],
        partial=any(session.partial for session in sessions),
        targets=[session.values for session in sessions] if targets is None else targets,
    )


def windowed_recordings(context: DataContext, session: Session) -> Recordings:
    """Return time-averaged responses of the benchmark's region in one session.

    InputError for recordings of other stimuli, a window outside the recording, or a response that no
    repetition recorded.
    """
    data = session.data
    stimuli = context.stimuli(data)
    windowed = time_average(recordings_of(context, data), context.benchmark.window)
    repeated = "repetition" in windowed.dims
    values = np.asarray(average(windowed).values, dtype=np.float64)
    check_sizes(values, windowed)
    partial = context.is_partial(data)
    return Recordings(
        stimuli=stimuli,
        values=values,
        trials=np.asarray(windowed.values, dtype=np.float64) if repeated else None,
        strata=strata_of(stimuli, partial=partial),
        neuroids=per_neuroid(windowed),
        partial=partial,
        session=session.name,
        order=level_order(windowed),
        groups=context.groups(data),
        split_groups=context.split_groups(data),
    )


def check_sizes(values: FloatArray, recorded: Assembly) -> None:
    """Raise InputError that names the first site whose responses are beyond float32, see `check_magnitude`.

    `values` is stimulus x neuroid, and x time where there are time bins.
    """
    by_site = np.abs(values).max(axis=(0, *range(2, values.ndim)))
    for site, largest in zip(recorded.coords["neuroid_id"].values, by_site, strict=True):
        check_magnitude(float(largest), what=f"responses of site {str(site)!r}")


def level_order(recorded: Assembly) -> IntArray | None:
    """Return the rows of stimuli in the order in which Brain-Score draws splits; None for that of the ids.

    It sorts by all coordinates of a presentation, in the order of the file, which
    `data.importers.brainio.read` keeps as the attribute `levels`: those before the id. InputError for a
    level that is no coordinate of the stimuli.
    """
    levels = np.atleast_1d(recorded.attrs.get("levels", [])).tolist()
    if not levels:
        return None
    absent = [name for name in levels if name not in recorded.coords]
    if absent:
        raise InputError(
            f"recordings with the levels {levels}, of which {absent} are not among their coordinates",
            allowed="coordinates of the stimuli, by which Brain-Score sorts them",
            todo="keep these coordinates, or remove attrs['levels']",
        )
    columns = [recorded.coords[name].values for name in (*levels, "stimulus_id")]
    ranks = [np.unique(column, return_inverse=True)[1] for column in columns]
    return np.lexsort(ranks[::-1])


def recordings_of(context: DataContext, data: Dataset) -> Assembly:
    """Return the recordings of the benchmark's region in one session, aligned with its stimuli.

    InputError for recordings of other stimuli, or without neuroids.
    """
    stimuli = context.stimuli(data)
    name = f"{data.name} {context.benchmark.region}"
    responses = validate(data.recordings(context.benchmark.region), name=name)
    if "neuroid" not in responses.dims:
        raise InputError(
            f"recordings of {name} have the dims {responses.dims}",
            allowed="neuroid among them",
            todo="give each site a neuroid_id",
        )
    if context.is_partial(data):
        kept = np.isin(responses.coords["stimulus_id"].values.astype(str), np.asarray(stimuli.ids))
        responses = responses.isel(stimulus=np.flatnonzero(kept))
    return align(responses, stimuli.ids, name=f"recordings of {name}")


def objects_of(stimuli: StimulusSet) -> AnyArray | None:
    """Return the object shown in each stimulus; None where the stimuli have none."""
    return stimuli.labels(OBJECT) if OBJECT in stimuli.metadata.columns else None


def strata_of(stimuli: StimulusSet, *, partial: bool) -> AnyArray | None:
    """Return the objects to stratify by; None without, or where a limit left too few images of one.

    Objects of which each is shown once, such as numbers of the images, are none to stratify by either.
    """
    objects = objects_of(stimuli)
    if objects is None:
        return None
    _, counts = np.unique(objects, return_counts=True)
    too_few = counts.max() == 1 or (partial and counts.min() < IMAGES_PER_OBJECT)
    return None if too_few else objects


def names_of_sites(recordings: Recordings, sites: BoolArray) -> dict[str, AnyArray]:
    """Return the animal and the session of some sites, each where the recordings name it."""
    coords, n_sites = recordings.neuroids.coords, int(sites.sum())
    names = {
        kind: coords[kind].values[sites].astype(str)
        for kind in ("animal", "session")
        if kind in coords
    }
    return names | (
        {"session": np.repeat(recordings.session, n_sites)} if recordings.session else {}
    )


def per_neuroid(assembly: Assembly) -> xr.DataArray:
    """Return an array of zeros with one entry per neuroid and the coordinates of the neuroids."""
    coords = {
        str(key): ("neuroid", value.values)
        for key, value in assembly.coords.items()
        if value.dims == ("neuroid",)
    }
    return xr.DataArray(np.zeros(assembly.sizes["neuroid"]), dims=("neuroid",), coords=coords)


def check_varies(varying: BoolArray, label: str) -> None:
    """Raise InputError where no site varies with the image."""
    if not varying.any():
        raise InputError(
            f"all {len(varying)} sites of {label} respond the same to every image",
            allowed="sites whose response varies with the image",
            todo="check the time window and the recordings",
        )


def reliable_sites(
    reliability: FloatArray, floor: float, *, label: str, unknown: str = ""
) -> BoolArray:
    """Return which sites reach a floor of reliability; InputError where none does.

    A site without a reliability, NaN, does not reach any floor; `unknown` says why there is none, and `label`
    names the sites, for the error.
    """
    reliable = reliability >= floor
    if not reliable.any():
        n_unknown = int(np.isnan(reliability).sum())
        best = np.nanmax(reliability, initial=-np.inf)
        none = f", {n_unknown} have no reliability" if n_unknown else ""
        why = f" ({unknown})" if none and unknown else ""
        most = f"; the most reliable has {best:.3f}" if np.isfinite(best) else ""
        raise InputError(
            f"a floor of {floor}: none of {len(reliability)} sites of {label} is that reliable"
            f"{none}{why}{most}",
            allowed="a floor that some site with repeated trials reaches",
            todo="give a lower --floor, or omit it",
        )
    return np.asarray(reliable, dtype=np.bool_)


def held_out_dataset(
    predicted: Sequence[FloatArray],
    target: Sequence[FloatArray],
    *,
    folds: Sequence[Split],
    ids: Sequence[str],
    neuroid_id: AnyArray,
    groups: AnyArray | None = None,
    bins: Sequence[Span] = (),
) -> xr.Dataset:
    """Return held-out predictions and responses of all folds, dims (sample, neuroid), and time with bins.

    `groups` of the images become the coordinate `group`.
    """
    tests = [fold.test for fold in folds]
    dims = ("sample", "neuroid", "time")[: predicted[0].ndim]
    coords: dict[str, tuple[str, Any]] = {
        "fold": ("sample", np.repeat(np.arange(len(tests)), [len(test) for test in tests])),
        "stimulus_id": ("sample", np.asarray(ids)[np.concatenate(tests)]),
        "neuroid_id": ("neuroid", neuroid_id),
    }
    if groups is not None:
        coords["group"] = ("sample", groups[np.concatenate(tests)])
    if bins:
        start, end = np.array(bins).T
        coords |= {"time_start": ("time", start), "time_end": ("time", end)}
    figures = {"predicted": predicted, "target": target}
    return xr.Dataset(
        {key: (dims, np.concatenate(values)) for key, values in figures.items()}, coords=coords
    )


def image_table(
    values: FloatArray,
    ids: Sequence[str] | AnyArray,
    objects: AnyArray,
    *,
    units: str,
    **columns: AnyArray,
) -> xr.DataArray:
    """Return a figure of each image, with what it shows and further columns beside it."""
    coords = {"stimulus_id": np.asarray(ids), "object_name": objects, **columns}
    return xr.DataArray(
        values,
        dims=("stimulus",),
        coords={key: ("stimulus", column) for key, column in coords.items()},
        attrs={"units": units},
    )


# --- tables of subjects' choices or a brain's solution times -----------------------------------------


def without_table(context: RunContext, method: str, columns: Sequence[str]) -> InputError:
    """Return the error of data without the method that gives such a table."""
    return InputError(
        f"data set {context.data.name!r} for {context.benchmark.identifier} has no {method}()",
        allowed=f"data with a method {method}(): {', '.join(columns)}",
        todo="choose a benchmark of another measure for it, or add the method",
    )


def check_columns(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise InputError where a table lacks a column."""
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise InputError(
            f"{what} without the columns {', '.join(absent)}",
            allowed=", ".join(map(repr, columns)),
            todo="rename the columns",
        )
