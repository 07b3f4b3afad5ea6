"""A model's solution times beside a brain's: figure, ceiling, null, and the figures of each image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.metrics.array_types import BoolArray, FloatArray, IntArray
from brainbench.metrics.reductions import nan_mean
from brainbench.metrics.solution_times.concordance import concordance, threshold_strata
from brainbench.metrics.solution_times.solution_times import HeldOutTimes, agreement
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, finite
from brainbench.scoring.recordings import image_table
from brainbench.scoring.solution_times.model_times import ModelSensitivity
from brainbench.scoring.solution_times.target import BrainTimes
from brainbench.stats.bootstrap import image_counts, interval
from brainbench.stats.ceiling import ceiled
from brainbench.stats.permutation import Kind

CONVENTION = 0.79
"""Ceiling that Brain-Score divides by, whatever the data."""
CONVENTION_NAME = "Kar 2019 / Brain-Score convention"
STATIC = "static model"
CONCORDANCES = ("concordance", "concordance_within_thresholds")
"""Figures of all pairs of images, and of pairs within a tenth of the thresholds."""
N_DRAWS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class SolutionTimesEvaluation(Evaluation):
    """The brain's side of an evaluation, the same for every model."""

    brain: BrainTimes
    conventional: bool  # see `SolutionTimesRules`
    details: Mapping[str, Any]
    seeds: Mapping[str, int]
    seed: int  # of the run

    @cached_property
    def split_half(self) -> float:
        """Reliability of the brain's order by halves of the trials; NaN where there are none."""
        return float(self.brain.reliability())

    def ceiling(self, counts: FloatArray | None) -> FloatArray:
        """Return the ceiling that the formula takes, one number for each draw."""
        if self.conventional or self.brain.halves is None:
            return np.full(1 if counts is None else len(counts), CONVENTION)
        return np.array([self.split_half]) if counts is None else self.brain.reliability(counts)

    @property
    def ceiling_source(self) -> str:
        halves = self.brain.halves
        if self.conventional or halves is None:
            return f"{CONVENTION:g}, {CONVENTION_NAME}{': no trials' if halves is None else ''}"
        if not halves.shape[1]:
            return "none: no halves of the trials have every image"
        return f"{halves.shape[1]} halves of the trials, Spearman-Brown corrected"

    @abstractmethod
    def raw(self, counts: FloatArray | None) -> FloatArray:
        """Return the correlation of solution times, one number for each draw."""

    def over_images(self, counts: FloatArray | None) -> Figure:
        drawn_ceiling = counts is None or self.formula != "raw"
        return Figure.of_one_part(self.raw(counts), self.ceiling(counts) if drawn_ceiling else None)

    def figure_of(self, results: Figure, unit_counts: FloatArray | None) -> Figure:
        return results

    # --- images that one side never solves -------------------------------------------------------------

    @abstractmethod
    def solved(self, thresholds: FloatArray) -> Sequence[HeldOutTimes]:
        """Return rows and solution times by these thresholds, of images that were held out together."""

    def concordances(
        self, *, order: IntArray | None = None, counts: FloatArray | None = None
    ) -> Any:
        """Return D of all pairs and within tenths of the threshold, mean over parts, 2 x draw.

        An `order` gives the model the brain's thresholds and times of other images. Images without a
        threshold are not compared: no model could solve them.
        """
        brain = self.brain
        order = np.arange(len(brain.times)) if order is None else order
        thresholds, times = brain.thresholds[order], brain.times[order]
        strata = threshold_strata(thresholds)
        c = []
        for rows, solved in self.solved(thresholds):
            of_rows = None if counts is None else counts[:, rows]
            together = np.minimum(strata[rows], 0)
            c.append(
                [
                    np.atleast_1d(concordance(solved, times[rows], strata=each, counts=of_rows))
                    for each in (together, strata[rows])
                ]
            )
        return 2 * nan_mean(np.array(c), axis=0) - 1

    def further_nulls(self, orders: Sequence[IntArray]) -> Mapping[str, tuple[float, FloatArray]]:
        (image_orders,) = orders
        draws = np.stack([self.concordances(order=order)[:, 0] for order in image_orders], axis=1)
        observed = self.concordances()[:, 0]
        return {
            name: (float(value), of_name)
            for name, value, of_name in zip(CONCORDANCES, observed, draws, strict=True)
        }

    def _concordance_figures(self) -> dict[str, Any]:
        """Return C and D of both kinds, D with its interval over images drawn again."""
        counts = image_counts(self.brain.stimuli.ids, n_draws=N_DRAWS, seed=self.seed)
        observed, drawn = self.concordances()[:, 0], self.concordances(counts=counts)
        figures = {}
        for name, d, draws in zip(CONCORDANCES, observed, drawn, strict=True):
            around = None
            if np.isfinite(d) and np.isfinite(draws).any():
                around = interval(draws, what="images", seed=self.seed, value=float(d))
            figures[name] = {
                "c": finite((d + 1) / 2),
                "d": finite(d),
                "d_ci": None if around is None else [around.lo, around.hi],
            }
        return figures

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def own_null(self) -> Kind:
        """Shuffled images: thresholds by themselves may order the times of both sides."""
        return "images"

    @property
    def resampling(self) -> Resampling:
        return Resampling(
            no_units="no interval: solution times are one figure over images, without units",
            remark="decoders not refitted",
        )

    @property
    def no_ceiling(self) -> str:
        return self.brain.gaps or "halves of the trials order too few images"

    @property
    def no_floor(self) -> str:
        return "an image's solution time has no reliability of its own"

    def brain_report(self, figure: Figure) -> Report:
        """Return what does not depend on the model: shares, medians and both ceilings."""
        brain, source = self.brain, self.ceiling_source
        solved = ~np.isnan(brain.times)
        return Report(
            n_units=0,
            figures={
                "fraction_solved_brain": float(solved.mean()),
                "median_time_ms_brain": float(np.median(brain.times[solved])),
                "thresholds_missing": int(np.isnan(brain.thresholds).sum()),
                "ceiling": {"value": finite(figure.mean_ceiling()), "source": source},
                "ceiling_split_half": finite(self.split_half),
                "ceiling_convention": {"value": CONVENTION, "name": CONVENTION_NAME},
                **self._concordance_figures(),
                "bins_ms": brain.bins.tolist(),
            },
            details={**self.details, "ceiling": source},
            seeds=self.seeds,
            notes=[f"ceiling: {brain.gaps}"] if brain.gaps else [],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StaticEvaluation(SolutionTimesEvaluation):
    """A model without time, which solves no image earlier than another: 0, as in the paper."""

    layer: str  # that stands for the region

    @property
    def by_definition(self) -> str:
        return STATIC

    @property
    def selection(self) -> Selection:
        return Selection(layer=self.layer)

    def raw(self, counts: FloatArray | None) -> FloatArray:
        return np.zeros(1 if counts is None else len(counts))

    def solved(self, thresholds: FloatArray) -> Sequence[HeldOutTimes]:
        return [(np.arange(len(thresholds)), np.full(len(thresholds), np.nan))]

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        return Figure.of_one_part(np.zeros(len(orders[0])))

    def report(self, figure: Figure) -> Report:
        report = self.brain_report(figure)
        own = {"reason": STATIC, "images_used": 0, "fraction_solved": None}
        return replace(
            report,
            excluded={STATIC: len(self.brain.times)},
            figures={**report.figures, **own},
            notes=[f"{STATIC}: the score is 0, nothing was decoded", *report.notes],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedEvaluation(SolutionTimesEvaluation):
    """Solution times of a model that was decoded over time."""

    model: ModelSensitivity  # held-out sensitivities

    # --- figures -----------------------------------------------------------------------------------

    @cached_property
    def parts(self) -> list[HeldOutTimes]:
        """Rows and solution times: of all images, or of the held-out images of each split."""
        return self.solved(self.brain.thresholds)

    def solved(self, thresholds: FloatArray) -> list[HeldOutTimes]:
        return self.model.parts(thresholds, self.brain.bins)

    @cached_property
    def r_by_part(self) -> FloatArray:
        """Spearman correlation of each part."""
        return agreement(self.parts, self.brain.times)

    def raw(self, counts: FloatArray | None) -> FloatArray:
        """Return the Spearman correlation, mean over parts; 0 where all images are solved at once."""
        if self.at_once is not None:
            return np.zeros(1 if counts is None else len(counts))
        if counts is None:
            return nan_mean(self.r_by_part[None], axis=-1)
        return nan_mean(agreement(self.parts, self.brain.times, counts=counts), axis=-1)

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return correlations with the brain's thresholds and times of other images.

        A threshold moves with the time that belongs to it, and is crossed again by the model: what shared
        thresholds alone make of an order stays in the null.
        """
        brain, (image_orders,) = self.brain, orders
        r = []
        for order in image_orders:
            parts = self.solved(brain.thresholds[order])
            r.append(nan_mean(agreement(parts, brain.times[order]), axis=-1))
        return Figure.of_one_part(r, np.repeat(self.ceiling(None), len(r)))

    def error(self, figure: Figure) -> float:
        by_part = ceiled(self.r_by_part, figure.mean_ceiling(), formula=self.formula)
        return float(np.nanstd(by_part) / len(by_part) ** 0.5)

    # --- what belongs to each image ----------------------------------------------------------------

    @cached_property
    def times(self) -> FloatArray:
        """The model's time for each image, mean over the splits that solve it; NaN where none does."""
        by_part = np.full((len(self.parts), len(self.brain.times)), np.nan)
        for k, (rows, times) in enumerate(self.parts):
            by_part[k, rows] = times
        return nan_mean(by_part, axis=0)

    @cached_property
    def held_out(self) -> BoolArray:
        """Which images were held out in any split."""
        n_images = len(self.brain.times)
        return np.isin(np.arange(n_images), np.concatenate([rows for rows, _ in self.parts]))

    @property
    def n_images(self) -> int:
        return int((~np.isnan(self.times) & ~np.isnan(self.brain.times)).sum())

    @cached_property
    def at_once(self) -> float | None:
        """When the model solves all images that both solve, in ms; None where some are solved earlier."""
        times = [
            times[~np.isnan(times) & ~np.isnan(self.brain.times[rows])]
            for rows, times in self.parts
        ]
        distinct = np.unique(np.concatenate(times))
        return float(distinct[0]) if len(distinct) == 1 and self.n_images > 1 else None

    def _excluded(self) -> dict[str, int]:
        model, brain, held_out = np.isnan(self.times), np.isnan(self.brain.times), self.held_out
        return {
            "never held out": int((~held_out).sum()),
            "not solved by the brain": int((held_out & brain & ~model).sum()),
            "not solved by the model": int((held_out & model & ~brain).sum()),
            "solved by neither": int((held_out & model & brain).sum()),
        }

    def check_solved(self, name: str) -> None:
        """Raise InputError where there is no order: the model solves no image, or too few with the brain."""
        unsolved, brain = np.isnan(self.times), self.brain
        if unsolved.all():
            low, high = np.nanmin(brain.thresholds), np.nanmax(brain.thresholds)
            highest = max(np.nanmax(part.sensitivity) for part in self.model.decoded)
            raise InputError(
                f"{name} solves none of {len(unsolved)} images: thresholds from d' {low:.2f} to "
                f"{high:.2f}, its own sensitivity is at most {highest:.2f}",
                allowed="at least two images that both solve, at different times",
                todo="choose another layer, or more images for the decoder (a larger --limit)",
            )
        if self.at_once is None and np.isnan(self.r_by_part).all():
            raise InputError(
                f"no order to compare: {name} and the brain both solve {self.n_images} of "
                f"{len(unsolved)} images",
                allowed="at least two images that both solve, at different times",
                todo="choose another layer, or more images (a larger --limit)",
            )

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def by_definition(self) -> str | None:
        if self.at_once is None:
            return None
        return f"all {self.n_images} images that both solve are solved at {self.at_once:g} ms"

    @property
    def selection(self) -> Selection:
        return selection_of([self.model.selection])

    def report(self, figure: Figure) -> Report:
        report, reason = self.brain_report(figure), self.by_definition
        solved = ~np.isnan(self.times)
        return replace(
            report,
            n_units=self.n_images,
            excluded=self._excluded(),
            per_unit=self._per_image() if reason is None else None,
            predictions=self._predictions() if reason is None else None,
            figures={
                **report.figures,
                "images_used": self.n_images,
                "fraction_solved": float(solved[self.held_out].mean()),
                "median_time_ms": float(np.median(self.times[solved])),
                "raw_over_convention": figure.mean_raw() / CONVENTION,
                **self.model.figures(),
                **({} if reason is None else {"reason": reason}),
            },
            details={**report.details, "features": self.model.n_features},
        )

    def _per_image(self) -> xr.DataArray:
        """Return the model's time for each image, with the brain's and the threshold beside it."""
        brain = self.brain
        return image_table(
            self.times,
            brain.stimuli.ids,
            brain.objects,
            units="object solution time, ms from stimulus onset",
            brain=brain.times,
            threshold=brain.thresholds,
        )

    def _predictions(self) -> xr.Dataset:
        """Return times of model and brain, one sample for each held-out image; NaN where unsolved."""
        rows = np.concatenate([rows for rows, _ in self.parts])
        return xr.Dataset(
            {
                "predicted": (("sample",), np.concatenate([times for _, times in self.parts])),
                "target": (("sample",), self.brain.times[rows]),
            },
            coords={
                "fold": ("sample", self.model.fold_of_samples()),
                "stimulus_id": ("sample", np.asarray(self.brain.stimuli.ids)[rows]),
            },
        )
