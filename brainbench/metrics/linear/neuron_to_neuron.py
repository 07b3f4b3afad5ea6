"""One unit of a model for each neuroid: the one that correlates best over the training stimuli.

References
----------
Brain-Score 2.4.2, `neuron_to_neuron`; Arend et al. 2018 and Khosla & Williams 2023 discuss such
one-to-one maps, which ask whether single units, not subspaces, are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError
from brainbench.metrics.gram import as_features, center_columns
from brainbench.metrics.linear.folds import Split, center, check_responses, check_split

__all__ = ["Chunks", "cross_predict"]

FloatArray = NDArray[np.float64]
Chunks: TypeAlias = Callable[[], Iterable[NDArray[Any]]]
"""Makes an iterable of column chunks, stimulus x some features, anew each time it is called."""

_COLUMNS = 4096


def cross_predict(
    features: NDArray[Any] | Chunks, Y: NDArray[Any], splits: Iterable[Split]
) -> list[FloatArray]:
    """Predict the held-out responses of every split by the best single feature for each neuroid.

    Parameters
    ----------
    features : array, stimulus x feature, or function
        Features, or a function that gives chunks of their columns, which is called once.
    Y : array, stimulus x neuroid
        Responses, in the same order of stimuli.
    splits : iterable of (train, test)
        Row numbers of features and Y.

    Returns
    -------
    list of array, held-out stimulus x neuroid
        The values of the feature with the highest Pearson r over the training stimuli, one array per
        split. They are not scaled to the responses: judge them by a correlation. Of equals the first.
        A negative correlation is never taken for a good one, as in Brain-Score. A neuroid, or all
        features, constant over the training stimuli: 0.

    Raises
    ------
    InputError
        NaN or inf; shapes that do not match; a stimulus in train and test; fewer than two training
        stimuli; no features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 9))
    >>> Y = 2 * X[:, [4, 1]] + rng.standard_normal((40, 2))
    >>> (held_out,) = cross_predict(X, Y, [(np.arange(30), np.arange(30, 40))])
    >>> bool((held_out == X[30:][:, [4, 1]]).all())
    True
    """
    blocks = features() if callable(features) else [as_features(features)]
    search: _Search | None = None
    first = 0
    for block in blocks:
        checked = as_features(block)
        if search is None:
            search = _Search(len(checked), Y, splits)
        search.look_at(checked, first_feature=first)
        first += checked.shape[1]
    if search is None:
        raise InputError(
            "no features", allowed="at least one chunk", todo="choose a layer with outputs"
        )
    return search.found


class _Search:
    """The best feature of each neuroid so far, in each split."""

    def __init__(self, n: int, Y: NDArray[Any], splits: Iterable[Split]) -> None:
        responses = check_responses(Y, n)
        self.n = n
        self.splits = [check_split(split, n, least=2) for split in splits]
        self.targets = [_unit(center(responses[train])[0]) for train, _ in self.splits]
        self.best = [np.full(Y.shape[1], -np.inf) for _ in self.splits]
        self.found = [np.zeros((len(test), Y.shape[1])) for _, test in self.splits]

    def look_at(self, features: NDArray[Any], *, first_feature: int) -> None:
        if len(features) != self.n:
            raise InputError(
                f"a chunk of features with {len(features)} stimuli after one with {self.n}",
                allowed="chunks of columns that share their stimuli",
                todo="cut the features by columns (features), not by rows (stimuli)",
            )
        for start in range(0, features.shape[1], _COLUMNS):
            raw = features[:, start : start + _COLUMNS]
            # The check for NaN and inf names the feature and the stimulus.
            X = center_columns(raw, first_feature=first_feature + start)
            for k in range(len(self.splits)):
                self._compare(k, X, raw)

    def _compare(self, k: int, X: FloatArray, raw: NDArray[Any]) -> None:
        train, test = self.splits[k]
        r = _unit(center(X[train])[0]).T @ self.targets[k]
        r[np.ptp(X[train], axis=0) == 0] = -np.inf
        winner = r.argmax(axis=0)
        highest = r[winner, np.arange(r.shape[1])]
        better = (highest > self.best[k]) & self.targets[k].any(axis=0)
        self.best[k] = np.where(better, highest, self.best[k])
        self.found[k][:, better] = raw[np.ix_(test, winner[better])]


def _unit(centered: FloatArray) -> FloatArray:
    """Columns of length 1; a constant one stays 0."""
    largest = np.abs(centered).max(axis=0)
    scaled = centered / np.where(largest > 0, largest, 1.0)
    norm = np.linalg.norm(scaled, axis=0)
    return scaled / np.where(norm > 0, norm, 1.0)
