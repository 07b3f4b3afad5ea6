"""Permutation null of a score: images shuffled over the whole set, or within each object.

A score above the null over the whole set shows information about the images. Shuffling within each object
keeps what is common to the images of an object: a score above that null shows information about single
images. Images that depend on each other, such as variants of one photograph, are exchanged as a group:
exchanged one by one they would count as independent, and the null would be narrower than chance.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.stats.bootstrap import stream

Kind = Literal["images", "within-object"]
KINDS: tuple[Kind, ...] = ("images", "within-object")


def shuffles(
    n_images: int,
    *,
    kind: Kind = "images",
    objects: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_draws: int = 100,
    seed: int = 0,
    name: str = "",
) -> IntArray:
    """Draw random orders of the images.

    Parameters
    ----------
    n_images : int
        Number of images.
    kind : "images" or "within-object"
        Over the whole set, or only among the images of the same object.
    objects : array, image, optional
        Object shown in each image; needed within objects.
    groups : array, image, optional
        Images of one group are exchanged for those of another group of equal size, in any order. A group
        whose size is unique keeps its images.
    n_draws, seed : int
        Number of shuffles, and the seed of their random stream.
    name : str
        Name of the set: two sets are shuffled independently.

    Returns
    -------
    array of int, draw x image
        Row k of the shuffled responses is row `orders[draw, k]` of the real ones.

    Raises
    ------
    InputError
        Another kind; fewer than one draw; within objects without objects, or where each object has one
        image, so that nothing can be shuffled; no two groups of equal size.

    Examples
    --------
    >>> orders = shuffles(4, kind="within-object", objects=["cat", "dog", "cat", "dog"], n_draws=9)
    >>> sorted(set(orders[:, 0].tolist())), sorted(set(orders[:, 1].tolist()))
    ([0, 2], [1, 3])
    """
    if kind not in KINDS or n_draws < 1 or n_images < 2:
        raise InputError(
            f"kind={kind!r}, n_draws = {n_draws}, {n_images} images",
            allowed="kind 'images' or 'within-object'; 1 draw or more; 2 images or more",
            todo="ask for 100 draws of one of the kinds",
        )
    label = np.zeros(n_images, dtype=np.intp)
    if kind == "within-object":
        label = _labels(objects, n_images)
    rng = stream(seed, "shuffles", kind, name)
    if groups is not None:
        return _exchanged(np.asarray(groups), label, n_draws=n_draws, rng=rng)
    return _placed(label, _drawn(label, n_draws=n_draws, rng=rng))


def _drawn(label: IntArray, *, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Sort rows by label, in random order within a label, draw x row."""
    return np.argsort(label + rng.random((n_draws, len(label))), axis=1)


def _placed(label: IntArray, drawn: IntArray) -> IntArray:
    """Place rows that were drawn by label at the rows of their label."""
    orders = np.empty_like(drawn)
    orders[:, np.argsort(label, kind="stable")] = drawn
    return orders


def _exchanged(
    groups: AnyArray, label: IntArray, *, n_draws: int, rng: np.random.Generator
) -> IntArray:
    """Draw orders that exchange groups of equal size within a label, images in any order."""
    if groups.shape != label.shape:
        raise InputError(
            f"groups of shape {groups.shape} for {len(label)} images",
            allowed="one group for every image",
            todo="align groups and images by stimulus_id",
        )
    pairs = np.stack([label, np.unique(groups, return_inverse=True)[1].ravel()])
    names, inverse, size = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    size_class = np.unique(np.stack([names[0], size]), axis=1, return_inverse=True)[1].ravel()
    if np.bincount(size_class).max() < 2:
        raise InputError(
            f"{len(size)} groups of {len(label)} images, no two of equal size",
            allowed="two groups of equal size, of one object when shuffled within objects",
            todo="use more images (a larger --limit), or shuffle over the whole set: --null images",
        )
    block, first = inverse.ravel(), np.cumsum(size) - size
    source = _placed(size_class, _drawn(size_class, n_draws=n_draws, rng=rng))
    inside = _drawn(block, n_draws=n_draws, rng=rng)
    row = np.sort(block)
    place = first[source[:, row]] + (np.arange(len(block)) - first[row])
    return _placed(block, np.take_along_axis(inside, place, axis=1))


def _labels(objects: ArrayLike | None, n_images: int) -> IntArray:
    """Return the object of each image as a number."""
    given = np.zeros(0) if objects is None else np.asarray(objects)
    _, label, counts = np.unique(given, return_inverse=True, return_counts=True)
    if given.shape != (n_images,) or counts.max() < 2:
        got = "no objects" if objects is None else f"{len(counts)} objects of {given.size} images"
        raise InputError(
            f"{got} to shuffle {n_images} images within",
            allowed="the object of every image, some object with at least two images",
            todo="shuffle over the whole set: --null images",
        )
    return label


def p_value(observed: float, draws: FloatArray) -> float:
    """Return (1 + draws >= observed) / (1 + draws), which is never 0 (Phipson & Smyth 2010).

    A draw without a value (NaN) counts as reaching the observed score.

    Examples
    --------
    >>> p_value(0.5, np.array([0.0, 0.1, -0.1]))
    0.25
    """
    below = np.count_nonzero(np.asarray(draws) < observed)
    return float((1 + np.size(draws) - below) / (1 + np.size(draws)))


def null_summary(observed: float, draws: FloatArray, *, kind: Kind) -> dict[str, Any]:
    """Summarize the permutation null of a score.

    Parameters
    ----------
    observed : float
        The score.
    draws : array, draw
        Scores of shuffled images; NaN where one has no value.
    kind : str
        Kind of the shuffles.

    Returns
    -------
    dict
        `kind`; `n_draws`, and `n_undefined` of them without a value; `mean` and `sd` (ddof 1) of the others,
        NaN where there are too few; `p`, one-sided, see `p_value`; `resolution`, the least p that this
        number of draws can give.
    """
    draws = np.asarray(draws, dtype=np.float64)
    defined = draws[~np.isnan(draws)]
    return {
        "kind": kind,
        "n_draws": len(draws),
        "n_undefined": len(draws) - len(defined),
        "mean": float(defined.mean()) if len(defined) else np.nan,
        "sd": float(defined.std(ddof=1)) if len(defined) > 1 else np.nan,
        "p": p_value(observed, draws),
        "resolution": 1 / (1 + len(draws)),
    }
