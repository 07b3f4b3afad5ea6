"""Films among the stimuli, and how much pixels and a brain bend each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from brainbench.core.dataset import HasCurvatureEstimates
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.curvature.curvature import (
    Estimate,
    cross_validated_curvature,
    curvature,
    naive_curvature,
)
from brainbench.metrics.near_copies import joined
from brainbench.scoring.context import RunContext
from brainbench.scoring.measure import ImageSet, Material
from brainbench.scoring.recordings import recordings_of
from brainbench.scoring.sample_size import least_limit

LEAST_FILMS = 4
"""Films with a curvature of the brain: a correlation over fewer says nothing."""


@dataclass(frozen=True, kw_only=True)
class FilmColumns:
    """Columns of the stimuli that say which images are a film, and in which order.

    Films of a group share frames or are near copies, and are drawn together.
    """

    film: tuple[str, ...]
    frame: str
    group: str
    kind: str
    compared: str  # the kind whose films are compared; the others are shown beside it

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.film, self.frame, self.group, self.kind)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Films:
    """Films of one kind: the rows of their frames among the stimuli, in order."""

    kind: str
    names: tuple[str, ...]
    rows: Sequence[IntArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class CurvatureTarget:
    """Films, and the curvature of their pixels and of a brain."""

    stimuli: StimulusSet
    partial: bool
    films: Films  # that are compared
    others: Sequence[Films]  # of other kinds
    groups: AnyArray  # of each stimulus; a film is in one
    pixels: FloatArray  # film, in degrees
    estimates: Sequence[Estimate]  # of each film, by the trials of all sites
    naive: FloatArray  # film: of the means of trials, too large
    n_sites: int
    published: dict[str, dict[str, float]]  # mean pixels and change of the same films, by kind

    @cached_property
    def brain(self) -> FloatArray:
        """Curvature of each film in the brain, in degrees; NaN where noise outweighs the steps."""
        return np.array([one.degrees for one in self.estimates])

    @property
    def material(self) -> Material:
        """Frames of the compared films, those of a group drawn and exchanged together."""
        rows = self.compared
        ids = np.asarray(self.stimuli.ids)[rows].tolist()
        return Material(
            stimulus_sets=[self.stimuli],
            image_sets=[ImageSet(ids=ids, groups=self.groups[rows])],
            partial=self.partial,
            targets=[self.brain],
        )

    @cached_property
    def compared(self) -> IntArray:
        """Rows of the stimuli that are a frame of a compared film, sorted."""
        return np.sort(np.concatenate(self.films.rows))


def curvature_target(
    context: RunContext, columns: FilmColumns, *, n_halvings: int
) -> CurvatureTarget:
    """Return the films of the benchmark's stimuli, with the curvature of pixels and brain.

    InputError for stimuli without the columns, a frame given twice, recordings without trials, and fewer than
    `LEAST_FILMS` films of three frames, or with a curvature of the brain.
    """
    stimuli, label = context.stimuli(), context.benchmark.identifier
    kinds = {one.kind: one for one in _films(stimuli, columns, label)}
    films = kinds.pop(columns.compared, None)
    if films is None or len(films.names) < LEAST_FILMS:
        raise _too_few_films(context, columns, 0 if films is None else len(films.names))
    recorded = recordings_of(context, context.data)
    if "repetition" not in recorded.dims or "time" in recorded.dims:
        raise InputError(
            f"{label}: recordings with the dims {recorded.dims}",
            allowed="single trials without time bins, (repetition, stimulus, neuroid)",
            todo="use data with trials: their mean bends by its noise alone",
        )
    trials = np.asarray(recorded.values, dtype=np.float64)
    seed = context.settings.seed
    estimates = [
        cross_validated_curvature(trials[:, rows], seed=seed, n_halvings=n_halvings)
        for rows in films.rows
    ]
    target = CurvatureTarget(
        stimuli=stimuli,
        partial=context.is_partial(),
        films=films,
        others=list(kinds.values()),
        groups=_whole_films(context, columns, stimuli),
        pixels=pixel_curvatures(stimuli, films),
        estimates=estimates,
        naive=np.array([naive_curvature(trials[:, rows]) for rows in films.rows]),
        n_sites=trials.shape[2],
        published=_published(context, columns, stimuli),
    )
    n_defined = int(np.isfinite(target.brain).sum())
    if n_defined < LEAST_FILMS:
        raise InputError(
            f"{label}: {n_defined} of {len(films.names)} films have a curvature in the brain, in the others "
            "noise outweighs the steps between frames",
            allowed=f"at least {LEAST_FILMS}",
            todo="omit --limit, or use data with more trials or sites",
        )
    return target


def _too_few_films(context: RunContext, columns: FilmColumns, n_films: int) -> InputError:
    """Build the error that says how many images have enough films."""
    whole, label = context.run.whole_stimuli(context.data), context.benchmark.identifier

    def enough(stimuli: StimulusSet) -> bool:
        compared = (one for one in _films(stimuli, columns, label) if one.kind == columns.compared)
        return sum(len(one.names) for one in compared) >= LEAST_FILMS

    least = least_limit(whole, enough)
    needed = f"at least {LEAST_FILMS} films"
    return InputError(
        f"{label}: {len(context.stimuli())} images with {n_films} films of kind {columns.compared!r} of "
        "three frames or more",
        allowed=needed if least is None else f"{needed}, at least {least} images",
        todo="omit --limit, which takes single frames, or use data with more films",
    )


def _whole_films(context: RunContext, columns: FilmColumns, stimuli: StimulusSet) -> AnyArray:
    """Return the group of each stimulus: by the run, the benchmark's column, and films, which stay whole.

    Groups are named by the run or the column where one of them alone makes them.
    """
    own, run = stimuli.labels(columns.group), context.groups()
    named = [own] if run is None else [run, own]
    keys = stimuli.metadata[[*columns.film, columns.kind]]
    film = keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup().to_numpy()
    _, first, group = np.unique(joined(*named, film), return_index=True, return_inverse=True)
    for column in named:
        if len(np.unique(column)) == len(first):
            return column
    return np.asarray(stimuli.ids)[first][group]


def pixel_curvatures(stimuli: StimulusSet, films: Films) -> FloatArray:
    """Return the curvature of the pixels of each film, as they are stored, in degrees."""
    return np.array(
        [
            curvature(np.stack([stimuli.picture(row).ravel().astype(np.float32) for row in rows]))
            for rows in films.rows
        ]
    )


def _films(stimuli: StimulusSet, columns: FilmColumns, label: str) -> list[Films]:
    """Return the films of each kind with at least three frames."""
    table = stimuli.metadata
    absent = [name for name in columns.names if name not in table.columns]
    if absent:
        raise InputError(
            f"{label}: stimuli without the columns {', '.join(absent)}",
            allowed="stimuli that say which film and frame each is",
            todo="give the stimulus set these columns",
        )
    keyed = table[list(columns.names)].reset_index(drop=True)
    found = []
    for kind, part in keyed.groupby(columns.kind, sort=True):
        names, rows = [], []
        for key, frames in part.groupby(list(columns.film), sort=True):
            if frames[columns.frame].duplicated().any():
                raise InputError(
                    f"{label}: film {key} has a frame twice",
                    allowed="each frame once",
                    todo=f"correct the column {columns.frame}",
                )
            if len(frames) >= 3:
                names.append(" ".join(map(str, key)))
                rows.append(frames.sort_values(columns.frame).index.to_numpy(np.intp))
        if names:
            found.append(Films(kind=str(kind), names=tuple(names), rows=rows))
    return found


def _published(
    context: RunContext, columns: FilmColumns, stimuli: StimulusSet
) -> dict[str, dict[str, float]]:
    """Return means of the published curvatures of the films in use, by kind; {} where there are none."""
    if not isinstance(context.data, HasCurvatureEstimates):
        return {}
    table = context.data.curvature_estimates()
    keys = [*columns.film, columns.kind]
    shown = stimuli.metadata[keys].drop_duplicates()
    merged: pd.DataFrame = table.merge(shown, on=keys)
    return {
        str(kind): {
            "pixels": float(part["pixels"].mean()),
            "change": float(part["change"].mean()),
            "estimates": len(part),
        }
        for kind, part in merged.groupby(columns.kind)
    }
