"""Similarity of a model's layers and a brain over sets of images: figure, ceiling, draws and null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.reductions import nan_mean
from brainbench.metrics.similarity.rsa import NoiseCeiling
from brainbench.scoring.layer_selection import FoldSelection, LayerCandidate, selection_of
from brainbench.scoring.measure import Evaluation, Figure, Report, Resampling
from brainbench.scoring.similarity.representations import Representation, SimilarityMetric
from brainbench.scoring.similarity.target import BrainRepresentation
from brainbench.stats.ceiling import spearman_brown

MOST_IN_RDM = 500
"""Images whose dissimilarities are kept with a score, 2 MB at most."""


def similarity_by_set(
    metric: SimilarityMetric,
    models: Sequence[Representation],
    subjects: Sequence[Representation],
    sets: Sequence[IntArray],
    counts: FloatArray | None = None,
) -> FloatArray:
    """Return the similarity within each set of images, mean over subjects, set x draw.

    There is one model for each set, rows of the images whose pairs are compared. `counts`, draw x image, say
    how often each image is drawn; None is a single draw of each image once. NaN where a side does not vary.
    """
    similarities = []
    for rows, model in zip(sets, models, strict=True):
        model_part, drawn = metric.part(model, rows), None if counts is None else counts[:, rows]
        by_subject = [
            metric.compare(model_part, metric.part(subject, rows), drawn) for subject in subjects
        ]
        similarities.append(np.mean(by_subject, axis=0))
    return np.array(similarities)


def select_layers(
    metric: SimilarityMetric,
    candidates: Sequence[LayerCandidate],
    models: Sequence[Representation],
    subjects: Sequence[Representation],
    training: Sequence[IntArray],
) -> FoldSelection:
    """Select for each fold the candidate that is most similar over the pairs of its training images."""
    scores = [
        similarity_by_set(metric, [model] * len(training), subjects, training)[:, 0]
        for model in models
    ]
    return FoldSelection.by_scores(candidates, np.column_stack(scores))


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityEvaluation(Evaluation):
    """Representations of a model and a brain, compared over sets of images."""

    metric: SimilarityMetric
    brain: BrainRepresentation
    region: str  # of the brain
    models: Sequence[Representation]  # one representation for each candidate layer and step
    # Images whose pairs are compared: all, those held out of each fold, or random sets.
    sets: Sequence[IntArray]
    # Images by which a layer is selected for each set; empty where nothing is selected.
    training: Sequence[IntArray]
    fold_selection: FoldSelection  # the candidate of each set
    seeds: Mapping[str, int]

    # --- figures -----------------------------------------------------------------------------------

    def _by_set(
        self,
        subjects: Sequence[Representation],
        counts: FloatArray | None = None,
        selection: FoldSelection | None = None,
    ) -> FloatArray:
        """Return the similarity of subjects to the layer of each set, set x draw."""
        numbers = (selection or self.fold_selection).best.tolist()
        models = [self.models[number] for number in numbers]
        return similarity_by_set(self.metric, models, subjects, self.sets, counts)

    @cached_property
    def values(self) -> FloatArray:
        """Similarity of each set, mean over subjects."""
        return self._by_set(self.brain.subjects)[:, 0]

    @cached_property
    def ceiling(self) -> FloatArray | None:
        """Ceiling of all images, as an array of one draw; None where there is none."""
        return self._ceiling(None, self.metric)

    def _ceiling(self, counts: FloatArray | None, metric: SimilarityMetric) -> FloatArray | None:
        """Return the ceiling over the same sets of images, one for each draw."""
        if not self.brain.ceiling_pairs:
            return None
        pairs, sets = self.brain.ceiling_pairs, self.sets
        similarities = self.brain.kept.of(_similarities_of_pairs, metric, pairs, sets, counts)
        by_pair = similarities if self.brain.published else spearman_brown(similarities)
        return np.asarray(by_pair.mean(axis=0))

    def over_images(self, counts: FloatArray | None) -> Figure:
        """Return the mean over sets, with the ceiling over the same sets."""
        if counts is None:
            return Figure.of_one_part(self.values.mean(), self.ceiling)
        raw = nan_mean(self._by_set(self.brain.subjects, counts), axis=0)
        if self.formula == "raw":
            return Figure.of_one_part(raw)
        judging, ceiling = self.metric.judging, self._ceiling(counts, self.metric)
        judged = None if judging == self.metric else self._ceiling(counts, judging)
        return Figure.of_one_part(raw, ceiling, judged=judged)

    def figure_of(self, results: Figure, unit_counts: FloatArray | None) -> Figure:
        return results

    @property
    def labels(self) -> Mapping[str, AnyArray]:
        return self.brain.labels

    def figure_of_units(self, chosen: BoolArray) -> Figure | None:
        """Return the figure of a brain of some sites, with the layers that all of them selected."""
        try:
            return replace(self, brain=self.brain.of_units(self.metric, chosen)).figure()
        except InputError:  # an image to which these sites respond the same
            return None

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure where images of the brain are shuffled; layers are selected again."""
        (image_orders,) = orders
        raw = np.empty(len(image_orders))
        with progress.current().task("shuffling images", len(raw)) as advance:
            for k, order in enumerate(image_orders):
                subjects = [self.metric.part(subject, order) for subject in self.brain.subjects]
                raw[k] = self._by_set(subjects, selection=self._select_again(subjects)).mean()
                advance(1)
        ceiling = None if self.ceiling is None else np.repeat(self.ceiling, len(raw))
        return Figure.of_one_part(raw, ceiling)

    def _select_again(self, subjects: Sequence[Representation]) -> FoldSelection:
        if not self.training:
            return self.fold_selection
        candidates = self.fold_selection.candidates
        return select_layers(self.metric, candidates, self.models, subjects, self.training)

    def error(self, figure: Figure) -> float:
        return float(self.values.std() / np.sqrt(len(self.sets)))

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        return selection_of([self.fold_selection])

    @property
    def resampling(self) -> Resampling:
        """Images alone, all draws at once: pairs are sorted once for all of them."""
        return Resampling(
            no_units="no interval: sites go into a representation together, none is drawn again alone",
            words={"images": self.metric.drawn},
            at_once=1000,
        )

    def describe_judged(self, below: BoolArray) -> str:
        return "c" if self.metric.judging == self.metric else "the unbiased CKA in its place"

    @property
    def no_ceiling(self) -> str:
        return self.brain.ceiling.removeprefix("none: ")

    @property
    def no_floor(self) -> str:
        why = "of published dissimilarities no site has a reliability"
        return why if self.brain.published else ""

    def report(self, figure: Figure) -> Report:
        return Report(
            n_units=self.brain.n_units,
            excluded=self.brain.excluded,
            figures=self._further_figures(),
            predictions=self._rdms(),
            details={
                **self.metric.describe(),
                "sets_of_images": len(self.sets),
                "images_in_a_set": [len(rows) for rows in self.sets],
                "ceiling": self.brain.ceiling,
            },
            seeds=self.seeds,
        )

    def _rdms(self) -> xr.Dataset | None:
        """Return dissimilarities of the layer of most sets, and the mean over subjects of the brain's.

        Image x image; None of other representations, and of more than `MOST_IN_RDM` images.
        """
        from scipy.spatial.distance import squareform

        ids = self.brain.stimuli.ids
        if not self.metric.takes_rdms or len(ids) > MOST_IN_RDM:
            return None
        usual = int(np.bincount(self.fold_selection.best).argmax())
        pairs = {
            "predicted": np.asarray(self.models[usual]),
            "target": np.mean(np.array(self.brain.subjects), axis=0),
        }
        return xr.Dataset(
            {
                name: (("sample", "other"), squareform(values).astype(np.float32))
                for name, values in pairs.items()
            },
            coords={
                "fold": ("sample", np.zeros(len(ids), dtype=np.intp)),
                "stimulus_id": ("sample", np.asarray(ids)),
            },
        )

    def _further_figures(self) -> dict[str, Any]:
        """Return the noise ceiling; of each region beside, the model's similarity and the brain's."""
        figures: dict[str, Any] = _bounds(self.brain.bounds)
        for region, beside in self.brain.beside.items():
            mean_rdm = np.mean(beside.measured[0], axis=0)
            to_brain = [self.metric.compare(mean_rdm, subject) for subject in self.brain.subjects]
            figures[region] = {
                "model": float(self._by_set(beside.subjects).mean()),
                "subjects": beside.n_units,
                f"mean_to_{self.region}": float(np.mean(to_brain)),
                **_bounds(beside.bounds),
            }
        return figures


def _similarities_of_pairs(
    metric: SimilarityMetric,
    pairs: Sequence[tuple[Representation, Representation]],
    sets: Sequence[IntArray],
    counts: FloatArray | None,
) -> FloatArray:
    """Return the similarity of each pair of representations of a brain, mean over sets, pair x draw."""
    import joblib

    first, second = zip(*pairs, strict=True)
    # Ranking pairs in each draw takes most of the time, and numpy lets other threads work meanwhile.
    with ThreadPoolExecutor(joblib.cpu_count()) as pool:
        return np.array(
            list(pool.map(partial(_mean_over_sets, metric, sets, counts), first, second))
        )


def _mean_over_sets(
    metric: SimilarityMetric,
    sets: Sequence[IntArray],
    counts: FloatArray | None,
    first: Representation,
    second: Representation,
) -> FloatArray:
    by_set = similarity_by_set(metric, [first] * len(sets), [second], sets, counts)
    return np.asarray(by_set.mean(axis=0)) if counts is None else nan_mean(by_set, axis=0)


def _bounds(bounds: NoiseCeiling | None) -> dict[str, dict[str, float]]:
    if bounds is None:
        return {}
    return {"noise_ceiling": {"lower": bounds.lower, "upper": bounds.upper}}
