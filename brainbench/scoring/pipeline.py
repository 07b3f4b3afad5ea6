"""The road from a benchmark and a model to a score, the same for all measures.

formula -> target -> candidates -> evaluation -> figure -> missing ceiling -> interval -> ceiling above 0
-> permutation null -> report -> provenance -> Score. A measure supplies target and evaluation
(`scoring.measure`); the order, and all that follows from it, is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import population_of
from brainbench.core.model import BrainModel, check_model
from brainbench.core.movies import Movies
from brainbench.core.provenance import Record, record, sha256
from brainbench.core.score import UNDESCRIBED, Score, Status
from brainbench.core.settings import Settings
from brainbench.scoring.by_animal import figures_by_animal, n_animals
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.few_groups import figures_of_groups, score_interval, why_no_interval
from brainbench.scoring.fitted_models import check_chosen, check_fitted
from brainbench.scoring.interval_and_null import permutation_null
from brainbench.scoring.judged_ceiling import judge_ceiling
from brainbench.scoring.measure import Evaluation, Figure, Measure, Report, finite
from brainbench.stats.bootstrap import Interval
from brainbench.stats.ceiling import FORMULAS


def score(benchmark: Benchmark, model: BrainModel, settings: Settings | None = None) -> Score:
    """Score a model on a benchmark: figure, ceiling, interval and provenance in one frozen result.

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
    settings = context.settings
    measure.check(context)
    check_fitted(context)
    check_chosen(context)
    context.check_layers()  # before anything is loaded
    target = measure.target(context)
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    figure = evaluation.figure()
    defined = evaluation.by_definition is not None
    value = 0.0 if defined else float(figure.value(evaluation.formula)[0])
    reason = None if np.isfinite(value) else _missing_value(evaluation, figure)
    null = bootstrap = no_interval = None
    figures: dict[str, Any] = {}
    if not context.data.simulated:
        figures |= figures_by_animal(evaluation, population_of(context.data))
    if reason is None:
        bootstrap = score_interval(evaluation, settings, value)
        no_interval = None if bootstrap else why_no_interval(evaluation, settings)
        figures |= figures_of_groups(evaluation)
    ceiling = judge_ceiling(evaluation, figure, settings, bootstrap, missing=reason)
    if ceiling is not None and ceiling.why_not and settings.protocol == "paper":
        reason, bootstrap = ceiling.why_not, None
    if reason is None:
        null = permutation_null(evaluation, settings, value)
    report = evaluation.report(figure)
    further = {} if bootstrap is None else {k: list(v) for k, v in bootstrap.further.items()}
    reports_error = context.rules.reports_error and not defined
    excluded = {why: count for why, count in report.excluded.items() if count}
    return Score(
        model=context.model.name,
        weights=context.model.weights,
        benchmark=context.benchmark.identifier,
        version=context.benchmark.version,
        protocol=settings.variant,
        simulated=context.data.simulated,
        n_animals=None if context.data.simulated else n_animals(evaluation),
        status="scored" if reason is None else "failed",
        value=value if reason is None else None,
        reason=reason,
        raw=finite(figure.mean_raw()),
        ceiling=finite(figure.mean_ceiling()),
        ceiling_ci=None if ceiling is None else ceiling.ci,
        ceiling_above_0=None if ceiling is None else not ceiling.why_not,
        error=finite(evaluation.error(figure)) if reports_error else None,
        ci=None if bootstrap is None else (bootstrap.lo, bootstrap.hi),
        ci_method=no_interval if bootstrap is None else bootstrap.method,
        ci_approximate=bootstrap is not None
        and not defined
        and _is_approximate(context, evaluation, bootstrap),
        draws=None if bootstrap is None or bootstrap.n_groups else bootstrap.draws,
        joint_draws=None if bootstrap is None or bootstrap.n_groups else dict(bootstrap.joint),
        formula=f"{evaluation.formula}-v{FORMULAS[evaluation.formula].version}",
        per_unit=report.per_unit,
        predictions=report.predictions,
        figures={**report.figures, **figures, **({"intervals": further} if further else {})},
        null=null,
        n_units=report.n_units,
        n_excluded=sum(excluded.values()),
        n_stimuli=sum(len(stimuli) for stimuli in evaluation.material.stimulus_sets),
        excluded=excluded,
        partial=evaluation.material.partial,
        selection=evaluation.selection,
        record=_record(context, evaluation, report),
    )


