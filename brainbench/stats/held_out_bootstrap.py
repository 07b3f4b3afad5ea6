"""Intervals of a predictivity score from held-out predictions, without fitting again.

What is resampled is named, because it says what the interval speaks of: other images, other
neurons, or both. The maps stay as they were fitted. Where the score is related to a ceiling, that
ceiling is computed anew in every draw, from the same images and units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import weighted_moments, weighted_pearson
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.bootstrap import Interval, crossed, image_counts, interval, taken, unit_draws
from brainbench.stats.ceiling import ceiled, half_means, spearman_brown

__all__ = ["HeldOut", "Interval", "bootstrap", "bootstrap_sessions"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Resample = Literal["images", "units", "both"]

_DRAWS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What is held out in one recording session.

    Parameters
    ----------
    predictions, targets : list of array, held-out stimulus x neuroid
        One of each per split.
    rows : list of array of int
        Which stimuli those are.
    ids : sequence of str, optional
        Id of every stimulus of the session, by which images are drawn; without them the row numbers.
    units : sequence of str, optional
        Id of every neuroid, unique over all sessions, by which units are drawn.
    trials : array, repetition x stimulus x neuroid, optional
        Single trials of all stimuli, in the order of `ids`: what a ceiling is made of.
    """

    predictions: Sequence[NDArray[Any]]
    targets: Sequence[NDArray[Any]]
    rows: Sequence[NDArray[Any]]
    ids: Sequence[str] | None = None
    units: Sequence[str] | None = None
    trials: NDArray[Any] | None = None

    @property
    def n_units(self) -> int:
        """Neuroids."""
        return int(np.shape(self.targets[0])[1])


