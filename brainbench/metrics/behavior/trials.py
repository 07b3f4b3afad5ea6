"""Trials of a subject that chooses between two objects: encoding, fractions correct, halves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Two-alternative choices as numbers, one entry per trial.

    Parameters
    ----------
    image, distractor : array of int, trial
        Rows of `images` and of `objects`.
    correct : array of bool, trial
        Whether the object that the image shows was chosen.
    truth : array of int, image
        Row of `objects` that each image shows.
    images, objects : tuple of str
        Names of the rows.
    """

    image: IntArray
    distractor: IntArray
    correct: BoolArray
    truth: IntArray
    images: tuple[str, ...]
    objects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image)


def encode(
    stimulus_id: ArrayLike,
    truth: ArrayLike,
    distractor: ArrayLike,
    choice: ArrayLike,
    *,
    images: Sequence[str] | None = None,
    objects: Sequence[str] | None = None,
) -> Trials:
    """Encode names of images and objects as numbers.

    Parameters
    ----------
    stimulus_id, truth, distractor, choice : array of str, trial
        Image, object that it shows, the other object on offer, and the object that was chosen.
    images, objects : sequence of str, optional
        Their order; sorted names of those that occur when not given. Objects may be without trials; every
        image needs a trial, which says what object it shows.

    Raises
    ------
    InputError
        No trial; columns of different lengths; None or NaN in place of a name; a distractor that is the
        truth; a choice that is neither; an image with two truths or without a trial; a name that is not
        among those given.

    Examples
    --------
    >>> trials = encode(["a", "a", "b"], ["cat", "cat", "dog"], ["dog", "dog", "cat"], ["cat", "dog", "dog"])
    >>> trials.correct.tolist(), trials.truth.tolist()
    ([True, False, True], [0, 1])
    """
    columns = {
        "stimulus_id": stimulus_id,
        "truth": truth,
        "distractor": distractor,
        "choice": choice,
    }
    lengths = {name: np.size(cast(Any, values)) for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or not lengths["choice"]:
        raise InputError(
            "trials with " + ", ".join(f"{n} {name}" for name, n in lengths.items()),
            allowed="one of each for every trial, and at least one trial",
            todo="take all columns from one table of trials",
        )
    check_no_gaps(columns)
    image_names, image = _codes(columns.pop("stimulus_id"), images, "stimulus_id")
    object_names = tuple(objects) if objects is not None else _all_names(columns.values())
    shown, other, chosen = (
        _codes(column, object_names, name)[1] for name, column in columns.items()
    )
    _check_choices(shown, other, chosen, object_names)
    return Trials(
        image=image,
        distractor=other,
        correct=chosen == shown,
        truth=_truths(image, shown, image_names, object_names),
        images=image_names,
        objects=object_names,
    )


def check_no_gaps(columns: Mapping[str, ArrayLike], *, what: str = "trials") -> None:
    """Refuse columns of names, all of one length, with None or NaN in place of a name.

    `what` names the rows in the InputError, which counts the missing names of each column.
    """
    gaps = {name: _missing(values) for name, values in columns.items()}
    counts = {name: int(gap.sum()) for name, gap in gaps.items() if gap.any()}
    if counts:
        several = ", ".join(f"{count} without {name}" for name, count in counts.items())
        column = next(iter(counts))
        raise InputError(
            f"{several} among {gaps[column].size} {what}, first in row {gaps[column].argmax()}",
            allowed=f"a name in each of {', '.join(columns)}",
            todo=f"omit these {what} (table.dropna(subset={list(counts)})), or set the names",
        )


def fraction_correct(trials: Trials, rows: AnyArray | None = None) -> FloatArray:
    """Return the share of trials in which the shown object was chosen, image x distractor.

    NaN without trials, and where the distractor is the object itself. `rows`, of int or bool, are the trials
    that count; all of them when not given.

    Examples
    --------
    >>> trials = encode(["a", "a", "b"], ["cat", "cat", "dog"], ["dog", "dog", "cat"], ["cat", "dog", "dog"])
    >>> fraction_correct(trials)
    array([[nan, 0.5],
           [1. , nan]])
    """
    right, count = cell_counts(trials, rows)
    return right / np.where(count > 0, count, np.nan)


def cell_counts(trials: Trials, rows: AnyArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Count the correct trials, and all trials, of each image and distractor: two arrays image x distractor.

    `rows`, of int or bool, are the trials that count; all of them when not given.
    """
    shape = len(trials.images), len(trials.objects)
    cell = trials.image * shape[1] + trials.distractor
    correct = trials.correct
    if rows is not None:
        cell, correct = cell[rows], correct[rows]
    count = np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64)
    right = np.bincount(cell, weights=correct, minlength=shape[0] * shape[1]).astype(np.float64)
    return right.reshape(shape), count.reshape(shape)


def halves(n_trials: int) -> list[tuple[IntArray, IntArray]]:
    """Draw two random pairs of halves of all trials as Brain-Score 2.4.2 does: (rows, rows) of each.

    They depend on the number of trials alone; the first half has floor(n / 2). Fewer than two trials are an
    InputError.

    Examples
    --------
    >>> [half.tolist() for half in halves(5)[0]]
    [[2, 0], [1, 3, 4]]
    """
    _check_halves(n_trials)
    # NumPy's legacy stream, seed 0, twice: Brain-Score's halves.
    random = np.random.RandomState(0)
    drawn = []
    for _ in range(2):
        order = np.arange(n_trials)
        random.shuffle(order)
        drawn.append((order[: n_trials // 2], order[n_trials // 2 :]))
    return drawn


def halves_of_cells(
    trials: Trials, *, n_splits: int = 10, seed: int = 0
) -> list[tuple[IntArray, IntArray]]:
    """Draw random halves of the trials of each image and distractor, so that both halves have every cell.

    Parameters
    ----------
    trials : Trials
        All trials.
    n_splits, seed : int
        Number of pairs of halves, and the seed of a numpy Generator.

    Returns
    -------
    list of (rows, rows)
        Of an odd number of trials, a random half has one more. A single trial is in one half only.

    Raises
    ------
    InputError
        Fewer than two trials.
    """
    _check_halves(len(trials))
    rng = np.random.default_rng(seed)
    cell = trials.image * len(trials.objects) + trials.distractor
    drawn = []
    for _ in range(n_splits):
        order = rng.permutation(len(cell))
        order = order[np.argsort(cell[order], kind="stable")]
        first = np.flatnonzero(np.diff(cell[order], prepend=-1))
        size = np.diff(first, append=len(order))
        start = np.repeat(first - rng.integers(2, size=len(first)), size)
        second = (np.arange(len(order)) - start) % 2 == 1
        drawn.append((order[~second], order[second]))
    return drawn


def _all_names(columns: Iterable[ArrayLike]) -> tuple[str, ...]:
    return tuple(sorted({str(name) for column in columns for name in pd.unique(_names(column))}))


def _codes(
    values: ArrayLike, known: Sequence[str] | None, column: str
) -> tuple[tuple[str, ...], IntArray]:
    """Return names in their order, and the row of each value among them."""
    dtype = values.dtype if isinstance(values, pd.Series) else getattr(values, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):  # encoded already: only the few names are looked up
        coded = values.cat if isinstance(values, pd.Series) else values
        codes, levels = np.asarray(cast(Any, coded).codes), dtype.categories.to_numpy(object)
        used = np.unique(codes)
    else:
        codes, levels = pd.factorize(_names(values))
        used = np.arange(len(levels))
    names = tuple(str(name) for name in (np.sort(levels[used]) if known is None else known))
    row_of = {name: row for row, name in enumerate(names)}
    unknown = [str(level) for level in levels[used] if str(level) not in row_of]
    if unknown:
        raise InputError(
            f"trials with the {column} {unknown[0]!r}",
            allowed="names among the images and objects that were given",
            todo="take trials and stimuli from the same data set",
        )
    rows = np.full(len(levels), -1, dtype=np.intp)
    rows[used] = [row_of[str(level)] for level in levels[used]]
    return names, rows[codes]


def _missing(values: ArrayLike) -> BoolArray:
    is_pandas = isinstance(values, pd.Series | pd.Categorical)  # pandas knows which are missing
    return np.asarray(pd.isna(cast(Any, values) if is_pandas else _names(values)))


def _names(values: ArrayLike) -> AnyArray:
    return np.asarray(values, dtype=object)


def _check_choices(
    shown: IntArray, other: IntArray, chosen: IntArray, objects: tuple[str, ...]
) -> None:
    same = np.flatnonzero(shown == other)
    neither = np.flatnonzero((chosen != shown) & (chosen != other))
    for rows, problem in ((same, "the distractor is the truth"), (neither, "neither was chosen")):
        if len(rows):
            first = rows[0]
            raise InputError(
                f"{len(rows)} trials where {problem}, first in row {first}: truth "
                f"{objects[shown[first]]}, distractor {objects[other[first]]}, "
                f"choice {objects[chosen[first]]}",
                allowed="a choice between the object that is shown and another",
                todo="omit these trials, or correct them",
            )


def _truths(
    image: IntArray, shown: IntArray, images: tuple[str, ...], objects: tuple[str, ...]
) -> IntArray:
    """Return the row of the object that each image shows."""
    truth = np.full(len(images), -1, dtype=np.intp)
    truth[image] = shown
    if (truth < 0).any():
        raise InputError(
            f"{int((truth < 0).sum())} images without a trial, first {images[int(np.argmin(truth))]!r}",
            allowed="at least one trial of every image, which says what object it shows",
            todo="give images= only those that have trials",
        )
    wrong = np.flatnonzero(truth[image] != shown)
    if len(wrong):
        row = wrong[0]
        both = f"{objects[shown[row]]} and {objects[truth[image[row]]]}"
        raise InputError(
            f"image {images[image[row]]!r} shows {both}",
            allowed="one object for every image",
            todo="give images of different objects different ids",
        )
    return truth


def _check_halves(n_trials: int) -> None:
    if n_trials < 2:
        raise InputError(
            f"{n_trials} trials to split into halves",
            allowed="at least two",
            todo="report the raw score: without repeated trials there is no ceiling",
        )
