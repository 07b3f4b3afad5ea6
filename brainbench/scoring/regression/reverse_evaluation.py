"""Held-out predictions of a model's units from sites: figure, ceiling, interval, null and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.score import Selection
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.correlation import (
    pearson,
    pearson_of_predictions,
    weighted_moments,
    weighted_pearson,
)
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring import measure
from brainbench.scoring.layer_selection import FoldSelection, selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, finite
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.sessions import SessionTarget
from brainbench.stats.aggregate import error_over_splits, median_then_mean
from brainbench.stats.ceiling import halves_by_image, spearman_brown
from brainbench.stats.splits import Split

FRACTIONS = (0.25, 0.5, 1.0)
"""Shares of the sites and of the trials over which there are curves."""
FEWEST_IMAGES = 10
"""With two trials, for a ceiling, as in Brain-Score."""


class Results(NamedTuple):
    """Correlations r, draw x split x unit, and ceiling c of the sites that predict, draw; None for none."""

    r: FloatArray
    c: FloatArray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Units of a layer at one step that are predicted."""

    values: FloatArray  # stimulus x unit
    numbers: IntArray  # of the units in the layer
    layer: str
    step: int | None
    n_varying: int
    n_all: int

    @property
    def ids(self) -> list[str]:
        step = "" if self.step is None else f"@{self.step}"
        return [f"{self.layer}{step}:{number}" for number in self.numbers.tolist()]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReverseFit:
    """Maps from the sites of one session to the units that were selected for each split."""

    target: SessionTarget
    folds: list[Split]
    selection: FoldSelection
    site_map: LinearMap
    units: Mapping[int, Units]  # by the number of the candidate

    @property
    def chosen(self) -> list[tuple[Units, slice]]:
        """Units of each split, and their columns among those of all selected candidates."""
        starts, first = {}, 0
        for number, units in self.units.items():
            starts[number] = slice(first, first + len(units.numbers))
            first = starts[number].stop
        return [(self.units[number], starts[number]) for number in self.selection.best.tolist()]

    @property
    def least_sites(self) -> int:
        """Sites that the map needs."""
        return self.site_map.n_components if self.site_map.metric == "pls" else 1

    @property
    def n_columns(self) -> int:
        return sum(len(units.numbers) for units in self.units.values())

    def predicted(self, X: FloatArray, order: IntArray | None = None) -> list[FloatArray]:
        """Return held-out predictions of each split, held-out stimulus x unit of its candidate.

        `order` shuffles the images of the units against those of the sites.
        """
        predicted: dict[int, FloatArray] = {}
        for number, splits in self.selection.folds_by_candidate():
            values = self.units[number].values
            values = values if order is None else values[order]
            held_out = self.site_map.predict(X, values, [self.folds[k] for k in splits])
            predicted.update(zip(splits, held_out, strict=True))
        return [predicted[k] for k in range(len(self.folds))]

    def correlations(self, X: FloatArray, order: IntArray | None = None) -> FloatArray:
        """Return r, split x unit of all selected candidates; NaN for those of other splits."""
        r = np.full((len(self.folds), self.n_columns), np.nan)
        for k, held_out in enumerate(self.predicted(X, order)):
            units, columns = self.chosen[k]
            values = units.values if order is None else units.values[order]
            observed = values[self.folds[k].test]
            r[k, columns] = pearson_of_predictions(held_out, observed, constant_counts=True)
        return r


