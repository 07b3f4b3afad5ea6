"""The subject's side of a comparison of choices: who chose what between two objects, image by image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasTrials
from brainbench.core.errors import InputError
from brainbench.core.settings import ProtocolName, Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.i2n import correlation, d_prime, normalized, two_way
from brainbench.metrics.behavior.trials import (
    Trials,
    check_no_gaps,
    encode,
    fraction_correct,
    halves,
    halves_of_cells,
)
from brainbench.scoring.behavior.readout import Task

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Choices of the subjects as matrices.

    Parameters
    ----------
    trials : Trials
        All trials of the images in use.
    rows : array of int, image
        Row of each of `trials.images` among the stimuli; others have no trial and serve the read-out alone.
    cut : list of (trials, trials)
        Halves of the trials; empty where there is a single one.
    protocol : {"paper", "brainscore"}
        Which false alarms.
    """

    trials: Trials
    rows: IntArray
    cut: list[tuple[IntArray, IntArray]]
    protocol: ProtocolName

    @cached_property
    def fraction(self) -> FloatArray:
        """Fraction correct in all trials, image x object."""
        return fraction_correct(self.trials)

    @cached_property
    def halves(self) -> list[tuple[FloatArray, FloatArray]]:
        """The same in halves of the trials."""
        return [
            (fraction_correct(self.trials, one), fraction_correct(self.trials, other))
            for one, other in self.cut
        ]

    def judge(self, probabilities: FloatArray, rows: IntArray) -> float:
        """I2n of some images, raw, for the choice among layers."""
        place = {row: k for k, row in enumerate(self.rows.tolist())}
        known = [k for k, row in enumerate(rows.tolist()) if row in place]
        here = [place[row] for row in rows[known].tolist()]
        truth = self.trials.truth[here]
        model = two_way(probabilities[known], truth)
        matrices = [
            normalized(d_prime(one, truth, false_alarms=self.protocol), truth)
            for one in (model, self.fraction[here])
        ]
        return float(correlation(*matrices))


def subject_of(
    benchmark: Benchmark, task: Task, settings: Settings, *, partial: bool, n_halves: int
) -> Subject:
    """Choices that the benchmark's data holds, in the order of the task's images.

    Parameters
    ----------
    benchmark, settings
        What is scored, and how.
    task : Task
        Images, and the objects that they show.
    partial : bool
        Only some of the data's images are in use: trials of the others are left out.
    n_halves : int
        Halves of the trials under `paper`.

    Raises
    ------
    InputError
        Data without trials; trials of other images, with a name missing, or that say otherwise what an
        image shows.
    """
    data = open_dataset(benchmark.data)
    if not isinstance(data, HasTrials):
        raise InputError(
            f"data set {data.name!r} for {benchmark.identifier} has no trials()",
            allowed="a data set with choices between two objects",
            todo="give it trials(): stimulus_id, truth, distractor, choice, subject",
        )
    trials = _trials(data.trials(), task, partial=partial)
    row = {stimulus: k for k, stimulus in enumerate(task.ids)}
    rows = np.array([row[stimulus] for stimulus in trials.images])
    named = task.classes[trials.truth]
    wrong = np.flatnonzero(named != task.labels[rows])
    if len(wrong):
        first = wrong[0]
        raise InputError(
            f"trials say that {trials.images[first]!r} shows {named[first]}, the stimuli say "
            f"{task.labels[rows[first]]}",
            allowed="one object for every image",
            todo="correct `truth` of the trials, or object_name of the stimuli",
        )
    if len(trials) < 2:
        cut = []
    elif settings.protocol == "paper":
        cut = halves_of_cells(trials, n_splits=n_halves, seed=settings.seed)
    else:
        cut = halves(len(trials))
    return Subject(trials=trials, rows=rows, cut=cut, protocol=settings.protocol)


def _trials(table: pd.DataFrame, task: Task, *, partial: bool) -> Trials:
    """Trials of the images in use; objects are those that the read-out names."""
    named = ["stimulus_id", "truth", "distractor", "choice"]
    absent = set(named) - set(table.columns)
    if absent:
        raise InputError(
            f"trials without the columns {', '.join(sorted(absent))}",
            allowed="stimulus_id, truth, distractor, choice, subject",
            todo="name the columns so",
        )
    if partial:
        check_no_gaps({name: table[name] for name in named})  # `encode` sees only what is kept
        kept = table["stimulus_id"].isin(task.ids) & table["distractor"].isin(task.classes)
        table = table[kept]
    ids = sorted(map(str, table["stimulus_id"].unique()))
    return encode(
        *(table[name] for name in named),
        images=ids if set(ids) <= set(task.ids) else task.ids,
        objects=task.classes.tolist(),
    )
