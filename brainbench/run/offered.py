"""Benchmarks by rule: NAME.REGION-MEASURE of a data set, added or published, with the usual options.

`brainbench.data.offers` says which measures a data set meets the needs of; here they are declared. Window and
presentation are those of the data set, or of a benchmark that is declared on the same region.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from brainbench.core import registry
from brainbench.core.benchmark import RENAMED_REGIONS, Benchmark
from brainbench.core.dataset import Dataset
from brainbench.core.errors import BrainbenchError, NotApplicableError
from brainbench.core.movies import MOVIE, Movies
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.stimuli import GROUP, SPLIT
from brainbench.data.facts import facts_of
from brainbench.data.manifest import manifest, open_dataset
from brainbench.data.offers import BEHAVIOR_NEEDS, NEEDS, Offer, offers
from brainbench.data.own.dataset import OwnData
from brainbench.data.own.layout import WINDOW
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.measure import Measure
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.measure import SolutionTimes

VERSION = 2
"""Raised whenever the figures of benchmarks by rule change."""
_OF_TRIALS = "split-half over trials, Spearman-Brown corrected, where trials were repeated"
_OF_FIGURE = (
    "split-half over trials of the same figure, Spearman-Brown corrected, where there are trials"
)
_OVER_TIME = ("dynamics", "ost")
_OF_SIGNAL = "CC_max^2 of each site, from the signal power of its trials"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What a benchmark by rule computes."""

    measure: Measure[Any, Any]
    metric: str
    ceiling: str


RULES: Mapping[str, _Rule] = {
    "pls": _Rule(
        measure=Predictivity(),
        metric="median Pearson r over sites of held-out PLS predictions",
        ceiling=_OF_TRIALS,
    ),
    "ridge": _Rule(
        measure=Predictivity(metric="ridge-cv", n_pca=None),
        metric="median Pearson r over sites of held-out ridge predictions",
        ceiling=_OF_TRIALS,
    ),
    "ccnorm2": _Rule(
        measure=ExplainableVariance(),
        metric="mean CC_norm^2 over sites of held-out ridge predictions",
        ceiling=_OF_SIGNAL,
    ),
    "ccnorm": _Rule(
        measure=ExplainableVariance(aggregate="median", formula="r/sqrt(c)"),
        metric="median CC_norm over sites of held-out ridge predictions, with its sign",
        ceiling=_OF_SIGNAL,
    ),
    "rsa": _Rule(
        measure=Similarity(metric="rsa"),
        metric="Spearman correlation of RDMs (1 - Pearson over units)",
        ceiling=_OF_FIGURE,
    ),
    "cka": _Rule(
        measure=Similarity(metric="cka"), metric="linear CKA with unbiased HSIC", ceiling=_OF_FIGURE
    ),
    "dynamics": _Rule(
        measure=Dynamics(n_splits=4),
        metric="mean over time bins of median Pearson r over sites / sqrt(ceiling), one map for all bins",
        ceiling="Pearson split-half over trials in each time bin, Spearman-Brown corrected",
    ),
    "ost": _Rule(
        measure=SolutionTimes(decoder="converged"),
        metric="Spearman r of object solution times of model and brain, over images that both solve",
        ceiling="solution times from halves of the trials, Spearman-Brown corrected",
    ),
    "i2n": _Rule(
        measure=I2n(),
        metric="I2n: Pearson r of normalized d' over images and distractors, of held-out read-outs",
        ceiling="what simulated subjects reach, fitted to the trials of each cell, squared",
    ),
    "choices": _Rule(
        measure=CategoryChoices(),
        metric="Pearson r over image x category of answers less the mean of each category, held-out read-out",
        ceiling="split-half over subjects, Spearman-Brown corrected",
    ),
    "consistency": _Rule(
        measure=ErrorConsistency(),
        metric="error consistency: mean kappa over subjects of right and wrong answers, held-out read-out",
        ceiling="none; beside it the mean kappa over pairs of subjects, a reference",
    ),
}
"""What each measure of `data.offers` is, by name."""


def benchmarks_of(data: str | Dataset) -> dict[str, Benchmark]:
    """Return the benchmarks that a data set offers by rule, by identifier.

    Parameters
    ----------
    data : str or Dataset
        The name of a data set, or the data itself, such as `brainbench.data.from_arrays` returns.

    Raises
    ------
    UnknownNameError, DataAbsentError
        No such data set, or one that is not on this machine.

    Examples
    --------
    >>> benchmarks_of("Simulated")["Simulated.V4-rsa"].region  # doctest: +SKIP
    'V4'
    """
    opened = open_dataset(data)
    known = registry.entries("benchmarks") if isinstance(data, str) else {}
    return {
        offer.identifier: registry.load("benchmarks", offer.identifier)
        if offer.identifier in known
        else _declared(offer, data, opened)
        for offer in offers_of(opened)
        if not offer.missing
    }


