"""Correlations of held-out predictions: figure, ceiling, interval and null of predictivity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import (
    pearson_of_predictions,
    weighted_moments,
    weighted_pearson,
)
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.measure import Figure, Report, Resampling, finite
from brainbench.scoring.recordings import reliable_sites
from brainbench.scoring.regression.sessions import NOT_REPEATED, SessionsEvaluation
from brainbench.stats.aggregate import error_over_splits, median_then_mean
from brainbench.stats.ceiling import half_means, spearman_brown


class Correlations(NamedTuple):
    """Correlations r, draw x split x site, and reliabilities c, draw x split of the trials x site."""

    r: FloatArray
    c: FloatArray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictivityEvaluation(SessionsEvaluation):
    """Held-out predictions of the sites of all sessions."""

    aggregate: Callable[..., FloatArray]  # see `PredictivityRules`
    floor: float | None  # least reliability of the sites that count
    constant_counts: bool = False  # see `pearson_of_predictions`

    # --- which sites count -------------------------------------------------------------------------

    @cached_property
    def has_reliability(self) -> BoolArray:
        """Whether trials give a site a reliability, site of all sessions."""
        reliable = [session.reliability[0] is not None for session in self.sessions]
        return np.repeat(reliable, [session.sites.sum() for session in self.sessions])

    @cached_property
    def c_by_split(self) -> FloatArray:
        """Reliability of each site, split of the trials x site of all sessions; NaN where there is none."""
        by_session = [session.reliability[0] for session in self.sessions]
        n_splits = max((len(c) for c in by_session if c is not None), default=1)
        by_split = np.full((n_splits, len(self.has_reliability)), np.nan)
        if self.has_reliability.any():
            known = [c for c in by_session if c is not None]
            by_split[:, self.has_reliability] = np.concatenate(known, axis=1)
        return by_split

    @property
    def without_reliability(self) -> dict[str, int]:
        """Reason -> how many sites have no reliability for it."""
        reasons: Counter[str] = Counter()
        for session in self.sessions:
            c, reason = session.reliability
            if c is None:
                reasons[reason] += int(session.sites.sum())
        return dict(reasons)

    @cached_property
    def counted(self) -> BoolArray:
        """Sites that reach the floor, or have the ceiling that the formula needs; InputError for none."""
        if self.floor is not None:
            c = nan_mean(self.c_by_split, axis=0)
            unknown = "; ".join(self.without_reliability)
            return reliable_sites(c, self.floor, label=self.population, unknown=unknown)
        if self.formula == "raw" or not self.has_reliability.any():
            return np.full(len(self.has_reliability), True)
        return self.has_reliability

    def _excluded(self) -> dict[str, int]:
        r = nan_mean(self.r[:, self.counted], axis=0)
        excluded = {
            "constant response": sum(int((~session.sites).sum()) for session in self.sessions),
            "no correlation in any split": int(np.isnan(r).sum()),
        }
        without, n = self.without_reliability, len(self.counted)
        if self.floor is not None:
            below = n - sum(without.values()) - int(self.counted.sum())
            excluded[f"reliability below {self.floor}"] = below
            excluded |= {f"{why}, so no reliability": count for why, count in without.items()}
        elif not self.counted.all():
            excluded |= {f"{why}, so no {self.formula}": count for why, count in without.items()}
        return excluded

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

    @cached_property
    def _half_moments(self) -> list[list[FloatArray]]:
        """Moments of half means of the sites that count, by session and split; none where none counts."""
        pairs = zip(self.sessions, self.by_session(self.counted), strict=True)
        return [
            [
                weighted_moments(first, second)
                for first, second in zip(*half_means(session.trials[:, :, counted]), strict=True)
            ]
            if session.trials is not None and counted.any()
            else []
            for session, counted in pairs
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
        if self.formula == "raw":
            return Correlations(r, None)
        drawn_c = [
            np.stack([weighted_pearson(drawn, moments) for moments in by_half], axis=1)
            for by_half, drawn in zip(self._half_moments, by_session, strict=True)
            if by_half
        ]
        c = spearman_brown(np.concatenate(drawn_c, axis=2))
        return Correlations(r, c)

    def figure_of(self, results: Correlations, unit_counts: FloatArray | None) -> Figure:
        """Return the aggregate over sites, with the median reliability as ceiling."""
        c = None if results.c is None else median_then_mean(results.c, unit_counts)
        return Figure.of_one_part(self.aggregate(results.r, unit_counts), c)

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

    @property
    def resampling(self) -> Resampling:
        return Resampling(units=self.units(self.counted), remark="maps not refitted")

    @property
    def no_ceiling(self) -> str:
        reasons = [why for why in self.without_reliability if why != NOT_REPEATED]
        return "; ".join(reasons) or "only the mean of the trials was published, none is repeated"

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
        reasons = [(session.name, session.reliability[1]) for session in self.sessions]
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
            notes=[
                f"no ceiling{f' of session {name}' if name else ''}: {reason}"
                for name, reason in reasons
                if reason not in ("", NOT_REPEATED)
            ],
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
