"""The job of a command: names, wildcards and modules are resolved to models and benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from brainbench.core import progress, registry
from brainbench.core.benchmark import RENAMED_REGIONS, Benchmark
from brainbench.core.errors import InputError, unknown
from brainbench.core.model import BrainModel
from brainbench.core.score import Score
from brainbench.core.settings import Placement, Settings, Variant, flag_of, options_of
from brainbench.run.benchmark_file import benchmarks_in_file
from brainbench.run.code_of_user import absolute_name
from brainbench.run.composite_names import with_members
from brainbench.run.estimate import Estimate, estimate
from brainbench.run.execute import ONE_AT_A_TIME, execute
from brainbench.run.known_models import Asked
from brainbench.run.loading import (
    checked,
    load_benchmarks,
    model_with,
    place,
    renamed_region,
)
from brainbench.run.plan import OVERWRITE, ModelSpec, Overwrite, Plan, plan
from brainbench.run.variants import named_variant, with_beyond, with_metric
from brainbench.scoring.context import ModelRun, Run
from brainbench.stats.composite import Composite
from brainbench.storage.results import Results

if TYPE_CHECKING:
    import torch

ModelLike: TypeAlias = "str | BrainModel | torch.nn.Module"
BenchmarkLike: TypeAlias = "str | Benchmark"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that one command or one call of `score` has to do."""

    models: Sequence[ModelSpec]
    benchmarks: Sequence[Benchmark]
    settings: Settings
    results: Results | None = None  # where finished scores are stored and earlier ones are found
    overwrite: Overwrite = "only-missing"
    placement: Placement = field(default_factory=Placement)
    variant: Variant = field(default_factory=Variant)  # that the benchmarks are of
    composites: Sequence[Composite] = ()  # that were named; their members are among the benchmarks
    # identifiers of benchmarks that a file of the user declares -> FILE.py:OBJECT
    files: Mapping[str, str] = field(default_factory=dict)
    single: bool = False  # one model and one benchmark were named, so that one Score is the answer

    @classmethod
    def of(
        cls,
        model: ModelLike | Sequence[ModelLike],
        benchmark: BenchmarkLike | Sequence[BenchmarkLike],
        settings: Settings,
        placement: Placement | None = None,
        *,
        weights: str | None = None,
        model_args: Mapping[str, Any] | None = None,
        variant: Variant | None = None,
        results: str | Path | None = None,
        overwrite: str = "only-missing",
    ) -> Job:
        """Resolve names, wildcards and bare modules; arguments and errors as in `brainbench.score`."""
        if overwrite not in OVERWRITE:
            raise unknown(
                "choice for overwrite", overwrite, OVERWRITE, todo="choose one of the three"
            )
        placement = placement or Placement()
        options = maker_options(model_args or {}, weights)
        specs = [
            spec
            for given in _listed(model, "model")
            for spec in _model_specs(given, settings, placement, options)
        ]
        named, composites = with_members(
            _listed(benchmark, "benchmark"), settings, variant or Variant()
        )
        found = [pair for given in named for pair in _benchmarks(given)]
        benchmarks = list({id(declared): declared for declared, _ in found}.values())
        if variant is not None:
            benchmarks = variants_of(benchmarks, variant, settings, placement)
        _check_regions(settings, benchmarks)
        return cls(
            models=_each_once(specs),
            benchmarks=benchmarks,
            settings=settings,
            results=None if results is None else Results(Path(results)),
            overwrite=overwrite,
            placement=placement,
            variant=variant or Variant(),
            composites=composites,
            files={declared.identifier: file for declared, file in found if file is not None},
            single=_names_one(model) and _names_one(benchmark) and not composites,
        )

    def run(self, *, raising: bool = False) -> Iterator[Score]:
        """Return scores as they are finished, each stored before the next begins.

        With `raising` the first one without a value is an error. A results folder that cannot be written is
        a CacheError, before anything is computed.
        """
        if self.results is not None:
            self.results.check()
        return execute(
            self.models,
            self.benchmarks,
            Run(self.settings),
            results=self.results,
            overwrite=self.overwrite,
            raising=raising,
        )

    def plans(self) -> Iterator[tuple[Plan, Estimate]]:
        """Yield what `run` would do with each model, and what it would cost, without doing it."""
        run = Run(self.settings)
        for spec in self.models:
            with ONE_AT_A_TIME, progress.current().task(f"{spec.name}: network and data", None):
                planned = plan(
                    spec, self.benchmarks, run, results=self.results, overwrite=self.overwrite
                )
                cost = estimate(planned)
            yield planned, cost


