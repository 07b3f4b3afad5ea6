"""One unit of a model for each neuroid: the unit that correlates best over the training stimuli.

References
----------
Brain-Score 2.4.2, `neuron_to_neuron`; Arend et al. 2018 and Khosla & Williams 2023 discuss such
one-to-one maps, which ask whether single units, not subspaces, are similar.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.correlation import unit_length
from brainbench.metrics.features import Features, Split, center_columns, column_chunks
from brainbench.metrics.linear.folds import center, check_responses, check_split


def cross_predict(features: Features, Y: AnyArray, splits: Iterable[Split]) -> list[FloatArray]:
    """Predict the held-out responses of every split by the best single feature for each neuroid.

    Parameters
    ----------
    features : array, stimulus x feature, or function
        Features, or a function that returns chunks of their columns, which is called once.
    Y, splits
        See `pls.cross_predict`.

    Returns
    -------
    list of array, held-out stimulus x neuroid
        One array per split: the values of the feature with the highest Pearson r over the training
        stimuli, the first where several are. They are not scaled to the responses: evaluate them by a
        correlation. A negative correlation is never a good one, as in Brain-Score. 0 where a neuroid, or
        all features, are constant over the training stimuli.

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
    search: _Search | None = None
    for first, chunk in column_chunks(features):
        search = search or _Search(len(chunk), Y, splits)
        # The check for NaN and inf names the feature and the stimulus.
        X = center_columns(chunk, first_feature=first)
        for k in range(len(search.splits)):
            search.compare(k, X, chunk)
    return search.predictions if search else []


class _Search:
    """The best feature of each neuroid so far, in each split."""

    def __init__(self, n: int, Y: AnyArray, splits: Iterable[Split]) -> None:
        responses = check_responses(Y, n)
        self.splits = [check_split(split, n, least=2) for split in splits]
        self.targets = [unit_length(center(responses[train])[0]) for train, _ in self.splits]
        self.best = [np.full(Y.shape[1], -np.inf) for _ in self.splits]
        self.predictions = [np.zeros((len(test), Y.shape[1])) for _, test in self.splits]

    def compare(self, k: int, X: FloatArray, raw: AnyArray) -> None:
        """Compare a chunk of features, centered and raw, with the best so far in split k."""
        train, test = self.splits[k]
        r = unit_length(center(X[train])[0]).T @ self.targets[k]
        r[np.ptp(X[train], axis=0) == 0] = -np.inf
        winner = r.argmax(axis=0)
        highest = r[winner, np.arange(r.shape[1])]
        better = (highest > self.best[k]) & self.targets[k].any(axis=0)
        self.best[k] = np.where(better, highest, self.best[k])
        self.predictions[k][:, better] = raw[np.ix_(test, winner[better])]
