"""Maps fitted in each recording session, and results of several sessions put together.

Sessions have stimuli and neuroids of their own and the same number of splits. Split k of all sessions counts
as one split, so that each aggregate runs over the neuroids of all sessions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import check_unique
from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.explained_variance.signal_power import Power
from brainbench.metrics.explained_variance.unequal_trials import ESTIMATORS, UsedTrials
from brainbench.scoring.context import RunContext, Session
from brainbench.scoring.kept import BrainFigures
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.layer_selection import FoldSelection, selection_of
from brainbench.scoring.measure import Evaluation, Measure, Units
from brainbench.scoring.recordings import (
    Recordings,
    check_varies,
    held_out_dataset,
    names_of_sites,
    strata_of,
    windowed_recordings,
)
from brainbench.scoring.regression.linear_maps import FeatureMap, Features, FoldFeatures
from brainbench.scoring.regression.nested_selection import select
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.stats.ceiling import split_half
from brainbench.stats.splits import Split

NOT_REPEATED = "no repeated trials"
_COLUMNS = 2048
"""Shuffled sites that are fitted at once: 2,560 stimuli x 2,048 sites are 42 MB."""


class SiteMap(Protocol):
    """A predictor of sites: a linear map, or the model's own units."""

    @property
    def shares_neuroids(self) -> bool: ...
    def describe(self) -> dict[str, Any]: ...
    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionTarget:
    """Recordings of one session, and the sites that are predicted."""

    label: str  # benchmark and session, for error messages
    recordings: Recordings
    sites: BoolArray  # neuroids that are predicted
    responses: FloatArray  # stimulus x predicted site, what maps are fitted to
    used_trials: UsedTrials = "first"  # that make the signal power
    kept: BrainFigures = field(default_factory=BrainFigures, repr=False)

    @property
    def name(self) -> str:
        return self.recordings.session

    @property
    def labels(self) -> dict[str, str]:
        """Entries of each row of a selection's curve."""
        return {"session": self.name} if self.name else {}

    @property
    def trials(self) -> FloatArray | None:
        """Trials of the predicted sites, repetition x stimulus x site; None without repeated trials."""
        trials = self.recordings.repeated_trials
        return None if trials is None else trials[:, :, self.sites]

    @cached_property
    def reliability(self) -> tuple[FloatArray | None, str]:
        """Split-half reliability, split of the trials x predicted site; None, and why there is none."""
        if self.trials is None:
            return None, NOT_REPEATED
        try:
            return self.kept.of(split_half, self.trials), ""
        except InputError as error:  # a ceiling is missing then, not a score
            return None, error.got

    @cached_property
    def power(self) -> Power:
        """Signal power of the predicted sites over all images."""
        return self.power_of(None)

    def power_of(self, counts: FloatArray | None) -> Power:
        """Return the signal power of the predicted sites where images count so often, draw x image."""
        power = ESTIMATORS[self.used_trials].power
        return self.kept.of(power, np.asarray(self.trials), counts=counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionFit:
    """Maps of one session, of the candidate that was selected for each split."""

    target: SessionTarget
    folds: list[Split]
    selection: FoldSelection  # layer and step of each split
    site_map: SiteMap
    # What the map takes of each selected candidate, by its number, for the folds that it was selected in.
    features: Mapping[int, Features]

    @cached_property
    def predicted(self) -> list[FloatArray]:
        """Held-out stimulus x predicted site, of each split."""
        return self.refit(self.target.responses)

    @property
    def observed(self) -> list[FloatArray]:
        return [self.target.responses[fold.test] for fold in self.folds]

    @property
    def n_features(self) -> int:
        """Features of the layer that was selected for the first split, or components in their place."""
        features = self.features[int(self.selection.best[0])]
        if isinstance(features, FoldFeatures):
            return int(features.by_fold[0].shape[1])
        candidate: Candidate = self.selection.chosen[0]  # type: ignore[assignment]
        return candidate.n_features

    def refit(self, responses: FloatArray) -> list[FloatArray]:
        """Return held-out predictions of maps fitted to other responses, from the same features.

        Layer and step stay as they were selected: the selection does not look at held-out images, so it
        cannot make a shuffled score larger.
        """
        predicted: dict[int, FloatArray] = {}
        for number, folds in self.selection.folds_by_candidate():
            its_folds = [self.folds[k] for k in folds]
            held_out = self.site_map.predict(
                self.features[number],
                responses,
                its_folds,
                groups=self.target.recordings.split_groups,
            )
            predicted.update(zip(folds, held_out, strict=True))
        return [predicted[k] for k in range(len(self.folds))]

    def shuffled(self, orders: IntArray) -> list[tuple[list[FloatArray], list[FloatArray]]]:
        """Return held-out predictions and responses of shuffled images, block of shuffles by block.

        Maps of single sites do not know of each other: many shuffles are fitted as that many sites, side by
        side in the columns.
        """
        Y = self.target.responses
        at_once = 1 if self.site_map.shares_neuroids else max(1, _COLUMNS // Y.shape[1])
        blocks = []
        with progress.current().task(f"{len(orders)} shuffles", len(orders)) as advance:
            for start in range(0, len(orders), at_once):
                block = orders[start : start + at_once]
                wide = np.concatenate([Y[order] for order in block], axis=1)
                blocks.append((self.refit(wide), [wide[fold.test] for fold in self.folds]))
                advance(len(block))
        return blocks


def fit_session(
    target: SessionTarget,
    candidates: Sequence[Candidate],
    linear_map: FeatureMap,
    folds: list[Split],
    *,
    n_inner: int,
    seed: int,
) -> SessionFit:
    """Select a layer and step within the training images of each split, whose map is fitted there.

    Images of a group stay in one inner fold.
    """
    features = [linear_map.features_of(candidate) for candidate in candidates]
    selection = select(
        candidates,
        features,
        target.responses,
        folds,
        linear_map,
        ids=target.recordings.stimuli.ids,
        strata=target.recordings.strata,
        groups=target.recordings.split_groups,
        n_folds=n_inner,
        seed=seed,
        **target.labels,
    )
    within = {
        number: linear_map.within(features[number], [folds[k] for k in its_folds])
        for number, its_folds in selection.folds_by_candidate()
    }
    return SessionFit(
        target=target, folds=folds, selection=selection, site_map=linear_map, features=within
    )


def n_folds(targets: Sequence[SessionTarget], n_splits: int) -> int:
    """Return how many folds all sessions have: `n_splits`, or the number of groups of one with fewer."""
    groups = [target.recordings.split_groups for target in targets]
    return min([n_splits, *(len(np.unique(names)) for names in groups if names is not None)])


def images_of_splits(
    context: RunContext, *, what: str, training: int, n_splits: int, n_inner: int
) -> ImagesNeeded:
    """Return the images that a map needs in the splits of the protocol; `training` of them to be fitted."""
    return ImagesNeeded(
        what=what,
        n_splits=n_splits,
        sizes=context.rules.sizes,
        training=training,
        n_inner=n_inner if context.may_select else None,
    )


@dataclass(frozen=True, kw_only=True)
class SessionsMeasure(Measure[list[SessionTarget], list[list[Candidate]]]):
    """A measure that fits maps in each recording session."""

    @abstractmethod
    def images_needed(self, context: RunContext) -> ImagesNeeded:
        """Return how many images each session must have."""

    def check_enough_images(self, context: RunContext, session: Session) -> None:
        """Raise InputError for too few images, before any response is read."""
        stimuli = context.stimuli(session.data)
        self.images_needed(context).check(
            context.label(session),
            stimuli,
            strata=strata_of(stimuli, partial=context.is_partial(session.data)),
            groups=context.split_groups(session.data),
        )

    def target(self, context: RunContext) -> list[SessionTarget]:
        """Raise InputError for too few images, no site that varies, or a neuroid_id given twice."""
        targets = []
        for session in context.sessions:
            self.check_enough_images(context, session)
            recordings = windowed_recordings(context, session)
            sites = np.ptp(recordings.values, axis=0) > 0
            target = SessionTarget(
                label=context.label(session),
                recordings=recordings,
                sites=sites,
                responses=recordings.values[:, sites],
                kept=context.run.brain,
            )
            check_varies(sites, target.label)
            targets.append(target)
        check_distinct_sites(targets)
        return targets

    def stimulus_sets(self, context: RunContext) -> list[StimulusSet]:
        return [context.stimuli(session.data) for session in context.sessions]

    def candidates(self, context: RunContext, target: list[SessionTarget]) -> list[list[Candidate]]:
        return [candidates_of(context, session.recordings.stimuli) for session in target]


def check_distinct_sites(targets: Sequence[SessionTarget]) -> None:
    """Raise InputError where two sessions give the same neuroid_id."""
    ids = np.concatenate([target.recordings.neuroid_ids for target in targets])
    check_unique(ids, key="neuroid_id", name="all sessions together")


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionsEvaluation(Evaluation):
    """Held-out predictions of the sites of all sessions; a measure adds how they are judged."""

    fits: Sequence[SessionFit]
    population: str  # name of the recorded sites
    details: Mapping[str, Any]
    seeds: Mapping[str, int]

    @property
    def sessions(self) -> list[SessionTarget]:
        return [fit.target for fit in self.fits]

    @property
    def selection(self) -> Selection:
        return selection_of([fit.selection for fit in self.fits])

    def units(self, counted: BoolArray | None = None) -> Units:
        """Return the predicted sites of all sessions, or those that count, as units of the interval."""
        by_session = [session.recordings.neuroid_ids[session.sites] for session in self.sessions]
        ids = np.concatenate(by_session)
        ids = ids if counted is None else ids[counted]
        return Units(n=len(ids), ids=tuple(ids.tolist()), population=self.population)

    def site_labels(self, counted: BoolArray | None = None) -> dict[str, AnyArray]:
        """Return animal and session of each predicted site, or of those that count, where all are named."""
        recorded = [names_of_sites(session.recordings, session.sites) for session in self.sessions]
        labels = {
            kind: np.concatenate([names[kind] for names in recorded])
            for kind in recorded[0]
            if all(kind in names for names in recorded)
        }
        return {
            kind: names if counted is None else names[counted] for kind, names in labels.items()
        }

    @property
    def labels(self) -> dict[str, AnyArray]:
        return self.site_labels()

    def by_session(self, array: AnyArray) -> list[AnyArray]:
        """Cut what lies along the predicted sites of all sessions, the first axis."""
        return np.split(array, np.cumsum([session.sites.sum() for session in self.sessions])[:-1])

    def images_by_session(self, counts: FloatArray) -> list[FloatArray]:
        """Cut counts of the images of all sessions, draw x image."""
        sizes = [len(session.recordings.stimuli) for session in self.sessions]
        return list(np.split(counts, np.cumsum(sizes)[:-1], axis=1))

    def site_table(
        self, values: FloatArray, columns: Mapping[str, FloatArray], *, units: str
    ) -> xr.DataArray:
        """Return figures of the predicted sites as one array over all sites of all sessions.

        `values` and further `columns`, which become coordinates, have an entry for each predicted site;
        other sites get NaN. The array has the coordinates that all sessions have, and `session` where
        sessions have names.
        """
        sessions = self.sessions
        recorded = [session.recordings.neuroids.coords for session in sessions]
        table = {
            str(key): np.concatenate([coords[key].values for coords in recorded])
            for key in recorded[0]
            if all(key in coords for coords in recorded)
        }
        table |= {key: self._at_all_sites(column) for key, column in columns.items()}
        if any(session.name for session in sessions):
            n_sites = [len(session.sites) for session in sessions]
            table["session"] = np.repeat([session.name for session in sessions], n_sites)
        return xr.DataArray(
            self._at_all_sites(values),
            dims=("neuroid",),
            coords={key: ("neuroid", column) for key, column in table.items()},
            attrs={"units": units},
        )

    def _at_all_sites(self, figures: FloatArray) -> FloatArray:
        predicted = np.concatenate([session.sites for session in self.sessions])
        everywhere = np.full(len(predicted), np.nan)
        everywhere[predicted] = figures
        return everywhere

    def held_out(self) -> xr.Dataset:
        """Return held-out predictions and responses, dims (sample, neuroid), of all sessions.

        NaN where a neuroid was not shown a stimulus.
        """
        by_session = [_session_dataset(fit) for fit in self.fits]
        if len(by_session) == 1:
            return by_session[0]
        shape = tuple(sum(part.sizes[dim] for part in by_session) for dim in ("sample", "neuroid"))
        whole = {key: np.full(shape, np.nan) for key in ("predicted", "target")}
        row = column = 0
        for part in by_session:
            rows, columns = part.sizes["sample"], part.sizes["neuroid"]
            for key, values in whole.items():
                values[row : row + rows, column : column + columns] = part[key].values
            row, column = row + rows, column + columns
        dims = {"fold": "sample", "stimulus_id": "sample", "neuroid_id": "neuroid"}
        if all("group" in part.coords for part in by_session):
            dims["group"] = "sample"
        return xr.Dataset(
            {key: (("sample", "neuroid"), values) for key, values in whole.items()},
            coords={
                key: (dim, np.concatenate([part.coords[key].values for part in by_session]))
                for key, dim in dims.items()
            },
        )


def _session_dataset(fit: SessionFit) -> xr.Dataset:
    recordings = fit.target.recordings
    return held_out_dataset(
        fit.predicted,
        fit.observed,
        folds=fit.folds,
        ids=recordings.stimuli.ids,
        groups=recordings.groups,
        neuroid_id=recordings.neuroid_ids[fit.target.sites],
    )
