"""The model's side of object solution times: when it has solved each image, by which of its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.metrics.features import Features
from brainbench.metrics.solution_times.decoder import (
    Decoder,
    HeldOutSensitivity,
    decode,
    held_out_sensitivity,
)
from brainbench.metrics.solution_times.solution_times import HeldOutTimes, solution_times
from brainbench.scoring.layer_states import States
from brainbench.scoring.solution_times.target import Brain
from brainbench.stats.splits import Split, paper

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

INNER = 3
"""Folds inside the training images, by which one of several layers is chosen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solver:
    """When a model has solved each image.

    Parameters
    ----------
    layer : str
        The layer that was decoded; of several, the one of most folds.
    decoded : list of HeldOutSensitivity
        Held-out sensitivities in each bin: of all images, or of each split's.
    curve : list of dict
        Every layer with what the choice was made by.
    n_features, n_states : int
        Features of the layer, and how many of its states differ.
    """

    layer: str
    decoded: list[HeldOutSensitivity]
    curve: list[dict[str, Any]]
    n_features: int
    n_states: int

    def parts(self, thresholds: FloatArray, bins: FloatArray) -> list[HeldOutTimes]:
        """Rows and solution times of the images that are judged together."""
        return [
            (one.rows, solution_times(one.sensitivity, thresholds[one.rows], bins))
            for one in self.decoded
        ]


def is_static(states: States) -> bool:
    """Whether all time bins show the same: one state, or states that do not differ anywhere."""
    if len(np.unique(states.shares, axis=0)) == 1:
        return True
    return all(bool((chunk == chunk[..., :1]).all()) for chunk in states.chunks())


def solver_of(
    offered: Sequence[States], brain: Brain, folds: Sequence[Split], *, protocol: str, how: Decoder
) -> Solver:
    """Decode a model over time; of several layers, the best inside the training images of each fold.

    Parameters
    ----------
    offered : sequence of States
        Layers.
    brain : Brain
        Images and what they show; its solution times are not looked at.
    folds : sequence of Split
        Training and held-out images.
    protocol : {"paper", "brainscore"}
        Whether images of all folds are judged together, and which false alarms count.
    how : Decoder
        Which decoder reads the layer that was chosen. The choice is made by the converged one.

    Raises
    ------
    InputError
        As `held_out`; several layers, and one training image of some object.

    Notes
    -----
    The choice takes `INNER` decoders for each layer, state and fold. A chosen layer is decoded in all folds,
    so that no random weights depend on where it was chosen.
    """
    best, curve = _choose(offered, brain, folds, seed=how.seed)
    decoded: list[FloatArray] = [np.empty(0)] * len(folds)
    for number in sorted(set(best)):
        made = _decoded(offered[number], brain, folds, how)
        decoded = [made[k] if one == number else decoded[k] for k, one in enumerate(best)]
    ((most, _),) = Counter(best).most_common(1)
    return Solver(
        layer=offered[most].layer,
        decoded=held_out_sensitivity(
            decoded,
            brain.objects,
            folds,
            together=protocol == "paper",
            false_alarms="paper" if protocol == "paper" else "brainscore",
        ),
        curve=curve,
        n_features=offered[most].n_features,
        n_states=len(_distinct(offered[most])[0]),
    )


def _choose(
    offered: Sequence[States], brain: Brain, folds: Sequence[Split], *, seed: int
) -> tuple[list[int], list[dict[str, Any]]]:
    """Layer for each fold, and every layer with what it was chosen by."""
    scores = np.full((len(folds), len(offered)), np.nan)
    if len(offered) > 1:
        label = f"choosing among {len(offered)} layers"
        with progress.current().task(label, scores.size) as advance:
            for k, fold in enumerate(folds):
                for j, one in enumerate(offered):
                    scores[k, j] = _accuracy_inside(one, brain, fold.train, seed=seed)
                    advance(1)
    best = np.nan_to_num(scores).argmax(axis=1).tolist()
    curve = [
        {
            "layer": one.layer,
            "inner_mean": float(scores[:, k].mean()) if len(offered) > 1 else None,
            "inner_sd": float(scores[:, k].std()) if len(offered) > 1 else None,
            "chosen_in_folds": best.count(k),
        }
        for k, one in enumerate(offered)
    ]
    return best, curve


def _accuracy_inside(states: States, brain: Brain, rows: IntArray, *, seed: int) -> float:
    """Share of training images that decoders of the other ones recognize in the best bin.

    Nothing but these rows is read.
    """
    objects = brain.objects[rows]
    names, codes, counts = np.unique(objects, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise InputError(
            f"{len(rows)} training images, {counts.min()} of {names[counts.argmin()]}, to choose a layer by",
            allowed="two or more images of each object inside the training images",
            todo="use more images (a larger --limit), or one layer",
        )
    inside = paper(
        np.asarray(brain.stimuli.ids)[rows],
        objects,
        n_splits=min(INNER, int(counts.min())),
        seed=seed,
    )
    bins: list[Features] = [partial(_features, states, one, rows) for one in _distinct(states)[0]]
    right = [
        np.concatenate(
            [p.argmax(axis=1) == codes[test] for p, (_, test) in zip(made, inside, strict=True)]
        ).mean()
        for made in decode(bins, objects, inside, decoder=Decoder(name="converged"))
    ]
    return float(max(right))


def _decoded(
    states: States, brain: Brain, folds: Sequence[Split], how: Decoder
) -> list[FloatArray]:
    """Probabilities bin x held-out image x class for each fold; each state is decoded once."""
    distinct, of_bin = _distinct(states)
    bins: list[Features] = [partial(_features, states, shares) for shares in distinct]
    made = zip(*decode(bins, brain.objects, folds, decoder=how), strict=True)
    return [np.stack(found)[of_bin] for found in made]


def _distinct(states: States) -> tuple[FloatArray, IntArray]:
    """States that differ, and which of them each bin shows."""
    distinct, of_bin = np.unique(states.shares, axis=0, return_inverse=True)
    return distinct, of_bin.ravel()


def _features(
    states: States, shares: FloatArray, rows: IntArray | None = None
) -> Iterator[npt.NDArray[Any]]:
    """Features of one time bin in chunks of columns, of some images: a state, or states averaged."""
    used = np.flatnonzero(shares)
    for whole in states.chunks():
        chunk = whole if rows is None else whole[rows]
        yield chunk[..., used[0]] if len(used) == 1 else chunk.astype(np.float64) @ shares
