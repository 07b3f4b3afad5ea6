"""A model's solution times beside a brain's: score, ceiling, interval, null, the figures of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.settings import Settings
from brainbench.metrics.correlation import rank_correlation
from brainbench.metrics.reductions import nan_mean
from brainbench.metrics.solution_times.solution_times import HeldOutTimes, agreement
from brainbench.scoring.solution_times.model_times import Solver
from brainbench.scoring.solution_times.target import Brain
from brainbench.stats import bootstrap as resample
from brainbench.stats.ceiling import ceiled, spearman_brown
from brainbench.stats.permutation import shuffles, summary
from brainbench.stats.splits import Split

FloatArray = npt.NDArray[np.float64]

N_DRAWS = 1000
CONVENTION = 0.79
"""Ceiling that Brain-Score divides by, whatever the data."""
CONVENTION_NAME = "Kar 2019 / Brain-Score convention"


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Solution times of a model and of a brain.

    Parameters
    ----------
    brain : Brain
        The brain's.
    parts : sequence of (rows, solution times)
        The model's: of all images, or of the held-out images of each split.
    formula : str
        How Spearman r and ceiling make the value.
    conventional : bool
        Divide by Brain-Score's convention, whatever the trials say.
    """

    brain: Brain
    parts: Sequence[HeldOutTimes]
    formula: str
    conventional: bool = False

    @cached_property
    def times(self) -> FloatArray:
        """The model's time for each image, mean over the splits that solve it; NaN where none does."""
        each = np.full((len(self.parts), len(self.brain.times)), np.nan)
        for k, (rows, times) in enumerate(self.parts):
            each[k, rows] = times
        return nan_mean(each, axis=0)

    @cached_property
    def asked(self) -> npt.NDArray[np.bool_]:
        """Which images were held out in any split."""
        return np.isin(
            np.arange(len(self.brain.times)), np.concatenate([rows for rows, _ in self.parts])
        )

    def raw(self, counts: FloatArray | None = None) -> FloatArray:
        """Spearman correlation, mean over parts; with `counts` (draw x image) one for each draw."""
        return nan_mean(agreement(self.parts, self.brain.times, counts=counts), axis=-1)

    def ceiling(self, counts: FloatArray | None = None) -> FloatArray:
        """What the formula takes: reliability of the brain's order by trials, or Brain-Score's convention."""
        if self.conventional or self.brain.halves is None:
            return np.full(() if counts is None else len(counts), CONVENTION)
        return self.split_half(counts)

    def split_half(self, counts: FloatArray | None = None) -> FloatArray:
        """Reliability of the brain's order: halves of the trials; NaN where there are none."""
        if self.brain.halves is None or not self.brain.halves.shape[1]:
            return np.full(() if counts is None else len(counts), np.nan)
        pairs = zip(*self.brain.halves, strict=True)
        each = [rank_correlation(one, other, counts=counts) for one, other in pairs]
        return nan_mean(spearman_brown(np.stack(each, axis=-1)), axis=-1)

    @property
    def ceiling_source(self) -> str:
        """What the ceiling is."""
        if self.brain.halves is None:
            return f"{CONVENTION:g}, {CONVENTION_NAME}: no trials"
        if self.conventional:
            return f"{CONVENTION:g}, {CONVENTION_NAME}"
        if not self.brain.halves.shape[1]:
            return "none: no halves of the trials have every image"
        return f"{self.brain.halves.shape[1]} halves of the trials, Spearman-Brown corrected"

    def value(self, counts: FloatArray | None = None) -> FloatArray:
        """The score, by the formula."""
        return ceiled(self.raw(counts), self.ceiling(counts), formula=self.formula)

    def values_of_parts(self) -> FloatArray:
        """The score in each part."""
        r = agreement(self.parts, self.brain.times)
        return ceiled(r, float(self.ceiling()), formula=self.formula)

    def interval(self, *, seed: int) -> resample.Interval:
        """Interval of the value over images; the ceiling is computed again in each draw."""
        counts = resample.image_counts(self.brain.stimuli.ids, n_draws=N_DRAWS, seed=seed)
        return resample.interval(
            self.value(counts),
            what="images, decoders not refitted",
            seed=seed,
            value=float(self.value()),
        )

    def null(self, solver: Solver, settings: Settings, *, value: float) -> dict[str, Any] | None:
        """Scores against the brain's thresholds and times of other images; None where not asked for.

        A threshold moves with the time that belongs to it, and is crossed again by the model: what shared
        thresholds alone make of an order stays in the null.
        """
        if settings.null is None:
            return None
        brain = self.brain
        orders = shuffles(
            len(brain.times),
            kind=settings.null,
            objects=brain.objects,
            n_draws=settings.null_draws,
            seed=settings.seed,
            name=brain.stimuli.identifier,
        )
        c = float(self.ceiling())
        draws = []
        for order in orders:
            parts = solver.parts(brain.thresholds[order], brain.bins)
            r = nan_mean(agreement(parts, brain.times[order]), axis=-1)
            draws.append(float(ceiled(r, c, formula=self.formula)))
        return summary(value, np.array(draws), kind=settings.null)

    # --- what belongs to each image ----------------------------------------------------------------

    def excluded(self) -> dict[str, int]:
        """Reason -> number of images that do not count."""
        model, brain = np.isnan(self.times), np.isnan(self.brain.times)
        asked = self.asked
        counts = {
            "never held out": int((~asked).sum()),
            "not solved by the brain": int((asked & brain & ~model).sum()),
            "not solved by the model": int((asked & model & ~brain).sum()),
            "solved by neither": int((asked & model & brain).sum()),
        }
        return {reason: count for reason, count in counts.items() if count}

    @property
    def n_used(self) -> int:
        """Images that model and brain both solve."""
        return int((~np.isnan(self.times) & ~np.isnan(self.brain.times)).sum())

    @property
    def at_once(self) -> float | None:
        """When the model solves all images that both solve, in ms; None where some are solved earlier."""
        each = [
            mine[~np.isnan(mine) & ~np.isnan(self.brain.times[rows])] for rows, mine in self.parts
        ]
        found = np.unique(np.concatenate(each))
        return float(found[0]) if len(found) == 1 and self.n_used > 1 else None

    def figures(self) -> dict[str, Any]:
        """Counts, shares of solved images, and both ceilings: of the trials, and Brain-Score's."""
        model = ~np.isnan(self.times)
        return {
            **self.figures_of_brain(),
            "images_used": self.n_used,
            "fraction_solved": float(model[self.asked].mean()),
            "median_time_ms": float(np.median(self.times[model])),
            "raw_over_convention": float(self.raw()) / CONVENTION,
        }

    def figures_of_brain(self) -> dict[str, Any]:
        """What does not depend on the model."""
        solved = ~np.isnan(self.brain.times)
        c, measured = float(self.ceiling()), float(self.split_half())
        return {
            "fraction_solved_brain": float(solved.mean()),
            "median_time_ms_brain": float(np.median(self.brain.times[solved])),
            "thresholds_missing": int(np.isnan(self.brain.thresholds).sum()),
            "ceiling": {"value": c if np.isfinite(c) else None, "source": self.ceiling_source},
            "ceiling_split_half": measured if np.isfinite(measured) else None,
            "ceiling_convention": {"value": CONVENTION, "name": CONVENTION_NAME},
            "bins_ms": self.brain.bins.tolist(),
        }

    def per_image(self) -> xr.DataArray:
        """The model's time for each image, with the brain's and the threshold beside it."""
        brain = self.brain
        return xr.DataArray(
            self.times,
            dims=("stimulus",),
            coords={
                "stimulus_id": ("stimulus", np.asarray(brain.stimuli.ids)),
                "object_name": ("stimulus", brain.objects),
                "brain": ("stimulus", brain.times),
                "threshold": ("stimulus", brain.thresholds),
            },
            attrs={"units": "object solution time, ms from stimulus onset"},
        )

    def predictions(self, folds: Sequence[Split]) -> xr.Dataset:
        """Times of model and brain, one sample for each held-out image; NaN where it is not solved."""
        rows = np.concatenate([rows for rows, _ in self.parts])
        if len(self.parts) == 1:
            fold = np.empty(len(rows), dtype=np.intp)
            for k, (_, test) in enumerate(folds):
                fold[test] = k
        else:
            fold = np.repeat(np.arange(len(self.parts)), [len(part) for part, _ in self.parts])
        return xr.Dataset(
            {
                "predicted": (("sample",), np.concatenate([times for _, times in self.parts])),
                "target": (("sample",), self.brain.times[rows]),
            },
            coords={
                "fold": ("sample", fold),
                "stimulus_id": ("sample", np.asarray(self.brain.stimuli.ids)[rows]),
            },
        )
