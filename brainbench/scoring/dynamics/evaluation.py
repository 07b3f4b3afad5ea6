"""Held-out predictions over time: figures of each time bin, what is drawn again, and the null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.score import Selection
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.correlation import weighted_moments, weighted_pearson
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.metrics.temporal.time_bins import OverImages, over_images
from brainbench.scoring.dynamics.curves import Curves, listed
from brainbench.scoring.dynamics.maps import (
    FoldFit,
    LayerInFold,
    MapFitter,
    shuffled_correlations,
)
from brainbench.scoring.dynamics.target import FEWEST_TO_CHOOSE, BinnedRecordings
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, Units
from brainbench.scoring.recordings import held_out_dataset, names_of_sites, reliable_sites

LEAST_RELIABILITY = 0.3
"""Median reliability over sites from which a time bin counts."""
BLOCK_BYTES = 4e6
"""Weighted sums of all draws that are held at once; those of more sites leave the processor's cache."""


class BinCorrelations(NamedTuple):
    """Correlations r and reliabilities of the sites that count, draw x site x bin of `bins`."""

    bins: IntArray  # numbers of the time bins that these are of
    r: FloatArray
    c: FloatArray | None  # what r is divided by
    choosing: FloatArray | None  # in the trials that choose time bins; None where nothing is chosen


