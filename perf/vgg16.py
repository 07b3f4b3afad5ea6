"""Inner products of all 13 convolutional layers of VGG16 with a cache that they do not fit in.

    python perf/vgg16.py [--images 320] [--cache-gb 5.2] [--json FILE]

The structure of VGG16 (Simonyan & Zisserman 2015) with seeded random numbers as weights, on noise. Layers
that the cache has room for are extracted in one pass; of the others a block of units at a time is computed
again, by passes that end behind the layer. The inner products of all layers are made, as PLS and ridge need
them; nothing else of a layer is held. Foreseen for more images: passes are counted, each costs what it cost
here per image, products of all pairs grow with the square.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from large import multiplications_per_second
from rich.console import Console
from rich.table import Table
from torch import nn

import brainbench
from brainbench.core import stimuli
from brainbench.core.presentation import CONSTANT
from brainbench.core.provenance import counting, peak_memory_mb
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.gram import gram
from brainbench.models.recomputed import Layout
from brainbench.storage.cache import Cache

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SIDE, FORESEEN, CHUNK = 224, 3200, 3072
LIMIT_GB = 6.0


def vgg16() -> tuple[nn.Sequential, list[str]]:
    """Return the network, and the names of its convolutional layers after the rectification."""
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    layers, channels = [], 3
    for widths in WIDTHS:
        for width in widths:
            modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            layers.append(str(len(modules) - 1))
            channels = width
        modules.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096)]
    return nn.Sequential(*modules, *head, nn.ReLU(), nn.Linear(4096, 1000)), layers


def pictures(n: int) -> StimulusSet:
    """Return images of noise at the size of the network's input."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return stimuli.from_arrays("noise", pixels, ids=[f"image{k:05d}" for k in range(n)])


def foreseen(rows: list[dict[str, Any]], n: int, cache_gb: float) -> dict[str, Any]:
    """Return disk, passes and hours for more images, with a cache that is larger in proportion.

    A pass costs what it cost per image here, products grow with the square of the images.
    """
    more, features = FORESEEN / n, {row["layer"]: row["features"] for row in rows}
    without_room = {row["layer"] for row in rows if row["passes"]}
    passes = {k: Layout((features[k],), 1, 1).n_passes(FORESEEN) for k in without_room}
    seconds = sum(
        more * passes[row["layer"]] * (row["seconds"] - row["products_s"]) / row["passes"]
        for row in rows
        if row["passes"]
    )
    return {
        "images": FORESEEN,
        "all_gb": 4e-9 * FORESEEN * sum(features.values()),
        "cache_gb": more * cache_gb,
        "passes": sum(passes.values()),
        "again_hours": seconds / 3600,
        "products_hours": more**2 * sum(row["products_s"] for row in rows) / 3600,
    }


def measure(n: int, cache_gb: float) -> dict[str, Any]:
    """Return seconds and memory of each layer, and what is foreseen."""
    net, layers = vgg16()
    shown, rate = pictures(n), multiplications_per_second()
    with tempfile.TemporaryDirectory() as folder:
        model = brainbench.wrap(
            net,
            name="vgg16",
            weights="untrained-0",
            layers={"IT": layers},
            cache=Cache(Path(folder), max_gb=cache_gb),
        ).pinned()
        start = time.process_time()
        with counting() as costs:
            found = model.activations(shown, layers, CONSTANT)
        first_s = time.process_time() - start
        rows = []
        for layer, values in found.items():
            start, p = time.process_time(), values.sizes["neuroid"]
            with counting() as again:
                parts = (slice(first, first + CHUNK) for first in range(0, p, CHUNK))
                products = gram(values.variable.isel(neuroid=part, time=0).values for part in parts)
            rows.append(
                {
                    "layer": layer,
                    "features": p,
                    "gb": 4e-9 * n * p,
                    "passes": again.images / n,
                    "seconds": time.process_time() - start,
                    "products_s": n**2 * p / 2 / rate,
                    "trace": float(np.trace(products.K)),
                    "peak_mb": peak_memory_mb(),
                }
            )
        kept_gb = sum(path.stat().st_size for path in Path(folder).rglob("*.chunks")) / 1e9
    return {
        "images": n,
        "cache_gb": cache_gb,
        "kept_gb": kept_gb,
        "first_pass_s": first_s,
        "forward_images": costs.images,
        "rows": rows,
        "foreseen": foreseen(rows, n, cache_gb),
        "limit_gb": LIMIT_GB,
        "load": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--cache-gb", type=float, default=5.2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.images, options.cache_gb)
    table = Table(title=f"VGG16, {options.images} images, a cache of {options.cache_gb:g} GB")
    for head in ("layer", "units", "GB", "passes", "processor seconds", "memory"):
        table.add_column(head, justify="right")
    for r in report["rows"]:
        table.add_row(
            r["layer"],
            f"{r['features']:,}",
            f"{r['gb']:.2f}",
            f"{r['passes']:g}",
            f"{r['seconds']:.1f}",
            f"{r['peak_mb']:.0f} MB",
        )
    Console(width=120).print(table, report["foreseen"])
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if max(r["peak_mb"] for r in report["rows"]) <= 1000 * LIMIT_GB else 1


if __name__ == "__main__":
    sys.exit(main())
