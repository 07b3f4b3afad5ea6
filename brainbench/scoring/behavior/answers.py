"""What measures of answers among all categories share: the read-out, its groups, the subjects, the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.asked import asked_for_answers
from brainbench.scoring.behavior.choices_target import (
    ChoicesTarget,
    choices_target,
    table_of_answers,
)
from brainbench.scoring.behavior.evaluation import BehaviorEvaluation
from brainbench.scoring.behavior.readout import Agreement, labeled_images, read_out
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Measure, Resampling, Units


@dataclass(frozen=True, kw_only=True)
class AnswersMeasure(Measure[ChoicesTarget, list[Candidate]]):
    """A measure of a model's behavior layer with answers of subjects among all categories.

    Parameters
    ----------
    group : str or None
        Column of the stimuli whose images are held out together, such as variants of one photograph.
    n_splits : int
        Folds of the read-out, stratified by category.
    n_inner : int
        Folds inside the training images, by which `paper` selects one of several layers or steps.
    readout : ReadoutOptions
        Options of the logistic regression.
    """

    group: str | None = None
    n_splits: int = 10
    n_inner: int = 5
    readout: ReadoutOptions = field(default_factory=ReadoutOptions)

    def answers(self, context: RunContext, *, n_halves: int, by_category: bool) -> ChoicesTarget:
        """Return the answers of the subjects, which a figure compares within categories or all together.

        InputError for answers to other images, one category, or too few images of one, or with answers.
        """
        table = table_of_answers(context)
        images = labeled_images(
            context,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
            group=self.group,
            asked=asked_for_answers(table, by_category=by_category),
        )
        return choices_target(context, images, table, n_halves=n_halves)

    def candidates(self, context: RunContext, target: ChoicesTarget) -> list[Candidate]:
        return candidates_of(context, target.images.stimuli)

    def read_out(
        self,
        context: RunContext,
        target: ChoicesTarget,
        candidates: list[Candidate],
        agreement: Agreement,
    ) -> dict[str, Any]:
        """Return what an `AnswersEvaluation` is made of, with the held-out read-out."""
        return {
            "material": target.material,
            "formula": context.formula,
            "readout": read_out(target.images, candidates, self.readout, agreement),
            "seed": context.settings.seed,
            "target": target,
            "group": self.group,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswersEvaluation(BehaviorEvaluation):
    """Held-out answers of a read-out beside those of subjects who chose among all categories."""

    target: ChoicesTarget
    group: str | None  # column by which images are held out and drawn together

    def right(self, answers: FloatArray) -> BoolArray:
        """Return whether the most probable category is the right one, of each image."""
        return np.asarray(answers.argmax(axis=-1) == self.target.images.truth)

    @property
    def correct(self) -> BoolArray:
        """Whether the read-out is right, of each image."""
        return self.right(self.readout.probabilities)

    @property
    def resampling(self) -> Resampling:
        images = "images" if self.group is None else f"images by {self.group}"
        return Resampling(
            units=Units(n=self.target.n_subjects, population="subjects", crossed=False),
            words={"images": images, "units": "subjects", "both": f"{images} and subjects"},
            remark="read-out not refitted",
            at_once=20,
        )

    @property
    def held_out_details(self) -> Mapping[str, Any]:
        """Options of the read-out and what it holds out, for the record."""
        together = f", its {self.group} left out too" if self.group else ""
        return {
            **self.readout_details,
            "held_out": f"each image by a read-out of the others{together}",
        }

    @property
    def counts_and_accuracies(self) -> dict[str, Any]:
        """Figures of a score that do not depend on the measure."""
        target = self.target
        return {
            "n_subjects": target.n_subjects,
            "answers_without_choice": target.n_without,
            "accuracy": float(self.correct.mean()),
            "accuracy_of_subjects": float(target.correct[target.seen].mean()),
        }
