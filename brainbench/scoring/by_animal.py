"""The figure of each animal and of each session, and over animals their mean with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainbench.core.score import FEWEST_ANIMALS
from brainbench.metrics.array_types import AnyArray
from brainbench.scoring.measure import Evaluation, finite
from brainbench.stats.bootstrap import jackknife

ANIMAL, SESSION = "animal", "session"
"""Coordinates along `neuroid` by which sites are told apart."""


def figures_by_animal(evaluation: Evaluation, population: str) -> dict[str, Any]:
    """Return the figures `by_animal`, `over_animals` and `by_session`; {} where sites have no such names.

    Each animal and session has `n_units`, `raw`, `ceiling` and `value`, None where there is none;
    `over_animals` is the unweighted mean of their values. `population` is the word for them: "animals",
    "people".
    """
    labels = evaluation.labels
    figures = {
        f"by_{kind}": _by_label(evaluation, labels[kind])
        for kind in (ANIMAL, SESSION)
        if kind in labels
    }
    if ANIMAL in labels:
        figures["over_animals"] = _over_animals(figures[f"by_{ANIMAL}"], population)
    return figures


def n_animals(evaluation: Evaluation) -> int | None:
    """Return the number of animals whose units count; None where the data does not say."""
    labels = evaluation.labels
    return len(np.unique(labels[ANIMAL])) if ANIMAL in labels else None


def _by_label(evaluation: Evaluation, names: AnyArray) -> dict[str, dict[str, Any]]:
    rows = {}
    different = np.unique(names)
    for name in different.tolist():
        chosen = names == name
        figure = evaluation.figure() if len(different) == 1 else evaluation.figure_of_units(chosen)
        rows[str(name)] = {
            "n_units": int(chosen.sum()),
            "raw": None if figure is None else finite(figure.mean_raw()),
            "ceiling": None if figure is None else finite(figure.mean_ceiling()),
            "value": None if figure is None else finite(figure.value(evaluation.formula)[0]),
        }
    return rows


def _over_animals(rows: dict[str, dict[str, Any]], population: str) -> dict[str, Any]:
    """Return the mean value over animals, with its jackknife interval from three animals on."""
    n = len(rows)
    values = np.array([np.nan if row["value"] is None else row["value"] for row in rows.values()])
    mean = float(values.mean())
    without = (values.sum() - values) / max(n - 1, 1)
    ends = jackknife(without, mean)
    if n < FEWEST_ANIMALS:
        how = f"none: {n} {population}, at least {FEWEST_ANIMALS} are needed"
    elif ends is None:
        how = f"none: one of the {population} has no value"
    else:
        how = f"jackknife of {n} {population}, t with {n - 1} degrees of freedom"
    return {
        "population": population,
        "n_animals": n,
        "mean": finite(mean),
        "ci": None if ends is None else list(ends),
        "ci_method": how,
    }
