"""The read-out of what each image shows, never fitted on the image that it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
from threadpoolctl import threadpool_limits

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.classification.logistic_regression import ReadoutOptions, cross_decode
from brainbench.scoring.behavior.asked import Asked
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.sample_size import least_limit
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

    @property
    def what(self) -> str:
        """What is held out as a whole: images, or groups of them."""
        return "images" if self.groups is None else "groups of images"

    def of_each(self, *, selects: bool) -> int:
        """Return how many images, or groups, of each object are needed, with a layer to select or without.

        Every read-out is fitted to all objects, and so are those of the inner folds.
        """
        if not selects:
            return 2
        return next(n for n in count(2) if n - -(-n // min(self.n_splits, n)) >= 2)

    def counts(self, rows: IntArray | slice = slice(None)) -> dict[str, int]:
        """Return the number of images, or groups, of each object."""
        units = np.asarray(self.ids if self.groups is None else self.groups)
        return _counts(self.labels[rows], units[rows])

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
        """Return folds within some of the images, stratified by object; InputError for too few of one."""
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
        """Raise InputError for too few images inside the training images of a fold."""
        counts = self.counts(rows)
        rarest = min(counts, key=lambda name: counts[name])
        if counts[rarest] < 2:
            raise InputError(
                f"{counts[rarest]} {self.what} of {rarest} inside the {len(rows)} training images of a fold, "
                "too few to select one of several layers or steps",
                allowed=f"at least {self.of_each(selects=True)} {self.what} of each of {len(counts)} objects",
                todo="use more images (a larger --limit), or name one layer (--layers)",
            )
        return min(n_splits, *counts.values())


def labeled_images(
    context: RunContext, *, n_splits: int, n_inner: int, asked: Asked, group: str | None = None
) -> LabeledImages:
    """Return the images in use with what they show; those of one group are held out together.

    Groups are copies, what the user asks for, and a column of the measure, `group`; those that share an image
    are one.
    InputError for stimuli without such a column, for one object, for too few images, or groups, of one, and
    where a limit keeps too few images that subjects were asked about.
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
    images = LabeledImages(
        stimuli=stimuli,
        partial=context.is_partial(),
        labels=stimuli.labels(LABEL),
        groups=_groups(context, stimuli, group),
        n_splits=n_splits,
        n_inner=n_inner,
        seed=context.settings.seed,
    )
    _check_enough(context, images, asked, group)
    return images


def _groups(context: RunContext, stimuli: StimulusSet, group: str | None) -> AnyArray | None:
    groups = context.run.groups(stimuli)
    return groups.names if group is None else groups.joined_with(group)


def _counts(labels: AnyArray, units: AnyArray) -> dict[str, int]:
    """Return how many different units there are of each label."""
    return {name: len(np.unique(units[labels == name])) for name in np.unique(labels).tolist()}


def _check_enough(
    context: RunContext, images: LabeledImages, asked: Asked, group: str | None
) -> None:
    """Raise InputError where some object has too few images, or a limit keeps too few that were asked about.

    It has the number that is enough for both.
    """
    counts = images.counts()
    rarest = min(counts, key=lambda name: counts[name])
    of_each = images.of_each(selects=len(context.layers) > 1)
    whole = context.run.whole_stimuli(context.data)
    n_objects = len(np.unique(whole.labels(LABEL)))
    if n_objects < 2:
        raise InputError(
            f"{context.benchmark.identifier}: images of one object, {rarest}",
            allowed="two objects or more, which a read-out tells apart",
            todo=f"correct the column {LABEL} of the stimuli, or choose another benchmark",
        )
    is_fitted = len(counts) > 1 and counts[rarest] >= of_each
    if is_fitted and (not images.partial or asked.enough(images.stimuli)):
        return
    selects = context.may_select
    needed = images.of_each(selects=selects)
    groups = _groups(context, whole, group)
    of_image = dict(zip(whole.ids, whole.ids if groups is None else groups.tolist(), strict=True))

    def enough(stimuli: StimulusSet) -> bool:
        units = np.array([of_image[stimulus_id] for stimulus_id in stimuli.ids])
        counts = _counts(stimuli.labels(LABEL), units)
        fitted = len(counts) == n_objects and min(counts.values()) >= needed
        return fitted and (not images.partial or asked.enough(stimuli))

    least = least_limit(whole, enough)
    in_all = f"at least {least} images: " if least else ""
    inside = ", of which a layer is selected inside the training images" if selects else ""
    if is_fitted:
        raise InputError(
            f"{context.benchmark.identifier}: subjects were asked about {asked.n_images(images.stimuli)} of "
            f"{len(images.ids)} images, too few to correlate",
            allowed=f"{in_all}{asked.words}",
            todo="use more images (a larger --limit)" if least else "choose another data set",
        )
    raise InputError(
        f"{context.benchmark.identifier}: {len(images.ids)} images are too few for a read-out "
        f"({images.what} of {rarest}: {counts[rarest]})",
        allowed=f"{in_all}{needed} {images.what} of each of {n_objects} objects, since a read-out is tested "
        f"on images that it was not fitted to{inside}",
        todo="use more images (a larger --limit)"
        if least
        else f"add images of {rarest} to the data set, or leave the object out",
    )


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
