"""Correlations of held-out predictions: figure, ceiling, interval and null of predictivity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.metrics.correlation import pearson, weighted_moments, weighted_pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.arrays import BoolArray, FloatArray, IntArray
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, Units
from brainbench.scoring.recordings import reliable_sites
from brainbench.scoring.regression.sessions import (
    SessionFit,
    SessionTarget,
    cut_by_session,
    cut_images,
    held_out_dataset,
    site_table,
)
from brainbench.stats.aggregate import error_over_splits, median_then_mean
from brainbench.stats.ceiling import half_means, spearman_brown, split_half

NOT_REPEATED = "no repeated trials"


class Correlations(NamedTuple):
    """Correlations r, draw x split x site, and reliabilities c, draw x split of the trials x site."""

    r: FloatArray
    c: FloatArray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictivityEvaluation(Evaluation):
    """Held-out predictions of the sites of all sessions."""

    fits: Sequence[SessionFit]
    aggregate: Callable[..., FloatArray]  # see `PredictivityRules`
    reports_error: bool  # see `PredictivityRules`
    formula: str
    floor: float | None  # least reliability of the sites that count
    population: str  # name of the recorded sites
    n_pca: int | None  # principal components that features were reduced to, at most
    details: Mapping[str, Any]
    seeds: Mapping[str, int]

    # --- which sites count -------------------------------------------------------------------------

    @property
    def targets_by_session(self) -> list[SessionTarget]:
        return [fit.target for fit in self.fits]

    @cached_property
    def reliabilities(self) -> list[tuple[FloatArray | None, str | None]]:
        """Split-half reliability of each session, split of the trials x site; None, and why."""
        return [_reliability(target) for target in self.targets_by_session]

    @cached_property
    def has_reliability(self) -> BoolArray:
        """Whether trials give a site a reliability, site of all sessions."""
        pairs = zip(self.targets_by_session, self.reliabilities, strict=True)
        return np.concatenate([np.full(one.sites.sum(), c is not None) for one, (c, _) in pairs])

    @cached_property
    def c_by_split(self) -> FloatArray:
        """Reliability of each site, split of the trials x site of all sessions; NaN where there is none."""
        n_splits = max((len(c) for c, _ in self.reliabilities if c is not None), default=1)
        pairs = zip(self.targets_by_session, self.reliabilities, strict=True)
        blocks = [
            np.full((n_splits, one.sites.sum()), np.nan) if c is None else c
            for one, (c, _) in pairs
        ]
        return np.concatenate(blocks, axis=1)

    @property
    def without_reliability(self) -> dict[str, int]:
        """Reason -> how many sites have no reliability for it."""
        reasons: Counter[str] = Counter()
        for target, (_, reason) in zip(self.targets_by_session, self.reliabilities, strict=True):
            if reason is not None:
                reasons[reason] += int(target.sites.sum())
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
        constant = sum(int((~target.sites).sum()) for target in self.targets_by_session)
        r = nan_mean(self.r[:, self.counted], axis=0)
        excluded = {
            "constant response": constant,
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
        return np.concatenate([_correlations(fit.predicted, fit.observed) for fit in self.fits], 1)

    @cached_property
    def _sums(self) -> list[list[FloatArray]]:
        """Weighted sums of predictions and responses of the sites that count, session by session."""
        masks = cut_by_session(self.counted, self.targets_by_session)
        return [
            [
                weighted_moments(x[:, mask], y[:, mask])
                for x, y in zip(fit.predicted, fit.observed, strict=True)
            ]
            for fit, mask in zip(self.fits, masks, strict=True)
        ]

    @cached_property
    def _half_sums(self) -> list[list[FloatArray]]:
        """Weighted sums of half means of the sites that count, session by session."""
        masks = cut_by_session(self.counted, self.targets_by_session)
        return [
            [
                weighted_moments(first, second)
                for first, second in zip(*half_means(target.trials[:, :, mask]), strict=True)
            ]
            for target, mask in zip(self.targets_by_session, masks, strict=True)
            if mask.any() and target.trials is not None
        ]

    def over_images(self, counts: FloatArray | None) -> Correlations:
        if counts is None:
            complete = bool(self.has_reliability[self.counted].all())
            c = self.c_by_split[None, :, self.counted] if complete else None
            return Correlations(self.r[None, :, self.counted], c)
        by_session = cut_images(counts, self.targets_by_session)
        pairs = list(zip(self.fits, self._sums, by_session, strict=True))
        r = np.concatenate(
            [
                np.stack(
                    [
                        weighted_pearson(drawn[:, fold.test], sums)
                        for fold, sums in zip(fit.folds, session_sums, strict=True)
                    ],
                    axis=1,
                )
                for fit, session_sums, drawn in pairs
                if drawn is not None
            ],
            axis=2,
        )
        return Correlations(r, self._drawn_reliability(by_session))

    def _drawn_reliability(self, by_session: Sequence[FloatArray | None]) -> FloatArray | None:
        if self.formula == "raw":
            return None
        masks = cut_by_session(self.counted, self.targets_by_session)
        used = [drawn for drawn, mask in zip(by_session, masks, strict=True) if mask.any()]
        blocks = [
            np.stack([weighted_pearson(drawn, sums) for sums in session_sums], axis=1)
            for drawn, session_sums in zip(used, self._half_sums, strict=True)
            if drawn is not None
        ]
        return spearman_brown(np.concatenate(blocks, axis=2))

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
                _correlations(predicted, observed).reshape(len(fit.folds), -1, n_sites)
                for predicted, observed in fit.shuffled(session_orders)
            ]
            drawn.append(np.concatenate(blocks, axis=1).swapaxes(0, 1))
        r = np.concatenate(drawn, axis=2)[:, :, self.counted]
        c = self.figure().ceiling
        ceiling = None if c is None else np.full(len(r), c[0, 0])
        return Figure.of_one_part(self.aggregate(r), ceiling)

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        return selection_of([fit.selection for fit in self.fits])

    @property
    def resampling(self) -> Resampling:
        names = [target.recordings.neuroid_ids[target.sites] for target in self.targets_by_session]
        ids = np.concatenate(names)[self.counted]
        return Resampling(
            units=Units(n=len(ids), ids=tuple(ids.tolist()), population=self.population),
            words={
                "images": "images",
                "units": "units",
                "both": "images and units, noise counted once",
            },
            remark="maps not refitted",
        )

    @property
    def no_ceiling(self) -> str:
        reasons = [why for why in self.without_reliability if why != NOT_REPEATED]
        return "; ".join(reasons) or "only the mean of the trials was published, none is repeated"

    def report(self, figure: Figure) -> Report:
        excluded = self._excluded()
        columns = {}
        if self.has_reliability.any():
            columns["ceiling"] = nan_mean(self.c_by_split, axis=0)
        r = nan_mean(self.r, axis=0)
        without_r = excluded["no correlation in any split"]
        details = {
            **self.details,
            "features": max(self._n_features(fit) for fit in self.fits),
            "sites_with_ceiling": int(self.has_reliability.sum()),
        }
        if len(self.fits) > 1:
            details["sessions"] = [self._summary(k) for k in range(len(self.fits))]
        return Report(
            n_units=int(self.counted.sum()) - without_r,
            excluded=excluded,
            per_unit=site_table(self.targets_by_session, r, columns, units="Pearson r"),
            predictions=held_out_dataset(self.fits),
            details=details,
            seeds=self.seeds,
            notes=[
                f"no ceiling{f' of session {target.name}' if target.name else ''}: {reason}"
                for target, (_, reason) in zip(
                    self.targets_by_session, self.reliabilities, strict=True
                )
                if reason not in (None, NOT_REPEATED)
            ],
            error=error_over_splits(self.r[:, self.counted]) if self.reports_error else None,
        )

    def _n_features(self, fit: SessionFit) -> int:
        if self.n_pca is None:
            return fit.n_features
        return min(self.n_pca, len(fit.target.recordings.stimuli) - 1, fit.n_features)

    def _summary(self, k: int) -> dict[str, Any]:
        """Return one session by itself: each figure as in a score on it alone."""
        target, (c, _) = self.targets_by_session[k], self.reliabilities[k]
        r = cut_by_session(self.r.T, self.targets_by_session)[k].T
        return {
            "session": target.name,
            "sites": int(target.sites.sum()),
            "images": len(target.recordings.stimuli),
            "raw": float(self.aggregate(r)),
            "ceiling": None if c is None else float(median_then_mean(c)),
            "features": self._n_features(self.fits[k]),
        }


def _correlations(predicted: Sequence[FloatArray], observed: Sequence[FloatArray]) -> FloatArray:
    """Return the correlation of each split, split x column."""
    return np.stack([pearson(x, y) for x, y in zip(predicted, observed, strict=True)])


def _reliability(target: SessionTarget) -> tuple[FloatArray | None, str | None]:
    if target.trials is None:
        return None, NOT_REPEATED
    try:
        return split_half(target.trials), None
    except InputError as error:  # a ceiling is missing then, not a score
        return None, error.got
