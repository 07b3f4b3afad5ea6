"""How many images a measure needs: said once, before anything is fitted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray
from brainbench.stats.splits import fold_sizes

Sizes: TypeAlias = Callable[[int, int], tuple[int, int]]
"""(images, splits) -> fewest and most images that a split holds out."""


def least_limit(whole: StimulusSet, enough: Callable[[StimulusSet], bool]) -> int | None:
    """Return the smallest limit whose stimuli are enough, as those of larger ones are; None for none."""
    if not enough(whole):
        return None
    limits = range(1, len(whole) + 1)
    return limits[bisect_left(limits, True, key=lambda n: enough(whole.limit(n)))]


@dataclass(frozen=True, kw_only=True)
class ImagesNeeded:
    """Images that a measure needs in all, in its splits, and in the folds inside them.

    Parameters
    ----------
    what : str
        What needs them, for the message: "PLS with 25 components".
    in_all : int
        Images in all.
    n_splits : int
        Splits; 0 for none.
    sizes : function
        See `Sizes`: disjoint folds, or random splits.
    held_out, training : int
        Images that each split must hold out, and leave for training.
    n_inner : int or None
        Folds inside the training images, where a layer or step is selected.
    inner_held_out : int
        Images that each of them must hold out.
    """

    what: str
    in_all: int = 2
    n_splits: int = 0
    sizes: Sizes = fold_sizes
    held_out: int = 2
    training: int = 1
    n_inner: int | None = None
    inner_held_out: int = 2

    def __post_init__(self) -> None:
        """Raise InputError for a single fold, which leaves nothing for training."""
        folds = [self.n_splits] if self.sizes is fold_sizes and self.n_splits else []
        folds += [] if self.n_inner is None else [self.n_inner]
        if min(folds, default=2) < 2:
            raise InputError(
                f"n_splits = {self.n_splits}, n_inner = {self.n_inner}",
                allowed="2 or more",
                todo="omit them to keep their defaults",
            )

    def check(
        self,
        label: str,
        stimuli: StimulusSet,
        *,
        strata: AnyArray | None,
        groups: AnyArray | None,
    ) -> None:
        """Raise InputError for too few images.

        `strata` has the object of each image where splits are stratified. `groups` has which images splits
        keep together: copies of one picture count as one image then, and there are no more folds than groups.
        """
        copies = None if groups is None else stimuli.copies
        kept = np.arange(len(stimuli))
        if copies is not None:
            kept = np.unique(copies, return_index=True)[1]
        n = len(kept)
        if groups is not None and len(np.unique(groups)) < n:
            fewer = max(2, min(self.n_splits, len(np.unique(groups)))) if self.n_splits else 0
            within = replace(self, n_splits=fewer)
            within.check(label, stimuli, strata=None, groups=copies)
            return
        labels = np.zeros(n) if strata is None else strata[kept]
        names, of_object = np.unique(labels, return_counts=True)
        counts = None if strata is None else of_object
        n_objects = 1 if counts is None else len(counts)
        of_each = 1 if counts is None else self._least_of_object()
        missing = self._missing(n, n_objects)
        if counts is not None and counts.min() < of_each:
            missing = missing or f"of which {counts.min()} show {names[of_object.argmin()]}"
        if not missing:
            return
        least = next(
            k for k in count(max(n, of_each * n_objects)) if not self._missing(k, n_objects)
        )
        different = "" if copies is None else f" ({len(stimuli)} with copies)"
        raise InputError(
            f"{label}: {n} images{different}, {missing}: too few for {self.what}",
            allowed=f"at least {least} images"
            + ("" if counts is None else f", at least {of_each} of each of {n_objects} objects"),
            todo="use more images (a larger --limit)",
        )

    def _missing(self, n: int, n_objects: int) -> str:
        """Say what n images are too few for; empty where they are enough."""
        if n < self.in_all:
            return f"fewer than {self.in_all}"
        if not self.n_splits:
            return ""
        fewest, most = self.sizes(n, self.n_splits)
        if fewest < max(self.held_out, n_objects if self.sizes is not fold_sizes else 1):
            return f"of which one of {self.n_splits} splits holds out {fewest}"
        training = n - most
        inside = ""
        if self.n_inner is not None:
            fewest, most = fold_sizes(training, self.n_inner)
            inside = f" inside the {training} training images"
            if fewest < self.inner_held_out:
                return f"of which one of {self.n_inner} folds{inside} holds out {fewest}"
            training -= most
            inside = " after the inner folds, which select the layer or step"
        return (
            ""
            if training >= self.training
            else f"of which {training} are left for training{inside}"
        )

    def _least_of_object(self) -> int:
        """Return how many images of each object stratified splits need."""
        if self.sizes is not fold_sizes:
            return 2
        enough = count(self.n_splits)
        n_inner = self.n_inner or 1
        return next(k for k in enough if k - -(-k // self.n_splits) >= n_inner)
