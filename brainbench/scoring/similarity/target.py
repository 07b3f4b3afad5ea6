"""The brain's side of a similarity: a representation of the images, and what its ceiling is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.dataset import HasRDMs
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.reductions import nan_mean
from brainbench.metrics.similarity.rdm import n_stimuli, subset
from brainbench.metrics.similarity.rsa import NoiseCeiling, noise_ceiling, summed
from brainbench.scoring.context import RunContext, Session
from brainbench.scoring.kept import BrainFigures
from brainbench.scoring.measure import ImageSet, Material
from brainbench.scoring.recordings import (
    Recordings,
    names_of_sites,
    objects_of,
    reliable_sites,
    strata_of,
    windowed_recordings,
)
from brainbench.scoring.similarity.representations import Representation, SimilarityMetric
from brainbench.stats.ceiling import half_means, split_half

SPLIT_HALF = "split-half over trials, Spearman-Brown corrected, of the representation"
SUBJECTS = "lower bound of the noise ceiling over subjects (Nili et al. 2014)"


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainRepresentation:
    """A brain's representation of the benchmark's images."""

    stimuli: StimulusSet  # sorted by stimulus_id: the order of all else
    strata: AnyArray | None  # object shown in each stimulus
    partial: bool  # a limit left some stimuli out
    groups: AnyArray | None  # of each stimulus, which draws and nulls take whole
    split_groups: AnyArray | None  # which folds and random sets keep together
    order: IntArray | None = None  # rows as Brain-Score orders them; None: as they are
    subjects: list[Representation]  # one representation for each; recordings are one
    published: (
        bool  # as dissimilarities of subjects; else as recordings, whose ceiling is of halves
    )
    measured: list[FloatArray]  # what was recorded or published, for its hash
    n_units: int  # sites, or subjects of published dissimilarities
    excluded: dict[str, int] = field(default_factory=dict)  # reason -> sites
    # Whose mean similarity is the ceiling: means over two halves of the trials, several times; or
    # each subject with the sum of the others, on the scale of the comparison.
    ceiling_pairs: Sequence[tuple[Representation, Representation]]
    bounds: NoiseCeiling | None = None  # over subjects
    ceiling: str  # what the ceiling is, or "none: " and why
    labels: Mapping[str, AnyArray] = field(default_factory=dict)  # of each site or subject, by kind
    recordings: Recordings | None = None  # of the sites; None where dissimilarities are published
    sites: BoolArray | None = None  # which of them count
    kept: BrainFigures = field(default_factory=BrainFigures, repr=False)
    # Further regions with dissimilarities of the same images.
    beside: Mapping[str, BrainRepresentation] = field(default_factory=dict)

    @property
    def distinct(self) -> IntArray:
        """Rows of images with different pictures: of copies the one with the first id."""
        copies = self.stimuli.copies
        ids = np.asarray(self.stimuli.ids)
        return np.flatnonzero(np.full(len(ids), True) if copies is None else ids == copies)

    def of_units(self, metric: SimilarityMetric, chosen: BoolArray) -> BrainRepresentation:
        """Return the same brain by some of its sites or subjects.

        InputError for an image to which all of these sites respond the same.
        """
        if self.recordings is None or self.sites is None:
            numbers = np.flatnonzero(chosen).tolist()
            return replace(
                self,
                subjects=[self.subjects[k] for k in numbers],
                ceiling_pairs=[self.ceiling_pairs[k] for k in numbers if self.ceiling_pairs],
                n_units=len(numbers),
            )
        sites = self.sites.copy()
        sites[sites] = chosen
        halves, ceiling = _halves(metric, self.recordings, sites)
        return replace(
            self,
            subjects=[metric.of_responses(self.recordings.values[:, sites])],
            ceiling_pairs=halves,
            ceiling=ceiling,
            n_units=int(sites.sum()),
        )

    @property
    def material(self) -> Material:
        """Stimuli, and the mean responses or published dissimilarities."""
        return Material(
            stimulus_sets=[self.stimuli],
            image_sets=[
                ImageSet(
                    ids=self.stimuli.ids,
                    objects=objects_of(self.stimuli),
                    groups=self.groups,
                )
            ],
            partial=self.partial,
            targets=self.measured,
        )


def brain_representation(
    context: RunContext, metric: SimilarityMetric, beside: tuple[str, ...]
) -> BrainRepresentation:
    """Return the representation of the benchmark's region, from recordings or published dissimilarities.

    `beside` are further regions of published dissimilarities. InputError for several recording sessions,
    which have no images in common; for CKA of published dissimilarities, or further regions of recordings;
    for a floor of recordings without repeated trials, or that no site reaches; for an image to which all
    sites respond the same.
    """
    region = context.benchmark.region
    if is_published(context):
        brain = _published(context, metric, region)
        return replace(brain, beside={name: _published(context, metric, name) for name in beside})
    if beside:
        raise InputError(
            f"{', '.join(beside)} beside {region} in {context.benchmark.identifier}",
            allowed="data with published dissimilarities",
            todo="omit beside=",
        )
    return _recorded(context, metric)


def is_published(context: RunContext) -> bool:
    """Return whether the brain is given as published dissimilarities, not as recordings."""
    return isinstance(context.data, HasRDMs)


def recorded_session(context: RunContext) -> Session:
    """Return the only recording session of the data; raise InputError where it has several."""
    sessions = context.sessions
    if len(sessions) > 1:
        names = ", ".join(session.name for session in sessions)
        raise InputError(
            f"{len(sessions)} recording sessions of {context.benchmark.identifier}: {names}",
            allowed="one session: sessions have no images in common",
            todo="take one of them: benchmark.on(data.sessions()[NAME])",
        )
    return sessions[0]


# --- recordings ------------------------------------------------------------------------------------


def _recorded(context: RunContext, metric: SimilarityMetric) -> BrainRepresentation:
    recordings = windowed_recordings(context, recorded_session(context))
    identifier, floor = context.benchmark.identifier, context.settings.floor
    sites = _reliable(recordings, identifier, floor)
    values = recordings.values[:, sites]
    try:
        representation = metric.of_responses(values)
    except InputError as error:
        raise InputError(
            f"recordings of {identifier}: {error.got}", allowed=error.allowed, todo=error.todo
        ) from error
    halves, ceiling = _halves(metric, recordings, sites)
    return BrainRepresentation(
        stimuli=recordings.stimuli,
        strata=recordings.strata,
        partial=recordings.partial,
        order=recordings.order,
        groups=recordings.groups,
        split_groups=recordings.split_groups,
        subjects=[representation],
        published=False,
        measured=[values],
        n_units=int(sites.sum()),
        excluded={f"reliability below {floor}": int((~sites).sum())},
        ceiling_pairs=halves,
        ceiling=ceiling,
        labels=names_of_sites(recordings, sites),
        recordings=recordings,
        sites=sites,
        kept=context.run.brain,
    )


def _reliable(recordings: Recordings, identifier: str, floor: float | None) -> BoolArray:
    if floor is None:
        return np.full(recordings.values.shape[1], True)
    if recordings.repeated_trials is None:
        raise InputError(
            f"a floor of {floor} for {identifier}, which has no repeated trials",
            allowed="a floor where sites have a reliability",
            todo="omit --floor",
        )
    reliability = nan_mean(split_half(recordings.repeated_trials), axis=0)
    return reliable_sites(reliability, floor, label=identifier)


def _halves(
    metric: SimilarityMetric, recordings: Recordings, sites: BoolArray
) -> tuple[list[tuple[Representation, Representation]], str]:
    """Return representations of halves of the trials, and what the ceiling is or why there is none."""
    if recordings.repeated_trials is None:
        return [], "none: no repeated trials"
    first, second = half_means(recordings.repeated_trials[:, :, sites])
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return [], "none: some image was not shown in a half of the trials"
    try:
        return [
            (metric.of_responses(half), metric.of_responses(other_half))
            for half, other_half in zip(first, second, strict=True)
        ], SPLIT_HALF
    except InputError as error:
        return [], f"none: in a half of the trials, {error.got}"


# --- published dissimilarities ----------------------------------------------------------------------


def _published(context: RunContext, metric: SimilarityMetric, region: str) -> BrainRepresentation:
    if not metric.takes_rdms:
        raise InputError(
            f"{metric.name} with {context.data.name} {region}, of which dissimilarities alone are published",
            allowed="metric='rsa'; CKA needs the responses",
            todo="choose metric='rsa'",
        )
    stimuli, partial = context.stimuli(), context.is_partial()
    place = {stimulus: row for row, stimulus in enumerate(context.run.given_ids(context.data))}
    rows = np.array([place[stimulus] for stimulus in stimuli.ids], dtype=np.intp)
    given = published_rdms(context, region)
    rdms = np.stack([subset(rdm, rows) for rdm in given.values])
    several, comparison = len(rdms) > 1, metric.comparison
    pairs = [
        (rdm, summed(np.delete(rdms, k, axis=0), comparison=comparison))
        for k, rdm in enumerate(rdms if several else [])
    ]
    return BrainRepresentation(
        stimuli=stimuli,
        strata=strata_of(stimuli, partial=partial),
        partial=partial,
        groups=context.groups(),
        split_groups=context.split_groups(),
        kept=context.run.brain,
        subjects=list(rdms),
        published=True,
        measured=[rdms],
        n_units=len(rdms),
        ceiling_pairs=pairs,
        bounds=noise_ceiling(rdms, comparison=comparison) if several else None,
        ceiling=SUBJECTS if several else "none: one RDM, without trials or further subjects",
        labels={"animal": given.coords["subject"].values.astype(str)}
        if several and "subject" in given.coords
        else {},
    )


def published_rdms(context: RunContext, region: str) -> xr.DataArray:
    """Return the published dissimilarities of a region, subject x pair, in the order of the data set.

    InputError for another number of pairs than the stimuli have, or dissimilarities that are not finite.
    """
    data: Any = context.data
    name, n = f"{data.name} {region}", len(context.run.given_ids(data))
    dissimilarities: xr.DataArray = data.dissimilarities(region)
    dims, rdms = dissimilarities.dims, np.asarray(dissimilarities.values, dtype=np.float64)
    if dims != ("subject", "pair") or n_stimuli(rdms.shape[1]) != n or not len(rdms):
        raise InputError(
            f"dissimilarities of {name}: dims {dims} of shape {rdms.shape} for {n} stimuli",
            allowed=f"(subject, pair) with {n * (n - 1) // 2} pairs",
            todo="check what its dissimilarities() returns",
        )
    if not np.isfinite(rdms).all():
        raise InputError(
            f"dissimilarities of {name}: {int((~np.isfinite(rdms)).sum())} are not finite",
            allowed="finite dissimilarities of all pairs",
            todo="leave out the subjects or stimuli without them",
        )
    return dissimilarities.copy(data=rdms)
