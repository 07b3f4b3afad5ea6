"""Object solution times: does a model solve images in the order in which a brain does.

Kar et al. 2019; Kubilius et al. 2019, section 3.3 (`paper`); Brain-Score 2.4.2 (`brainscore`).
docs/measures.md says where the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.solution_times.decoder import Decoder, DecoderName
from brainbench.scoring.layer_states import states
from brainbench.scoring.recordings import shown
from brainbench.scoring.records import record_of
from brainbench.scoring.solution_times.evaluation import N_DRAWS, Comparison
from brainbench.scoring.solution_times.model_times import INNER, Solver, is_static, solver_of
from brainbench.scoring.solution_times.target import Brain, brain_of
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.permutation import summary
from brainbench.stats.splits import Split

STATIC = "static model"


@dataclass(frozen=True, kw_only=True)
class SolutionTimes:
    """Spearman correlation of a model's object solution times with a brain's.

    Parameters
    ----------
    decoder : {"published", "converged"}
        See `metrics.solution_times.decoder.Decoder`; the published one needs 1,000 images and more.
    bin_ms : float
        Width of the time bins that the benchmark's window is cut into.
    n_splits : int
        Disjoint folds under `paper`, random splits under `brainscore`.
    n_halves : int
        How often the trials are halved for the ceiling.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r/c. The c of `brainscore`
        is its convention of .79.
    """

    decoder: DecoderName = "published"
    bin_ms: float = 10.0
    n_splits: int = 10
    n_halves: int = 10
    formula: str | None = None

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        return Needs(
            stimuli=shown(benchmark, settings),
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """Decoders of each state and split, those that choose among layers, and those of halves of trials."""
        n = sizes.stimuli
        each = self.n_splits * 150.0 * n * 10  # passes over the images, ten classes
        model = sum(
            min(sizes.bins, k) * (self.n_splits * n**2 * p + each * min(p, n))
            for p, k in zip(sizes.features, sizes.steps, strict=True)
        )
        model *= 1 + INNER if len(sizes.features) > 1 else 1
        halves = sizes.bins * 2 * self.n_halves * each * min(sizes.units, n)
        return Work(
            flops=model + (halves if sizes.repetitions > 1 else 0.0),
            read_bytes=3 * sizes.activation_bytes,
            memory_bytes=8.0 * 4 * self.n_splits * n * (n + sizes.units) + 3e8,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model against the solution times that the data holds.

        Raises
        ------
        InputError
            What `brain_of` and `solver_of` raise; several layers under `brainscore`; time bins that the
            model's clock does not cover; an object that some split trains without; fewer than two images
            that both solve.
        """
        brain = brain_of(
            benchmark,
            settings,
            bin_ms=self.bin_ms,
            n_splits=self.n_splits,
            n_halves=self.n_halves,
        )
        offered = states(
            benchmark, model, settings, brain.stimuli, [(a, b) for a, b in brain.bins.tolist()]
        )
        _check_brain(brain, benchmark.identifier)
        decoder = Decoder(
            name=self.decoder,
            initializer="glorot_uniform" if settings.protocol == "paper" else "truncated_normal",
            seed=settings.seed,
        )
        formula = settings.formula or self.formula or _own_formula(settings)
        if model.static or all(is_static(one) for one in offered):
            return _static(self, benchmark, model, settings, brain, offered[0].layer, formula)
        folds = brain.folds(settings.protocol, n_splits=self.n_splits, seed=settings.seed)
        solver = solver_of(offered, brain, folds, protocol=settings.protocol, how=decoder)
        compared = Comparison(
            brain=brain,
            parts=solver.parts(brain.thresholds, brain.bins),
            formula=formula,
            conventional=settings.protocol == "brainscore",
        )
        if compared.at_once is not None:
            record = _record(
                self, benchmark, model, settings, compared, solver.layer, solver, decoder
            )
            at = f"all {compared.n_used} images that both solve are solved at {compared.at_once:g} ms"
            figures = compared.figures() | _figures_of(solver) | {"reason": at}
            return _zero(
                benchmark, model, settings, compared, reason=at, figures=figures, record=record
            )
        _check_solved(compared, solver, model.name)
        return _dynamic(self, benchmark, model, settings, compared, solver, decoder, folds)


def _own_formula(settings: Settings) -> str:
    return "raw" if settings.protocol == "paper" else "r/c"


def _check_brain(brain: Brain, identifier: str) -> None:
    if np.isnan(brain.times).all() or np.isnan(brain.thresholds).all():
        what = "solution time" if np.isnan(brain.times).all() else "threshold"
        raise InputError(
            f"{identifier}: no {what} for any of {len(brain.times)} images",
            allowed="at least two images that the brain solves, with the I1 of its behavior",
            todo="check the columns i1 and ost of the data",
        )


def _check_solved(compared: Comparison, solver: Solver, name: str) -> None:
    model, brain = np.isnan(compared.times), compared.brain
    if model.all():
        highest = max(float(np.nanmax(one.sensitivity)) for one in solver.decoded)
        low, high = (float(edge(brain.thresholds)) for edge in (np.nanmin, np.nanmax))
        raise InputError(
            f"{name} solves none of {len(model)} images: thresholds from d' {low:.2f} to {high:.2f}, its own "
            f"sensitivity is at most {highest:.2f}",
            allowed="at least two images that both solve, at different times",
            todo="choose another layer, or more images for the decoder (a larger --limit)",
        )
    if np.isnan(compared.raw()):
        both = int((~model & ~np.isnan(brain.times)).sum())
        raise InputError(
            f"no order to compare: {name} and the brain both solve {both} of {len(model)} images",
            allowed="at least two images that both solve, at different times",
            todo="choose another layer, or more images (a larger --limit)",
        )


