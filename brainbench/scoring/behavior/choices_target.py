"""The subjects' side of choices among all categories: who answered what to each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from brainbench.core.dataset import HasCategoryResponses
from brainbench.core.errors import InputError
from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.metrics.behavior.choices import image_level, shares, tally
from brainbench.metrics.behavior.error_consistency import error_consistency, subject_pairs
from brainbench.metrics.behavior.trials import check_no_gaps
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.behavior.readout import LabeledImages
from brainbench.scoring.context import RunContext
from brainbench.scoring.measure import ImageSet, Material
from brainbench.scoring.recordings import check_columns, without_table

COLUMNS = ("stimulus_id", "truth", "choice", "subject")


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoicesTarget:
    """Answers of the subjects, rows in the order of the images."""

    images: LabeledImages
    counts: FloatArray  # subject x image x category, how often each subject gave each answer
    seen: BoolArray  # subject x image, whether the subject was asked, answered or not
    subjects: tuple[str, ...]  # their names
    halves: list[tuple[IntArray, IntArray]]  # of the subjects; empty where there is one
    n_without: int  # answers not given
    n_outside: int  # answers with a category none of whose images is in use

    @property
    def material(self) -> Material:
        """All images, drawn and exchanged in their groups, and shares of the answers of all subjects."""
        images = self.images
        return Material(
            stimulus_sets=[images.stimuli],
            image_sets=[ImageSet(ids=images.ids, objects=images.truth, groups=images.groups)],
            partial=images.partial,
            targets=[self.share],
        )

    @property
    def n_subjects(self) -> int:
        return len(self.counts)

    @cached_property
    def share(self) -> FloatArray:
        """Share of each answer among those of all subjects, image x category."""
        return shares(self.counts)

    @cached_property
    def correct(self) -> BoolArray:
        """Whether each subject named each image correctly; no answer is wrong, as in Geirhos et al."""
        truth = self.images.truth[None, :, None]
        return np.asarray(np.take_along_axis(self.counts, truth, axis=2)[..., 0] > 0)

    def consistency(self, probabilities: FloatArray, rows: IntArray) -> float:
        """Return the mean error consistency on some images, by which a layer is selected."""
        right = probabilities.argmax(axis=1) == self.images.truth[rows]
        kappas = error_consistency(right, self.correct[:, rows], seen=self.seen[:, rows])
        return float(nan_mean(kappas, axis=0))

    @cached_property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """Rows of both subjects of each pair."""
        return subject_pairs(self.n_subjects)

    def pair_consistency(self, counts: FloatArray | None = None) -> FloatArray:
        """Return the error consistency of pairs of subjects over images that both answered, (draw x) pair."""
        first, second = self.pairs
        seen = self.seen[first] & self.seen[second]
        return error_consistency(
            self.correct[first], self.correct[second], seen=seen, weights=counts
        )

    def agreement(self, probabilities: FloatArray, rows: IntArray) -> float:
        """Return the raw correlation of some images, by which a layer is selected."""
        return float(image_level(probabilities, self.share[rows], self.images.truth[rows])[0])


def table_of_answers(context: RunContext) -> pd.DataFrame:
    """Return the answers of the benchmark's data; InputError for none, or a column that is missing."""
    data = context.data
    if not isinstance(data, HasCategoryResponses):
        raise without_table(context, "category_responses", COLUMNS)
    table = data.category_responses()
    check_columns(table, COLUMNS, "answers")
    return table


def choices_target(
    context: RunContext, images: LabeledImages, table: pd.DataFrame, *, n_halves: int
) -> ChoicesTarget:
    """Return the answers of a table, in the order of the images.

    InputError for answers to other images, with a name missing, with categories that no image shows, or that
    say otherwise what an image shows.
    """
    table = _answers(table, images)
    given = table[table["choice"].notna() & (table["choice"] != "")]
    n_without, n_given = len(table) - len(given), len(given)
    if images.partial:  # a category none of whose images is in use has no read-out
        given = given[given["choice"].isin(images.classes)]
    subjects = sorted(set(table["subject"]))
    names = {
        "subject": subjects,
        "stimulus_id": list(images.ids),
        "choice": images.classes.tolist(),
    }
    codes = [_codes(given[column], known, column) for column, known in names.items()]
    counts = tally(*codes, shape=(len(subjects), len(images.ids), len(images.classes)))
    rng = np.random.default_rng(context.settings.seed)
    orders = [rng.permutation(len(subjects)) for _ in range(n_halves)]
    middle = len(subjects) // 2
    seen = np.zeros(counts.shape[:2], dtype=bool)
    seen[tuple(_codes(table[column], names[column], column) for column in list(names)[:2])] = True
    return ChoicesTarget(
        images=images,
        counts=counts,
        seen=seen,
        subjects=tuple(map(str, subjects)),
        halves=[(order[:middle], order[middle:]) for order in orders] if middle else [],
        n_without=n_without,
        n_outside=n_given - len(given),
    )


def _answers(table: pd.DataFrame, images: LabeledImages) -> pd.DataFrame:
    """Return the answers to the images in use, which agree with the stimuli."""
    columns = ("stimulus_id", "truth", "subject")
    check_no_gaps({column: table[column] for column in columns}, what="answers")
    if images.partial:
        table = table[table["stimulus_id"].isin(images.ids)]
    rows = _codes(table["stimulus_id"], list(images.ids), "stimulus_id")
    images.check_truth(rows, table["truth"].to_numpy(object), "answers")
    return table


def _codes(column: Any, names: list[str], what: str) -> IntArray:
    """Return the row of each entry among the names."""
    place = {name: row for row, name in enumerate(names)}
    unknown = sorted(set(column) - set(place), key=str)
    if unknown:
        raise InputError(
            f"answers with the {what} {unknown[0]!r}, which no stimulus has",
            allowed=f"the {len(names)} of the stimuli",
            todo="take answers and stimuli from the same data set",
        )
    return column.map(place).to_numpy(np.intp)  # type: ignore[no-any-return]
