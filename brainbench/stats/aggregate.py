"""From the correlation of each neuroid in each split to one figure, by protocol.

A neuroid that is constant in a split has no correlation there (NaN) and is skipped there; one that
has none in any split is excluded and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "aggregate",
    "error_over_splits",
    "mean_then_median",
    "median_then_mean",
    "nan_mean",
    "nan_median",
    "weighted_mean",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Aggregate:
    """One figure for a population, and what it was made of.

    Attributes
    ----------
    value : float
        The figure.
    error : float or None
        Its standard error over splits; None in `paper`, which describes none (see
        `brainbench.stats.held_out_bootstrap`).
    per_neuroid : array, neuroid
        Mean over the splits in which the neuroid has a value; NaN where there is none.
    """

    value: float
    error: float | None
    per_neuroid: FloatArray

    @property
    def n_excluded(self) -> int:
        """Neuroids without a value in any split."""
        return int(np.isnan(self.per_neuroid).sum())


def aggregate(r: FloatArray, *, protocol: Literal["paper", "brainscore"] = "paper") -> Aggregate:
    """Aggregate correlations over splits and neuroids.

    Parameters
    ----------
    r : array, split x neuroid
        Correlations; NaN where there is none.
    protocol : "paper" or "brainscore"
        `mean_then_median`, or `median_then_mean` with error = standard deviation over splits
        (ddof 0) / sqrt(number of splits).

    Raises
    ------
    InputError
        Another protocol, another shape, or no correlation at all.

    Examples
    --------
    >>> result = aggregate(np.array([[0.1, 0.4, np.nan], [0.3, 0.6, np.nan]]))
    >>> round(result.value, 3), result.error, result.n_excluded
    (0.35, None, 1)
    """
    if protocol not in AGGREGATES:
        raise InputError(
            f"protocol {protocol!r}",
            allowed=", ".join(map(repr, AGGREGATES)),
            todo="choose one of them",
        )
    r = np.asarray(r, dtype=np.float64)
    if r.ndim != 2 or np.isnan(r).all():
        raise InputError(
            f"correlations of shape {r.shape}, {int(np.isfinite(r).sum())} of them defined",
            allowed="split x neuroid with at least one value",
            todo="check that responses and predictions vary over the held-out images",
        )
    error = None
    if protocol == "brainscore":
        error = error_over_splits(r)
    return Aggregate(float(AGGREGATES[protocol](r)), error, nan_mean(r, axis=0))


def error_over_splits(r: FloatArray) -> float:
    """Standard deviation (ddof 0) of the splits' medians / sqrt(number of splits).

    Parameters
    ----------
    r : array, split x neuroid
        Correlations; NaN is skipped.
    """
    return float(np.nanstd(nan_median(r)) / np.sqrt(len(r)))


def mean_then_median(r: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the median over neuroids of each neuroid's mean over splits (protocol `paper`).

    Parameters
    ----------
    r : array, (draw,) split x neuroid
        Correlations; NaN is skipped.
    counts : array, draw x neuroid, optional
        How often each neuroid counts, see `nan_median`.
    """
    return nan_median(nan_mean(r, axis=-2), counts)


def median_then_mean(r: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the mean over splits of each split's median over neuroids (protocol `brainscore`).

    Parameters
    ----------
    r : array, (draw,) split x neuroid
        Correlations; NaN is skipped.
    counts : array, draw x neuroid, optional
        How often each neuroid counts, see `nan_median`.
    """
    return nan_mean(nan_median(r, counts), axis=-1)


AGGREGATES: Mapping[str, Callable[..., FloatArray]] = MappingProxyType(
    {"paper": mean_then_median, "brainscore": median_then_mean}
)
"""Aggregates by name of the protocol; each takes (...,) split x neuroid."""


def nan_mean(x: FloatArray, *, axis: int) -> FloatArray:
    """Mean over one axis, NaN skipped; NaN, without a warning, where nothing is left."""
    there = ~np.isnan(x)
    count = there.sum(axis=axis)
    total = np.where(there, x, 0.0).sum(axis=axis)
    return cast(FloatArray, total / np.where(count > 0, count, np.nan))


def nan_median(x: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the median over the last axis, NaN skipped; NaN, without a warning, where nothing is left.

    Parameters
    ----------
    x : array, (...,) unit; with counts draw x (...,) unit
        Values.
    counts : array of whole numbers, draw x unit, optional
        How often each unit counts. Where one of the two has a single draw, it serves all of the other.

    Returns
    -------
    array, (...); with counts draw x (...)
        The median of the values repeated so often.

    Examples
    --------
    >>> nan_median(np.array([[1.0, 2.0, 9.0]]), np.array([[1, 1, 1], [0, 1, 1], [3, 1, 0]])).tolist()
    [2.0, 5.5, 1.0]
    """
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(x, order, axis=-1)  # NaN last
    if counts is None:
        count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
        low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, x.shape[-1] - 1)
    else:
        n_draws = max(len(x), len(counts))
        columns = np.asarray(counts).reshape(len(counts), *[1] * (x.ndim - 2), -1)
        order = np.broadcast_to(order, (n_draws, *x.shape[1:]))
        weights = np.take_along_axis(np.broadcast_to(columns, order.shape), order, axis=-1)
        ordered = np.broadcast_to(ordered, order.shape)
        total = np.cumsum(np.where(np.isnan(ordered), 0, weights), axis=-1)
        count = total[..., -1:]
        low = (total <= np.maximum(count - 1, 0) // 2).sum(axis=-1, keepdims=True)
        high = (total <= count // 2).sum(axis=-1, keepdims=True)
        low, high = (np.minimum(place, x.shape[-1] - 1) for place in (low, high))
    pair = (np.take_along_axis(ordered, place, axis=-1) for place in (low, high))
    median = sum(pair) / 2
    return cast(FloatArray, np.where(count > 0, median, np.nan)[..., 0])


def weighted_mean(x: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the mean over the last axis; NaN where a value that counts is NaN, or where none counts.

    Parameters
    ----------
    x : array, draw x part
        Values.
    weights : array, draw x part, or None
        0 leaves a value out. None: all count alike.
    """
    if weights is None:
        return x.mean(axis=-1) if x.shape[-1] else np.full(x.shape[:-1], np.nan)
    total = weights.sum(axis=-1)
    weighted = np.where(weights > 0, weights * np.where(weights > 0, x, 0.0), 0.0).sum(axis=-1)
    return cast(FloatArray, weighted / np.where(total > 0, total, np.nan))
