"""I2n: are a model's errors on single images those of a subject who chooses between two objects.

Rajalingham et al. 2018, under two protocols: `paper` (Kubilius et al. 2019, section 3.2) and `brainscore`
(Brain-Score 2.4.2); docs/measures.md says where they differ. The read-out is never asked about an image that
it was fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from brainbench.core.errors import InputError, unknown
from brainbench.core.settings import ProtocolName
from brainbench.metrics.behavior.i2n import FalseAlarms
from brainbench.metrics.behavior.trials import Trials, halves, halves_of_cells
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.asked import asked_in_trials
from brainbench.scoring.behavior.i2n_evaluation import I2nEvaluation
from brainbench.scoring.behavior.i2n_target import (
    Halves,
    I2nTarget,
    i2n_target,
    table_of_trials,
)
from brainbench.scoring.behavior.readout import LabeledImages, labeled_images, read_out
from brainbench.scoring.context import RunContext
from brainbench.scoring.layer_candidates import Candidate, candidates_of
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules

Level: TypeAlias = Literal["i2n", "i1"]
FittedOn: TypeAlias = Literal["folds", "images without trials"]


@dataclass(frozen=True, kw_only=True)
class I2nRules(ProtocolRules):
    """Rules of a protocol for I2n."""

    false_alarms: FalseAlarms  # see `metrics.behavior.i2n.d_prime`
    # (trials, n_splits=, seed=) -> halves of the trials, several times.
    halve: Callable[..., Halves]
    halves_seed: int | None = None  # for the record; None for that of the run
    # The model is compared with a half of the trials, half by half, and c is the correlation of the
    # halves; else with all trials, and c is what simulated subjects reach, whose rates are corrected.
    against_halves: bool
    described: Mapping[
        str, str
    ]  # the above, for the record; {n} is the number of halves, see `I2n`


def _fixed_halves(trials: Trials, *, n_splits: int, seed: int) -> Halves:
    """Return Brain-Score's two halves of all trials, whatever the options."""
    return halves(len(trials))


