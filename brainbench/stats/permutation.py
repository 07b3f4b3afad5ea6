"""What a score is by chance: images shuffled over the whole set, or within each object.

Shuffled over the whole set, a score says whether there is any information about the images. Shuffled within
each object, it keeps what is common to the images of an object: a score above it is information about
single images.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainbench.errors import InputError
from brainbench.stats.resample import stream

__all__ = ["p_value", "shuffles", "summary"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Kind = Literal["images", "within-object"]
KINDS: tuple[Kind, ...] = ("images", "within-object")


def shuffles(
    n_images: int,
    *,
    kind: Kind = "images",
    objects: ArrayLike | None = None,
    n_draws: int = 100,
    seed: int = 0,
    name: str = "",
) -> IntArray:
    """Orders of the images.

    Parameters
    ----------
    n_images : int
        Rows of the responses.
    kind : "images" or "within-object"
        Over the whole set, or only among the images of the same object.
    objects : array, image, optional
        Object shown in each image; needed within objects.
    n_draws : int
        Number of shuffles.
    seed : int
        Of a numpy Generator, together with the name.
    name : str
        Of the set: two sets are shuffled independently.

    Returns
    -------
    array of int, draw x image
        Row k of the shuffled responses is row `orders[draw, k]` of the real ones.

    Raises
    ------
    InputError
        Another kind; fewer than one draw; within objects where there are none, or where each object has
        one image, so that nothing can be shuffled.

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
    # By label, and at random among those of one label.
    drawn = np.argsort(label + rng.random((n_draws, n_images)), axis=1)
    orders = np.empty_like(drawn)
    orders[:, np.argsort(label, kind="stable")] = drawn
    return orders


def _labels(objects: ArrayLike | None, n_images: int) -> IntArray:
    given = np.zeros(0) if objects is None else np.asarray(objects)
    _, label, counts = np.unique(given, return_inverse=True, return_counts=True)
    if given.shape != (n_images,) or counts.max() < 2:
        told = "no objects" if objects is None else f"{len(counts)} objects of {given.size} images"
        raise InputError(
            f"{told} to shuffle {n_images} images within",
            allowed="the object of every image, some object with at least two images",
            todo="shuffle over the whole set: --null images",
        )
    return label


def p_value(observed: float, draws: FloatArray) -> float:
    """Share of draws that reach the observed score, the observed one counted with them.

    Parameters
    ----------
    observed : float
        Score of the real responses.
    draws : array
        Scores of shuffled images. A draw without a value (NaN) counts as one that reaches it.

    Returns
    -------
    float
        (1 + draws >= observed) / (1 + draws); never 0 (Phipson & Smyth 2010).

    Examples
    --------
    >>> p_value(0.5, np.array([0.0, 0.1, -0.1]))
    0.25
    """
    below = np.count_nonzero(np.asarray(draws) < observed)
    return float((1 + np.size(draws) - below) / (1 + np.size(draws)))


def summary(observed: float, draws: FloatArray, *, kind: Kind) -> dict[str, Any]:
    """What a Score says of its permutation null.

    Parameters
    ----------
    observed : float
        The score.
    draws : array, draw
        Scores of shuffled images; NaN where one has no value.
    kind : str
        How they were shuffled.

    Returns
    -------
    dict
        `kind`; `n_draws`, and `n_undefined` of them without a value; `mean` and `sd` (ddof 1) of the others,
        NaN where there are too few; `p`, one-sided, see `p_value`; `resolution`, the least p that so many
        draws can give.

    Examples
    --------
    >>> made = summary(0.5, np.array([0.0, 0.1, -0.1]), kind="images")
    >>> made["p"], made["resolution"], made["n_draws"]
    (0.25, 0.25, 3)
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
