"""Whether a ceiling is above 0, the same for all measures: nothing is divided by what may be noise alone.

A ceiling that is positive by chance makes any value, r / sqrt(c) of .63 at c = .002. It counts where the
lower end of its 95 % interval, in the draws of the score, is above 0; where a value is a mean over parts with
a ceiling each, such as time bins, that of each part that counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brainbench.core.settings import Settings
from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.scoring.interval_and_null import value_interval
from brainbench.scoring.measure import Evaluation, Figure
from brainbench.stats.bootstrap import Interval


@dataclass(frozen=True, kw_only=True)
class JudgedCeiling:
    """Interval of a ceiling, and why nothing may be divided by it."""

    ci: tuple[float, float] | None  # of the mean over the parts that count
    why_not: str = ""  # empty where it is above 0


def judge_ceiling(
    evaluation: Evaluation,
    figure: Figure,
    settings: Settings,
    drawn: Interval | None,
    *,
    missing: str | None = None,
) -> JudgedCeiling | None:
    """Return the interval of the ceiling of a score, and whether it is above 0.

    None where nothing is divided by a ceiling. `drawn` is the interval of the score; where the user asks for
    one over units that do not exist, images are drawn for the ceiling alone. `missing` is why the score has
    no value.
    """
    if evaluation.formula == "raw" or evaluation.by_definition:
        return None
    if missing is not None:
        parts = figure.judged_parts()
        is_below = parts is not None and _below(parts[0], figure).any()
        return JudgedCeiling(ci=None, why_not=missing) if is_below else None
    if drawn is None:
        value = float(figure.value(evaluation.formula)[0])
        drawn = value_interval(evaluation, replace(settings, resample="images"), value)
    if drawn is None or drawn.judged is None:
        return None
    low, high = drawn.judged
    below = _below(low, figure)
    if not below.any():
        return JudgedCeiling(ci=drawn.ceiling)
    worst = int(np.flatnonzero(below)[np.argmin(low[below])])
    return JudgedCeiling(
        ci=drawn.ceiling,
        why_not=(
            f"the ceiling c = {figure.mean_ceiling():.3f} is not above 0: the 95 % interval of "
            f"{evaluation.describe_judged(below)} is {low[worst]:.3f} to {high[worst]:.3f}, "
            f"no {evaluation.formula}"
        ),
    )


def _below(reliability: FloatArray, figure: Figure) -> BoolArray:
    """Return the parts that count whose reliability is not above 0."""
    below = reliability <= 0
    if figure.judged is None and figure.weights is not None:
        below = below & (figure.weights[0] > 0)
    return np.asarray(below)
