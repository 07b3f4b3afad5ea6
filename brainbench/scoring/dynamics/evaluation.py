"""Held-out predictions over time, and the figures, interval and null that come of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import rankdata

from brainbench.core.settings import Resample, Settings
from brainbench.metrics.correlation import weighted_moments, weighted_pearson
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.metrics.temporal.correlations import (
    OverImages,
    over_images,
    over_time,
    scalar,
    usable,
)
from brainbench.scoring.dynamics.target import Responses
from brainbench.stats.bootstrap import Interval, crossed, image_counts, interval, taken, unit_draws
from brainbench.stats.ceiling import ceiled, half_means, spearman_brown
from brainbench.stats.splits import Split

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]

LEAST_RELIABILITY = 0.3
"""Median reliability over sites from which a time bin counts."""
TEMPORAL = (50.0, 250.0)
"""Bins over which the responses to single images are correlated (figure S1b)."""
N_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How figures of sites and bins make one value.

    Parameters
    ----------
    formula : str
        Of `stats.ceiling.FORMULAS`, taken in each bin of the median r and the median c over sites.
    every_bin : bool
        All bins count, as in Brain-Score; else those whose median reliability is `LEAST_RELIABILITY` at
        least, or all where there is no reliability.
    """

    formula: str
    every_bin: bool

    def bins(self, c: FloatArray | None, n_bins: int) -> BoolArray:
        """Bins that count, (...,) bin, for reliabilities (...,) neuroid x bin."""
        if self.every_bin or c is None:
            return np.full(n_bins, True)
        return usable(_median(c), least=LEAST_RELIABILITY)

    def value(self, r: FloatArray, c: FloatArray | None) -> FloatArray:
        """Value of figures (...,) neuroid x bin; NaN where no bin counts or one has no figure."""
        bins = self.bins(c, r.shape[-1])
        ceiling = np.nan if c is None else _median(c)
        return scalar(ceiled(_median(r), ceiling, formula=self.formula), bins)


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """What was held out, and how it was predicted.

    Parameters
    ----------
    brain : Responses
        What was recorded.
    varying : array of bool, neuroid
        Neuroids whose response varies: the others have no prediction.
    folds : list of Split
        Training and held-out rows.
    predicted : list of array, held-out stimulus x varying neuroid x bin
        One for each fold.
    """

    brain: Responses
    varying: BoolArray
    folds: Sequence[Split]
    predicted: Sequence[FloatArray]

    @cached_property
    def observed(self) -> list[FloatArray]:
        """Responses that go with the predictions."""
        return [self.brain.values[fold.test][:, self.varying] for fold in self.folds]

    @cached_property
    def rows(self) -> IntArray:
        """Stimuli that some fold holds out."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))

    @cached_property
    def by_fold(self) -> list[OverImages]:
        """Correlations over images in each fold."""
        pairs = zip(self.predicted, self.observed, strict=True)
        return [over_images(x, y) for x, y in pairs]

    @cached_property
    def r(self) -> FloatArray:
        """Correlation, fold x varying neuroid x bin."""
        return np.stack([one.r for one in self.by_fold])

    @cached_property
    def c(self) -> FloatArray | None:
        """Reliability of the held-out responses, varying neuroid x bin; None with `no_c` where there is none.

        Spearman correlation of half means, Spearman-Brown corrected, mean over ten splits of the trials.
        """
        if self.brain.trials is None:
            return None
        once = np.ones((1, len(self.rows)))
        found = np.stack([self._c(int(k), once)[0] for k in np.flatnonzero(self.varying)])
        return None if np.isnan(found).all() else found

    @cached_property
    def no_c(self) -> str:
        """Why no neuroid has a reliability in any bin; empty where one has."""
        if self.c is not None:
            return ""
        if self.brain.trials is None:
            return "only the mean of the trials is there"
        lost = np.zeros(len(self.rows), dtype=bool)
        for k in np.flatnonzero(self.varying):
            for half in half_means(self._trials(int(k))):
                lost |= np.isnan(half).any(axis=(0, 2))
        if lost.any():
            return (
                f"{int(lost.sum())} of {len(lost)} held-out images without a trial in one half of the "
                "repetitions"
            )
        return "half means of the repetitions do not vary with the image, or are opposites"

    def _trials(self, neuroid: int) -> npt.NDArray[Any]:
        """Trials of the held-out stimuli, repetition x stimulus x bin."""
        trials = np.asarray(self.brain.trials)
        return np.asarray(trials[:, self.rows, neuroid], dtype=np.float64)

    @cached_property
    def temporal(self) -> FloatArray | None:
        """For each neuroid the median over held-out images of r across time bins; None of too few bins."""
        inside = [
            k for k, (a, b) in enumerate(self.brain.bins) if a >= TEMPORAL[0] and b <= TEMPORAL[1]
        ]
        if len(inside) < 3:
            return None
        pairs = zip(self.predicted, self.observed, strict=True)
        each = [over_time(x[:, :, inside], y[:, :, inside]) for x, y in pairs]
        return nan_median(np.concatenate(each).T)

    def predictions(self) -> xr.Dataset:
        """Held-out predictions and targets, dims (sample, neuroid, time)."""
        ids = np.asarray(self.brain.stimuli.ids)
        tests = [fold.test for fold in self.folds]
        names = self.brain.neuroids.coords["neuroid_id"].values[self.varying]
        start, end = np.array(self.brain.bins).T
        dims = ("sample", "neuroid", "time")
        return xr.Dataset(
            {
                "predicted": (dims, np.concatenate(self.predicted)),
                "target": (dims, np.concatenate(self.observed)),
            },
            coords={
                "fold": ("sample", np.repeat(np.arange(len(tests)), [len(t) for t in tests])),
                "stimulus_id": ("sample", ids[np.concatenate(tests)]),
                "neuroid_id": ("neuroid", names),
                "time_start": ("time", start),
                "time_end": ("time", end),
            },
        )

    # --- draws -------------------------------------------------------------------------------------

    def drawn(
        self, counted: BoolArray, counts: FloatArray, *, ceilings: bool
    ) -> tuple[FloatArray, FloatArray | None]:
        """Figures where stimuli count so often: r and c, draw x counted neuroid x bin; c None if not asked.

        Ranks are those among all held-out images; in each draw they are correlated with its weights.
        """
        columns = np.flatnonzero(counted)
        r = np.stack([self._r(int(k), counts) for k in columns], axis=1)
        if not ceilings or self.c is None:
            return r, None
        mine, sites = counts[:, self.rows], np.flatnonzero(self.varying)[columns]
        return r, np.stack([self._c(int(k), mine) for k in sites], axis=1)

    def _r(self, column: int, counts: FloatArray) -> FloatArray:
        """Correlation of a varying neuroid, mean over folds, draw x bin."""
        found = []
        for k, (one, fold) in enumerate(zip(self.by_fold, self.folds, strict=True)):
            sums = weighted_moments(self.predicted[k][:, column], self.observed[k][:, column])
            r = weighted_pearson(counts[:, fold.test], sums)
            still, flat = (a[column] for a in (one.constant_prediction, one.constant_response))
            found.append(np.where(flat, np.nan, np.where(still, 0.0, r)))
        return nan_mean(np.stack(found), axis=0)

    def _c(self, neuroid: int, counts: FloatArray) -> FloatArray:
        """Reliability of a neuroid, mean over splits of its trials, draw x bin."""
        one, other = (_ranks(half) for half in half_means(self._trials(neuroid)))
        c = spearman_brown(weighted_pearson(counts, weighted_moments(one, other)))
        return nan_mean(c.reshape(len(c), -1, len(self.brain.bins)), axis=1)


def value_interval(
    held: Held, counted: BoolArray, rule: Rule, settings: Settings, *, population: str
) -> Interval:
    """95 % interval of the value, from the held-out predictions; the ceilings of all bins are drawn too.

    Parameters
    ----------
    held : Held
        Predictions.
    counted : array of bool, varying neuroid
        Neuroids that the value speaks of.
    rule : Rule
        How figures make a value; bins that count are chosen anew in each draw.
    settings : Settings
        Seed, and what is random.
    population : str
        Of the neuroids: measures on the same neuroids draw them together.

    Raises
    ------
    InputError
        No draw has a value.
    """
    ceilings = not rule.every_bin or rule.formula != "raw"
    n_units = int(counted.sum())
    everyone = np.arange(n_units)[None]
    c = held.c if ceilings else None
    whole = nan_mean(held.r, axis=0)[None, counted], None if c is None else c[None, counted]
    counts = image_counts(held.brain.stimuli.ids, n_draws=N_DRAWS, seed=settings.seed)
    names = held.brain.neuroids.coords["neuroid_id"].values[held.varying][counted]
    units = unit_draws(
        n_units,
        n_draws=N_DRAWS,
        seed=settings.seed,
        name=population,
        ids=names.astype(str).tolist(),
    )
    here = whole
    if settings.resample != "units":
        here = held.drawn(counted, counts, ceilings=ceilings)
    pairs = {"both": (here, units), "images": (here, everyone), "units": (whole, units)}
    draws = {
        of: rule.value(*(_of(one, who) for one in figures))
        for of, (figures, who) in pairs.items()
        if settings.resample in ("both", of)
    }
    value = float(rule.value(*whole)[0])
    return interval(
        _together(draws, settings.resample),
        what=_what(settings.resample),
        seed=settings.seed,
        value=value if np.isfinite(value) else None,
    )


def _together(draws: dict[str, FloatArray], resample: Resample) -> FloatArray:
    if resample != "both":
        return draws[resample]
    return crossed(draws["both"], images=draws["images"], units=draws["units"])


def _what(resample: Resample) -> str:
    return "images and units, noise counted once" if resample == "both" else resample


def _of(figures: FloatArray | None, units: IntArray) -> Any:
    """Figures of the drawn units, draw x unit x bin."""
    return None if figures is None else taken(figures, units, axis=1)


def _ranks(halves: FloatArray) -> FloatArray:
    """Ranks over the stimuli, stimulus x (split and bin), of halves split x stimulus x bin; NaN stays."""
    columns = halves.transpose(1, 0, 2).reshape(halves.shape[1], -1)
    return np.asarray(rankdata(columns, axis=0, nan_policy="propagate"))


def _median(figures: FloatArray) -> FloatArray:
    """Median over neuroids of (...,) neuroid x bin."""
    return nan_median(np.swapaxes(figures, -1, -2))
