"""Selection of a layer and step by cross-validation inside the training images of each split.

Each candidate is scored by the measure itself: the same map with the same options, median over neuroids of
the mean r over folds. Held-out rows are cut away before anything is computed, from features and responses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from brainbench.core import progress
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.scoring.layer_selection import FoldSelection, LayerCandidate
from brainbench.scoring.regression.linear_maps import (
    FeatureMap,
    LayerFeatures,
    rows_of,
)
from brainbench.stats.aggregate import mean_then_median
from brainbench.stats.splits import Split, inner

_THREADS = 4
"""Candidates that are scored at once; each takes some 100 MB."""


def select(
    candidates: Sequence[LayerCandidate],
    features: Sequence[LayerFeatures],
    Y: FloatArray,
    splits: Sequence[Split],
    linear_map: FeatureMap,
    *,
    ids: npt.ArrayLike,
    strata: AnyArray | None,
    groups: AnyArray | None = None,
    n_folds: int,
    seed: int,
    **labels: Any,
) -> FoldSelection:
    """Select a candidate for each split by cross-validation inside its training stimuli.

    Parameters
    ----------
    features : sequence of LayerFeatures
        One for each candidate. A Gram matrix is made once and shared by all splits and inner folds, which
        take their rows from it.
    Y : array, stimulus x neuroid
        Responses; held-out rows are not looked at.
    ids, strata, groups : array, stimulus
        What the inner folds depend on, are stratified by, and take as a whole.
    **labels
        See `FoldSelection.labels`.

    A candidate that predicts no neuroid in any fold is never taken before one that does. InputError for fewer
    training stimuli than the inner folds or the components need.
    """
    if len(candidates) == 1:
        return FoldSelection.of_one(candidates[0], len(splits), **labels)
    scores = np.full((len(splits), len(features)), np.nan)
    names = np.asarray(ids)
    label = f"choosing among {len(features)} layers and steps"
    with (
        progress.current().task(label, scores.size) as advance,
        _workers(linear_map) as parallel_map,
    ):
        for k, split in enumerate(splits):
            rows = split.train
            folds = inner(
                np.arange(len(rows)),
                names[rows],
                None if strata is None else strata[rows],
                groups=None if groups is None else groups[rows],
                n_splits=n_folds,
                seed=seed,
            )
            score = partial(
                _score,
                rows=rows,
                Y=Y[rows],
                folds=folds,
                linear_map=linear_map,
                groups=None if groups is None else groups[rows],
            )
            for j, inner_score in enumerate(parallel_map(score, features)):
                scores[k, j] = inner_score
                advance(1)
    return FoldSelection.by_scores(candidates, scores, **labels)


@contextlib.contextmanager
def _workers(linear_map: FeatureMap) -> Iterator[Callable[..., Iterator[float]]]:
    """Map over candidates, one thread each: faster than several threads within each small product."""
    import joblib

    threads = 1 if linear_map.one_thread else min(_THREADS, joblib.cpu_count())
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        yield pool.map


def _score(
    features: LayerFeatures,
    *,
    rows: IntArray,
    Y: FloatArray,
    folds: Sequence[Split],
    linear_map: FeatureMap,
    groups: AnyArray | None,
) -> float:
    """Return the score of a candidate over some rows, the only ones in `Y` and `folds`."""
    training_features = linear_map.within(rows_of(features, rows), folds)
    # A candidate that varies only over held-out stimuli predicts nothing here: no score, no error.
    r = linear_map.correlations(training_features, Y, folds, groups=groups)
    return float(mean_then_median(r))
