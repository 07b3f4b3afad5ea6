"""Near copies among pictures: frames of one film, jittered or recompressed versions of one photograph.

Small gray versions are compared by their correlation over pixels, which a cheap product of matrices gives
for all pairs. It finds what looks alike as a whole, not what was moved by more than a few percent, turned or
mirrored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, IntArray

THRESHOLD = 0.97
"""Correlation of 16 x 16 pixels above which two pictures are near copies.

In four sessions of V4 (Cowley et al. 2023; 3,840 images), 1,280 cue-conflict images (Geirhos et al. 2019), 92
objects (Kriegeskorte et al. 2008), 440 frames of natural films (Henaff et al. 2021) and 4,000 images of
CIFAR-10, every pair above it is of one background, photograph or film; the highest pair of different scenes
has .966.
"""
_BLOCK = 512  # rows of the matrix of correlations that are held at once


def near_pairs(pixels: ArrayLike, *, threshold: float = THRESHOLD) -> IntArray:
    """Return the pairs of pictures whose small versions correlate above a threshold.

    Parameters
    ----------
    pixels : array, picture x pixel
        Small gray versions. A picture of one gray level correlates with none.
    threshold : float
        Correlation above which a pair counts.

    Returns
    -------
    array of int, pair x 2
        Rows of both pictures, the lower first, sorted. The memory is 512 x pictures numbers at a time.

    Raises
    ------
    InputError
        Another shape than picture x pixel.

    Examples
    --------
    >>> near_pairs([[1, 2, 9], [2, 4, 18], [9, 2, 1]]).tolist()
    [[0, 1]]
    """
    values = np.asarray(pixels, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(
            f"pixels of shape {values.shape}",
            allowed="picture x pixel",
            todo="flatten each small version to one row",
        )
    values = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt((values**2).sum(axis=1, keepdims=True))
    standardized = (values / np.where(length > 0, length, 1)).astype(np.float32)
    pairs = []
    for first in range(0, len(values), _BLOCK):
        rows = standardized[first : first + _BLOCK]
        row, column = np.nonzero(rows @ standardized[first:].T > threshold)
        above = column > row
        pairs.append(np.stack([row[above], column[above]], axis=1) + first)
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.intp)


def connected(n: int, pairs: ArrayLike) -> IntArray:
    """Return the number of the group of each of n items, where pairs belong to one group.

    Parameters
    ----------
    n : int
        Number of items.
    pairs : array of int, pair x 2
        Items that belong together; so do items that a chain of pairs connects.

    Examples
    --------
    >>> connected(5, [[0, 2], [2, 4]]).tolist()
    [0, 1, 0, 2, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.asarray(pairs, dtype=np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def joined(*columns: AnyArray) -> IntArray:
    """Return the number of the group of each item, where items with one label in some column belong together.

    Raises
    ------
    InputError
        Columns of different lengths, or none.

    Examples
    --------
    >>> joined(np.array(["a", "a", "b", "c"]), np.array([1, 2, 2, 3])).tolist()
    [0, 0, 0, 1]
    """
    if not columns or len({len(column) for column in columns}) > 1:
        raise InputError(
            f"columns of {', '.join(str(len(column)) for column in columns) or 'no'} items",
            allowed="one column or more, of one length",
            todo="take all columns from the same stimulus set",
        )
    pairs = []
    for column in columns:
        _, first, inverse = np.unique(column, return_index=True, return_inverse=True)
        pairs.append(np.stack([first[inverse.ravel()], np.arange(len(column))], axis=1))
    return connected(len(columns[0]), np.concatenate(pairs))
