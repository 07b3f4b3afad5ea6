"""Choices among all categories: are a model's answers to single images those of subjects.

For data where each subject gave one answer to an image, among many categories. I2n has no figure there (see
docs/measures.md); the correlation of answers less the mean of each category takes its place. The measure is
ours. The read-out is never asked about an image that it was fitted to, nor about one of the image's group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from brainbench.core.settings import ProtocolName
from brainbench.scoring.behavior.answers import AnswersMeasure
from brainbench.scoring.behavior.choices_evaluation import ChoicesEvaluation
from brainbench.scoring.behavior.choices_target import ChoicesTarget
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.measure import Evaluation, ProtocolRules


@dataclass(frozen=True, kw_only=True)
class CategoryChoices(AnswersMeasure):
    """Image-level correlation of a model's behavior layer with answers among all categories.

    Parameters
    ----------
    group, n_splits, n_inner, readout
        See `AnswersMeasure`.
    n_halves : int
        Random halves of the subjects, for the ceiling.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw.
    """

    n_halves: int = 10

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {"paper": ProtocolRules(formula="raw")}

    def target(self, context: RunContext) -> ChoicesTarget:
        return self.answers(context, n_halves=self.n_halves, by_category=True)

    def evaluate(
        self, context: RunContext, target: ChoicesTarget, candidates: list[Candidate]
    ) -> Evaluation:
        return ChoicesEvaluation(**self.read_out(context, target, candidates, target.agreement))
