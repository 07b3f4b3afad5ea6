"""Reverse predictivity: how well the sites of a region predict the units of a model (Muzellec & Kar 2025).

A model may hold much that a brain does not: then its units predict the sites, and the sites predict few of
its units. docs/measures.md says what each protocol does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import ROUNDING, Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.measure import Evaluation, ProtocolRules
from brainbench.scoring.recordings import material_of
from brainbench.scoring.regression.linear_maps import LinearMap, MapName
from brainbench.scoring.regression.reverse_evaluation import ReverseEvaluation, ReverseFit, Units
from brainbench.scoring.regression.sessions import (
    SessionsMeasure,
    SessionTarget,
    images_of_splits,
    n_folds,
)
from brainbench.scoring.sample_size import ImagesNeeded, Sizes
from brainbench.stats.aggregate import mean_then_median
from brainbench.stats.splits import Split, brainscore, fold_sizes, inner, paper, tenth_sizes

REVERSE = "reverse"
"""Name of the measure among the maps of `--metric`."""


@dataclass(frozen=True, kw_only=True)
class ReverseRules(ProtocolRules):
    """Rules of a protocol for reverse predictivity."""

    split: Callable[..., list[Split]]
    sizes: Sizes
    metric: MapName
    formulas: tuple[str, ...]  # that have a meaning here
    joint: bool = False  # the map is fitted to all units jointly
    follows_levels: bool = False  # splits are drawn in the order of the file's levels


@dataclass(frozen=True, kw_only=True)
class ReversePredictivity(SessionsMeasure):
    """Predictivity of the units of a model by the sites of a region.

    Parameters
    ----------
    n_components : int
        Latent dimensions of the PLS map of `brainscore`; `paper` takes ridge regression.
    n_splits : int
        Folds under `paper`, random splits under `brainscore`.
    n_inner : int
        Folds inside the training images, by which a layer and step is selected.
    most_units : int
        Of a layer with more units that vary, so many are drawn, by the seed of the run.

    Raises
    ------
    InputError
        `most_units` below 1.
    """

    n_components: int = 25
    n_splits: int = 10
    n_inner: int = 5
    most_units: int = 2000

    rules: ClassVar[Mapping[ProtocolName, ReverseRules]] = {
        "paper": ReverseRules(
            formula="raw", split=paper, sizes=fold_sizes, metric="ridge-cv", formulas=("raw",)
        ),
        "brainscore": ReverseRules(
            formula="r2/c",
            one_layer=True,
            split=brainscore,
            sizes=tenth_sizes,
            follows_levels=True,
            groups_on_request=True,
            split_seed=1,
            metric="pls",
            formulas=("raw", "r2/c"),
            joint=True,
            reports_error=True,
        ),
    }

    measured_coverage: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {("paper", "raw"), ("brainscore", "r2/c")}
    )

    def __post_init__(self) -> None:
        if self.most_units < 1:
            raise InputError(
                f"at most {self.most_units} units", allowed="1 or more", todo="give most_units=2000"
            )

    def check(self, context: RunContext) -> None:
        allowed = context.rules.formulas
        if context.formula not in allowed:
            raise NotApplicableError(
                f"formula {context.formula} for units of a model, which are measured without noise",
                allowed=f"{', '.join(allowed)} under {context.settings.protocol}: c of the sites that "
                "predict is no ceiling of what they predict",
                todo=f"give --formula {allowed[0]}, or none",
            )

    def site_map(self, rules: ReverseRules) -> LinearMap:
        """Return the map from sites to units."""
        return LinearMap(metric=rules.metric, n_components=self.n_components, joint=rules.joint)

    def images_needed(self, context: RunContext) -> ImagesNeeded:
        site_map = self.site_map(context.rules)
        return images_of_splits(
            context,
            what=f"{site_map}, from sites to units",
            training=site_map.least_images,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        settings = context.settings
        return (
            len(evaluation.material.stimulus_sets) == 1
            and settings.floor is None
            and (settings.protocol, context.formula) in self.measured_coverage
        )

    def evaluate(
        self,
        context: RunContext,
        target: list[SessionTarget],
        candidates: list[list[Candidate]],
    ) -> Evaluation:
        """Raise InputError for a layer whose units do not vary."""
        rules: ReverseRules = context.rules
        n_splits = n_folds(target, self.n_splits)
        fits = [
            self._fit(context, session, offered, n_splits)
            for session, offered in zip(target, candidates, strict=True)
        ]
        return ReverseEvaluation(
            material=material_of([session.recordings for session in target]),
            formula=context.formula,
            fits=fits,
            model=context.model.name,
            has_ceiling=context.settings.protocol == "brainscore",
            seed=context.settings.seed,
            details={
                **self.site_map(rules).describe(),
                "direction": "from the sites to the units of the model",
                "splits": n_splits,
                "stratified": all(session.recordings.strata is not None for session in target),
                "most_units": self.most_units,
            },
            seeds={"splits": context.split_seed, "units": context.settings.seed},
        )

    def _fit(
        self,
        context: RunContext,
        target: SessionTarget,
        offered: Sequence[Candidate],
        n_splits: int,
    ) -> ReverseFit:
        rules: ReverseRules = context.rules
        recordings, seed = target.recordings, context.settings.seed
        folds = rules.split(
            recordings.stimuli.ids,
            recordings.strata,
            groups=recordings.split_groups,
            **({"order": recordings.order} if rules.follows_levels else {}),
            n_splits=n_splits,
            seed=context.split_seed,
        )
        site_map = self.site_map(rules)
        n_sites = target.responses.shape[1]
        if rules.metric == "pls" and n_sites < self.n_components:
            raise InputError(
                f"{n_sites} sites of {target.label} for {site_map}, from sites to units",
                allowed=f"at least {self.n_components} sites that vary with the image",
                todo="choose --protocol paper, which takes ridge regression, or another data set",
            )
        selection = self._select(target, offered, folds, site_map, seed)
        return ReverseFit(
            target=target,
            folds=folds,
            selection=selection,
            site_map=site_map,
            units={
                number: units_of(offered[number], most=self.most_units, seed=seed)
                for number in np.unique(selection.best).tolist()
            },
        )

    def _select(
        self,
        target: SessionTarget,
        offered: Sequence[Candidate],
        folds: list[Split],
        site_map: LinearMap,
        seed: int,
    ) -> FoldSelection:
        """Select a layer and step for each split, by its units predicted inside the training images."""
        if len(offered) == 1:
            return FoldSelection.of_one(offered[0], len(folds), **target.labels)
        recordings = target.recordings
        ids = np.asarray(recordings.stimuli.ids)
        scores = np.full((len(folds), len(offered)), np.nan)
        label = f"choosing among {len(offered)} layers and steps"
        with progress.current().task(label, scores.size) as advance:
            for j, candidate in enumerate(offered):  # the units of one at a time are in memory
                values = units_of(candidate, most=self.most_units, seed=seed).values
                for k, fold in enumerate(folds):
                    rows = fold.train
                    within = inner(
                        np.arange(len(rows)),
                        ids[rows],
                        _some(recordings.strata, rows),
                        groups=_some(recordings.split_groups, rows),
                        n_splits=self.n_inner,
                        seed=seed,
                    )
                    r = site_map.correlations(target.responses[rows], values[rows], within)
                    scores[k, j] = float(mean_then_median(r))
                    advance(1)
        return FoldSelection.by_scores(offered, scores, **target.labels)


def _some(column: Any, rows: IntArray) -> Any:
    return None if column is None else column[rows]


def units_of(candidate: Candidate, *, most: int, seed: int) -> Units:
    """Return the units of a layer that vary with the image, or `most` of them, drawn by a seed.

    They are read in chunks, so that no more than these are in memory. InputError where none varies.
    """
    spans, largest = [], 0.0
    for chunk in candidate.chunks():
        spans.append(np.ptp(chunk, axis=0))
        largest = max(largest, float(np.abs(chunk).max(initial=0.0)))
    varying = np.flatnonzero(np.concatenate(spans) > ROUNDING * largest)
    if not len(varying):
        raise InputError(
            f"layer {candidate.layer!r} responds the same to all stimuli",
            allowed="a layer with units that vary with the stimulus",
            todo="check the preprocessing and the layer's name",
        )
    drawn = varying
    if len(varying) > most:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 4000]))
        drawn = np.sort(rng.choice(varying, size=most, replace=False))
    values: list[FloatArray] = []
    first = 0
    for chunk in candidate.chunks():
        here = drawn[(drawn >= first) & (drawn < first + chunk.shape[1])]
        values.append(chunk[:, here - first])
        first += chunk.shape[1]
    return Units(
        values=np.concatenate(values, axis=1),
        numbers=drawn,
        layer=candidate.layer,
        step=candidate.step,
        n_varying=len(varying),
        n_all=first,
    )
