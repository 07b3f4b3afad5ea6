"""Fit a network to the recordings of a benchmark: splits, the loop for each, figures, one file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.model import FittedTo
from brainbench.core.provenance import sha256
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.context import DataContext
from brainbench.stats.fit_splits import FitSplit, fit_splits
from brainbench.storage.files import remove
from brainbench.training.fitted_files import SUFFIX, FittedFile, read_fitted, write_fitted
from brainbench.training.fitter import FitConfig, FitTask, Fitter
from brainbench.training.loop import Trained, train
from brainbench.training.population import (
    Population,
    fitted_neurons,
    population_of,
    summary_of,
)

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fit that is finished: where it is, and what it is."""

    path: Path
    file: FittedFile
    is_new: bool  # it was not there before


def device_named(name: str) -> torch.device:
    """Return a device; "auto" is a GPU where there is one. InputError for one that does not exist here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {name!r} ({str(error).splitlines()[0]})",
            allowed="auto, cpu, or cuda where there is a GPU",
            todo="give another --device",
        ) from error
    return device


def fit(
    fitter: Fitter,
    context: DataContext,
    config: FitConfig,
    *,
    folder: Path,
    device: torch.device | None = None,
) -> Fit:
    """Fit a network to the recordings of a benchmark and store it, or return it if it is stored.

    Parameters
    ----------
    fitter : Fitter
        Network and loss.
    context : DataContext
        The benchmark and its recordings.
    config : FitConfig
        Options of the fitter.
    folder : path
        Where the file is written, named after benchmark and configuration. While the fit lasts there is a
        checkpoint beside it, from which the same call goes on.
    device : torch.device, optional
        Where is computed, by default the processor.

    Raises
    ------
    InputError
        Recordings, pictures or options that cannot be used, a checkpoint of another configuration.
    DivergedError
        A loss that is not finite; names the split, the phase and the step.
    """
    population = population_of(context, config.sessions)
    identity = _identity(fitter, population, config)
    digits = sha256(*(f"{key}={value}" for key, value in sorted(identity.items())))[:_DIGITS]
    path = folder / f"{fitter.name}-{population.benchmark}-{digits}{SUFFIX}"
    if path.exists():
        return Fit(path=path, file=read_fitted(path), is_new=False)
    fitted = fitted_neurons(population, config.leave_out)
    splits = fit_splits(
        population.stimuli.ids,
        population.strata,
        groups=population.groups,
        fraction=config.fraction,
        seed=config.split_seed,
    )
    prepared = fitter.prepare(config, population, device or torch.device("cpu"))
    began, results, saved = time.perf_counter(), [], []
    for number, split in enumerate(splits):
        checkpoint = path.with_suffix(f".{number}.checkpoint")
        saved.append(checkpoint)
        task = prepared.task(split)
        with progress.current().task(f"fit {number + 1} of {len(splits)}", None):
            trained = train(
                task,
                config.named_schedule,
                seed=config.seed,
                checkpoint=checkpoint,
                identity={**identity, "split": number},
            )
        results.append(_SplitResult.of(task, split, trained))
    file = FittedFile(
        fitter=fitter.name,
        benchmark=population.benchmark,
        config=config.model_dump(mode="json"),
        fitted_to=_fitted_to(population, splits),
        fitted=tuple(fitted.tolist()),
        figures=_figures(population, splits, results, time.perf_counter() - began),
        weights=tuple(one.weights for one in results),
    )
    write_fitted(path, file)
    for checkpoint in saved:
        remove(checkpoint)
    return Fit(path=path, file=file, is_new=True)


@dataclass(frozen=True, kw_only=True)
class _SplitResult:
    """The result of fitting one split."""

    trained: Trained
    weights: Mapping[str, torch.Tensor]
    n_parameters: int
    tested: FloatArray  # test picture x neuron
    validated: FloatArray

    @classmethod
    def of(cls, task: FitTask, split: FitSplit, trained: Trained) -> _SplitResult:
        return cls(
            trained=trained,
            weights=dict(task.module.state_dict()),
            n_parameters=sum(p.numel() for p in task.module.parameters()),
            tested=task.predict(split.test),
            validated=task.predict(split.validate),
        )


def _identity(fitter: Fitter, population: Population, config: FitConfig) -> dict[str, Any]:
    """Return, in plain values, what the fit depends on."""
    return {
        "fitter": fitter.name,
        "benchmark": population.benchmark,
        "data": population.version,
        "pictures": population.stimuli.digest,
        "neurons": len(population.neuroid_ids),
        **config.model_dump(mode="json"),
    }


def _fitted_to(population: Population, splits: list[FitSplit]) -> FittedTo:
    ids = population.stimuli.ids
    return FittedTo(
        data=population.data,
        version=population.version,
        region=population.region,
        neuroid_ids=population.neuroid_ids,
        folds=tuple(tuple(ids[int(row)] for row in split.test) for split in splits),
    )


def _figures(
    population: Population, splits: list[FitSplit], results: list[_SplitResult], seconds: float
) -> dict[str, Any]:
    """Return how well held-out pictures are predicted, and what the fit cost."""
    tested, names = population.cc_norm2(
        [one.tested for one in results], [split.test for split in splits]
    )
    validated, _ = population.cc_norm2(
        [one.validated for one in results], [split.validate for split in splits]
    )
    return {
        "test": summary_of(tested),
        "validation": summary_of(validated),
        "cc_norm2": dict(zip(names, tested.tolist(), strict=True)),
        "images": [dict(zip(split._fields, map(len, split), strict=True)) for split in splits],
        "steps": [one.trained.steps for one in results],
        "best_loss": [one.trained.best.figure for one in results],
        "seconds": seconds,
        "parameters": results[0].n_parameters,
    }
