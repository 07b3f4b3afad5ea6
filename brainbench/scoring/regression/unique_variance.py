"""Unique variance: what a model explains of the sites of a region beyond reference models.

Variance partitioning with banded ridge regression (de Heer et al. 2017; Nunez-Elizalde et al. 2019);
docs/measures.md says what each figure is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.metrics.linear import banded_ridge, ridge
from brainbench.scoring.context import ModelRun, RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation, ProtocolRules
from brainbench.scoring.recordings import (
    material_of,
)
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.sessions import (
    SessionsMeasure,
    SessionTarget,
    fit_session,
    n_folds,
)
from brainbench.scoring.regression.unique_variance_evaluation import (
    SessionPartition,
    UniqueVarianceEvaluation,
)
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.stats.splits import paper

FORMULAS = ("raw", "r/c")
"""Formulas of a share of variance: as it is, or over the share that can be explained, c."""
_MAP = LinearMap(metric="ridge-cv")


@dataclass(frozen=True, kw_only=True)
class UniqueVariance(SessionsMeasure):
    """Variance of the sites of a region that a model explains beyond reference models.

    Parameters
    ----------
    beyond : sequence of ModelRun
        Reference models, each a feature space of its own, as pixels and gabor.
    n_splits : int
        Disjoint folds of held-out images.
    n_inner : int
        Folds inside the training images, by which a layer and step of each model is selected.
    formula : str or None
        "raw", or "r/c" for the share of the variance that can be explained.

    Raises
    ------
    InputError
        No reference model, or two of one name.
    """

    beyond: Sequence[ModelRun] = ()
    n_splits: int = 10
    n_inner: int = 5

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {"paper": ProtocolRules(formula="raw")}

    def __post_init__(self) -> None:
        names = [reference.model.name for reference in self.beyond]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"beyond the models {', '.join(names) or '(none)'}",
                allowed="one or more reference models, each once",
                todo="name them as --beyond pixels,gabor",
            )

    def config(self) -> dict[str, Any]:
        """Return name and options as plain values, reference models by name and digest."""
        return {
            "measure": type(self).__name__,
            "formula": self.formula,
            "beyond": [[reference.model.name, reference.digest] for reference in self.beyond],
            "n_splits": self.n_splits,
            "n_inner": self.n_inner,
        }

    def check(self, context: RunContext) -> None:
        if context.formula not in FORMULAS:
            raise NotApplicableError(
                f"formula {context.formula} for a share of variance",
                allowed=", ".join(FORMULAS),
                todo="choose --formula from these: R^2 is divided by c, not by its root",
            )
        for reference in self.beyond:
            _ = _reference_context(context, reference).layers

    def images_needed(self, context: RunContext) -> ImagesNeeded:
        views = [context, *(_reference_context(context, one) for one in self.beyond)]
        return ImagesNeeded(
            what="variance partitioning",
            n_splits=self.n_splits,
            training=_MAP.least_images,
            n_inner=self.n_inner if any(view.may_select for view in views) else None,
        )

    def evaluate(
        self,
        context: RunContext,
        target: list[SessionTarget],
        candidates: list[list[Candidate]],
    ) -> Evaluation:
        """Raise InputError for a layer that does not vary."""
        seed, n_splits = context.settings.seed, n_folds(target, self.n_splits)
        partitions = [
            self._partition(context, session, offered, n_splits)
            for session, offered in zip(target, candidates, strict=True)
        ]
        selections = [
            selection_of([partition.references[k].selection for partition in partitions])
            for k in range(len(self.beyond))
        ]
        return UniqueVarianceEvaluation(
            material=material_of([session.recordings for session in target]),
            formula=context.formula,
            fits=[partition.fit for partition in partitions],
            partitions=partitions,
            settings=context.settings,
            population=context.population,
            floor=context.settings.floor,
            details={
                "map": "banded ridge: a penalty for each feature space and site",
                "penalties": ridge.RELATIVE.tolist(),
                "penalties_relative": True,
                "mixtures": len(banded_ridge.mixtures(1 + len(self.beyond))),
                "penalty_chosen": "by leaving out each training image, or group of images, for each site",
                "beyond": [
                    {
                        "model": reference.model.name,
                        "weights": reference.model.weights,
                        "digest": reference.digest,
                        "layer": selection.layer,
                        "step": selection.step,
                    }
                    for reference, selection in zip(self.beyond, selections, strict=True)
                ],
                "splits": n_splits,
                "stratified": all(session.recordings.strata is not None for session in target),
            },
            seeds={"splits": context.split_seed, "mixtures": seed, "ceiling": 1},
        )

    def _partition(
        self,
        context: RunContext,
        target: SessionTarget,
        offered: list[Candidate],
        n_splits: int,
    ) -> SessionPartition:
        recordings, seed = target.recordings, context.settings.seed
        folds = paper(
            recordings.stimuli.ids,
            recordings.strata,
            groups=recordings.split_groups,
            n_splits=n_splits,
            seed=context.split_seed,
        )
        fits = []
        for given in [offered, *self._references(context, target)]:
            fits.append(fit_session(target, given, _MAP, folds, n_inner=self.n_inner, seed=seed))
        return SessionPartition(fit=fits[0], references=fits[1:], seed=seed)

    def _references(self, context: RunContext, target: SessionTarget) -> list[list[Candidate]]:
        return [
            candidates_of(_reference_context(context, reference), target.recordings.stimuli)
            for reference in self.beyond
        ]


def _reference_context(context: RunContext, reference: ModelRun) -> RunContext:
    """Return the view of a reference model: layers that the user chose are those of the scored model."""
    run = replace(context.run, settings=replace(context.settings, layers={}))
    return RunContext(benchmark=context.benchmark, run=run, model_run=reference)
