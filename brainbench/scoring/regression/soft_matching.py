"""Soft matching of units and sites on the road of predictivity: a site's figure is that of its units.

A site has several units, each with a share. Its r is the mean of theirs, not the r of their mean, so that
units count by what each does alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import (
    pearson_of_predictions,
    unit_length,
    weighted_moments,
    weighted_pearson,
)
from brainbench.metrics.features import Chunks
from brainbench.metrics.linear import matching
from brainbench.metrics.linear.matching import SoftMatches
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.measure import Figure, Report, finite
from brainbench.scoring.regression.linear_maps import Features, LayerFeatures
from brainbench.scoring.regression.predictivity_evaluation import (
    Correlations,
    PredictivityEvaluation,
)
from brainbench.scoring.regression.sessions import SessionFit
from brainbench.stats.splits import Split


@dataclass(frozen=True, kw_only=True)
class SoftMatchingMap:
    """Soft matching (`metrics.linear.matching`): each unit and each site is used equally."""

    seed: int = 0  # of the units that are drawn where there are many

    pca = "none"
    least_images = 2
    one_thread = False
    shares_neuroids = True
    constant_counts = True

    def __str__(self) -> str:
        return "soft matching"

    def describe(self) -> dict[str, Any]:
        return {
            "map": "soft matching of units and sites: optimal transport of r over the training images",
            "most_units": matching.MOST_UNITS,
        }

    def features_of(self, candidate: Candidate) -> Chunks:
        """Return the units in chunks."""
        return candidate.chunks

    def within(self, features: LayerFeatures, folds: Sequence[Split]) -> Features:
        """Return the units as they are."""
        return features

    def match(self, features: Features, Y: FloatArray, folds: Sequence[Split]) -> list[SoftMatches]:
        """Return the units of each site in each fold."""
        if not (callable(features) or isinstance(features, np.ndarray)):
            raise InputError(
                f"{type(features).__name__} as features for soft matching",
                allowed="features, or chunks of them",
                todo="make them with SoftMatchingMap.features_of",
            )
        return matching.soft(features, Y, folds, seed=self.seed)

    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]:
        """Return the mean of the units of each site, each scaled to length 1, held-out stimulus x site."""
        matches = self.match(features, Y, folds)
        return [one.pool(unit_length(one.units - one.units.mean(axis=0))) for one in matches]

    def correlations(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> FloatArray:
        """Return the mean r of the units of each site, fold x site."""
        pairs = zip(self.match(features, Y, folds), folds, strict=True)
        return np.stack([_correlation(one, Y[fold.test]) for one, fold in pairs])


def _correlation(match: SoftMatches, observed: FloatArray) -> FloatArray:
    """Return the mean r of the units of each site; a unit that does not vary has r = 0."""
    r = pearson_of_predictions(match.units, observed[:, match.neuroids], constant_counts=True)
    return match.pool(r)


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftMatchingEvaluation(PredictivityEvaluation):
    """Held-out correlations of the units that are matched to each site."""

    @cached_property
    def matches(self) -> list[list[SoftMatches]]:
        """Units of each site, by session and split."""
        return [_matches(fit, fit.target.responses) for fit in self.fits]

    @cached_property
    def r(self) -> FloatArray:
        """Mean r of the units of each site, split x site of all sessions."""
        return np.concatenate(
            [
                _by_split(matches, fit.observed)
                for fit, matches in zip(self.fits, self.matches, strict=True)
            ],
            axis=1,
        )

    @cached_property
    def _pairs(self) -> list[list[FloatArray]]:
        """Moments of units and responses of all pairs, by session and split."""
        return [
            [
                weighted_moments(match.units, observed[:, match.neuroids])
                for match, observed in zip(matches, fit.observed, strict=True)
            ]
            for fit, matches in zip(self.fits, self.matches, strict=True)
        ]

    def over_images(self, counts: FloatArray | None) -> Correlations:
        if counts is None:
            return super().over_images(None)
        drawn_r = []
        for fit, matches, moments, drawn in zip(
            self.fits, self.matches, self._pairs, self.images_by_session(counts), strict=True
        ):
            by_split = [
                _pooled(match, weighted_pearson(drawn[:, fold.test], of_pairs))
                for fold, match, of_pairs in zip(fit.folds, matches, moments, strict=True)
            ]
            drawn_r.append(np.stack(by_split, axis=1))
        r = np.concatenate(drawn_r, axis=2)[:, :, self.counted]
        r = np.where(np.isnan(r) & (self.r == 0)[:, self.counted], 0.0, r)
        return Correlations(r, None if self.formula == "raw" else self.drawn_reliability(counts))

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the aggregate of matchings of shuffled images; each session is shuffled by itself."""
        drawn = []
        for fit, session_orders in zip(self.fits, orders, strict=True):
            values = []
            with progress.current().task(
                f"{len(session_orders)} shuffles", len(session_orders)
            ) as advance:
                for order in session_orders:
                    Y = fit.target.responses[order]
                    observed = [Y[fold.test] for fold in fit.folds]
                    values.append(_by_split(_matches(fit, Y), observed))
                    advance(1)
            drawn.append(np.stack(values))
        r = np.concatenate(drawn, axis=2)[:, :, self.counted]
        c = self.figure().ceiling
        return Figure.of_one_part(self.aggregate(r), None if c is None else np.repeat(c, len(r)))

    def report(self, figure: Figure) -> Report:
        """Add the published score: the sum of the plan with held-out r, which is the mean over sites."""
        report = super().report(figure)
        score = finite(np.nanmean(self.r[:, self.counted]))
        return replace(report, figures={**report.figures, "soft_matching": score})


def _matches(fit: SessionFit, responses: FloatArray) -> list[SoftMatches]:
    """Return the units of each site in each split, of the layer that was selected for it."""
    site_map = fit.site_map
    assert isinstance(site_map, SoftMatchingMap)  # noqa: S101  # of a soft matching's own evaluation
    matches: dict[int, SoftMatches] = {}
    for number, splits in fit.selection.folds_by_candidate():
        folds = [fit.folds[k] for k in splits]
        matches.update(
            zip(splits, site_map.match(fit.features[number], responses, folds), strict=True)
        )
    return [matches[k] for k in range(len(fit.folds))]


def _by_split(matches: Sequence[SoftMatches], observed: Sequence[FloatArray]) -> FloatArray:
    return np.stack([_correlation(one, y) for one, y in zip(matches, observed, strict=True)])


def _pooled(match: SoftMatches, r: FloatArray) -> FloatArray:
    """Return the mean r of the units of each site, draw x site; NaN where no unit has one."""
    defined = ~np.isnan(r)
    mean = match.pool(np.where(defined, r, 0.0))
    return np.where(match.pool(defined.astype(np.float64)) > 0, mean, np.nan)
