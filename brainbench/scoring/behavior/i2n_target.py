"""The subjects' side of I2n: who chose what between two objects, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from brainbench.core.dataset import HasTrials
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.behavior.i2n import FalseAlarms, correlation, d_prime, normalized, two_way
from brainbench.metrics.behavior.simulated_subjects import corrected_rate
from brainbench.metrics.behavior.trials import Trials, cell_counts, check_no_gaps, encode
from brainbench.scoring.behavior.readout import LabeledImages
from brainbench.scoring.context import RunContext
from brainbench.scoring.kept import BrainFigures
from brainbench.scoring.measure import ImageSet, Material
from brainbench.scoring.recordings import check_columns, without_table

Halves: TypeAlias = list[tuple[IntArray, IntArray]]
COLUMNS = ("stimulus_id", "truth", "distractor", "choice")


@dataclass(frozen=True, kw_only=True, eq=False)
class I2nTarget:
    """Choices of the subjects as matrices."""

    images: LabeledImages
    trials: Trials  # all trials of these images
    rows: IntArray  # of `trials.images` among the images; the others serve the read-out alone
    halves: Halves  # of the trials; empty where there is a single one
    corrected: bool  # rates of the subjects are corrected, see `corrected_rate`
    false_alarms: FalseAlarms
    kept: BrainFigures = field(default_factory=BrainFigures, repr=False)

    @property
    def material(self) -> Material:
        """All images, of which those with trials are drawn, and fractions correct of the subjects."""
        return Material(
            stimulus_sets=[self.images.stimuli],
            image_sets=[ImageSet(ids=self.trials.images, objects=self.truth, groups=self.groups)],
            partial=self.images.partial,
            targets=[self.fraction],
        )

    @property
    def truth(self) -> IntArray:
        """Object that each image with trials shows."""
        return self.trials.truth

    @property
    def groups(self) -> AnyArray | None:
        """Group of each image with trials, which are drawn and exchanged whole; None for none."""
        groups = self.images.groups
        return None if groups is None else groups[self.rows]

    @cached_property
    def fraction(self) -> FloatArray:
        """Fraction correct in all trials, corrected or not, image with trials x object."""
        return self._fraction(None)

    @cached_property
    def cell_counts(self) -> tuple[FloatArray, FloatArray]:
        """Correct trials and all trials, image with trials x object."""
        return cell_counts(self.trials)

    @property
    def trials_per_cell(self) -> float:
        """Median number of trials of the cells that have any."""
        count = self.cell_counts[1]
        return float(np.median(count[count > 0]))

    def _fraction(self, rows: IntArray | None) -> FloatArray:
        right, count = self.cell_counts if rows is None else cell_counts(self.trials, rows)
        if self.corrected:
            return corrected_rate(right, count)
        return right / np.where(count > 0, count, np.nan)

    @cached_property
    def half_fractions(self) -> list[tuple[FloatArray, FloatArray]]:
        """Fractions correct in halves of the trials."""
        return [(self._fraction(first), self._fraction(second)) for first, second in self.halves]

    def agreement(self, probabilities: FloatArray, rows: IntArray) -> float:
        """Return the raw I2n of some images, by which a layer is selected."""
        place = {row: k for k, row in enumerate(self.rows.tolist())}
        with_trials = [k for k, row in enumerate(rows.tolist()) if row in place]
        places = [place[row] for row in rows[with_trials].tolist()]
        truth = self.truth[places]
        fractions = two_way(probabilities[with_trials], truth), self.fraction[places]
        model, observed = (
            normalized(d_prime(fraction, truth, false_alarms=self.false_alarms), truth)
            for fraction in fractions
        )
        return float(correlation(model, observed))


def table_of_trials(context: RunContext) -> pd.DataFrame:
    """Return the trials of the benchmark's data; InputError for none, or a column that is missing."""
    data = context.data
    if not isinstance(data, HasTrials):
        raise without_table(context, "trials", COLUMNS)
    table = data.trials()
    check_columns(table, COLUMNS, "trials")
    return table


def i2n_target(
    context: RunContext,
    images: LabeledImages,
    table: pd.DataFrame,
    *,
    halve: Callable[[Trials], Halves],
    corrected: bool,
    false_alarms: FalseAlarms,
) -> I2nTarget:
    """Return the choices of a table of trials, in the order of the images.

    InputError for trials of other images, with a name missing, or that say otherwise what an image shows.
    """
    trials = _trials(table, images)
    row = {stimulus_id: k for k, stimulus_id in enumerate(images.ids)}
    rows = np.array([row[stimulus_id] for stimulus_id in trials.images])
    images.check_truth(rows, images.classes[trials.truth], "trials")
    return I2nTarget(
        images=images,
        trials=trials,
        rows=rows,
        halves=halve(trials) if len(trials) > 1 else [],
        corrected=corrected,
        false_alarms=false_alarms,
        kept=context.run.brain,
    )


def _trials(table: pd.DataFrame, images: LabeledImages) -> Trials:
    """Return the trials of the images in use; objects are those that the read-out names."""
    if images.partial:
        check_no_gaps({name: table[name] for name in COLUMNS})  # `encode` sees only what is kept
        kept = table["stimulus_id"].isin(images.ids) & table["distractor"].isin(images.classes)
        table = table[kept]
    ids = sorted(map(str, table["stimulus_id"].unique()))
    return encode(
        *(table[name] for name in COLUMNS),
        images=ids if set(ids) <= set(images.ids) else images.ids,
        objects=images.classes.tolist(),
    )
