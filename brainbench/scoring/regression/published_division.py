"""Predictivity on a published division: maps are fitted to training images and tested on the others, once.

The division is the column `split` of the stimuli: "train", "test", and, for the comparison of penalties and
layers, "validation"; without that a tenth of the training images is drawn. Everything that is
reported speaks of the test images: ceiling, interval and null.

A large division is fitted in bounded memory: inner products of one candidate at a time, rows in the order of
the parts, so that no part of them is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.core.assembly import align, time_average, validate
from brainbench.core.dataset import HasTestTrials
from brainbench.core.errors import InputError
from brainbench.core.stimuli import SPLIT, StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.linear import validated_ridge
from brainbench.scoring.context import RunContext, Session
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.measure import Material
from brainbench.scoring.recordings import (
    Recordings,
    check_varies,
    material_of,
    windowed_recordings,
)
from brainbench.scoring.regression.estimators import EstimatorMap
from brainbench.scoring.regression.linear_maps import LayerFeatures, LinearMap, rows_of
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.sessions import SessionFit, SessionTarget
from brainbench.stats.aggregate import mean_then_median
from brainbench.stats.splits import Split, paper

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)
_TENTHS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Division:
    """Rows of the stimuli in use: what maps are fitted to, compared on, and tested on."""

    fitted: IntArray
    validation: IntArray
    test: IntArray
    drawn: bool  # the validation part is a tenth of the training images, drawn here

    @classmethod
    def of(cls, stimuli: StimulusSet, *, groups: AnyArray | None, label: str) -> Division:
        """Return the division that the stimuli declare; `label` names them, for errors.

        Raises
        ------
        InputError
            No column `split`, another word in it, too few images of a part, or images of a group on both
            sides.
        """
        if SPLIT not in stimuli.metadata.columns:
            raise InputError(
                f"{label}: images without the column {SPLIT!r}, for a published division",
                allowed=f"a column {SPLIT!r} of the words {', '.join(PARTS)}",
                todo="add it, or declare Predictivity(division='drawn')",
            )
        words = stimuli.labels(SPLIT)
        others = sorted(set(words.tolist()) - set(PARTS))
        if others:
            raise InputError(
                f"{label}: {SPLIT} {', '.join(others[:4])}",
                allowed=", ".join(PARTS),
                todo=f"correct the column {SPLIT!r} of the images",
            )
        train, validation, test = (np.flatnonzero(words == part) for part in PARTS)
        least = 2 * _TENTHS if not len(validation) else 2
        if len(train) < least or len(test) < 2 or len(validation) == 1:
            raise InputError(
                f"{label}: {len(train)} training, {len(validation)} validation and {len(test)} test images",
                allowed=f"at least {least} training and 2 test images, and no or 2 validation images",
                todo="use more images (a larger --limit)",
            )
        if groups is not None:
            _check_apart(groups, words == TEST, label)
        if len(validation):
            return cls(fitted=train, validation=validation, test=test, drawn=False)
        within = None if groups is None else groups[train]
        tenth = paper(np.asarray(stimuli.ids)[train], groups=within, n_splits=_TENTHS)[0]
        return cls(fitted=train[tenth.train], validation=train[tenth.test], test=test, drawn=True)

    @property
    def training(self) -> IntArray:
        """Rows of all images but the test images."""
        return np.concatenate([self.fitted, self.validation])

    @property
    def rows(self) -> IntArray:
        """Rows of all images, part by part."""
        return np.concatenate([self.fitted, self.validation, self.test])


def _check_apart(groups: AnyArray, is_test: AnyArray, label: str) -> None:
    both = np.intersect1d(groups[is_test], groups[~is_test])
    if len(both):
        raise InputError(
            f"{label}: {len(both)} groups with training and test images, as {both[0]}",
            allowed="groups on one side of the published division",
            todo="omit --groups, or name another column",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DividedTarget(SessionTarget):
    """Recordings of the test images, which are judged, and those of all images, which maps are fitted to."""

    whole: Recordings
    division: Division


def divided_target(context: RunContext, session: Session) -> DividedTarget:
    """Return the brain's side of one session.

    InputError for what `Division.of` refuses, trials of other images than the test images, or no site that
    varies over the training and over the test images.
    """
    label = context.label(session)
    whole = windowed_recordings(context, session)
    division = Division.of(whole.stimuli, groups=whole.split_groups, label=label)
    tested = _tested(context, session, whole, division.test)
    fitted = whole.values[division.fitted]
    sites = (np.ptp(fitted, axis=0) > 0) & (np.ptp(tested.values, axis=0) > 0)
    check_varies(sites, label)
    return DividedTarget(
        label=label,
        recordings=tested,
        sites=sites,
        responses=tested.values[:, sites],
        whole=whole,
        division=division,
    )


def _tested(context: RunContext, session: Session, whole: Recordings, rows: IntArray) -> Recordings:
    """Return the recordings of the test images, with their trials where these are kept apart."""
    stimuli = whole.stimuli.take(rows.tolist())
    values = whole.values[rows]
    trials = None if whole.trials is None else whole.trials[:, rows]
    if isinstance(session.data, HasTestTrials):
        name = f"trials of the test images of {context.label(session)}"
        given = validate(session.data.test_trials(context.benchmark.region), name=name)
        if context.is_partial(session.data):
            kept = np.isin(given.coords["stimulus_id"].values.astype(str), np.asarray(stimuli.ids))
            given = given.isel(stimulus=np.flatnonzero(kept))
        windowed = time_average(align(given, stimuli.ids, name=name), context.benchmark.window)
        trials = np.asarray(windowed.values, dtype=np.float64)
    return replace(
        whole,
        stimuli=stimuli,
        values=values,
        trials=trials,
        strata=None,
        order=None,
        groups=None if whole.groups is None else whole.groups[rows],
        split_groups=None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class DividedFit(SessionFit):
    """The map of the candidate that was selected, fitted once; its one split holds out the test images."""

    tested: FloatArray  # predictions, test image x predicted site
    features_used: int

    @cached_property
    def predicted(self) -> list[FloatArray]:
        """Predictions of the test images."""
        return [self.tested]

    @property
    def n_features(self) -> int:
        return self.features_used

    def shuffled(self, orders: IntArray) -> list[tuple[list[FloatArray], list[FloatArray]]]:
        """Return predictions, and responses to the test images in other orders; nothing is fitted again."""
        Y = self.target.responses
        return [([self.tested], [Y[order]]) for order in orders]


def fit_divided(
    target: DividedTarget,
    candidates: Sequence[Candidate],
    site_map: LinearMap | EstimatorMap,
) -> DividedFit:
    """Select a layer and step on the validation images, and predict the test images.

    `ridge-cv` is fitted to the training images without the validation images, on which the penalty of each
    site is chosen too (`validated_ridge`). Other maps are fitted to all training images once the candidate is
    known.
    """
    division = target.division
    Y = target.whole.values[np.ix_(division.rows, target.sites)]
    if isinstance(site_map, LinearMap) and site_map.metric == "ridge-cv":
        selection, tested = _validated(target, candidates, Y)
        used, train = candidates[int(selection.best[0])].n_features, division.fitted
    else:
        selection, tested, used = _selected(target, candidates, site_map, Y)
        train = division.training
    return DividedFit(
        target=target,
        folds=[Split(train, np.arange(len(division.test)))],
        selection=selection,
        site_map=site_map,
        features={},
        tested=tested,
        features_used=used,
    )


def _parts(division: Division) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows of the parts once all rows are in the order of `Division.rows`."""
    ends = np.cumsum([len(division.fitted), len(division.validation), len(division.test)])
    first, second, third = np.split(np.arange(ends[-1]), ends[:-1])
    return first, second, third


