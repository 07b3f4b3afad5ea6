"""The model's side of object solution times: when it has solved each image, by which of its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.behavior.i2n import FalseAlarms
from brainbench.metrics.features import Features
from brainbench.metrics.solution_times.decoder import (
    Decoder,
    HeldOutSensitivity,
    decode,
    held_out_sensitivity,
)
from brainbench.metrics.solution_times.solution_times import HeldOutTimes, solution_times
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.layer_states import LayerStates
from brainbench.scoring.solution_times.target import BrainTimes
from brainbench.stats.splits import Split, paper

N_INNER = 3
"""Folds inside the training images, by which one of several layers is selected."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelSensitivity:
    """Held-out sensitivity of a model in each time bin, which a threshold turns into solution times."""

    folds: Sequence[Split]
    selection: FoldSelection  # layer of each fold
    # Sensitivities in each bin: of the images of all folds, or of each split.
    decoded: list[HeldOutSensitivity]
    n_features: int  # of the layer of most folds
    n_states: int  # of that layer that differ

    def parts(self, thresholds: FloatArray, bins: FloatArray) -> list[HeldOutTimes]:
        """Return rows and solution times of the images that were held out together."""
        return [
            (part.rows, solution_times(part.sensitivity, thresholds[part.rows], bins))
            for part in self.decoded
        ]

    def figures(self) -> dict[str, Any]:
        """Return accuracy and mean sensitivity in each bin, mean over the parts."""
        accuracy = np.mean([part.accuracy for part in self.decoded], axis=0)
        by_part = [np.nanmean(part.sensitivity, axis=1) for part in self.decoded]
        return {
            "accuracy_by_bin": accuracy.tolist(),
            "sensitivity_by_bin": np.mean(by_part, axis=0).tolist(),
            "states": self.n_states,
        }

    def fold_of_samples(self) -> IntArray:
        """Return the fold of each held-out image, in the order of the parts."""
        if len(self.decoded) > 1:
            sizes = [len(part.rows) for part in self.decoded]
            return np.repeat(np.arange(len(sizes)), sizes)
        rows = self.decoded[0].rows
        fold = np.empty(rows.max() + 1, dtype=np.intp)
        for k, (_, test) in enumerate(self.folds):
            fold[test] = k
        return fold[rows]


def is_static(layer: LayerStates) -> bool:
    """Return whether all time bins show the same: one state, or states that do not differ anywhere."""
    if len(np.unique(layer.shares, axis=0)) == 1:
        return True
    return all(bool((chunk == chunk[..., :1]).all()) for chunk in layer.chunks())


def decode_model(
    candidates: Sequence[LayerStates],
    brain: BrainTimes,
    folds: Sequence[Split],
    decoder: Decoder,
    *,
    together: bool,
    false_alarms: FalseAlarms,
) -> ModelSensitivity:
    """Decode a model over time; of several layers, the best inside the training images of each fold.

    The solution times of the brain are not looked at. The selection is made by the converged decoder,
    `N_INNER` of them for each layer, state and fold. A selected layer is decoded in all folds, so that no
    random weights depend on where it was selected. InputError as in `decode` and `held_out_sensitivity`.
    """
    selection = _select(candidates, brain, folds, seed=decoder.seed)
    numbers: list[int] = selection.best.tolist()
    by_layer = {
        number: _probabilities(candidates[number], brain, folds, decoder)
        for number in sorted(set(numbers))
    }
    ((most, _),) = Counter(numbers).most_common(1)
    return ModelSensitivity(
        folds=folds,
        selection=selection,
        decoded=held_out_sensitivity(
            [by_layer[number][k] for k, number in enumerate(numbers)],
            brain.objects,
            folds,
            together=together,
            false_alarms=false_alarms,
        ),
        n_features=candidates[most].n_features,
        n_states=len(_distinct_bins(candidates[most])[0]),
    )


def _select(
    candidates: Sequence[LayerStates], brain: BrainTimes, folds: Sequence[Split], *, seed: int
) -> FoldSelection:
    """Select a layer for each fold by its accuracy inside the training images."""
    if len(candidates) == 1:
        return FoldSelection.of_one(candidates[0], len(folds))
    scores = np.full((len(folds), len(candidates)), np.nan)
    label = f"selecting one of {len(candidates)} layers"
    with progress.current().task(label, scores.size) as advance:
        for k, fold in enumerate(folds):
            for j, candidate in enumerate(candidates):
                scores[k, j] = _accuracy_inside(candidate, brain, fold.train, seed=seed)
                advance(1)
    return FoldSelection.by_scores(candidates, scores)


def _accuracy_inside(layer: LayerStates, brain: BrainTimes, rows: IntArray, *, seed: int) -> float:
    """Return the share of training images that decoders of the other ones recognize in the best bin.

    Nothing but these rows is read.
    """
    objects = brain.objects[rows]
    names, codes, counts = np.unique(objects, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise InputError(
            f"{len(rows)} training images, {counts.min()} of {names[counts.argmin()]}, to select a layer by",
            allowed="two or more images of each object inside the training images",
            todo="use more images (a larger --limit), or one layer",
        )
    inner_folds = paper(
        np.asarray(brain.stimuli.ids)[rows],
        objects,
        groups=None if brain.split_groups is None else brain.split_groups[rows],
        n_splits=min(N_INNER, int(counts.min())),
        seed=seed,
    )
    distinct, _ = _distinct_bins(layer)
    bins: list[Features] = [partial(_bin_features, layer, shares, rows) for shares in distinct]
    accuracies = [
        np.concatenate(
            [
                p.argmax(axis=1) == codes[test]
                for p, (_, test) in zip(probabilities, inner_folds, strict=True)
            ]
        ).mean()
        for probabilities in decode(bins, objects, inner_folds, decoder=Decoder(name="converged"))
    ]
    return float(max(accuracies))


def _probabilities(
    layer: LayerStates, brain: BrainTimes, folds: Sequence[Split], decoder: Decoder
) -> list[FloatArray]:
    """Return probabilities bin x held-out image x class of each fold; each state is decoded once."""
    distinct, of_bin = _distinct_bins(layer)
    bins: list[Features] = [partial(_bin_features, layer, shares) for shares in distinct]
    by_fold = zip(*decode(bins, brain.objects, folds, decoder=decoder), strict=True)
    return [np.stack(probabilities)[of_bin] for probabilities in by_fold]


def _distinct_bins(layer: LayerStates) -> tuple[FloatArray, IntArray]:
    """Return the shares of states that differ between bins, and which of them each bin has."""
    distinct, of_bin = np.unique(layer.shares, axis=0, return_inverse=True)
    return distinct, of_bin.ravel()


def _bin_features(
    layer: LayerStates, shares: FloatArray, rows: IntArray | None = None
) -> Iterator[AnyArray]:
    """Yield features of one time bin in chunks of columns, of some images: a state, or states averaged."""
    used = np.flatnonzero(shares)
    for values in layer.chunks():
        chunk = values if rows is None else values[rows]
        yield chunk[..., used[0]] if len(used) == 1 else chunk.astype(np.float64) @ shares
