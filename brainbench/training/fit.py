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
from brainbench.models.weight_headers import SUFFIX
from brainbench.scoring.context import DataContext
from brainbench.stats.fit_splits import FitSplit, fit_splits
from brainbench.storage.claims import Claim, Claims
from brainbench.storage.files import remove
from brainbench.training.fitted_files import FittedFile, read_fitted, write_fitted
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

    While another process is at the same fit, this one waits for it.

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
    planned = _PlannedFit.of(fitter, context, config, folder)
    if planned.path.exists():
        return planned.stored()
    with planned.claims.wait(planned.path.stem, what=planned.path.stem) as claim:
        return planned.done(claim, device)


def fit_unless_claimed(
    fitter: Fitter,
    context: DataContext,
    config: FitConfig,
    *,
    folder: Path,
    device: torch.device | None = None,
) -> Fit | None:
    """Fit as `fit` does, but return None at once while another process is at the same fit."""
    planned = _PlannedFit.of(fitter, context, config, folder)
    if planned.path.exists():
        return planned.stored()
    claim = planned.claims.claim(planned.path.stem)
    if claim is None:
        return None
    with claim:
        return planned.done(claim, device)


@dataclass(frozen=True, kw_only=True)
class _PlannedFit:
    """A fit, and where it is stored."""

    fitter: Fitter
    population: Population
    config: FitConfig
    path: Path

    @classmethod
    def of(
        cls, fitter: Fitter, context: DataContext, config: FitConfig, folder: Path
    ) -> _PlannedFit:
        population = population_of(context, config.sessions)
        identity = _identity(fitter, population, config)
        digits = sha256(*(f"{key}={value}" for key, value in sorted(identity.items())))[:_DIGITS]
        path = folder / f"{fitter.name}-{population.benchmark}-{digits}{SUFFIX}"
        return cls(fitter=fitter, population=population, config=config, path=path)

    @property
    def claims(self) -> Claims:
        return Claims(self.path.parent / "claims", choose="give -o")

    def stored(self) -> Fit:
        return Fit(path=self.path, file=read_fitted(self.path), is_new=False)

    def done(self, claim: Claim, device: torch.device | None) -> Fit:
        """Fit and store, unless another process has done so meanwhile."""
        if self.path.exists():
            return self.stored()
        file = _fitted(self, device or torch.device("cpu"))
        if (
            not claim.held() and self.path.exists()
        ):  # taken over, as while this process was suspended
            return self.stored()
        write_fitted(self.path, file)
        for number in range(len(file.weights)):
            remove(self.checkpoint(number))
        return Fit(path=self.path, file=file, is_new=True)

    def checkpoint(self, number: int) -> Path:
        return self.path.with_suffix(f".{number}.checkpoint")


def _fitted(planned: _PlannedFit, device: torch.device) -> FittedFile:
    """Fit every split, each from its checkpoint if there is one."""
    fitter, population, config = planned.fitter, planned.population, planned.config
    fitted = fitted_neurons(population, config.leave_out)
    splits = fit_splits(
        population.stimuli.ids,
        population.strata,
        groups=population.groups,
        fraction=config.fraction,
        seed=config.split_seed,
    )
    prepared = fitter.prepare(config, population, device)
    identity = _identity(fitter, population, config)
    began, results = time.perf_counter(), []
    for number, split in enumerate(splits):
        task = prepared.task(split)
        with progress.current().task(f"fit {number + 1} of {len(splits)}", None):
            trained = train(
                task,
                config.named_schedule,
                seed=config.seed,
                checkpoint=planned.checkpoint(number),
                identity={**identity, "split": number},
            )
        results.append(_SplitResult.of(task, split, trained))
    return FittedFile(
        fitter=fitter.name,
        benchmark=population.benchmark,
        config=config.model_dump(mode="json"),
        fitted_to=_fitted_to(population, splits),
        fitted=tuple(fitted.tolist()),
        figures=_figures(population, splits, results, time.perf_counter() - began),
        weights=tuple(one.weights for one in results),
    )


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
