"""Choices of a read-out among all categories: figure, ceiling, interval and null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.behavior.choices import image_level, shares
from brainbench.metrics.behavior.error_consistency import error_consistency
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.behavior.answers import AnswersEvaluation
from brainbench.scoring.measure import Figure, Report, finite
from brainbench.stats.ceiling import spearman_brown


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoicesEvaluation(AnswersEvaluation):
    """Shares of the held-out answers of a read-out beside those of subjects."""

    # --- figures -----------------------------------------------------------------------------------

    @property
    def truth(self) -> IntArray:
        """Category that each image shows."""
        return self.target.images.truth

    def _ceiling(
        self, image_counts: FloatArray | None, subject_counts: FloatArray | None
    ) -> FloatArray:
        """Return the reliability of the subjects together, one for each draw.

        Subjects that are drawn again stay in their half: in both, they would agree with themselves.
        """
        if subject_counts is None:
            subject_counts = np.ones((1, self.target.n_subjects))
        n_draws = max(len(subject_counts), 1 if image_counts is None else len(image_counts))
        r = np.full((n_draws, len(self.target.halves)), np.nan)
        for column, pair in enumerate(self.target.halves):
            first, second = (
                shares(self.target.counts[half], subject_counts[:, half]) for half in pair
            )
            r[:, column] = image_level(first, second, self.truth, weights=image_counts)
        return nan_mean(spearman_brown(r), axis=1)

    @cached_property
    def ceiling(self) -> float:
        return float(self._ceiling(None, None)[0])

    def over_images(self, counts: FloatArray | None) -> FloatArray | None:
        """Return the counts: the subjects are pooled before their images are weighted."""
        return counts

    def figure_of(self, results: FloatArray | None, unit_counts: FloatArray | None) -> Figure:
        target = self.target
        observed = target.share if unit_counts is None else shares(target.counts, unit_counts)
        r = image_level(self.readout.probabilities, observed, self.truth, weights=results)
        if results is None and unit_counts is None:
            return Figure.of_one_part(r, self.ceiling)
        return Figure.of_one_part(
            r, None if self.formula == "raw" else self._ceiling(results, unit_counts)
        )

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of a model that answers each image as it answered another."""
        answers = (self.readout.probabilities[order] for order in orders[0])
        r = [image_level(shuffled, self.target.share, self.truth)[0] for shuffled in answers]
        return Figure.of_one_part(r, np.full(len(r), self.ceiling))

    def missing_value(self, figure: Figure) -> str | None:
        if np.isfinite(figure.mean_raw()):
            return None
        return "no correlation: within each category, subjects or model answer every image alike"

    @property
    def no_ceiling(self) -> str:
        if not self.target.halves:
            return "one subject has no other half"
        return "within each category, a half of the subjects answers every image alike"

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def no_floor(self) -> str:
        return "an image has no reliability of its own"

    def report(self, figure: Figure) -> Report:
        images, n_halves = self.target.images, len(self.target.halves)
        n_unanswered = int(np.isnan(self.target.share).any(axis=1).sum())
        model, observed = (
            _less_category_mean(answers, self.truth)
            for answers in (self.readout.probabilities, self.target.share)
        )
        return Report(
            n_units=len(images.ids) - n_unanswered,
            excluded={"no answer": n_unanswered},
            per_unit=self.image_table(
                model,
                observed,
                units="probability of the right answer, less the mean of the category",
            ),
            predictions=self.choice_table(self.readout.probabilities, self.target.share),
            figures=self._figures(),
            details={
                **self.held_out_details,
                "ceiling": f"{n_halves} halves of the subjects, Spearman-Brown corrected",
            },
            seeds=dict.fromkeys(("splits", "halves", "null"), self.seed),
            notes=self.notes,
        )

    def _figures(self) -> dict[str, Any]:
        target = self.target
        of_model = error_consistency(self.correct, target.correct, seen=target.seen)
        return {
            **self.counts_and_accuracies,
            "n_answers": int(target.counts.sum()),
            "answers_of_categories_not_in_use": target.n_outside,
            "error_consistency": finite(nan_mean(of_model, axis=0)),
            "error_consistency_among_subjects": finite(nan_mean(target.pair_consistency(), axis=0)),
        }


def _less_category_mean(answers: FloatArray, truth: IntArray) -> FloatArray:
    """Return the share of right answers to each image less the mean over its category."""
    values = np.take_along_axis(answers, truth[:, None], axis=1)[:, 0]
    means = [nan_mean(values[truth == category], axis=0) for category in range(truth.max() + 1)]
    return values - np.array(means)[truth]
