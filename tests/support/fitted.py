"""A small V1 whose neurons are known, and fits to it that take a second."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import convolve

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.scoring.context import DataContext, Run
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.training.fitter import config_of
from brainbench.training.schedule import SCHEDULES, Schedule
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config

SIDE, N, NEURONS, TRIALS = 20, 120, 4, 4
TINY = {
    "channels": 8,
    "iterations": 2,
    "side": SIDE,
    "schedule": "quick",
    "mode": "late-avg",
}


def pictures(n=N, side=SIDE, seed=0):
    """Smooth noise, gray, uint8 (n, side, side, 3)."""
    noise = np.random.default_rng(seed).standard_normal((n, side + 4, side + 4))
    smooth = np.stack([convolve(one, np.ones((5, 5)) / 5) for one in noise])[:, 2:-2, 2:-2]
    gray = np.clip(128 + 40 * smooth, 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=3)


def rates_of(shown, n_neurons=NEURONS, seed=1):
    """Rates of neurons that respond to the brightness of a place of their own, picture x neuron."""
    rng = np.random.default_rng(seed)
    gray = shown[..., 0] / 255 - 0.5
    y, x = np.mgrid[: gray.shape[1], : gray.shape[2]]
    centers = rng.uniform(6, gray.shape[1] - 6, (n_neurons, 2))
    fields = np.stack([np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 8) for cy, cx in centers])
    drive = np.einsum("nyx,kyx->nk", gray, fields)
    return 1 + 8 * np.maximum(drive / drive.std(axis=0), 0)


def recorded(rates, shown, *, films=None, name="Tiny", n_trials=TRIALS, seed=2, prefix="n"):
    """A data set of Poisson trials of these rates in V1."""
    ids = [f"image{k:03d}" for k in range(len(shown))]
    metadata = None if films is None else {"group": films}
    trials = np.random.default_rng(seed).poisson(rates, (n_trials, *rates.shape)).astype(float)
    sites = {"neuroid_id": [f"{prefix}{k}" for k in range(rates.shape[1])]}
    return ArrayData(
        name=name,
        pictures=stimuli.from_arrays(name, shown, ids=ids, metadata=metadata),
        regions={
            "V1": assembly.make(
                trials,
                stimulus={"stimulus_id": ids},
                neuroid=sites,
                repetitions=True,
                units="spikes",
            )
        },
    )


def data(*, films=None, n=N, **options):
    shown = pictures(n)
    return recorded(rates_of(shown), shown, films=films, **options)


def benchmark(given, *, metric="ridge-cv"):
    return Benchmark(
        identifier=f"{given.name}.V1-ccnorm2",
        version=1,
        data=given,
        region="V1",
        window=(70, 170),
        measure=ExplainableVariance(metric=metric),
        metric="",
        ceiling="",
        citation="",
    )


def units(given):
    """The benchmark whose map is the model's own units."""
    declared = benchmark(given, metric="units")
    return replace(declared, identifier=f"{declared.identifier}+units")


def context(given, **settings):
    return DataContext(benchmark=benchmark(given), run=Run(Settings(**settings)))


def config(**options):
    return config_of(RecurrentV1Config, {**TINY, **options}, fitter=FITTER.name)


class Sessions:
    """Several recording sessions as a data set."""

    simulated, command, version, name = False, "", "1", "Tiny"

    def __init__(self, **by_name):
        self._sessions = by_name

    def absent(self):
        return None

    def stimuli(self):
        return next(iter(self._sessions.values())).stimuli()

    def recordings(self, region):
        return next(iter(self._sessions.values())).recordings(region)

    def sessions(self):
        return self._sessions


def short_schedule(patch, steps=20):
    """Give the schedule `quick` this many steps in all."""
    schedule = Schedule(
        name="quick", learning_rate=3e-3, batch=32, check_every=10, phase_steps=steps, steps=steps
    )
    patch.setattr("brainbench.training.schedule.SCHEDULES", {**SCHEDULES, "quick": schedule})
