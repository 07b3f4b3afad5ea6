"""Shape bias: does a model go by the shape or by the texture of an image, beside people.

Geirhos et al. 2019 ask the 1,000 classes of a network. Ours asks a read-out of a layer that is taught shape
and texture alike, so that what it answers about a new image is what the layer tells it best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import ProtocolName
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.asked import asked_for_answers
from brainbench.scoring.behavior.choices_target import choices_target, table_of_answers
from brainbench.scoring.behavior.conflicts import Conflicts, CueColumns, cue_readout
from brainbench.scoring.behavior.readout import labeled_images
from brainbench.scoring.behavior.shape_bias_evaluation import ShapeBiasEvaluation
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules


@dataclass(frozen=True, kw_only=True)
class ShapeBias(Measure[Conflicts, Candidate]):
    """Share of shape answers among shape and texture answers of a model's behavior layer.

    Parameters
    ----------
    columns : CueColumns
        Columns of the stimuli with what lent each image its texture and its shape.
    n_photographs, n_pictures : int
        Folds of the photographs that lent shapes, and of the pictures that lent textures.
    readout : ReadoutOptions
        Options of the logistic regression.
    """

    columns: CueColumns = field(default_factory=CueColumns)
    n_photographs: int = 5
    n_pictures: int = 3
    readout: ReadoutOptions = field(default_factory=ReadoutOptions)

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]] = {
        "paper": ProtocolRules(formula="raw", one_layer=True)
    }

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError for a formula with a ceiling: the shape bias of people is none."""
        if context.formula != "raw":
            raise NotApplicableError(
                f"formula {context.formula!r} for {context.benchmark.identifier}",
                allowed="raw: the shape bias of people is a reference, no maximum",
                todo="omit --formula",
            )

    def target(self, context: RunContext) -> Conflicts:
        """Return answers and images; InputError for stimuli without the columns, too few, or no conflict."""
        self.columns.check(context.stimuli(), context.benchmark.identifier)
        table = table_of_answers(context)
        images = labeled_images(
            context,
            n_splits=self.n_photographs,
            n_inner=1,
            group=self.columns.photograph,
            asked=asked_for_answers(table, by_category=False),
        )
        return Conflicts(
            answers=choices_target(context, images, table, n_halves=0),
            columns=self.columns,
            n_photographs=self.n_photographs,
            n_pictures=self.n_pictures,
        )

    def candidates(self, context: RunContext, target: Conflicts) -> Candidate:
        """Raise InputError for several steps: by which to choose one, nothing says."""
        found = candidates_of(context, target.answers.images.stimuli)
        if len(found) > 1:
            steps = [f"{one.layer} step {one.step}" for one in found]
            raise InputError(
                f"{context.benchmark.identifier}: {len(found)} layers and steps, {', '.join(steps)}",
                allowed="one layer with one step in the window: there is no right answer to choose by",
                todo=f"name another layer: --layers {context.benchmark.region}=LAYER",
            )
        return found[0]

    def evaluate(self, context: RunContext, target: Conflicts, candidates: Candidate) -> Evaluation:
        return ShapeBiasEvaluation(
            material=target.answers.material,
            formula=context.formula,
            readout=cue_readout(target, candidates, self.readout),
            seed=context.settings.seed,
            target=target.answers,
            group=self.columns.photograph,
            conflicts=target,
        )