@dataclass(frozen=True, kw_only=True)
class I2n(Measure[I2nTarget, list[Candidate]]):
    """I2n of a model's behavior layer with choices between two objects.

    Parameters
    ----------
    level : {"i2n", "i1"}
        Correlate normalized d' of each image and distractor, or d' of each image, mean over distractors.
    fitted_on : {"folds", "images without trials"}
        The read-out of an image is fitted to the other images, fold by fold, or one read-out is fitted to
        all images that nobody was asked about, as in the publication.
    n_splits : int
        Folds of the read-out, stratified by object; each image is decoded by a read-out of the others.
    n_inner : int
        Folds inside the training images, by which `paper` selects one of several layers or steps.
    n_halves : int
        Random halves of the trials of each cell, which under `paper` say whether anything is reliable.
        Brain-Score's two are fixed.
    n_simulated : int
        Simulated subjects, for the ceiling under `paper`.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r/sqrt(c).
    readout : ReadoutOptions
        Options of the logistic regression.
    """

    level: Level = "i2n"
    fitted_on: FittedOn = "folds"
    n_splits: int = 10
    n_inner: int = 5
    n_halves: int = 10
    n_simulated: int = 200
    readout: ReadoutOptions = field(default_factory=ReadoutOptions)

    rules: ClassVar[Mapping[ProtocolName, I2nRules]] = {
        "paper": I2nRules(
            formula="raw",
            false_alarms="paper",
            halve=halves_of_cells,
            against_halves=False,
            described={
                "false_alarms": "all other images",
                "target": "all trials, rates (k + 1/2) / (n + 1)",
                "ceiling": "square of the mean r of {simulated} simulated subjects (beta-binomial) with "
                "trials of theirs; not above 0 where {n} halves of each cell are not reliable",
            },
        ),
        "brainscore": I2nRules(
            formula="r/sqrt(c)",
            one_layer=True,
            false_alarms="brainscore",
            halve=_fixed_halves,
            halves_seed=0,
            against_halves=True,
            reports_error=True,
            described={
                "false_alarms": "images of the distractor",
                "target": "one random half of the trials, twice",
                "ceiling": "Pearson r of the two halves",
            },
        ),
    }
    measured_coverage: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {("paper", "raw"), ("paper", "r/sqrt(c)"), ("brainscore", "r/sqrt(c)")}
    )
    """Protocols and formulas of the worlds in perf/worlds."""

    def __post_init__(self) -> None:
        """Raise UnknownNameError for no such level, or images to fit on."""
        for name, kind in (("level", Level), ("fitted_on", FittedOn)):
            if getattr(self, name) not in get_args(kind):
                what, given = f"{name} of I2n:", getattr(self, name)
                raise unknown(what, given, get_args(kind), todo="choose one of these")

    def config(self) -> dict[str, Any]:
        """Return name and options; those that came later only where they are chosen, so that keys stay."""
        later = {"level": "i2n", "fitted_on": "folds"}
        options = super().config()
        return {key: value for key, value in options.items() if later.get(key) != value}

    def target(self, context: RunContext) -> I2nTarget:
        """Raise InputError for choices of other objects than those shown, or too few images of one."""
        rules: I2nRules = context.rules
        table = table_of_trials(context)
        images = labeled_images(
            context,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
            asked=asked_in_trials(
                table, false_alarms=rules.false_alarms, pooled=self.level == "i1"
            ),
        )
        if self.fitted_on == "images without trials":
            images = _asked_about_those_with_trials(images, context, table)
        return i2n_target(
            context,
            images,
            table,
            halve=partial(rules.halve, n_splits=self.n_halves, seed=context.settings.seed),
            corrected=not rules.against_halves,
            false_alarms=rules.false_alarms,
        )

    def candidates(self, context: RunContext, target: I2nTarget) -> list[Candidate]:
        return candidates_of(context, target.images.stimuli)

    def evaluate(
        self, context: RunContext, target: I2nTarget, candidates: list[Candidate]
    ) -> Evaluation:
        """Raise InputError where one read-out is fitted and there are layers to choose from."""
        rules: I2nRules = context.rules
        seed = context.settings.seed
        if len(candidates) > 1 and target.images.asked is not None:
            raise InputError(
                f"{context.benchmark.identifier}: {len(candidates)} layers and steps, and no choices on the "
                "images that the read-out is fitted to",
                allowed="one layer with one step",
                todo="choose one: --layers behavior=LAYER",
            )
        return I2nEvaluation(
            material=target.material,
            formula=context.formula,
            readout=read_out(target.images, candidates, self.readout, target.agreement),
            seed=seed,
            target=target,
            against_halves=rules.against_halves,
            n_simulated=self.n_simulated,
            pooled=self.level == "i1",
            halves_seed=seed if rules.halves_seed is None else rules.halves_seed,
            described={
                key: text.format(n=len(target.halves), simulated=self.n_simulated)
                for key, text in rules.described.items()
            },
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        """Whether a world has this protocol and formula, and its ceiling enough trials."""
        if self.level == "i1":
            return False
        few_trials = isinstance(evaluation, I2nEvaluation) and evaluation.few_trials
        if few_trials and context.formula != "raw":
            return False
        return (context.settings.protocol, context.formula) in self.measured_coverage


def _asked_about_those_with_trials(
    images: LabeledImages, context: RunContext, table: pd.DataFrame
) -> LabeledImages:
    """Return the images with a single split: fitted to those without trials, asked about the others.

    InputError where an object has no image to fit to, or no image has trials; groups of images on both sides.
    """
    asked_ids = set(table["stimulus_id"])
    has_trials = np.isin(np.asarray(images.ids), sorted(map(str, asked_ids)))
    unfitted = sorted(set(images.labels[has_trials]) - set(images.labels[~has_trials]))
    if not has_trials.any() or unfitted:
        what = f"no image without trials of {unfitted[0]}" if unfitted else "no image with trials"
        raise InputError(
            f"{context.benchmark.identifier}: {what}, among {len(images.ids)} images",
            allowed="images with trials, and images of each of their objects without",
            todo="omit --limit, or use the benchmark whose read-out is cross-validated",
        )
    groups = images.groups
    if groups is not None and set(groups[has_trials]) & set(groups[~has_trials]):
        raise InputError(
            f"{context.benchmark.identifier}: groups of images with and without trials",
            allowed="groups that are fitted to, or asked about, as wholes",
            todo="use the benchmark whose read-out is cross-validated",
        )
    return replace(images, asked=np.flatnonzero(has_trials))
