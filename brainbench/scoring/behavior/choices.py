"""Behavior in choices among all categories: are a model's answers to single images those of subjects.

For data where each subject gave one answer to an image, among many categories. I2n has no figure there (see
docs/measures.md); the correlation of answers less the mean of each category takes its place. The measure is
ours. The read-out is never asked about an image that it was fitted on, nor about one of its group.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import ProtocolName, Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.choices import error_consistency, image_level, shares
from brainbench.metrics.classification.logistic_regression import Readout
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.behavior.choices_target import People, people_of
from brainbench.scoring.behavior.readout import Decoding, decode, task_of, work_of
from brainbench.scoring.behavior.shuffled import null_of
from brainbench.scoring.layer_candidates import candidates
from brainbench.scoring.recordings import shown
from brainbench.scoring.records import record_of
from brainbench.stats.bootstrap import Interval, interval, unit_draws
from brainbench.stats.ceiling import FORMULAS, ceiled, spearman_brown

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_DRAWS, _AT_ONCE = 1000, 20


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Image-level correlation of a model's behavior layer with answers among all categories.

    Parameters
    ----------
    group : str or None
        Column of the stimuli whose images are held out together, such as variants of one photograph.
    n_splits : int
        Folds of the read-out, stratified by category.
    n_inner : int
        Folds inside the training images, by which one of several layers or steps is chosen.
    n_halves : int
        Random halves of the subjects, for the ceiling.
    formula : str
        "raw", "r/c", "r2/c" or "r/sqrt(c)".
    readout : Readout
        Options of the logistic regression.
    """

    group: str | None = None
    n_splits: int = 10
    n_inner: int = 5
    n_halves: int = 10
    formula: str = "raw"
    readout: Readout = field(default_factory=Readout)

    protocols: ClassVar[tuple[ProtocolName, ...]] = ("paper",)
    """Those that it computes."""

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        return Needs(
            stimuli=shown(benchmark, settings),
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """Work of the read-outs and of the draws."""
        return work_of(
            sizes,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
            seconds=0.5 + 8e-3 * sizes.stimuli,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model against the answers of the benchmark's subjects.

        Raises
        ------
        InputError
            Data without answers, or answers to other images; fewer than two categories; a layer that does
            not vary.
        """
        stimuli = shown(benchmark, settings)
        task = task_of(
            stimuli,
            "object_name",
            name=benchmark.identifier,
            group=self.group,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
            seed=settings.seed,
        )
        partial = len(stimuli) < len(open_dataset(benchmark.data).stimuli())
        people = people_of(benchmark, task, settings, partial=partial, n_halves=self.n_halves)
        offered = candidates(benchmark, model, settings, stimuli)
        decoding = decode(offered, task, how=self.readout, judge=people.judge)
        made = _Compared(how=self, people=people, decoding=decoding, settings=settings)
        return _score(benchmark, model, stimuli, made, partial=partial)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Compared:
    """A model's answers beside those of the subjects."""

    how: Choices
    people: People
    decoding: Decoding
    settings: Settings

    @property
    def formula(self) -> str:
        """The user's, else the measure's own."""
        return self.settings.formula or self.how.formula

    def ceiling(
        self, subjects: FloatArray | None = None, images: FloatArray | None = None
    ) -> FloatArray:
        """Reliability of the subjects together, one for each draw.

        Subjects that are drawn again stay in their half: in both, they would agree with themselves.
        """
        everyone = np.ones((1, len(self.people.subjects))) if subjects is None else subjects
        drawn = 1 if images is None else len(images)
        r = np.full((max(drawn, len(everyone)), len(self.people.halves)), np.nan)
        for column, pair in enumerate(self.people.halves):
            one, other = (shares(self.people.counts[half], everyone[:, half]) for half in pair)
            r[:, column] = image_level(one, other, self.people.truth, weights=images)
        return nan_mean(spearman_brown(r), axis=1)

    def values(
        self, subjects: FloatArray | None = None, images: FloatArray | None = None
    ) -> FloatArray:
        """Value for each draw."""
        observed = self.people.share if subjects is None else shares(self.people.counts, subjects)
        mine = self.decoding.probabilities
        r = image_level(mine, observed, self.people.truth, weights=images)
        c = np.full_like(r, np.nan) if self.formula == "raw" else self.ceiling(subjects, images)
        return ceiled(r, c, formula=self.formula)

    def shuffled(self, order: IntArray) -> float:
        """Value of a model that answers each image as it answered another."""
        r = image_level(self.decoding.probabilities[order], self.people.share, self.people.truth)
        return float(ceiled(r, self.ceiling_of_all, formula=self.formula)[0])

    @cached_property
    def ceiling_of_all(self) -> float:
        """Reliability c of all subjects together, over all images."""
        return float(self.ceiling()[0])

    def interval(self, value: float) -> Interval:
        """Interval with images (in their groups), subjects or both drawn again."""
        settings = self.settings
        name = "images" if self.how.group is None else f"images by {self.how.group}"
        drawn = {"both": f"{name} and subjects", "images": name, "units": "subjects"}
        images = subjects = None
        if settings.resample != "units":
            images = self.people.drawn(n_draws=_DRAWS, seed=settings.seed)
        if settings.resample != "images":
            n = len(self.people.subjects)
            rows = unit_draws(n, n_draws=_DRAWS, seed=settings.seed, name="subjects")
            subjects = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)
        parts = [
            self.values(
                *(None if one is None else one[k : k + _AT_ONCE] for one in (subjects, images))
            )
            for k in range(0, _DRAWS, _AT_ONCE)
        ]
        what = f"{drawn[settings.resample]}, read-out not refitted"
        return interval(np.concatenate(parts), what=what, seed=settings.seed, value=value)

    def figures(self) -> dict[str, Any]:
        """Counts, accuracies, and the consistency of errors."""
        people = self.people
        named = self.decoding.probabilities.argmax(axis=1) == people.truth
        pairs = list(combinations(range(len(people.subjects)), 2))
        among = [error_consistency(people.right[a], people.right[b]) for a, b in pairs]
        return {
            "n_answers": int(people.counts.sum()),
            "answers_without_choice": people.n_without,
            "answers_of_categories_not_in_use": people.n_outside,
            "n_subjects": len(people.subjects),
            "error_consistency": _mean(error_consistency(named, people.right)),
            "error_consistency_among_subjects": _mean(among),
            "accuracy": float(named.mean()),
            "accuracy_of_subjects": float(people.right.mean()),
        }


def _score(
    benchmark: Benchmark,
    model: BrainModel,
    stimuli: StimulusSet,
    made: _Compared,
    *,
    partial: bool,
) -> Score:
    settings, people = made.settings, made.people
    raw = float(image_level(made.decoding.probabilities, people.share, people.truth)[0])
    c = made.ceiling_of_all
    value = float(ceiled(raw, c, formula=made.formula))
    reason = None if np.isfinite(value) else _reason(raw, c, made)
    ci = None if reason else made.interval(value)
    unanswered = int(np.isnan(people.share).any(axis=1).sum())
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=None if reason else value,
        reason=reason,
        raw=raw if np.isfinite(raw) else None,
        ceiling=c if np.isfinite(c) else None,
        ci=None if ci is None else (ci.lo, ci.hi),
        ci_method=None if ci is None else f"{ci.method}; approximate",
        draws=None if ci is None else ci.draws,
        formula=f"{made.formula}-v{FORMULAS[made.formula].version}",
        per_unit=_per_image(made),
        predictions=_predictions(made),
        figures=made.figures(),
        null=null_of(
            settings,
            None if reason else value,
            people.truth,
            made.shuffled,
            groups=people.groups,
        ),
        n_units=len(people.ids) - unanswered,
        n_excluded=unanswered,
        n_stimuli=len(stimuli),
        excluded={"no answer": unanswered} if unanswered else {},
        partial=partial,
        simulated=open_dataset(benchmark.data).simulated,
        record=_record(benchmark, model, stimuli, made),
    )


