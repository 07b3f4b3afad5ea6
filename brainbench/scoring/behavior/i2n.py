"""Behavior: are a model's errors on single images those of a subject who chooses between two objects.

I2n (Rajalingham et al. 2018) under two protocols, `paper` (Kubilius et al. 2019, section 3.2) and
`brainscore` (Brain-Score 2.4.2); docs/measures.md says where they differ. The read-out is never asked about
an image that it was fitted on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.i2n import consistency, d_prime, normalized, two_way, undefined
from brainbench.metrics.classification.logistic_regression import Readout
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.behavior.i2n_target import Subject, subject_of
from brainbench.scoring.behavior.readout import Decoding, decode, task_of, work_of
from brainbench.scoring.behavior.shuffled import null_of
from brainbench.scoring.layer_candidates import candidates
from brainbench.scoring.recordings import shown
from brainbench.scoring.records import record_of
from brainbench.stats.bootstrap import image_counts, interval
from brainbench.stats.ceiling import FORMULAS, ceiled, spearman_brown

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_DRAWS, _AT_ONCE = 1000, 50

COVERED = frozenset({("paper", "raw"), ("paper", "r/sqrt(c)"), ("brainscore", "r/sqrt(c)")})
"""Protocols and formulas for which the coverage of the interval was measured: those of perf/worlds."""


@dataclass(frozen=True, kw_only=True)
class Behavior:
    """I2n of a model's behavior layer with choices between two objects.

    Parameters
    ----------
    n_splits : int
        Folds of the read-out, stratified by object; each image is decoded by a read-out of the others.
    n_inner : int
        Folds inside the training images, by which `paper` chooses among several layers or steps.
    n_halves : int
        Random halves of the trials of each cell, for the ceiling under `paper`. Brain-Score's two are fixed.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r/sqrt(c).
    readout : Readout
        Options of the logistic regression.
    """

    n_splits: int = 10
    n_inner: int = 5
    n_halves: int = 10
    formula: str | None = None
    readout: Readout = field(default_factory=Readout)

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
            seconds=0.5 + 2e-3 * sizes.stimuli,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model against the choices of the benchmark's subjects.

        Raises
        ------
        InputError
            Data without choices; stimuli without `object_name`, or of other objects than the trials say;
            fewer than two objects, or two images of one; a layer that does not vary.
        """
        stimuli = shown(benchmark, settings)
        task = task_of(
            stimuli,
            "object_name",
            name=benchmark.identifier,
            n_splits=self.n_splits,
            n_inner=self.n_inner,
            seed=settings.seed,
        )
        subject = subject_of(
            benchmark,
            task,
            settings,
            partial=_is_partial(benchmark, stimuli),
            n_halves=self.n_halves,
        )
        offered = candidates(benchmark, model, settings, stimuli)
        decoding = decode(offered, task, how=self.readout, judge=subject.judge)
        return _score(self, benchmark, model, settings, stimuli, subject, decoding)


def _is_partial(benchmark: Benchmark, stimuli: StimulusSet) -> bool:
    return len(stimuli) < len(open_dataset(benchmark.data).stimuli())


