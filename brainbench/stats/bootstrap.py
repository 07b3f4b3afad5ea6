"""Bootstrap: how often images and units are drawn, the same for all measures that share them, and intervals.

The count of an image comes from its own random stream, seeded by the seed and its id. So two measures on the
same images draw them together, and two measures that share only some of their images draw those nearly
together: draws of several measures can be combined one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import FloatArray

UNBOUNDED = (-np.inf, np.inf)
"""Bounds of a score that can have any value."""
SQUARE = (0.0, np.inf)
"""Bounds of a score that is a square."""
LEVEL = 0.95
"""Coverage that an interval aims at."""
FEWEST_IMAGES = 40
"""Smallest number of images with which the coverage of an interval was measured (perf/worlds)."""
FEWEST_DRAWN = 20
"""Smallest number of groups that are drawn again; the interval over fewer is that of a jackknife."""
FEWEST_GROUPS = 3
"""Smallest number of groups with an interval over them."""
MOST_UNDEFINED = 0.05
"""Share of draws without a value above which an interval is approximate."""


@dataclass(frozen=True)
class Interval:
    """An interval, and the draws that it was computed from.

    Attributes
    ----------
    lo, hi : float
        Its ends.
    method : str
        What was resampled, how often, from which seed.
    n_undefined : int
        Draws without a value, which are omitted.
    draws : array, draw
        Values whose quantiles are the ends; NaN where a draw has none. Those of several measures can be
        combined draw by draw.
    joint : mapping of str to (array, draw)
        Draws by what was drawn, "images", "units", "both", neither scaled nor centered.
    ceiling : (float, float) or None
        95 % interval of the ceiling c in the same draws; None where there is no ceiling.
    n_groups : int or None
        Groups of images that a jackknife left out in turn; None where images or groups are drawn.
    judged : array, (low, high) x part, or None
        95 % interval in the same draws of what must be above 0 for a value by a formula with a ceiling.
    further : mapping of str to (low, high)
        95 % intervals of further figures from the same draws.
    """

    lo: float
    hi: float
    method: str
    n_undefined: int
    draws: FloatArray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    joint: Mapping[str, FloatArray] = field(default_factory=dict, repr=False, compare=False)
    ceiling: tuple[float, float] | None = None
    n_groups: int | None = None
    judged: FloatArray | None = field(default=None, repr=False, compare=False)
    further: Mapping[str, tuple[float, float]] = field(default_factory=dict, compare=False)

    def is_approximate(self, *, n_images: int) -> bool:
        """Return whether the interval rests on fewer images or draws than those of measured coverage."""
        few_values = self.n_undefined > MOST_UNDEFINED * len(self.draws)
        return n_images < FEWEST_IMAGES or few_values


# --- draws ----------------------------------------------------------------------------------------


def image_counts(ids: Sequence[str], *, n_draws: int = 1000, seed: int = 0) -> FloatArray:
    """Return how often each image is drawn, with replacement.

    Parameters
    ----------
    ids : sequence of str
        Unique stimulus ids, whose order does not change the count of an image.
    n_draws, seed : int
        Number of draws, and the seed of their random streams.

    Returns
    -------
    array, draw x image
        Whole numbers, in the order of `ids`; each row sums to the number of images.

    Raises
    ------
    InputError
        No id, or the same id twice.

    Notes
    -----
    Each image first gets a Poisson count from its own stream, which no other image changes. Then as many
    are removed or added at random as the row's sum needs. A row is therefore multinomial, as in any
    bootstrap, and an image that two sets share is counted nearly alike in both.

    Examples
    --------
    >>> counts = image_counts(["b", "a", "c"], n_draws=2)
    >>> bool((counts[:, [1, 0, 2]] == image_counts(["a", "b", "c"], n_draws=2)).all())
    True
    """
    return _counts(ids, n_draws=n_draws, seed=seed, kind="image")


def unit_counts(
    n_units: int,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    name: str = "units",
    ids: Sequence[str] | None = None,
) -> FloatArray:
    """Return how often each unit is drawn, with replacement, draw x unit.

    Parameters
    ----------
    n_units : int
        Size of the population, and of each draw.
    n_draws, seed : int
        See `image_counts`.
    name : str
        Name of the population: two populations are drawn independently.
    ids : sequence of str, optional
        Unique ids of the units within the population: measures that share units draw them together, as
        `image_counts` does with images, whichever units each of them omits.

    Raises
    ------
    InputError
        No unit; ids that are repeated, or another number of them than of units.

    Examples
    --------
    >>> unit_counts(5, n_draws=3).sum(axis=1).tolist()
    [5.0, 5.0, 5.0]
    """
    if n_units < 1 or (ids is not None and len(ids) != n_units):
        raise InputError(
            f"{n_units} units to draw from, {'no' if ids is None else len(ids)} ids",
            allowed="at least one unit, and one id for each or none",
            todo="omit measures without units; give the neuroid_id of each unit",
        )
    if ids is not None:
        return _counts(ids, n_draws=n_draws, seed=seed, kind=f"unit of {name}")
    rows = stream(seed, "units", name).integers(n_units, size=(n_draws, n_units))
    return np.stack([np.bincount(row, minlength=n_units) for row in rows]).astype(np.float64)


def _counts(ids: Sequence[str], *, n_draws: int, seed: int, kind: str) -> FloatArray:
    """Return multinomial counts, draw x id."""
    names = np.asarray(ids, dtype=str).ravel()
    order = np.argsort(names, kind="stable")
    names = names[order]
    repeated = names[1:][names[1:] == names[:-1]]
    if not len(names) or len(repeated):
        raise InputError(
            f"{len(names)} ids to draw from"
            + (f", {str(repeated[0])!r} twice" if len(repeated) else ""),
            allowed="at least one id, each once",
            todo="average over repetitions first, and rename stimuli or units that share an id",
        )
    counts = _sorted_counts(tuple(names.tolist()), n_draws, seed, kind)
    return counts[:, np.argsort(order)].astype(np.float64)


# Benchmarks on the same images follow each other; the counts of 2,560 images are 5 MB.
@lru_cache(maxsize=4)
def _sorted_counts(names: tuple[str, ...], n_draws: int, seed: int, kind: str) -> NDArray[np.int16]:
    counts = np.empty((n_draws, len(names)), dtype=np.int16)
    for column, name in enumerate(names):
        counts[:, column] = stream(seed, kind, name).poisson(size=n_draws)
    rng = stream(seed, kind, "the sum of", *names)
    for row in counts:
        _correct_sum(row, rng)
    return counts


def _correct_sum(row: NDArray[np.int16], rng: np.random.Generator) -> None:
    """Remove or add at random, in place, until the counts sum to their number."""
    surplus = int(row.sum()) - len(row)
    if surplus > 0:
        each = np.repeat(np.arange(len(row)), row)
        np.subtract.at(row, rng.choice(each, surplus, replace=False), 1)
    else:
        np.add.at(row, rng.integers(len(row), size=-surplus), 1)


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the random numbers of a purpose: the same for the same seed and names.

    Examples
    --------
    >>> draws = [stream(0, "images", name).random() for name in ("a", "a", "b")]
    >>> draws[0] == draws[1], draws[0] == draws[2]
    (True, False)
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


# --- intervals ------------------------------------------------------------------------------------


def interval(
    draws: FloatArray,
    *,
    what: str,
    seed: int,
    value: float,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Interval:
    """Return the percentile interval of bootstrap draws, centered on the score.

    Parameters
    ----------
    draws : array, draw
        Scores of the draws; NaN where a draw has none.
    what : str
        What was drawn: "images", "units", "images and units".
    seed : int
        Seed of the draws, for the description.
    value : float
        The score. The draws are moved so that it is their median: a draw holds fewer distinct images than
        the data, so that a correlation over few images is biased once more in it. The median and not the
        mean, since a ceiling near zero makes a few draws arbitrarily large.
    bounds : (float, float)
        Least and greatest score that there can be, such as 0 of a square: moved draws are cut there. Draws
        that are not moved would omit a square near 0 itself, since squares of draws are about twice as far
        from 0.

    Raises
    ------
    InputError
        No draw has a value.

    Examples
    --------
    >>> centered = interval(np.arange(101.0), what="images", seed=0, value=60.0)
    >>> round(centered.lo, 9), round(centered.hi, 9)
    (12.5, 107.5)
    """
    draws = np.asarray(draws, dtype=np.float64)
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        raise InputError(
            f"no value in any of {len(draws)} draws",
            allowed="predictions and targets that vary over the held-out images",
            todo="look at the raw score first: its reason applies here too",
        )
    draws = draws + (value - float(np.median(defined)))
    draws = np.clip(draws, *bounds)
    lo, hi = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    n_undefined = len(draws) - len(defined)
    method = (
        f"percentile bootstrap of {what}, {len(draws)} draws, seed {seed}, centered on the value"
    )
    cut = [f"{end:g}" for end in bounds if (draws == end).any()]
    method += f", cut at {' and '.join(cut)}" if cut else ""
    method += f", {n_undefined} draws without a value" if n_undefined else ""
    return Interval(float(lo), float(hi), method, n_undefined, draws)


def jackknife(
    without: FloatArray, value: float, *, further: float = 0.0
) -> tuple[float, float] | None:
    """Return the 95 % jackknife interval of a value over a few groups, such as animals or films.

    Parameters
    ----------
    without : array, group
        The value without each group in turn.
    value : float
        The value over all groups.
    further : float
        Half the width of the interval over what else is random, such as sites.

    Returns
    -------
    (lo, hi), or None for fewer than three groups or a value that is missing
        value +- t(G - 1, .975) sqrt((G - 1)/G sum_g (s_-g - mean)^2). From 3 to 19 groups it covers 94 to
        95 %, where a percentile bootstrap covers .72 at 3 groups and .90 at 10. What is further random adds
        to the square of this half width.

    Examples
    --------
    >>> jackknife(np.array([0.4, 0.5]), 0.45) is None
    True
    >>> [round(end, 3) for end in jackknife(np.array([0.4, 0.5, 0.6]), 0.5)]
    [0.003, 0.997]
    """
    from scipy.special import stdtrit

    n = len(without)
    if n < FEWEST_GROUPS or not np.isfinite(without).all():
        return None
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    half = float(np.hypot(stdtrit(n - 1, (1 + LEVEL) / 2) * error, further))
    return value - half, value + half


def crossed(both: FloatArray, *, images: FloatArray, units: FloatArray) -> FloatArray:
    """Return draws of images and units, as wide as if the noise of single responses counted once.

    Parameters
    ----------
    both, images, units : array, draw
        The score with images and units drawn together, with images alone, with units alone; the same
        draws of each. NaN where a draw has no value.

    Returns
    -------
    array, draw
        `both` scaled about its median.

    Notes
    -----
    What belongs to a pair of image and unit, such as the noise of a response, varies in the draws of either,
    and three times in those of both (Owen 2007, The pigeonhole bootstrap). With variances I + X, U + X and
    I + U + 3X, the wanted I + U + X is 2 (I + X) + 2 (U + X) - (I + U + 3X); it is never taken below that of
    images or of units alone. In place of a variance, the squared width of the central 95 % enters this sum:
    the two are proportional in draws of one shape, and no single draw with a ceiling near zero decides it.

    Examples
    --------
    >>> images, units, pairs = np.random.default_rng(0).standard_normal((3, 100_000))
    >>> both = images + units + 3**0.5 * pairs
    >>> alone = {"images": images + pairs, "units": units + np.roll(pairs, 1)}
    >>> bool(abs(crossed(both, **alone).var() - 3) < 0.1)
    True
    """
    of_both, of_images, of_units = (central_width(draws) ** 2 for draws in (both, images, units))
    if not of_both > 0:
        return both
    wanted = max(2 * of_images + 2 * of_units - of_both, of_images, of_units)
    center = np.nanmedian(both)
    return np.asarray(center + (both - center) * np.sqrt(wanted / of_both))


def central_width(draws: FloatArray) -> float:
    """Return the width of the central 95 % of draws, NaN omitted; 0 for none."""
    defined = draws[~np.isnan(draws)]
    return float(np.ptp(np.quantile(defined, [0.025, 0.975]))) if len(defined) else 0.0
