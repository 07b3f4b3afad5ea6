"""Comparison of models by their stored scores: differences, what is significant, ranks, letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from brainbench.core.errors import InputError
from brainbench.core.score import Score, are_untrained
from brainbench.metrics.array_types import BoolArray, IntArray
from brainbench.ranking.comparable import (
    Comparable,
    Conditions,
    Missing,
    benchmark_names,
    comparable,
    entries,
)
from brainbench.ranking.exchange import N_EXCHANGES, exchange_tests
from brainbench.ranking.selection import stored
from brainbench.stats.comparison import (
    Differences,
    Family,
    complete,
    decide,
    holm,
    letters,
    rank_intervals,
)
from brainbench.stats.permutation import PairTest
from brainbench.storage.results import Results

TESTS = ("permutation",)
SHOWN_MODELS = 10
"""Models up to which every pair is shown in text."""
PAIR_COLUMNS = (
    "benchmark",
    "version",
    "formula",
    "model",
    "other",
    "value",
    "other_value",
    "difference",
    "ci_low",
    "ci_high",
    "family_low",
    "family_high",
    "significant",
    "smallest_seen",
    "ci_approximate",
    "p",
    "p_holm",
    "fdr_bh",
    "fdr_by",
)
"""Columns of `Comparison.to_frame`. `docs/comparing.md` says what each means."""
MODEL_COLUMNS = (
    "benchmark",
    "formula",
    "model",
    "value",
    "rank_low",
    "rank_high",
    "letters",
    "n_seeds",
    "seed_sd",
)
"""Columns of `Comparison.ranks`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OnBenchmark:
    """All pairs of models on one benchmark."""

    benchmark: str
    conditions: Conditions
    simulated: bool
    for_these_animals: bool
    models: tuple[str, ...]
    approximate: tuple[bool, ...]  # whether the interval of each model's score is approximate
    seed_sd: tuple[float | None, ...]  # between the seeds of each model
    differences: Differences
    significant: BoolArray  # model x model
    critical: float  # of all comparisons
    tests: Mapping[tuple[int, int], PairTest] = field(default_factory=dict)

    @cached_property
    def ranks(self) -> tuple[IntArray, IntArray]:
        """Least and greatest rank of each model."""
        return rank_intervals(self.differences.values, self.significant)

    @cached_property
    def letters(self) -> list[str]:
        """Letters of each model; models that differ share none."""
        return letters(self.differences.values, self.significant)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Each pair once."""
        n = len(self.models)
        return [(j, k) for j in range(n) for k in range(j + 1, n)]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each pair, without adjusted p."""
        alone = self.differences.alone()
        together = self.differences.half_width(self.critical)
        seen = self.differences.smallest_seen(self.critical)
        for j, k in self.pairs:
            d = float(self.differences.of_pairs[j, k])
            test = self.tests.get((j, k))
            yield {
                "benchmark": self.benchmark,
                "version": self.conditions.version,
                "formula": self.conditions.formula,
                "model": self.models[j],
                "other": self.models[k],
                "value": float(self.differences.values[j]),
                "other_value": float(self.differences.values[k]),
                "difference": d,
                "ci_low": d - float(alone[j, k]),
                "ci_high": d + float(alone[j, k]),
                "family_low": d - float(together[j, k]),
                "family_high": d + float(together[j, k]),
                "significant": bool(self.significant[j, k]),
                "smallest_seen": float(seen[j, k]),
                "ci_approximate": self.approximate[j] or self.approximate[k],
                "p": None if test is None else test.p,
            }

    def model_rows(self) -> Iterator[dict[str, Any]]:
        """Yield each model."""
        low, high = self.ranks
        n_seeds = self.differences.n_seeds
        for j, model in enumerate(self.models):
            yield {
                "benchmark": self.benchmark,
                "formula": self.conditions.formula,
                "model": model,
                "value": float(self.differences.values[j]),
                "rank_low": int(low[j]),
                "rank_high": int(high[j]),
                "letters": self.letters[j],
                "n_seeds": 1 if n_seeds is None else int(n_seeds[j]),
                "seed_sd": self.seed_sd[j],
            }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison:
    """Models compared by their stored scores.

    Attributes
    ----------
    models : tuple of str
        As they were asked for.
    benchmarks : tuple of OnBenchmark
        Those on which at least two of the models could be compared.
    family : Family
        All comparisons together, which share one error rate.
    missing : tuple of Missing
        Models that are not compared on a benchmark, with the command that makes the score.
    notes : tuple of str
        What the claims are about, which tests could not be made, and files that could not be read.
    """

    models: tuple[str, ...]
    benchmarks: tuple[OnBenchmark, ...]
    family: Family
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        frame = pd.DataFrame([row for one in self.benchmarks for row in one.rows()])
        frame["p"] = frame["p"].astype(float)
        p = frame["p"].dropna()
        for name in ("p_holm", "fdr_bh", "fdr_by"):
            frame[name] = np.nan
        if len(p):
            from scipy.stats import false_discovery_control

            frame.loc[p.index, "p_holm"] = holm(p.to_numpy())
            for method in ("bh", "by"):
                adjusted = false_discovery_control(p.to_numpy(), method=method)
                frame.loc[p.index, f"fdr_{method}"] = adjusted
        return frame[list(PAIR_COLUMNS)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair and benchmark, with the columns `PAIR_COLUMNS`."""
        return self._pairs.copy()

    def ranks(self) -> pd.DataFrame:
        """Return one row per model and benchmark, with the columns `MODEL_COLUMNS`."""
        rows = [row for one in self.benchmarks for row in one.model_rows()]
        return pd.DataFrame(rows, columns=list(MODEL_COLUMNS))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "family": {"comparisons": self.family.n, "critical": self.family.critical},
            "models": _records(self.ranks()),
            "pairs": _records(self._pairs),
            "missing": [vars(one) for one in self.missing],
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """Return models and pairs as text."""
        lines = [family_words(self)]
        for one in self.benchmarks:
            about = f"{one.benchmark}, {one.conditions.formula}"
            models = pd.DataFrame(one.model_rows())[["model", "value", "rank_low", "rank_high"]]
            models["letters"] = one.letters
            lines += ["", about, models.to_string(index=False, float_format="{:.3f}".format)]
            if len(one.models) <= SHOWN_MODELS:
                pairs = self._pairs[self._pairs["benchmark"] == one.benchmark]
                columns = ["model", "other", "difference", "ci_low", "ci_high"]
                columns += ["significant", "smallest_seen"]
                columns += ["p", "p_holm"] if pairs["p"].notna().any() else []
                lines.append(pairs[columns].to_string(index=False, float_format="{:.3f}".format))
        return "\n".join([*lines, *([""] if self.notes else []), *self.notes])

    def __repr__(self) -> str:
        return self.summary()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def family_words(made: Comparison) -> str:
    """Return the family of comparisons in words."""
    n_benchmarks = len(made.benchmarks)
    on = made.benchmarks[0].benchmark if n_benchmarks == 1 else f"{n_benchmarks} benchmarks"
    if made.family.n == 1:
        return f"family: one comparison, on {on}; in 95 % of all cases its interval holds"
    n_models = len({model for one in made.benchmarks for model in one.models})
    return (
        f"family: {made.family.n} comparisons of {n_models} models on {on}; in 95 % of all "
        "cases no difference is wrongly called one, and all ranks hold"
    )


def compare_stored(
    results: Results,
    models: Sequence[str],
    benchmarks: Sequence[str] = ("all",),
    *,
    protocol: str = "paper",
    test: str | None = None,
    n_exchanges: int = N_EXCHANGES,
) -> Comparison:
    """Compare models by the scores of a results folder.

    Parameters
    ----------
    results : Results
        The folder.
    models, benchmarks : sequence of str
        Names and wildcards, see `ranking.comparable`.
    protocol : {"paper", "brainscore"}
        Scores of the other protocol are omitted.
    test : {"permutation"}, optional
        Test each pair by exchanging the models image by image too.
    n_exchanges : int
        Number of exchanges.

    Raises
    ------
    UnknownNameError
        A wildcard that nothing matches.
    InputError
        Fewer than two models, or no benchmark on which two of them can be compared, with the reasons.
    """
    scores, unreadable = stored(results)
    scores = [score for score in scores if score.protocol == protocol]
    on = benchmark_names(benchmarks, (score.benchmark for score in scores))
    scores = [score for score in scores if score.benchmark in on]
    asked = entries(models, (score.model for score in scores))
    if len(asked) < 2:
        raise InputError(
            f"{len(asked)} model to compare: {', '.join(one.label for one in asked)}",
            allowed="two models or more",
            todo="name a second one; seeds after @untrained-0..4 are one model",
        )
    wanted = {name for entry in asked for name in entry.names}
    scores = [score for score in scores if score.model in wanted]
    # A wildcard stands for the benchmarks that one of the models was scored on.
    names = benchmark_names(benchmarks, (score.benchmark for score in scores)) if scores else on
    found: list[Comparable] = []
    missing: list[Missing] = []
    for name in names:
        of_benchmark = [score for score in scores if score.benchmark == name]
        one, without = comparable(
            name, asked, of_benchmark, protocol=protocol, folder=str(results.folder)
        )
        found += [] if one is None else [one]
        missing += without
    if not found:
        raise _nothing_to_compare(missing, results)
    differences = [_differences(one) for one in found]
    family = decide(differences)
    tests, notes = exchange_tests(results, found, n_exchanges=n_exchanges) if test else ({}, [])
    return Comparison(
        models=tuple(one.label for one in asked),
        benchmarks=tuple(
            _on_benchmark(one, of_pairs, significant, family, tests.get(one.benchmark, {}))
            for one, of_pairs, significant in zip(
                found, differences, family.significant, strict=True
            )
        ),
        family=family,
        missing=tuple(missing),
        notes=(*_about_seeds(found), *notes, *(f"omitted: {problem}" for problem in unreadable)),
    )


def _nothing_to_compare(missing: Sequence[Missing], results: Results) -> InputError:
    shown = "; ".join(f"{one.model} on {one.benchmark}: {one.reason}" for one in missing[:4])
    commands = [one.command for one in missing if one.command]
    return InputError(
        f"nothing to compare in {results.folder}: {shown or 'no score'}"
        + (f"; and {len(missing) - 4} more" if len(missing) > 4 else ""),
        allowed="scores of two models on one benchmark, of the same version, data, images, formula and "
        "settings",
        todo=" and ".join(f"run `{command}`" for command in commands[:4])
        or "name models and a benchmark that were scored",
    )


def _differences(one: Comparable) -> Differences:
    values = [np.array([score.value for score in seeds]) for seeds in one.scores.values()]
    draws = [
        np.mean([_complete(score) for score in seeds], axis=0) for seeds in one.scores.values()
    ]
    return Differences(
        values=np.array([of_seeds.mean() for of_seeds in values]),
        draws=np.stack(draws, axis=1),
        seed_variance=np.array([_seed_variance(of_seeds) for of_seeds in values]),
        n_seeds=np.array([len(of_seeds) for of_seeds in values]),
    )


def _complete(score: Score) -> Any:
    return complete(score.joint_draws or {}, float(score.value or 0.0))


def _seed_sd(scores: Sequence[Score]) -> float | None:
    values = [score.value for score in scores if score.value is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _seed_variance(values: Any) -> float:
    """Return the variance of the mean over seeds; 0 for one seed, about which the claim is then."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0


def _on_benchmark(
    one: Comparable,
    differences: Differences,
    significant: BoolArray,
    family: Family,
    tests: Mapping[tuple[int, int], PairTest],
) -> OnBenchmark:
    seeds = list(one.scores.values())
    return OnBenchmark(
        benchmark=one.benchmark,
        conditions=one.conditions,
        simulated=any(score.simulated for each in seeds for score in each),
        for_these_animals=any(score.for_these_animals for each in seeds for score in each),
        models=tuple(entry.label for entry in one.scores),
        approximate=tuple(any(score.ci_approximate for score in each) for each in seeds),
        seed_sd=tuple(_seed_sd(each) for each in seeds),
        differences=differences,
        significant=significant,
        critical=family.critical,
        tests=tests,
    )


def _about_seeds(found: Sequence[Comparable]) -> list[str]:
    """Return what the claim is about where seeds are involved."""
    asked = dict.fromkeys(entry for one in found for entry in one.scores)
    notes = []
    for entry in asked:
        if len(entry.names) > 1:
            notes.append(
                f"{entry.label}: mean over {len(entry.names)} seeds, which are random; Student's t "
                f"with {len(entry.names) - 1} degrees of freedom"
            )
        elif are_untrained(entry.names[0].partition("@")[2]):
            notes.append(
                f"{entry.label}: one seed, so that the claim is about these weights; "
                f"{entry.names[0].rstrip('0123456789')}0..4 makes it one about the network"
            )
    return notes
