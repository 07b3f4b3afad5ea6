"""What a model says that each image shows, by a read-out that was never fitted on that image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from brainbench.core import progress
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.classification.logistic_regression import Readout, cross_decode
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import Choice
from brainbench.stats.splits import Split, paper

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Judge = Callable[[FloatArray, IntArray], float]
"""(probabilities of some images, their rows) -> how much they are like the subject's choices."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Which images, and what a subject says that they show.

    Parameters
    ----------
    ids : tuple of str
        Images.
    labels : array of str, image
        What each shows.
    groups : array, image, or None
        Images of one group, such as variants of one photograph, are held out together.
    n_splits, n_inner : int
        Folds, and folds inside their training images. Fewer where an object has fewer images, or groups.
    seed : int
        Which assignment of images to folds.
    """

    ids: tuple[str, ...]
    labels: npt.NDArray[Any]
    groups: npt.NDArray[Any] | None = None
    n_splits: int = 10
    n_inner: int = 5
    seed: int = 0

    @property
    def classes(self) -> npt.NDArray[Any]:
        """Names of the objects, sorted."""
        return np.unique(self.labels)

    @property
    def truth(self) -> IntArray:
        """Row of `classes` that each image shows."""
        return np.searchsorted(self.classes, self.labels)

    def check(self) -> None:
        """Find out whether a read-out can be fitted.

        Raises
        ------
        InputError
            One object; one image, or one group of images, of some object.
        """
        self._fewest(np.arange(len(self.ids)), self.n_splits)

    def folds(self, rows: IntArray | None = None) -> list[Split]:
        """Folds of all images, or folds within some of them, stratified by object.

        Raises
        ------
        InputError
            As `check`, of the images in question.
        """
        inside = rows is not None
        rows = np.arange(len(self.ids)) if rows is None else rows
        n_splits = self._fewest(rows, self.n_inner if inside else self.n_splits)
        ids, labels = np.asarray(self.ids)[rows], self.labels[rows]
        if self.groups is None:
            made = paper(ids, labels, n_splits=n_splits, seed=self.seed)
        else:
            order = np.argsort(ids, kind="stable")
            cut = StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)
            parts = cut.split(order, labels[order], self.groups[rows][order])
            made = [Split(np.sort(order[train]), np.sort(order[test])) for train, test in parts]
        return [Split(rows[one.train], rows[one.test]) for one in made]

    def _fewest(self, rows: IntArray, wanted: int) -> int:
        labels = self.labels[rows]
        units = np.asarray(self.ids if self.groups is None else self.groups)[rows]
        names = np.unique(labels).tolist()
        counts = [len(np.unique(units[labels == name])) for name in names]
        if len(names) < 2 or min(counts) < 2:
            rare = names[int(np.argmin(counts))] if names else "anything"
            what = "images" if self.groups is None else "groups of images"
            raise InputError(
                f"{len(names)} objects, and {min(counts, default=0)} {what} of {rare}, for a read-out",
                allowed=f"at least two objects, and two {what} of each: it is asked about others "
                "than it learned on",
                todo="use more images (a larger --limit)",
            )
        return min(wanted, *counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoding:
    """Probabilities of each object for each image, from a read-out fitted to other images.

    Parameters
    ----------
    probabilities : array, image x object
        Objects sorted by name.
    fold : array of int, image
        The fold that held the image out.
    chosen : list of Candidate
        Layer and step for each fold.
    curve : list of dict
        Every candidate, with the inner score that the choice was made by.
    n_unfinished : int
        Folds in which the iteration of the read-out ended before it had converged.
    """

    probabilities: FloatArray
    fold: IntArray
    chosen: list[Candidate]
    curve: list[dict[str, Any]]
    n_unfinished: int


def task_of(
    stimuli: StimulusSet, column: str, *, name: str, group: str | None = None, **options: Any
) -> Task:
    """Task of naming what a column of the stimuli says.

    Parameters
    ----------
    stimuli : StimulusSet
        Images.
    column, group : str
        Columns with what each image shows, and with the group it is held out with.
    name : str
        What is scored, for the error message.
    **options
        See `Task`.

    Raises
    ------
    InputError
        Stimuli without such a column, or too few of them: see `Task.check`.
    """
    for key in filter(None, (column, group)):
        if key not in stimuli.metadata.columns:
            raise InputError(
                f"stimuli of {name} with the columns {', '.join(stimuli.metadata.columns)}",
                allowed=f"a column {key}, which says what the read-out has to name",
                todo=f"give the stimulus set metadata={{{key!r}: [...]}}",
            )
    task = Task(
        ids=tuple(stimuli.ids),
        labels=stimuli.metadata[column].to_numpy(str),
        groups=None if group is None else stimuli.metadata[group].to_numpy(str),
        **options,
    )
    task.check()
    return task


def decode(offered: Sequence[Candidate], task: Task, *, how: Readout, judge: Judge) -> Decoding:
    """Read out every image by folds; of several candidates, the one most like the subject in training.

    Parameters
    ----------
    offered : sequence of Candidate
        Layers and steps that may stand for behavior.
    task : Task
        Images, labels and folds.
    how : Readout
        Options of the read-out.
    judge : function
        Says how much probabilities of training images are like the subject's choices.

    Raises
    ------
    InputError
        Too few images; a layer that does not vary with the image.
    """
    folds = task.folds()
    with threadpool_limits(limits=1, user_api="blas"):
        choice = _choose(offered, task, folds, how, judge)
        probabilities = np.empty((len(task.ids), len(task.classes)))
        number = np.empty(len(task.ids), dtype=np.intp)
        unfinished = 0
        for chosen in sorted(set(choice.best.tolist())):
            mine = [k for k in range(len(folds)) if choice.best[k] == chosen]
            made = cross_decode(
                offered[chosen].chunks, task.labels, [folds[k] for k in mine], readout=how
            )
            for k, held_out in zip(mine, made.probabilities, strict=True):
                probabilities[folds[k].test], number[folds[k].test] = held_out, k
            unfinished += made.n_unfinished
    return Decoding(
        probabilities=probabilities,
        fold=number,
        chosen=[offered[int(k)] for k in choice.best],
        curve=choice.curve(offered),
        n_unfinished=unfinished,
    )


def _choose(
    offered: Sequence[Candidate], task: Task, folds: Sequence[Split], how: Readout, judge: Judge
) -> Choice:
    if len(offered) == 1:
        return Choice.of_one(len(folds))
    nested = [task.folds(fold.train) for fold in folds]
    scores = np.full((len(folds), len(offered)), np.nan)
    label = f"choosing among {len(offered)} layers and steps"
    with progress.current().task(label, len(offered)) as advance:
        for j, one in enumerate(offered):
            flat = [split for inner in nested for split in inner]
            made = iter(cross_decode(one.chunks, task.labels, flat, readout=how).probabilities)
            for k, inner in enumerate(nested):
                rows = np.concatenate([split.test for split in inner])
                scores[k, j] = judge(np.concatenate([next(made) for _ in inner]), rows)
            advance(1)
    best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
    return Choice(best=best, scores=scores)


def work_of(sizes: Sizes, *, n_splits: int, n_inner: int, seconds: float) -> Work:
    """Work of the read-outs of all folds, and of those inside them where there are several candidates.

    Parameters
    ----------
    sizes : Sizes
        Images, and features of each candidate.
    n_splits, n_inner : int
        Folds, and folds inside their training images.
    seconds : float
        What is done with the answers.
    """
    n = sizes.stimuli
    fits = n_splits * (1 + n_inner * (len(sizes.candidates) > 1))
    flops = 0.0
    for p in sizes.candidates:
        # Inner products and their rotation where features are many; some 200 passes of the iteration.
        wide = n**2 * p + 25.0 * n**3 if p > n else 0.0
        flops += fits * (wide + 200 * 4 * n * min(n, p) * 16)
    passes = 1 + fits * 8.0 * n**2 // 1e9
    return Work(
        flops=flops,
        read_bytes=passes * sizes.activation_bytes,
        memory_bytes=min(fits * 8.0 * n**2, 1e9) + 8.0 * n * min(n, max(sizes.candidates)),
        seconds=seconds,
    )
