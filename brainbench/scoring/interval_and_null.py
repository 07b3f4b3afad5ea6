"""Interval and permutation null of a value, the same for all measures.

A measure supplies its figure for images and units that are drawn again, and for shuffled images
(`scoring.measure.Evaluation`); what is drawn, and how draws become an interval, is here and in `stats`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from brainbench.core.settings import Resample, Settings
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.measure import Evaluation, Figure, Further
from brainbench.stats.bootstrap import Interval, crossed, image_counts, interval, unit_counts
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.permutation import null_summary, shuffles

N_DRAWS = 1000
Named: TypeAlias = dict[str, Further]
"""Figures of a block of draws by name; that of the score itself has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Bootstrap draws of a score, of its further figures, and of its ceiling."""

    joint: dict[str, FloatArray]  # of the score, by what was drawn
    further: dict[str, dict[str, FloatArray]]  # the same of each further figure, by its name
    ceiling: FloatArray  # draw
    judged: FloatArray  # draw x part, see `Figure.judged`; NaN without a ceiling


def value_interval(
    evaluation: Evaluation, settings: Settings, value: float, *, n_draws: int = N_DRAWS
) -> Interval | None:
    """Return the 95 % interval around a value by draws.

    None where the user asks for units and there are none. Images that belong to few groups are not drawn: see
    `few_groups.score_interval`.

    InputError where no draw has a value.
    """
    if evaluation.by_definition:
        method = f"{evaluation.by_definition}: 0 by definition, in every draw"
        zeros = np.zeros(n_draws)
        return Interval(0.0, 0.0, method, 0, zeros, {"images": zeros})
    resampling = evaluation.resampling
    if resampling.units is None and settings.resample == "units":
        return None
    resample = settings.resample if resampling.units is not None else "images"
    drawn = joint_draws(evaluation, resample, n_draws=n_draws, seed=settings.seed)
    grouped = any(one.groups is not None for one in evaluation.material.image_sets)
    together = "those of a group together" if grouped and resample != "units" else ""
    what = ", ".join(filter(None, [resampling.words[resample], together, resampling.remark]))
    made = _interval(
        drawn.joint,
        value,
        what=what,
        seed=settings.seed,
        bounds=FORMULAS[evaluation.formula].bounds,
    )
    low_and_high = [_percentiles(part) or (np.nan, np.nan) for part in drawn.judged.T]
    return replace(
        made,
        joint={kind: _rounded(column) for kind, column in drawn.joint.items()},
        ceiling=_percentiles(drawn.ceiling),
        judged=np.array(low_and_high).T,
        further=_further_intervals(evaluation, drawn, seed=settings.seed),
    )


def _further_intervals(
    evaluation: Evaluation, drawn: Draws, *, seed: int
) -> dict[str, tuple[float, float]]:
    """Return the interval of each further figure that has a value, and draws with one."""
    if not drawn.further:
        return {}
    intervals = {}
    for name, (observed, bounds) in evaluation.further(evaluation.over_images(None), None).items():
        joint = drawn.further[name]
        if np.isfinite(observed[0]) and all(np.isfinite(draws).any() for draws in joint.values()):
            made = _interval(joint, float(observed[0]), what=name, seed=seed, bounds=bounds)
            intervals[name] = (made.lo, made.hi)
    return intervals


def _interval(
    joint: dict[str, FloatArray],
    value: float,
    *,
    what: str,
    seed: int,
    bounds: tuple[float, float],
) -> Interval:
    """Return the interval of draws by what was drawn, the noise of single responses counted once."""
    if len(joint) > 1:
        draws = crossed(joint["both"], images=joint["images"], units=joint["units"])
    else:
        (draws,) = joint.values()
    return interval(draws, what=what, seed=seed, value=value, bounds=bounds)


def _percentiles(draws: FloatArray) -> tuple[float, float] | None:
    """Return the central 95 % of draws as they are; None where none has a value."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _rounded(draws: FloatArray) -> FloatArray:
    """Return draws to a 100,000th of their spread, so that a stored score stays small."""
    defined = draws[np.isfinite(draws)]
    # Of the central draws: a ceiling near zero makes a few arbitrarily large.
    spread = float(np.ptp(np.quantile(defined, [0.025, 0.975]))) if len(defined) else 0.0
    return draws if spread == 0 else np.round(draws, 5 - int(np.floor(np.log10(spread))))


