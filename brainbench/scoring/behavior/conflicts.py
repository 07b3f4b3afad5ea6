"""Images whose shape and texture conflict, and a read-out that is taught both alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, IntArray
from brainbench.metrics.classification.logistic_regression import ReadoutOptions, cross_decode
from brainbench.scoring.behavior.choices_target import ChoicesTarget
from brainbench.scoring.behavior.readout import HeldOutReadout
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.stats.splits import Split


@dataclass(frozen=True, kw_only=True)
class CueColumns:
    """Columns of the stimuli: category of the texture, and the photographs that lent shape and texture."""

    texture: str = "texture"
    photograph: str = "exemplar"
    picture: str = "texture_exemplar"

    def check(self, stimuli: StimulusSet, name: str) -> None:
        """Raise InputError for stimuli that lack one."""
        missing = [one for one in vars(self).values() if one not in stimuli.metadata.columns]
        if missing:
            raise InputError(
                f"stimuli of {name} without the columns {', '.join(missing)}",
                allowed="columns with the category of the texture, and with the photographs that lent shape "
                "and texture",
                todo="choose another benchmark, or add the columns to the stimuli",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Conflicts:
    """Answers of the subjects, and the images in which shape and texture are of different categories."""

    answers: ChoicesTarget  # to all images
    columns: CueColumns
    n_photographs: int  # folds of the photographs that lent shapes
    n_pictures: int  # folds of the pictures that lent textures

    @cached_property
    def textures(self) -> AnyArray:
        """Category of the texture of each image."""
        return self.answers.images.stimuli.labels(self.columns.texture)

    @cached_property
    def rows(self) -> IntArray:
        """Rows of the images in conflict; InputError where there is none.

        A limit may leave out all images with the shape of a category: those with its texture do not count.
        """
        images = self.answers.images
        known = np.isin(self.textures, images.classes)
        rows = np.flatnonzero(known & (self.textures != images.labels))
        if not len(rows):
            raise InputError(
                f"{len(images.ids)} images, in none of which shape and texture conflict",
                allowed="images with the shape of one category and the texture of another",
                todo="use more images (a larger --limit), or choose another benchmark",
            )
        return rows

    @cached_property
    def shape(self) -> IntArray:
        """Category of the shape of each image in conflict."""
        return self.answers.images.truth[self.rows]

    @cached_property
    def texture(self) -> IntArray:
        """Category of the texture of each image in conflict."""
        return np.searchsorted(self.answers.images.classes, self.textures[self.rows])

    def folds(self) -> list[Split]:
        """Return folds of all images: photographs and pictures of the held-out ones are in no training image.

        Training images are in conflict; groups of the run are held out whole.
        """
        images = self.answers.images
        rng = np.random.default_rng(images.seed)
        columns = self.columns
        photographs, pictures = (
            _folds_of(images.stimuli.labels(column), categories, n_folds, rng)
            for column, categories, n_folds in (
                (columns.photograph, images.labels, self.n_photographs),
                (columns.picture, self.textures, self.n_pictures),
            )
        )
        groups = np.asarray(images.ids if images.groups is None else images.groups)
        conflicts = np.isin(np.arange(len(images.ids)), self.rows)
        folds = []
        for i, j in np.ndindex(self.n_photographs, self.n_pictures):
            test = np.flatnonzero((photographs == i) & (pictures == j))
            train = conflicts & (photographs != i) & (pictures != j)
            train &= ~np.isin(groups, groups[test])
            if len(test):
                folds.append(Split(np.flatnonzero(train), test))
        return folds


def _folds_of(
    names: AnyArray, categories: AnyArray, n_folds: int, rng: np.random.Generator
) -> IntArray:
    """Return the fold of each image, by what lent it its shape or texture, alike in each category."""
    folds = np.zeros(len(names), dtype=np.intp)
    for category in np.unique(categories):
        for place, name in enumerate(rng.permutation(np.unique(names[categories == category]))):
            folds[names == name] = place % n_folds
    return folds


def cue_readout(
    conflicts: Conflicts, candidate: Candidate, options: ReadoutOptions
) -> HeldOutReadout:
    """Read out every image by folds, fitted to each training image twice: as its shape and as its texture.

    InputError for too few images, or a layer that does not vary with the image.
    """
    images, folds = conflicts.answers.images, conflicts.folds()
    n = len(images.ids)
    # Images that are not in conflict are asked, and taught to nobody.
    known = np.isin(conflicts.textures, images.classes)
    textures = np.where(known, conflicts.textures, images.labels)
    labels = np.stack([images.labels, textures])
    with threadpool_limits(limits=1, user_api="blas"):
        decoded = cross_decode(candidate.chunks, labels, folds, readout=options)
    probabilities = np.full((n, len(images.classes)), np.nan)
    fold_of_image = np.full(n, -1, dtype=np.intp)
    for k, (fold, held_out) in enumerate(zip(folds, decoded.probabilities, strict=True)):
        probabilities[fold.test], fold_of_image[fold.test] = held_out, k
    return HeldOutReadout(
        images=images,
        options=options,
        probabilities=probabilities,
        fold=fold_of_image,
        selection=FoldSelection.of_one(candidate, len(folds)),
        n_features=candidate.n_features,
        n_unfinished=decoded.n_unfinished,
    )