def _validated(
    target: DividedTarget, candidates: Sequence[Candidate], Y: FloatArray
) -> tuple[FoldSelection, FloatArray]:
    """Return the candidate with the least error on the validation images, and its predictions."""
    train, validation, test = _parts(target.division)
    compared = Y[validation]
    spread = np.square(compared - compared.mean(axis=0)).sum(axis=0)
    scores = np.full((1, len(candidates)), np.nan)
    tested, best = np.zeros((len(test), Y.shape[1])), -np.inf
    for k, candidate in enumerate(candidates):
        fit = validated_ridge.fit_validated(
            candidate.gram_of(target.division.rows),
            Y,
            train=train,
            validation=validation,
            test=test,
            penalties=validated_ridge.RELATIVE,
        )
        explained = 1 - fit.left_out[spread > 0] / spread[spread > 0]
        scores[0, k] = np.median(explained) if explained.size else np.nan
        score = np.nan_to_num(scores[0, k], nan=-np.inf)
        if k == 0 or score > best:
            tested, best = fit.predicted, score
    if len(candidates) == 1:
        return FoldSelection.of_one(candidates[0], 1, **target.labels), tested
    return FoldSelection.by_scores(candidates, scores, **target.labels), tested


def _selected(
    target: DividedTarget,
    candidates: Sequence[Candidate],
    site_map: LinearMap | EstimatorMap,
    Y: FloatArray,
) -> tuple[FoldSelection, FloatArray, int]:
    """Return the candidate with the largest r on the validation images, its predictions and features."""
    train, validation, test = _parts(target.division)
    selection = FoldSelection.of_one(candidates[0], 1, **target.labels)
    if len(candidates) > 1:
        inner = [Split(train, validation)]
        scores = np.full((1, len(candidates)), np.nan)
        for k, candidate in enumerate(candidates):
            features = site_map.within(_features(site_map, candidate, target.division), inner)
            r = site_map.correlations(features, Y, inner)
            scores[0, k] = mean_then_median(r)
        selection = FoldSelection.by_scores(candidates, scores, **target.labels)
    chosen = candidates[int(selection.best[0])]
    outer = [Split(np.concatenate([train, validation]), test)]
    features = site_map.within(_features(site_map, chosen, target.division), outer)
    by_fold = getattr(features, "by_fold", None)
    used = chosen.n_features if by_fold is None else int(by_fold[0].shape[1])
    return selection, site_map.predict(features, Y, outer)[0], used


