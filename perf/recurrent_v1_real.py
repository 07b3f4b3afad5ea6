"""Feed-forward against recurrent models of matched size on real recordings, with the schedule `quick`.

    python perf/recurrent_v1_real.py -o DIR [-b BENCHMARK]... [--channels 8 16] [--seeds 3] [--side 37]
        [--minutes M] [--maps MODEL=LAYER,... ...] [--json FILE]

One model for all V1 populations of Henaff2021 (five rotations over films), one for V4 of session 210325 of
Cowley2023, the only one with trials; both data sets must be there (`brainbench data fetch`). Recurrent models
have T = 3 and 2-avg. Each fit is stored, so that the same command goes on where it stopped; with --minutes
none is begun later. Printed are the paired differences over neurons of each size, averaged over seeds, with
an interval over neurons, and over seeds where there are several. Beside them stand ridge maps of networks
(`--maps`, a model and its layers): fitted to the training pictures of the same splits, penalty and layer by
the validation pictures, figure on the same held-out ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from brainbench.api import extract_activations
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.validated_ridge import RELATIVE, fit_validated
from brainbench.run.resolve import one_benchmark
from brainbench.scoring.context import DataContext, Run
from brainbench.stats.fit_splits import fit_splits
from brainbench.training.fit import device_named, fit
from brainbench.training.fitter import config_of
from brainbench.training.population import fitted_neurons, population_of
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config
from brainbench_models.recurrent_v1.models import fitted_model

BENCHMARKS = ("Cowley2023.V4-ccnorm2", "Henaff2021.V1-ccnorm2")
MODELS: dict[str, dict[str, Any]] = {
    "feed-forward": {"iterations": 1, "mode": "no-avg"},
    "recurrent": {"iterations": 3, "mode": "2-avg"},
}


def unfit_neurons(context: DataContext) -> list[str]:
    """Return the neurons that cannot be fitted: constant, or without a mean above 0."""
    population = population_of(context)
    responses = population.responses
    is_unfit = (np.ptp(responses, axis=0) == 0) | ~(responses.mean(axis=0) > 0)
    names = [name for name, bad in zip(population.neuroid_ids, is_unfit, strict=True) if bad]
    fitted_neurons(population, names)  # raises for others
    return names


def summarized(by_model: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return means and the paired difference, with intervals of Student's t."""
    plain, recurrent = by_model["feed-forward"], by_model["recurrent"]
    names = list(plain[0])
    each = np.array(
        [[r[name] - p[name] for name in names] for p, r in zip(plain, recurrent, strict=True)]
    )
    of_neurons, of_seeds = np.nanmean(each, axis=0), np.nanmean(each, axis=1)
    return {
        "seeds": len(plain),
        "neurons": len(names),
        **{
            model: float(np.nanmean([list(one.values()) for one in listed]))
            for model, listed in by_model.items()
        },
        "difference": float(of_seeds.mean()),
        "ci_over_neurons": interval(of_neurons[np.isfinite(of_neurons)]),
        "ci_over_seeds": interval(of_seeds) if len(of_seeds) > 1 else None,
    }


def over_films(plain: list[list[float]], recurrent: list[list[float]]) -> dict[str, Any]:
    """Return the paired difference on the frames of a film, mean over seeds, with its interval over films."""
    each = np.mean(np.array(recurrent) - np.array(plain), axis=0)
    if not len(each):
        return {}
    found = {"films": len(each), "difference": float(each.mean()), "ci": interval(each)}
    return {"within_films": found}


def by_film(context: DataContext, path: Path) -> list[float]:
    """Return the mean CC_norm^2 over neurons on the frames of each film, by the network it was held out of.

    Empty where pictures are not in groups.
    """
    population = population_of(context)
    groups, shown = population.groups, population.stimuli
    if groups is None:
        return []
    rates = fitted_model(path).activations(shown, ["units"])["units"].values[..., 0]
    rows = [np.flatnonzero(groups == film) for film in np.unique(groups)]
    return [float(finite(population.cc_norm2([rates[own]], [own])[0]).mean()) for own in rows]


def of_map(context: DataContext, model: str, layers: Sequence[str]) -> dict[str, Any]:
    """Return the figure of a ridge map on the held-out pictures of the fits.

    Of several layers each split takes the one of the least squared error on its validation pictures, in units
    of the variance of each neuron, mean over neurons. InputError as for activations.
    """
    population = population_of(context)
    shown = population.stimuli
    splits = fit_splits(shown.ids, population.strata, groups=population.groups)
    found = extract_activations(model, shown, layers=list(layers))
    variance = population.responses.var(axis=0)
    varies = variance > 0
    products = [gram(np.asarray(found[layer]).reshape(len(shown), -1)) for layer in layers]
    chosen, predicted = [], []
    for split in splits:
        fits = [
            fit_validated(
                one,
                population.responses,
                train=split.train,
                validation=split.validate,
                test=split.test,
                penalties=RELATIVE,
            )
            for one in products
        ]
        errors = [float((one.left_out[varies] / variance[varies]).mean()) for one in fits]
        best = int(np.argmin(errors))
        chosen.append(layers[best])
        predicted.append(fits[best].predicted)
    tested = finite(population.cc_norm2(predicted, [split.test for split in splits])[0])
    return {
        "model": model,
        "layers": dict(Counter(chosen)),
        "offered": len(layers),
        "test": float(tested.mean()),
        "ci": interval(tested),
    }


def finite(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.isfinite(values)])


def interval(values: np.ndarray) -> list[float]:
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return [float(values.mean() - half), float(values.mean() + half)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("-b", "--benchmark", action="append")
    parser.add_argument("--channels", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, default=37)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--maps", nargs="*", default=[], metavar="MODEL=LAYERS")
    given = parser.parse_args()
    ends, table = time.monotonic() + 60 * given.minutes, []
    for name, channels in product(given.benchmark or BENCHMARKS, given.channels):
        context = DataContext(benchmark=one_benchmark(name), run=Run())
        left_out = unfit_neurons(context)
        by_model: dict[str, list[dict[str, float]]] = {model: [] for model in MODELS}
        films: dict[str, list[list[float]]] = {model: [] for model in MODELS}
        for seed, model in product(range(given.seeds), MODELS):
            if time.monotonic() > ends:
                break
            options = {
                **MODELS[model],
                "channels": channels,
                "side": given.side,
                "seed": seed,
                "schedule": "quick",
                "leave_out": left_out,
            }
            config = config_of(RecurrentV1Config, options, fitter=FITTER.name)
            done = fit(FITTER, context, config, folder=given.output, device=device_named("auto"))
            figures = done.file.figures
            print(
                f"{name} {channels} channels, seed {seed}, {model}: test {figures['test']}, validation "
                f"{figures['validation']['cc_norm2']}, steps {figures['steps']}, "
                f"{figures['seconds']:.0f} s",
                flush=True,
            )
            by_model[model].append(figures["cc_norm2"])
            films[model].append(by_film(context, done.path))
        n = min(map(len, by_model.values()))
        if n:
            paired = {model: listed[:n] for model, listed in by_model.items()}
            row = {"benchmark": name, "channels": channels, **summarized(paired)}
            table.append(row | over_films(films["feed-forward"][:n], films["recurrent"][:n]))
            print(json.dumps(table[-1]), flush=True)
    for name, mapped in product(given.benchmark or BENCHMARKS, given.maps):
        context = DataContext(benchmark=one_benchmark(name), run=Run())
        model, layers = mapped.split("=", 1)
        table.append({"benchmark": name, **of_map(context, model, layers.split(","))})
        print(json.dumps(table[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
