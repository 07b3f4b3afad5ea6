"""Neural dynamics of networks with 25 states, beside the floor of its inner products.

    python perf/dynamics_states.py [--models MODEL ...] [--benchmarks 'Simulated.*-dynamics'] [--json FILE]

The floor is the inner products that the components of the layers are made of, by BLAS in float64: the
upper triangle of those within the basis images, and those of the other images with the basis; a state that
is the same for all images enters once. One chunk of each layer is timed, and scaled by its number of
features. Activations are stored before anything is timed. Processor seconds, one BLAS thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.linalg.blas import dgemm, dsyrk
from threadpoolctl import threadpool_limits

from brainbench.core.settings import Settings
from brainbench.metrics.temporal.components import basis_images
from brainbench.run.loading import load_benchmarks, load_model
from brainbench.scoring.context import ModelRun, Run, RunContext, contexts
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.layer_states import LayerStates
from brainbench.scoring.pipeline import score_context

MODELS = ("convrnn_rgc_shallow@untrained-0", "convrnn_rgc_intermediate@untrained-0")
RATIO_AT_MOST = 2.0
WIDTH = 1024  # features of the chunk that is timed


def processor_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def floor(layer: LayerStates) -> float:
    """Return the processor seconds of the bare products of a layer."""
    n, states = layer.activations.sizes["stimulus"], len(layer.constant)
    alike, others = int(layer.constant.sum()), int((~layer.constant).sum())
    n_basis = len(basis_images(n, states))
    width = min(WIDTH, layer.n_features)
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((alike + n_basis * others, width))
    rest = rng.standard_normal(((n - n_basis) * others, width))
    # Sums that are added to, as over chunks: zeroed memory is not touched again for each.
    within = np.zeros((len(basis), len(basis)), order="F")
    across = np.zeros((len(basis), len(rest)), order="F")

    def once() -> None:
        dsyrk(1.0, basis.T, trans=1, beta=1.0, c=within, overwrite_c=1)
        if len(rest):
            dgemm(1.0, basis.T, rest.T, trans_a=1, beta=1.0, c=across, overwrite_c=1)

    once()
    return min(processor_seconds(once) for _ in range(3)) * layer.n_features / width


def layers_of(context: RunContext) -> list[LayerStates]:
    """Return the layers that a benchmark reads."""
    measure = context.benchmark.measure
    if not isinstance(measure, Dynamics):
        raise SystemExit(f"{context.benchmark.identifier} is no benchmark of neural dynamics")
    return measure.candidates(context, measure.target(context))


def measure(name: str, pattern: str) -> dict[str, Any]:
    """Measure the scores of one model, and the floor of the layers that they read."""
    model, benchmarks = load_model(name), load_benchmarks(pattern)
    before = contexts(benchmarks, Run(Settings()), ModelRun(model))
    layers = {layer.layer: layer for context in before for layer in layers_of(context)}
    floors = {name: floor(layer) for name, layer in layers.items()}
    timed = contexts(benchmarks, Run(Settings()), ModelRun(model))
    seconds = {
        one.benchmark.identifier: processor_seconds(partial(score_context, one)) for one in timed
    }
    states = max(len(layer.constant) for layer in layers.values())
    return {
        "model": name,
        "states": states,
        "layers": {name: layer.n_features for name, layer in layers.items()},
        "images": len(before[0].stimuli()),
        "seconds": sum(seconds.values()),
        "seconds_of": seconds,
        "floor_s": sum(floors.values()),
        "ratio": sum(seconds.values()) / sum(floors.values()),
        "ratio_at_most": RATIO_AT_MOST,
        "load": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--benchmarks", default="Simulated.*-dynamics")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with threadpool_limits(1):
        rows = [measure(name, options.benchmarks) for name in options.models]
    table = Table(title=f"{options.benchmarks}, processor seconds, one BLAS thread")
    for head in ("model", "states", "layers", "seconds", "floor", "ratio", "at most"):
        table.add_column(head)
    for row in rows:
        figures = (f"{row[key]:.1f}" for key in ("seconds", "floor_s", "ratio", "ratio_at_most"))
        table.add_row(row["model"], f"{row['states']}", described(row["layers"]), *figures)
    Console(width=140).print(table)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    return 0 if all(row["ratio"] <= row["ratio_at_most"] for row in rows) else 1


def described(layers: dict[str, int]) -> str:
    """Return layers and their numbers of features in words."""
    return ", ".join(f"{name} {count:,}" for name, count in layers.items())


if __name__ == "__main__":
    sys.exit(main())
