"""The Python interface: score, wrap, and finding models and benchmarks by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainbench.core.assembly import Assembly
from brainbench.core.errors import unknown
from brainbench.core.score import Score, ScoreSet
from brainbench.core.settings import PROTOCOLS, Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.models import export
from brainbench.models.wrap import wrap
from brainbench.ranking.ranks import board
from brainbench.run.loading import (
    list_benchmarks,
    list_data,
    list_models,
    load_benchmark,
    load_composites,
    load_model,
)
from brainbench.run.resolve import (
    BenchmarkLike,
    Job,
    ModelLike,
    check_precision,
    one_model,
    options_of,
)
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

__all__ = [
    "extract_activations",
    "leaderboard",
    "list_benchmarks",
    "list_data",
    "list_models",
    "load_benchmark",
    "load_model",
    "score",
    "wrap",
]


def score(
    model: ModelLike | Sequence[ModelLike],
    benchmark: BenchmarkLike | Sequence[BenchmarkLike],
    *,
    protocol: str = "paper",
    seed: int = 0,
    layers: Mapping[str, str] | None = None,
    limit: int | None = None,
    formula: str | None = None,
    floor: float | None = None,
    resample: str = "both",
    null: str | None = None,
    null_draws: int = 100,
    device: str = "auto",
    batch_size: int | str = "auto",
    precision: str = "float32",
    weights: str | None = None,
    model_args: Mapping[str, Any] | None = None,
    results: str | Path | None = None,
    overwrite: str = "only-missing",
) -> Score | ScoreSet:
    """Score models on benchmarks.

    Parameters
    ----------
    model : str, BrainModel, torch.nn.Module, or a sequence of these
        A name, a wildcard or "all"; a wrapped model; or a bare module together with `layers`.
    benchmark : str, Benchmark, or a sequence of these
        An identifier, a wildcard or "all"; or a benchmark.
    protocol : {"paper", "brainscore"}
        Which published procedure.
    seed : int
        Seed of splits and resampling under "paper".
    layers : mapping of region to layer, optional
        Layer to use for a region, such as {"IT": "layer4"}.
    limit : int, optional
        Use at most so many stimuli; the score is marked partial.
    formula, floor, resample, null, null_draws
        How value, interval and permutation null are made; see `Settings`.
    device, batch_size, precision, model_args
        See `load_model`.
    weights : str, optional
        For every named model that has a choice, such as "auto", "imagenet", "untrained" or a file; a name
        with @WEIGHTS keeps its own.
    results : path, optional
        Folder to keep each finished score in, and to find earlier ones; nothing is kept without.
    overwrite : {"never", "only-missing", "always"}
        What to do with scores found there.

    Returns
    -------
    Score or ScoreSet
        A Score for one model and one benchmark; a ScoreSet for wildcards, "all" and sequences.

    Raises
    ------
    UnknownNameError
        A name that does not exist.
    InputError
        Options that contradict each other, or something that is neither model nor benchmark.
    CacheError
        A results folder that cannot be written.

    Examples
    --------
    >>> import brainbench
    >>> one = brainbench.score("pixels", "Simulated.IT-pls")  # doctest: +SKIP
    >>> table = brainbench.score("all", "Simulated.*").to_frame()  # doctest: +SKIP
    """
    job = Job.of(
        model,
        benchmark,
        Settings(
            protocol=protocol,  # type: ignore[arg-type]  # Settings checks the names
            seed=seed,
            layers=dict(layers or {}),
            limit=limit,
            formula=formula,
            floor=floor,
            resample=resample,  # type: ignore[arg-type]
            null=null,  # type: ignore[arg-type]
            null_draws=null_draws,
        ),
        device=device,
        batch_size=batch_size,
        precision=precision,
        weights=weights,
        model_args=dict(model_args or {}),
        results=results,
        overwrite=overwrite,
    )
    scores = tuple(job.run())
    return scores[0] if job.single else ScoreSet(scores)


def leaderboard(
    results: str | Path = "results", *, composite: str = "all", protocol: str = "paper"
) -> pd.DataFrame:
    """Models of a results folder, ranked by a composite of their scores.

    Parameters
    ----------
    results : path
        Folder that `score` or the command line has written to.
    composite : str
        Its name, such as "mean-v1" or "Simulated.mean-v1"; of several that fit a wildcard or "all", the
        one that ranks a model, and in which most scores count.
    protocol : {"paper", "brainscore"}
        Scores of the other protocol are left out.

    Returns
    -------
    DataFrame
        One row per model, with its weights, those with a rank first; the columns are those of
        `brainbench leaderboard --csv`. A model without one of the members has no composite, but "k" of "n".
        Files that cannot be read are logged.

    Raises
    ------
    UnknownNameError
        No such composite or protocol.
    InputError
        No score in the folder, or none of that protocol.

    Examples
    --------
    >>> import brainbench
    >>> table = brainbench.leaderboard("results", composite="Simulated.mean-v1")  # doctest: +SKIP
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS, todo="choose one of the two")
    made = board(Results(Path(results)), load_composites(composite), protocol=protocol)
    for problem in made.unreadable:
        log.warning("left out: %s", problem)
    return made.to_frame()


