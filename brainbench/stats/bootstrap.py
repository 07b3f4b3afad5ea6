"""Intervals of a predictivity score from held-out predictions, without fitting again.

What is resampled is named, because it says what the interval speaks of: other images, other
neurons, or both. The maps stay as they were fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from brainbench.errors import InputError
from brainbench.stats.aggregate import mean_then_median

__all__ = ["HeldOut", "Interval", "bootstrap", "bootstrap_sessions"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_DRAWS_AT_ONCE = 50


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes
    ----------
    lo, hi : float
        The ends.
    level : float
        Coverage, for example .95.
    method : str
        What was resampled, how often, from which seed.
    n_undefined : int
        Draws without a value, left out.
    """

    lo: float
    hi: float
    level: float
    method: str
    n_undefined: int


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What is held out in one recording session.

    Parameters
    ----------
    predictions, targets : list of array, held-out stimulus x neuroid
        One of each per split.
    rows : list of array of int
        Which stimuli those are.
    """

    predictions: Sequence[NDArray[Any]]
    targets: Sequence[NDArray[Any]]
    rows: Sequence[NDArray[Any]]


def bootstrap(
    predictions: Sequence[NDArray[Any]],
    targets: Sequence[NDArray[Any]],
    rows: Sequence[NDArray[Any]],
    *,
    aggregate: Callable[[FloatArray], FloatArray] = mean_then_median,
    resample: Literal["images", "units", "both"] = "both",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of an aggregate of Pearson correlations.

    Parameters
    ----------
    predictions, targets : list of array, held-out stimulus x neuroid
        One of each per split.
    rows : list of array of int
        Which stimuli those are. Disjoint folds: stimuli are resampled within each fold. Splits
        that overlap: over all held-out stimuli, one weight for a stimulus wherever it appears.
    aggregate : function
        (draw, split, neuroid) -> (draw,): one of `brainbench.stats.aggregate.AGGREGATES`.
    resample : "images", "units" or "both"
        Neuroids are resampled over the population.
    n_draws : int
        Draws with replacement.
    level : float
        Coverage.
    seed : int
        Of a numpy Generator.

    Raises
    ------
    InputError
        Shapes that do not match, an unknown `resample`, a level outside (0, 1), fewer than two
        draws, or no draw with a value.

    Notes
    -----
    The correlations of a draw are those of its images counted with their multiplicity, computed
    from weighted sums: one product (draws x stimuli) @ (stimuli x 5 sums per neuroid) per split,
    in float64, streamed over draws.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal((50, 8))
    >>> x = y + rng.standard_normal((50, 8))
    >>> interval = bootstrap([x], [y], [np.arange(50)])
    >>> interval.lo < 2**-0.5 < interval.hi
    True
    """
    session = HeldOut(predictions=predictions, targets=targets, rows=rows)
    return bootstrap_sessions(
        [session],
        aggregate=aggregate,
        resample=resample,
        n_draws=n_draws,
        level=level,
        seed=seed,
    )


