"""Processor seconds of nested selection among layers, beside the products that it cannot do without.

    python perf/selection.py [--layers 4] [--images 500] [--sites 60] [--json FILE]

Ten outer folds, five inner ones, from Gram matrices that are made before. The floor of PLS1 is the product of
the inner products with all sites, once for each of 25 components; that of ridge with a penalty for each site
is one eigendecomposition in each inner fold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from brainbench.metrics.gram import Gram, gram
from brainbench.scoring.regression.linear_maps import LinearMap, MapName
from brainbench.scoring.regression.nested_selection import select
from brainbench.stats.splits import paper

OUTER, INNER, COMPONENTS = 10, 5, 25
RATIO_AT_MOST = {"pls": 4.0, "ridge-cv": 3.0}

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """A candidate of which only the name matters."""

    layer: str
    step: None = None

    @property
    def label(self) -> dict[str, str]:
        """Entry of a row of the curve."""
        return {"layer": self.layer}


def processor_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def material(n_layers: int, n: int, n_sites: int) -> tuple[list[Gram], Array]:
    """Return inner products of layers that share causes with the responses, each its own noise."""
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((n, 60))
    layers = [
        gram(causes @ rng.standard_normal((60, 4096)) + 8 * rng.standard_normal((n, 4096)))
        for _ in range(n_layers)
    ]
    return layers, causes @ rng.standard_normal((60, n_sites)) + 8 * rng.standard_normal(
        (n, n_sites)
    )


def floor(name: MapName, K: Array, sites: int) -> float:
    """Return the seconds of the bare products or eigenvectors of one inner fold."""
    if name == "ridge-cv":
        return min(processor_seconds(lambda: np.linalg.eigh(K)) for _ in range(3))
    Y = np.random.default_rng(0).standard_normal((sites, len(K)))
    return COMPONENTS * min(processor_seconds(lambda: Y @ K) for _ in range(5))


def measure(name: MapName, layers: list[Gram], Y: Array) -> dict[str, Any]:
    n = len(Y)
    ids = [f"image{k:05d}" for k in range(n)]
    splits = paper(ids, n_splits=OUTER)
    candidates = [Layer(f"layer{k}") for k in range(len(layers))]
    seconds = processor_seconds(
        lambda: select(
            candidates,
            layers,
            Y,
            splits,
            LinearMap(metric=name, n_components=COMPONENTS),
            ids=ids,
            strata=None,
            n_folds=INNER,
            seed=0,
        )
    )
    inner_training = round(n * (1 - 1 / OUTER) * (1 - 1 / INNER))
    rows = np.arange(inner_training)
    bare = floor(name, layers[0].K[np.ix_(rows, rows)], Y.shape[1])
    total = bare * OUTER * INNER * len(layers)
    return {
        "map": name,
        "images": n,
        "sites": Y.shape[1],
        "layers": len(layers),
        "seconds": seconds,
        "floor_s": total,
        "ratio": seconds / total,
        "ratio_at_most": RATIO_AT_MOST[name],
        "load": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--sites", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names: tuple[MapName, ...] = ("pls", "ridge-cv")
    with threadpool_limits(1):
        layers, Y = material(options.layers, options.images, options.sites)
        rows = [measure(name, layers, Y) for name in names]
    table = Table(title="Nested selection, processor seconds")
    for head in ("map", "images", "sites", "layers", "seconds", "floor", "ratio", "at most"):
        table.add_column(head, justify="left" if head == "map" else "right")
    for r in rows:
        table.add_row(
            r["map"],
            *(str(r[key]) for key in ("images", "sites", "layers")),
            f"{r['seconds']:.2f}",
            f"{r['floor_s']:.2f}",
            f"{r['ratio']:.2f}",
            f"{r['ratio_at_most']:g}",
        )
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    return 0 if all(r["ratio"] <= r["ratio_at_most"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