def _combined(
    r: FloatArray, c: FloatArray, *, formula: str, protocol: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, ceiling, and value in each split; draws first."""
    if protocol == "paper":
        ceiling = nan_mean(spearman_brown(c), axis=1) if c.shape[1] else np.full(len(r), np.nan)
        value = ceiled(r[:, 0], ceiling, formula=formula)
        return value, ceiling, value[:, None]
    each = ceiled(r, c, formula=formula)
    return _mean(each), _mean(c), each


def _mean(each: FloatArray) -> FloatArray:
    """Mean over splits, NaN where one has no value, or where there are none: one trial has no halves."""
    return each.mean(axis=1) if each.shape[1] else np.full(len(each), np.nan)


def _drawn(subject: Subject, model: FloatArray, *, formula: str, settings: Settings) -> FloatArray:
    """Values with images drawn again: false alarms, means, correlation and ceiling of each draw."""
    counts = image_counts(subject.trials.images, n_draws=_DRAWS, seed=settings.seed)
    needed = subject.halves
    if formula == "raw" and settings.protocol == "paper":
        needed = []
    values = []
    for first in range(0, _DRAWS, _AT_ONCE):
        r, c = consistency(
            model,
            subject.fraction,
            needed,
            subject.trials.truth,
            protocol=subject.protocol,
            weights=counts[first : first + _AT_ONCE],
        )
        values.append(_combined(r, c, formula=formula, protocol=settings.protocol)[0])
    return np.concatenate(values)


def _score(
    how: Behavior,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    stimuli: StimulusSet,
    subject: Subject,
    decoding: Decoding,
) -> Score:
    truth = subject.trials.truth
    paper = settings.protocol == "paper"
    formula = settings.formula or how.formula or ("raw" if paper else "r/sqrt(c)")
    answers = decoding.probabilities[subject.rows]
    mine = two_way(answers, truth)

    def figures_of(fraction: FloatArray, *, pooled: bool = False) -> tuple[FloatArray, FloatArray]:
        return consistency(
            fraction,
            subject.fraction,
            subject.halves,
            truth,
            protocol=subject.protocol,
            pooled=pooled,
        )

    def value_of(order: IntArray) -> float:
        r, c = figures_of(two_way(answers[order], truth))
        return float(_combined(r, c, formula=formula, protocol=settings.protocol)[0][0])

    r, c = figures_of(mine)
    (value,), (ceiling,), each = _combined(r, c, formula=formula, protocol=settings.protocol)
    raw = float(_mean(r)[0])
    matrices = [
        d_prime(fraction, truth, false_alarms=subject.protocol)
        for fraction in (mine, subject.fraction)
    ]
    cells = _cells(matrices, mine, subject)
    reason = None if np.isfinite(value) else _reason(raw, ceiling, formula, cells, subject)
    ci = None
    if reason is None and settings.resample != "units":
        drawn = _drawn(subject, mine, formula=formula, settings=settings)
        ci = interval(
            drawn, what="images, read-out not refitted", seed=settings.seed, value=float(value)
        )
    i1_r, i1_c = figures_of(mine, pooled=True)
    _, (i1_ceiling,), _ = _combined(i1_r, i1_c, formula="raw", protocol=settings.protocol)
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=None if reason else float(value),
        reason=reason,
        raw=_finite(raw),
        ceiling=_finite(ceiling),
        error=None if paper or reason else float(each.std()),
        ci=None if ci is None else (ci.lo, ci.hi),
        ci_method=None
        if ci is None
        else ci.said(
            coverage_measured=(settings.protocol, formula) in COVERED, n_images=len(stimuli)
        ),
        draws=None if ci is None else ci.draws,
        formula=f"{formula}-v{FORMULAS[formula].version}",
        per_unit=_per_image(matrices, subject, stimuli),
        predictions=_predictions(mine, subject, decoding, stimuli),
        figures={
            **cells,
            "i1": _finite(float(_mean(i1_r)[0])),
            "i1_ceiling": _finite(float(i1_ceiling)),
            "fraction_correct": _finite(float(np.nanmean(mine))),
            "fraction_correct_subject": float(np.nanmean(subject.fraction)),
        },
        null=null_of(settings, None if reason else float(value), truth, value_of),
        n_units=cells["cells_used"],
        n_excluded=sum(_excluded(cells).values()),
        n_stimuli=len(stimuli),
        excluded=_excluded(cells),
        partial=_is_partial(benchmark, stimuli),
        simulated=open_dataset(benchmark.data).simulated,
        record=_record(how, benchmark, model, settings, stimuli, subject, decoding),
    )


def _cells(matrices: Sequence[FloatArray], mine: FloatArray, subject: Subject) -> dict[str, int]:
    """How many cells there are, and why some do not count."""
    truth = subject.trials.truth
    model, observed = matrices
    lost = {
        "model": undefined(mine, model, truth),
        "subject": undefined(subject.fraction, observed, truth),
    }
    return {
        "n_trials": len(subject.trials),
        "n_images": len(truth),
        "n_cells": len(truth) * (len(subject.trials.objects) - 1),
        "cells_used": int((np.isfinite(model) & np.isfinite(observed)).sum()),
        "cells_without_trials": lost["subject"].get("no hit rate", 0),
        "cells_without_d_prime_of_the_subject": lost["subject"].get("no d'", 0),
        "cells_without_d_prime_of_the_model": sum(lost["model"].values()),
    }


def _excluded(cells: dict[str, int]) -> dict[str, int]:
    """Reason -> number of cells; a cell with two reasons is counted under the first."""
    ends = "hit and false-alarm rates both 0 or both 1, or one of them unknown"
    unseen = cells["cells_without_trials"]
    unclear = cells["cells_without_d_prime_of_the_subject"]
    rest = cells["n_cells"] - cells["cells_used"] - unseen - unclear
    counts = {
        "no trials": unseen,
        f"no d' of the subject: {ends}": unclear,
        f"no d' of the model: {ends}": rest,
    }
    return {reason: count for reason, count in counts.items() if count}


def _reason(
    raw: float, ceiling: float, formula: str, cells: dict[str, int], subject: Subject
) -> str:
    used = f"{cells['cells_used']} of {cells['n_cells']} cells, {cells['n_trials']} trials"
    if not subject.cut and (subject.protocol == "brainscore" or np.isfinite(raw)):
        return (
            f"no halves of {cells['n_trials']} trial: the protocol {subject.protocol} with {formula} "
            "needs at least two"
        )
    if not np.isfinite(raw):
        over = f"over {used}"
        if subject.protocol == "brainscore" and cells["cells_used"] > 1:
            over = f"with random halves of the trials, of {used}: in a half"
        return (
            f"no correlation {over}: fewer than two cells have a d' on both sides, or one side "
            "is the same for all images of each pair of objects"
        )
    if not np.isfinite(ceiling):
        return f"no ceiling over {used}: halves of the trials share too few cells, so no {formula}"
    return (
        f"the ceiling {ceiling:.3f} is not positive in each split: nothing reliable, no {formula}"
    )


def _per_image(
    matrices: Sequence[FloatArray], subject: Subject, stimuli: StimulusSet
) -> xr.DataArray:
    """Mean normalized d' of each image, with the subject's beside it."""
    truth = subject.trials.truth
    model, observed = (nan_mean(normalized(one, truth), axis=1) for one in matrices)
    return xr.DataArray(
        model,
        dims=("stimulus",),
        coords={
            "stimulus_id": ("stimulus", np.asarray(subject.trials.images)),
            "object_name": ("stimulus", np.asarray(subject.trials.objects)[truth]),
            "observed": ("stimulus", observed),
        },
        attrs={"units": "mean normalized d' over distractors"},
    )


def _predictions(
    mine: FloatArray, subject: Subject, decoding: Decoding, stimuli: StimulusSet
) -> xr.Dataset:
    """Fractions correct of model and subject, dims (sample, choice); NaN where choice is the truth."""
    trials = subject.trials
    return xr.Dataset(
        {
            "predicted": (("sample", "choice"), mine),
            "target": (("sample", "choice"), subject.fraction),
        },
        coords={
            "fold": ("sample", decoding.fold[subject.rows]),
            "stimulus_id": ("sample", np.asarray(trials.images)),
            "truth": ("sample", np.asarray(trials.objects)[trials.truth]),
            "choice": ("choice", np.asarray(trials.objects)),
        },
    )


def _record(
    how: Behavior,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    stimuli: StimulusSet,
    subject: Subject,
    decoding: Decoding,
) -> Record:
    paper = settings.protocol == "paper"
    (layer, step), _ = Counter((one.layer, one.step) for one in decoding.chosen).most_common(1)[0]
    notes = []
    if settings.resample == "units":
        notes.append("no interval: I2n is one figure over all cells, it has no units to draw again")
    if settings.floor is not None:
        notes.append("floor not used: a cell has no reliability of its own")
    if decoding.n_unfinished:
        notes.append(f"read-out not converged in {decoding.n_unfinished} fits")
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[stimuli],
        target=[subject.fraction],
        seeds={
            "splits": settings.seed,
            "halves": settings.seed if paper else 0,
            "bootstrap": settings.seed,
            "null": settings.seed,
        },
        layer=layer,
        step=step,
        curve=decoding.curve,
        choices={
            "readout": f"multinomial logistic regression, C={how.readout.C:g}, "
            f"tol={how.readout.tol:g}, standardized features",
            "splits": len(set(decoding.fold.tolist())),
            "held_out": "each image by a read-out of the others, stratified by object",
            "false_alarms": "all other images" if paper else "images of the distractor",
            "target": "all trials" if paper else "one random half of the trials, twice",
            "ceiling": f"{len(subject.cut)} halves of each cell, Spearman-Brown corrected"
            if paper
            else "Pearson r of the two halves",
            "features": int(decoding.chosen[0].activations.sizes["neuroid"]),
            "window_ms": list(benchmark.window),
        },
        notes=notes,
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