def bootstrap_sessions(
    sessions: Sequence[HeldOut],
    *,
    aggregate: Callable[[FloatArray], FloatArray] = mean_then_median,
    resample: Literal["images", "units", "both"] = "both",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval over the neuroids of several sessions that saw different stimuli.

    Parameters
    ----------
    sessions : sequence of HeldOut
        Each with the same number of splits. Stimuli are resampled within each session, neuroids over
        all of them.
    aggregate, resample, n_draws, level, seed
        See `bootstrap`, which this is for one session.

    Raises
    ------
    InputError
        As `bootstrap`; sessions that differ in the number of splits, or none.
    """
    _check_sessions(sessions)
    for one in sessions:
        _check(
            one.predictions,
            one.targets,
            one.rows,
            resample=resample,
            n_draws=n_draws,
            level=level,
        )
    sums = [
        [_sums(x, y) for x, y in zip(one.predictions, one.targets, strict=True)] for one in sessions
    ]
    n_units = sum(np.shape(one.targets[0])[1] for one in sessions)
    rng = np.random.default_rng(seed)
    drawn = []
    for size in _sizes(n_draws):
        r = np.concatenate(
            [
                _drawn(one.rows, mine, size, rng, resample)
                for one, mine in zip(sessions, sums, strict=True)
            ],
            axis=2,
        )
        if resample != "images":
            units = rng.integers(n_units, size=(size, 1, n_units))
            r = np.take_along_axis(np.broadcast_to(r, (size, *r.shape[1:])), units, axis=2)
        drawn.append(aggregate(r))
    values = np.concatenate(drawn)
    defined = values[~np.isnan(values)]
    if not len(defined):
        raise InputError(
            f"no correlation in any of {n_draws} draws",
            allowed="predictions and targets that vary over the held-out images",
            todo="look at the raw score first: its reason applies here too",
        )
    lo, hi = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    method = _method(sessions, resample, n_draws, seed)
    return Interval(float(lo), float(hi), level, method, n_draws - len(defined))


def _drawn(
    rows: Sequence[IntArray],
    sums: Sequence[FloatArray],
    n_draws: int,
    rng: np.random.Generator,
    resample: str,
) -> FloatArray:
    """Correlations of one session over resampled images, draw x split x neuroid."""
    if resample == "units":
        weights: list[FloatArray] = [np.ones((1, len(held_out))) for held_out in rows]
    else:
        weights = _image_weights(rows, n_draws, rng)
    return np.stack([_pearson(w, s) for w, s in zip(weights, sums, strict=True)], axis=1)


def _method(sessions: Sequence[HeldOut], resample: str, n_draws: int, seed: int) -> str:
    images = "images" if _overlap(sessions[0].rows) else "images within folds"
    if len(sessions) > 1:
        images += " of each session"
    what = {"images": images, "units": "units", "both": f"{images} and units"}[resample]
    return f"percentile bootstrap of {what}, {n_draws} draws, seed {seed}, maps not refitted"


def _sizes(n_draws: int) -> Iterator[int]:
    for start in range(0, n_draws, _DRAWS_AT_ONCE):
        yield min(_DRAWS_AT_ONCE, n_draws - start)


def _overlap(rows: Sequence[IntArray]) -> bool:
    together = np.concatenate(rows)
    return len(np.unique(together)) < len(together)


def _image_weights(
    rows: Sequence[IntArray], n_draws: int, rng: np.random.Generator
) -> list[FloatArray]:
    """How often each held-out stimulus of each split is drawn: list of draw x stimulus."""
    if not _overlap(rows):
        return [_counts(len(held_out), n_draws, rng) for held_out in rows]
    known, where = np.unique(np.concatenate(rows), return_inverse=True)
    counts = _counts(len(known), n_draws, rng)
    ends = np.cumsum([len(held_out) for held_out in rows])[:-1]
    return [counts[:, columns] for columns in np.split(where, ends)]


def _counts(n: int, n_draws: int, rng: np.random.Generator) -> FloatArray:
    drawn = rng.integers(n, size=(n_draws, n)) + n * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * n_draws).reshape(n_draws, n).astype(np.float64)


def _sums(x: NDArray[Any], y: NDArray[Any]) -> FloatArray:
    """Columns x, y, x2, y2, xy of each neuroid, x and y brought to mean 0 and size 1."""
    zx, zy = _scaled(x), _scaled(y)
    return np.concatenate([zx, zy, zx * zx, zy * zy, zx * zy], axis=1)


def _scaled(x: NDArray[Any]) -> FloatArray:
    x = np.asarray(x, dtype=np.float64)
    centred = np.where(np.ptp(x, axis=0) == 0, 0.0, x - x.mean(axis=0))
    largest = np.abs(centred).max(axis=0)
    return centred / np.where(largest == 0, 1.0, largest)


def _pearson(weights: FloatArray, sums: FloatArray) -> FloatArray:
    """Weighted correlations, draw x neuroid; NaN where the drawn images are all one value."""
    total = weights.sum(axis=1)
    mean = (weights @ sums) / np.where(total > 0, total, np.nan)[:, None]
    x, y, xx, yy, xy = np.split(mean, 5, axis=1)
    var_x, var_y = xx - x * x, yy - y * y
    # Below this a variance is the rounding of the difference.
    constant = (var_x <= 1e-12 * xx) | (var_y <= 1e-12 * yy)
    return (xy - x * y) / np.sqrt(np.where(constant, np.nan, var_x * var_y))


def _check_sessions(sessions: Sequence[HeldOut]) -> None:
    n_splits = [len(one.rows) for one in sessions]
    if len(set(n_splits)) != 1:
        raise InputError(
            f"sessions with {n_splits} splits",
            allowed="at least one session, each with the same number of splits",
            todo="split each session alike",
        )


def _check(
    predictions: Sequence[NDArray[Any]],
    targets: Sequence[NDArray[Any]],
    rows: Sequence[NDArray[Any]],
    *,
    resample: str,
    n_draws: int,
    level: float,
) -> None:
    shapes = [np.shape(x) for x in predictions], [np.shape(y) for y in targets]
    n_units = {shape[1] for shape in shapes[0] if len(shape) == 2}
    lengths = [shape[0] for shape in shapes[0] if len(shape) == 2]
    if shapes[0] != shapes[1] or len(n_units) != 1 or lengths != [len(r) for r in rows]:
        raise InputError(
            f"predictions {shapes[0]}, targets {shapes[1]}, rows {[len(r) for r in rows]}",
            allowed="for each split: two arrays held-out stimulus x neuroid, and their rows",
            todo="give what cross_predict returned, Y[test] and test of each split",
        )
    if resample not in ("images", "units", "both") or n_draws < 2 or not 0 < level < 1:
        raise InputError(
            f"resample={resample!r}, n_draws={n_draws}, level={level}",
            allowed="resample 'images', 'units' or 'both'; n_draws >= 2; 0 < level < 1",
            todo="correct the option",
        )
