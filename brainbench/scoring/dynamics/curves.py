"""Curves over time bins and figures over time that stand beside the value, for each array of electrodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.metrics.temporal.time_bins import explained_variance, over_time
from brainbench.scoring.dynamics.maps import FoldFit
from brainbench.scoring.dynamics.target import BinnedRecordings
from brainbench.scoring.measure import finite

TEMPORAL = (50.0, 250.0)
"""Bins over which the responses to single images are correlated (figure S1b)."""

Curve = list[float | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Medians over the sites of each array that count."""

    fits: Sequence[FoldFit]
    recordings: BinnedRecordings
    counted: BoolArray  # sites that count

    def by_array(self, table: FloatArray) -> dict[str, Curve]:
        """Return the median of site x bin over the sites of each array, in each bin."""
        return {
            name: listed(nan_median(table[sites[self.counted[sites]]].T))
            for name, sites in self.recordings.arrays.items()
            if self.counted[sites].any()
        }

    def explained(self) -> dict[str, Curve]:
        """Return what the shared map explains of held-out images, mean over folds, in each array and bin."""
        by_fold = [explained_variance(x, y) for x, y in self._pairs()]
        return self.by_array(nan_mean(np.stack(by_fold), axis=0))

    def explained_by_layer(self) -> dict[str, dict[str, Curve]] | None:
        """Return what each layer explains in each array and bin, mean over folds; None for a sole layer."""
        table: dict[str, dict[str, Curve]] = {}
        for layer in self.fits[0].ballot.explained:
            by_fold = np.stack([fit.ballot.explained[layer] for fit in self.fits])
            for name, curve in self.by_array(nan_mean(by_fold, axis=0)).items():
                table.setdefault(name, {})[layer] = curve
        return table or None

    def temporal_correlation(self) -> dict[str, float | None] | None:
        """Return the median r over time of single images in each array; None of too few bins."""
        first, last = TEMPORAL
        inside = [k for k, (a, b) in enumerate(self.recordings.bins) if a >= first and b <= last]
        if len(inside) < 3:
            return None
        by_image = [over_time(x[:, :, inside], y[:, :, inside]) for x, y in self._pairs()]
        per_site = nan_median(np.concatenate(by_image).T)
        medians = {}
        for name, sites in self.recordings.arrays.items():
            counted = per_site[sites[self.counted[sites]]]
            medians[name] = listed(nan_median(counted[None]))[0] if len(counted) else None
        return medians

    def layer_units(self) -> dict[str, dict[str, float]]:
        """Return how many sites of each array each layer serves best, mean over folds (figure 5b)."""
        return {
            name: {
                layer: float(np.mean([fit.ballot.votes[name].units[layer] for fit in self.fits]))
                for layer in self.fits[0].ballot.votes[name].units
            }
            for name in self.recordings.arrays
        }

    def _pairs(self) -> list[tuple[FloatArray, FloatArray]]:
        """Return predictions and responses of each fold's held-out images, image x site x bin."""
        responses = self.recordings.responses
        return [(fit.predicted, responses[fit.fold.test]) for fit in self.fits]


def listed(figures: FloatArray) -> Curve:
    """Return numbers as a list, None in place of NaN and infinity."""
    return [finite(value) for value in figures]
