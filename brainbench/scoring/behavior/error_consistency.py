"""Error consistency: does a model err on the images on which subjects err.

Geirhos, Meding & Wichmann 2020, under two protocols: `paper`, which reports kappa itself, and `brainscore`
(Brain-Score 2.4.2), which divides by the kappa of pairs of subjects. The answers of the model are those of a
read-out that is never asked about an image that it was fitted to, nor about one of the image's group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from brainbench.core.errors import NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.scoring.behavior.answers import AnswersMeasure
from brainbench.scoring.behavior.choices_target import ChoicesTarget
from brainbench.scoring.behavior.error_consistency_evaluation import ErrorConsistencyEvaluation
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.measure import Evaluation, ProtocolRules


@dataclass(frozen=True, kw_only=True)
class ErrorConsistencyRules(ProtocolRules):
    """Rules of a protocol for error consistency."""

    # The absolute value of kappa is related to that of pairs of subjects, which is else a reference.
    divided: bool


@dataclass(frozen=True, kw_only=True)
class ErrorConsistency(AnswersMeasure):
    """Mean kappa over subjects of right and wrong answers of model and subject.

    Parameters
    ----------
    group, n_splits, n_inner, readout
        See `AnswersMeasure`.
    formula : str or None
        "raw" under `paper`; any under `brainscore`. None for the protocol's own: raw, and clip(r/c).
    """

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
        return self.answers(context, n_halves=0, by_category=False)

    def evaluate(
        self, context: RunContext, target: ChoicesTarget, candidates: list[Candidate]
    ) -> Evaluation:
        rules: ErrorConsistencyRules = context.rules
        return ErrorConsistencyEvaluation(
            **self.read_out(context, target, candidates, target.consistency), divided=rules.divided
        )
