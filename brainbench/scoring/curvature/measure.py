"""Curvature of films: does a layer bend the films that a brain bends.

The curvature of a film is the mean angle between successive steps from frame to frame (Hénaff et al. 2019,
2021): in pixels, in a layer, and in a brain by an estimate that is cross-validated over trials, since the
means of trials bend by their noise alone. The figure is the correlation over films of layer and brain;
whether a layer straightens films, its change from the pixels in degrees, is beside it, with the change in
the brain and the published one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.metrics.curvature.curvature import N_HALVINGS
from brainbench.scoring.context import RunContext
from brainbench.scoring.curvature.evaluation import CurvatureEvaluation
from brainbench.scoring.curvature.films import CurvatureTarget, FilmColumns, curvature_target
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules

MEASURED_FILMS = 20
"""Fewest films of which the coverage of intervals was measured."""


@dataclass(frozen=True, kw_only=True)
class Curvature(Measure[CurvatureTarget, Candidate]):
    """Pearson correlation over films of the curvature in a layer and in a brain.

    Parameters
    ----------
    film, frame : tuple of str, str
        Columns of the stimuli that together name a film, and its frames in their order.
    group : str
        Column of films that belong together, which are drawn as one.
    kind, compared : str
        Column of the kind of a film, and the kind whose films are compared; others are shown beside.
    n_halvings : int
        Random halvings of the trials.
    """

    film: tuple[str, ...] = ("film",)
    frame: str = "frame"
    group: str = "film"
    kind: str = "category"
    compared: str = "natural"
    n_halvings: int = N_HALVINGS

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {
        "paper": ProtocolRules(formula="raw", one_layer=True)
    }

    covers_few_groups: ClassVar[bool] = True

    @property
    def columns(self) -> FilmColumns:
        return FilmColumns(
            film=self.film,
            frame=self.frame,
            group=self.group,
            kind=self.kind,
            compared=self.compared,
        )

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError for a formula with a ceiling: curvature has none."""
        if context.formula != "raw":
            raise NotApplicableError(
                f"formula {context.formula!r} for {context.benchmark.identifier}",
                allowed="raw: the curvature of a brain has no ceiling",
                todo="omit --formula",
            )

    def target(self, context: RunContext) -> CurvatureTarget:
        """Raise InputError for stimuli that are no films, or no trials; see `curvature_target`."""
        return curvature_target(context, self.columns, n_halvings=self.n_halvings)

    def candidates(self, context: RunContext, target: CurvatureTarget) -> Candidate:
        """Raise InputError for several steps: nothing is held out to choose one by."""
        found = candidates_of(context, target.stimuli)
        if len(found) > 1:
            steps = [f"{one.layer} step {one.step}" for one in found]
            raise InputError(
                f"{context.benchmark.identifier}: {len(found)} layers and steps, {', '.join(steps)}",
                allowed="one layer with one step in the window: nothing is held out to choose by",
                todo=f"name another layer: --layers {context.benchmark.region}=LAYER",
            )
        return found[0]

    def evaluate(
        self, context: RunContext, target: CurvatureTarget, candidates: Candidate
    ) -> Evaluation:
        """Raise InputError for a layer that does not vary."""
        return CurvatureEvaluation(
            material=target.material,
            formula=context.formula,
            target=target,
            products=candidates.gram().K,
            candidate=candidates,
            seed=context.settings.seed,
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        """Whether there are as many films as in the worlds of perf/worlds, or more."""
        films = evaluation.target.films.names if isinstance(evaluation, CurvatureEvaluation) else ()
        return len(films) >= MEASURED_FILMS