def _listed(given: Any, what: str) -> list[Any]:
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not listed:
        raise InputError(f"no {what}", allowed="at least one", todo=f"name a {what}, or 'all'")
    return listed


def _names_one(given: Any) -> bool:
    if isinstance(given, str):
        names_several = set(given) & set("*?[,") or len(registry.seeds_of(given)) > 1
        return given.partition("@")[0] != "all" and not names_several
    return not isinstance(given, Sequence)


def _each_once(specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    first = {spec.name: spec for spec in reversed(specs) if spec.named}
    # Models that are made already may share a name, and are different ones.
    return [spec for spec in specs if not spec.named or first[spec.name] is spec]


def _model_specs(
    given: ModelLike, settings: Settings, placement: Placement, options: Mapping[str, Any]
) -> list[ModelSpec]:
    if not isinstance(given, str) and options:
        raise InputError(
            f"options {', '.join(options)} for a model that is made already",
            allowed="model_args with the name of a model",
            todo="give the options where the model is made",
        )
    if _is_module(given):
        return [_bare_module(given, settings, placement)]
    if not isinstance(given, str):
        model = checked(given, name=str(getattr(given, "name", given)))
        as_made = placement == Placement()
        return [
            ModelSpec(name=model.name, make=lambda: model if as_made else place(model, placement))
        ]
    parts = [part.strip() for part in given.split(",") if part.strip()] or [""]
    names = [name for part in parts for name in registry.seeds_of(part)]
    options = {**vars(placement), **options}
    return [spec for name in names for spec in _named_specs(name, options)]


def _named_specs(part: str, options: Mapping[str, Any]) -> list[ModelSpec]:
    if registry.is_file(part):
        registry.check_file(part)
        file = absolute_name(part)  # a worker may run in another folder
        return [ModelSpec(name=part, make=partial(model_with, file, options), named=True)]
    names = bases = registry.match("models", part)
    if names != [part] and "@" in part:
        # Weights for whatever fits a wildcard: as `weights=` for those that have a choice.
        base, _, weights = part.partition("@")
        options = {**options, "weights": weights}
        bases = registry.match("models", base)
    return [
        ModelSpec(
            name=name,
            make=partial(model_with, base, options),
            named=True,
            asked=Asked(name=base, options=options),
        )
        for name, base in zip(names, bases, strict=True)
    ]


def maker_options(model_args: Mapping[str, Any], weights: str | None) -> dict[str, Any]:
    """Return the options of the function that makes a model, its weights among them."""
    named = {} if weights is None else {"weights": weights}
    for name in {**options_of(Placement), **named}.keys() & model_args.keys():
        raise InputError(
            f"model_args with {name}",
            allowed="options of the function that makes the model",
            todo=f"give {name}= (on the command line {flag_of(name)}) instead",
        )
    return {**model_args, **named}


def _is_module(given: Any) -> TypeGuard[torch.nn.Module]:
    """Return whether something is a torch module; there is none before torch is imported."""
    loaded = sys.modules.get("torch")
    return loaded is not None and isinstance(given, loaded.nn.Module)


def _bare_module(net: torch.nn.Module, settings: Settings, placement: Placement) -> ModelSpec:
    if not settings.layers:
        raise InputError(
            f"a bare torch module {type(net).__name__} without layers",
            allowed="a module with layers={region: layer}, or a model made by brainbench.wrap",
            todo="give layers, for example layers={'IT': 'layer4'}",
        )
    from brainbench.models.wrap import wrap

    model = checked(wrap(net, layers=settings.layers), name=type(net).__name__)
    return ModelSpec(name=model.name, make=partial(place, model, placement))


def one_benchmark(name: str) -> Benchmark:
    """Return the benchmark of a name or of "FILE.py:OBJECT"; InputError where there are several."""
    found = [benchmark for benchmark, _ in _benchmarks(name)]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"{name}, which are {len(found)} benchmarks: {', '.join(one.identifier for one in found[:4])}",
        allowed="one benchmark",
        todo="name one of them with -b",
    )


