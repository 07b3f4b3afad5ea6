"""What the held-out predictions of all sessions come to: figure, ceiling, interval, null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.scoring.regression.held_out import (
    NOT_REPEATED,
    Session,
    ceiling,
    correlations,
    interval,
    null_correlations,
    reliabilities,
    with_reliability,
    without_reliability,
)
from brainbench.stats.aggregate import AGGREGATES, Aggregate, aggregate
from brainbench.stats.bootstrap import Interval
from brainbench.stats.ceiling import ceiled
from brainbench.stats.permutation import summary

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A figure and what belongs to it.

    Parameters
    ----------
    counted : array of bool, varying neuroid of all sessions
        Neuroids that the figure speaks of.
    excluded : dict
        Reason -> how many neuroids.
    raw : Aggregate
        Over the neuroids that count, before any ceiling.
    ceiling : float or None
        Reliability c of those neuroids; None where any of them has none.
    value : float or None
        By the formula; None with a `reason`.
    interval : Interval or None
        None where there is no value.
    null : dict or None
        Permutation null, where it was asked for and there is a value.
    """

    counted: BoolArray
    excluded: dict[str, int]
    raw: Aggregate
    ceiling: float | None
    value: float | None
    reason: str | None
    interval: Interval | None
    null: dict[str, Any] | None


def judge(
    sessions: Sequence[Session], settings: Settings, *, formula: str, population: str
) -> Judged:
    """Judge held-out predictions by a formula.

    Parameters
    ----------
    sessions : sequence of Session
        Fitted.
    settings : Settings
        Protocol, floor, what the interval treats as random, permutation null.
    formula : str
        Of `stats.ceiling.FORMULAS`.
    population : str
        Of the neuroids: measures on the same neuroids draw them together if they give the same.

    Raises
    ------
    InputError
        A floor that no neuroid reaches; a permutation null within objects of stimuli without objects.
    """
    counted, left_out = _counted(sessions, settings.floor, formula)
    r = correlations(sessions)
    raw = aggregate(r[:, counted], protocol=settings.protocol)
    known = with_reliability(sessions)
    c = ceiling(sessions, counted) if known[counted].all() else None

    def value_of(drawn: FloatArray) -> FloatArray:
        total = AGGREGATES[settings.protocol](drawn)
        return ceiled(total, np.nan if c is None else c, formula=formula)

    value = float(value_of(r[:, counted]))
    reason = None if np.isfinite(value) else _no_ceiling(formula, c, sessions)
    constant = sum(int((~one.varying).sum()) for one in sessions)
    excluded = {
        "constant response": constant,
        "no correlation in any split": raw.n_excluded,
        **left_out,
    }
    ci = null = None
    if reason is None:
        ci = interval(
            sessions,
            counted,
            aggregate=AGGREGATES[settings.protocol],
            formula=formula,
            resample=settings.resample,
            seed=settings.seed,
            population=population,
        )
        if settings.null is not None:
            drawn = null_correlations(
                sessions, kind=settings.null, n_draws=settings.null_draws, seed=settings.seed
            )
            null = summary(value, value_of(drawn[:, :, counted]), kind=settings.null)
    return Judged(
        counted=counted,
        excluded={why: count for why, count in excluded.items() if count},
        raw=raw,
        ceiling=c,
        value=value if reason is None else None,
        reason=reason,
        interval=ci,
        null=null,
    )


def _counted(
    sessions: Sequence[Session], floor: float | None, formula: str
) -> tuple[BoolArray, dict[str, int]]:
    """Neuroids that count, and why others do not."""
    known = with_reliability(sessions)
    if floor is not None:
        return _above(floor, reliabilities(sessions), without_reliability(sessions))
    # A formula with a ceiling speaks of the sites that have one.
    if not known.any() or formula == "raw":
        return np.full(len(known), True), {}
    unknown = without_reliability(sessions)
    return known, {f"{why}, so no {formula}": n for why, n in unknown.items()}


def _above(
    floor: float, reliability: FloatArray, unknown: dict[str, int]
) -> tuple[BoolArray, dict[str, int]]:
    n, n_unknown = len(reliability), sum(unknown.values())
    counted = reliability >= floor  # NaN is not
    if not counted.any():
        best = np.nanmax(reliability, initial=-np.inf)
        none = f", {n_unknown} have no reliability ({'; '.join(unknown)})" if unknown else ""
        most = f"; the most reliable has {best:.3f}" if np.isfinite(best) else ""
        raise InputError(
            f"a floor of {floor}: none of {n} sites is that reliable{none}{most}",
            allowed="a floor that some site with repeated trials reaches",
            todo="give a lower --floor, or leave it away",
        )
    return counted, {
        f"reliability below {floor}": n - n_unknown - int(counted.sum()),
        **{f"{why}, so no reliability": count for why, count in unknown.items()},
    }


def _no_ceiling(formula: str, c: float | None, sessions: Sequence[Session]) -> str:
    if c is None:
        halved = [why for why in without_reliability(sessions) if why != NOT_REPEATED]
        if halved:
            return f"no ceiling, so no {formula}: {'; '.join(halved)}"
        return f"no ceiling: {formula} needs repeated trials, and only their mean is there"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable was measured, no {formula}"
