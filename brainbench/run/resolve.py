"""What is to be done: names, wildcards and modules turned into models and benchmarks, and then run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch

from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import CacheError, InputError, unknown
from brainbench.core.model import BrainModel, check_model
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.models.network import PRECISIONS
from brainbench.models.wrap import wrap
from brainbench.run.estimate import Estimate, estimate
from brainbench.run.execute import ModelSpec, execute
from brainbench.run.loading import load_benchmark, model_with, on
from brainbench.run.plan import OVERWRITE, Item, Overwrite, plan, reason_of
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

ModelLike: TypeAlias = "str | BrainModel | torch.nn.Module"
BenchmarkLike: TypeAlias = "str | Benchmark"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one command or one call of `score` is to do.

    Parameters
    ----------
    models : sequence of ModelSpec
        Models, made one at a time.
    benchmarks : sequence of Benchmark
        What to score each of them on.
    settings : Settings
        Protocol, seed, layers, limit.
    results : Results or None
        Where finished scores are kept and earlier ones are found.
    overwrite : {"never", "only-missing", "always"}
        What to do with earlier ones.
    single : bool
        One model and one benchmark were named, so that one Score is the answer.
    """

    models: Sequence[ModelSpec]
    benchmarks: Sequence[Benchmark]
    settings: Settings
    results: Results | None = None
    overwrite: Overwrite = "only-missing"
    single: bool = False

    @classmethod
    def of(
        cls,
        model: ModelLike | Sequence[ModelLike],
        benchmark: BenchmarkLike | Sequence[BenchmarkLike],
        settings: Settings,
        *,
        device: str = "auto",
        batch_size: int | str = "auto",
        precision: str = "float32",
        weights: str | None = None,
        model_args: Mapping[str, Any] | None = None,
        results: str | Path | None = None,
        overwrite: str = "only-missing",
    ) -> Job:
        """Resolve names, wildcards and bare modules; arguments as in `score`.

        Raises
        ------
        UnknownNameError, InputError
            See `score`.
        """
        if overwrite not in OVERWRITE:
            raise unknown(
                "choice for overwrite", overwrite, OVERWRITE, todo="choose one of the three"
            )
        check_precision(precision)
        placed = {"device": device, "batch_size": batch_size, "precision": precision}
        options = options_of(model_args or {}, placed, weights)
        specs = _each_once(
            [
                spec
                for one in _listed(model, "model")
                for spec in _model_specs(one, settings, placed, options)
            ]
        )
        found = {
            id(each): each for one in _listed(benchmark, "benchmark") for each in _benchmarks(one)
        }
        benchmarks = list(found.values())
        _check_regions(settings, benchmarks)
        return cls(
            models=specs,
            benchmarks=benchmarks,
            settings=settings,
            results=None if results is None else Results(Path(results)),
            overwrite=overwrite,
            single=_names_one(model) and _names_one(benchmark),
        )

    def run(self) -> Iterator[Score]:
        """Scores as they are finished, each stored before the next begins.

        Raises
        ------
        CacheError
            The results folder cannot be written, before anything is computed.
        """
        if self.results is not None:
            self.results.check()
        return execute(
            self.models,
            self.benchmarks,
            self.settings,
            find=self._find,
            sink=self._keep,
            overwrite=self.overwrite,
        )

    def plans(self) -> Iterator[tuple[list[Item], Estimate]]:
        """What `run` would do with each model, and what it would cost, without doing it."""
        for spec in self.models:
            try:
                model = spec.make()
                items = self._plan(model)
                yield items, estimate(model, items, self.settings)
            except Exception as error:
                reason = reason_of(error)
                unable = partial(Item, state="cannot run", reason=reason)
                yield [unable(benchmark=one) for one in self.benchmarks], Estimate(model=spec.name)

    def _plan(self, model: BrainModel) -> list[Item]:
        return plan(
            model, self.benchmarks, self.settings, find=self._find, overwrite=self.overwrite
        )

    def _find(self, model: BrainModel, benchmark: Benchmark, key: str) -> Score | None:
        if self.results is None:
            return None
        return self.results.find(
            model=model.name,
            benchmark=benchmark.identifier,
            protocol=self.settings.protocol,
            key=key,
        )

    def _keep(self, score: Score, key: str) -> Score:
        if self.results is None:
            return score
        try:
            return self.results.save(score, key=key)
        except CacheError as error:  # what took hours to compute is shown even if it cannot be kept
            log.error("%s on %s is not stored: %s", score.model, score.benchmark, error)
            return score


def _listed(given: Any, what: str) -> list[Any]:
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not listed:
        raise InputError(f"no {what}", allowed="at least one", todo=f"name a {what}, or 'all'")
    return listed


def _names_one(given: Any) -> bool:
    if isinstance(given, str):
        return given.partition("@")[0] != "all" and not set(given) & set("*?[,")
    return not isinstance(given, Sequence)


