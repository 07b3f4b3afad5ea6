"""CC_norm of held-out predictions of all sessions: figure, interval and null of explainable variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from brainbench.core.score import Selection
from brainbench.metrics.explained_variance.ccnorm import (
    NO_VARIANCE,
    Explained,
    chance_level,
    explained,
    jackknife,
)
from brainbench.metrics.explained_variance.signal_power import Power, signal_power
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.scoring.arrays import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, Units
from brainbench.scoring.regression.sessions import (
    SessionFit,
    cut_images,
    held_out_dataset,
    site_table,
)
from brainbench.stats.ceiling import ceiled

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
class ExplainedVarianceEvaluation(Evaluation):
    """Held-out predictions of the sites with a signal, of all sessions."""

    fits: Sequence[SessionFit]
    variant: Variant  # see `ExplainableVariance`
    formula: str
    excluded_sites: Mapping[str, int]  # reason -> sites that do not count
    population: str  # name of the recorded sites
    details: Mapping[str, Any]
    seeds: Mapping[str, int]

    @cached_property
    def powers(self) -> list[Power]:
        """Signal power of the sites of each session, over all images."""
        return [signal_power(np.asarray(fit.target.trials)) for fit in self.fits]

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> SiteCorrelations:
        """Return correlations and CC_max of all sites; signal power is computed again in each draw."""
        by_session = cut_images(counts, [fit.target for fit in self.fits])
        parts = []
        for fit, power, drawn in zip(self.fits, self.powers, by_session, strict=True):
            drawn_power = (
                power
                if drawn is None
                else signal_power(np.asarray(fit.target.trials), counts=drawn)
            )
            parts.append(_explained(fit, self.variant, drawn_power, drawn))
        return _joined(parts)

    @cached_property
    def whole(self) -> SiteCorrelations:
        return self.over_images(None)

    @cached_property
    def responding(self) -> BoolArray:
        """Sites with a figure: their responses vary over the images of some set."""
        return np.asarray(np.isfinite(self.whole.per_site(self.formula)[0]))

    def figure_of(self, results: SiteCorrelations, unit_counts: FloatArray | None) -> Figure:
        """Return r and c of each site and set; a site counts as its mean over the sets that have a value."""
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
        return Figure(raw=r, ceiling=c, weights=weights.reshape(n_draws, -1))

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return r and c of maps fitted to shuffled images; the trials of an image stay together."""
        drawn = []
        for fit, power, session_orders in zip(self.fits, self.powers, orders, strict=True):
            n_sites = int(fit.target.sites.sum())
            blocks = []
            for predicted, observed in fit.shuffled(session_orders):
                n_shuffles = predicted[0].shape[1] // n_sites
                wide = Power(*(np.tile(values, n_shuffles) for values in astuple(power)))
                sets = _sets(fit, self.variant, predicted, observed)
                parts = [explained(x, y, wide) for x, y, _ in sets]
                r = np.stack([part.cc_abs.reshape(n_shuffles, n_sites) for part in parts], axis=1)
                blocks.append(SiteCorrelations(r, parts[0].cc_max.reshape(n_shuffles, n_sites)))
            drawn.append(
                SiteCorrelations(*(np.concatenate(values) for values in zip(*blocks, strict=True)))
            )
        return self.figure_of(_joined(drawn), None)

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        return selection_of([fit.selection for fit in self.fits])

    @property
    def resampling(self) -> Resampling:
        ids = np.concatenate(
            [fit.target.recordings.neuroid_ids[fit.target.sites] for fit in self.fits]
        )
        return Resampling(
            units=Units(n=len(ids), ids=tuple(ids.tolist()), population=self.population),
            remark="maps not refitted, CC_max computed in each draw",
            at_once=1000,
        )

    def report(self, figure: Figure) -> Report:
        parts = [part for fit, power in self._pairs() for part in _parts(fit, self.variant, power)]
        spe = np.concatenate(
            [
                nan_mean(np.stack([part.spe for part in _parts(fit, self.variant, power)]), axis=0)
                for fit, power in self._pairs()
            ]
        )
        cc_max = self.whole.cc_max[0]
        columns = {
            "cc_norm": self.whole.per_site("r/sqrt(c)")[0],
            "cc_max": cc_max,
            "ceiling": cc_max**2,
            "spe": spe,
            "signal_power": np.concatenate([power.power for power in self.powers]),
        }
        units = "CC_norm^2" if self.formula == "r2/c" else self.formula
        values = self.whole.per_site(self.formula)[0]
        return Report(
            n_units=int(self.responding.sum()),
            excluded={**self.excluded_sites, NO_VARIANCE: int((~self.responding).sum())},
            per_unit=site_table([fit.target for fit in self.fits], values, columns, units=units),
            predictions=held_out_dataset(self.fits),
            figures=self._figures(parts, columns),
            details=self.details,
            seeds=self.seeds,
        )

    def _pairs(self) -> list[tuple[SessionFit, Power]]:
        return list(zip(self.fits, self.powers, strict=True))

    def _figures(
        self, parts: Sequence[Explained], columns: Mapping[str, FloatArray]
    ) -> dict[str, Any]:
        """Return both variants, CC_norm with its sign, jackknife, CC_max, SPE, chance, counts."""
        by_variant = {
            variant: _joined(
                [_explained(fit, variant, power, None) for fit, power in self._pairs()]
            )
            for variant in VARIANTS
        }
        n_trials = np.concatenate([power.n_trials for power in self.powers])
        chance = np.concatenate([chance_level(part.n_stimuli, part.cc_max) for part in parts])
        constant = [
            np.any([part.constant for part in _parts(fit, self.variant, power)], axis=0).sum()
            for fit, power in self._pairs()
        ]
        return {
            "cc_norm2": {
                variant: float(np.nanmean(correlations.per_site("r2/c")))
                for variant, correlations in by_variant.items()
            },
            "cc_norm": _mean_and_median(columns["cc_norm"]),
            "cc_norm_jackknife": self._jackknife(),
            "cc_max": _mean_and_median(columns["cc_max"]),
            "spe": _mean_and_median(columns["spe"]),
            "chance_level": float(chance.mean()),
            "test_images": [part.n_stimuli for part in parts],
            "trials_used": {"least": int(n_trials.min()), "most": int(n_trials.max())},
            "constant_predictions": int(sum(constant)),
        }

    def _jackknife(self) -> dict[str, float | None]:
        """Leave out each trial in turn: mean CC_norm and median error of a site, None with two trials."""
        estimates, errors = [], []
        for fit in self.fits:
            ((predicted, _, rows),) = _sets(fit, "schoppe", fit.predicted, fit.observed)
            result = jackknife(np.asarray(fit.target.trials)[:, rows], predicted)
            estimates.append(result.estimate)
            errors.append(result.error)
        estimate = float(nan_mean(np.concatenate(estimates), axis=0))
        error = float(nan_median(np.concatenate(errors)))
        return {
            "mean": estimate if np.isfinite(estimate) else None,
            "error_of_a_site": error if np.isfinite(error) else None,
        }


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


def _parts(fit: SessionFit, variant: Variant, power: Power) -> list[Explained]:
    return [explained(x, y, power) for x, y, _ in _sets(fit, variant, fit.predicted, fit.observed)]


def _explained(
    fit: SessionFit, variant: Variant, power: Power, counts: FloatArray | None
) -> SiteCorrelations:
    """Return r and CC_max of one session; without counts of images with a single draw."""
    parts = [
        explained(x, y, power, counts=None if counts is None else counts[:, rows])
        for x, y, rows in _sets(fit, variant, fit.predicted, fit.observed)
    ]
    r = np.stack([part.cc_abs for part in parts], axis=-2)
    cc_max = parts[0].cc_max
    return (
        SiteCorrelations(r, cc_max)
        if counts is not None
        else SiteCorrelations(r[None], cc_max[None])
    )


def _joined(sessions: Sequence[SiteCorrelations]) -> SiteCorrelations:
    """Put the sites of all sessions side by side."""
    return SiteCorrelations(
        *(np.concatenate(values, axis=-1) for values in zip(*sessions, strict=True))
    )


def _mean_and_median(values: FloatArray) -> dict[str, float]:
    return {"mean": float(np.nanmean(values)), "median": float(np.nanmedian(values))}