def _is_approximate(context: RunContext, evaluation: Evaluation, bootstrap: Interval) -> bool:
    """Return whether the coverage of such intervals was not measured."""
    measure: Measure[Any, Any] = context.benchmark.measure  # type: ignore[assignment]
    return (
        not measure.has_measured_coverage(context, evaluation)
        or bootstrap.is_approximate(n_images=evaluation.n_images)
        or (bootstrap.n_groups is not None and not measure.covers_few_groups)
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
    """Build a score without a value: `status` is its kind, `reason` says why, `record` is what is known."""
    return Score(
        model=model,
        weights=weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.variant,
        value=None,
        status=status,
        reason=reason,
        partial=settings.limit is not None,
        simulated=simulated,
        record=record,
    )


def _missing_value(evaluation: Evaluation, figure: Figure) -> str:
    """Say why there is no value: no correlation, no ceiling, or a ceiling that is not positive."""
    formula, special = evaluation.formula, evaluation.missing_value(figure)
    if special is not None:
        return special
    c = figure.mean_ceiling()
    if not np.isfinite(figure.mean_raw()):
        return "no correlation: predictions or responses do not vary over the held-out images"
    if not np.isfinite(c):
        return f"no ceiling, so no {formula}: {evaluation.no_ceiling}"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable was measured, no {formula}"


# --- provenance ------------------------------------------------------------------------------------


def _record(context: RunContext, evaluation: Evaluation, report: Report) -> Record:
    digests = [stimuli.digest for stimuli in evaluation.material.stimulus_sets]
    targets = (np.ascontiguousarray(values).tobytes() for values in evaluation.material.targets)
    return record(
        seeds={**report.seeds, "bootstrap": context.settings.seed},
        hashes={
            "stimuli": digests[0] if len(digests) == 1 else sha256(*digests),
            "data": context.data_version,
            "model": context.model_run.digest,
            "target": sha256(*targets),
        },
        clock=context.clock.name,
        presentation=context.presentation.describe(),
        device=context.model.device,
        precision=context.model.precision,
        choices={
            "window_ms": list(context.benchmark.window),
            **_screen(context, evaluation),
            **_movies(context, evaluation),
            **_groups(context, evaluation),
            **report.details,
        },
        notes=[*context.model.notes, *_caveats(context, evaluation), *report.notes],
    )


def _screen(context: RunContext, evaluation: Evaluation) -> dict[str, Any]:
    """Return the width of the images in degrees where all sets state the same, and how they are shown."""
    sets, field = evaluation.material.stimulus_sets, context.visual_degrees
    widths = {stimuli.degrees for stimuli in sets}
    width = widths.pop() if len(widths) == 1 else None
    given = {} if width is None else {"degrees": width}
    if all(stimuli.has_no_width for stimuli in sets):
        return given
    if field is None:
        return {**given, "screen": "images fill the model's input, whatever their width in degrees"}
    if all(stimuli.has_width_of(field) for stimuli in sets):
        return {**given, "visual_degrees": field, "screen": "images as wide as the model's field"}
    placed = "images at their width on the model's field: gray 128 around, or their center"
    return {**given, "visual_degrees": field, "screen": placed}


def _movies(context: RunContext, evaluation: Evaluation) -> dict[str, Any]:
    """Return how many frames there are, how long a movie lasts, and how often the model takes a frame."""
    sets = [shown for shown in evaluation.material.stimulus_sets if isinstance(shown, Movies)]
    if not sets:
        return {}
    return {
        "frames": sum(shown.n_pictures for shown in sets),
        "movie_ms": max(shown.duration_ms for shown in sets),
        "frame_ms": context.model.frame_ms,
    }


def _groups(context: RunContext, evaluation: Evaluation) -> dict[str, Any]:
    """Return how many copies and groups there are in each set of images that has some."""
    material = evaluation.material
    described: dict[str, Any] = {}
    for shown, image_set in zip(material.stimulus_sets, material.image_sets, strict=True):
        name = image_set.name or shown.identifier
        for key, counts in context.run.groups(shown).describe().items():
            described.setdefault(key, {})[name] = counts
    return described


def _caveats(context: RunContext, evaluation: Evaluation) -> list[str]:
    """Return notes on what was not said, or does not apply: weights, presentation, units, floor."""
    asked, settings, notes = context.benchmark.presentation, context.settings, []
    if context.model.weights == UNDESCRIBED:
        notes.append("nobody said what the weights are: give weights= to brainbench.wrap")
    if context.presentation != asked:
        notes.append(f"asked for: {asked.describe()}")
    material = evaluation.material
    for shown, image_set in zip(material.stimulus_sets, material.image_sets, strict=True):
        groups = context.run.groups(shown)
        all_drawn = image_set.groups is not None and len(image_set.ids) == len(shown)
        used = image_set.groups if all_drawn else groups.names
        notes += groups.notes(apart=context.splits_apart, used=used)
    without_units = evaluation.resampling.units is None and settings.resample == "units"
    if without_units and not evaluation.by_definition:
        notes.append(evaluation.resampling.no_units)
    if settings.floor is not None and evaluation.no_floor:
        notes.append(f"floor not used: {evaluation.no_floor}")
    return notes
