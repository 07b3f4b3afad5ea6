"""What states a version in place of its code: small figures of each, with the version that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Goldens
from convrnns import RELEASED_KINDS, SIDE, small_net
from known import context_of
from steps import steps_of

from brainbench.models.wrap import WrappedModel
from brainbench.run.loading import load_model
from brainbench.scoring.solution_times import trial_halves
from brainbench.simulate import brain as brains
from brainbench.simulate.brain import SimulatedBrain
from brainbench_models.convrnn.models import VERSION
from brainbench_models.simulated import simulated_model

FOLDER = Path(__file__).parent
PICTURE = (np.arange(96 * 96 * 3, dtype=np.int64) ** 2 % 251).astype(np.uint8).reshape(96, 96, 3)
FAST = (
    "pixels",
    "gabor",
    "basenet",
    "ff6",
    "cornet_z",
    "cornet_r",
    "cornet_rt",
    "recurrent_v1",
)
SLOW = ("cornet_s", "convrnn_timedecay_shallow", "basenet18")


def units(values: Any) -> list[float]:
    """Return five units of a response, and its standard deviation."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return [*flat[np.linspace(0, len(flat) - 1, 5).astype(int)].tolist(), float(flat.std())]


def of_model(model: WrappedModel) -> dict[str, Any]:
    """Return the last step of each layer that stands for a region, for one picture."""
    layers = list(dict.fromkeys(layer for listed in model.areas.values() for layer in listed))
    calls = {layer: model.calls_of(layer) for layer in layers}
    with model.network.running(layers, calls, "cpu") as forward:
        responses = forward(model.preprocess([PICTURE]))
    return {
        "version": model.network.version or model.fingerprint,
        "figures": {layer: units(responses[layer].steps[-1]) for layer in layers},
    }


def of_named_model(name: str) -> dict[str, Any]:
    return of_model(load_model(name if name in ("pixels", "gabor") else f"{name}@untrained-0"))


def of_cells() -> dict[str, Any]:
    """Return responses of small networks with each cell of the ConvRNNs."""
    images = torch.from_numpy(np.resize(PICTURE, (2, 3, SIDE, SIDE)) / 255.0).float()
    layers = ["conv2", "conv3", "conv4"]
    figures = {}
    for kind in [None, *RELEASED_KINDS]:
        output, steps = steps_of(small_net(kind), layers, images)
        figures |= {f"{kind} {layer}": units(steps[layer][-1]) for layer in layers}
        figures[f"{kind} output"] = units(output)
    return {"version": VERSION, "figures": figures}


def _small_brain() -> SimulatedBrain:
    return SimulatedBrain(images_per_object=2, n_trials=4, n_sites={"V4": 3, "IT": 5})


def of_brain() -> dict[str, Any]:
    """Return statistics of everything that a simulated brain gives."""
    brain = _small_brain()
    figures = {
        "pictures": units([brain.stimuli().picture(k).mean() for k in range(len(brain.stimuli()))]),
        "solution times": units(brain.solution_times()["i1"]),
        "choices": units(brain.choice_probabilities().fillna(0.0).values),
    }
    for region in brain.n_sites:
        figures |= {
            f"truth of {region}": units(brain.truth(region).values),
            f"trials of {region}": units(brain.recordings(region).values.mean(axis=(0, 1))),
        }
    return {"version": brains.VERSION, "figures": figures}


def of_simulated_model() -> dict[str, Any]:
    figures = of_model(simulated_model("population", _small_brain()))["figures"]
    return {"version": brains.VERSION, "figures": figures}


def of_halves() -> dict[str, Any]:
    """Return solution times of halves of the trials of the stored arrays."""
    with np.load(FOLDER / "arrays.npz") as stored:
        goldens = Goldens({key: stored[key] for key in stored.files})
    benchmark = goldens.benchmark("ost")
    context = context_of(benchmark, goldens.model)
    measure: Any = benchmark.measure
    brain = measure.target(context)
    times, _ = trial_halves.trial_halves(context, brain, n_splits=5, n_halves=2)
    solved = [] if times is None else times[~np.isnan(times)]
    return {"version": trial_halves.VERSION, "figures": {"times": [*units(solved), len(solved)]}}


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "cells of the ConvRNNs": of_cells,
    "simulated brain": of_brain,
    "model of the simulated brain": of_simulated_model,
    "solution times of halves": of_halves,
}


def cases(names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in names:
        yield name, CASES[name]() if name in CASES else of_named_model(name)
