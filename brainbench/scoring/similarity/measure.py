"""Similarity without a map: RDMs or Gram matrices of a model's features against a brain's.

The brain is given as recordings, from which a representation and a split-half ceiling are made, or as
published dissimilarities of one or several subjects, with the noise ceiling of Nili et al. 2014. `paper`
takes all pairs of images (Kriegeskorte et al. 2008); where several layers or steps are offered, each fold
selects by the pairs of its training images and is scored on the pairs of its held-out ones. `brainscore`
averages over ten random sets of 90 % of the images (Brain-Score 2.4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import IntArray
from brainbench.metrics.similarity.rdm import Distance
from brainbench.metrics.similarity.rsa import Comparison
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules
from brainbench.scoring.recordings import strata_of
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.scoring.similarity.evaluation import SimilarityEvaluation, select_layers
from brainbench.scoring.similarity.representations import SimilarityMetric, SimilarityName
from brainbench.scoring.similarity.target import (
    BrainRepresentation,
    brain_representation,
    is_published,
    published_rdms,
    recorded_session,
)
from brainbench.stats.splits import Split, fold_sizes, left_out_sizes, nine_tenths, paper

N_SETS = 10
"""Random sets of images under `brainscore`."""


@dataclass(frozen=True, kw_only=True)
class SimilarityRules(ProtocolRules):
    """Which images a protocol compares."""

    # (ids, strata, order=, seed=) -> sets of images that the figure is averaged over. None compares all
    # images, or those held out of each fold where a layer or step is selected.
    random_sets: Callable[..., list[IntArray]] | None = None


@dataclass(frozen=True, kw_only=True)
class Similarity(Measure[BrainRepresentation, list[Candidate]]):
    """Similarity of representations, RSA or CKA.

    Parameters
    ----------
    metric : str
        "rsa" (RDMs), "cka" (unbiased) or "cka-biased".
    distance : str
        Of RSA: "correlation" (1 - Pearson over units), "cosine", "euclidean" or "sqeuclidean". The model's,
        and the brain's where its responses are available.
    comparison : str
        Of RSA: "spearman", "pearson" or "kendall" (tau-a).
    beside : tuple of str
        Further regions of published dissimilarities, whose figures are given beside the score.
    n_splits : int
        Folds under `paper` where there is a layer or step to select.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for raw.

    Raises
    ------
    UnknownNameError
        No such similarity, distance or comparison.
    InputError
        Further regions beside CKA.
    """

    metric: SimilarityName = "rsa"
    distance: Distance = "correlation"
    comparison: Comparison = "spearman"
    beside: tuple[str, ...] = ()
    n_splits: int = 5

    rules: ClassVar[Mapping[ProtocolName, SimilarityRules]] = {
        "paper": SimilarityRules(formula="raw"),
        "brainscore": SimilarityRules(
            formula="raw",
            one_layer=True,
            random_sets=nine_tenths,
            split_seed=1,
            reports_error=True,
        ),
    }
    measured_coverage: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {("rsa", "spearman"), ("rsa", "pearson"), ("cka", "unbiased"), ("cka", "biased")}
    )
    """Similarity, and comparison or estimate of HSIC, of the worlds in perf/worlds: raw, a single set of
    images, without a floor."""

    def __post_init__(self) -> None:
        metric = self.similarity_metric
        if self.beside and not metric.takes_rdms:
            raise InputError(
                f"{self.metric} with the regions {', '.join(self.beside)} beside",
                allowed="metric='rsa': only dissimilarities of them are published",
                todo="omit beside=, or choose metric='rsa'",
            )

    @property
    def similarity_metric(self) -> SimilarityMetric:
        return SimilarityMetric(
            name=self.metric, distance=self.distance, comparison=self.comparison
        )

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError for a formula that published dissimilarities have no ceiling for."""
        formula = context.formula
        if formula == "raw" or not is_published(context):
            return
        several = len(published_rdms(context, context.benchmark.region)) > 1
        if several and formula == "r/c":
            return
        raise NotApplicableError(
            f"formula {formula!r} for {context.benchmark.identifier}, of published dissimilarities",
            allowed="raw or r/c: the noise ceiling over subjects bounds r itself, it is no reliability"
            if several
            else "raw: one RDM, without trials or further subjects, has no ceiling",
            todo="choose --formula from these, or omit it",
        )

    def stimulus_sets(self, context: RunContext) -> list[StimulusSet]:
        return [context.stimuli(recorded_session(context).data)]

    def target(self, context: RunContext) -> BrainRepresentation:
        """Raise InputError for too few images; see `brain_representation`."""
        self._check_enough_images(context)
        return brain_representation(context, self.similarity_metric, self.beside)

    def candidates(self, context: RunContext, target: BrainRepresentation) -> list[Candidate]:
        return candidates_of(context, target.stimuli)

    def evaluate(
        self, context: RunContext, target: BrainRepresentation, candidates: list[Candidate]
    ) -> Evaluation:
        """Raise InputError for too few images, steps under random sets, or no variation."""
        metric, models = self.similarity_metric, []
        sets, training = self._sets(context, target, candidates)
        label, n = f"representations of {len(candidates)} layers", len(candidates)
        with progress.current().task(label, n) as advance:
            for candidate in candidates:
                models.append(metric.of_layer(candidate))
                advance(1)
        evaluation = SimilarityEvaluation(
            material=target.material,
            formula=context.formula,
            metric=metric,
            brain=target,
            region=context.benchmark.region,
            models=models,
            sets=sets,
            training=training,
            fold_selection=select_layers(metric, candidates, models, target.subjects, training)
            if training
            else FoldSelection.of_one(candidates[0], len(sets)),
            seeds={"splits": context.split_seed},
        )
        undefined = ~np.isfinite(evaluation.values)
        if undefined.any():
            raise InputError(
                f"{context.benchmark.identifier}: a representation that does not vary over "
                f"{int(undefined.sum())} of {len(undefined)} sets of images",
                allowed="a model and a brain for which some pairs of images are more alike than others",
                todo="check the layer's name, and use more images",
            )
        return evaluation

    def _sets(
        self, context: RunContext, brain: BrainRepresentation, candidates: Sequence[Candidate]
    ) -> tuple[list[IntArray], list[IntArray]]:
        """Return sets of images to compare, and for each the images by which a layer is selected.

        Of equal pictures one is compared, since their dissimilarity to each other is noise in the brain
        and 0 in a model; random sets are Brain-Score's, and hold all.
        """
        ids, strata, seed = brain.stimuli.ids, brain.strata, context.split_seed
        rules: SimilarityRules = context.rules
        if rules.random_sets is not None and len(candidates) > 1:
            raise InputError(
                f"{len(candidates)} steps of {candidates[0].layer!r} to select from, and no images to "
                "select by: random sets overlap",
                allowed="one layer at one time under this protocol",
                todo="choose --protocol paper",
            )
        if rules.random_sets is not None:
            return rules.random_sets(ids, strata, order=brain.order, seed=seed), []
        distinct = brain.distinct
        if len(candidates) == 1:
            return [distinct], []
        copies = brain.stimuli.copies
        folds = paper(ids, strata, groups=copies, n_splits=self.n_splits, seed=seed)
        folds = [Split(*(np.intersect1d(part, distinct) for part in fold)) for fold in folds]
        return [fold.test for fold in folds], [fold.train for fold in folds]

    def _check_enough_images(self, context: RunContext) -> None:
        """Raise InputError for too few images: of the least that have a figure all draws have the same."""
        rules: SimilarityRules = context.rules
        data = recorded_session(context).data
        stimuli, least = context.stimuli(data), self.similarity_metric.least_images
        random, selects = rules.random_sets is not None, context.may_select
        ImagesNeeded(
            what=self.metric,
            in_all=least + 1,
            n_splits=N_SETS if random else self.n_splits if selects else 0,
            sizes=left_out_sizes if random else fold_sizes,
            held_out=1 if random else least,
        ).check(
            context.benchmark.identifier,
            stimuli,
            strata=strata_of(stimuli, partial=context.is_partial(data))
            if random or selects
            else None,
            copies=not random,
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        metric = self.similarity_metric
        return (
            isinstance(evaluation, SimilarityEvaluation)
            and context.formula == "raw"
            and (context.settings.floor is None or evaluation.brain.published)
            and len(evaluation.brain.subjects) == len(evaluation.sets) == 1
            and (not metric.takes_rdms or metric.distance == "correlation")
            and (metric.describe()["similarity"], metric.estimate) in self.measured_coverage
        )
