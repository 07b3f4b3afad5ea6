"""The Python interface: score, compare, wrap, and finding models and benchmarks by name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from brainbench.core import bars
from brainbench.core.arguments import check_arguments
from brainbench.core.assembly import Assembly
from brainbench.core.errors import BrainbenchWarning, unknown
from brainbench.core.model import BrainModel
from brainbench.core.score import Score, ScoreSet
from brainbench.core.settings import (
    VARIANTS,
    Beside,
    Placement,
    Settings,
    Spread,
    Variant,
    chosen,
    takes,
)
from brainbench.core.stimuli import StimulusSet
from brainbench.models import export
from brainbench.ranking.comparison import TESTS, Comparison, compare_stored
from brainbench.ranking.exchange import N_EXCHANGES
from brainbench.ranking.ranks import board
from brainbench.run.execute import ONE_AT_A_TIME
from brainbench.run.loading import (
    list_benchmarks,
    list_data,
    list_models,
    load_benchmark,
    load_composites,
    load_model,
)
from brainbench.run.references import References
from brainbench.run.resolve import BenchmarkLike, Job, ModelLike, maker_options, one_model
from brainbench.run.workers import run
from brainbench.storage.cache import healed
from brainbench.storage.results import Results

log = logging.getLogger(__name__)

ERRORS = ("raise", "warn", "ignore")

__all__ = [
    "compare",
    "extract_activations",
    "leaderboard",
    "list_benchmarks",
    "list_data",
    "list_models",
    "load_benchmark",
    "load_model",
    "score",
]


@takes(Settings, Variant, Beside, Placement, Spread)
def score(
    model: ModelLike | Sequence[ModelLike],
    benchmark: BenchmarkLike | Sequence[BenchmarkLike],
    *,
    weights: str | None = None,
    model_args: Mapping[str, Any] | None = None,
    results: str | Path | None = None,
    overwrite: str = "only-missing",
    errors: str | None = None,
    **options: Any,
) -> Score | ScoreSet:
    """Score models on benchmarks.

    Parameters
    ----------
    model : str, BrainModel, torch.nn.Module, or a sequence of these
        A name, a wildcard or "all"; a wrapped model; or a bare module together with `layers`.
    benchmark : str, Benchmark, or a sequence of these
        An identifier, a wildcard or "all"; a composite, for its members; or a benchmark.
    weights, model_args : str, mapping, optional
        For every named model: weights where it has a choice, such as "imagenet", "untrained" or a file (a
        name with @WEIGHTS keeps its own), and options of the function that makes it.
    results : path, optional
        Folder to store each finished score in, and to find earlier ones; nothing is stored without.
    overwrite : {"never", "only-missing", "always"}
        What to do with scores found there.
    errors : {"raise", "warn", "ignore"}, optional
        What a score without a value does, be it failed, not applicable or without data: it ends the call by
        its error; it is a BrainbenchWarning and a Score with a reason; or only that. By default "raise" for
        one model and one benchmark, and "warn" for several.
    **options
        Those of the command line: layers={"IT": "layer4"}, seed=1, device="cuda"; see docs/scores.md.
        `metric` may be an instance with scikit-learn's fit(X, Y) and predict(X), `beyond` a list of models.
        With reference="animals" the scores have `figures["animals"]`: what other animals predict.

    Returns
    -------
    Score or ScoreSet
        A Score for one model and one benchmark; a ScoreSet for wildcards, "all", composites and sequences.
        Both print as a few lines, and as HTML with bars in a notebook, where bars also show the progress.

    Raises
    ------
    UnknownNameError
        A name that does not exist, also of an option.
    InputError
        Options that contradict each other, or something that is neither model nor benchmark.
    CacheError
        A results folder that cannot be written.
    BrainbenchError
        With errors="raise" the error of the first score without a value; a ScoringError where it is none of
        brainbench's, with that one as its cause.

    Examples
    --------
    >>> import brainbench
    >>> table = brainbench.score("all", "Simulated.*").to_frame()  # doctest: +SKIP
    """
    check_arguments(score, locals(), but=("model", "benchmark", "options"), filled=("weights",))
    kinds = (Settings, Variant, Beside, Placement, Spread)
    settings, variant, beside, placement, spread = chosen(options, kinds, score)
    if errors not in (None, *ERRORS):
        raise unknown("choice for errors", str(errors), ERRORS, todo="choose one of the three")
    with bars.in_notebook():
        job = Job.of(
            model,
            benchmark,
            settings,
            placement,
            weights=weights,
            model_args=model_args,
            variant=variant,
            results=results,
            overwrite=overwrite,
        )
        errors = errors or ("raise" if job.single else "warn")
        references = References(benchmarks=job.benchmarks, settings=settings, beside=beside)
        scores = tuple(references.added_to(run(job, spread, raising=errors == "raise")))
    for one in scores:
        if errors == "warn" and one.value is None:
            text = f"{one.model} on {one.benchmark}: {one.status.replace('_', ' ')}: {one.reason}"
            warnings.warn(text, BrainbenchWarning, stacklevel=2)
    return scores[0] if job.single else ScoreSet(scores)


def leaderboard(
    results: str | Path | Sequence[str | Path] = "results",
    *,
    composite: str = "all",
    protocol: str = "paper",
    partial: bool = False,
    published: bool = False,
) -> pd.DataFrame:
    """Rank the models of a results folder by a composite of their scores.

    Parameters
    ----------
    results : path, or a sequence of paths
        Folders that `score` or the command line has written to.
    composite : str
        Its name, such as "mean-v1" or "Simulated.mean-v1"; of several that match a wildcard or "all", the
        one that ranks a model, and in which most scores count.
    protocol : {"paper", "brainscore", "paper+groups", "brainscore+groups"}
        Scores of other protocols are omitted.
    partial : bool
        With rows of scores on some of the stimuli.
    published : bool
        With rows of the published figures of Kubilius et al. (2019), which were not measured here.

    Returns
    -------
    DataFrame
        One row per model with its weights, those with a rank first; the columns are those of
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
    check_arguments(leaderboard, locals())
    if protocol not in VARIANTS:
        raise unknown("protocol", protocol, VARIANTS, todo="choose one of these")
    paths = [results] if isinstance(results, str | Path) else results
    ranked = board(
        [Results(Path(path)) for path in paths],
        load_composites(composite),
        protocol=protocol,
        partial=partial,
        published=published,
    )
    for problem in ranked.unreadable:
        log.warning("omitted: %s", problem)
    return ranked.to_frame()


