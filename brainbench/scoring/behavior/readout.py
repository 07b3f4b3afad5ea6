"""The read-out of what each image shows, never fitted on the image that it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.classification.logistic_regression import ReadoutOptions, cross_decode
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.stats.splits import Split, paper

Agreement = Callable[[FloatArray, IntArray], float]
"""(probabilities of some images, their rows) -> how well they agree with the subjects' choices."""

LABEL = "object_name"
"""Column of the stimuli that says what each image shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabeledImages:
    """Images, what each shows, and the folds in which a read-out holds them out."""

    stimuli: StimulusSet
    partial: bool  # a limit left some images of the data out
    labels: AnyArray  # what each image shows
    # Images of one group, such as variants of one photograph, are held out together.
    groups: AnyArray | None
    n_splits: int  # fewer where an object has fewer images, or groups
    n_inner: int  # folds inside the training images
    seed: int
    # Rows that one read-out of all other images is asked about; None for folds of all images.
    asked: IntArray | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.stimuli.ids)

    @cached_property
    def classes(self) -> AnyArray:
        """Names of the objects, sorted."""
        return np.unique(self.labels)

    @cached_property
    def truth(self) -> IntArray:
        """Row of `classes` that each image shows."""
        return np.searchsorted(self.classes, self.labels)

    def check(self) -> None:
        """Raise InputError where there is one object, or one image (or group) of some object."""
        self._n_folds(np.arange(len(self.stimuli)), self.n_splits)

    def check_truth(self, rows: IntArray, truth: AnyArray, what: str) -> None:
        """Raise InputError where trials or answers say otherwise what images in `rows` show."""
        wrong = np.flatnonzero(truth != self.labels[rows])
        if len(wrong):
            row, given = rows[wrong[0]], truth[wrong[0]]
            raise InputError(
                f"{what} say that {self.ids[row]!r} shows {given}, the stimuli say {self.labels[row]}; "
                f"{len(wrong)} of {len(rows)} differ",
                allowed="one object for every image",
                todo="correct `truth` of the data, or object_name of the stimuli",
            )

    def folds(self) -> list[Split]:
        """Return folds of all images, stratified by object, or the only split where it is given."""
        if self.asked is not None:
            rest = np.setdiff1d(np.arange(len(self.stimuli)), self.asked)
            return [Split(rest, self.asked)]
        return self._folds(np.arange(len(self.stimuli)), self.n_splits)

    def inner_folds(self, rows: IntArray) -> list[Split]:
        """Return folds within some of the images, stratified by object; raise what `check` raises."""
        return self._folds(rows, self.n_inner)

    def _folds(self, rows: IntArray, n_splits: int) -> list[Split]:
        n_splits = self._n_folds(rows, n_splits)
        ids, labels = np.asarray(self.ids)[rows], self.labels[rows]
        if self.groups is None:
            folds = paper(ids, labels, n_splits=n_splits, seed=self.seed)
        else:
            from sklearn.model_selection import StratifiedGroupKFold

            order = np.argsort(ids, kind="stable")
            splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.seed)
            parts = splitter.split(order, labels[order], self.groups[rows][order])
            folds = [Split(np.sort(order[train]), np.sort(order[test])) for train, test in parts]
        return [Split(rows[fold.train], rows[fold.test]) for fold in folds]

    def _n_folds(self, rows: IntArray, n_splits: int) -> int:
        labels = self.labels[rows]
        units = np.asarray(self.ids if self.groups is None else self.groups)[rows]
        names = np.unique(labels).tolist()
        counts = [len(np.unique(units[labels == name])) for name in names]
        if len(names) < 2 or min(counts) < 2:
            rarest = names[int(np.argmin(counts))] if names else "any object"
            what = "images" if self.groups is None else "groups of images"
            raise InputError(
                f"a read-out of {len(names)} objects, with {min(counts, default=0)} {what} of {rarest}",
                allowed=f"at least two objects and two {what} of each: a read-out is tested on images "
                "that it was not fitted to",
                todo="use more images (a larger --limit)",
            )
        return min(n_splits, *counts)


def labeled_images(
    context: RunContext, *, n_splits: int, n_inner: int, group: str | None = None
) -> LabeledImages:
    """Return the images in use with what they show; those of one group are held out together.

    Groups are copies, what the user asks for, and a column of the measure, `group`; those that share an image
    are one.
    InputError for stimuli without such a column, and for too few of them, see `LabeledImages.check`.
    """
    stimuli = context.stimuli()
    for column in filter(None, (LABEL, group)):
        if column not in stimuli.metadata.columns:
            raise InputError(
                f"stimuli of {context.benchmark.identifier} with the columns "
                f"{', '.join(stimuli.metadata.columns)}",
                allowed=f"a column {column}, which the read-out needs",
                todo=f"give the stimulus set metadata={{{column!r}: [...]}}",
            )
    groups = context.run.groups(stimuli)
    images = LabeledImages(
        stimuli=stimuli,
        partial=context.is_partial(),
        labels=stimuli.labels(LABEL),
        groups=groups.names if group is None else groups.joined_with(group),
        n_splits=n_splits,
        n_inner=n_inner,
        seed=context.settings.seed,
    )
    images.check()
    return images


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutReadout:
    """Held-out probabilities of a read-out for each image."""

    images: LabeledImages
    options: ReadoutOptions
    probabilities: FloatArray  # image x object, objects sorted by name; NaN where it was not asked
    fold: IntArray  # that held the image out; -1 for none
    selection: FoldSelection
    n_features: int  # neuroids of the layer that was selected for the first fold
    n_unfinished: int  # folds in which the iteration ended before it had converged


def read_out(
    images: LabeledImages,
    candidates: Sequence[Candidate],
    options: ReadoutOptions,
    agreement: Agreement,
) -> HeldOutReadout:
    """Read out every image by folds, each from the layer that agrees best with the subjects in training.

    InputError for too few images, or a layer that does not vary with the image.
    """
    folds = images.folds()
    probabilities = np.full((len(images.ids), len(images.classes)), np.nan)
    fold_of_image = np.full(len(images.ids), -1, dtype=np.intp)
    n_unfinished = 0
    with threadpool_limits(limits=1, user_api="blas"):
        selection = _select(images, candidates, folds, options, agreement)
        for number, its_folds in selection.folds_by_candidate():
            splits = [folds[k] for k in its_folds]
            decoded = cross_decode(
                candidates[number].chunks, images.labels, splits, readout=options
            )
            for k, held_out in zip(its_folds, decoded.probabilities, strict=True):
                probabilities[folds[k].test], fold_of_image[folds[k].test] = held_out, k
            n_unfinished += decoded.n_unfinished
    return HeldOutReadout(
        images=images,
        options=options,
        probabilities=probabilities,
        fold=fold_of_image,
        selection=selection,
        n_features=candidates[int(selection.best[0])].n_features,
        n_unfinished=n_unfinished,
    )


def _select(
    images: LabeledImages,
    candidates: Sequence[Candidate],
    folds: Sequence[Split],
    options: ReadoutOptions,
    agreement: Agreement,
) -> FoldSelection:
    """Select a candidate for each fold, by read-outs of folds inside its training images."""
    if len(candidates) == 1:
        return FoldSelection.of_one(candidates[0], len(folds))
    inner_folds = [images.inner_folds(fold.train) for fold in folds]
    splits = [split for inner in inner_folds for split in inner]
    scores = np.full((len(folds), len(candidates)), np.nan)
    label = f"choosing among {len(candidates)} layers and steps"
    with progress.current().task(label, len(candidates)) as advance:
        for j, candidate in enumerate(candidates):
            decoded = cross_decode(candidate.chunks, images.labels, splits, readout=options)
            held_out = iter(decoded.probabilities)
            for k, inner in enumerate(inner_folds):
                rows = np.concatenate([split.test for split in inner])
                scores[k, j] = agreement(np.concatenate([next(held_out) for _ in inner]), rows)
            advance(1)
    return FoldSelection.by_scores(candidates, scores)
