"""Error consistency of a read-out with subjects: figure, reference, interval and null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.behavior.error_consistency import (
    error_consistency,
    mean_consistency,
)
from brainbench.scoring.behavior.answers import AnswersEvaluation
from brainbench.scoring.measure import Figure, Report, finite


class Kappas(NamedTuple):
    """Kappa of the model with each subject, draw x subject, and of pairs of subjects, draw x pair."""

    model: FloatArray
    pairs: FloatArray | None  # None where they are not divided by


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorConsistencyEvaluation(AnswersEvaluation):
    """Right and wrong answers of a read-out beside those of subjects."""

    divided: bool  # see `ErrorConsistencyRules`

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> Kappas:
        target = self.target
        of_model = error_consistency(self.correct, target.correct, seen=target.seen, weights=counts)
        needed = self.divided and (counts is None or self.formula != "raw")
        of_pairs = np.atleast_2d(target.pair_consistency(counts)) if needed else None
        return Kappas(np.atleast_2d(of_model), of_pairs)

    def figure_of(self, results: Kappas, unit_counts: FloatArray | None) -> Figure:
        subjects = [np.arange(self.target.n_subjects)]
        raw = mean_consistency(results.model, unit_counts, rows=subjects)
        if not self.divided:
            return Figure.of_one_part(raw)
        if results.pairs is None:
            return Figure.of_one_part(np.abs(raw))
        c = mean_consistency(results.pairs, unit_counts, rows=self.target.pairs)
        return Figure.of_one_part(np.abs(raw), np.abs(c), judged=c)

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of a model that answers each image as it answered another."""
        correct = np.stack([self.right(self.readout.probabilities[o]) for o in orders[0]])
        target = self.target
        kappas = error_consistency(correct[:, None], target.correct, seen=target.seen)
        figure = self.figure_of(Kappas(kappas, None), None)
        if not self.divided:
            return figure
        return Figure.of_one_part(figure.raw, np.full(len(correct), self.reference))

    @cached_property
    def reference(self) -> float:
        """Mean kappa over pairs of subjects."""
        return float(mean_consistency(self.target.pair_consistency(), rows=self.target.pairs)[0])

    def missing_value(self, figure: Figure) -> str | None:
        if np.isfinite(figure.mean_raw()):
            return None
        return (
            "no kappa: with each subject, model and subject are always right or always wrong "
            f"({int(self.correct.sum())} of {len(self.correct)} answers of the model are right)"
        )

    @property
    def no_ceiling(self) -> str:
        return "one subject has no other, or pairs of subjects have no kappa"

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def no_floor(self) -> str:
        return "a subject's kappa has no reliability of its own"

    def report(self, figure: Figure) -> Report:
        kappas = self.over_images(None).model[0]
        undefined = int(np.isnan(kappas).sum())
        return Report(
            n_units=len(kappas) - undefined,
            excluded={"no kappa: model and subject always right, or always wrong": undefined},
            per_unit=xr.DataArray(
                kappas,
                dims=("subject",),
                coords={"subject": list(self.target.subjects)},
                attrs={"units": "kappa of right and wrong answers of model and subject"},
            ),
            predictions=self.choice_table(self.readout.probabilities, self.target.share),
            figures=self._figures(),
            details={
                **self.held_out_details,
                "answer": "the most probable category",
                "reference": "mean kappa over pairs of subjects"
                + (", divided by" if self.divided else ": no maximum, not divided by"),
            },
            seeds=dict.fromkeys(("splits", "null"), self.seed),
            notes=self.notes,
        )

    def _figures(self) -> dict[str, Any]:
        of_pairs = self.target.pair_consistency()
        return {
            **self.counts_and_accuracies,
            "n_answers": int(self.target.seen.sum()),
            "reference": finite(self.reference),
            "pairs_of_subjects": len(of_pairs),
            "pairs_without_kappa": int(np.isnan(of_pairs).sum()),
        }
