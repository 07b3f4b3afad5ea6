"""Peak memory of extraction and PLS for one very large layer.

    python perf/memory.py [--images 2560] [--features 400000] [--sites 168] [--json FILE]

A convolution gives every image a map of about 400,000 features: 4.1 GB for 2,560 images. They are
extracted in batches into the cache, read back in chunks of columns into a Gram matrix, and PLS predicts
168 sites from it, 10 splits, 25 components. The floor is the Gram matrix itself with the copies that
centering and the splits need.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brainbench.core import stimuli
from brainbench.core.provenance import peak_memory_mb
from brainbench.metrics.linear.pls import cross_predict
from brainbench.models.wrap import wrap
from brainbench.scoring.layer_candidates import Candidate
from brainbench.stats.splits import brainscore
from brainbench.storage.cache import Cache

LIMIT_MB = 3000.0
SIDE = 32


def network(n_features: int) -> torch.nn.Module:
    """Build one convolution whose output has about `n_features` values for a 224 x 224 picture."""
    places = (224 // SIDE * 8) ** 2  # stride 4: 56 x 56
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, round(n_features / places), 7, stride=4, padding=3), torch.nn.ReLU()
    )


def shown(n_images: int) -> stimuli.StimulusSet:
    """Return noise pictures, each made when it is read."""

    class Noise:
        def __len__(self) -> int:
            return n_images

        def __getitem__(self, row: int) -> np.ndarray:
            small = np.random.default_rng(row).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            return small.repeat(224 // SIDE, axis=0).repeat(224 // SIDE, axis=1)

    return stimuli.from_arrays("noise", Noise(), ids=[f"n{k:05d}" for k in range(n_images)])


def measure(n_images: int, n_features: int, n_sites: int) -> dict[str, Any]:
    """Measure seconds and peak memory after each stage; peaks never fall."""
    figures: dict[str, Any] = {"images": n_images, "sites": n_sites}
    figures["peak_mb_at_start"] = peak_memory_mb()
    with tempfile.TemporaryDirectory() as folder:
        model = wrap(
            network(n_features), layers={"IT": "1"}, name="large", cache=Cache(Path(folder))
        )
        began = time.perf_counter()
        layer = model.activations(shown(n_images), ["1"])["1"]
        figures["features"] = layer.sizes["neuroid"]
        figures["file_gb"] = layer.size * 4 / 1e9
        figures["extraction_seconds"] = time.perf_counter() - began
        figures["peak_mb_after_extraction"] = peak_memory_mb()
        began = time.perf_counter()
        one = Candidate(layer="1", step=0, span=(0, 1), activations=layer, weights=np.ones(1))
        products = one.gram()
        figures["gram_seconds"] = time.perf_counter() - began
        figures["peak_mb_after_gram"] = peak_memory_mb()
        layer.close()
    began = time.perf_counter()
    Y = np.random.default_rng(0).standard_normal((n_images, n_sites))
    folds = brainscore([f"n{k:05d}" for k in range(n_images)])
    for kind in ("pls2", "pls1"):
        cross_predict(products, Y, folds, kind=kind)
        figures[f"{kind}_seconds"] = time.perf_counter() - began
        figures[f"peak_mb_after_{kind}"] = peak_memory_mb()
        began = time.perf_counter()
    figures["limit_mb"] = LIMIT_MB
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--features", type=int, default=400_000)
    parser.add_argument("--sites", type=int, default=168)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.images, options.features, options.sites)
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):<26} {value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if peak_memory_mb() <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
