"""World of reverse predictivity: units of a model that sites of a region predict in part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from brainbench.core.settings import ProtocolName
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.recordings import material_of
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.reverse import ReversePredictivity
from brainbench.scoring.regression.reverse_evaluation import ReverseEvaluation, ReverseFit, Units
from worlds.regression import N_TRIALS, OneLayer, Recorded, images, session, sites
from worlds.world import ALL, IDS, OBJECTS, World, fixed

N_OF_MODEL = 40
SHARED = 0.5
"""Size of what a unit of the model reads of features that no site has."""


@dataclass(frozen=True)
class Pair:
    """Trials of the sites, and responses of the units: stimulus x unit."""

    recorded: Recorded
    units: FloatArray


def draw(rng: np.random.Generator, random: str) -> Pair:
    """Draw units of a model, and trials of sites that are always the same."""
    seen, unseen = images(fixed() if random == "units" else rng)
    own = (fixed() if random == "units" else rng).standard_normal((len(seen), 6))
    weights, others, noise = sites(fixed())
    signal = seen @ weights + unseen @ others
    trials = signal + noise * rng.standard_normal((N_TRIALS, *signal.shape))
    of_model = np.random.default_rng(7) if random == "images" else rng
    read = of_model.standard_normal((20, N_OF_MODEL)) / np.sqrt(np.arange(1, 21))[:, None]
    beside = SHARED * of_model.standard_normal((6, N_OF_MODEL))
    return Pair(Recorded(seen, trials), seen @ read + own @ beside)


def evaluate(sample: Pair, *, protocol: ProtocolName, formula: str) -> ReverseEvaluation:
    """Evaluate a sample as `scoring.regression.reverse` does, with five components of PLS."""
    rules = ReversePredictivity.rules[protocol]
    folds = rules.split(IDS, OBJECTS)
    target = session(sample.recorded)
    units = Units(
        values=sample.units,
        numbers=np.arange(N_OF_MODEL),
        layer="layer",
        step=None,
        n_varying=N_OF_MODEL,
        n_all=N_OF_MODEL,
    )
    fitted = ReverseFit(
        target=target,
        folds=folds,
        selection=FoldSelection.of_one(OneLayer(), len(folds)),
        site_map=LinearMap(metric=rules.metric, n_components=5, joint=rules.joint),
        units={0: units},
    )
    return ReverseEvaluation(
        material=material_of([target.recordings]),
        formula=formula,
        fits=[fitted],
        model="model",
        has_ceiling=protocol == "brainscore",
        seed=0,
        details={},
        seeds={},
    )


def reverse(protocol: ProtocolName, formula: str) -> World:
    """Build the world of 40 units and 16 sites."""
    return World.of(
        name=f"reverse, {protocol}, {formula}",
        random=ALL,
        draw=draw,
        evaluate=partial(evaluate, protocol=protocol, formula=formula),
    )
