"""CC_norm of held-out predictions of all sessions: figure, interval and null of explainable variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.explained_variance.ccnorm import (
    NO_VARIANCE,
    Explained,
    chance_level,
    explained,
    jackknife,
)
from brainbench.metrics.explained_variance.signal_power import Power
from brainbench.metrics.reductions import nan_mean, nan_median, weighted_mean
from brainbench.scoring.measure import Figure, Further, Report, Resampling, finite
from brainbench.scoring.regression.sessions import SessionFit, SessionsEvaluation, SessionTarget
from brainbench.stats.bootstrap import SQUARE, UNBOUNDED
from brainbench.stats.ceiling import ceiled

Aggregate = Literal["mean", "median"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "median")
Variant = Literal["paper", "schoppe"]
VARIANTS: tuple[Variant, ...] = ("paper", "schoppe")


class SiteCorrelations(NamedTuple):
    """Correlations with the mean response, draw x set of test images x site, and CC_max, draw x site."""

    r: FloatArray
    cc_max: FloatArray

    def per_site(self, formula: str) -> FloatArray:
        """Return the mean over sets of r related to c = CC_max^2; "r2/c" is CC_norm^2, draw x site."""
        return nan_mean(self.by_set(formula), axis=-2)

    def by_set(self, formula: str) -> FloatArray:
        """Return r related to c = CC_max^2 in each set, draw x set x site."""
        c = np.where(self.cc_max > 0, self.cc_max**2, np.nan)
        return ceiled(self.r, c[..., None, :], formula=formula)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainedVarianceEvaluation(SessionsEvaluation):
    """Held-out predictions of the sites with a signal, of all sessions."""

    variant: Variant  # see `ExplainableVariance`
    aggregate: Aggregate = "mean"  # over sites
    excluded_sites: Mapping[str, int]  # reason -> sites that do not count

    @cached_property
    def held_out_images(self) -> BoolArray | None:
        """Whether each image is in a test set: all are, unless a fitted model had some held out."""
        masks = []
        for fit in self.fits:
            is_tested = np.zeros(len(fit.target.recordings.stimuli), dtype=np.bool_)
            is_tested[np.concatenate([fold.test for fold in fit.folds])] = True
            masks.append(is_tested)
        tested = np.concatenate(masks)
        return None if tested.all() else tested

    @property
    def n_images(self) -> int:
        return super().n_images if self.held_out_images is None else int(self.held_out_images.sum())

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> SiteCorrelations:
        """Return correlations and CC_max of all sites; signal power is computed again in each draw."""
        return self._correlations(self.variant, counts)

    def _correlations(self, variant: Variant, counts: FloatArray | None) -> SiteCorrelations:
        drawn = [None] * len(self.fits) if counts is None else self.images_by_session(counts)
        by_session = []
        for fit, drawn_images in zip(self.fits, drawn, strict=True):
            power = fit.target.power
            if drawn_images is not None:
                power = fit.target.power_of(drawn_images)
            parts = _parts(fit, variant, power, drawn_images)
            r = np.stack([part.cc_abs for part in parts], axis=-2)
            by_session.append(
                SiteCorrelations(r.reshape(-1, *r.shape[-2:]), np.atleast_2d(parts[0].cc_max))
            )
        return _side_by_side(by_session)

    @cached_property
    def whole(self) -> SiteCorrelations:
        return self.over_images(None)

    @cached_property
    def responding(self) -> BoolArray:
        """Sites with a figure: their responses vary over the images of some set."""
        return np.asarray(np.isfinite(self.whole.per_site(self.formula)[0]))

    def figure_of(self, results: SiteCorrelations, unit_counts: FloatArray | None) -> Figure:
        """Return r and c of each site and set; a site counts as its mean over the sets that have a value."""
        if self.aggregate == "median":
            return self._median(results, unit_counts)
        defined = np.isfinite(results.by_set(self.formula))
        n_sets = defined.sum(axis=-2, keepdims=True)
        weights = defined / np.where(n_sets > 0, n_sets, 1)
        if unit_counts is not None:
            weights = weights * unit_counts[:, None, :]
        n_draws = len(weights)
        c = np.broadcast_to(results.cc_max[:, None, :] ** 2, results.r.shape)
        r, c = (
            np.broadcast_to(part, weights.shape).reshape(n_draws, -1) for part in (results.r, c)
        )
        figure = Figure(raw=r, ceiling=c, weights=weights.reshape(n_draws, -1))
        # Single sites are judged by the F test of their signal.
        return replace(figure, judged=figure.ceilings()[:, None])

    def _median(self, results: SiteCorrelations, unit_counts: FloatArray | None) -> Figure:
        """Return the median over the sites that have a figure."""
        values = results.per_site(self.formula)
        sites = (nan_mean(results.r, axis=-2), results.cc_max**2)
        r, c = (nan_median(np.where(np.isnan(values), np.nan, each), unit_counts) for each in sites)
        return Figure.of_one_part(r, c, values=nan_median(values, unit_counts))

    def further(
        self, results: SiteCorrelations, unit_counts: FloatArray | None
    ) -> dict[str, Further]:
        """Return mean and median over sites of CC_norm with its sign, of its square, and of CC_abs^2."""
        figures = {
            "cc_norm": results.per_site("r/sqrt(c)"),
            "cc_norm2": results.per_site("r2/c"),
            "cc_raw2": nan_mean(results.r**2, axis=-2),
        }
        return {
            f"{name}_{aggregate}": Further(
                over_sites(sites, unit_counts), UNBOUNDED if name == "cc_norm" else SQUARE
            )
            for name, sites in figures.items()
            for aggregate, over_sites in (("mean", _mean_over_sites), ("median", nan_median))
        }

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return r and c of maps fitted to shuffled images; the trials of an image stay together."""
        by_session = []
        for fit, session_orders in zip(self.fits, orders, strict=True):
            power, n_sites = fit.target.power, int(fit.target.sites.sum())
            blocks = []
            for predicted, observed in fit.shuffled(session_orders):
                n_shuffles = predicted[0].shape[1] // n_sites
                wide = Power(*(np.tile(values, n_shuffles) for values in astuple(power)))
                sets = _sets(fit, self.variant, predicted, observed)
                parts = [explained(x, y, wide) for x, y, _ in sets]
                r = np.stack([part.cc_abs.reshape(n_shuffles, n_sites) for part in parts], axis=1)
                blocks.append(SiteCorrelations(r, parts[0].cc_max.reshape(n_shuffles, n_sites)))
            by_session.append(
                SiteCorrelations(*(np.concatenate(values) for values in zip(*blocks, strict=True)))
            )
        return self.figure_of(_side_by_side(by_session), None)

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def resampling(self) -> Resampling:
        return Resampling(
            units=self.units(),
            remark="maps not refitted, CC_max computed in each draw",
            at_once=1000,
        )

    def report(self, figure: Figure) -> Report:
        parts = [_parts(fit, self.variant, fit.target.power) for fit in self.fits]
        spe = [nan_mean(np.stack([part.spe for part in by_set]), axis=0) for by_set in parts]
        cc_max = self.whole.cc_max[0]
        columns = {
            "cc_norm": self.whole.per_site("r/sqrt(c)")[0],
            "cc_max": cc_max,
            "ceiling": cc_max**2,
            "spe": np.concatenate(spe),
            "signal_power": np.concatenate([session.power.power for session in self.sessions]),
        }
        units = "CC_norm^2" if self.formula == "r2/c" else self.formula
        values = self.whole.per_site(self.formula)[0]
        return Report(
            n_units=int(self.responding.sum()),
            excluded={**self.excluded_sites, NO_VARIANCE: int((~self.responding).sum())},
            per_unit=self.site_table(values, columns, units=units),
            predictions=self.held_out(),
            figures=self._figures(parts, columns),
            details=self.details,
            seeds=self.seeds,
        )

    def _figures(
        self, parts: Sequence[Sequence[Explained]], columns: Mapping[str, FloatArray]
    ) -> dict[str, Any]:
        """Return both variants, CC_norm with its sign, jackknife, CC_max, SPE, chance, counts."""
        every_part = [part for by_set in parts for part in by_set]
        n_trials = np.concatenate([session.power.n_trials for session in self.sessions])
        chance = np.concatenate([chance_level(part.n_stimuli, part.cc_max) for part in every_part])
        constant = [np.any([part.constant for part in by_set], axis=0).sum() for by_set in parts]
        return {
            "cc_norm2": {
                variant: float(np.nanmean(self._correlations(variant, None).per_site("r2/c")))
                for variant in VARIANTS
            },
            "cc_norm2_sites": _mean_and_median(self.whole.per_site("r2/c")[0]),
            "cc_raw2": _mean_and_median(nan_mean(self.whole.r**2, axis=-2)[0]),
            "cc_norm": _mean_and_median(columns["cc_norm"]),
            "cc_norm_jackknife": self._jackknife(),
            "cc_max": _mean_and_median(columns["cc_max"]),
            "spe": _mean_and_median(columns["spe"]),
            "chance_level": float(chance.mean()),
            "test_images": [part.n_stimuli for part in every_part],
            "trials_used": {
                "least": int(n_trials.min()),
                "most": int(max(map(_most_trials, self.sessions))),
            },
            "constant_predictions": int(sum(constant)),
        }

    def _jackknife(self) -> dict[str, float | None]:
        """Leave out each trial in turn: mean CC_norm and median error of a site.

        None with two trials, and where images have unequal numbers of trials that all count.
        """
        if any(session.used_trials == "all" for session in self.sessions):
            return {"mean": None, "error_of_a_site": None}
        estimates, errors = [], []
        for fit in self.fits:
            ((predicted, _, rows),) = _sets(fit, "schoppe", fit.predicted, fit.observed)
            result = jackknife(np.asarray(fit.target.trials)[:, rows], predicted)
            estimates.append(result.estimate)
            errors.append(result.error)
        return {
            "mean": finite(nan_mean(np.concatenate(estimates), axis=0)),
            "error_of_a_site": finite(nan_median(np.concatenate(errors))),
        }


