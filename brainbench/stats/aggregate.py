"""From the correlation of each neuroid in each split to one figure.

A neuroid that is constant in a split has no correlation there (NaN) and is skipped there.
"""

from __future__ import annotations

import numpy as np

from brainbench.metrics.array_types import FloatArray
from brainbench.metrics.reductions import nan_mean, nan_median


def mean_then_median(r: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the median over neuroids of each neuroid's mean over splits (protocol `paper`).

    Parameters
    ----------
    r : array, (draw,) split x neuroid
        Correlations.
    counts : array, draw x neuroid, optional
        How often each neuroid counts, see `nan_median`.

    Examples
    --------
    >>> float(mean_then_median(np.array([[0.1, 0.4, np.nan], [0.3, 0.6, np.nan]])).round(3))
    0.35
    """
    return nan_median(nan_mean(r, axis=-2), counts)


def median_then_mean(r: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Return the mean over splits of each split's median over neuroids (protocol `brainscore`).

    See `mean_then_median` for the parameters.
    """
    return nan_mean(nan_median(r, counts), axis=-1)


def error_over_splits(r: FloatArray) -> float:
    """Return the standard error of `median_then_mean`: sd over splits (ddof 0) / sqrt(splits).

    NaN where no split has a correlation.
    """
    medians = nan_median(r)
    known = medians[~np.isnan(medians)]
    return float(np.std(known) / np.sqrt(len(r))) if len(known) else np.nan
