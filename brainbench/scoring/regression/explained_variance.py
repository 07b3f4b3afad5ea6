"""Explainable variance: how much of what a neuron does reproducibly a linear map of a model predicts.

CC_norm^2 as in Zhang et al. 2020 (appendix C.4) and Schoppe et al. 2016; docs/measures.md says what is
computed and why the maps are fitted as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, unknown
from brainbench.core.model import FittedTo, fitted_to
from brainbench.core.settings import ProtocolName
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.explained_variance.ccnorm import CONSTANT, FEW_TRIALS, NO_SIGNAL
from brainbench.metrics.explained_variance.unequal_trials import ESTIMATORS, UsedTrials
from brainbench.scoring.context import DataContext, RunContext, Session
from brainbench.scoring.fitted_models import held_out_folds, units_of
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.measure import Evaluation, ProtocolRules
from brainbench.scoring.recordings import (
    material_of,
    reliable_sites,
    windowed_recordings,
)
from brainbench.scoring.regression.explained_variance_evaluation import (
    AGGREGATES,
    VARIANTS,
    Aggregate,
    ExplainedVarianceEvaluation,
    Variant,
)
from brainbench.scoring.regression.linear_maps import MAPS, Features, LinearMap, MapName
from brainbench.scoring.regression.sessions import (
    SessionFit,
    SessionsMeasure,
    SessionTarget,
    check_distinct_sites,
    fit_session,
    n_folds,
)
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.stats.splits import Split, paper

SIGNAL_ALPHA = 0.001
"""A site counts where the F test of its signal has a p below this, decided once on all images."""
CHANCE_ALPHA = 0.05
"""A brain has a signal where the smallest p of its sites, times their number, is below this (Bonferroni): of
1,000 sites without a signal one is below `SIGNAL_ALPHA` by chance."""


@dataclass(frozen=True, kw_only=True)
class OwnUnits:
    """No map: unit k of the model predicts site k."""

    units: IntArray  # of the model, one for each predicted site
    shares_neuroids: bool = False

    def describe(self) -> dict[str, Any]:
        return {"map": "none: unit k predicts site k"}

    def features_of(self, candidate: Candidate) -> FloatArray:
        """Return the units of the predicted sites, stimulus x site."""
        return np.concatenate(list(candidate.chunks()), axis=1)[:, self.units]

    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]:
        """Return the held-out units, repeated for each block of sites in `Y`: nothing is fitted."""
        values = np.asarray(features)
        return [np.tile(values[fold.test], Y.shape[1] // values.shape[1]) for fold in folds]


@dataclass(frozen=True, kw_only=True)
class ExplainableVariance(SessionsMeasure):
    """CC_norm^2 of the sites of a region, averaged over sites.

    Parameters
    ----------
    variant : {"paper", "schoppe"}
        Correlate on each fold's test images and normalize by all images (the mean over folds counts), or
        do both on the held-out predictions of all images together.
    metric : str
        The map, which also selects layer and step: one of `linear_maps.MAPS`, by default ridge regression
        whose penalty is selected for each site inside the training images. Or "units", no map: unit k of
        the model predicts site k, as in a network that was trained to predict these sites. A model that
        says what it was fitted to is scored on the images that were held out, each by its fit.
    n_components : int
        Latent dimensions of "pls".
    n_splits : int
        Disjoint folds of test images. Five leave 80 % for training.
    n_inner : int
        Folds inside the training images, by which a layer and step is selected: of five, each holds 16 %
        of all images, so that 64 % train, 16 % validate and 20 % test, as in Zhang et al.
    aggregate : {"mean", "median"}
        Over sites.
    trials : {"first", "all"}
        Of images that were shown unequally often the first k trials, k the smallest number, or all by a
        one-way analysis of variance.
    """

    variant: Variant = "paper"
    aggregate: Aggregate = "mean"
    trials: UsedTrials = "first"
    metric: MapName | Literal["units"] = "ridge-cv"
    n_components: int = 25
    n_splits: int = 5
    n_inner: int = 5

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {"paper": ProtocolRules(formula="r2/c")}
    measured_coverage: ClassVar[frozenset[tuple[str, str, str, str]]] = frozenset(
        {
            *(("paper", "mean", "r2/c", random) for random in ("images", "units", "both")),
            *(("schoppe", "mean", "r2/c", random) for random in ("units", "both")),
            *(("paper", "median", "r/sqrt(c)", random) for random in ("images", "units", "both")),
        }
    )
    """Variant, aggregate, formula and what is random of the worlds in perf/worlds with 90 to 98 %."""

    def __post_init__(self) -> None:
        for name, allowed in (
            ("variant", VARIANTS),
            ("metric", (*MAPS, "units")),
            ("aggregate", AGGREGATES),
            ("trials", tuple(ESTIMATORS)),
        ):
            if getattr(self, name) not in allowed:
                what, given = f"{name} of explainable variance:", getattr(self, name)
                raise unknown(what, given, allowed, todo="choose one of these")

    @property
    def linear_map(self) -> LinearMap | None:
        """The map; None where unit k of the model predicts site k."""
        if self.metric == "units":
            return None
        return LinearMap(metric=self.metric, n_components=self.n_components)

    @property
    def scores_fits(self) -> bool:
        return self.metric == "units"

    def stimulus_sets(self, context: RunContext) -> list[StimulusSet]:
        return [context.stimuli(session.data) for session in repeated_sessions(context)[0]]

    def target(self, context: RunContext) -> list[SessionTarget]:
        """Raise InputError for no repeated trials, no site with a signal, or a neuroid_id given twice."""
        sessions, _ = repeated_sessions(context)
        for session in sessions:
            self.check_enough_images(context, session)
        targets = [session_target(context, session, self.trials) for session in sessions]
        check_distinct_sites(targets)
        identifier = context.benchmark.identifier
        _check_signal(targets, targets[0].label if len(targets) == 1 else identifier)
        return targets

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        settings = context.settings
        case = (self.variant, self.aggregate, context.formula, settings.resample)
        return (
            len(evaluation.material.stimulus_sets) == 1
            and settings.floor is None
            and (self.metric, self.trials) == ("ridge-cv", "first")
            and case in self.measured_coverage
        )

    def images_needed(self, context: RunContext) -> ImagesNeeded:
        linear_map = self.linear_map
        return ImagesNeeded(
            what=str(linear_map) if linear_map else "a comparison without a map",
            n_splits=self.n_splits,
            held_out=3,
            training=linear_map.least_images if linear_map else 2,
            n_inner=self.n_inner if context.may_select else None,
        )

    def evaluate(
        self,
        context: RunContext,
        target: list[SessionTarget],
        candidates: list[list[Candidate]],
    ) -> Evaluation:
        """Raise InputError for too few images, units that do not match sites, or no site with a figure."""
        seed, n_splits = context.settings.seed, n_folds(target, self.n_splits)
        excluded, fitted = _excluded(context, target), fitted_to(context.model)
        fits = [
            self._fit(session, offered, seed, n_splits)
            if fitted is None
            else _held_out_fit(session, offered, fitted)
            for session, offered in zip(target, candidates, strict=True)
            if session.sites.any()
        ]
        silent = {session.name: len(session.sites) for session in target if not session.sites.any()}
        target = [fit.target for fit in fits]
        evaluation = ExplainedVarianceEvaluation(
            material=material_of(
                [session.recordings for session in target],
                [session.responses for session in target],
            ),
            formula=context.formula,
            fits=fits,
            population=context.population,
            variant=self.variant,
            aggregate=self.aggregate,
            excluded_sites=excluded,
            details={
                "variant": self.variant,
                "aggregate": self.aggregate,
                "trials": self.trials,
                **fits[0].site_map.describe(),
                "features": max(fit.n_features for fit in fits),
                "splits": len(fits[0].folds),
                "stratified": all(session.recordings.strata is not None for session in target),
                "sessions": [session.name for session in target if session.name],
                "sessions_left_out": repeated_sessions(context)[1] | silent,
            },
            seeds={"splits": seed, "null": seed},
        )
        if not evaluation.responding.any():
            raise InputError(
                f"{context.benchmark.identifier}: no site responds differently to the images of any fold",
                allowed="responses that vary over the test images",
                todo="use more images (a larger --limit)",
            )
        return evaluation

    def _fit(
        self, target: SessionTarget, candidates: list[Candidate], seed: int, n_splits: int
    ) -> SessionFit:
        own_units = OwnUnits(units=np.flatnonzero(target.sites))
        linear_map = self.linear_map
        ids, strata = target.recordings.stimuli.ids, target.recordings.strata
        groups = target.recordings.split_groups
        folds = paper(ids, strata, groups=groups, n_splits=n_splits, seed=seed)
        if linear_map is not None:
            return fit_session(
                target, candidates, linear_map, folds, n_inner=self.n_inner, seed=seed
            )
        _check_units(candidates, len(target.sites), target.label)
        return _unmapped(target, candidates[0], own_units, folds)


def _held_out_fit(
    target: SessionTarget, candidates: list[Candidate], fitted: FittedTo
) -> SessionFit:
    """Return the units of a model that was fitted to these sites, on the images held out of its fits."""
    recordings, label = target.recordings, target.label
    _check_units(candidates, len(fitted.neuroid_ids), label)
    units = units_of(fitted, recordings.neuroid_ids[target.sites], label=label)
    folds = held_out_folds(fitted, np.asarray(recordings.stimuli.ids), label=label)
    return _unmapped(target, candidates[0], OwnUnits(units=units), folds)


def _unmapped(
    target: SessionTarget, candidate: Candidate, own_units: OwnUnits, folds: list[Split]
) -> SessionFit:
    return SessionFit(
        target=target,
        folds=folds,
        selection=FoldSelection.of_one(candidate, len(folds), **target.labels),
        site_map=own_units,
        features={0: own_units.features_of(candidate)},
    )


def repeated_sessions(context: DataContext) -> tuple[list[Session], dict[str, int]]:
    """Return sessions with at least two trials of a stimulus, and the number of sites in each other one."""
    repeated, left_out = [], {}
    for session in context.sessions:
        sizes = session.data.recordings(context.benchmark.region).sizes
        if sizes.get("repetition", 1) > 1:
            repeated.append(session)
        else:
            left_out[session.name] = sizes["neuroid"]
    if not repeated:
        raise InputError(
            f"{context.benchmark.identifier}: no session with repeated trials, only their mean is there",
            allowed="two or more trials of each image",
            todo="use data with single trials, or a benchmark of predictivity",
        )
    return repeated, left_out


def session_target(
    context: DataContext, session: Session, used_trials: UsedTrials
) -> SessionTarget:
    """Return the recordings of a session, and which of its sites have a signal and reach the floor."""
    label, recordings = context.label(session), windowed_recordings(context, session)
    trials, estimator = np.asarray(recordings.trials), ESTIMATORS[used_trials]
    sites = _missing_signal(trials, estimator.p(trials)) == ""
    floor = context.settings.floor
    if floor is not None and sites.any():
        reliability = np.where(sites, estimator.power(trials).cc_max ** 2, np.nan)
        sites = reliable_sites(reliability, floor, label=label, unknown="no signal")
    return SessionTarget(
        label=label,
        recordings=recordings,
        sites=sites,
        responses=estimator.mean(trials)[:, sites],
        used_trials=used_trials,
        kept=context.run.brain,
    )


def _missing_signal(trials: FloatArray, p: FloatArray) -> npt.NDArray[np.str_]:
    """Return why each site has no signal; empty for sites that have one."""
    values = trials.reshape(-1, trials.shape[2])
    constant = np.fmin.reduce(values) == np.fmax.reduce(values)
    no_signal = ~(p < SIGNAL_ALPHA)
    return np.select([np.isnan(p), constant, no_signal], [FEW_TRIALS, CONSTANT, NO_SIGNAL], "")


def _signals(target: SessionTarget) -> tuple[FloatArray, npt.NDArray[np.str_]]:
    """Return the p value of the signal of each site of a session, and why each has none."""
    trials = np.asarray(target.recordings.trials)
    p = ESTIMATORS[target.used_trials].p(trials)
    return p, _missing_signal(trials, p)


def _check_signal(targets: Sequence[SessionTarget], label: str) -> None:
    """Raise InputError where no site has a signal, or no more than chance gives among so many."""
    p, reasons = map(np.concatenate, zip(*map(_signals, targets), strict=True))
    n, smallest = len(p), float(np.nanmin(p, initial=1.0))
    if not (reasons == "").any():
        counts = ", ".join(f"{n} with {why}" for why, n in Counter(reasons.tolist()).items())
        got = f"none of {n} sites of {label} has a signal: {counts}"
    elif smallest * n >= CHANCE_ALPHA:
        n_below = int((reasons == "").sum())
        got = f"{n_below} of {n} sites of {label} with p < {SIGNAL_ALPHA}, the smallest {smallest:.2g}"
    else:
        return
    raise InputError(
        got,
        allowed=f"sites whose responses differ between images, F test p < {SIGNAL_ALPHA}, and one with p < "
        f"{CHANCE_ALPHA / n:.2g}: of {n} sites {n * SIGNAL_ALPHA:.2g} are below {SIGNAL_ALPHA} by chance",
        todo="check the time window and the trials",
    )


def _excluded(context: RunContext, target: Sequence[SessionTarget]) -> dict[str, int]:
    """Return reason -> sites that do not count for it."""
    excluded: Counter[str] = Counter()
    for session in target:
        _, reasons = _signals(session)
        excluded.update(str(reason) for reason in reasons if reason)
        below = int(((reasons == "") & ~session.sites).sum())
        excluded[f"reliability CC_max^2 below {context.settings.floor}"] += below
    excluded["session without repeated trials"] += sum(repeated_sessions(context)[1].values())
    return dict(excluded)


def _check_units(candidates: Sequence[Candidate], n_sites: int, label: str) -> None:
    sizes = [candidate.n_features for candidate in candidates]
    if sizes != [n_sites]:
        raise InputError(
            f"{label}: layers and steps of {sizes} units for {n_sites} sites, without a map",
            allowed=f"one layer of {n_sites} units, at one time: unit k predicts site k",
            todo="choose the layer that predicts the sites, or metric='ridge-cv'",
        )
