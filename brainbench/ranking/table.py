"""A leaderboard: rows, cells, and the columns of its frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.score import Score, Status
from brainbench.stats.composite import Combined, Composite

State = Status | Literal["outdated"]

COLUMNS = (
    "rank",
    "rank_low",
    "rank_high",
    "model",
    "weights",
    "protocol",
    "settings",
    "untrained",
    "partial",
    "digest",
    "undescribed",
    "older_key",
    "composite",
    "composite_value",
    "composite_ci_low",
    "composite_ci_high",
    "composite_ci_approximate",
    "k",
    "n",
    "mean_of_k_of_n",
    "others",
    "published",
)
"""First columns of the frame and of the CSV, in this order. `docs/leaderboard.md` says what each means."""
OF_BENCHMARK = (
    "",
    ":ci_low",
    ":ci_high",
    ":ci_approximate",
    ":ceiling",
    ":ceiling_above_0",
    ":formula",
    ":simulated",
    ":status",
    ":state",
    ":counts_not",
)
"""Further columns for each benchmark: its identifier followed by each of these."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One model on one benchmark."""

    score: Score
    # of a member of the composite: value, interval and draws as the composite takes them
    value: float | None
    ci: tuple[float, float] | None
    draws: npt.NDArray[np.float64] | None
    formula: str  # of the value
    # "outdated" where the benchmark or its data has another version than here
    state: State
    # why the score does not count whatever the composite: its versions, or a rival
    remark: str | None = None
    counts_not: str | None = None  # why a member does not count in the composite

    @property
    def ci_approximate(self) -> bool | None:
        """Whether the interval is approximate; None without an interval."""
        return None if self.ci is None else self.score.ci_approximate

    @property
    def not_above_0(self) -> bool:
        """Whether the value shown is divided by a ceiling that is not above 0."""
        divided = self.value is not None and self.formula == self.score.formula
        return divided and self.score.ceiling_above_0 is False


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One model by its digest, with its weights, under one protocol and one choice of settings."""

    # place by the composite; None for untrained models and where the composite is undefined
    rank: int | None = None
    # the ranks that joint draws allow; None without a rank, and where there are no joint draws
    rank_interval: tuple[int, int] | None = None
    model: str
    digest: str  # of the model; empty where it is unknown
    weights: str
    protocol: str
    # only those that differ from the defaults: seed, layers, limit, floor, resample
    settings: Mapping[str, Any]
    untrained: bool
    undescribed: bool  # nobody said what the weights are
    partial: bool
    older_key: bool  # stored by an earlier version, whose key says less about the code of the model
    cells: Mapping[str, Cell]  # by benchmark
    combined: Combined
    ci_approximate: bool | None = None  # of any member; None where the composite has no interval
    n_others: int  # stored scores of this digest that are not shown: of another version or formula
    published: bool = False  # figures of a publication, not measured here: without a rank

    @property
    def unusual(self) -> str:
        """Settings in words: "seed 1, limit 64"; empty where all are the defaults."""
        return ", ".join(f"{key} {_words(value)}" for key, value in self.settings.items())

    def why_not(self, benchmark: str) -> str | None:
        """Return why a member does not count; None where it does."""
        cell = self.cells.get(benchmark)
        return "not scored" if cell is None else cell.counts_not


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in value.items())
    return str(value)


@dataclass(frozen=True, kw_only=True, eq=False)
class Board:
    """A leaderboard."""

    composite: Composite
    protocol: str
    # ranked rows, best first; then untrained ones by composite, best first; then those without a
    # composite, by name; partial ones last
    rows: tuple[Row, ...]
    benchmarks: tuple[str, ...]  # members of the composite in their order, then all others by name
    n_elsewhere: int  # scores of the other protocol, which are omitted
    n_partial: int  # partial scores that are omitted
    unreadable: tuple[str, ...]  # what is wrong with each file that could not be read

    @cached_property
    def counts(self) -> bool:
        """Whether a score of some row counts in the composite; otherwise there is nothing to rank by."""
        return any(row.combined.k for row in self.rows)

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """Benchmarks that some row has a score on."""
        return tuple(name for name in self.benchmarks if any(name in r.cells for r in self.rows))

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Benchmarks to show: without those nobody scored where the composite has nothing."""
        return self.benchmarks if self.counts else self.scored

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the frame: `COLUMNS`, then those of each benchmark."""
        more = (f"{name}{part}" for name in self.benchmarks for part in OF_BENCHMARK)
        return (*COLUMNS, *more)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per model, with the columns `columns`."""
        rows = [self._flat(row) for row in self.rows]
        return pd.DataFrame(rows, columns=list(self.columns)).astype(
            dict.fromkeys(("rank", "rank_low", "rank_high"), "Int64")
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return one object per model, as plain JSON values."""
        return [_object(row, self.composite) for row in self.rows]

    def _flat(self, row: Row) -> dict[str, Any]:
        combined = row.combined
        low, high = combined.ci or (None, None)
        flat: dict[str, Any] = {
            **_about(row),
            "settings": row.unusual,
            "composite": self.composite.name,
            "composite_value": combined.value,
            "composite_ci_low": low,
            "composite_ci_high": high,
            "composite_ci_approximate": row.ci_approximate,
            "k": combined.k,
            "n": combined.n,
            "mean_of_k_of_n": combined.of_those,
            "others": row.n_others,
            "published": row.published,
        }
        for name in self.benchmarks:
            why = row.why_not(name) if name in self.composite.benchmarks else None
            flat |= _flat_cell(name, row.cells.get(name), why)
        return flat


def _about(row: Row) -> dict[str, Any]:
    """Return the first entries of a row, which its frame and its JSON object share."""
    low, high = row.rank_interval or (None, None)
    return {
        "rank": row.rank,
        "rank_low": low,
        "rank_high": high,
        "model": row.model,
        "weights": row.weights,
        "protocol": row.protocol,
        "settings": dict(row.settings),
        "untrained": row.untrained,
        "partial": row.partial,
        "digest": row.digest[:12],
        "undescribed": row.undescribed,
        "older_key": row.older_key,
    }


def _flat_cell(name: str, cell: Cell | None, why: str | None) -> dict[str, Any]:
    if cell is None:
        return {f"{name}:state": "not scored", f"{name}:counts_not": why}
    low, high = cell.ci or (None, None)
    figures = (
        cell.value,
        low,
        high,
        cell.ci_approximate,
        cell.score.ceiling,
        cell.score.ceiling_above_0,
        cell.formula,
        cell.score.simulated,
        cell.score.status,
        cell.state,
        why,
    )
    return {f"{name}{part}": figure for part, figure in zip(OF_BENCHMARK, figures, strict=True)}


def _object(row: Row, composite: Composite) -> dict[str, Any]:
    combined = row.combined
    return {
        **_about(row),
        "composite": {
            "name": composite.name,
            "value": combined.value,
            "ci": combined.ci,
            "ci_approximate": row.ci_approximate,
            "k": combined.k,
            "n": combined.n,
            "mean_of_k_of_n": combined.of_those,
            "why_no_ci": combined.why_no_ci,
            "why_not": {name: row.why_not(name) for name in composite.benchmarks},
        },
        "others": row.n_others,
        "published": row.published,
        "benchmarks": {
            name: {
                "value": cell.value,
                "ci": cell.ci,
                "ci_approximate": cell.ci_approximate,
                "ceiling": cell.score.ceiling,
                "ceiling_above_0": cell.score.ceiling_above_0,
                "formula": cell.formula,
                "simulated": cell.score.simulated,
                "status": cell.score.status,
                "state": cell.state,
                "created": cell.score.record.created if cell.score.record else None,
                "reason": cell.score.reason,
                "file": cell.score.file,
            }
            for name, cell in sorted(row.cells.items())
        },
    }
