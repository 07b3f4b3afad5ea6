"""Variants of benchmarks: same data and splits, another map or variance beyond others, under another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from brainbench.core import progress, registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, unknown
from brainbench.core.model_file import module_from_file
from brainbench.run.loading import load_benchmarks
from brainbench.scoring.context import ModelRun
from brainbench.scoring.regression.estimators import EstimatorMap
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.linear_maps import MAPS
from brainbench.scoring.regression.predictivity import SOFT_MATCHING, Predictivity
from brainbench.scoring.regression.reverse import REVERSE, ReversePredictivity
from brainbench.scoring.regression.unique_variance import UniqueVariance

UNITS = "units"
"""In place of a map: unit k of a model that was fitted to the sites predicts site k."""
NAMES = (*MAPS, SOFT_MATCHING, REVERSE, UNITS)
"""What may stand after --metric, and after "+" in a name, beside an estimator of the user."""
_EXAMPLE = "--metric my_map.py:make_map"


def with_metric(benchmarks: Sequence[Benchmark], metric: Any) -> list[Benchmark]:
    """Return the benchmarks of predictivity with another map.

    Parameters
    ----------
    benchmarks : sequence of Benchmark
        Those of another measure are omitted, with a note.
    metric : str or estimator
        The name of a map, "FILE.py:NAME", or an instance with fit and predict.

    Returns
    -------
    list of Benchmark
        Named after the map, as "Simulated.IT-pls+ridge-cv"; after an estimator with the digest of its code,
        as "Simulated.IT-pls+Ridge-e29085d0": figures of two maps never share a name. Of "reverse" sites
        predict the units of the model: "Simulated.IT-pls+reverse".

    Raises
    ------
    InputError
        No benchmark of predictivity; no file, or nothing in it that is or makes an estimator.
    UnknownNameError
        No such map, or no such name in the file.
    """
    chosen = named_metric(metric) if isinstance(metric, str) else metric
    if isinstance(chosen, str) and chosen == UNITS:
        return with_units(benchmarks)
    return [_with_metric(one, chosen) for one in _of_predictivity(benchmarks, "--metric")]


def with_units(benchmarks: Sequence[Benchmark]) -> list[Benchmark]:
    """Return the benchmarks of explainable variance without a map: unit k of the model predicts site k.

    Named so, as "Simulated.V1-ccnorm2+units"; those of another measure are omitted, with a note. InputError
    where none is left.
    """
    return [
        replace(
            benchmark,
            identifier=f"{benchmark.identifier}+{UNITS}",
            measure=replace(benchmark.measure, metric=UNITS),  # type: ignore[type-var]
            metric="explainable variance of the sites by the model's own units, unit k for site k",
        )
        for benchmark in _of_measure(
            benchmarks,
            ExplainableVariance,
            f"--metric {UNITS}",
            allowed="benchmarks of explainable variance, as Simulated.V1-ccnorm2",
        )
    ]


def with_beyond(
    benchmarks: Sequence[Benchmark], references: Sequence[tuple[str, ModelRun]]
) -> list[Benchmark]:
    """Return the benchmarks of predictivity as the variance that a model explains beyond others.

    Parameters
    ----------
    benchmarks : sequence of Benchmark
        Those of another measure are omitted, with a note. Folds are as many as theirs.
    references : sequence of (str, ModelRun)
        Each reference model, and what stands for it in the name: "Simulated.IT-pls+beyond-pixels-gabor".

    Raises
    ------
    InputError
        No benchmark of predictivity, or one with a published division; no reference, or one given twice.
    """
    benchmarks = _of_predictivity(benchmarks, "--beyond")
    for benchmark in benchmarks:
        if getattr(benchmark.measure, "division", "drawn") == "published":
            raise InputError(
                f"--beyond for {benchmark.identifier}, whose division of the images is published",
                allowed="benchmarks whose splits are drawn",
                todo="choose them with -b",
            )
    models = [reference for _, reference in references]
    names = [name for name, _ in references]
    variants = []
    for benchmark in benchmarks:
        measure: Predictivity = benchmark.measure  # type: ignore[assignment]
        other = UniqueVariance(
            beyond=tuple(models), n_splits=measure.n_splits, n_inner=measure.n_inner
        )
        variants.append(
            replace(
                benchmark,
                identifier=f"{benchmark.identifier}+beyond-{'-'.join(names)}",
                measure=other,
                metric=f"mean over sites of held-out R2 beyond {', '.join(names)}, banded ridge",
            )
        )
    return variants


def named_variant(name: str) -> list[Benchmark]:
    """Return the benchmarks of a name or wildcard, as "Simulated.IT-pls", or "Simulated.IT-pls+ridge-cv".

    UnknownNameError for a variant whose name does not hold all that it is: an estimator, or other models.
    """
    base, plus, suffix = name.partition("+")
    if not plus or name in registry.entries("benchmarks"):
        return load_benchmarks(name)
    if suffix not in NAMES:
        raise unknown(
            "map after a benchmark",
            suffix,
            list(NAMES),
            todo=f"give -b {base} with --metric FILE.py:NAME or --beyond MODELS",
        )
    return with_metric(load_benchmarks(base), suffix)


def named_metric(name: str) -> Any:
    """Return the map of a name, or the estimator of "FILE.py:NAME": itself or what it makes."""
    if not registry.is_file(name):
        return name
    file, attribute = registry.check_file(name, what="estimator", example=_EXAMPLE)
    module = module_from_file(file)
    if attribute not in vars(module):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise unknown(f"estimator in {file}", attribute, public, todo=f"define it in {file}")
    given = getattr(module, attribute)
    is_instance = not isinstance(given, type) and hasattr(given, "predict")
    if is_instance or not callable(given):
        return given
    try:
        return given()
    except TypeError as error:
        raise InputError(
            f"{name}: {error}",
            allowed="an estimator, or a class or function that makes one without arguments",
            todo="give its parameters defaults, or name a function that sets them",
        ) from error


def _with_metric(benchmark: Benchmark, metric: Any) -> Benchmark:
    measure: Predictivity = benchmark.measure  # type: ignore[assignment]
    if metric == REVERSE:
        return _reversed(benchmark, measure)
    if isinstance(metric, str) and metric not in NAMES:
        raise unknown("map", metric, NAMES, todo="choose one of these, or give an estimator")
    other = replace(measure, metric=metric)
    if other.config() == measure.config():
        return benchmark
    site_map = other.site_map(other.rules["paper"])
    suffix = str(metric)
    if isinstance(site_map, EstimatorMap):
        suffix = f"{site_map.name}-{site_map.digest[:8]}"
    return replace(
        benchmark,
        identifier=f"{benchmark.identifier}+{suffix}",
        measure=other,
        metric=f"Pearson r over sites of held-out predictions by {site_map}",
    )


def _reversed(benchmark: Benchmark, measure: Predictivity) -> Benchmark:
    """Return a benchmark with the same splits, in which sites predict the units of the model."""
    return replace(
        benchmark,
        identifier=f"{benchmark.identifier}+{REVERSE}",
        measure=ReversePredictivity(
            n_components=measure.n_components, n_splits=measure.n_splits, n_inner=measure.n_inner
        ),
        metric="median Pearson r over units of the model of held-out predictions from the sites",
        ceiling="none; under brainscore the consistency of the sites over halves of each image's trials",
    )


def _of_predictivity(benchmarks: Sequence[Benchmark], option: str) -> list[Benchmark]:
    allowed = "benchmarks of neural predictivity, as Simulated.IT-pls"
    return _of_measure(benchmarks, Predictivity, option, allowed=allowed)


def _of_measure(
    benchmarks: Sequence[Benchmark], measure: type, option: str, *, allowed: str
) -> list[Benchmark]:
    """Return the benchmarks of a measure, with a note on others; InputError where there is none."""
    kept = [one for one in benchmarks if isinstance(one.measure, measure)]
    others = [one.identifier for one in benchmarks if one not in kept]
    if not kept:
        raise InputError(
            f"{option} for {', '.join(others[:4])}",
            allowed=allowed,
            todo="choose one with -b, or omit the option",
        )
    if others:
        progress.current().note(
            f"{option}: without {', '.join(others)}, which fit no map of this kind"
        )
    return kept
