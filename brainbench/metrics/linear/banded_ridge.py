"""Banded ridge regression: several feature spaces, a penalty for each, exact, from Gram matrices.

With the penalties a / s_k of spaces of equal variance, the prediction depends on the features only through
K = sum_k s_k K_k: ridge regression with penalty a on a mixture of the spaces. Shares s and penalty a are
chosen for each neuroid by the squared error on each training stimulus, or group of them, when it is left out.

References
----------
Nunez-Elizalde, Huth & Gallant 2019 (doi 10.1016/j.neuroimage.2019.04.012); Dupre la Tour, Eickenberg,
Nunez-Elizalde & Gallant 2022 (doi 10.1016/j.neuroimage.2022.119728), whose himalaya draws the shares of three
or more spaces as is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import EPS, Split
from brainbench.metrics.gram import Gram
from brainbench.metrics.linear import ridge
from brainbench.metrics.linear.folds import check_responses, check_split

RATIOS: FloatArray = np.logspace(-3, 3, 13)
"""Shares of the first of two spaces over that of the second."""
RANDOM_MIXTURES = 40
"""Mixtures of three or more spaces that are drawn."""


@dataclass(frozen=True)
class BandedFit:
    """Held-out predictions and mixtures of one split.

    Attributes
    ----------
    predicted : array, held-out stimulus x neuroid
        Rows in the order of the split's `test`.
    shares : array, neuroid x space
        Share of each space, which sum to 1: a space with share s has the penalty a / s, one with 0 is unused.
    """

    predicted: FloatArray
    shares: FloatArray


def mixtures(n_spaces: int, *, seed: int = 0) -> FloatArray:
    """Return the shares of the spaces that are tried, mixture x space.

    Each space alone; of two spaces 13 ratios of their shares, .001 to 1,000; of more all alike, those of all
    but the first, and 40 draws from Dirichlet distributions of concentration .1 and 1.

    Examples
    --------
    >>> mixtures(1), mixtures(2).shape, mixtures(3).shape
    (array([[1.]]), (15, 2), (57, 3))
    """
    alone = np.eye(n_spaces)
    if n_spaces < 2:
        return alone
    if n_spaces == 2:
        first = RATIOS / (1 + RATIOS)
        return np.concatenate([alone, np.column_stack([first, 1 - first])])
    rng = np.random.default_rng(seed)
    drawn = [
        rng.dirichlet(np.full(n_spaces, concentration), RANDOM_MIXTURES // 2)
        for concentration in (0.1, 1.0)
    ]
    others = mixtures(n_spaces - 1, seed=seed)
    without_first = np.column_stack([np.zeros(len(others)), others])
    everything = np.full((1, n_spaces), 1 / n_spaces)
    return np.concatenate([alone[:1], without_first, everything, *drawn])


def cross_fit(
    spaces: Sequence[Gram],
    Y: AnyArray,
    splits: Iterable[Split],
    *,
    groups: AnyArray | None = None,
    seed: int = 0,
) -> list[BandedFit]:
    """Fit banded ridge regression to the training stimuli of every split, and predict the held-out ones.

    Parameters
    ----------
    spaces : sequence of Gram
        Inner products of the features of each space.
    Y : array, stimulus x neuroid
        Responses, in the same order of stimuli.
    splits : iterable of (train, test)
        Row numbers.
    groups : array, stimulus, optional
        Stimuli that are left out together; see `ridge.cross_fit`.
    seed : int
        Seed of the mixtures of three or more spaces.

    Returns
    -------
    list of BandedFit
        One per split. Each space is scaled to the same total variance over the training stimuli; its
        penalties are the 25 of `ridge.RELATIVE` over its share. Of equally good mixtures the first.

    Raises
    ------
    InputError
        No space, spaces of different numbers of stimuli, and as in `ridge.cross_fit`.
    """
    sizes = [space.n_stimuli for space in spaces]
    if len(set(sizes)) != 1:
        raise InputError(
            f"feature spaces of {', '.join(map(str, sizes)) or 'no'} stimuli",
            allowed="one or more spaces of the same stimuli",
            todo="make a Gram matrix of each space for the same stimuli",
        )
    responses = check_responses(Y, sizes[0])
    tried = mixtures(len(spaces), seed=seed)
    checked = [check_split(split, sizes[0], least=2) for split in splits]
    return [_fit(spaces, responses, split, tried, groups) for split in checked]


def _fit(
    spaces: Sequence[Gram],
    Y: FloatArray,
    split: Split,
    tried: FloatArray,
    groups: AnyArray | None,
) -> BandedFit:
    scaled = [_scaled(space.K, split[0]) for space in spaces]
    predicted = np.zeros((len(split[1]), Y.shape[1]))
    shares = np.zeros((Y.shape[1], len(spaces)))
    least = np.full(Y.shape[1], np.inf)
    n_features = sum(space.n_features for space in spaces)
    for mixture in tried:
        K = np.tensordot(mixture, scaled, axes=1)
        (fit,) = ridge.cross_fit(
            Gram(K, n_features),
            Y,
            [split],
            penalties=ridge.RELATIVE,
            relative=True,
            per_neuroid=True,
            groups=groups,
        )
        better = fit.left_out < least
        predicted[:, better] = fit.predicted[:, better]
        shares[better] = mixture
        least = np.where(better, fit.left_out, least)
    return BandedFit(predicted, shares)


def _scaled(K: FloatArray, train: IntArray) -> FloatArray:
    """Return inner products of features whose total variance over the training stimuli is 1.

    All 0 where the features do not vary over them by more than rounding.
    """
    inner = K[np.ix_(train, train)]
    total = float(np.trace(inner) - inner.sum() / len(train)) / (len(train) - 1)
    return K / total if total > EPS * np.trace(K) else np.zeros_like(K)
