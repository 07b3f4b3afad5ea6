"""Curvature of films in a layer beside that in a brain: figure, draws of films, null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.correlation import pearson, weighted_moments, weighted_pearson
from brainbench.metrics.curvature.curvature import curvature_of_products
from brainbench.scoring.curvature.films import CurvatureTarget, Films, pixel_curvatures
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection, selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling, finite

LEAST_CORRELATED = 3
"""Films of a draw that have a correlation: of two it is 1 or -1."""
ALIKE = 1e-6
"""Degrees by which films differ that bend alike, but for rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CurvatureEvaluation(Evaluation):
    """How much a layer bends each film, beside a brain."""

    target: CurvatureTarget
    products: FloatArray  # stimulus x stimulus: inner products of the layer's responses
    candidate: Candidate
    seed: int

    def _curvatures(self, films: Films) -> FloatArray:
        """Return the curvature of films in the layer, in degrees."""
        return np.array(
            [curvature_of_products(self.products[np.ix_(rows, rows)]) for rows in films.rows]
        )

    @cached_property
    def layer(self) -> FloatArray:
        """Curvature of each compared film in the layer, in degrees."""
        return self._curvatures(self.target.films)

    @cached_property
    def _first_frames(self) -> IntArray:
        """Place of the first frame of each film among the compared ones: films are drawn as wholes."""
        first = np.array([rows[0] for rows in self.target.films.rows])
        return np.searchsorted(self.target.compared, first)

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> Figure:
        weights = np.ones((1, len(self.layer))) if counts is None else counts[:, self._first_frames]
        return Figure.of_one_part(self._agreement(self.layer, weights))

    def _agreement(self, layer: FloatArray, weights: FloatArray) -> FloatArray:
        defined = np.isfinite(self.target.brain) & np.isfinite(layer)
        weights = weights[:, defined]
        if defined.sum() < LEAST_CORRELATED or np.ptp(layer[defined]) < ALIKE:
            return np.full(len(weights), np.nan)
        moments = weighted_moments(layer[defined, None], self.target.brain[defined, None])
        enough = (weights > 0).sum(axis=1) >= LEAST_CORRELATED
        return np.where(enough, weighted_pearson(weights, moments)[:, 0], np.nan)

    def figure_of(self, results: Figure, unit_counts: FloatArray | None) -> Figure:
        return results

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of a model that bends each film as it bends another.

        Frames keep their order: films of a group take the place of those of another one by one.
        """
        once = np.ones((1, len(self.layer)))
        bent = (self.layer[self._exchanged(order)] for order in orders[0])
        return Figure.of_one_part([self._agreement(one, once)[0] for one in bent])

    def _exchanged(self, order: IntArray) -> IntArray:
        """Return the film that takes the place of each where frames are in this order.

        InputError where the groups that are exchanged have as many frames and not as many films.
        """
        group = self.target.groups[self.target.compared]
        of_film = group[self._first_frames]
        source = np.empty(len(of_film), dtype=np.intp)
        for name, first in zip(*np.unique(of_film, return_index=True), strict=True):
            taken = group[order[self._first_frames[first]]]
            here, there = np.flatnonzero(of_film == name), np.flatnonzero(of_film == taken)
            if len(here) != len(there):
                raise InputError(
                    f"groups {name} and {taken} of as many frames, of {len(here)} and {len(there)} films",
                    allowed="groups of equally many films of equal length, to be exchanged whole",
                    todo="omit --null",
                )
            source[here] = there
        return source

    @property
    def no_ceiling(self) -> str:
        return "the curvature of halves of the trials is too uncertain for a reliability"

    def missing_value(self, figure: Figure) -> str | None:
        if np.isfinite(figure.mean_raw()):
            return None
        undefined = int(np.isnan(self.layer).sum())
        return (
            f"no correlation of curvatures: {undefined} of {len(self.layer)} films have successive frames "
            "with the same response of the layer, or all films bend alike"
        )

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        return selection_of([FoldSelection.of_one(self.candidate, 1)])

    @property
    def n_images(self) -> int:
        return len(self.target.compared)

    @property
    def resampling(self) -> Resampling:
        return Resampling(
            no_units="no interval: the curvature of the brain is of all sites together",
            words={"images": "films"},
            remark="curvature of the brain not estimated again",
        )

    @property
    def null_remark(self) -> str:
        return "films of the model, those of a group exchanged whole"

    @property
    def no_floor(self) -> str:
        return "a curvature is of all sites together"

    def report(self, figure: Figure) -> Report:
        target = self.target
        no_value = int(np.isnan(target.brain).sum())
        return Report(
            n_units=target.n_sites,
            per_unit=xr.DataArray(
                self.layer,
                dims=("film",),
                coords={
                    "film": list(target.films.names),
                    "brain": ("film", target.brain),
                    "pixels": ("film", target.pixels),
                    "trial_means_biased": ("film", target.naive),
                    "negative_squared_lengths": (
                        "film",
                        [one.negative for one in target.estimates],
                    ),
                },
                attrs={"units": "degrees of curvature in the layer"},
            ),
            figures=self._figures(),
            details={
                "curvature": "mean angle between successive steps of the layer",
                "curvature_of_brain": "square roots of counts, cross-validated over halves of the trials, "
                f"of {target.n_sites} sites together",
                "films_without_value": f"{no_value} of {len(target.brain)}: more than 10 % of the squared "
                "lengths are not above 0",
                "pixels": "as stored, without resizing",
                "ceiling": f"none: {self.no_ceiling}",
            },
            seeds={"halvings": self.seed, "null": self.seed},
        )

    def _figures(self) -> dict[str, Any]:
        """Return mean curvatures in degrees; of layer and brain their change from the pixels."""
        target = self.target
        defined = np.isfinite(target.brain)
        pixels, brain = target.pixels[defined], target.brain[defined]
        return {
            "films": len(target.brain),
            "films_compared": int(defined.sum()),
            "pixels": float(target.pixels.mean()),
            "layer": finite(self.layer.mean()),
            "layer_change": finite((self.layer - target.pixels).mean()),
            "brain": float(brain.mean()),
            "brain_change": float((brain - pixels).mean()),
            "layer_change_same_films": finite((self.layer[defined] - pixels).mean()),
            "trial_means_biased": float(target.naive.mean()),
            "pixels_with_brain": finite(pearson(pixels, brain)),
            "published": target.published,
            "other_films": {
                films.kind: {
                    "pixels": float(pixel_curvatures(target.stimuli, films).mean()),
                    "layer": finite(self._curvatures(films).mean()),
                }
                for films in target.others
            },
        }
