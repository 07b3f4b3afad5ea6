"""Error consistency: does a model err on the images on which subjects err.

Geirhos, Meding & Wichmann 2020, under two protocols: `paper`, which reports kappa itself, and `brainscore`
(Brain-Score 2.4.2), which divides by the kappa of pairs of subjects. The answers of the model are those of a
read-out that is never asked about an image that it was fitted to, nor about one of the image's group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brainbench.core.errors import NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.choices_target import ChoicesTarget, choices_target
from brainbench.scoring.behavior.error_consistency_evaluation import ErrorConsistencyEvaluation
from brainbench.scoring.behavior.readout import labeled_images, read_out
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules


@dataclass(frozen=True, kw_only=True)
class ErrorConsistencyRules(ProtocolRules):
    """Rules of a protocol for error consistency."""

    # The absolute value of kappa is related to that of pairs of subjects, which is else a reference.
    divided: bool


@dataclass(frozen=True, kw_only=True)
class ErrorConsistency(Measure[ChoicesTarget, list[Candidate]]):
    """Mean kappa over subjects of right and wrong answers of model and subject.

    Parameters
    ----------
    group : str or None
        Column of the stimuli whose images are held out together, such as variants of one photograph.
    n_splits : int
        Folds of the read-out, stratified by category.
    n_inner : int
        Folds inside the training images, by which `paper` selects one of several layers or steps.
    formula : str or None
        "raw" under `paper`; any under `brainscore`. None for the protocol's own: raw, and clip(r/c).
    readout : ReadoutOptions
        Options of the logistic regression.
    """

    group: str | None = None
    n_splits: int = 10
    n_inner: int = 5
    readout: ReadoutOptions = field(default_factory=ReadoutOptions)

    rules: ClassVar[Mapping[ProtocolName, ErrorConsistencyRules]] = {
        "paper": ErrorConsistencyRules(formula="raw", divided=False),
        "brainscore": ErrorConsistencyRules(formula="clip(r/c)", one_layer=True, divided=True),
    }

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError under `paper` for a formula that divides."""
        rules: ErrorConsistencyRules = context.rules
        if rules.divided or context.formula == "raw":
            return
        raise NotApplicableError(
            f"formula {context.formula!r} for {context.benchmark.identifier} under paper",
            allowed="raw: the agreement of subjects with each other is a reference, no maximum",
            todo="omit --formula, or choose --protocol brainscore",
        )

    def target(self, context: RunContext) -> ChoicesTarget:
        """Raise InputError for answers to other images, one category, or too few images of one."""
        images = labeled_images(
            context, n_splits=self.n_splits, n_inner=self.n_inner, group=self.group
        )
        return choices_target(context, images, n_halves=0)

    def candidates(self, context: RunContext, target: ChoicesTarget) -> list[Candidate]:
        return candidates_of(context, target.images.stimuli)

    def evaluate(
        self, context: RunContext, target: ChoicesTarget, candidates: list[Candidate]
    ) -> Evaluation:
        rules: ErrorConsistencyRules = context.rules
        return ErrorConsistencyEvaluation(
            material=target.material,
            formula=context.formula,
            readout=read_out(target.images, candidates, self.readout, target.consistency),
            seed=context.settings.seed,
            target=target,
            group=self.group,
            divided=rules.divided,
        )