def bootstrap(
    predictions: Sequence[NDArray[Any]],
    targets: Sequence[NDArray[Any]],
    rows: Sequence[NDArray[Any]],
    *,
    aggregate: Callable[[FloatArray], FloatArray] = mean_then_median,
    resample: Resample = "both",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of an aggregate of Pearson correlations.

    Parameters
    ----------
    predictions, targets : list of array, held-out stimulus x neuroid
        One of each per split.
    rows : list of array of int
        Which stimuli those are. A stimulus has one weight in all splits that hold it out.
    aggregate : function
        (draw, split, neuroid) -> (draw,): one of `brainbench.stats.aggregate.AGGREGATES`.
    resample : "images", "units" or "both"
        What is random: images over the whole set, neuroids over the population.
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
    return bootstrap_sessions(
        [HeldOut(predictions=predictions, targets=targets, rows=rows)],
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
    formula: str = "raw",
    resample: Resample = "both",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    population: str = "units",
) -> Interval:
    """Interval over the neuroids of several sessions, related to their ceiling by a formula.

    Parameters
    ----------
    sessions : sequence of HeldOut
        Each with the same number of splits. An image is counted alike in all sessions that show it,
        neuroids are drawn over all sessions.
    formula : str
        Of `brainbench.stats.ceiling.FORMULAS`. All but "raw" need the trials of every session: the
        split-half reliability is computed in every draw over its images and units.
    population : str
        Name of the population: measures on the same units draw them together if they give the same.
    aggregate, resample, n_draws, level, seed
        See `bootstrap`, which this is for one session.

    Raises
    ------
    InputError
        As `bootstrap`; sessions that differ in the number of splits, or none; a formula with a ceiling
        for sessions without trials.
    """
    _check_sessions(sessions, formula)
    for one in sessions:
        _check(one, resample=resample, n_draws=n_draws, level=level)
    data = _Data.of(sessions, aggregate, formula)
    counts = [_image_counts(one, resample, n_draws, seed) for one in sessions]
    units = _units(sessions, resample, n_draws=n_draws, seed=seed, name=population)
    draws = _draws(data, counts, units, resample)
    what = "images and units, noise counted once" if resample == "both" else resample
    made = interval(draws, what=what, seed=seed, level=level, value=data.value)
    return replace(made, method=made.method + ", maps not refitted")


class _Figures(NamedTuple):
    """Correlations, draw x split x neuroid, and reliabilities where the formula asks for them."""

    r: FloatArray
    c: FloatArray | None


@dataclass(frozen=True)
class _Part:
    """One session as weighted sums want it."""

    rows: Sequence[IntArray]
    sums: Sequence[FloatArray]
    halves: Sequence[tuple[FloatArray, FloatArray]]

    def r(self, counts: FloatArray) -> FloatArray:
        """Correlations of predictions and targets, draw x split x neuroid."""
        pairs = zip(self.rows, self.sums, strict=True)
        return np.stack([weighted_pearson(counts[:, rows], sums) for rows, sums in pairs], axis=1)

    def reliability(self, counts: FloatArray) -> FloatArray:
        """Split-half reliability, draw x split of the trials x neuroid."""
        r = [weighted_pearson(counts, weighted_moments(one, other)) for one, other in self.halves]
        return spearman_brown(np.stack(r, axis=1))


@dataclass(frozen=True)
class _Data:
    """All sessions, and how they make one score."""

    parts: Sequence[_Part]
    n_stimuli: Sequence[int]
    aggregate: Callable[[FloatArray], FloatArray]
    formula: str

    @classmethod
    def of(
        cls,
        sessions: Sequence[HeldOut],
        aggregate: Callable[[FloatArray], FloatArray],
        formula: str,
    ) -> _Data:
        parts = [
            _Part(
                rows=one.rows,
                sums=[
                    weighted_moments(x, y)
                    for x, y in zip(one.predictions, one.targets, strict=True)
                ],
                halves=[] if formula == "raw" else _halves(one),
            )
            for one in sessions
        ]
        return cls(parts, [_n_stimuli(one) for one in sessions], aggregate, formula)

    @cached_property
    def whole(self) -> _Figures:
        """Every image counted once."""
        return self.figures([np.ones((1, n)) for n in self.n_stimuli])

    @property
    def value(self) -> float:
        """The score itself."""
        return float(self.score(self.whole, np.arange(self.whole.r.shape[2])[None])[0])

    def figures(self, counts: Sequence[FloatArray]) -> _Figures:
        """Figures of every neuroid of all sessions where images count so often."""
        pairs = list(zip(self.parts, counts, strict=True))
        r = np.concatenate([part.r(count) for part, count in pairs], axis=2)
        if self.formula == "raw":
            return _Figures(r, None)
        return _Figures(r, np.concatenate([part.reliability(n) for part, n in pairs], axis=2))

    def score(self, figures: _Figures, units: IntArray) -> FloatArray:
        """The score of each draw, from its units; its own ceiling if the formula has one."""
        r = self.aggregate(taken(figures.r, units, axis=2))
        if figures.c is None:
            return r
        return ceiled(r, median_then_mean(taken(figures.c, units, axis=2)), formula=self.formula)


def _draws(
    data: _Data, counts: Sequence[FloatArray], units: IntArray, resample: Resample
) -> FloatArray:
    """Draws of the score; of images and units with what belongs to pairs of them counted once."""
    needed: tuple[Resample, ...] = (resample,)
    if resample == "both":
        needed = ("both", "images", "units")
    found: dict[str, list[FloatArray]] = {of: [] for of in needed}
    everyone = np.arange(units.shape[1])[None]
    for block in _blocks(len(units)):
        here = data.whole if resample == "units" else data.figures([n[block] for n in counts])
        drawn = {
            "both": (here, units[block]),
            "images": (here, everyone),
            "units": (data.whole, units[block]),
        }
        for of in needed:
            found[of].append(data.score(*drawn[of]))
    draws = {of: np.concatenate(values) for of, values in found.items()}
    if resample != "both":
        return draws[resample]
    return crossed(draws["both"], images=draws["images"], units=draws["units"])


def _halves(one: HeldOut) -> list[tuple[FloatArray, FloatArray]]:
    first, second = half_means(np.asarray(one.trials))
    return list(zip(first, second, strict=True))


def _image_counts(one: HeldOut, resample: str, n_draws: int, seed: int) -> FloatArray:
    """How often each stimulus counts: draw x stimulus, or 1 x stimulus where images are not random."""
    n = _n_stimuli(one)
    if resample == "units":
        return np.ones((1, n))
    ids = [str(k) for k in range(n)] if one.ids is None else one.ids
    return image_counts(ids, n_draws=n_draws, seed=seed)


def _n_stimuli(one: HeldOut) -> int:
    return int(np.concatenate(one.rows).max()) + 1 if one.ids is None else len(one.ids)


def _units(
    sessions: Sequence[HeldOut], resample: str, *, n_draws: int, seed: int, name: str
) -> IntArray:
    n = sum(one.n_units for one in sessions)
    if resample == "images":
        return np.broadcast_to(np.arange(n), (n_draws, n))
    ids = None
    if all(one.units is not None for one in sessions):
        ids = [unit for one in sessions for unit in one.units or ()]
    return unit_draws(n, n_draws=n_draws, seed=seed, name=name, ids=ids)


def _blocks(n_draws: int) -> Iterator[slice]:
    for start in range(0, n_draws, _DRAWS_AT_ONCE):
        yield slice(start, min(start + _DRAWS_AT_ONCE, n_draws))


def _check_sessions(sessions: Sequence[HeldOut], formula: str) -> None:
    n_splits = [len(one.rows) for one in sessions]
    if len(set(n_splits)) != 1:
        raise InputError(
            f"sessions with {n_splits} splits",
            allowed="at least one session, each with the same number of splits",
            todo="split each session alike",
        )
    if formula != "raw" and any(one.trials is None for one in sessions):
        raise InputError(
            f"formula {formula!r} for sessions without trials",
            allowed="the single trials of every session, from which the ceiling is made",
            todo="leave out sessions without trials, or use formula='raw'",
        )


def _check(one: HeldOut, *, resample: str, n_draws: int, level: float) -> None:
    shapes = [np.shape(x) for x in one.predictions], [np.shape(y) for y in one.targets]
    n_units = {shape[1] for shape in shapes[0] if len(shape) == 2}
    lengths = [shape[0] for shape in shapes[0] if len(shape) == 2]
    if shapes[0] != shapes[1] or len(n_units) != 1 or lengths != [len(r) for r in one.rows]:
        raise InputError(
            f"predictions {shapes[0]}, targets {shapes[1]}, rows {[len(r) for r in one.rows]}",
            allowed="for each split: two arrays held-out stimulus x neuroid, and their rows",
            todo="give what cross_predict returned, Y[test] and test of each split",
        )
    _check_ids(one)
    if resample not in ("images", "units", "both") or n_draws < 2 or not 0 < level < 1:
        raise InputError(
            f"resample={resample!r}, n_draws={n_draws}, level={level}",
            allowed="resample 'images', 'units' or 'both'; n_draws >= 2; 0 < level < 1",
            todo="correct the option",
        )


def _check_ids(one: HeldOut) -> None:
    n, highest = _n_stimuli(one), int(np.concatenate(one.rows).max())
    recorded = (n, one.n_units) if one.trials is None else np.shape(one.trials)[1:]
    if highest >= n or recorded != (n, one.n_units):
        raise InputError(
            f"{n} stimuli and {one.n_units} neuroids, rows up to {highest}, trials of {recorded}",
            allowed="rows and trials of the stimuli that `ids` names, trials of the same neuroids",
            todo="give the ids of all stimuli of the session, and trials[:, :, neuroids that count]",
        )