def compare(
    models: str | Sequence[str],
    benchmark: str | Sequence[str] = "all",
    *,
    results: str | Path = "results",
    protocol: str = "paper",
    test: str | None = None,
    n_exchanges: int = N_EXCHANGES,
) -> Comparison:
    """Compare models by their stored scores: paired differences, what is significant, ranks.

    Parameters
    ----------
    models : str or sequence of str
        Two or more names, wildcards among the stored names, or "all"; "cornet_s@untrained-0..4" is the mean
        over seeds, which count as random, and "net#1a2b3c4d" one version of the weights or code.
    benchmark : str or sequence of str
        Identifiers and wildcards; by default all on which two of the models can be compared.
    results : path
        Folder that `score` or the command line has written to.
    protocol : {"paper", "brainscore", "paper+groups", "brainscore+groups"}
        Scores of other protocols are omitted.
    test : {"permutation"}, optional
        Also exchange the predictions of each pair image by image, where sites are predicted.
    n_exchanges : int
        Number of exchanges.

    Returns
    -------
    Comparison
        Frozen; `to_frame()` has a row per pair, `ranks()` a row per model, `summary()` both as text,
        `missing` the scores that would be needed, with the commands that make them. All comparisons share
        one error rate: see docs/comparing.md.

    Raises
    ------
    UnknownNameError
        No such protocol or test, or a wildcard that matches nothing.
    InputError
        One model, or no benchmark on which two models have scores under the same conditions.

    Examples
    --------
    >>> import brainbench
    >>> brainbench.compare(["cornet_s@untrained-0..4", "pixels"], "Simulated.*")  # doctest: +SKIP
    """
    check_arguments(compare, locals())
    if protocol not in VARIANTS:
        raise unknown("protocol", protocol, VARIANTS, todo="choose one of these")
    if test is not None and test not in TESTS:
        raise unknown("test", test, TESTS, todo='give test="permutation", or none')
    return compare_stored(
        Results(Path(results)),
        [models] if isinstance(models, str) else list(models),
        [benchmark] if isinstance(benchmark, str) else list(benchmark),
        protocol=protocol,
        test=test,
        n_exchanges=n_exchanges,
    )


@takes(Placement)
def extract_activations(
    model: ModelLike,
    stimuli: StimulusSet | str | Path,
    *,
    layers: str | Sequence[str] = (),
    output: str | Path | None = None,
    reducer: str = "none",
    weights: str | None = None,
    model_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Assembly]:
    """Extract activations of any images over time.

    Parameters
    ----------
    model : str, BrainModel or torch.nn.Module
        One model; a bare module needs `layers`.
    stimuli : StimulusSet or path
        Images, or a folder of image files, whose names without suffix become stimulus_id.
    layers : str or sequence of str
        Any layers of the network; by default all that stand for a region.
    output : path, optional
        Write a netCDF4 file with a group per layer too; `load_activations` reads it.
    reducer : {"none", "mean-space"}
        "mean-space" gives each channel's mean over its places or tokens.
    weights, model_args, **options
        See `score`; of the options device, batch_size and precision.

    Returns
    -------
    dict of str to DataArray
        Layer -> assembly, dims (stimulus, neuroid, time), the spans of the steps in ms along time.
        Values stay on disk until they are indexed, unless they are reduced without an `output`.

    Raises
    ------
    UnknownNameError
        A model, layer, reducer or option that does not exist.
    StimulusError
        Something in the folder that is no image or cannot be read.
    InputError
        Several models; no such folder; a file that cannot be written.

    Examples
    --------
    >>> layers = brainbench.extract_activations("pixels", "photos/")  # doctest: +SKIP
    """
    check_arguments(extract_activations, locals(), but=("model", "options"), filled=("weights",))
    [placement] = chosen(options, (Placement,), extract_activations)
    if reducer not in export.REDUCERS:
        raise unknown("reducer", reducer, export.REDUCERS, todo="choose one of these")
    named = [layers] if isinstance(layers, str) else list(layers)
    target = None if output is None else Path(output)
    with ONE_AT_A_TIME, bars.in_notebook():
        shown = stimuli if isinstance(stimuli, StimulusSet) else export.images_in(Path(stimuli))
        network = one_model(model, named, placement, maker_options(model_args or {}, weights))
        named = named or [layer for listed in network.areas.values() for layer in listed]
        return healed(
            partial(_extracted, network, shown, list(dict.fromkeys(named)), target, reducer)
        )


def _extracted(
    network: BrainModel,
    shown: StimulusSet,
    layers: list[str],
    output: Path | None,
    reducer: str,
) -> dict[str, Assembly]:
    activations = network.activations(shown, layers)
    if output is None:
        return {layer: export.reduce(values, reducer) for layer, values in activations.items()}
    export.write(output, activations, reducer=reducer)
    return export.load_activations(output, trusted=True)