@dataclass(frozen=True, kw_only=True, eq=False)
class ReverseEvaluation(Evaluation):
    """Held-out predictions of the units of a model from the sites of all sessions."""

    fits: Sequence[ReverseFit]
    model: str
    has_ceiling: bool  # Brain-Score's, of the sites that predict
    seed: int
    details: Mapping[str, Any]
    seeds: Mapping[str, int]

    @property
    def selection(self) -> Selection:
        return selection_of([fit.selection for fit in self.fits])

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Name of each unit, of all sessions."""
        names = []
        for fit in self.fits:
            session = f"{fit.target.name}/" if fit.target.name else ""
            names += [f"{session}{one}" for units in fit.units.values() for one in units.ids]
        return tuple(names)

    @property
    def resampling(self) -> Resampling:
        units = measure.Units(
            n=len(self.ids), ids=self.ids, population=f"units of {self.model}", crossed=True
        )
        return Resampling(units=units, remark="maps not refitted", at_once=50)

    # --- figures -----------------------------------------------------------------------------------

    @cached_property
    def _predicted(self) -> list[list[FloatArray]]:
        return [fit.predicted(fit.target.responses) for fit in self.fits]

    @cached_property
    def r(self) -> FloatArray:
        """Correlation, split x unit of all sessions."""
        return np.concatenate([fit.correlations(fit.target.responses) for fit in self.fits], axis=1)

    @cached_property
    def _moments(self) -> list[list[FloatArray]]:
        return [
            [
                weighted_moments(held_out, units.values[fold.test])
                for held_out, fold, (units, _) in zip(predicted, fit.folds, fit.chosen, strict=True)
            ]
            for fit, predicted in zip(self.fits, self._predicted, strict=True)
        ]

    def over_images(self, counts: FloatArray | None) -> Results:
        if counts is None:
            return Results(self.r[None], self._ceiling(None))
        drawn_r = []
        for fit, moments, drawn in zip(
            self.fits, self._moments, self._by_session(counts), strict=True
        ):
            r = np.full((len(counts), len(fit.folds), fit.n_columns), np.nan)
            for k, (fold, (_, columns)) in enumerate(zip(fit.folds, fit.chosen, strict=True)):
                r[:, k, columns] = weighted_pearson(drawn[:, fold.test], moments[k])
            drawn_r.append(r)
        whole = np.concatenate(drawn_r, axis=2)
        unpredicted = np.isnan(whole) & (self.r == 0)[None]  # a constant prediction stays at 0
        return Results(np.where(unpredicted, 0.0, whole), self._ceiling(counts))

    def _by_session(self, counts: FloatArray) -> list[FloatArray]:
        sizes = [len(fit.target.recordings.stimuli) for fit in self.fits]
        return list(np.split(counts, np.cumsum(sizes)[:-1], axis=1))

    def figure_of(self, results: Results, unit_counts: FloatArray | None) -> Figure:
        """Return the mean over splits of the median over units."""
        return Figure.of_one_part(median_then_mean(results.r, unit_counts), results.c)

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of maps fitted to units of shuffled images; each session by itself."""
        n = len(orders[0])
        drawn = []
        with progress.current().task(f"{n} shuffles", n) as advance:
            for number in range(n):
                by_session = [
                    fit.correlations(fit.target.responses, session_orders[number])
                    for fit, session_orders in zip(self.fits, orders, strict=True)
                ]
                drawn.append(np.concatenate(by_session, axis=1))
                advance(1)
        c = self._ceiling(None)
        r = median_then_mean(np.stack(drawn))
        return Figure.of_one_part(r, None if c is None else np.repeat(c, n))

    def error(self, figure: Figure) -> float:
        return error_over_splits(self.r)

    # --- ceiling of the sites that predict -----------------------------------------------------------

    @cached_property
    def _halves(self) -> list[tuple[IntArray, FloatArray, FloatArray]] | None:
        """Images with two trials, and means of both halves of these, by session; None without a ceiling."""
        trials = [fit.target.trials for fit in self.fits]
        if not self.has_ceiling or any(one is None for one in trials):
            return None
        halves = []
        for one in trials:
            first, second = halves_by_image(np.asarray(one))
            kept = np.flatnonzero(~np.isnan(first[0]).all(axis=1))
            if len(kept) < FEWEST_IMAGES:
                return None
            halves.append((kept, first[:, kept], second[:, kept]))
        return halves

    def _ceiling(self, counts: FloatArray | None) -> FloatArray | None:
        """Return the mean over splits of the median consistency of the sites, draw; None without."""
        if self._halves is None:
            return None
        by_session = []
        drawn = [None] * len(self.fits) if counts is None else self._by_session(counts)
        for (kept, first, second), images in zip(self._halves, drawn, strict=True):
            pairs = zip(first, second, strict=True)
            if images is None:
                r = np.stack([pearson(a, b) for a, b in pairs])[None]
            else:
                r = np.stack(
                    [weighted_pearson(images[:, kept], weighted_moments(a, b)) for a, b in pairs],
                    axis=1,
                )
            by_session.append(spearman_brown(r))
        return median_then_mean(np.concatenate(by_session, axis=2))

    @property
    def no_ceiling(self) -> str:
        return f"fewer than {FEWEST_IMAGES} images have two trials of the sites that predict"

    @property
    def no_floor(self) -> str:
        return "units of a model are measured without noise, and sites that predict all count"

    # --- what belongs to the score -------------------------------------------------------------------

    def report(self, figure: Figure) -> Report:
        r = nan_mean(self.r, axis=0)
        units = [one for fit in self.fits for one in fit.units.values()]
        n_drawn = sum(len(one.numbers) for one in units)
        excluded = {
            "constant response": sum(one.n_all - one.n_varying for one in units),
            "not among the units that were drawn": sum(one.n_varying for one in units) - n_drawn,
            "no correlation in any split": int(np.isnan(r).sum()),
        }
        return Report(
            n_units=int(np.isfinite(r).sum()),
            excluded=excluded,
            per_unit=xr.DataArray(
                r,
                dims=("neuroid",),
                coords={"neuroid_id": ("neuroid", np.array(self.ids))},
                attrs={"units": "Pearson r"},
            ),
            figures={"curves": self._curves()},
            details={
                **self.details,
                "sites": sum(int(fit.target.sites.sum()) for fit in self.fits),
                "units": n_drawn,
            },
            seeds=self.seeds,
        )

    def _curves(self) -> dict[str, list[dict[str, Any]]]:
        """Return r over shares of the sites and of the trials; layers and steps stay as selected.

        None where there are fewer sites than components of the map.
        """
        curves: dict[str, list[dict[str, Any]]] = {"sites": [], "trials": []}
        repeated = all(fit.target.trials is not None for fit in self.fits)
        for fraction in FRACTIONS:
            curves["sites"].append(self._point(fraction, some_sites))
            if repeated:
                curves["trials"].append(self._point(fraction, some_trials))
        return curves

    def _point(self, fraction: float, take: Any) -> dict[str, Any]:
        taken = [take(fit.target, fraction, self.seed) for fit in self.fits]
        n = sum(n for _, n in taken) if take is some_sites else max(n for _, n in taken)
        if any(X.shape[1] < fit.least_sites for fit, (X, _) in zip(self.fits, taken, strict=True)):
            return {"fraction": fraction, "n": n, "raw": None}
        if fraction == 1:
            r = self.r
        else:
            pairs = zip(self.fits, taken, strict=True)
            r = np.concatenate([fit.correlations(X) for fit, (X, _) in pairs], axis=1)
        return {"fraction": fraction, "n": n, "raw": finite(median_then_mean(r))}


def some_sites(target: SessionTarget, fraction: float, seed: int) -> tuple[FloatArray, int]:
    """Return the responses of a share of the sites, at least one, drawn by a seed, and their number."""
    n_sites = target.responses.shape[1]
    n = max(1, round(fraction * n_sites))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4001]))
    return target.responses[:, np.sort(rng.permutation(n_sites)[:n])], n


def some_trials(target: SessionTarget, fraction: float, seed: int) -> tuple[FloatArray, int]:
    """Return mean responses over a share of the trials of each image, at least one, drawn by a seed.

    Beside them the largest number of trials of an image that is used.
    """
    trials = np.asarray(target.trials, dtype=np.float64)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4002]))
    means, most = np.empty(trials.shape[1:]), 0
    for image, own in enumerate(trials.swapaxes(0, 1)):
        there = rng.permutation(np.flatnonzero(~np.isnan(own).all(axis=1)))
        kept = there[: max(1, round(fraction * len(there)))]
        some = nan_mean(own[kept], axis=0)
        # A site that has none of these trials keeps all of its own.
        means[image] = np.where(np.isnan(some), nan_mean(own, axis=0), some)
        most = max(most, len(kept))
    return means, most