def joint_draws(evaluation: Evaluation, resample: Resample, *, n_draws: int, seed: int) -> Draws:
    """Return bootstrap draws of the value, and of its ceiling, with images, units or both drawn again.

    Where both are drawn and crossed, images alone and units alone come with them, draw by draw.
    """
    size, units = evaluation.resampling.at_once, evaluation.resampling.units
    images = drawn_units = None
    if resample != "units":
        images = drawn_images(evaluation, n_draws=n_draws, seed=seed)
    if units is not None and resample != "images":
        drawn_units = unit_counts(
            units.n, n_draws=n_draws, seed=seed, name=units.population, ids=units.ids
        )
    blocks: dict[str, list[Named]] = {"images": [], "units": [], resample: []}
    ceilings, judged = [], []
    for start in range(0, n_draws, size):
        block = slice(start, start + size)
        results = evaluation.over_images(None if images is None else images[block])
        counts = None if drawn_units is None else drawn_units[block]
        named, figure = _named(evaluation, results, counts)
        blocks[resample].append(named)
        n = len(named[""].values)
        ceilings.append(np.broadcast_to(figure.ceilings(), n))
        parts = figure.judged_parts()
        parts = np.full((n, 1), np.nan) if parts is None else parts
        judged.append(np.broadcast_to(parts, (n, parts.shape[1])))
        if resample == "both" and units is not None and units.crossed:
            blocks["images"].append(_named(evaluation, results, None)[0])
            blocks["units"].append(_named(evaluation, evaluation.over_images(None), counts)[0])
    first = blocks[resample][0]
    by_name = {
        name: {
            kind: np.concatenate([named[name].values for named in drawn])
            for kind, drawn in blocks.items()
            if drawn
        }
        for name in first
    }
    return Draws(
        joint=by_name.pop(""),
        further=by_name,
        ceiling=np.concatenate(ceilings),
        judged=np.concatenate(judged),
    )


def _named(evaluation: Evaluation, results: Any, counts: FloatArray | None) -> tuple[Named, Figure]:
    """Return the value and further figures of results, and the figure that the value is of."""
    figure = evaluation.figure_of(results, counts)
    value = Further(figure.value(evaluation.formula))
    return {"": value, **evaluation.further(results, counts)}, figure


def drawn_images(evaluation: Evaluation, *, n_draws: int, seed: int) -> FloatArray:
    """Return how often each image is drawn, draw x image, sets side by side; those of a group together."""
    columns = []
    for image_set in evaluation.material.image_sets:
        if image_set.groups is None:
            columns.append(image_counts(image_set.ids, n_draws=n_draws, seed=seed))
            continue
        names, group = np.unique(image_set.groups, return_inverse=True)
        counts = image_counts(names.tolist(), n_draws=n_draws, seed=seed)
        columns.append(counts[:, group.ravel()])
    return np.concatenate(columns, axis=1)


def permutation_null(
    evaluation: Evaluation, settings: Settings, value: float
) -> dict[str, Any] | None:
    """Return the permutation null of a value; None where neither user nor measure asks for one."""
    kind = evaluation.own_null if settings.null is None else settings.null
    if kind is None or kind == "none":
        return None
    if evaluation.by_definition:
        return null_summary(value, np.zeros(settings.null_draws), kind=kind)
    orders = [
        shuffles(
            len(image_set.ids),
            kind=kind,
            objects=image_set.objects,
            groups=image_set.groups,
            n_draws=settings.null_draws,
            seed=settings.seed,
            name=image_set.name,
        )
        for image_set in evaluation.material.image_sets
    ]
    values = evaluation.shuffled(orders).value(evaluation.formula)
    null = null_summary(value, values, kind=kind)
    further = {
        name: null_summary(observed, draws, kind=kind)
        for name, (observed, draws) in evaluation.further_nulls(orders).items()
    }
    remark = evaluation.null_remark
    return null | ({"what": remark} if remark else {}) | ({"further": further} if further else {})
