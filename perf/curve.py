"""Number of images that a score needs: share of the known ceiling against the number of images.

    python perf/curve.py [--images 104 200 320 504 1000 2000] [--figure FILE.png] [--json FILE]

The simulated brain is shown up to 2,000 scenes. For each number of images, protocol `paper` (at most
1,000 principal components, PLS1 with 25 components, 10 folds) predicts every site of V4 and IT from the
96-unit population that the sites read, from the full maps that the population pools, and from pixels.
A score is divided by each site's known ceiling, so 1 is what the truth itself reaches.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import pca
from brainbench.metrics.linear.pls import cross_predict
from brainbench.simulate import network, scenes, sites
from brainbench.stats.splits import paper

WHAT = (
    "median over sites of r / known ceiling, protocol paper; `shuffled` is the population with the "
    "images shuffled over the whole set"
)
REGIONS = ("V4", "IT")
BATCH = 16
PIXELS = 56  # pixels are averaged over 4 x 4 squares: 9,408 features


def responses(n_images: int, seed: int) -> dict[str, Any]:
    """Return the features of every model and the population of every region, in batches."""
    names = scenes.OBJECT_NAMES
    drawn = [
        scenes.draw_scene(seed=seed, object_name=name, image_number=number)
        for number in range(n_images // len(names))
        for name in names
    ]
    hidden = network.build_network(seed=seed)
    window = slice(7, 17)
    batches: dict[str, list[np.ndarray]] = {"pixels": []}
    for first in range(0, len(drawn), BATCH):
        pictures = scenes.render(drawn[first : first + BATCH])
        side = pictures.shape[1] // PIXELS
        blocks = pictures.reshape(len(pictures), PIXELS, side, PIXELS, side, 3)
        batches["pixels"].append(blocks.mean(axis=(2, 4)).reshape(len(pictures), -1))
        maps = network.respond(hidden, pictures)
        for region in REGIONS:
            population = network.pool(hidden, region, maps[region])
            flat = maps[region].reshape(len(pictures), -1, maps[region].shape[-1])
            batches.setdefault(f"{region} maps", []).append(flat[:, :, window].mean(axis=2))
            batches.setdefault(f"{region} population", []).append(population)
    objects = np.array([names[k % len(names)] for k in range(len(drawn))])
    return {"objects": objects, **{key: np.concatenate(parts) for key, parts in batches.items()}}


def measured(region: str, population: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return trial averages, (stimulus, site), and known ceilings, (site,), in 70-170 ms."""
    readout = sites.calibrate(sites.draw_sites(region, seed=seed), population)
    expected = sites.expected_counts(readout, population)
    signal = expected[:, :, 7:17].mean(axis=2)
    counts = np.random.default_rng([seed, len(region)]).poisson(signal * 10 * sites.TRIALS)
    variance, noise = signal.var(axis=0), signal.mean(axis=0) / (10 * sites.TRIALS)
    return counts / (10 * sites.TRIALS), np.sqrt(variance / (variance + noise))


def share(features: np.ndarray, Y: np.ndarray, ceilings: np.ndarray, objects: np.ndarray) -> float:
    """Return the median over sites of the mean held-out r, divided by the site's known ceiling."""
    folds = paper([f"s{k:05d}" for k in range(len(Y))], objects)
    predicted = cross_predict(pca(features, 1000), Y, folds)
    r = [pearson(p, Y[fold.test]) for p, fold in zip(predicted, folds, strict=True)]
    return float(np.median(np.mean(r, axis=0) / ceilings))


def curves(numbers: list[int], seed: int) -> list[dict[str, Any]]:
    """Return one row per region and model, with one share per number of images."""
    by_name = responses(max(numbers), seed)
    rows = []
    for region in REGIONS:
        population = by_name[f"{region} population"]
        Y, ceilings = measured(region, population, seed)
        models = {
            "population": population[:, :, 7:17].mean(axis=2),
            "maps": by_name[f"{region} maps"],
            "pixels": by_name["pixels"],
        }
        models["shuffled"] = models["population"]
        for name, features in models.items():
            values = []
            for n in numbers:
                rows_of = np.arange(n)
                if name == "shuffled":
                    rows_of = np.random.default_rng([seed, n]).permutation(n)
                values.append(share(features[rows_of], Y[:n], ceilings, by_name["objects"][:n]))
            rows.append({"region": region, "model": name, "share": values})
    return rows


def draw(path: Path, numbers: list[int], rows: list[dict[str, Any]]) -> None:
    """Draw one panel per region."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(REGIONS), figsize=(8, 3.2), sharey=True, layout="tight")
    for panel, region in zip(panels, REGIONS, strict=True):
        for row in (r for r in rows if r["region"] == region):
            panel.plot(numbers, row["share"], marker="o", markersize=4, label=row["model"])
        panel.axhline(1.0, color="gray", linewidth=0.8, linestyle="--")
        panel.set(xscale="log", title=f"Simulated {region}", xlabel="images")
        panel.set_xticks(numbers, [str(n) for n in numbers], fontsize=7)
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of the known ceiling")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, nargs="+", default=[104, 200, 320, 504, 1000, 2000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = curves(options.images, options.seed)
    shown = Table("region", "model", *(str(n) for n in options.images), title=WHAT)
    for row in rows:
        shown.add_row(row["region"], row["model"], *(f"{v:.3f}" for v in row["share"]))
    Console().print(shown)
    if options.figure:
        draw(options.figure, options.images, rows)
    if options.json:
        report = {"what": WHAT, "images": options.images, "seed": options.seed, "rows": rows}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
