"""Do fits find recurrence where there is some, and only there? Simulated V1s of both circuits, several seeds.

    python perf/recurrent_truth.py -o DIR [--steps N] [--images N] [--trials N] [--side N] [--mode MODE]
        [--seeds 0 1 2] [--json FILE]

Feed-forward and recurrent models of matched size (16 neurons, 8 channels, one recurrent block, T = 4) are
fitted to each brain with the schedule `quick`; with --steps a step limit, which the file says. The neurons
average over iterations before they are read, as early-avg does. Under late-avg and 2-avg the loss asks every
single iteration for the mean rate, which the first one of a recurrent circuit cannot give.
Fits are stored in DIR, so that the same command goes on where it was stopped. Differences of CC_norm^2 on
held-out images are paired by neuron. Printed are their mean and two intervals of Student's t: over all
neurons of all seeds, each counted as independent of the others of its seed, and over seeds, of which each is
another brain and other initial weights. Only the second one speaks of other brains.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from recurrent_v1_real import interval

from brainbench.core.benchmark import Benchmark
from brainbench.scoring.context import DataContext, Run
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.simulate.v1 import CIRCUITS, Circuit, SimulatedV1
from brainbench.training import schedule
from brainbench.training.fit import fit
from brainbench.training.fitter import config_of
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config

MODELS: dict[str, dict[str, Any]] = {
    "feed-forward": {"iterations": 1, "mode": "no-avg"},
    "recurrent": {"iterations": 4},
}


def by_neuron(
    circuit: Circuit, seed: int, model: str, given: argparse.Namespace
) -> dict[str, float]:
    """Return CC_norm^2 of each neuron on held-out images."""
    brain = SimulatedV1(
        circuit=circuit,
        seed=seed,
        n_images=given.images,
        n_trials=given.trials,
        side=given.side,
    )
    benchmark = Benchmark(
        identifier=f"{brain.name}.V1-ccnorm2",
        version=1,
        data=brain,
        region="V1",
        window=(0, 100),
        measure=ExplainableVariance(),
        metric="mean CC_norm^2 over neurons",
        ceiling="CC_max^2",
        citation="simulated",
    )
    sizes = {"channels": 8, "side": given.side, "seed": seed, "schedule": "quick"}
    options = {"mode": given.mode, **MODELS[model], **sizes}
    config = config_of(RecurrentV1Config, options, fitter=FITTER.name)
    context = DataContext(benchmark=benchmark, run=Run())
    done = fit(FITTER, context, config, folder=given.output / f"{given.steps}-steps")
    figures: dict[str, float] = done.file.figures["cc_norm2"]
    print(f"{circuit} truth, seed {seed}, {model}: {done.file.figures['test']}", flush=True)
    return figures


def summarized(differences: list[list[float]]) -> dict[str, Any]:
    """Return the mean paired difference with its intervals over neurons and over seeds.

    Parameters
    ----------
    differences
        For each seed the differences of CC_norm^2 (recurrent minus feed-forward) of its neurons.
    """
    of_seeds = [float(np.mean(one)) for one in differences]
    of_neurons = [value for one in differences for value in one]
    return {
        "differences": of_seeds,
        "mean": float(np.mean(of_seeds)),
        "neurons": len(of_neurons),
        "ci_over_neurons": interval(np.array(of_neurons)),
        "ci_over_seeds": interval(np.array(of_seeds)),
    }


def shown(ci: list[float]) -> str:
    return f"{ci[0]:+.4f} to {ci[1]:+.4f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--mode", default="early-avg")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    quick = schedule.SCHEDULES["quick"]
    limited = replace(quick, steps=given.steps, phase_steps=given.steps)
    schedule.SCHEDULES = {**schedule.SCHEDULES, "quick": limited}  # type: ignore[assignment, misc]
    options = {k: getattr(given, k) for k in ("steps", "images", "trials", "side", "mode", "seeds")}
    summary: dict[str, Any] = {}
    for circuit in CIRCUITS:
        differences = []
        for seed in given.seeds:
            plain, recurrent = (by_neuron(circuit, seed, model, given) for model in MODELS)
            differences.append([recurrent[name] - plain[name] for name in plain])
        found = summary[circuit] = summarized(differences)
        print(
            f"{circuit} truth: recurrent - feed-forward {found['mean']:+.4f}; "
            f"{shown(found['ci_over_neurons'])} over {found['neurons']} neurons, "
            f"{shown(found['ci_over_seeds'])} over {len(given.seeds)} seeds "
            f"{[round(value, 4) for value in found['differences']]}"
        )
    if given.json:
        given.json.write_text(json.dumps({**options, **summary}, indent=1))


if __name__ == "__main__":
    main()
