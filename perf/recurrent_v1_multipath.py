"""Multi-path models fitted from scratch to real V4 neurons, whole and without paths of some lengths.

    python perf/recurrent_v1_multipath.py -o DIR [--channels N] [--seeds 0 1 2] [--figure PNG] [--json FILE]

Session 210325 of Cowley2023, T = 3, 2-avg, 37 x 37 pixels, the schedule `quick`: the recurrent model, the
multi-path model, and that without 1 or 2 adjacent lengths (figures 4c, 4d, 6g, 6h of Zhang et al. 2020). Each
fit is stored, so that the same command goes on where it stopped, and takes the recurrent fits of
`perf/recurrent_v1_real.py` that are in DIR. Differences of CC_norm^2 on held-out pictures from the whole
multi-path model are paired by neuron; printed are intervals of Student's t over neurons, of means over seeds,
and over seeds where there are several.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from recurrent_v1_real import interval, unfit_neurons

from brainbench import plot
from brainbench.run.resolve import one_benchmark
from brainbench.scoring.context import DataContext, Run
from brainbench.training.fit import device_named, fit
from brainbench.training.fitter import config_of
from brainbench_models.recurrent_v1.analysis import ablations, path_table
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config

BENCHMARK = "Cowley2023.V4-ccnorm2"
WHOLE = "multi-path"
MODELS: dict[str, dict[str, Any]] = {
    "recurrent": {},
    WHOLE: {"multipath": True},
    **{
        f"without {'-'.join(map(str, lengths))}": {"multipath": True, "removed": lengths}
        for lengths in ((1,), (2,), (3,), (1, 2), (2, 3))
    },
}


def compared(by_model: dict[str, list[list[float]]]) -> list[dict[str, Any]]:
    """Return the figure of each model, and its difference from the whole multi-path model.

    Parameters
    ----------
    by_model
        For each model and seed CC_norm^2 of the neurons, NaN for those without.
    """
    rows = []
    for model, listed in by_model.items():
        row = {"model": model, "seeds": len(listed), "test": float(np.nanmean(listed))}
        if model != WHOLE:
            each = np.array(listed) - np.array(by_model[WHOLE])
            of_neurons, of_seeds = np.nanmean(each, axis=0), np.nanmean(each, axis=1)
            row["difference"] = float(of_seeds.mean())
            row["ci_over_neurons"] = interval(of_neurons[np.isfinite(of_neurons)])
            row["ci_over_seeds"] = interval(of_seeds) if len(of_seeds) > 1 else None
        rows.append(row)
    return rows


def drawn(folder: Path, channels: int, picture: Path) -> None:
    """Draw the figure of each ablation, mean over seeds, beside the whole model."""
    table = path_table(folder)
    alike = (table["channels"] == channels) & (table["mode"] == "2-avg")
    own = ablations(table[alike & (table["benchmark"] == BENCHMARK)])
    mpl.use("agg")
    figure, panels = mpl.pyplot.subplots(1, 2, figsize=(6.5, 2.8), sharey=True)
    for n, ax in enumerate(panels, start=1):
        plot.ablated_lengths(own, n_removed=n, ax=ax)
    figure.savefig(picture, dpi=150, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    context = DataContext(benchmark=one_benchmark(BENCHMARK), run=Run())
    shared = {"iterations": 3, "mode": "2-avg", "side": 37, "schedule": "quick"}
    shared |= {"channels": given.channels, "leave_out": unfit_neurons(context)}
    by_model: dict[str, list[list[float]]] = {model: [] for model in MODELS}
    for seed, (model, own) in product(given.seeds, MODELS.items()):
        config = config_of(RecurrentV1Config, {**shared, **own, "seed": seed}, fitter=FITTER.name)
        done = fit(FITTER, context, config, folder=given.output, device=device_named("auto"))
        figures = done.file.figures
        print(
            f"seed {seed}, {model}: test {figures['test']}, steps {figures['steps']}, "
            f"{figures['parameters']} parameters, {figures['seconds']:.0f} s",
            flush=True,
        )
        by_model[model].append(list(figures["cc_norm2"].values()))
    rows = compared(by_model)
    for row in rows:
        print(json.dumps(row))
    if given.figure:
        drawn(given.output, given.channels, given.figure)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
