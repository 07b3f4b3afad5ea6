"""The road from a benchmark and a model to a score, the same for all measures.

formula -> target -> candidates -> evaluation -> figure -> missing ceiling -> interval -> permutation null
-> report -> provenance -> Score. A measure supplies target and evaluation (`scoring.measure`); the order, and
all that follows from it, is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BrainModel, check_model
from brainbench.core.provenance import Record, record, sha256
from brainbench.core.score import Score, Status
from brainbench.core.settings import Settings
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.measure import Evaluation, Figure, Measure, Report
from brainbench.stats.bootstrap import Interval, crossed, image_counts, interval, unit_counts
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.permutation import shuffles, summary

FloatArray = npt.NDArray[np.float64]
N_DRAWS = 1000


def score(benchmark: Benchmark, model: BrainModel, settings: Settings | None = None) -> Score:
    """Score a model on a benchmark: figure, ceiling, interval and provenance in one frozen result.

    Parameters
    ----------
    benchmark : Benchmark
        What to score.
    model : BrainModel
        The model.
    settings : Settings, optional
        Protocol, seed, formula, ...

    Raises
    ------
    NotApplicableError
        The measure is not defined under the protocol or by the formula, or no layer of the model stands
        for the region.
    InputError
        Data or activations that the measure cannot use; each measure lists its own.
    """
    run = Run(settings or Settings())
    model_run = ModelRun(check_model(model, name=getattr(model, "name", "")))
    return score_context(RunContext(benchmark=benchmark, run=run, model_run=model_run))


def score_context(context: RunContext) -> Score:
    """Score what a context names; see `score`."""
    measure: Measure[Any, Any] = context.benchmark.measure  # type: ignore[assignment]
    formula, settings = context.formula, context.settings
    measure.check(context)
    target = measure.target(context)
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    figure = evaluation.figure()
    value = 0.0 if evaluation.by_definition else float(figure.value(formula)[0])
    reason = None if np.isfinite(value) else _missing_value(evaluation, figure, formula)
    bootstrap = null = None
    if reason is None:
        bootstrap = value_interval(evaluation, settings, formula, value)
        null = _null(evaluation, settings, formula, value)
    report = evaluation.report(figure)
    excluded = {why: count for why, count in report.excluded.items() if count}
    measured = measure.has_measured_coverage(context, evaluation)
    return Score(
        **_identity(context),
        status="scored" if reason is None else "failed",
        value=value if reason is None else None,
        reason=reason,
        raw=_finite(figure.mean_raw()),
        ceiling=_finite(figure.mean_ceiling()),
        error=report.error,
        ci=None if bootstrap is None else (bootstrap.lo, bootstrap.hi),
        ci_method=None if bootstrap is None else bootstrap.method,
        ci_approximate=bootstrap is not None
        and not evaluation.by_definition
        and (not measured or bootstrap.is_approximate(n_images=evaluation.n_images)),
        draws=None if bootstrap is None else bootstrap.draws,
        formula=f"{formula}-v{FORMULAS[formula].version}",
        per_unit=report.per_unit,
        predictions=report.predictions,
        figures=dict(report.figures),
        null=null,
        n_units=report.n_units,
        n_excluded=sum(excluded.values()),
        n_stimuli=sum(len(stimuli) for stimuli in evaluation.stimulus_sets),
        excluded=excluded,
        partial=evaluation.partial,
        selection=evaluation.selection,
        record=_record(context, evaluation, report),
    )


def failure(
    benchmark: Benchmark,
    settings: Settings,
    *,
    model: str,
    weights: str,
    status: Status,
    reason: str,
    simulated: bool = False,
    record: Record | None = None,
) -> Score:
    """Build a score without a value.

    Parameters
    ----------
    benchmark, settings
        What was to be scored, and how.
    model, weights : str
        Name of the model and of its weights.
    status : {"failed", "not_applicable", "data_absent"}
        Which kind.
    reason : str
        Why there is no value.
    simulated : bool
        The brain is simulated.
    record : Record, optional
        Provenance, as far as it is known.
    """
    return Score(
        model=model,
        weights=weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=None,
        status=status,
        reason=reason,
        partial=settings.limit is not None,
        simulated=simulated,
        record=record,
    )


def _identity(context: RunContext) -> dict[str, Any]:
    return {
        "model": context.model.name,
        "weights": context.model.weights,
        "benchmark": context.benchmark.identifier,
        "version": context.benchmark.version,
        "protocol": context.settings.protocol,
        "simulated": context.data.simulated,
    }


def _missing_value(evaluation: Evaluation, figure: Figure, formula: str) -> str:
    """Say why there is no value: no correlation, no ceiling, or a ceiling that is not positive."""
    special = evaluation.missing_value(figure)
    if special is not None:
        return special
    c = figure.mean_ceiling()
    if not np.isfinite(figure.mean_raw()):
        return "no correlation: predictions or responses do not vary over the held-out images"
    if not np.isfinite(c):
        return f"no ceiling, so no {formula}: {evaluation.no_ceiling}"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable was measured, no {formula}"


# --- interval --------------------------------------------------------------------------------------


def value_interval(
    evaluation: Evaluation, settings: Settings, formula: str, value: float
) -> Interval | None:
    """Return the 95 % interval of a value; None where the user asks for units and there are none."""
    if evaluation.by_definition:
        method = f"{evaluation.by_definition}: 0 by definition, in every draw"
        return Interval(0.0, 0.0, 0.95, method, 0, np.zeros(N_DRAWS))
    resampling = evaluation.resampling
    if resampling.units is None and settings.resample == "units":
        return None
    draws = _draws(evaluation, settings, formula)
    resample = settings.resample if resampling.units is not None else "images"
    what = ", ".join(filter(None, [resampling.words[resample], resampling.remark]))
    return interval(draws, what=what, seed=settings.seed, value=value)


def _draws(evaluation: Evaluation, settings: Settings, formula: str) -> FloatArray:
    """Return bootstrap draws of the value, with images, units or both drawn again."""
    units = evaluation.resampling.units
    resample = settings.resample if units is not None else "images"
    images = drawn_units = None
    if resample != "units":
        images = drawn_images(evaluation, n_draws=N_DRAWS, seed=settings.seed)
    if units is not None and resample != "images":
        drawn_units = unit_counts(
            units.n, n_draws=N_DRAWS, seed=settings.seed, name=units.population, ids=units.ids
        )
    if drawn_units is None or images is None:
        return np.concatenate(
            [
                evaluation.figure(
                    None if images is None else images[block],
                    None if drawn_units is None else drawn_units[block],
                ).value(formula)
                for block in _blocks(evaluation.resampling.at_once)
            ]
        )
    together, over_images = [], []
    for block in _blocks(evaluation.resampling.at_once):
        results = evaluation.over_images(images[block])
        together.append(evaluation.figure_of(results, drawn_units[block]).value(formula))
        if units is not None and units.crossed:
            over_images.append(evaluation.figure_of(results, None).value(formula))
    both = np.concatenate(together)
    if units is None or not units.crossed:
        return both
    over_units = evaluation.figure(None, drawn_units).value(formula)
    return crossed(both, images=np.concatenate(over_images), units=over_units)


def drawn_images(evaluation: Evaluation, *, n_draws: int, seed: int) -> FloatArray:
    """Return how often each image is drawn, draw x image, the image sets side by side.

    Images of one group are drawn together.
    """
    columns = []
    for image_set in evaluation.image_sets:
        if image_set.groups is None:
            columns.append(image_counts(image_set.ids, n_draws=n_draws, seed=seed))
            continue
        names, group = np.unique(image_set.groups, return_inverse=True)
        counts = image_counts(names.tolist(), n_draws=n_draws, seed=seed)
        columns.append(counts[:, group.ravel()])
    return np.concatenate(columns, axis=1)


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, N_DRAWS, size):
        yield slice(start, start + size)


# --- permutation null ------------------------------------------------------------------------------


def _null(
    evaluation: Evaluation, settings: Settings, formula: str, value: float
) -> dict[str, Any] | None:
    """Return the permutation null of a value; None where the user asks for none."""
    if settings.null is None:
        return None
    if evaluation.by_definition:
        return summary(value, np.zeros(settings.null_draws), kind=settings.null)
    orders = [
        shuffles(
            len(image_set.ids),
            kind=settings.null,
            objects=image_set.objects,
            groups=image_set.groups,
            n_draws=settings.null_draws,
            seed=settings.seed,
            name=image_set.name,
        )
        for image_set in evaluation.image_sets
    ]
    null = summary(value, evaluation.shuffled(orders).value(formula), kind=settings.null)
    return null | ({"what": evaluation.null_remark} if evaluation.null_remark else {})


# --- provenance ------------------------------------------------------------------------------------


def _record(context: RunContext, evaluation: Evaluation, report: Report) -> Record:
    asked, shown = context.benchmark.presentation, context.presentation
    notes = [*context.model.notes, *_notes(context, evaluation), *report.notes]
    if shown != asked:
        notes.append(f"asked for: {asked.describe()}")
    return record(
        seeds=dict(report.seeds),
        hashes={
            "stimuli": _joint_digest([one.digest for one in evaluation.stimulus_sets]),
            "data": context.data_version,
            "model": context.model_run.digest,
            "target": sha256(
                *(np.ascontiguousarray(values).tobytes() for values in evaluation.targets)
            ),
        },
        clock=context.clock.name,
        presentation=shown.describe(),
        device=context.model.device,
        precision=context.model.precision,
        choices={"window_ms": list(context.benchmark.window), **report.details},
        notes=notes,
    )


def _notes(context: RunContext, evaluation: Evaluation) -> list[str]:
    resampling = evaluation.resampling
    without_units = resampling.units is None and context.settings.resample == "units"
    return [resampling.no_units] if without_units and not evaluation.by_definition else []


def _joint_digest(digests: Sequence[str]) -> str:
    return digests[0] if len(digests) == 1 else sha256(*digests)


def _finite(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None