def _each_once(specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    first = {spec.name: spec for spec in reversed(specs) if spec.named}
    # Models that are made already may share a name, and are different ones.
    return [spec for spec in specs if not spec.named or first[spec.name] is spec]


def _model_specs(
    given: ModelLike, settings: Settings, placed: Mapping[str, Any], options: Mapping[str, Any]
) -> list[ModelSpec]:
    if not isinstance(given, str) and options:
        raise InputError(
            f"options {', '.join(options)} for a model that is made already",
            allowed="model_args with the name of a model",
            todo="give the options where the model is made",
        )
    if isinstance(given, torch.nn.Module):
        return [_bare_module(given, settings, placed)]
    if not isinstance(given, str):
        model = check_model(given, name=getattr(given, "name", str(given)))
        return [ModelSpec(name=model.name, make=partial(_placed, model, **placed))]
    parts = [part.strip() for part in given.split(",") if part.strip()] or [""]
    options = {**placed, **options}
    return [spec for part in parts for spec in _named_specs(part, options)]


def _named_specs(part: str, options: Mapping[str, Any]) -> list[ModelSpec]:
    if registry.is_file(part):
        registry.check_file(part)
        return [ModelSpec(name=part, make=partial(model_with, part, options), named=True)]
    names = registry.match("models", part)
    if names == [part] or "@" not in part:
        return [ModelSpec(name=n, make=partial(model_with, n, options), named=True) for n in names]
    # Weights for whatever fits a wildcard: as `weights=` for those that have a choice.
    options = {**options, "weights": part.partition("@")[2]}
    bases = registry.match("models", part.partition("@")[0])
    return [
        ModelSpec(name=name, make=partial(model_with, base, options), named=True)
        for name, base in zip(names, bases, strict=True)
    ]


def options_of(
    model_args: Mapping[str, Any], placed: Mapping[str, Any], weights: str | None
) -> Mapping[str, Any]:
    """Options of a model's maker, its weights among them.

    Raises
    ------
    InputError
        Among `model_args` something that has an option of its own.
    """
    chosen = {} if weights is None else {"weights": weights}
    for option in {**placed, **chosen}.keys() & model_args.keys():
        raise InputError(
            f"model_args with {option}",
            allowed="options of the function that makes the model",
            todo=f"give {option}= (on the command line --{option.replace('_', '-')}) instead",
        )
    return {**model_args, **chosen}


def check_precision(precision: str) -> None:
    """Refuse a precision that there is not."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS, todo="choose --precision float32 or bf16")


def _placed(model: BrainModel, *, device: str, batch_size: int | str, precision: str) -> BrainModel:
    if (device, batch_size, precision) == ("auto", "auto", "float32"):
        return model  # as it was made
    return on(model, device=device, batch_size=batch_size, precision=precision)


def _bare_module(net: torch.nn.Module, settings: Settings, placed: Mapping[str, Any]) -> ModelSpec:
    name = type(net).__name__
    if not settings.layers:
        raise InputError(
            f"a bare torch module {name} without layers",
            allowed="a module with layers={region: layer}, or a model made by brainbench.wrap",
            todo="give layers, for example layers={'IT': 'layer4'}",
        )
    model = wrap(net, layers=settings.layers, name=name)
    return ModelSpec(name=name, make=partial(model.on, **placed))


def _benchmarks(given: BenchmarkLike) -> list[Benchmark]:
    if isinstance(given, str):
        return [load_benchmark(name) for name in registry.match("benchmarks", given)]
    if not isinstance(given, Benchmark):
        raise InputError(
            f"a benchmark of type {type(given).__name__}",
            allowed="an identifier, a wildcard, 'all', or a brainbench.Benchmark",
            todo="give score(model, benchmark) in this order; list_benchmarks() lists the names",
        )
    return [given]


def _check_regions(settings: Settings, benchmarks: Sequence[Benchmark]) -> None:
    regions = sorted({benchmark.region for benchmark in benchmarks})
    for region in settings.layers:
        if region not in regions:
            raise unknown(
                "region in layers:", region, regions, todo="name a region of the benchmarks"
            )


def one_model(
    given: ModelLike,
    layers: Sequence[str],
    placed: Mapping[str, Any],
    options: Mapping[str, Any],
) -> BrainModel:
    """Make the only model that a name, a module or a model stands for.

    Raises
    ------
    InputError
        A wildcard that several models fit.
    """
    if isinstance(given, torch.nn.Module) and not options:
        return wrap(given, layers=layers).on(**placed)
    specs = _model_specs(given, Settings(), placed, options)
    if len(specs) != 1:
        raise InputError(
            f"{len(specs)} models for one file of activations: "
            + ", ".join(spec.name for spec in specs[:4]),
            allowed="one model",
            todo="name one, and extract from the others one after the other",
        )
    return specs[0].make()