def _dynamic(
    how: SolutionTimes,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    compared: Comparison,
    solver: Solver,
    decoder: Decoder,
    folds: Sequence[Split],
) -> Score:
    value, raw, c = compared.value(), compared.raw(), compared.ceiling()
    reason = None if np.isfinite(value) else _no_ceiling(compared, float(c))
    found = None
    if reason is None and settings.resample != "units":
        found = compared.interval(seed=settings.seed)
    each = compared.values_of_parts()
    return Score(
        **_common(benchmark, model, settings, compared),
        value=float(value) if reason is None else None,
        reason=reason,
        raw=float(raw),
        error=None if settings.protocol == "paper" else float(np.nanstd(each) / len(each) ** 0.5),
        ci=None if found is None else (found.lo, found.hi),
        ci_method=None
        if found is None
        else found.said(
            coverage_measured=(settings.protocol, compared.formula) == ("paper", "raw"),
            n_images=compared.n_used,
        ),
        draws=None if found is None else found.draws,
        figures=compared.figures() | _figures_of(solver),
        null=None if reason else compared.null(solver, settings, value=float(value)),
        per_unit=compared.per_image(),
        predictions=compared.predictions(folds),
        record=_record(how, benchmark, model, settings, compared, solver.layer, solver, decoder),
    )


def _static(
    how: SolutionTimes,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    brain: Brain,
    layer: str,
    formula: str,
) -> Score:
    """A model without time solves no image earlier than another: 0, as in the paper."""
    n = len(brain.times)
    compared = Comparison(
        brain=brain,
        parts=[(np.arange(n), np.full(n, np.nan))],
        formula=formula,
        conventional=settings.protocol == "brainscore",
    )
    return _zero(
        benchmark,
        model,
        settings,
        compared,
        reason=STATIC,
        figures=compared.figures_of_brain()
        | {"reason": STATIC, "images_used": 0, "fraction_solved": None},
        record=_record(how, benchmark, model, settings, compared, layer, None, None),
        n_units=0,
        n_excluded=n,
        excluded={STATIC: n},
    )


def _zero(
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    compared: Comparison,
    *,
    reason: str,
    figures: dict[str, Any],
    record: Record,
    **counted: Any,
) -> Score:
    """A model that solves no image earlier than another has no order: 0, and why."""
    null = settings.null and summary(0.0, np.zeros(settings.null_draws), kind=settings.null)
    return Score(
        **{**_common(benchmark, model, settings, compared), **counted},
        value=0.0,
        raw=0.0,
        ci=(0.0, 0.0),
        ci_method=f"{reason}: 0 by definition, in every draw",
        draws=np.zeros(N_DRAWS),
        figures=figures,
        null=null or None,
        record=record,
    )


def _common(
    benchmark: Benchmark, model: BrainModel, settings: Settings, compared: Comparison
) -> dict[str, Any]:
    excluded = compared.excluded()
    c = float(compared.ceiling())
    return {
        "model": model.name,
        "weights": model.weights,
        "benchmark": benchmark.identifier,
        "version": benchmark.version,
        "protocol": settings.protocol,
        "ceiling": c if np.isfinite(c) else None,
        "formula": f"{compared.formula}-v{FORMULAS[compared.formula].version}",
        "n_units": len(compared.brain.times) - sum(excluded.values()),
        "n_excluded": sum(excluded.values()),
        "n_stimuli": len(compared.brain.times),
        "excluded": excluded,
        "partial": compared.brain.partial,
        "simulated": open_dataset(benchmark.data).simulated,
    }


def _no_ceiling(compared: Comparison, c: float) -> str:
    if np.isnan(c) and compared.brain.gaps:
        return f"no ceiling, so no {compared.formula}: {compared.brain.gaps}"
    if np.isnan(c):
        return f"no ceiling: halves of the trials order too few images, so no {compared.formula}"
    return f"the ceiling c = {c:.3f} is not positive: no order is reliable, no {compared.formula}"


def _figures_of(solver: Solver) -> dict[str, Any]:
    accuracy = np.mean([one.accuracy for one in solver.decoded], axis=0)
    mean = np.mean([np.nanmean(one.sensitivity, axis=1) for one in solver.decoded], axis=0)
    return {
        "accuracy_by_bin": accuracy.tolist(),
        "sensitivity_by_bin": mean.tolist(),
        "states": solver.n_states,
    }


def _record(
    how: SolutionTimes,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    compared: Comparison,
    layer: str,
    solver: Solver | None,
    decoder: Decoder | None,
) -> Record:
    brain, paper = compared.brain, settings.protocol == "paper"
    notes = [] if solver else [f"{STATIC}: the score is 0, nothing was decoded"]
    if brain.gaps:
        notes.append(f"ceiling: {brain.gaps}")
    if settings.resample == "units":
        notes.append("no interval: solution times are one figure over images, without units")
    if settings.floor is not None:
        notes.append("floor not used: an image's solution time has no reliability of its own")
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[brain.stimuli],
        target=[brain.thresholds, brain.times],
        seeds={
            "splits": settings.seed if paper else 1,
            "decoder": settings.seed,
            "ceiling": 1,
            "bootstrap": settings.seed,
        },
        layer=layer,
        curve=solver.curve if solver else [],
        choices={
            "decoder": how.decoder,
            "initializer": decoder.initializer
            if decoder and how.decoder == "published"
            else "none needed",
            "splits": how.n_splits,
            "stratified": paper and brain.strata is not None,
            "judged": "images of all folds together" if paper else "the images of each split",
            "false_alarms": "all other images" if paper else "images of the distractor",
            "features": solver.n_features if solver else None,
            "window_ms": list(benchmark.window),
            "bin_ms": how.bin_ms,
            "ceiling": compared.ceiling_source,
        },
        notes=notes,
    )
