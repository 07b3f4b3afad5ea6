"""Speed of explainable variance beside a loop over neurons of the published formulas, in one run.

    python perf/ccnorm.py [--json FILE]

The loop is what a user writes from the MATLAB code of Schoppe et al. 2016: one neuron after the other, and
for an interval one draw after the other. Its draws are timed on a few and scaled, which the name says.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainbench.metrics.explained_variance.ccnorm import explained, jackknife, schoppe
from brainbench.metrics.explained_variance.signal_power import mean_response, signal_power
from brainbench.stats.bootstrap import image_counts

REPEATS, IMAGES, SITES = 28, 2560, 168
DRAWS, TIMED_DRAWS, JACKKNIFED = 1000, 3, 10

Array = NDArray[Any]


def one_neuron(R: Array, p: Array) -> tuple[float, float]:
    """Return CC_norm and CC_max of one neuron; R is repetition x stimulus."""
    n = len(R)
    y = R.mean(axis=0)
    power = (R.sum(axis=0).var(ddof=1) - R.var(axis=1, ddof=1).sum()) / (n * (n - 1))
    covariance = np.mean((y - y.mean()) * (p - p.mean()))
    if power <= 0:
        return np.nan, 0.0
    return covariance / np.sqrt(power * p.var()), np.sqrt(power / y.var())


def looped(trials: Array, predicted: Array) -> Array:
    return np.array(
        [one_neuron(trials[:, :, k], predicted[:, k]) for k in range(trials.shape[2])]
    ).T


def looped_draws(trials: Array, predicted: Array, counts: Array) -> Array:
    rows = [np.repeat(np.arange(trials.shape[1]), times.astype(int)) for times in counts]
    return np.stack([looped(trials[:, r], predicted[r])[0] for r in rows])


def looped_jackknife(trials: Array, predicted: Array) -> Array:
    return np.stack(
        [looped(np.delete(trials, k, axis=0), predicted)[0] for k in range(len(trials))]
    )


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def measure() -> dict[str, float]:
    """Return the seconds of both, their ratios, and the largest difference of the figures."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((IMAGES, SITES))
    trials = signal + 2 * rng.standard_normal((REPEATS, IMAGES, SITES))
    predicted = signal + rng.standard_normal((IMAGES, SITES))
    ours, ours_s = timed(lambda: schoppe(trials, predicted))
    theirs, theirs_s = timed(lambda: looped(trials, predicted))
    difference = np.abs(np.stack([ours.cc_norm, ours.cc_max]) - theirs).max()

    counts = image_counts([str(k) for k in range(IMAGES)], n_draws=DRAWS)

    def drawn() -> Array:
        power = signal_power(trials, counts=counts)
        return explained(predicted, mean_response(trials), power, counts=counts).cc_norm

    draws, draws_s = timed(drawn)
    few, few_s = timed(lambda: looped_draws(trials, predicted, counts[:TIMED_DRAWS]))
    scaled_s = few_s * DRAWS / TIMED_DRAWS

    small, p = trials[:JACKKNIFED, :640], predicted[:640]
    jack, jack_s = timed(lambda: jackknife(small, p).cc_norm)
    loop, loop_s = timed(lambda: looped_jackknife(small, p))
    return {
        "repeats": REPEATS,
        "images": IMAGES,
        "sites": SITES,
        "CC_norm, seconds": ours_s,
        "CC_norm by a loop over neurons, seconds": theirs_s,
        "CC_norm, ratio": theirs_s / ours_s,
        "CC_norm, largest difference": float(difference),
        f"{DRAWS} draws with CC_max of each, seconds": draws_s,
        f"{DRAWS} draws by a loop, seconds, {TIMED_DRAWS} of them scaled": scaled_s,
        "draws, ratio": scaled_s / draws_s,
        "draws, largest difference": float(np.abs(draws[:TIMED_DRAWS] - few).max()),
        f"jackknife of {JACKKNIFED} repeats x 640 images, seconds": jack_s,
        "jackknife by a loop, seconds": loop_s,
        "jackknife, ratio": loop_s / jack_s,
        "jackknife, largest difference": float(np.abs(jack - loop).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of explainable variance.")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    schoppe(np.random.default_rng(0).standard_normal((3, 9, 2)), np.eye(9, 2))
    figures = measure()
    for name, value in figures.items():
        print(f"{name}: {value:.5g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
