"""Splits of the stimuli into training and held-out sets, by protocol.

All row numbers refer to the order in which `stimulus_ids` is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, IntArray


class Split(NamedTuple):
    """Row numbers of training and held-out stimuli."""

    train: IntArray
    test: IntArray


def paper(
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    n_splits: int = 10,
    seed: int = 0,
) -> list[Split]:
    """Return disjoint folds, stratified by object: every stimulus is held out once.

    Parameters
    ----------
    stimulus_ids : array of str, stimulus
        Unique. Folds depend on the sorted ids, not on the order of the rows.
    objects : array, stimulus, or None
        Object shown in each stimulus. None: folds at random.
    groups : array, stimulus, or None
        Stimuli of one group, such as copies of one picture, stay in one fold. A group counts as one
        stimulus: that of its first id, whose fold the others join. Where an object has fewer groups than
        there are folds, folds are not stratified.
    n_splits, seed : int
        Number of folds, at most that of the groups, and the seed of the assignment of stimuli to folds.

    Returns
    -------
    list of Split
        scikit-learn's StratifiedKFold(n_splits, shuffle=True, random_state=seed), or KFold, of
        the rows sorted by id. Kubilius et al. 2019, 3.1, state only "10-fold cross-validation".

    Raises
    ------
    InputError
        Repeated ids, lengths that differ, fewer than two folds or groups, or fewer stimuli (of some object)
        than folds.

    Examples
    --------
    >>> folds = paper(["d", "c", "b", "a"], ["cat", "cat", "dog", "dog"], n_splits=2)
    >>> [fold.test.tolist() for fold in folds]
    [[1, 2], [0, 3]]
    """
    ids, labels = _check(stimulus_ids, objects)
    if groups is not None:
        groups = np.asarray(groups)
        first, of_group = _first_of_groups(ids, labels, groups, needed=n_splits)
        n_splits = min(n_splits, len(first))
        folds_of_groups = paper(ids[first], of_group, n_splits=n_splits, seed=seed)
        return [
            Split(*(_members(part, first, groups) for part in fold)) for fold in folds_of_groups
        ]
    # scikit-learn takes a second to load: only where something is split.
    from sklearn.model_selection import KFold, StratifiedKFold

    _check_n_splits(n_splits)
    _check_enough(labels, len(ids), needed=n_splits, what=f"{n_splits} folds")
    order = np.argsort(ids, kind="stable")
    if labels is None:
        folds = KFold(n_splits, shuffle=True, random_state=seed).split(order)
    else:
        stratified = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
        folds = stratified.split(order, labels[order])
    return [Split(np.sort(order[train]), np.sort(order[test])) for train, test in folds]


def fold_sizes(n: int, n_splits: int) -> tuple[int, int]:
    """Return the fewest and the most stimuli that a fold of `paper` holds out of n."""
    return n // n_splits, -(-n // n_splits)


def brainscore(
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    order: ArrayLike | None = None,
    n_splits: int = 10,
    seed: int = 1,
) -> list[Split]:
    """Draw random overlapping splits as Brain-Score 2.4.2 does, 90 % for training.

    Parameters
    ----------
    stimulus_ids : array of str, stimulus
        Unique.
    objects : array, stimulus, or None
        `object_name`. None: not stratified, as Brain-Score without that coordinate.
    groups : array, stimulus, or None
        Stimuli that stay on one side, as in `paper`; Brain-Score knows none. A tenth of the groups is held
        out.
    order : array of int, or None
        Rows in the order of Brain-Score's target, on which the draw depends; None for the order given.
    n_splits, seed : int
        Brain-Score's are 10 and 1.

    Returns
    -------
    list of Split
        scikit-learn's StratifiedShuffleSplit(n_splits, train_size=.9, random_state=seed), or
        ShuffleSplit. Some stimuli are held out several times, some never.

    Raises
    ------
    InputError
        Repeated ids, lengths that differ, no split, an object with one stimulus, or fewer held-out
        stimuli than objects.

    Examples
    --------
    >>> splits = brainscore([f"image{i:02d}" for i in range(20)], ["cat", "dog"] * 10)
    >>> len(splits), len(splits[0].train), len(splits[0].test)
    (10, 18, 2)
    """
    drawn = _shuffled(
        stimulus_ids, objects, groups, order, n_splits, seed, nine_tenths_for="train_size"
    )
    return [Split(train, test) for train, test in drawn]


def tenth_sizes(n: int, n_splits: int) -> tuple[int, int]:
    """Return the fewest and the most stimuli that a split of `brainscore` holds out of n: the same."""
    held_out = n - int(0.9 * n)  # scikit-learn rounds the number of training rows down
    return held_out, held_out


def nine_tenths(
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    order: ArrayLike | None = None,
    n_splits: int = 10,
    seed: int = 1,
) -> list[IntArray]:
    """Draw random overlapping sets of 90 % of the stimuli, on which Brain-Score 2.4.2 compares RDMs.

    They are the test rows of scikit-learn's StratifiedShuffleSplit(n_splits, test_size=.9,
    random_state=seed), or of ShuffleSplit: nothing is fitted. See `brainscore` for parameters and errors.
    """
    drawn = _shuffled(
        stimulus_ids, objects, groups, order, n_splits, seed, nine_tenths_for="test_size"
    )
    return [test for _, test in drawn]


def left_out_sizes(n: int, n_splits: int) -> tuple[int, int]:
    """Return the fewest and the most stimuli that a set of `nine_tenths` leaves out of n: the same."""
    left_out = n - int(np.ceil(0.9 * n))  # scikit-learn rounds the number of test rows up
    return left_out, left_out


def _shuffled(
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None,
    groups: ArrayLike | None,
    order: ArrayLike | None,
    n_splits: int,
    seed: int,
    *,
    nine_tenths_for: Literal["train_size", "test_size"],
) -> list[tuple[IntArray, IntArray]]:
    """Draw training and test rows, stratified by objects where they are given."""
    ids, labels = _check(stimulus_ids, objects)
    _check_n_splits(n_splits, least=1)
    if groups is not None:
        groups = np.asarray(groups)
        first, of_group = _first_of_groups(ids, labels, groups, needed=10)
        drawn = _shuffled(
            ids[first], of_group, None, None, n_splits, seed, nine_tenths_for=nine_tenths_for
        )
        return [
            (_members(train, first, groups), _members(test, first, groups)) for train, test in drawn
        ]
    _check_enough(labels, len(ids), needed=2, what="a stratified split")
    n_objects = 1 if labels is None else len(np.unique(labels))
    if nine_tenths_for == "train_size":
        (n_small, _), fewest = tenth_sizes(len(ids), n_splits), 10 * n_objects - 9
    else:
        (n_small, _), fewest = left_out_sizes(len(ids), n_splits), 10 * n_objects
    if n_small < n_objects:
        raise InputError(
            f"{n_small} stimuli in the smaller part (10 % of {len(ids)})"
            + ("" if labels is None else f" for {n_objects} objects"),
            allowed=f"at least one{_of_each(labels)}: {fewest} stimuli or more",
            todo=f"use more images{_or_not_stratified(labels)}",
        )
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    options: dict[str, Any] = {nine_tenths_for: 0.9, "random_state": seed}
    rows = np.arange(len(ids)) if order is None else np.asarray(order, dtype=np.intp)
    if labels is None:
        drawn = ShuffleSplit(n_splits, **options).split(rows)
    else:
        drawn = StratifiedShuffleSplit(n_splits, **options).split(rows, labels[rows])
    return [(rows[train], rows[test]) for train, test in drawn]


def inner(
    train: ArrayLike,
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    n_splits: int = 5,
    seed: int = 0,
) -> list[Split]:
    """Return `paper` folds within the training stimuli of one split, to select a layer or a time step.

    Parameters
    ----------
    train : array of int
        Training rows of the outer split; no other row is used. With groups, two of them at least.
    stimulus_ids, objects, groups, n_splits, seed
        See `paper`; ids, objects, groups and the rows of the folds are those of all stimuli.

    Examples
    --------
    >>> ids = [f"image{i}" for i in range(8)]
    >>> folds = inner([0, 2, 4, 6], ids, n_splits=2)
    >>> sorted(row for fold in folds for row in fold.test.tolist())
    [0, 2, 4, 6]
    """
    rows = np.asarray(train, dtype=np.intp)
    ids, labels = _check(stimulus_ids, objects)
    folds = paper(
        ids[rows],
        None if labels is None else labels[rows],
        groups=None if groups is None else np.asarray(groups)[rows],
        n_splits=n_splits,
        seed=seed,
    )
    return [Split(rows[fold.train], rows[fold.test]) for fold in folds]


def _check(stimulus_ids: ArrayLike, objects: ArrayLike | None) -> tuple[AnyArray, AnyArray | None]:
    ids = np.asarray(stimulus_ids).ravel()
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise InputError(
            f"stimulus_id {_shown(unique[counts > 1])} more than once",
            allowed="one row per stimulus",
            todo="average over repetitions first, and rename stimuli that share an id",
        )
    if objects is None:
        return ids, None
    labels = np.asarray(objects)
    if labels.shape != ids.shape:
        raise InputError(
            f"{labels.size} objects for {ids.size} stimuli",
            allowed="one object per stimulus, or objects=None",
            todo="take both from the stimulus axis of the same assembly",
        )
    return ids, labels


def _first_of_groups(
    ids: AnyArray, labels: AnyArray | None, groups: AnyArray, *, needed: int
) -> tuple[IntArray, AnyArray | None]:
    """Return the row of the first id, sorted, of each group, in the order of the rows, and its object.

    No objects where one of them has fewer groups than are `needed` to stratify by it.
    """
    if groups.shape != ids.shape:
        raise InputError(
            f"{groups.size} groups for {ids.size} stimuli",
            allowed="one group per stimulus, or groups=None",
            todo="take both from the same stimulus set",
        )
    order = np.argsort(ids, kind="stable")
    first = np.sort(order[np.unique(groups[order], return_index=True)[1]])
    if len(first) < 2:
        raise InputError(
            f"{len(first)} group of {len(ids)} stimuli",
            allowed="two groups or more: whole groups are held out",
            todo="choose other groups, or none",
        )
    if labels is None or np.unique(labels[first], return_counts=True)[1].min() < needed:
        return first, None
    return first, labels[first]


def _members(part: IntArray, first: IntArray, groups: AnyArray) -> IntArray:
    """Return the rows of all members of groups, of which `first[part]` are the first ones."""
    return np.flatnonzero(np.isin(groups, groups[first[part]]))


def _check_n_splits(n_splits: int, *, least: int = 2) -> None:
    if n_splits < least:
        raise InputError(
            f"n_splits = {n_splits}",
            allowed=f"{least} or more",
            todo="omit n_splits to keep its default",
        )


def _check_enough(labels: AnyArray | None, n: int, *, needed: int, what: str) -> None:
    """Raise where some object, or the whole set, has fewer stimuli than needed."""
    if labels is None:
        names, counts = ["the stimulus set"], [n]
    else:
        names, counts = (column.tolist() for column in np.unique(labels, return_counts=True))
    few = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < needed]
    if few:
        raise InputError(
            f"too few stimuli for {what}: {_shown(few)}",
            allowed=f"at least {needed} stimuli{_of_each(labels)}",
            todo=f"use more images or fewer splits{_or_not_stratified(labels)}",
        )


def _of_each(labels: AnyArray | None) -> str:
    return "" if labels is None else " of each object"


def _or_not_stratified(labels: AnyArray | None) -> str:
    return "" if labels is None else ", or objects=None for splits that are not stratified"


def _shown(names: Sequence[Any] | AnyArray) -> str:
    shown = ", ".join(str(name) for name in names[:5])
    return shown + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
