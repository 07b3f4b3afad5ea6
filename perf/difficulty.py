"""Difficulty of recognition on the simulated brain: accuracy of linear read-outs, chance 1/8.

Usage: python perf/difficulty.py [--seed N] [--images-per-object N] [--json FILE]

Multinomial logistic regression with an L2 penalty on features standardized on the training images
and scaled to mean squared length 1; its C is chosen from 0.1, 1, 10, 100, 1000 by 3-fold
cross-validation inside the training images. Accuracy is the mean over 5 stratified folds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from brainbench.simulate import network
from brainbench.simulate.scenes import draw_scenes, render

CHOICES_OF_C = (0.1, 1.0, 10.0, 100.0, 1000.0)
BATCH = 16
WINDOW = "70-170 ms"
WINDOWS = {WINDOW: slice(7, 17), "90-110 ms": slice(9, 11), "160-200 ms": slice(16, 20)}


def features(pictures: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return pixels at 32 x 32, and maps and population of each area, averaged over a window."""
    blocks = pictures.reshape(len(pictures), 32, 7, 32, 7, 3) / 255.0
    batches = {"pixels, 32 x 32 x 3": [blocks.mean(axis=(2, 4)).reshape(len(pictures), -1)]}
    hidden = network.build_network(seed=seed)
    for first in range(0, len(pictures), BATCH):
        for region, maps in network.respond(hidden, pictures[first : first + BATCH]).items():
            both = {"population": network.pool(hidden, region, maps), "maps": maps}
            for window, bins in WINDOWS.items():
                if region != "IT" and window != WINDOW:
                    continue  # early and late are of interest in IT alone
                for level, values in both.items():
                    mean = values[..., bins].mean(axis=-1).reshape(len(maps), -1)
                    batches.setdefault(f"{region} {level}, {window}", []).append(mean)
    return {name: np.concatenate(parts) for name, parts in batches.items()}


def accuracy(X: np.ndarray, objects: np.ndarray) -> tuple[float, float]:
    """Return the mean accuracy over folds, and its binomial standard error over all held-out images."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, objects)
    value = float(np.mean([_one_fold(X, objects, train, test) for train, test in folds]))
    return value, float(np.sqrt(value * (1.0 - value) / len(X)))


def _one_fold(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    spread = X[train].std(axis=0)
    scaled = (X - X[train].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    # With an L2 penalty only inner products with the training images matter: as many axes as
    # there are training images say the same as all features.
    _, lengths, axes = np.linalg.svd(scaled[train], full_matrices=False)
    scaled = scaled @ axes[lengths > 1e-9 * lengths[0]].T
    scaled /= np.sqrt((scaled[train] ** 2).sum(axis=1).mean())

    def decoder(C: float) -> LogisticRegression:
        return LogisticRegression(C=C, max_iter=2000)

    inner = [
        cross_val_score(decoder(C), scaled[train], y[train], cv=3).mean() for C in CHOICES_OF_C
    ]
    best = decoder(CHOICES_OF_C[int(np.argmax(inner))]).fit(scaled[train], y[train])
    return float(best.score(scaled[test], y[test]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images-per-object", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scenes = draw_scenes(seed=options.seed, images_per_object=options.images_per_object)
    objects = np.array([scene.object_name for scene in scenes])
    table = {}
    print(f"{len(scenes)} images, 8 objects, chance 0.125, seed {options.seed}")
    for name, X in features(render(scenes), options.seed).items():
        table[name], error = accuracy(X, objects)
        print(f"{name:36s} {X.shape[1]:6d} features   {table[name]:.3f} +- {error:.3f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
