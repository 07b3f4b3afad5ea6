"""Interval and permutation null of a value, the same for all measures.

A measure supplies its figure for images and units that are drawn again, and for shuffled images
(`scoring.measure.Evaluation`); what is drawn, and how draws become an interval, is here and in `stats`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from brainbench.core.settings import Resample, Settings
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.measure import Evaluation, finite
from brainbench.stats.bootstrap import (
    FEWEST_DRAWN,
    FEWEST_GROUPS,
    Interval,
    central_width,
    crossed,
    image_counts,
    interval,
    jackknife,
    unit_counts,
)
from brainbench.stats.permutation import null_summary, shuffles

N_DRAWS = 1000


def value_interval(
    evaluation: Evaluation, settings: Settings, value: float, *, n_draws: int = N_DRAWS
) -> Interval | None:
    """Return the 95 % interval around a value; None where there is none, see `why_no_interval`.

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
    groups = few_groups(evaluation)
    if resample != "units" and groups is not None:
        return _over_groups(evaluation, groups, settings, value, resample, n_draws=n_draws)
    joint, c = joint_draws(evaluation, resample, n_draws=n_draws, seed=settings.seed)
    draws = joint[resample]
    if len(joint) > 1:
        draws = crossed(draws, images=joint["images"], units=joint["units"])
    grouped = any(one.groups is not None for one in evaluation.material.image_sets)
    together = "those of a group together" if grouped and resample != "units" else ""
    what = ", ".join(filter(None, [resampling.words[resample], together, resampling.remark]))
    made = interval(draws, what=what, seed=settings.seed, value=value)
    c = c[np.isfinite(c)]
    return replace(
        made,
        joint={kind: _rounded(column) for kind, column in joint.items()},
        ceiling=(float(np.percentile(c, 2.5)), float(np.percentile(c, 97.5))) if len(c) else None,
    )


def few_groups(evaluation: Evaluation) -> dict[str, FloatArray] | None:
    """Return which images are in each group, where there are too few groups to be drawn; None elsewhere.

    Images of all sets side by side, 1 or 0. Sets without groups are drawn image by image.
    """
    sets = evaluation.material.image_sets
    if all(image_set.groups is None for image_set in sets):
        return None
    names = np.concatenate([one.ids if one.groups is None else one.groups for one in sets])
    held_out = evaluation.held_out_images
    different = np.unique(names if held_out is None else names[held_out])
    if len(different) >= FEWEST_DRAWN:
        return None
    return {str(name): (names == name).astype(float) for name in different}


def why_no_interval(evaluation: Evaluation, settings: Settings) -> str | None:
    """Return why a value has no interval over images that belong to few groups; None where it has one."""
    groups = few_groups(evaluation)
    if groups is None or settings.resample == "units" or evaluation.by_definition:
        return None
    n = len(groups)
    if n < FEWEST_GROUPS:
        return f"none: {n} groups of images, at least {FEWEST_GROUPS} are needed"
    return f"none: {n} groups of images, and no value without one of them"


def figures_of_groups(evaluation: Evaluation) -> dict[str, Any]:
    """Return raw figure and value of each group of images by itself, where groups are few."""
    figures = {}
    for name, members in (few_groups(evaluation) or {}).items():
        figure = evaluation.figure(members[None])
        figures[name] = {
            "images": int(members.sum()),
            "raw": finite(figure.mean_raw()),
            "value": finite(figure.value(evaluation.formula)[0]),
        }
    return {"by_group": figures} if figures else {}


def _over_groups(
    evaluation: Evaluation,
    groups: dict[str, FloatArray],
    settings: Settings,
    value: float,
    resample: Resample,
    *,
    n_draws: int,
) -> Interval | None:
    """Return the jackknife interval over few groups of images; units are drawn as always, beside it."""
    without = evaluation.figure(1 - np.stack(list(groups.values())))
    resampling, further = evaluation.resampling, 0.0
    if resample == "both":
        joint, _ = joint_draws(evaluation, "units", n_draws=n_draws, seed=settings.seed)
        further = central_width(joint["units"]) / 2
    left = np.broadcast_to(without.value(evaluation.formula), len(groups))
    ends = jackknife(left, value, further=further)
    if ends is None:
        return None
    units = f" and {resampling.words['units']}" if resample == "both" else ""
    what = f"{len(groups)} groups of images{units}"
    method = f"jackknife of {what}, t with {len(groups) - 1} degrees of freedom"
    c = evaluation.figure().ceilings()[0]
    return Interval(
        *ends,
        ", ".join(filter(None, [method, resampling.remark])),
        0,
        ceiling=jackknife(np.broadcast_to(without.ceilings(), len(groups)), float(c)),
        n_groups=len(groups),
    )


def _rounded(draws: FloatArray) -> FloatArray:
    """Return draws to a 100,000th of their spread, so that a stored score stays small."""
    defined = draws[np.isfinite(draws)]
    # Of the central draws: a ceiling near zero makes a few arbitrarily large.
    spread = float(np.ptp(np.quantile(defined, [0.025, 0.975]))) if len(defined) else 0.0
    return draws if spread == 0 else np.round(draws, 5 - int(np.floor(np.log10(spread))))


def joint_draws(
    evaluation: Evaluation, resample: Resample, *, n_draws: int, seed: int
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return bootstrap draws of the value, and of its ceiling, with images, units or both drawn again.

    Where both are drawn and crossed, images alone and units alone come with them, draw by draw.
    """
    formula, size = evaluation.formula, evaluation.resampling.at_once
    units = evaluation.resampling.units
    blocks = [slice(start, start + size) for start in range(0, n_draws, size)]
    images = drawn_units = None
    if resample != "units":
        images = drawn_images(evaluation, n_draws=n_draws, seed=seed)
    if units is not None and resample != "images":
        drawn_units = unit_counts(
            units.n, n_draws=n_draws, seed=seed, name=units.population, ids=units.ids
        )
    over_both, over_images, over_units, ceilings = [], [], [], []
    for block in blocks:
        results = evaluation.over_images(None if images is None else images[block])
        counts = None if drawn_units is None else drawn_units[block]
        figure = evaluation.figure_of(results, counts)
        over_both.append(figure.value(formula))
        ceilings.append(np.broadcast_to(figure.ceilings(), over_both[-1].shape))
        if resample == "both" and units is not None and units.crossed:
            over_images.append(evaluation.figure_of(results, None).value(formula))
            over_units.append(evaluation.figure(None, counts).value(formula))
    columns: dict[str, list[FloatArray]] = {"images": over_images, "units": over_units}
    columns[resample] = over_both  # in place of an empty one where a single kind is drawn
    joint = {kind: np.concatenate(parts) for kind, parts in columns.items() if parts}
    return joint, np.concatenate(ceilings)


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
