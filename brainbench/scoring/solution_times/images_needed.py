"""Whether decoders are trained with every object: said once, with the number of images that is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.stimuli import OBJECT, StimulusSet
from brainbench.metrics.array_types import AnyArray
from brainbench.scoring.context import RunContext
from brainbench.scoring.recordings import strata_of
from brainbench.scoring.solution_times.target import BrainTimes
from brainbench.stats.splits import Split

FEWEST_SOLVED = 2
"""Images with a solution time of the brain: fewer have no order."""


@dataclass(frozen=True, kw_only=True)
class ImagesOfSplits:
    """Images that the brain solves, and that train decoders with every object in every split.

    Parameters
    ----------
    split : function
        (ids, strata, groups=, n_splits=, seed=) -> splits.
    n_splits, seed : int
        Of the splits.
    stratified : bool
        Splits are stratified by object.
    of_each : int
        Images of each object that every split must leave for training.
    """

    split: Callable[..., list[Split]]
    n_splits: int
    seed: int
    stratified: bool
    of_each: int

    def check(self, context: RunContext, brain: BrainTimes) -> None:
        """Raise InputError for too few images."""
        whole, groups = context.run.whole_stimuli(context.data), brain.split_groups
        of_image = None if groups is None else dict(zip(brain.stimuli.ids, groups, strict=True))
        missing = self._missing(brain.stimuli, whole, of_image, brain.solved)
        if not missing:
            return
        groups = None if context.splits_apart else context.run.groups(whole).names
        of_image = None if groups is None else dict(zip(whole.ids, groups, strict=True))
        enough = [
            f"{self.of_each} of each object for training in every split, and {FEWEST_SOLVED} solved ones"
        ]
        todo = "use more images, or another data set"
        if not self._missing(whole, whole, of_image, brain.solved):
            fewer = range(len(whole) - 1, 0, -1)
            missed = (
                n for n in fewer if self._missing(whole.limit(n), whole, of_image, brain.solved)
            )
            enough.insert(0, f"at least {next(missed, 0) + 1} images")
            todo = "use more images (a larger --limit)"
        raise InputError(
            f"{context.benchmark.identifier}: {len(brain.stimuli)} images, {missing}: too few for decoders "
            f"of {len(np.unique(whole.labels(OBJECT)))} objects, and an order of the images",
            allowed=": ".join(enough),
            todo=todo,
        )

    def _missing(
        self,
        stimuli: StimulusSet,
        whole: StimulusSet,
        of_image: Mapping[str, str] | None,
        solved: AnyArray,
    ) -> str:
        """Say what these images are too few for; empty where they are enough."""
        n_solved = int(np.isin(np.asarray(stimuli.ids), solved).sum())
        if n_solved < FEWEST_SOLVED:
            return f"of which the brain solves {n_solved}"
        strata = None
        if self.stratified:
            strata = strata_of(stimuli, partial=len(stimuli) < len(whole))
        n_units = len(stimuli) if of_image is None else len({of_image[i] for i in stimuli.ids})
        if n_units < (self.n_splits if of_image is None else 2):
            if of_image is None:
                return f"fewer than the {self.n_splits} splits"
            return "all in one group, which splits do not divide"
        if strata is not None and of_image is None:
            names, counts = np.unique(strata, return_counts=True)
            if counts.min() < self.n_splits:
                return f"{counts.min()} of {names[counts.argmin()]} for {self.n_splits} folds"
        splits = self.split(
            stimuli.ids,
            strata,
            groups=None if of_image is None else np.array([of_image[i] for i in stimuli.ids]),
            n_splits=self.n_splits,
            seed=self.seed,
        )
        names = np.unique(whole.labels(OBJECT))
        codes = np.searchsorted(names, stimuli.labels(OBJECT))
        trained = np.array([np.bincount(codes[one.train], minlength=len(names)) for one in splits])
        least = trained.min(axis=0)
        if least.min() >= self.of_each:
            return ""
        return f"of which a split leaves {least.min()} of {names[least.argmin()]} for training"