def _reason(raw: float, c: float, made: _Compared) -> str:
    if not np.isfinite(raw):
        return "no correlation: within each category, subjects or model answer every image alike"
    if not made.people.halves:
        return f"no ceiling: one subject has no other half, so no {made.formula}"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable, no {made.formula}"


def _per_image(made: _Compared) -> xr.DataArray:
    """Share of right answers to each image less the mean of its category, with the subjects' beside it."""
    truth = made.people.truth
    sides = []
    for matrix in (made.decoding.probabilities, made.people.share):
        own = np.take_along_axis(matrix, truth[:, None], axis=1)[:, 0]
        means = [nan_mean(own[truth == one], axis=0) for one in range(len(made.people.classes))]
        sides.append(own - np.array(means)[truth])
    return xr.DataArray(
        sides[0],
        dims=("stimulus",),
        coords={
            "stimulus_id": ("stimulus", np.asarray(made.people.ids)),
            "object_name": ("stimulus", made.people.classes[truth]),
            "observed": ("stimulus", sides[1]),
        },
        attrs={"units": "probability of the right answer, less the mean of the category"},
    )


def _predictions(made: _Compared) -> xr.Dataset:
    people = made.people
    return xr.Dataset(
        {
            "predicted": (("sample", "choice"), made.decoding.probabilities),
            "target": (("sample", "choice"), people.share),
        },
        coords={
            "fold": ("sample", made.decoding.fold),
            "stimulus_id": ("sample", np.asarray(people.ids)),
            "truth": ("sample", people.classes[people.truth]),
            "choice": ("choice", people.classes),
        },
    )


def _record(
    benchmark: Benchmark, model: BrainModel, stimuli: StimulusSet, made: _Compared
) -> Record:
    how, settings, decoding = made.how, made.settings, made.decoding
    (layer, step), _ = Counter((one.layer, one.step) for one in decoding.chosen).most_common(1)[0]
    notes = []
    if settings.floor is not None:
        notes.append("floor not used: an image has no reliability of its own")
    if decoding.n_unfinished:
        notes.append(f"read-out not converged in {decoding.n_unfinished} fits")
    seeds = ("splits", "halves", "bootstrap", "null")
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[stimuli],
        target=[made.people.share],
        seeds=dict.fromkeys(seeds, settings.seed),
        layer=layer,
        step=step,
        curve=decoding.curve,
        choices={
            "readout": f"multinomial logistic regression, C={how.readout.C:g}, "
            f"tol={how.readout.tol:g}, standardized features",
            "splits": len(set(decoding.fold.tolist())),
            "held_out": "each image by a read-out of the others"
            + (f", its {how.group} left out too" if how.group else ""),
            "ceiling": f"{len(made.people.halves)} halves of the subjects, Spearman-Brown corrected",
            "features": int(decoding.chosen[0].activations.sizes["neuroid"]),
            "window_ms": list(benchmark.window),
        },
        notes=notes,
    )


def _mean(figures: Any) -> float | None:
    values = np.asarray(figures, dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
