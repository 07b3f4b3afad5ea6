"""Neural predictivity: how well a linear map of a model predicts the sites of a region.

Two protocols, `paper` (Kubilius et al. 2019, section 3.1) and `brainscore` (Brain-Score 2.4.2);
docs/measures.md says what each does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from brainbench.core.errors import InputError, NotApplicableError, unknown
from brainbench.core.settings import ProtocolName
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.context import RunContext, Session
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, ProtocolRules
from brainbench.scoring.recordings import material_of
from brainbench.scoring.regression.estimators import Estimator, EstimatorMap
from brainbench.scoring.regression.linear_maps import MAPS, LinearMap, MapName
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.published_division import (
    DividedEvaluation,
    DividedTarget,
    describe_divided,
    divided_material,
    divided_target,
    fit_divided,
)
from brainbench.scoring.regression.sessions import (
    SessionsMeasure,
    SessionTarget,
    check_distinct_sites,
    fit_session,
    images_of_splits,
    n_folds,
)
from brainbench.scoring.regression.soft_matching import SoftMatchingEvaluation, SoftMatchingMap
from brainbench.scoring.sample_size import ImagesNeeded, Sizes
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.splits import Split, brainscore, fold_sizes, paper, tenth_sizes

DIVISIONS = ("drawn", "published")
SOFT_MATCHING: Literal["soft-matching"] = "soft-matching"
"""The map that is no prediction of single sites, beside `linear_maps.MAPS`."""


@dataclass(frozen=True, kw_only=True)
class PredictivityRules(ProtocolRules):
    """Rules of a protocol for neural predictivity."""

    split: Callable[..., list[Split]]  # (ids, strata, groups=, n_splits=, seed=) -> splits
    sizes: Sizes  # of what a split holds out
    follows_levels: bool = False  # splits are drawn in the order of the file's levels
    # Correlations (draw, split, neuroid), counts of neuroids -> figure of each draw.
    aggregate: Callable[..., FloatArray]
    joint: bool  # the map is fitted to all neuroids jointly
    reduces: bool  # features are reduced to principal components


@dataclass(frozen=True, kw_only=True)
class Predictivity(SessionsMeasure):
    """Predictivity of the sites of a region by a linear map.

    Parameters
    ----------
    n_components : int
        Latent dimensions of the PLS map.
    n_pca : int or None
        Principal components of the features kept under `paper`; at most training images - 1 and features.
        None keeps all. They are fitted on the training images of each fold, also inside the selection of a
        layer and step. (Fitted on all images, with nearly as many components as images, held-out images
        become combinations of the others, and r falls.)
    n_splits : int
        Folds under `paper`, random splits under `brainscore`.
    n_inner : int
        Folds inside the training images, by which `paper` selects a layer and step.
    solver : {"exact", "nipals"}
        Exact singular vectors, or scikit-learn's iteration.
    formula : str or None
        "raw", "r/c", "(r/c)^2", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r2/c.
    metric : str or estimator
        The map, which also selects layer and step: a name (see `scoring.regression.linear_maps`), or an
        instance with scikit-learn's fit(X, Y) and predict(X), of which a clone is fitted in each split (see
        `scoring.regression.estimators`).
    division : {"drawn", "published"}
        Splits as the protocol draws them; or the authors' own training and test images, which the column
        `split` of the stimuli declares (see `scoring.regression.published_division`), under `paper` alone.
        One map is fitted then, to single sites; `n_splits` and `n_inner` do not apply, and `ridge-cv` chooses
        the penalty of each site on validation images.

    Raises
    ------
    UnknownNameError
        No such map.
    InputError
        Something that is no estimator, or one whose code cannot be inspected; `n_pca` below 1; soft matching
        with a published division.
    """

    n_components: int = 25
    n_pca: int | None = 1000
    n_splits: int = 10
    n_inner: int = 5
    solver: Literal["exact", "nipals"] = "exact"
    metric: MapName | Literal["soft-matching"] | Estimator = "pls"
    division: Literal["drawn", "published"] = "drawn"

    rules: ClassVar[Mapping[ProtocolName, PredictivityRules]] = {
        "paper": PredictivityRules(
            formula="raw",
            split=paper,
            sizes=fold_sizes,
            aggregate=mean_then_median,
            joint=False,
            reduces=True,
        ),
        "brainscore": PredictivityRules(
            formula="r2/c",
            one_layer=True,
            split=brainscore,
            sizes=tenth_sizes,
            follows_levels=True,
            groups_on_request=True,
            split_seed=1,
            aggregate=median_then_mean,
            joint=True,
            reduces=False,
            reports_error=True,
        ),
    }
    covers_few_groups: ClassVar[bool] = True
    measured_coverage: ClassVar[frozenset[tuple[str, str, str]]] = frozenset(
        {
            ("paper", "pls", "raw"),
            ("paper", "pls", "r/sqrt(c)"),
            ("paper", "ridge-cv", "raw"),
            ("brainscore", "pls", "r2/c"),
        }
    )
    """Protocol, map and formula of the worlds in perf/worlds, of a single session without a floor."""

    def __post_init__(self) -> None:
        names = (*MAPS, SOFT_MATCHING)
        if isinstance(self.metric, str) and self.metric not in names:
            raise unknown(
                "map", self.metric, names, todo="choose one of these, or give an estimator"
            )
        if self.division not in DIVISIONS:
            raise unknown("division", self.division, DIVISIONS, todo="choose one of these")
        if self.metric == SOFT_MATCHING and self.division == "published":
            raise InputError(
                f"{SOFT_MATCHING} with a published division",
                allowed=f"the maps {', '.join(MAPS)}, or an estimator",
                todo="choose one of these, or division='drawn'",
            )
        self.site_map(self.rules["paper"])

    def site_map(
        self, rules: PredictivityRules, *, seed: int = 0
    ) -> LinearMap | EstimatorMap | SoftMatchingMap:
        """Return the map of a protocol; `seed` is that of its random numbers, if it draws any."""
        if self.metric == SOFT_MATCHING:
            return SoftMatchingMap(seed=seed)
        if isinstance(self.metric, str):
            return LinearMap(
                metric=self.metric,
                n_components=self.n_components,
                solver=self.solver,
                joint=rules.joint,
                n_pca=self.n_pca if rules.reduces else None,
                seed=seed,
            )
        return EstimatorMap(estimator=self.metric, seed=seed)

    def config(self) -> dict[str, Any]:
        """Return name and options as plain values; an estimator by its class, parameters and code."""
        if not isinstance(self.metric, str):
            estimator = EstimatorMap(estimator=self.metric).config()
            return {**replace(self, metric="pls").config(), "metric": estimator}
        options = super().config()
        if self.division == "drawn":  # keys of scores from before there was a choice
            del options["division"]
        return options

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError for a published division under another protocol than `paper`."""
        super().check(context)
        if self.division == "published" and context.settings.protocol != "paper":
            raise NotApplicableError(
                f"{context.benchmark.identifier}, a published division, under {context.settings.protocol}",
                allowed="the protocol paper",
                todo="omit --protocol",
            )

    def check_enough_images(self, context: RunContext, session: Session) -> None:
        """Raise InputError for too few images; those of a published division are counted with it."""
        if self.division == "drawn":
            super().check_enough_images(context, session)

    def target(self, context: RunContext) -> list[SessionTarget]:
        """Raise InputError for what `SessionsMeasure.target` or `published_division.Division.of` refuses."""
        if self.division == "drawn":
            return super().target(context)
        targets: list[SessionTarget] = [divided_target(context, each) for each in context.sessions]
        check_distinct_sites(targets)
        return targets

    def candidates(self, context: RunContext, target: list[SessionTarget]) -> list[list[Candidate]]:
        shown = [
            one.whole.stimuli if isinstance(one, DividedTarget) else one.recordings.stimuli
            for one in target
        ]
        return [candidates_of(context, stimuli) for stimuli in shown]

    def images_needed(self, context: RunContext) -> ImagesNeeded:
        site_map = self.site_map(context.rules)
        return images_of_splits(
            context,
            what=str(site_map),
            training=site_map.least_images,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
        )

    def evaluate(
        self,
        context: RunContext,
        target: list[SessionTarget],
        candidates: list[list[Candidate]],
    ) -> Evaluation:
        """Raise InputError for a layer that does not vary."""
        rules: PredictivityRules = context.rules
        site_map = self.site_map(rules, seed=context.settings.seed)
        if not isinstance(site_map, SoftMatchingMap) and self.division == "published":
            return self._evaluate_divided(context, target, candidates, site_map)
        n_splits = n_folds(target, self.n_splits)
        fits = []
        for session, offered in zip(target, candidates, strict=True):
            recordings = session.recordings
            # Splits of disjoint folds do not depend on the order of the rows; Brain-Score's do.
            order = {"order": recordings.order} if rules.follows_levels else {}
            folds = rules.split(
                recordings.stimuli.ids,
                recordings.strata,
                groups=recordings.split_groups,
                **order,
                n_splits=n_splits,
                seed=context.split_seed,
            )
            fits.append(
                fit_session(
                    session,
                    offered,
                    site_map,
                    folds,
                    n_inner=self.n_inner,
                    seed=context.settings.seed,
                )
            )
        is_soft = isinstance(site_map, SoftMatchingMap)
        evaluation = SoftMatchingEvaluation if is_soft else PredictivityEvaluation
        return evaluation(
            material=material_of([session.recordings for session in target]),
            formula=context.formula,
            fits=fits,
            population=context.population,
            aggregate=rules.aggregate,
            floor=context.settings.floor,
            constant_counts=site_map.constant_counts,
            details={
                **site_map.describe(),
                "pca": site_map.pca,
                "splits": n_splits,
                "stratified": all(session.recordings.strata is not None for session in target),
            },
            seeds={"splits": context.split_seed, "ceiling": 1},
        )

    def _evaluate_divided(
        self,
        context: RunContext,
        target: list[SessionTarget],
        candidates: list[list[Candidate]],
        site_map: LinearMap | EstimatorMap,
    ) -> Evaluation:
        divided = [one for one in target if isinstance(one, DividedTarget)]
        parts = [one.division for one in divided]
        fits = [
            fit_divided(session, offered, site_map)
            for session, offered in zip(divided, candidates, strict=True)
        ]
        return DividedEvaluation(
            material=divided_material(divided),
            formula=context.formula,
            fits=fits,
            population=context.population,
            aggregate=context.rules.aggregate,
            floor=context.settings.floor,
            constant_counts=site_map.constant_counts,
            details={
                **describe_divided(site_map),
                "pca": site_map.pca,
                "division": "published",
                "training_images": sum(len(part.training) for part in parts),
                "validation_images": sum(len(part.validation) for part in parts),
                "validation_drawn": any(part.drawn for part in parts),
                "test_images": sum(len(part.test) for part in parts),
            },
            seeds={"ceiling": 1},
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        settings = context.settings
        return (
            len(evaluation.material.stimulus_sets) == 1
            and settings.floor is None
            and self.division == "drawn"
            and isinstance(self.metric, str)
            and (settings.protocol, self.metric, context.formula) in self.measured_coverage
        )
