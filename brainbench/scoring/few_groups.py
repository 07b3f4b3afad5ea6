"""Interval of a value over images that belong to few groups, such as films: a jackknife over the groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainbench.core.settings import Settings
from brainbench.metrics.array_types import FloatArray
from brainbench.scoring.interval_and_null import N_DRAWS, joint_draws, value_interval
from brainbench.scoring.measure import Evaluation, finite
from brainbench.stats.bootstrap import (
    FEWEST_DRAWN,
    FEWEST_GROUPS,
    Interval,
    central_width,
    jackknife,
)
from brainbench.stats.ceiling import FORMULAS


def score_interval(
    evaluation: Evaluation, settings: Settings, value: float, *, n_draws: int = N_DRAWS
) -> Interval | None:
    """Return the 95 % interval around a value: by draws, or by a jackknife over few groups of images.

    None where the user asks for units and there are none, or there are too few groups.
    """
    groups = few_groups(evaluation)
    if groups is None or settings.resample == "units" or evaluation.by_definition:
        return value_interval(evaluation, settings, value, n_draws=n_draws)
    return _over_groups(evaluation, groups, settings, value, n_draws=n_draws)


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
    *,
    n_draws: int,
) -> Interval | None:
    """Return the jackknife interval over few groups of images; units are drawn as always, beside it."""
    without = evaluation.figure(1 - np.stack(list(groups.values())))
    resampling, further, n = evaluation.resampling, 0.0, len(groups)
    draws_units = settings.resample == "both" and resampling.units is not None
    if draws_units:
        drawn = joint_draws(evaluation, "units", n_draws=n_draws, seed=settings.seed)
        further = central_width(drawn.joint["units"]) / 2
    left = np.broadcast_to(without.value(evaluation.formula), n)
    ends = jackknife(left, value, further=further)
    if ends is None:
        return None
    least, most = FORMULAS[evaluation.formula].bounds
    ends = max(ends[0], least), min(ends[1], most)
    units = f" and {resampling.words['units']}" if draws_units else ""
    method = f"jackknife of {n} groups of images{units}, t with {n - 1} degrees of freedom"
    figure = evaluation.figure()
    return Interval(
        *ends,
        ", ".join(filter(None, [method, resampling.remark])),
        0,
        ceiling=jackknife(np.broadcast_to(without.ceilings(), n), float(figure.ceilings()[0])),
        judged=_judged(without.judged_parts(), figure.judged_parts(), n),
        n_groups=n,
    )


def _judged(
    without: FloatArray | None, parts: FloatArray | None, n_groups: int
) -> FloatArray | None:
    """Return the jackknife interval of each part of a ceiling, (low, high) x part, NaN where none is."""
    if without is None or parts is None:
        return None
    left = np.broadcast_to(without, (n_groups, without.shape[1]))
    ends = [jackknife(of_part, float(c)) for of_part, c in zip(left.T, parts[0], strict=True)]
    return np.array([(np.nan, np.nan) if end is None else end for end in ends]).T
