"""Concordance of solution times, unsolved images among them: do two sides solve images in the same order.

A rank correlation over the images that both sides solve says nothing about those that one side never solves:
a model that solves two images in a hundred, in the right order, has a correlation of 1. Here an image that
is not solved in the time that was looked at is censored: it is later than every solved one. C is the share
of pairs of images in the same order (Harrell et al. 1982, doi 10.1001/jama.1982.03320430047030), D = 2C - 1.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.reductions import draw_counts

N_STRATA = 10


def concordance(
    model: AnyArray,
    brain: AnyArray,
    *,
    strata: AnyArray | None = None,
    counts: AnyArray | None = None,
) -> FloatArray:
    """Return C, the share of pairs of images that the model solves in the order in which the brain does.

    Parameters
    ----------
    model, brain : array, image
        Solution times; NaN where an image is not solved, which is later than any time.
    strata : array of int, image, optional
        Only pairs within one stratum are compared; an image with a negative one is not compared.
    counts : array, draw x image, optional
        How often each image counts. An image is never compared with itself.

    Returns
    -------
    array, () or draw
        Mean over the pairs whose brain times differ, the earlier one finite: 1 for the same order in the
        model, 0 for the reverse, .5 where the model solves both at once or neither. NaN without such a pair.

    Raises
    ------
    InputError
        Lengths that differ.

    Examples
    --------
    >>> brain = np.array([90.0, 120.0, np.nan])
    >>> float(concordance(brain, brain)), float(concordance(np.full(3, np.nan), brain))
    (1.0, 0.5)
    """
    model, brain = (np.asarray(side, dtype=np.float64) for side in (model, brain))
    strata = np.zeros(len(model), dtype=np.intp) if strata is None else np.asarray(strata)
    if model.ndim != 1 or not model.shape == brain.shape == strata.shape:
        raise InputError(
            f"times of shapes {model.shape} and {brain.shape} with strata of shape {strata.shape}",
            allowed="one time per image on both sides, and one stratum per image",
            todo="align both by stimulus_id",
        )
    weights = draw_counts(counts, len(model))
    credit, pairs = np.zeros((2, len(weights)))
    for stratum in np.unique(strata[strata >= 0]):
        rows = np.flatnonzero(strata == stratum)
        of_rows = weights[:, rows]
        is_pair, share = _credits(_censored(model[rows]), _censored(brain[rows]))
        pairs += np.einsum("ij,ij->i", of_rows @ is_pair, of_rows)
        credit += np.einsum("ij,ij->i", of_rows @ share, of_rows)
    c = credit / np.where(pairs > 0, pairs, np.nan)
    return cast(FloatArray, c[0] if counts is None else c)


def threshold_strata(thresholds: AnyArray, *, n_strata: int = N_STRATA) -> IntArray:
    """Return the tenth of the thresholds that each image lies in, from 0; -1 without a threshold.

    Equal thresholds lie in one stratum, so that there may be fewer. Within a stratum thresholds are nearly
    the same and cannot order the images by themselves.

    Examples
    --------
    >>> threshold_strata([0.5, np.nan, 0.1, 0.9], n_strata=3)
    array([ 1, -1,  0,  2])
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    known = ~np.isnan(thresholds)
    strata = np.full(len(thresholds), -1, dtype=np.intp)
    if not known.any():
        return strata
    edges = np.quantile(thresholds[known], np.arange(1, n_strata) / n_strata)
    strata[known] = np.searchsorted(edges, thresholds[known], side="left")
    return strata


def _censored(times: FloatArray) -> FloatArray:
    return np.where(np.isnan(times), np.inf, times)


def _credits(model: FloatArray, brain: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each pair, earlier x later in the brain, whether it is compared, and its credit."""
    is_pair: BoolArray = brain[:, None] < brain
    share = np.where(model[:, None] < model, 1.0, np.where(model[:, None] == model, 0.5, 0.0))
    return is_pair.astype(np.float64), np.where(is_pair, share, 0.0)