def offers_of(data: Dataset) -> list[Offer]:
    """Return every benchmark by rule of a data set, with what is missing for it; DataAbsentError."""
    return offers(data.name, facts_of(data))


def is_offered(identifier: str) -> bool:
    """Return whether a name is one by rule, of a data set that is registered; nothing is opened."""
    name, _, rest = identifier.partition(".")
    region, _, measure = rest.rpartition("-")
    is_wildcard = bool(set(identifier) & set("*?["))
    if is_wildcard or region in RENAMED_REGIONS or measure not in {**NEEDS, **BEHAVIOR_NEEDS}:
        return False
    return name in registry.entries("data")


def offered_benchmark(identifier: str) -> Benchmark:
    """Return the benchmark by rule of an identifier for which `is_offered`.

    Raises
    ------
    UnknownNameError
        No such region.
    NotApplicableError
        Data that lacks what the measure needs.
    DataAbsentError
        Data that is not on this machine.
    """
    opened = open_dataset(identifier.partition(".")[0])
    return _offered(identifier, opened.version)


@cache
def _offered(identifier: str, version: str) -> Benchmark:
    """Return one benchmark for each version of the data: the same object each time."""
    name = identifier.partition(".")[0]
    opened = open_dataset(name)
    every = {offer.identifier: offer for offer in offers_of(opened)}
    offer = every.get(identifier)
    if offer is None:
        raise registry.unknown_name(identifier, "benchmarks")
    if offer.missing:
        raise NotApplicableError(
            f"{identifier}: {name} lacks " + ", and ".join(offer.missing),
            allowed=", ".join(key for key, one in every.items() if not one.missing) or "none of it",
            todo=f"see `brainbench data show {name}`",
        )
    return _declared(offer, name, opened)


def _declared(offer: Offer, data: str | Dataset, opened: Dataset) -> Benchmark:
    rule = RULES[offer.measure]
    window, presentation, citation = _shown(offer, opened)
    measure = rule.measure
    has_groups = GROUP in opened.stimuli().metadata.columns
    if has_groups and isinstance(measure, CategoryChoices | ErrorConsistency):
        measure = replace(measure, group=GROUP)
    if SPLIT in opened.stimuli().metadata.columns and isinstance(measure, Predictivity):
        measure = replace(measure, division="published", n_pca=None)
    return Benchmark(
        identifier=offer.identifier,
        version=VERSION,
        data=data,
        region=offer.region,
        window=window,
        presentation=presentation,
        measure=measure,
        metric=rule.metric,
        ceiling=rule.ceiling,
        citation=citation,
    )


def _shown(offer: Offer, opened: Dataset) -> tuple[tuple[float, float], Presentation, str]:
    """Return window, presentation and citation, of the data or of a benchmark declared on the region."""
    registered = opened.name in registry.entries("data")
    citation = manifest(opened.name).citation if registered else "unpublished"
    if isinstance(opened, OwnData):
        window = opened.window_of(offer.region)
        if offer.measure in _OVER_TIME and opened.layout.span is None:
            window = facts_of(opened).regions[offer.region].span or window
        return window, opened.presentation, citation
    for identifier in declared_on(opened.name):
        like: Benchmark = registry.load("benchmarks", identifier)
        if like.region == offer.region:
            is_own = identifier.startswith(f"{opened.name}.") or offer.measure in _OVER_TIME
            return like.window if is_own else WINDOW, like.presentation, like.citation
    return WINDOW, MOVIE if isinstance(opened.stimuli(), Movies) else CONSTANT, citation


def declared_on(name: str) -> list[str]:
    """Return the declared benchmarks on a registered data set: those of its name, else all that read it.

    The latter have the name of the study, as those of MajajHong2015 on MajajHong2015temporalprivate.
    """
    known = registry.entries("benchmarks")
    of_name = [identifier for identifier in known if identifier.startswith(f"{name}.")]
    if of_name:
        return of_name
    found = []
    for identifier in known:
        if name.startswith(identifier.partition(".")[0].partition("-")[0]):
            with contextlib.suppress(BrainbenchError):  # a broken plug-in does not hide the others
                if registry.load("benchmarks", identifier).data == name:
                    found.append(identifier)
    return found


def __getattr__(identifier: str) -> Benchmark:
    # The registry imports a benchmark of a kept data set as an attribute of this module.
    if "." not in identifier:
        raise AttributeError(f"module {__name__!r} has no attribute {identifier!r}")
    return offered_benchmark(identifier)
