"""Training, validation and test images of models that are fitted to recordings (Zhang et al. 2020, C.3)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, IntArray
from brainbench.stats import splits

FEWEST_GROUPS: Final = 20
"""With fewer groups of images, such as films, one draw of a fifth of them says little: the folds rotate."""
_FIFTHS: Final = 5
_FEWEST_ROTATED: Final = 3


class FitSplit(NamedTuple):
    """Row numbers of the images that are fitted to, that decide when to stop, and that are held out."""

    train: IntArray
    validate: IntArray
    test: IntArray


def fit_splits(
    stimulus_ids: ArrayLike,
    objects: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    fraction: float = 1.0,
    seed: int = 0,
) -> list[FitSplit]:
    """Return one split of 64, 16 and 20 %, or rotated ones where there are few groups.

    Parameters
    ----------
    stimulus_ids, objects : array, stimulus
        As in `splits.paper`, of whose folds these are made.
    groups : array, stimulus, or None
        Stimuli of one group stay together. With fewer than 20 groups there is a split for each of five folds
        of the groups: it is held out, the next one validates, the others train. Of ten films, each is held
        out once, 6 train, 2 validate.
    fraction : float
        Of the training images that are used, at most 1; smaller sets are parts of larger ones.
    seed : int
        Of the splits.

    Raises
    ------
    InputError
        Too few images or groups, or a fraction that is not above 0 and at most 1, or leaves no image.

    Examples
    --------
    >>> (split,) = fit_splits([f"image{k:02d}" for k in range(50)])
    >>> [len(part) for part in split]
    [32, 8, 10]
    """
    if not 0 < fraction <= 1:
        raise InputError(
            f"a fraction of {fraction} of the training images",
            allowed="a number above 0, at most 1; .25, .5 and 1 in the paper",
            todo="give another fraction=",
        )
    ids = np.asarray(stimulus_ids)
    names = None if groups is None else np.asarray(groups)
    n_groups = len(ids) if names is None else len(np.unique(names))
    rotated = names is not None and n_groups < FEWEST_GROUPS
    _check_enough(len(ids), n_groups, rotated=rotated)
    n_folds = min(_FIFTHS, n_groups)
    folds = splits.paper(ids, objects, groups=names, n_splits=n_folds, seed=seed)
    if rotated:
        rotations = [_rotation(folds, k) for k in range(n_folds)]
        return [_thinned(one, ids, fraction, seed) for one in rotations]
    train, test = folds[0]
    own = splits.inner(train, ids, objects, groups=names, n_splits=_FIFTHS, seed=seed)[0]
    return [_thinned(FitSplit(own.train, own.test, test), ids, fraction, seed)]


def _rotation(folds: list[splits.Split], k: int) -> FitSplit:
    validate = folds[(k + 1) % len(folds)].test
    return FitSplit(np.setdiff1d(folds[k].train, validate), validate, folds[k].test)


def _thinned(split: FitSplit, ids: AnyArray, fraction: float, seed: int) -> FitSplit:
    """Return the split with a part of its training images, drawn by the seed among the sorted ids."""
    by_id = split.train[np.argsort(ids[split.train], kind="stable")]
    order = np.random.default_rng([seed, 64]).permutation(len(by_id))
    n = round(fraction * len(by_id))
    if n < 2:
        raise InputError(
            f"{n} training images: {fraction} of {len(by_id)}",
            allowed="a fraction that leaves at least 2",
            todo="give a larger fraction=",
        )
    return split._replace(train=np.sort(by_id[order[:n]]))


def _check_enough(n_images: int, n_groups: int, *, rotated: bool) -> None:
    grouped = n_groups < n_images
    fewest = _FEWEST_ROTATED if rotated else FEWEST_GROUPS if grouped else _FIFTHS**2
    what = "groups of images" if grouped else "images"
    if n_groups < fewest:
        raise InputError(
            f"{n_groups} {what} for a fit",
            allowed=f"at least {fewest}, for training, validation and test",
            todo="use a larger data set, or omit --limit",
        )