def _most_trials(session: SessionTarget) -> int:
    if session.used_trials == "first":
        return int(session.power.n_trials.max())
    return int(np.isfinite(np.asarray(session.trials)).sum(axis=0).max())


def _sets(
    fit: SessionFit,
    variant: Variant,
    predicted: Sequence[FloatArray],
    observed: Sequence[FloatArray],
) -> list[tuple[AnyArray, ...]]:
    """Return predictions, responses and rows of each fold, or of all folds together under "schoppe"."""
    sets = list(zip(predicted, observed, [fold.test for fold in fit.folds], strict=True))
    if variant == "paper":
        return list(sets)
    return [tuple(np.concatenate(arrays) for arrays in zip(*sets, strict=True))]


def _parts(
    fit: SessionFit, variant: Variant, power: Power, counts: FloatArray | None = None
) -> list[Explained]:
    """Return what is explained of one session in each set, where images count so often."""
    return [
        explained(x, y, power, counts=None if counts is None else counts[:, rows])
        for x, y, rows in _sets(fit, variant, fit.predicted, fit.observed)
    ]


def _side_by_side(sessions: Sequence[SiteCorrelations]) -> SiteCorrelations:
    """Return the sites of all sessions together."""
    return SiteCorrelations(
        *(np.concatenate(values, axis=-1) for values in zip(*sessions, strict=True))
    )


def _mean_over_sites(values: FloatArray, unit_counts: FloatArray | None) -> FloatArray:
    """Return the mean over the sites that have a value, each as often as it counts."""
    weights = np.isfinite(values) * (1.0 if unit_counts is None else unit_counts)
    return weighted_mean(np.broadcast_to(values, weights.shape), weights)


def _mean_and_median(values: FloatArray) -> dict[str, float]:
    return {"mean": float(np.nanmean(values)), "median": float(np.nanmedian(values))}
