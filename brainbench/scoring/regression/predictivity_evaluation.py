"""Correlations of held-out predictions: figure, ceiling, interval and null of predictivity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import (
    pearson_of_predictions,
    weighted_moments,
    weighted_pearson,
)
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.measure import Figure, Report, finite
from brainbench.scoring.regression.reliable_sites import ReliableSitesEvaluation
from brainbench.stats.aggregate import error_over_splits, median_then_mean


class Correlations(NamedTuple):
    """Correlations r, draw x split x site, and reliabilities c, draw x split of the trials x site."""

    r: FloatArray
    c: FloatArray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictivityEvaluation(ReliableSitesEvaluation):
    """Held-out predictions of the sites of all sessions."""

    aggregate: Callable[..., FloatArray]  # see `PredictivityRules`
    constant_counts: bool = False  # see `pearson_of_predictions`

    # --- which sites count -------------------------------------------------------------------------

    def _excluded(self) -> dict[str, int]:
        r = nan_mean(self.r[:, self.counted], axis=0)
        return {**self.omitted(), "no correlation in any split": int(np.isnan(r).sum())}

    # --- figures -----------------------------------------------------------------------------------

    @cached_property
    def r(self) -> FloatArray:
        """Correlation, split x site of all sessions."""
        by_session = [self._correlations(fit.predicted, fit.observed) for fit in self.fits]
        return np.concatenate(by_session, axis=1)

    def _correlations(
        self, predicted: Sequence[FloatArray], observed: Sequence[FloatArray]
    ) -> FloatArray:
        """Return the correlation of each split, split x column."""
        return np.stack(
            [
                pearson_of_predictions(x, y, constant_counts=self.constant_counts)
                for x, y in zip(predicted, observed, strict=True)
            ]
        )

    @cached_property
    def _unpredicted(self) -> BoolArray:
        """Where a constant prediction counts as r = 0, split x site of all sessions."""
        if not self.constant_counts:
            return np.zeros(self.r.shape, dtype=np.bool_)
        constant = [[np.ptp(x, axis=0) == 0 for x in fit.predicted] for fit in self.fits]
        whole = np.concatenate([np.stack(splits) for splits in constant], axis=1)
        return np.asarray(whole & (self.r == 0))

    @cached_property
    def _moments(self) -> list[list[FloatArray]]:
        """Moments of predictions and responses of the sites that count, by session and split."""
        return [
            [
                weighted_moments(x[:, counted], y[:, counted])
                for x, y in zip(fit.predicted, fit.observed, strict=True)
            ]
            for fit, counted in zip(self.fits, self.by_session(self.counted), strict=True)
        ]

    def over_images(self, counts: FloatArray | None) -> Correlations:
        if counts is None:
            complete = bool(self.has_reliability[self.counted].all())
            whole_c = self.c_by_split[None, :, self.counted] if complete else None
            return Correlations(self.r[None, :, self.counted], whole_c)
        by_session = self.images_by_session(counts)
        drawn_r = [
            np.stack(
                [
                    weighted_pearson(drawn[:, fold.test], moments)
                    for fold, moments in zip(fit.folds, by_split, strict=True)
                ],
                axis=1,
            )
            for fit, by_split, drawn in zip(self.fits, self._moments, by_session, strict=True)
        ]
        r = np.where(self._unpredicted[:, self.counted], 0.0, np.concatenate(drawn_r, axis=2))
        return Correlations(r, None if self.formula == "raw" else self.drawn_reliability(counts))

    def figure_of(self, results: Correlations, unit_counts: FloatArray | None) -> Figure:
        """Return the aggregate over sites, with the median reliability as ceiling."""
        c = None if results.c is None else median_then_mean(results.c, unit_counts)
        return Figure.of_one_part(self.aggregate(results.r, unit_counts), c)

    @property
    def labels(self) -> dict[str, AnyArray]:
        return self.site_labels(self.counted)

    def figure_of_units(self, chosen: BoolArray) -> Figure:
        """Return the aggregate over some sites, with a ceiling where each of them has a reliability."""
        r, c = self.r[:, self.counted], self.c_by_split[:, self.counted]
        complete = bool(self.has_reliability[self.counted][chosen].all())
        return self.figure_of(
            Correlations(r[None, :, chosen], c[None, :, chosen] if complete else None), None
        )

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the aggregate of maps fitted to shuffled images; each session is shuffled by itself."""
        drawn = []
        for fit, session_orders in zip(self.fits, orders, strict=True):
            n_sites = int(fit.target.sites.sum())
            blocks = [
                self._correlations(predicted, observed).reshape(len(fit.folds), -1, n_sites)
                for predicted, observed in fit.shuffled(session_orders)
            ]
            drawn.append(np.concatenate(blocks, axis=1).swapaxes(0, 1))
        r = np.concatenate(drawn, axis=2)[:, :, self.counted]
        c = self.figure().ceiling
        return Figure.of_one_part(self.aggregate(r), None if c is None else np.repeat(c, len(r)))

    def error(self, figure: Figure) -> float:
        return error_over_splits(self.r[:, self.counted])

    # --- what belongs to the score -------------------------------------------------------------------

    def report(self, figure: Figure) -> Report:
        excluded = self._excluded()
        c = nan_mean(self.c_by_split, axis=0)
        details = {
            **self.details,
            "features": max(fit.n_features for fit in self.fits),
            "sites_with_ceiling": int(self.has_reliability.sum()),
        }
        if len(self.fits) > 1:
            details["sessions"] = self._by_session()
        return Report(
            n_units=int(self.counted.sum()) - excluded["no correlation in any split"],
            excluded=excluded,
            per_unit=self.site_table(
                nan_mean(self.r, axis=0),
                {"ceiling": c} if self.has_reliability.any() else {},
                units="Pearson r",
            ),
            predictions=self.held_out(),
            details=details,
            seeds=self.seeds,
            notes=self.notes_on_ceilings(),
        )

    def _by_session(self) -> list[dict[str, Any]]:
        """Return each session by itself: each figure as in a score on it alone."""
        rows = []
        for fit, r in zip(self.fits, self.by_session(self.r.T), strict=True):
            c, _ = fit.target.reliability
            rows.append(
                {
                    "session": fit.target.name,
                    "sites": int(fit.target.sites.sum()),
                    "images": len(fit.target.recordings.stimuli),
                    "raw": float(self.aggregate(r.T)),
                    "ceiling": None if c is None else finite(median_then_mean(c)),
                    "features": fit.n_features,
                }
            )
        return rows
