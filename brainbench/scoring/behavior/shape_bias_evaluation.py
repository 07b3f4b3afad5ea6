"""Shape bias of a read-out beside that of people: figure, reference, interval and null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.behavior.shape_bias import cue_answers, shape_bias, summed_cues
from brainbench.scoring.behavior.answers import AnswersEvaluation
from brainbench.scoring.behavior.conflicts import Conflicts
from brainbench.scoring.measure import Figure, Further, Report, finite


class CueSums(NamedTuple):
    """How often shapes and textures were named: of the model draw x 1 x 2, of people draw x subject x 2."""

    model: FloatArray
    people: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeBiasEvaluation(AnswersEvaluation):
    """Answers of a read-out by shape or by texture, beside those of subjects."""

    conflicts: Conflicts

    @property
    def compared_rows(self) -> IntArray:
        """Rows of the images in conflict."""
        return self.conflicts.rows

    @property
    def n_images(self) -> int:
        return len(self.conflicts.rows)

    # --- figures -----------------------------------------------------------------------------------

    @cached_property
    def _people(self) -> FloatArray:
        """Answers of each subject, subject x image in conflict x 2."""
        return self._cues(self.target.counts[:, self.conflicts.rows])

    @cached_property
    def _model(self) -> FloatArray:
        """Answers of the model, 1 x image in conflict x 2."""
        return self._cues(self._chosen(self.readout.probabilities)[None, self.conflicts.rows])

    def _cues(self, answers: FloatArray) -> FloatArray:
        return cue_answers(answers, self.conflicts.shape, self.conflicts.texture)

    def _chosen(self, probabilities: FloatArray) -> FloatArray:
        """Return the answer to each image, the most probable category, as image x category of 0 and 1."""
        chosen = np.zeros(probabilities.shape)
        np.put_along_axis(chosen, probabilities.argmax(axis=1)[:, None], 1.0, axis=1)
        return chosen

    def over_images(self, counts: FloatArray | None) -> CueSums:
        chosen = None if counts is None else np.asarray(counts)[:, self.conflicts.rows]
        return CueSums(summed_cues(self._model, chosen), summed_cues(self._people, chosen))

    def figure_of(self, results: CueSums, unit_counts: FloatArray | None) -> Figure:
        n_draws = max(len(results.model), 1 if unit_counts is None else len(unit_counts))
        return Figure.of_one_part(np.resize(shape_bias(results.model), n_draws))

    def further(self, results: CueSums, unit_counts: FloatArray | None) -> Mapping[str, Further]:
        """Return the shape bias of the subjects, and how far the model's is from it."""
        people = shape_bias(results.people, unit_counts)
        return {
            "shape_bias_of_subjects": Further(people),
            "model_less_subjects": Further(shape_bias(results.model) - people),
        }

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure of a model that answers each image as it answered another."""
        chosen = self._chosen(self.readout.probabilities)
        answers = np.stack([chosen[order][self.conflicts.rows] for order in orders[0]])
        return Figure.of_one_part(shape_bias(self._cues(answers).sum(axis=1)[:, None]))

    def missing_value(self, figure: Figure) -> str | None:
        if np.isfinite(figure.mean_raw()):
            return None
        n = len(self.conflicts.rows)
        return f"no answer to {n} images names their shape or their texture"

    @property
    def no_ceiling(self) -> str:
        return "the shape bias of subjects is a reference, no maximum"

    # --- what belongs to the score -------------------------------------------------------------------

    @property
    def no_floor(self) -> str:
        return "an image has no reliability of its own"

    def report(self, figure: Figure) -> Report:
        by_cue = self._model[0].sum(axis=1) > 0
        rows = self.conflicts.rows
        model = np.where(by_cue, self._model[0, :, 0], np.nan)
        people = self._people.sum(axis=0)
        total = people.sum(axis=1)
        return Report(
            n_units=int(by_cue.sum()),
            excluded={"the answer is neither shape nor texture": int((~by_cue).sum())},
            per_unit=self.image_table(
                model,
                people[:, 0] / np.where(total > 0, total, np.nan),
                units="1 for an answer by shape, 0 by texture",
            ),
            predictions=self.choice_table(
                self.readout.probabilities[rows], self.target.share[rows]
            ),
            figures=self._figures(),
            details={
                **self.readout_details,
                "held_out": f"each image by a read-out of images with neither its "
                f"{self.conflicts.columns.photograph} nor its {self.conflicts.columns.picture}",
                "taught": "each training image twice, as its shape and as its texture",
                "reference": "the shape bias of the subjects: no maximum, not divided by",
            },
            seeds=dict.fromkeys(("splits", "null"), self.seed),
            notes=self.notes,
        )

    def _figures(self) -> dict[str, Any]:
        sums = self.over_images(None)
        (by_shape, by_texture), n = sums.model[0, 0].tolist(), len(self.conflicts.rows)
        of_subjects = shape_bias(sums.people)
        each = [shape_bias(sums.people[:, [k]])[0] for k in range(self.target.n_subjects)]
        return {
            "shape_answers": int(by_shape),
            "texture_answers": int(by_texture),
            "other_answers": int(n - by_shape - by_texture),
            "shape_bias_of_subjects": finite(of_subjects[0]),
            "shape_bias_of_each_subject": {
                name: finite(one) for name, one in zip(self.target.subjects, each, strict=True)
            },
            "model_less_subjects": finite(shape_bias(sums.model)[0] - of_subjects[0]),
            "by_shape": {
                str(name): {
                    "model": finite(shape_bias(summed_cues(self._model[:, chosen]))[0]),
                    "subjects": finite(shape_bias(summed_cues(self._people[:, chosen]))[0]),
                }
                for k, name in enumerate(self.target.images.classes)
                if (chosen := self.conflicts.shape == k).any()
            },
        }