def extract_activations(
    model: ModelLike,
    stimuli: StimulusSet | str | Path,
    *,
    layers: str | Sequence[str] = (),
    output: str | Path | None = None,
    reducer: str = "none",
    device: str = "auto",
    batch_size: int | str = "auto",
    precision: str = "float32",
    weights: str | None = None,
    model_args: Mapping[str, Any] | None = None,
) -> dict[str, Assembly]:
    """Activations of any images over time.

    It is not called `extract`: that name is the package `brainbench.models`, which would replace the
    function as soon as anything imports it.

    Parameters
    ----------
    model : str, BrainModel or torch.nn.Module
        One model; a bare module needs `layers`.
    stimuli : StimulusSet or path
        What to show; a folder of image files, whose names without suffix become stimulus_id.
    layers : str or sequence of str
        Any layers of the network; all that stand for a region where not given.
    output : path, optional
        Write a netCDF4 file with a group per layer too; `load_activations` reads it.
    reducer : {"none", "mean-space"}
        "mean-space" gives each channel's mean over its places or tokens.
    device, batch_size, precision, weights, model_args
        See `score`.

    Returns
    -------
    dict of str to DataArray
        Layer -> assembly, dims (stimulus, neuroid, time), the spans of the steps in ms along time.
        Values stay on disk, in `output` or in the cache, until they are indexed; reduced values without
        an `output` are in memory.

    Raises
    ------
    UnknownNameError
        A model, layer or reducer that does not exist.
    StimulusError
        Something in the folder that is no image, or an image that cannot be read.
    InputError
        Several models; no such folder; a file that cannot be written.

    Examples
    --------
    >>> import brainbench
    >>> layers = brainbench.extract_activations("pixels", "photos/")  # doctest: +SKIP
    """
    if reducer not in export.REDUCERS:
        raise unknown("reducer", reducer, export.REDUCERS, todo="choose one of the two")
    shown = stimuli if isinstance(stimuli, StimulusSet) else export.images_in(Path(stimuli))
    named = [layers] if isinstance(layers, str) else list(layers)
    check_precision(precision)
    placed = {"device": device, "batch_size": batch_size, "precision": precision}
    options = options_of(model_args or {}, placed, weights)
    made = one_model(model, named, placed, options)
    committed = [layer for listed in made.areas.values() for layer in listed]
    answers = made.activations(shown, list(dict.fromkeys(named or committed)))
    if output is None:
        return {layer: export.reduce(answer, reducer) for layer, answer in answers.items()}
    export.write(Path(output), answers, reducer=reducer)
    return export.load_activations(Path(output))
