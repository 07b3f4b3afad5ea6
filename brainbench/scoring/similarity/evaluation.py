"""Similarity of a model's layers and a brain over sets of images: figure, ceiling and draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.layer_selection import Choice
from brainbench.scoring.similarity.representations import Likeness, Representation
from brainbench.scoring.similarity.target import Represented
from brainbench.stats.bootstrap import Interval, interval
from brainbench.stats.ceiling import ceiled, spearman_brown

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """The model's side, and on which images it is compared.

    Parameters
    ----------
    models : list of Representation
        One for each candidate.
    parts : list of array of int
        Images whose pairs are compared: all, those held out of each fold, or random sets.
    choice : Choice
        The candidate of each part.
    """

    models: list[Representation]
    parts: list[IntArray]
    choice: Choice

    def chosen(self) -> list[tuple[IntArray, Representation]]:
        """Each part with the representation that was chosen for it."""
        return [
            (rows, self.models[k])
            for rows, k in zip(self.parts, self.choice.best.tolist(), strict=True)
        ]


def choose(
    likeness: Likeness,
    models: Sequence[Representation],
    subjects: Sequence[Representation],
    training: Sequence[IntArray],
) -> Choice:
    """For each fold the candidate most alike over the pairs of its training images."""
    scores = np.array(
        [[_mean(likeness, rows, model, subjects) for model in models] for rows in training]
    )
    best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
    return Choice(best=best, scores=scores)


def _mean(
    likeness: Likeness, rows: IntArray, model: Representation, subjects: Sequence[Representation]
) -> float:
    """Mean over subjects of the similarity within some images."""
    mine = likeness.part(model, rows)
    return float(np.mean([likeness.value(mine, likeness.part(one, rows)) for one in subjects]))


# --- figures ---------------------------------------------------------------------------------------


def values_of(
    likeness: Likeness, compared: Compared, subjects: Sequence[Representation]
) -> FloatArray:
    """Mean over subjects, one for each part."""
    return np.array([_mean(likeness, rows, one, subjects) for rows, one in compared.chosen()])


def draws_of(
    likeness: Likeness,
    compared: Compared,
    subjects: Sequence[Representation],
    counts: FloatArray,
) -> FloatArray:
    """The same over drawn images: mean over parts and subjects, one for each draw."""
    drawn = []
    for rows, model in compared.chosen():
        mine, some = likeness.part(model, rows), counts[:, rows]
        each = [likeness.draws(mine, likeness.part(one, rows), some) for one in subjects]
        drawn.append(np.mean(each, axis=0))
    return nan_mean(np.array(drawn), axis=0)


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What the similarity is related to.

    Parameters
    ----------
    value : float
        Split-half reliability of the brain's representation, Spearman-Brown corrected, or the lower bound
        of the noise ceiling over subjects.
    draws : array or None
        The same in each draw, where they were asked for.
    """

    value: float
    draws: FloatArray | None


def ceiling_of(
    likeness: Likeness, compared: Compared, brain: Represented, counts: FloatArray | None
) -> Ceiling | None:
    """Ceiling over the same images; None where the brain has neither trials nor several subjects.

    Parameters
    ----------
    likeness, compared, brain
        What was compared, and by what.
    counts : array, draw x image, or None
        How often each image is drawn, where the ceiling of each draw is asked for.
    """
    if brain.halves:
        one, other = zip(*brain.halves, strict=True)
        return _between(likeness, compared.parts, one, other, counts, correct=spearman_brown)
    if brain.others:
        return _between(likeness, compared.parts, brain.subjects, brain.others, counts)
    return None


def _between(
    likeness: Likeness,
    parts: Sequence[IntArray],
    ones: Sequence[Representation],
    others: Sequence[Representation],
    counts: FloatArray | None,
    *,
    correct: Callable[[FloatArray], FloatArray] = np.asarray,
) -> Ceiling:
    """Mean similarity of pairs of representations over the same images as the score."""

    def compare(one: Representation, other: Representation) -> tuple[float, FloatArray | None]:
        pairs = [(likeness.part(one, rows), likeness.part(other, rows)) for rows in parts]
        value = float(np.mean([likeness.value(a, b) for a, b in pairs]))
        if counts is None:
            return value, None
        each = [
            likeness.draws(a, b, counts[:, rows]) for (a, b), rows in zip(pairs, parts, strict=True)
        ]
        return value, nan_mean(np.array(each), axis=0)

    # Draws of ranks are the cost, and numpy lets other threads work meanwhile.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(compare, ones, others))
    values = [value for value, _ in found]
    drawn = [each for _, each in found if each is not None]
    return Ceiling(
        value=float(np.mean(correct(np.array(values)))),
        draws=np.mean(correct(np.array(drawn)), axis=0) if drawn else None,
    )


def interval_of(
    likeness: Likeness,
    compared: Compared,
    brain: Represented,
    counts: FloatArray,
    ceiling: Ceiling | None,
    *,
    formula: str,
    seed: int,
    value: float,
) -> Interval:
    """Interval over images, related to the ceiling of each draw, and centered on the value."""
    raw = draws_of(likeness, compared, brain.subjects, counts)
    c = np.nan if ceiling is None or ceiling.draws is None else ceiling.draws
    what = "images, identical pairs dropped" if likeness.metric != "cka-biased" else "images"
    return interval(ceiled(raw, c, formula=formula), what=what, seed=seed, value=value)