def _benchmarks(given: BenchmarkLike) -> list[tuple[Benchmark, str | None]]:
    """Return benchmarks, each with the FILE.py:OBJECT that declares it."""
    if isinstance(given, str):
        parts = [part.strip() for part in given.split(",") if part.strip()]
        if not any(registry.is_file(part) or "+" in part for part in parts):
            return [(benchmark, None) for benchmark in load_benchmarks(given)]
        return [pair for part in parts for pair in _of_part(part)]
    if not isinstance(given, Benchmark):
        raise InputError(
            f"a benchmark of type {type(given).__name__}",
            allowed="an identifier, a wildcard, 'all', FILE.py:OBJECT, or a brainbench.Benchmark",
            todo="give score(model, benchmark) in this order; list_benchmarks() lists the names",
        )
    return [(given, None)]


def _of_part(part: str) -> list[tuple[Benchmark, str | None]]:
    if registry.is_file(part):
        return [(benchmark, part) for benchmark in benchmarks_in_file(part)]
    return [(benchmark, None) for benchmark in named_variant(part)]


def variants_of(
    benchmarks: list[Benchmark], variant: Variant, settings: Settings, placement: Placement
) -> list[Benchmark]:
    """Return benchmarks with another map, or as the variance beyond reference models; see `Variant`."""
    if variant.metric is not None and variant.beyond is not None:
        raise InputError(
            "--metric together with --beyond",
            allowed="one of the two: variance beyond others is that of ridge regression",
            todo="give them in two commands",
        )
    if variant.metric is not None:
        return with_metric(benchmarks, variant.metric)
    if variant.beyond is None:
        return benchmarks
    references = []
    with ONE_AT_A_TIME:
        for given in _listed(variant.beyond, "model"):
            for spec in _model_specs(given, settings, placement, {}):
                reference = ModelRun(spec.make())
                # What has a name in the registry is one model; files and objects change.
                known = spec.named and not registry.is_file(spec.name)
                suffix = "" if known else f"-{reference.digest[:8]}"
                references.append((f"{reference.model.name}{suffix}", reference))
    return with_beyond(benchmarks, references)


def _check_regions(settings: Settings, benchmarks: Sequence[Benchmark]) -> None:
    regions = sorted({benchmark.region for benchmark in benchmarks})
    for region in settings.layers:
        if region in regions:
            continue
        if region in RENAMED_REGIONS:
            raise renamed_region("layers for the region", region)
        raise unknown("region in layers:", region, regions, todo="name a region of the benchmarks")


def one_model(
    given: ModelLike, layers: Sequence[str], placement: Placement, options: Mapping[str, Any]
) -> BrainModel:
    """Return the only model that a name, a module or a model stands for."""
    if _is_module(given) and not options:
        from brainbench.models.wrap import wrap

        return place(checked(wrap(given, layers=layers), name=type(given).__name__), placement)
    specs = _model_specs(given, Settings(), placement, options)
    if len(specs) != 1:
        raise InputError(
            f"{len(specs)} models for one file of activations: "
            + ", ".join(spec.name for spec in specs[:4]),
            allowed="one model",
            todo="name one, and extract from the others one after the other",
        )
    return specs[0].make()