def _features(
    site_map: LinearMap | EstimatorMap, candidate: Candidate, division: Division
) -> LayerFeatures:
    """Return what a map takes of a layer, rows in the order of the parts."""
    if isinstance(site_map, LinearMap) and site_map.reduces and site_map.solver == "exact":
        return candidate.gram_of(division.rows)
    return rows_of(site_map.features_of(candidate), division.rows)


def describe_divided(site_map: LinearMap | EstimatorMap) -> dict[str, Any]:
    """Return what a map is, for the record; the penalties of `ridge-cv` are other ones here."""
    if not isinstance(site_map, LinearMap) or site_map.metric != "ridge-cv":
        return site_map.describe()
    return {
        "map": "ridge-cv",
        "penalties": validated_ridge.RELATIVE.tolist(),
        "penalties_relative": True,
        "penalty_chosen": "on the validation images, for each site; fitted to the others",
    }


def divided_material(targets: Sequence[DividedTarget]) -> Material:
    """Return what an evaluation speaks of: the test images; all images were shown, and all responses used."""
    tested = material_of([target.recordings for target in targets])
    return replace(
        tested,
        stimulus_sets=[target.whole.stimuli for target in targets],
        targets=[target.whole.values for target in targets],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class DividedEvaluation(PredictivityEvaluation):
    """Predictions of the test images of all sessions."""

    @property
    def n_images(self) -> int:
        return sum(len(target.recordings.stimuli) for target in self.sessions)

    @property
    def null_remark(self) -> str:
        return "responses to the test images are shuffled, maps not refitted"
