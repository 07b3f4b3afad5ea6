"""Representational dissimilarity matrices (RDMs): the distance between the responses to any two stimuli.

An RDM is kept as the vector of its pairs i < j, in the order of scipy's `squareform`. Features come in
chunks of columns, so that a wide layer never has to fit in memory.

References
----------
Kriegeskorte, Mur & Bandettini 2008. Brain-Score 2.4.2 takes 1 - Pearson.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.features import check_finite, column_chunks
from brainbench.metrics.gram import gram

Distance: TypeAlias = Literal["correlation", "cosine", "euclidean", "sqeuclidean"]


def rdm(
    features: AnyArray | Iterable[AnyArray], *, distance: Distance = "correlation"
) -> FloatArray:
    """Return the dissimilarity of all pairs of stimuli.

    Parameters
    ----------
    features : array, stimulus x feature, or an iterable of such arrays
        The whole matrix, or chunks of its columns: at most two are held.
    distance : str
        One of `DISTANCES`: "correlation" (1 - Pearson over features), "cosine" (1 - cosine), "euclidean",
        "sqeuclidean".

    Returns
    -------
    array, pair
        Pairs (0, 1), (0, 2), ... as in scipy's `pdist` and `squareform`.

    Raises
    ------
    InputError
        No features, other shapes, NaN or inf; a stimulus to which all features respond equally (or with 0,
        for "cosine"), whose dissimilarity is not defined.
    UnknownNameError
        No such distance.

    Examples
    --------
    >>> rdm(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0]])).round(12).tolist()
    [0.0, 2.0, 2.0]
    """
    if distance not in DISTANCES:
        raise unknown("distance", distance, list(DISTANCES), todo="choose one of these")
    return DISTANCES[distance](_finite_chunks(features))


def _correlation(chunks: Iterator[AnyArray]) -> FloatArray:
    """Return 1 - Pearson, from inner products of rows that are centered over all features."""
    inner = total = largest = shift = np.zeros(0)
    n_features = 0
    for chunk in chunks:
        if not n_features:
            # Each row less its mean: the products lose no digits to a large common response.
            shift = chunk.mean(axis=1, keepdims=True, dtype=np.float64)
            inner, total = np.zeros((len(chunk), len(chunk))), np.zeros(len(chunk))
            largest = np.zeros(len(chunk))
        rows = chunk - shift
        inner += rows @ rows.T
        total += rows.sum(axis=1)
        largest = np.maximum(largest, np.abs(chunk).max(axis=1))
        n_features += chunk.shape[1]
    if n_features == 1:
        raise InputError(
            "features of a single unit",
            allowed="two or more: 1 - Pearson correlates over units",
            todo="choose the distance 'euclidean', or more units",
        )
    covariance = inner - np.outer(total, total) / n_features
    # Rounding leaves about 1e-16 of a constant row.
    flat = np.diagonal(covariance) <= (1e-14 * largest) ** 2 * n_features
    _check_rows(flat, "the same response of all features", "1 - Pearson")
    return _one_minus_cosine(covariance)


def _cosine(chunks: Iterator[AnyArray]) -> FloatArray:
    inner = np.zeros((0, 0))
    for chunk in chunks:
        rows = chunk.astype(np.float64)
        inner = inner + rows @ rows.T if inner.size else rows @ rows.T
    _check_rows(np.diagonal(inner) == 0, "no response of any feature", "1 - cosine")
    return _one_minus_cosine(inner)


def _square(chunks: Iterator[AnyArray]) -> FloatArray:
    K = gram(chunks).K
    size = np.diagonal(K)
    return np.maximum(_upper(size[:, None] + size - 2 * K), 0.0)


def _euclidean(chunks: Iterator[AnyArray]) -> FloatArray:
    return np.sqrt(_square(chunks))


DISTANCES: Mapping[str, Callable[[Iterator[AnyArray]], FloatArray]] = MappingProxyType(
    {
        "correlation": _correlation,
        "cosine": _cosine,
        "euclidean": _euclidean,
        "sqeuclidean": _square,
    }
)
"""Distances by name, as scipy's `pdist` names them."""


def _one_minus_cosine(inner: FloatArray) -> FloatArray:
    length = np.sqrt(np.diagonal(inner))
    return 1.0 - np.clip(_upper(inner / length / length[:, None]), -1.0, 1.0)


def _upper(square: FloatArray) -> FloatArray:
    return square[np.triu_indices(len(square), k=1)]


def _check_rows(bad: BoolArray, what: str, distance: str) -> None:
    if bad.any():
        raise InputError(
            f"{what} to the stimulus in row {int(bad.argmax())} ({int(bad.sum())} of {len(bad)} stimuli)",
            allowed=f"responses that vary over features: {distance} does not exist otherwise",
            todo="choose the distance 'euclidean', or omit those stimuli",
        )


def _finite_chunks(features: AnyArray | Iterable[AnyArray]) -> Iterator[AnyArray]:
    for first, chunk in column_chunks(features):
        check_finite(chunk, first_feature=first)
        yield chunk


# --- parts of an RDM ------------------------------------------------------------------------------


def pairs_of(n_stimuli: int) -> tuple[IntArray, IntArray]:
    """Return the row numbers of the two stimuli of each pair."""
    first, second = np.triu_indices(n_stimuli, k=1)
    return first, second


def subset(dissimilarities: FloatArray, rows: AnyArray) -> FloatArray:
    """Return the RDM of some of the stimuli, in the order of `rows`."""
    from scipy.spatial.distance import squareform

    return _upper(squareform(dissimilarities, checks=False)[np.ix_(rows, rows)])


def n_stimuli(n_pairs: int) -> int:
    """Return the number of stimuli of an RDM with n pairs; 0 where no RDM has n pairs."""
    n = round((1 + (1 + 8 * n_pairs) ** 0.5) / 2)
    return n if n * (n - 1) // 2 == n_pairs else 0
