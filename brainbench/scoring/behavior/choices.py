"""Choices among all categories: are a model's answers to single images those of subjects.

For data where each subject gave one answer to an image, among many categories. I2n has no figure there (see
docs/measures.md); the correlation of answers less the mean of each category takes its place. The measure is
ours. The read-out is never asked about an image that it was fitted to, nor about one of the image's group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brainbench.core.settings import ProtocolName
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.choices_evaluation import ChoicesEvaluation
from brainbench.scoring.behavior.choices_target import ChoicesTarget, choices_target
from brainbench.scoring.behavior.readout import labeled_images, read_out
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules


@dataclass(frozen=True, kw_only=True)
class CategoryChoices(Measure[ChoicesTarget, list[Candidate]]):
    """Image-level correlation of a model's behavior layer with answers among all categories.

    Parameters
    ----------
    group : str or None
        Column of the stimuli whose images are held out together, such as variants of one photograph.
    n_splits : int
        Folds of the read-out, stratified by category.
    n_inner : int
        Folds inside the training images, by which one of several layers or steps is selected.
    n_halves : int
        Random halves of the subjects, for the ceiling.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw.
    readout : ReadoutOptions
        Options of the logistic regression.
    """

    group: str | None = None
    n_splits: int = 10
    n_inner: int = 5
    n_halves: int = 10
    readout: ReadoutOptions = field(default_factory=ReadoutOptions)

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {"paper": ProtocolRules(formula="raw")}

    def target(self, context: RunContext) -> ChoicesTarget:
        """Raise InputError for answers to other images, one category, or too few images of one."""
        images = labeled_images(
            context, n_splits=self.n_splits, n_inner=self.n_inner, group=self.group
        )
        return choices_target(context, images, n_halves=self.n_halves)

    def candidates(self, context: RunContext, target: ChoicesTarget) -> list[Candidate]:
        return candidates_of(context, target.images.stimuli)

    def evaluate(
        self, context: RunContext, target: ChoicesTarget, candidates: list[Candidate]
    ) -> Evaluation:
        return ChoicesEvaluation(
            material=target.material,
            formula=context.formula,
            readout=read_out(target.images, candidates, self.readout, target.agreement),
            seed=context.settings.seed,
            target=target,
            group=self.group,
        )
