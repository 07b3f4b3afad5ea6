"""World of two animals whose sites predict each other's, as `--reference animals` shows it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.gram import gram
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.recordings import material_of
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.sessions import SessionFit, SessionTarget
from worlds.regression import N_TRIALS, OneLayer, Recorded, images, session, sites
from worlds.world import ALL, IDS, OBJECTS, World, fixed


def draw(rng: np.random.Generator, random: str) -> list[FloatArray]:
    """Draw trials of the sites of two animals to the same images."""
    shown = images(fixed() if random == "units" else rng)
    same = fixed()
    trials = []
    for _ in range(2):
        seen, unseen, noise = sites(same if random == "images" else rng)
        signal = shown[0] @ seen + shown[1] @ unseen
        trials.append(signal + noise * rng.standard_normal((N_TRIALS, *signal.shape)))
    return trials


def evaluate(sample: list[FloatArray], *, formula: str) -> PredictivityEvaluation:
    """Evaluate a map by ridge regression from each animal to the other."""
    rules = Predictivity.rules["paper"]
    folds = rules.split(IDS, OBJECTS)
    targets = [_named(session(Recorded(trials[0], trials)), k) for k, trials in enumerate(sample)]
    fits = [
        SessionFit(
            target=target,
            folds=folds,
            selection=FoldSelection.of_one(OneLayer(), len(folds)),
            site_map=LinearMap(metric="ridge-cv"),
            features={0: gram(other.responses)},
        )
        for target, other in zip(targets, targets[::-1], strict=True)
    ]
    return PredictivityEvaluation(
        material=material_of([target.recordings for target in targets]),
        fits=fits,
        aggregate=rules.aggregate,
        formula=formula,
        floor=None,
        population="sites",
        details={},
        seeds={},
    )


def _named(target: SessionTarget, number: int) -> SessionTarget:
    own = target.recordings.neuroids
    ids = [f"animal{number}/{name}" for name in own.neuroid_id.values]
    recordings = replace(
        target.recordings,
        session=f"animal{number}",
        neuroids=own.assign_coords(neuroid_id=("neuroid", ids)),
    )
    return replace(target, recordings=recordings, label=f"animal{number}")


def between_animals(formula: str) -> World:
    """Build the world of two animals with 16 sites each."""
    return World.of(
        name=f"animal to animal, paper, ridge-cv, {formula}",
        random=ALL,
        draw=draw,
        evaluate=partial(evaluate, formula=formula),
    )