@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicsEvaluation(Evaluation):
    """Held-out predictions of the sites over time."""

    recordings: BinnedRecordings
    fits: Sequence[FoldFit]
    # Time bins that the value is the mean of. None: those whose median reliability is `LEAST_RELIABILITY` at
    # least in trials that the ceiling does not use, or all where nothing can choose and `formula` is raw.
    scored: BoolArray | None
    floor: float | None  # least reliability of the sites that count
    population: str  # name of the recorded sites
    details: Mapping[str, Any]
    seeds: Mapping[str, int]
    fitter: MapFitter  # how maps are fitted to shuffled images
    # Layers that the maps of each fold are fitted to; empty where no null was asked for.
    layers: Sequence[Sequence[LayerInFold]] = ()

    # --- correlations and reliabilities ------------------------------------------------------------

    @cached_property
    def observed(self) -> list[FloatArray]:
        """Responses that go with the predictions, held-out image x site x bin."""
        return [self.recordings.responses[fit.fold.test] for fit in self.fits]

    @cached_property
    def held_out(self) -> IntArray:
        """Images that some fold holds out."""
        return np.unique(np.concatenate([fit.fold.test for fit in self.fits]))

    @cached_property
    def by_fold(self) -> list[OverImages]:
        """Correlations over images in each fold."""
        pairs = zip(self.fits, self.observed, strict=True)
        return [over_images(fit.predicted, observed) for fit, observed in pairs]

    @cached_property
    def r_by_fold(self) -> FloatArray:
        """Correlation, fold x site x bin."""
        return np.stack([correlations.r for correlations in self.by_fold])

    @cached_property
    def r(self) -> FloatArray:
        """Mean correlation over folds, site x bin."""
        return nan_mean(self.r_by_fold, axis=0)

    @property
    def chooses(self) -> bool:
        """Whether trials choose the time bins that count."""
        return self.scored is None and self.c is not None and self.recordings.can_choose

    @cached_property
    def c(self) -> FloatArray | None:
        """Reliability of the held-out responses, site x bin; None where no site has one in any bin.

        Of all trials, or of those that choose no time bins.
        """
        if self.recordings.trials is None:
            return None
        c = self._reliability(self._dividing)
        return None if np.isnan(c).all() else c

    @cached_property
    def least_c(self) -> float:
        """Median c from which trials choose a time bin.

        `LEAST_RELIABILITY`, or what two standard errors of the median site's correlation of half means make
        of noise, where few images or sites would let noise reach that.
        """
        n_values = len(self.held_out) * int(self.counted.sum())
        return max(LEAST_RELIABILITY, self.recordings.reliability_of_noise(n_values))

    @cached_property
    def choosing_c(self) -> FloatArray | None:
        """Reliability in the trials that choose time bins, site x bin; None where nothing is chosen."""
        return self._reliability(self.recordings.choosing) if self.chooses else None

    @property
    def _dividing(self) -> IntArray | None:
        """Repetitions that r is divided by; None for all."""
        chosen_apart = self.scored is None and self.recordings.can_choose
        return self.recordings.dividing if chosen_apart else None

    def _reliability(self, repetitions: IntArray | None) -> FloatArray:
        once, sites = np.ones((1, len(self.held_out))), np.arange(len(self.r))
        c = self.recordings.reliability(sites, self.held_out, once, repetitions=repetitions)
        return np.asarray(c[0])

    @cached_property
    def no_ceiling(self) -> str:
        """Why no site has a reliability in any bin; empty where one has."""
        return "" if self.c is not None else self.recordings.why_unreliable(self.held_out)

    @cached_property
    def counted(self) -> BoolArray:
        """Sites that count: those whose mean c over the reliable bins reaches the floor.

        InputError where no site reaches it, or none has a reliability.
        """
        if self.floor is None:
            return np.full(len(self.r), True)
        reliability = np.full(len(self.r), np.nan)
        unknown = self.no_ceiling or f"no time bin has a median c of {LEAST_RELIABILITY:g}"
        if self.c is not None:
            # Whatever bins the value is made of, a site is judged by the reliable ones.
            bins = nan_median(self.c.T) >= LEAST_RELIABILITY
            reliability = nan_mean(self.c[:, bins], axis=1)
        return reliable_sites(reliability, self.floor, label=self.population, unknown=unknown)

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> BinCorrelations:
        """Return r and c of the sites that count.

        Draws have those bins alone that can count, and c where formula or choice of bins needs it.
        """
        n_bins = self.r.shape[1]
        if counts is None:
            reliabilities = (self.c, self.choosing_c)
            c, choosing = (None if x is None else x[None, self.counted] for x in reliabilities)
            return BinCorrelations(np.arange(n_bins), self.r[None, self.counted], c, choosing)
        sites, counts_held_out = np.flatnonzero(self.counted), counts[:, self.held_out]
        bins = np.arange(n_bins) if self.scored is None else np.flatnonzero(self.scored)
        drawn_r, c, choosing = self._drawn_r(sites, bins, counts), None, None
        if self.c is not None and self.formula != "raw":
            c = self.recordings.reliability(
                sites, self.held_out, counts_held_out, repetitions=self._dividing, bins=bins
            )
        if self.chooses:
            choosing = self.recordings.reliability(
                sites, self.held_out, counts_held_out, repetitions=self.recordings.choosing
            )
        return BinCorrelations(bins, drawn_r, c, choosing)

    def _drawn_r(self, sites: IntArray, bins: IntArray, counts: FloatArray) -> FloatArray:
        """Return the correlation of sites where images count so often, mean over folds, draw x site x bin."""
        n_draws, n_bins = len(counts), len(bins)
        width = max(1, int(BLOCK_BYTES / (8 * n_draws * 5 * n_bins)))
        drawn = np.empty((n_draws, len(sites), n_bins))
        for first in range(0, len(sites), width):
            block = slice(first, first + width)
            by_fold = [
                self._drawn_r_of_fold(k, np.ix_(sites[block], bins), counts)
                for k in range(len(self.fits))
            ]
            drawn[:, block] = nan_mean(np.stack(by_fold), axis=0)
        return drawn

    def _drawn_r_of_fold(
        self, k: int, chosen: tuple[IntArray, ...], counts: FloatArray
    ) -> FloatArray:
        """Return the correlation in one fold; `chosen` indexes site x bin."""
        constant = self.by_fold[k].constant_prediction[chosen]
        silent = self.by_fold[k].constant_response[chosen]
        sites, bins = chosen
        pair = (values[k][:, sites, bins] for values in (self._predicted, self.observed))
        x, y = (values.reshape(len(values), -1) for values in pair)
        r = weighted_pearson(counts[:, self.fits[k].fold.test], weighted_moments(x, y))
        return np.where(silent, np.nan, np.where(constant, 0.0, r.reshape(-1, *constant.shape)))

    @property
    def _predicted(self) -> list[FloatArray]:
        return [fit.predicted for fit in self.fits]

    def figure_of(self, results: BinCorrelations, unit_counts: FloatArray | None) -> Figure:
        """Return the medians over sites in each bin; trials choose bins anew in each draw."""
        bins = results.bins
        r = self._median_over_sites(results.r, bins, unit_counts)
        c, choosing = (
            None if x is None else self._median_over_sites(x, bins, unit_counts)
            for x in (results.c, results.choosing)
        )
        counting = self._counting(choosing, n_bins=r.shape[1])
        return Figure(
            raw=r,
            ceiling=None if c is None else np.broadcast_to(c, r.shape),
            weights=None if counting is None else np.broadcast_to(counting, r.shape).astype(float),
        )

    def _median_over_sites(
        self, figures: FloatArray, bins: IntArray, counts: FloatArray | None
    ) -> FloatArray:
        """Return the median over sites of draw x site x bin, NaN in bins that are not there."""
        n_draws = max(len(figures), 1 if counts is None else len(counts))
        medians = np.full((n_draws, self.r.shape[1]), np.nan)
        for column, k in enumerate(bins):  # bin by bin, which bounds the memory
            medians[:, k] = nan_median(figures[:, :, column], counts)
        return medians

    def _counting(self, choosing: FloatArray | None, *, n_bins: int) -> BoolArray | None:
        """Return which bins count, draw x bin; None for all. `choosing` is the median c, draw x bin."""
        if self.scored is not None:
            return None if self.scored.all() else self.scored[None]
        if choosing is not None:
            return np.asarray(choosing >= self.least_c)
        return None if self.formula == "raw" else np.full((1, n_bins), False)

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of maps fitted to shuffled images; the ceiling does not depend on their order."""
        (images,) = orders
        by_fold = []
        with progress.current().task("maps to shuffled images", len(self.fits)) as advance:
            for fit, layers in zip(self.fits, self.layers, strict=True):
                by_fold.append(
                    shuffled_correlations(layers, self.fitter, self.recordings, fit.penalty, images)
                )
                advance(1)
        r = nan_mean(np.stack(by_fold), axis=0)[:, self.counted]
        return self.figure_of(self.over_images(None)._replace(r=r), None)

    def error(self, figure: Figure) -> float:
        """Return the error of the mean over bins; Brain-Score gives one for each bin."""
        per_split = nan_median(np.swapaxes(self.r_by_fold[:, self.counted], 1, 2)).mean(axis=1)
        return float(per_split.std() / np.sqrt(len(per_split)))

    def missing_value(self, figure: Figure) -> str | None:
        """Return which bins lack reliability or a figure, where sites have a reliability."""
        if figure.ceiling is None:
            return None
        used = _bins_used(figure)
        if self.scored is None and not used.any():
            return self._why_no_bin()
        below = used & ~(figure.ceiling[0] > 0)
        if self.formula != "raw" and below.any():
            names = [f"{self.recordings.bins[k][0]:g}" for k in np.flatnonzero(below)]
            return (
                f"the ceiling is not above 0 in the time bins from {', '.join(names)} ms, so no "
                f"{self.formula}: declare other bins (scored=), or none"
            )
        return "no figure in a time bin that counts: nothing varies there, or nothing is reliable"

    def describe_judged(self, below: BoolArray) -> str:
        names = [f"{self.recordings.bins[k][0]:g}" for k in np.flatnonzero(below)]
        return f"c in the time bins from {', '.join(names)} ms, the lowest of which"

    def _why_no_bin(self) -> str:
        if self.choosing_c is None:
            return (
                f"{len(np.asarray(self.recordings.trials))} repetitions, of which none can choose time bins: "
                f"at least {FEWEST_TO_CHOOSE}, or bins that the benchmark declares (scored=)"
            )
        best = np.nanmax(nan_median(self.choosing_c[self.counted].T), initial=-np.inf)
        return (
            f"no time bin with a median reliability of {self.least_c:.2g} in every third trial; the "
            f"highest is {best:.3f}"
        )

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        """Layer that most arrays of electrodes were assigned to over all folds."""
        layers = Counter(votes.layer for fit in self.fits for votes in fit.ballot.votes.values())
        return Selection(layer=layers.most_common(1)[0][0])

    @property
    def resampling(self) -> Resampling:
        ids = self.recordings.site_ids[self.counted]
        return Resampling(
            units=Units(n=len(ids), ids=tuple(ids.tolist()), population=self.population),
            remark="maps not refitted",
            at_once=1000,  # half means of the trials are ranked once for all draws
        )

    @property
    def held_out_images(self) -> BoolArray:
        return np.isin(np.arange(len(self.recordings.stimuli)), self.held_out)

    @property
    def labels(self) -> dict[str, AnyArray]:
        counted = self.recordings.varying.copy()
        counted[counted] = self.counted
        return names_of_sites(self.recordings, counted)

    def report(self, figure: Figure) -> Report:
        varying = self.recordings.varying
        return Report(
            n_units=int(self.counted.sum()),
            excluded={
                "constant response": int((~varying).sum()),
                f"reliability below {self.floor}": int((~self.counted).sum()),
            },
            per_unit=self._per_unit(figure),
            predictions=held_out_dataset(
                self._predicted,
                self.observed,
                folds=[fit.fold for fit in self.fits],
                ids=self.recordings.stimuli.ids,
                groups=self.recordings.groups,
                neuroid_id=self.recordings.site_ids,
                bins=self.recordings.bins,
            ),
            figures=self._figures(figure),
            details=self._details(),
            seeds=self.seeds,
            notes=[f"no ceiling: {self.no_ceiling}"] if self.no_ceiling else [],
        )

    def _details(self) -> dict[str, Any]:
        penalty = np.stack([fit.penalty for fit in self.fits])
        features = [description for fit in self.fits for description in fit.features]
        return {
            **self.details,
            "penalty": _penalty(penalty),
            "features": [one for k, one in enumerate(features) if one not in features[:k]],
            "stratified": self.recordings.strata is not None,
            "held_out_images": len(self.held_out),
            "ceiling": "Pearson split-half over trials of the held-out images, Spearman-Brown corrected",
            "layers": [
                {name: votes.layer for name, votes in fit.ballot.votes.items()} for fit in self.fits
            ],
            "normalized_by": self.recordings.normalized_by,
            "scalar": self._scalar(),
        }

    def _scalar(self) -> str:
        """Describe over which time bins the value is the mean."""
        if self.chooses:
            return (
                f"mean over bins with a median c of {self.least_c:.2g} at least in every third trial; the "
                "ceiling is made of the others"
            )
        if self.scored is None or self.scored.all():
            return "mean over all bins"
        return f"mean over {int(self.scored.sum())} bins that the benchmark declares"

    def _per_unit(self, figure: Figure) -> xr.DataArray:
        """Return each site's mean r over the bins that count, over all if none does, with its mean c."""
        used, varying = _bins_used(figure), self.recordings.varying
        bins = used if used.any() else np.full(len(used), True)
        table = self.recordings.neuroids.copy(data=np.full(len(varying), np.nan))
        table.values[varying] = nan_mean(self.r[:, bins], axis=1)
        if self.c is not None:
            ceiling = np.full(len(varying), np.nan)
            ceiling[varying] = nan_mean(self.c[:, bins], axis=1)
            table = table.assign_coords(ceiling=("neuroid", ceiling))
        table.attrs["units"] = "Pearson r"
        return table

    def _figures(self, figure: Figure) -> dict[str, Any]:
        start, end = np.array(self.recordings.bins).T
        counted = self.counted
        curves = Curves(fits=self.fits, recordings=self.recordings, counted=counted)
        c, choosing, by_rank = (
            None if x is None else listed(nan_median(x[counted].T))
            for x in (self.c, self.choosing_c, self._rank_c())
        )
        predictions = [correlations.constant_prediction for correlations in self.by_fold]
        responses = [correlations.constant_response for correlations in self.by_fold]
        return {
            "time_start": start.tolist(),
            "time_end": end.tolist(),
            "r": listed(figure.raw[0]),
            "c": c,
            "c_by_array": None if self.c is None else curves.by_array(self.c),
            "c_choosing": choosing,
            "c_spearman": by_rank,
            "bins_used": _bins_used(figure).tolist(),
            "temporal_correlation": curves.temporal_correlation(),
            # Sites in each bin; a fraction where folds differ.
            "constant_predictions": np.mean(predictions, axis=0)[self.counted].sum(axis=0).tolist(),
            "constant_responses": np.mean(responses, axis=0)[self.counted].sum(axis=0).tolist(),
            "layer_units": curves.layer_units(),
            "r_by_array": curves.by_array(self.r),
            "explained_variance": curves.explained(),
            "explained_variance_by_layer": curves.explained_by_layer(),
        }

    def _rank_c(self) -> FloatArray | None:
        return None if self.c is None else self.recordings.rank_reliability(self.held_out)


def _bins_used(figure: Figure) -> BoolArray:
    if figure.weights is None:
        return np.full(figure.raw.shape[1], True)
    return np.asarray(figure.weights[0] > 0)


def _penalty(penalty: FloatArray) -> dict[str, Any] | None:
    """Describe each site's own penalty, chosen by leaving out training images; None for maps without one."""
    if np.isnan(penalty).any():
        return None
    return {
        "chosen": "per site, by leaving out training images",
        "median": float(np.median(penalty)),
        "lowest": float(penalty.min()),
        "highest": float(penalty.max()),
    }
