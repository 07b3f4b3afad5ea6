"""Decoding of objects from IT over time, and reliability of units, without a model.

    python perf/brain_alone.py [--shuffles 10] [--json FILE] [--figure FILE.png]

132 single neurons of macaque IT, seven objects at three positions (Zhang et al. 2011). The pictures are not
published. Neurons were recorded one by one: trials of the same picture are put together to
pseudo-trials of the whole population, several times at random. In each bin of 50 ms a linear decoder (linear
discriminant analysis, shrunken covariance) names the object of trials it was not fitted to; chance is 1/7.
The interval is Wilson's for that many pseudo-trials: it speaks of other trials of the same neurons.
BRAINBENCH_SHARED names the folder with data/zd_it_7objects.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from brainbench.core.assembly import Assembly
from brainbench.data.importers.zd_it import read
from brainbench.metrics.correlation import pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.stats.ceiling import half_means, spearman_brown

FILE = "data/zd_it_7objects/zd_it_spikes.npz"
BIN_MS = 50
BINS = [(start, start + BIN_MS) for start in range(-200, 500, BIN_MS)]
FOLDS = 5
WHAT = "132 IT neurons, 7 objects at 3 positions, bins of 50 ms"

Array = NDArray[Any]


def recorded() -> Path:
    shared = Path(os.environ.get("BRAINBENCH_SHARED", Path(__file__).parents[2] / "shared"))
    return shared / FILE


def split_half(trials: Array) -> tuple[Array, Array]:
    """Return the split-half correlation of each bin, mean over neurons, raw and Spearman-Brown corrected.

    Single neurons are silent in many bins: those that are have no r there and are skipped. A neuron's own r
    is too noisy to be corrected on its own: the mean is.
    """
    one, other = half_means(trials, n_splits=20)
    r = nan_mean(nan_mean(pearson(one, other, axis=1), axis=0), axis=0)
    return r, spearman_brown(r)


def pseudo_trials(trials: Array, rng: np.random.Generator) -> Array:
    """Return trials of the population, repetition x picture x neuron x bin, shuffled for each neuron.

    As many repetitions as every neuron has of every picture.
    """
    there = ~np.isnan(trials).any(axis=3)
    # At random, and trials that were not recorded last.
    order = np.argsort(rng.random(there.shape) + ~there, axis=0)
    mixed = np.take_along_axis(trials, order[..., None], axis=0)
    return mixed[: there.sum(axis=0).min()]


def accuracy(population: Array, objects: Array) -> Array:
    """Return the share of held-out pseudo-trials classified correctly, by bin; folds hold out repetitions."""
    repetitions, pictures, _, bins = population.shape
    fold = np.arange(repetitions) % FOLDS
    right = np.zeros((repetitions, pictures, bins))
    for k in range(bins):
        for held in range(FOLDS):
            train = population[fold != held, ..., k].reshape(-1, population.shape[2])
            mean, spread = train.mean(axis=0), train.std(axis=0)
            use = spread > 0
            decoder = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
                ((train - mean) / np.where(use, spread, 1))[:, use],
                np.tile(objects, (fold != held).sum()),
            )
            test = population[fold == held, ..., k].reshape(-1, population.shape[2])
            named = decoder.predict(((test - mean) / np.where(use, spread, 1))[:, use])
            right[fold == held, :, k] = (named.reshape(-1, pictures) == objects).astype(float)
    return right.mean(axis=(0, 1))


def rise(shares: Array, chance: float) -> float | None:
    """Return the time in ms at which accuracy is halfway from chance to its peak, interpolated."""
    centers = np.array([(a + b) / 2 for a, b in BINS])
    half = (chance + shares.max()) / 2
    first = int(np.argmax(shares >= half))
    if first == 0:
        return None
    low, high = shares[first - 1 : first + 1]
    return float(centers[first - 1] + BIN_MS * (half - low) / (high - low))


def measure(assembly: Assembly, *, shuffles: int, seed: int = 0) -> dict[str, Any]:
    """Return the figures of every bin."""
    trials = np.asarray(assembly.values)
    objects = assembly.coords["object_name"].values
    chance = 1 / len(np.unique(objects))
    rng = np.random.default_rng(seed)
    drawn = [pseudo_trials(trials, rng) for _ in range(shuffles)]
    each = np.stack([accuracy(population, objects) for population in drawn])
    n = drawn[0].shape[0] * drawn[0].shape[1]
    shares = each.mean(axis=0)
    between = [binomtest(round(s * n), n).proportion_ci(method="wilson") for s in shares]
    r, corrected = split_half(trials)
    return {
        "what": WHAT,
        "neurons": assembly.sizes["neuroid"],
        "pseudo_trials": n,
        "shuffles": shuffles,
        "chance": chance,
        "bins": BINS,
        "accuracy": shares.tolist(),
        "accuracy_low": [one.low for one in between],
        "accuracy_high": [one.high for one in between],
        "sd_over_shuffles": each.std(axis=0).tolist(),
        "rise_ms": rise(shares, chance),
        "split_half": r.tolist(),
        "reliability": corrected.tolist(),
    }


def draw(path: Path, figures: dict[str, Any]) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    centers = [(a + b) / 2 for a, b in figures["bins"]]
    figure, panel = plt.subplots(figsize=(5, 3.4), layout="tight")
    panel.fill_between(centers, figures["accuracy_low"], figures["accuracy_high"], alpha=0.25, lw=0)
    panel.plot(centers, figures["accuracy"], marker="o", markersize=4, label="object named")
    panel.plot(
        centers,
        figures["split_half"],
        marker="s",
        markersize=3,
        label="split-half r, mean of neurons",
    )
    panel.axhline(figures["chance"], color="gray", linewidth=0.8, linestyle="--")
    panel.axvline(0, color="gray", linewidth=0.8)
    panel.set(xlabel="ms from stimulus onset", ylabel="accuracy, r", title="Macaque IT, no model")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def table(figures: dict[str, Any]) -> Table:
    shown = Table("bin, ms", "object named", "95 %", "split-half r", "Spearman-Brown", title=WHAT)
    for k, (start, end) in enumerate(figures["bins"]):
        low, high = figures["accuracy_low"][k], figures["accuracy_high"][k]
        shown.add_row(
            f"{start} to {end}",
            f"{figures['accuracy'][k]:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{figures['split_half'][k]:.2f}",
            f"{figures['reliability'][k]:.2f}",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shuffles", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(read(recorded(), BINS), shuffles=options.shuffles, seed=options.seed)
    console = Console()
    console.print(table(figures))
    console.print(
        f"halfway from chance ({figures['chance']:.3f}) to the peak ({max(figures['accuracy']):.3f}) "
        f"at {figures['rise_ms']:.0f} ms"
    )
    if options.figure:
        draw(options.figure, figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
