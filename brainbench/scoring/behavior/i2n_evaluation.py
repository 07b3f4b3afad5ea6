"""I2n of a read-out: figure, ceiling, interval and null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.behavior.i2n import (
    FalseAlarms,
    consistency,
    consistency_of_pairs,
    d_prime,
    normalized,
    two_way,
    undefined,
)
from brainbench.metrics.behavior.simulated_subjects import simulated_subjects
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.behavior.evaluation import BehaviorEvaluation
from brainbench.scoring.behavior.i2n_target import I2nTarget
from brainbench.scoring.measure import Figure, Report, Resampling, finite
from brainbench.stats.bootstrap import stream
from brainbench.stats.ceiling import ceiled, spearman_brown

ENOUGH_TRIALS = 24
"""Of each cell: with fewer, what simulated subjects reach is known to a tenth only (docs/measures.md)."""
N_DRAWN = 10
"""Simulated subjects whose ceiling is computed again in each draw of the images."""


class Consistency(NamedTuple):
    """Correlations of model and subject, draw x 1 or pair of halves, and the ceiling of each."""

    r: FloatArray
    ceiling: FloatArray | None  # None where none was asked for


@dataclass(frozen=True, kw_only=True, eq=False)
class I2nEvaluation(BehaviorEvaluation):
    """Held-out answers of a read-out beside choices between two objects."""

    target: I2nTarget
    against_halves: bool  # see `I2nRules`
    n_simulated: int  # see `I2n`
    pooled: bool = False  # I1: over distractors
    halves_seed: int  # of the halves of the trials
    described: Mapping[str, str]  # what was compared, for the record

    # --- figures -----------------------------------------------------------------------------------

    @property
    def compared_rows(self) -> IntArray:
        """Rows of the images that have trials."""
        return self.target.rows

    @cached_property
    def answers(self) -> FloatArray:
        """Probabilities of the objects, image with trials x object."""
        return self.readout.probabilities[self.target.rows]

    @cached_property
    def fraction(self) -> FloatArray:
        """How often the model chooses right, image with trials x object."""
        return two_way(self.answers, self.target.truth)

    def _consistency(
        self,
        fraction: FloatArray,
        *,
        counts: FloatArray | None = None,
        with_ceiling: bool = True,
        pooled: bool | None = None,
    ) -> Consistency:
        """Correlate fractions of a model with the subject's, and find the ceiling."""
        pooled = self.pooled if pooled is None else pooled
        needs_halves = self.against_halves or with_ceiling
        r, c = consistency(
            fraction,
            self.target.fraction,
            self.target.half_fractions if needs_halves else [],
            self.target.truth,
            false_alarms=self.target.false_alarms,
            against_halves=self.against_halves,
            pooled=pooled,
            weights=counts,
        )
        if not with_ceiling:
            return Consistency(r, None)
        if self.against_halves:
            return Consistency(r, c)
        reliability = nan_mean(spearman_brown(c), axis=1)
        reached = self._reached(counts, pooled=pooled) if (reliability > 0).any() else np.nan
        return Consistency(r, np.where(reliability > 0, reached**2, reliability)[:, None])

    def _reached(self, counts: FloatArray | None, *, pooled: bool) -> FloatArray:
        """Return the mean correlation of simulated subjects with their own trials, one for each draw.

        Draws take the first subjects, in proportion to all.
        """
        of_each = (self.reached_i1 if pooled else self.reached)[None]
        if counts is None:
            return nan_mean(of_each, axis=1)
        drawn = self.target.kept.of(
            consistency_of_pairs,
            self.first_simulated,
            self.target.truth,
            false_alarms=self.target.false_alarms,
            pooled=pooled,
            weights=counts,
        )
        share = nan_mean(of_each, axis=1) / nan_mean(of_each[:, : drawn.shape[1]], axis=1)
        return np.asarray(nan_mean(drawn, axis=1) * share)

    @cached_property
    def first_simulated(self) -> list[tuple[FloatArray, FloatArray]]:
        """Rates and trials of the first simulated subjects."""
        n_subjects = min(N_DRAWN, self.n_simulated)
        target = self.target
        return target.kept.of(_first_simulated, *target.cell_counts, n_subjects, self.seed)

    def _of_each(self, *, pooled: bool) -> FloatArray:
        target = self.target
        return target.kept.of(
            _reached_by_each,
            *target.cell_counts,
            target.truth,
            self.n_simulated,
            self.seed,
            false_alarms=target.false_alarms,
            pooled=pooled,
        )

    @cached_property
    def reached(self) -> FloatArray:
        """I2n of each simulated subject with its own trials."""
        return self._of_each(pooled=False)

    @cached_property
    def reached_i1(self) -> FloatArray:
        """I1 of each simulated subject with its own trials."""
        return self._of_each(pooled=True)

    @property
    def few_trials(self) -> bool:
        """Whether the ceiling of simulated subjects is approximate: too few trials of each cell."""
        return not self.against_halves and self.target.trials_per_cell < ENOUGH_TRIALS

    @cached_property
    def split_half(self) -> float:
        """Spearman-Brown corrected reliability of all trials, mean over halves of each cell."""
        target = self.target
        _, c = consistency(
            self.fraction,
            target.fraction,
            target.half_fractions,
            target.truth,
            false_alarms=target.false_alarms,
            pooled=self.pooled,
        )
        return float(nan_mean(spearman_brown(c), axis=1)[0])

    def over_images(self, counts: FloatArray | None) -> Consistency:
        """Return correlations; false alarms and means are those of the images as often as they count."""
        with_ceiling = counts is None or self.formula != "raw"
        return self._consistency(self.fraction, counts=counts, with_ceiling=with_ceiling)

    def figure_of(self, results: Consistency, unit_counts: FloatArray | None) -> Figure:
        """Return a part for each half, or one part for all trials."""
        return Figure(raw=results.r, ceiling=results.ceiling)

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of a model that answers each image as it answered another."""
        shuffled = [two_way(self.answers[order], self.target.truth) for order in orders[0]]
        r = np.concatenate(
            [self._consistency(fraction, with_ceiling=False).r for fraction in shuffled]
        )
        ceiling = np.asarray(self.figure().ceiling)
        return Figure(raw=r, ceiling=np.repeat(ceiling, len(r), axis=0))

    def error(self, figure: Figure) -> float:
        """Return the standard deviation over halves."""
        parts = ceiled(figure.raw[0], np.asarray(figure.ceiling)[0], formula=self.formula)
        return float(parts.std()) if parts.size else np.nan

    def missing_value(self, figure: Figure) -> str | None:
        cells, raw = self.cells, figure.mean_raw()
        used = f"{cells['cells_used']} of {cells['n_cells']} cells, {cells['n_trials']} trials"
        if not self.target.halves and (self.against_halves or np.isfinite(raw)):
            return (
                f"no halves of {cells['n_trials']} trial: {self.formula} needs at least two trials"
            )
        if not np.isfinite(raw):
            over = f"over {used}"
            if self.against_halves and cells["cells_used"] > 1:
                over = f"with random halves of the trials, of {used}: in a half"
            return (
                f"no correlation {over}: fewer than two cells have a d' on both sides, or one side "
                "is the same for all images of each pair of objects"
            )
        if not np.isfinite(figure.mean_ceiling()):
            return f"no ceiling over {used}: halves of the trials share too few cells, so no {self.formula}"
        return (
            f"the ceiling {figure.mean_ceiling():.3f} is not positive in each split: nothing reliable "
            f"was measured, no {self.formula}"
        )

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def resampling(self) -> Resampling:
        return Resampling(
            no_units="no interval: I2n is one figure over all cells, it has no units to draw again",
            remark="read-out not refitted",
            at_once=50,
        )

    @property
    def no_floor(self) -> str:
        return "a cell has no reliability of its own"

    @cached_property
    def sensitivities(self) -> tuple[FloatArray, FloatArray]:
        """Sensitivity d' of model and subject, image with trials x object."""
        model, observed = (
            d_prime(fraction, self.target.truth, false_alarms=self.target.false_alarms)
            for fraction in (self.fraction, self.target.fraction)
        )
        return model, observed

    @cached_property
    def cells(self) -> dict[str, int]:
        """How many cells there are, and why some do not count."""
        trials, truth = self.target.trials, self.target.truth
        model, observed = self.sensitivities
        model_undefined = undefined(self.fraction, model, truth)
        subject_undefined = undefined(self.target.fraction, observed, truth)
        return {
            "n_trials": len(trials),
            "n_images": len(truth),
            "n_cells": len(truth) * (len(trials.objects) - 1),
            "cells_used": int((np.isfinite(model) & np.isfinite(observed)).sum()),
            "cells_without_trials": subject_undefined.get("no hit rate", 0),
            "cells_without_d_prime_of_the_subject": subject_undefined.get("no d'", 0),
            "cells_without_d_prime_of_the_model": sum(model_undefined.values()),
        }

    def _excluded(self) -> dict[str, int]:
        """Return reason -> number of cells; a cell with two reasons is counted under the first."""
        why = "hit and false-alarm rates both 0 or both 1, or one of them unknown"
        unseen = self.cells["cells_without_trials"]
        unclear = self.cells["cells_without_d_prime_of_the_subject"]
        rest = self.cells["n_cells"] - self.cells["cells_used"] - unseen - unclear
        return {
            "no trials": unseen,
            f"no d' of the subject: {why}": unclear,
            f"no d' of the model: {why}": rest,
        }

    def report(self, figure: Figure) -> Report:
        other = self.figure_of(self._consistency(self.fraction, pooled=not self.pooled), None)
        name = "i2n" if self.pooled else "i1"
        model, observed = (
            nan_mean(
                sensitivity if self.pooled else normalized(sensitivity, self.target.truth), axis=1
            )
            for sensitivity in self.sensitivities
        )
        mean_of = "d'" if self.pooled else "normalized d'"
        seeds = dict.fromkeys(("splits", "halves", "null", "simulated subjects"), self.seed)
        right, count = self.target.cell_counts
        return Report(
            n_units=self.cells["cells_used"],
            excluded=self._excluded(),
            per_unit=self.image_table(model, observed, units=f"mean {mean_of} over distractors"),
            predictions=self.choice_table(self.fraction, self.target.fraction),
            figures={
                **self.cells,
                name: finite(other.mean_raw()),
                f"{name}_ceiling": finite(other.mean_ceiling()),
                "fraction_correct": finite(np.nanmean(self.fraction)),
                "fraction_correct_subject": float(np.mean(right[count > 0] / count[count > 0])),
                "trials_per_cell": self.target.trials_per_cell,
                **({} if self.against_halves else {"ceiling_split_half": finite(self.split_half)}),
            },
            details={
                **self.readout_details,
                "held_out": "each image by a read-out of the others, stratified by object"
                if self.readout.images.asked is None
                else "each image by one read-out of the images without trials",
                **self.described,
            },
            seeds=seeds | {"halves": self.halves_seed},
            notes=[*self.notes, *self._ceiling_notes()],
        )

    def _ceiling_notes(self) -> list[str]:
        if not self.few_trials:
            return []
        n = self.target.trials_per_cell
        return [f"ceiling approximate: {n:g} trials of each cell, fewer than {ENOUGH_TRIALS}"]


def _simulated(
    right: FloatArray, count: FloatArray, n_subjects: int, seed: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield rates of simulated subjects and trials of theirs, the same ones each time."""
    rng = stream(seed, "simulated subjects")
    return simulated_subjects(right, count, n_subjects=n_subjects, rng=rng)


def _first_simulated(
    right: FloatArray, count: FloatArray, n_subjects: int, seed: int
) -> list[tuple[FloatArray, FloatArray]]:
    return list(_simulated(right, count, n_subjects, seed))


def _reached_by_each(
    right: FloatArray,
    count: FloatArray,
    truth: IntArray,
    n_subjects: int,
    seed: int,
    *,
    false_alarms: FalseAlarms,
    pooled: bool,
) -> FloatArray:
    """Return the consistency of each simulated subject with its own trials."""
    pairs = _simulated(right, count, n_subjects, seed)
    r = consistency_of_pairs(pairs, truth, false_alarms=false_alarms, pooled=pooled)
    return np.asarray(r[0])
