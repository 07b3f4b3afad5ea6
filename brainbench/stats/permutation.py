"""Permutation null of a score: images shuffled over the whole set, or within each object; test of a pair.

A score above the null over the whole set shows information about the images. Shuffling within each object
keeps what is common to the images of an object: a score above that null shows information about single
images. Images that depend on each other, such as variants of one photograph, are exchanged as a group:
exchanged one by one they would count as independent, and the null would be narrower than chance.

Two models are compared by exchanging their predictions, image by image (`pair_test`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.stats.bootstrap import stream

Kind = Literal["images", "within-object"]
KINDS: tuple[Kind, ...] = ("images", "within-object")
_AT_ONCE = 500
"""Exchanges that are computed together: 500 x 10 folds x 239 sites are 10 MB."""


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


# --- two models ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """Permutation test of the difference between two models.

    Attributes
    ----------
    difference : float
        Figure of the first model - figure of the second.
    p : float
        (1 + exchanges with a difference at least as large) / (1 + exchanges), two-sided.
    n_draws : int
        Number of exchanges; 1 / (1 + n_draws) is the least p.
    """

    difference: float
    p: float
    n_draws: int


def pair_test(
    predicted: tuple[FloatArray, FloatArray],
    target: FloatArray,
    *,
    folds: AnyArray,
    groups: AnyArray,
    aggregate: Callable[[FloatArray], FloatArray],
    n_draws: int = 9999,
    seed: int = 0,
) -> PairTest:
    """Test whether two models predict equally well, by exchanging their predictions of images.

    Predictions are standardized for each site and fold. For each group of images the two models are
    exchanged with probability 1/2, at all sites and in all folds together. The null is that the models are
    exchangeable.

    Parameters
    ----------
    predicted : two arrays, sample x site
        Held-out predictions of the models; NaN where a site has none.
    target : array, sample x site
        Responses.
    folds, groups : array, sample
        Fold of each sample, and its image, or group of images that depend on each other.
    aggregate : function
        From correlations, draw x fold x site, to the figure of each draw.
    n_draws, seed : int
        Number of exchanges, and the seed of their random stream.

    Raises
    ------
    InputError
        Arrays of different shapes, or fewer than two groups.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in predicted)
    names, group = np.unique(groups, return_inverse=True)
    if not first.shape == second.shape == np.shape(target) or len(names) < 2:
        raise InputError(
            f"predictions {first.shape} and {second.shape}, responses {np.shape(target)}, "
            f"{len(names)} groups of images",
            allowed="three arrays of one shape, sample x site, of two groups or more",
            todo="align samples and sites of the two models",
        )
    by_fold = [
        _Exchange.of(first[rows], second[rows], target[rows], group.ravel()[rows])
        for rows in (folds == fold for fold in np.unique(folds))
    ]
    rng = stream(seed, "exchanges of two models")
    drawn = rng.integers(2, size=(n_draws, len(names))).astype(np.float64)
    blocks = [np.zeros((1, len(names)))]
    blocks += [drawn[start : start + _AT_ONCE] for start in range(0, n_draws, _AT_ONCE)]
    one, other = (
        np.concatenate(
            [
                aggregate(np.stack([fold.correlations(side(block)) for fold in by_fold], axis=1))
                for block in blocks
            ]
        )
        for side in (np.asarray, _others)
    )
    differences = one - other
    observed = float(differences[0])
    # Equal but for rounding counts as reached, and so does a draw without a value, as in `p_value`.
    below = np.abs(differences[1:]) < abs(observed) * (1 - 1e-9)
    p = (1 + n_draws - np.count_nonzero(below)) / (1 + n_draws)
    return PairTest(difference=observed, p=float(p), n_draws=n_draws)


def _others(exchanged: FloatArray) -> FloatArray:
    """Return what is exchanged for the second model where these are for the first."""
    return 1.0 - exchanged


@dataclass(frozen=True, kw_only=True, eq=False)
class _Exchange:
    """Sums of one fold, of the first model and what an exchange of each image adds to them."""

    group: IntArray  # of each image
    own: FloatArray  # sums x site: responses x predictions, predictions, squared predictions
    added: FloatArray  # sums x image x site
    n: FloatArray  # images of each site
    responses: FloatArray  # sums x site: responses, squared responses

    @classmethod
    def of(
        cls, first: FloatArray, second: FloatArray, target: FloatArray, group: IntArray
    ) -> _Exchange:
        has = np.isfinite(first) & np.isfinite(second) & np.isfinite(target)
        a, b, y = (_standardized(values, has) for values in (first, second, target))
        return cls(
            group=group,
            own=np.stack([(y * a).sum(0), a.sum(0), (a * a).sum(0)]),
            added=np.stack([y * (b - a), b - a, b * b - a * a]),
            n=has.sum(axis=0).astype(np.float64),
            responses=np.stack([y.sum(0), (y * y).sum(0)]),
        )

    def correlations(self, exchanged: FloatArray) -> FloatArray:
        """Return r where groups are exchanged (1) or not (0), draw x site; NaN where nothing varies."""
        yx, x, xx = self.own[:, None] + exchanged[:, self.group] @ self.added
        y, yy = self.responses
        covariance, n = self.n * yx - y * x, self.n
        variance = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
        defined = variance > 1e-12 * n**4
        r = np.full(covariance.shape, np.nan)
        np.divide(covariance, np.sqrt(variance), out=r, where=defined)
        return r


def _standardized(values: FloatArray, has: BoolArray) -> FloatArray:
    """Return columns of mean 0 and SD 1 over the rows that they have, 0 elsewhere and where constant."""
    n = np.maximum(has.sum(axis=0), 1)
    centered = np.where(has, values - np.where(has, values, 0.0).sum(axis=0) / n, 0.0)
    scale = np.sqrt((centered**2).sum(axis=0) / n)
    size = np.abs(np.where(has, values, 0.0)).max(axis=0, initial=0.0)
    standardized = np.zeros_like(centered)
    np.divide(centered, scale, out=standardized, where=scale > 1e-12 * size)
    return standardized
