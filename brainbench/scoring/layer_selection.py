"""Which layer, at which step, stands for a region: chosen inside the training images of each split.

A model whose areas are committed has one layer per region and nothing to choose but the step; any
other model offers all its layers. Each candidate is scored by cross-validation within the training
images of a split, and the best of them predicts the held-out images of that split. Held-out rows are
cut away before anything is computed, from features and responses alike.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from brainbench.core import progress
from brainbench.metrics.correlation import pearson
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.regression.linear_maps import Features, LinearMap, MapName, rows_of
from brainbench.stats.aggregate import aggregate
from brainbench.stats.splits import Split, inner

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
_THREADS = 4
"""Candidates that are scored at once; each takes some 100 MB."""
_SITES = 24
"""Sites that are fitted at once: their scores stay in a core's own memory."""


@dataclass(frozen=True, kw_only=True)
class Inner:
    """How candidates are compared: the paper's own measure, within the training images.

    Parameters
    ----------
    n_components : int
        Latent dimensions of the PLS1 map, as many as the map that the score is made by.
    n_folds : int
        Folds inside the training images.
    seed : int
        Which assignment of training images to these folds.
    solver : {"exact", "nipals"}
        See `cross_predict`.
    metric : str
        The map that the score is made by.
    """

    n_components: int = 25
    n_folds: int = 5
    seed: int = 0
    solver: Literal["exact", "nipals"] = "exact"
    metric: MapName = "pls"

    @property
    def map(self) -> LinearMap:
        """The map of the protocol `paper`."""
        return LinearMap(
            metric=self.metric, n_components=self.n_components, solver=self.solver, protocol="paper"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """The candidate of every split, and what it was chosen by.

    Parameters
    ----------
    best : array of int, shape (n_splits,)
        Number of the candidate.
    scores : array, shape (n_splits, n_candidates)
        Score inside the training images; NaN where there was nothing to choose, or nothing to score.
    """

    best: IntArray
    scores: FloatArray

    @classmethod
    def of_one(cls, n_splits: int) -> Choice:
        """No choice: one candidate for every split, without a score."""
        best = np.zeros(n_splits, dtype=np.intp)
        return cls(best=best, scores=np.full((n_splits, 1), np.nan))

    def predict(
        self, folds: Sequence[Split], by: Callable[[int, list[Split]], list[FloatArray]]
    ) -> list[FloatArray]:
        """Held-out predictions of each fold by its candidate: `by(candidate, its folds)`, in their order."""
        predicted: dict[int, FloatArray] = {}
        for chosen in sorted(set(self.best.tolist())):
            mine = np.flatnonzero(self.best == chosen).tolist()
            predicted.update(zip(mine, by(chosen, [folds[k] for k in mine]), strict=True))
        return [predicted[k] for k in range(len(folds))]

    def curve(self, offered: Sequence[Candidate]) -> list[dict[str, Any]]:
        """Every candidate with its score inside the training images: mean and spread over splits."""
        times = Counter(self.best.tolist())
        return [
            {
                "layer": one.layer,
                "step": one.step,
                "start_ms": one.span[0],
                "end_ms": one.span[1] if np.isfinite(one.span[1]) else None,
                "inner_mean": _figure(np.mean(self.scores[:, k])),
                "inner_sd": _figure(np.std(self.scores[:, k])),
                "chosen_in_folds": times[k],
            }
            for k, one in enumerate(offered)
        ]


def choose(
    features: Sequence[Features],
    Y: FloatArray,
    splits: Sequence[Split],
    *,
    ids: npt.ArrayLike,
    strata: npt.ArrayLike | None = None,
    how: Inner,
) -> Choice:
    """Choose a candidate for each split by cross-validation inside its training stimuli.

    Parameters
    ----------
    features : sequence of array (stimulus x feature), Gram or function
        One for each candidate, as `LinearMap.features_of` gives them. A Gram matrix is made once and
        shared by all splits and inner folds, which take their rows from it.
    Y : array, stimulus x neuroid
        Responses.
    splits : sequence of Split
        Training and held-out rows; held-out rows are not looked at.
    ids : array of str, stimulus
        Stimulus ids, which the inner folds depend on.
    strata : array, stimulus, optional
        Object shown in each stimulus: the inner folds are stratified by it.
    how : Inner
        Map, folds and seed.

    Returns
    -------
    Choice
        The first of equals. A candidate that predicts no neuroid in any fold is never taken before one
        that does.

    Raises
    ------
    InputError
        Fewer training stimuli than the inner folds or the components need.

    Notes
    -----
    The measure inside is that of the score (the same map with the same options, median over neuroids of
    the mean r over folds), so candidates x splits x folds maps are fitted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> good, bad = rng.standard_normal((2, 40, 5))
    >>> Y = good @ rng.standard_normal((5, 3))
    >>> splits = [Split(np.arange(30), np.arange(30, 40))]
    >>> ids = [f"image{k}" for k in range(40)]
    >>> choose([bad, good], Y, splits, ids=ids, how=Inner(n_components=3)).best.tolist()
    [1]
    """
    if len(features) == 1:
        return Choice.of_one(len(splits))
    scores = np.full((len(splits), len(features)), np.nan)
    names = np.asarray(ids)
    objects = None if strata is None else np.asarray(strata)
    label = f"choosing among {len(features)} layers and steps"
    with progress.current().task(label, scores.size) as advance, _workers(how) as work:
        for k, split in enumerate(splits):
            rows = split.train
            within = None if objects is None else objects[rows]
            folds = inner(
                np.arange(len(rows)), names[rows], within, n_splits=how.n_folds, seed=how.seed
            )
            score = partial(_score, rows=rows, Y=Y[rows], folds=folds, how=how)
            for j, one in enumerate(work(score, features)):
                scores[k, j] = one
                advance(1)
    return Choice(best=np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1), scores=scores)


@contextlib.contextmanager
def _workers(how: Inner) -> Iterator[Callable[..., Iterator[float]]]:
    """Map over candidates, one thread each: faster than several threads within each small product."""
    # scikit-learn's iteration runs with its warnings off, which only one thread may do at a time.
    threads = min(_THREADS, os.cpu_count() or 1) if how.solver == "exact" else 1
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        yield pool.map


def _score(
    features: Features,
    *,
    rows: IntArray,
    Y: FloatArray,
    folds: Sequence[Split],
    how: Inner,
) -> float:
    """Score of a candidate by cross-validation over some rows, the only ones in `Y` and `folds`."""
    mine = rows_of(features, rows)
    # What PLS1 keeps of each site is large, and stays in a core's own memory where sites are few.
    size = _SITES if how.metric == "pls" else Y.shape[1]
    r = np.concatenate(
        [
            _correlations(mine, Y[:, first : first + size], folds, how.map)
            for first in range(0, Y.shape[1], size)
        ],
        axis=1,
    )
    # A candidate that varies only over held-out stimuli predicts nothing here: no score, no error.
    return np.nan if np.isnan(r).all() else aggregate(r, protocol="paper").value


def _correlations(
    features: Features, Y: FloatArray, folds: Sequence[Split], how: LinearMap
) -> FloatArray:
    """R of held-out predictions, fold x neuroid."""
    predicted = how.predict(features, Y, folds)
    return np.stack([pearson(p, Y[fold.test]) for p, fold in zip(predicted, folds, strict=True)])


def _figure(value: np.floating[Any]) -> float | None:
    return float(value) if np.isfinite(value) else None
