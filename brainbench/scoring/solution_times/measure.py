"""Object solution times: does a model solve images in the order in which a brain does.

Kar et al. 2019; Kubilius et al. 2019, section 3.3 (`paper`); Brain-Score 2.4.2 (`brainscore`).
docs/measures.md says where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from brainbench.core.settings import ProtocolName
from brainbench.metrics.behavior.i2n import FalseAlarms
from brainbench.metrics.solution_times.decoder import Decoder, DecoderName, Initializer
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_states import LayerStates, layer_states
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules
from brainbench.scoring.solution_times.evaluation import DecodedEvaluation, StaticEvaluation
from brainbench.scoring.solution_times.images_needed import ImagesOfSplits
from brainbench.scoring.solution_times.model_times import decode_model, is_static
from brainbench.scoring.solution_times.target import BrainTimes, brain_times
from brainbench.scoring.solution_times.trial_halves import trial_halves
from brainbench.stats.splits import Split, brainscore, paper


@dataclass(frozen=True, kw_only=True)
class SolutionTimesRules(ProtocolRules):
    """Rules of a protocol for object solution times."""

    split: Callable[..., list[Split]]  # (ids, strata, groups=, n_splits=, seed=) -> splits
    stratified: bool  # splits are stratified by object
    # Splits are disjoint: one correlation runs over the held-out images of all of them. Otherwise
    # the value is a mean over splits, with a standard error.
    together: bool
    false_alarms: FalseAlarms  # see `metrics.behavior.i2n.d_prime`
    initializer: Initializer  # initial weights of the published decoder
    conventional: bool  # divide by Brain-Score's convention, whatever the trials say
    details: Mapping[str, str]  # what this means, for the record


@dataclass(frozen=True, kw_only=True)
class SolutionTimes(Measure[BrainTimes, list[LayerStates]]):
    """Spearman correlation of a model's object solution times with a brain's.

    Parameters
    ----------
    decoder : {"published", "converged"}
        See `metrics.solution_times.decoder.Decoder`; the published one needs 1,000 images and more.
    bin_ms : float
        Width of the time bins that the benchmark's window is cut into.
    n_splits : int
        Disjoint folds under `paper`, random splits under `brainscore`.
    n_halves : int
        How often the trials are halved for the ceiling.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r/c. The c of `brainscore`
        is its convention of .79.
    """

    decoder: DecoderName = "published"
    bin_ms: float = 10.0
    n_splits: int = 10
    n_halves: int = 10

    rules: ClassVar[Mapping[ProtocolName, SolutionTimesRules]] = {
        "paper": SolutionTimesRules(
            formula="raw",
            split=paper,
            stratified=True,
            together=True,
            false_alarms="paper",
            initializer="glorot_uniform",
            conventional=False,
            details={"judged": "images of all folds together", "false_alarms": "all other images"},
        ),
        "brainscore": SolutionTimesRules(
            formula="r/c",
            one_layer=True,
            groups_on_request=True,
            split_seed=1,
            reports_error=True,
            split=brainscore,
            stratified=False,
            together=False,
            false_alarms="brainscore",
            initializer="truncated_normal",
            conventional=True,
            details={
                "judged": "the images of each split",
                "false_alarms": "images of the distractor",
            },
        ),
    }
    measured_coverage: ClassVar[frozenset[tuple[str, str]]] = frozenset({("paper", "raw")})
    """Protocol and formula of the worlds in perf/worlds."""

    def target(self, context: RunContext) -> BrainTimes:
        """Raise InputError for bad tables or bins, and where a split would train without some object."""
        brain = brain_times(context, bin_ms=self.bin_ms)
        rules: SolutionTimesRules = context.rules
        ImagesOfSplits(
            split=rules.split,
            n_splits=self.n_splits,
            seed=context.split_seed,
            stratified=rules.stratified,
            of_each=2 if len(context.layers) > 1 and not context.model.static else 1,
        ).check(context, brain)
        halves, gaps = trial_halves(context, brain, n_splits=self.n_splits, n_halves=self.n_halves)
        return replace(brain, halves=halves, gaps=gaps)

    def candidates(self, context: RunContext, target: BrainTimes) -> list[LayerStates]:
        bins = [(start, end) for start, end in target.bins.tolist()]
        return layer_states(context, target.stimuli, bins)

    def evaluate(
        self, context: RunContext, target: BrainTimes, candidates: list[LayerStates]
    ) -> Evaluation:
        """Raise InputError for too few images that both solve."""
        rules: SolutionTimesRules = context.rules
        seed = context.settings.seed
        strata = target.strata if rules.stratified else None
        static = context.model.static or all(is_static(layer) for layer in candidates)
        random_weights = self.decoder == "published" and not static
        brain_side: dict[str, Any] = {
            "material": target.material,
            "formula": context.formula,
            "brain": target,
            "conventional": rules.conventional,
            "details": {
                "decoder": self.decoder,
                "initializer": rules.initializer if random_weights else "none needed",
                "splits": self.n_splits,
                "stratified": strata is not None,
                **rules.details,
                "features": None,
                "bin_ms": self.bin_ms,
            },
            "seeds": {"splits": context.split_seed, "decoder": seed, "ceiling": 1, "null": seed},
            "seed": seed,
        }
        if static:
            return StaticEvaluation(**brain_side, layer=candidates[0].layer)
        folds = rules.split(
            target.stimuli.ids,
            strata,
            groups=target.split_groups,
            n_splits=self.n_splits,
            seed=context.split_seed,
        )
        model = decode_model(
            candidates,
            target,
            folds,
            Decoder(name=self.decoder, initializer=rules.initializer, seed=seed),
            together=rules.together,
            false_alarms=rules.false_alarms,
        )
        evaluation = DecodedEvaluation(**brain_side, model=model)
        evaluation.check_solved(context.model.name)
        return evaluation

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        return (context.settings.protocol, context.formula) in self.measured_coverage
