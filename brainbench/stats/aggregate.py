"""From the correlation of each neuroid in each split to one figure, by protocol.

A neuroid that is constant in a split has no correlation there (NaN) and is skipped there; one that
has none in any split is excluded and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError
from brainbench.metrics.reductions import nan_mean, nan_median

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "aggregate",
    "error_over_splits",
    "mean_then_median",
    "median_then_mean",
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
