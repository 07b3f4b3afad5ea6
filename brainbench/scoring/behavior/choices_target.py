"""The subjects' side of a comparison of choices among all categories: who answered what to each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasCategoryResponses
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.choices import image_level, shares, tally
from brainbench.metrics.behavior.trials import check_no_gaps
from brainbench.scoring.behavior.readout import Task
from brainbench.stats.bootstrap import image_counts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Answers of the subjects, rows in the order of the images.

    Parameters
    ----------
    counts : array, subject x image x category
        How often each subject gave each answer.
    truth : array of int, image
        Row of `classes` that each image shows.
    ids : tuple of str
        Images.
    classes : array of str
        Categories, sorted.
    subjects : tuple of str
        Who answered.
    halves : list of (subjects, subjects)
        Random halves; empty where there is one subject.
    groups : array, image, or None
        Images of one group, such as variants of one photograph, are drawn together.
    n_without, n_outside : int
        Answers not given, and answers with a category none of whose images is in use.
    """

    counts: FloatArray
    truth: IntArray
    ids: tuple[str, ...]
    classes: npt.NDArray[Any]
    subjects: tuple[str, ...]
    halves: list[tuple[IntArray, IntArray]]
    groups: npt.NDArray[Any] | None
    n_without: int
    n_outside: int

    @cached_property
    def share(self) -> FloatArray:
        """Share of each answer among those of all subjects, image x category."""
        return shares(self.counts)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each subject named each image rightly; no answer is wrong, as in Geirhos et al."""
        own = np.take_along_axis(self.counts, self.truth[None, :, None], axis=2)[..., 0]
        return np.asarray(own > 0)

    def drawn(self, *, n_draws: int, seed: int) -> FloatArray:
        """How often each image is drawn, draw x image; images of one group together."""
        if self.groups is None:
            return image_counts(self.ids, n_draws=n_draws, seed=seed)
        names, group = np.unique(self.groups, return_inverse=True)
        return image_counts(names.tolist(), n_draws=n_draws, seed=seed)[:, group]

    def judge(self, probabilities: FloatArray, rows: IntArray) -> float:
        """Raw correlation of some images, for the choice among layers."""
        return float(image_level(probabilities, self.share[rows], self.truth[rows])[0])


def people_of(
    benchmark: Benchmark, task: Task, settings: Settings, *, partial: bool, n_halves: int
) -> People:
    """Answers that the benchmark's data holds, in the order of the task's images.

    Parameters
    ----------
    benchmark, settings
        What is scored, and how.
    task : Task
        Images, and the categories that they show.
    partial : bool
        Only some of the data's images are in use: answers to the others are left out.
    n_halves : int
        Random halves of the subjects.

    Raises
    ------
    InputError
        Data without answers; answers to other images, with a name missing, with categories that no image
        shows, or that say otherwise what an image shows.
    """
    table = _table(benchmark, task, partial=partial)
    given = table[table["choice"].notna() & (table["choice"] != "")]
    n_without, n_given = len(table) - len(given), len(given)
    if partial:  # a category none of whose images is in use has no read-out
        given = given[given["choice"].isin(task.classes)]
    subjects = sorted(set(table["subject"]))
    known = {
        "subject": (subjects, given["subject"]),
        "stimulus_id": (list(task.ids), given["stimulus_id"]),
        "choice": (task.classes.tolist(), given["choice"]),
    }
    codes = [_codes(column, names, what) for what, (names, column) in known.items()]
    counts = tally(*codes, shape=(len(subjects), len(task.ids), len(task.classes)))
    rng = np.random.default_rng(settings.seed)
    orders = [rng.permutation(len(subjects)) for _ in range(n_halves)]
    middle = len(subjects) // 2
    return People(
        counts=counts,
        truth=task.truth,
        ids=task.ids,
        classes=task.classes,
        subjects=tuple(subjects),
        halves=[(one[:middle], one[middle:]) for one in orders] if middle else [],
        groups=task.groups,
        n_without=n_without,
        n_outside=n_given - len(given),
    )


def _table(benchmark: Benchmark, task: Task, *, partial: bool) -> pd.DataFrame:
    """Answers to the images in use, which agree with the stimuli."""
    data = open_dataset(benchmark.data)
    if not isinstance(data, HasCategoryResponses):
        raise InputError(
            f"data set {data.name!r} for {benchmark.identifier} has no category_responses()",
            allowed="a data set with answers among all categories",
            todo="give it category_responses(): stimulus_id, truth, choice, subject",
        )
    table = data.category_responses()
    absent = {"stimulus_id", "truth", "choice", "subject"} - set(table.columns)
    if absent:
        raise InputError(
            f"answers without the columns {', '.join(sorted(absent))}",
            allowed="stimulus_id, truth, choice, subject",
            todo="name the columns so",
        )
    named = ("stimulus_id", "truth", "subject")
    check_no_gaps({name: table[name] for name in named}, what="answers")
    if partial:
        table = table[table["stimulus_id"].isin(task.ids)]
    rows = _codes(table["stimulus_id"], list(task.ids), "stimulus_id")
    _check_truth(table, task.labels[rows])
    return table


def _check_truth(table: pd.DataFrame, shown: npt.NDArray[Any]) -> None:
    wrong = np.flatnonzero(table["truth"].to_numpy(object) != shown)
    if len(wrong):
        first = table.iloc[wrong[0]]
        raise InputError(
            f"{len(wrong)} of {len(table)} answers with another truth than the stimuli: "
            f"{first['stimulus_id']!r} shows {first['truth']}, the stimuli say {shown[wrong[0]]}",
            allowed="one category for every image",
            todo="correct `truth` of the answers, or object_name of the stimuli",
        )


def _codes(column: Any, names: list[str], what: str) -> IntArray:
    place = {name: row for row, name in enumerate(names)}
    strange = sorted(set(column) - set(place), key=str)
    if strange:
        raise InputError(
            f"answers with the {what} {strange[0]!r}, which no stimulus has",
            allowed=f"the {len(names)} of the stimuli",
            todo="take answers and stimuli from the same data set",
        )
    return column.map(place).to_numpy(np.intp)  # type: ignore[no-any-return]
