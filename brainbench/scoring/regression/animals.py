"""Animal to animal: how well the sites of other animals predict those of an animal, with a benchmark's map.

A reference beside a model's score, never a ceiling: two animals differ too, for example in the receptive
fields that were recorded, so that a model may lie above it. docs/measures.md says what each figure is.

References
----------
Nayebi et al. 2023, PLoS Computational Biology (doi:10.1371/journal.pcbi.1011506), for the correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model_info import NOTHING, About
from brainbench.core.presentation import KINDS, Kind
from brainbench.core.timeline import STATIC, Timeline
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.correlation import pearson_of_predictions
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.by_animal import ANIMAL
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.few_groups import score_interval
from brainbench.scoring.judged_ceiling import judge_ceiling
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.measure import finite
from brainbench.scoring.recordings import Recordings, check_varies, windowed_recordings
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.predictivity_evaluation import PredictivityEvaluation
from brainbench.scoring.regression.sessions import SessionFit, SessionTarget
from brainbench.stats.ceiling import half_means, spearman_brown

N_HALVINGS = 3
"""Random halves of the trials, for the correction for the noise of both animals."""
FORMULAS = ("raw", "r/sqrt(c)")


@dataclass(frozen=True, kw_only=True, eq=False)
class OtherAnimals:
    """What stands in the place of a model: the layer of every region is the sites of other animals."""

    region: str
    name: str = "animals"
    weights: str = "none"
    static: bool = True
    presentations: tuple[Kind, ...] = KINDS
    digest: str = "animals"
    notes: tuple[str, ...] = ()
    about: About = NOTHING
    device: str = "cpu"
    precision: str = "float32"
    visual_degrees: float = 8.0
    frame_ms: float | None = None

    @property
    def areas(self) -> dict[str, tuple[str, ...]]:
        return {self.region: ("sites",)}

    @property
    def clocks(self) -> dict[str, Timeline]:
        return {STATIC.name: STATIC}

    def pinned(self) -> OtherAnimals:
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Sites of one animal in one session."""

    animal: str
    recordings: Recordings


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Sites of an animal, and those of others that saw the same pictures, rows in the same order."""

    target: SessionTarget
    animal: str
    others: tuple[str, ...]
    values: FloatArray  # stimulus x site of the others
    trials: FloatArray | None  # repetition x stimulus x site of the others

    def candidate(self, values: FloatArray) -> Candidate:
        """Return responses of the others as what predicts."""
        return Candidate(
            layer="sites of " + ", ".join(self.others),
            step=None,
            span=(-np.inf, np.inf),
            activations=xr.DataArray(values[:, :, None], dims=("stimulus", "neuroid", "time")),
            weights=np.ones(1),
        )


def animal_reference(benchmark: Benchmark, run: Run) -> dict[str, Any]:
    """Return how well the sites of other animals predict those of each animal.

    Parameters
    ----------
    benchmark : Benchmark
        Of predictivity: its map, splits and window are used.
    run : Run
        Settings of the scores beside which the figures stand.

    Returns
    -------
    dict
        `raw` is aggregated over the sites of all animals as the benchmark does, `r/sqrt(c)` divides by the
        reliability of the predicted sites, each with an interval `ci` where there is one. `corrected` is the
        median over sites of Nayebi et al. (2023), `corrected_halves` the same with reliabilities of half the
        trials on both sides, and `n_uncorrected` the sites without. `by_animal` has raw, c and sources of
        each animal, `pairs` the raw figure from each animal to each other where there are more than two.

    Raises
    ------
    NotApplicableError
        A benchmark of another measure.
    InputError
        Recordings that name no animal or one, animals that share no picture, or too few pictures.
    """
    measure = benchmark.measure
    if not isinstance(measure, Predictivity):
        raise NotApplicableError(
            f"animals as a reference for {benchmark.identifier}, which fits no map to sites",
            allowed="benchmarks of neural predictivity, as Simulated.IT-pls",
            todo="choose one of these, or omit --reference",
        )
    model_run = ModelRun(OtherAnimals(region=benchmark.region))  # type: ignore[arg-type]
    context = RunContext(benchmark=benchmark, run=run, model_run=model_run)
    blocks = _blocks(context)
    pairs = _pairs(context, blocks)
    evaluation = _evaluated(context, measure, pairs)
    animals = sorted({block.animal for block in blocks})
    return {
        "animals": animals,
        "images": sorted({len(pair.values) for pair in pairs}),
        "map": str(measure.site_map(context.rules)),
        **_figures(evaluation, context),
        **_corrected(evaluation.fits, pairs),
        "by_animal": _by_animal(evaluation, pairs),
        "pairs": _each_pair(context, measure, blocks) if len(animals) > 2 else {},
    }


def _evaluated(
    context: RunContext, measure: Predictivity, pairs: Sequence[Pair]
) -> PredictivityEvaluation:
    needed = measure.images_needed(context)
    for pair in pairs:
        recorded = pair.target.recordings
        needed.check(
            pair.target.label,
            recorded.stimuli,
            strata=recorded.strata,
            groups=recorded.split_groups,
        )
    targets = [pair.target for pair in pairs]
    candidates = [[pair.candidate(pair.values)] for pair in pairs]
    evaluation = measure.evaluate(context, targets, candidates)
    assert isinstance(evaluation, PredictivityEvaluation)  # noqa: S101  # of every map
    return evaluation


# --- who saw the same pictures ---------------------------------------------------------------------


def _blocks(context: RunContext) -> list[Block]:
    """Return the sites of each animal in each session; InputError for fewer than two animals."""
    blocks = []
    for session in context.sessions:
        recorded = windowed_recordings(context, session)
        if ANIMAL not in recorded.neuroids.coords:
            raise InputError(
                f"recordings of {context.label(session)} that name no animal",
                allowed=f"a coordinate {ANIMAL!r} along the sites",
                todo="add it to the data, or omit --reference",
            )
        names = recorded.neuroids.coords[ANIMAL].values.astype(str)
        for animal in np.unique(names).tolist():
            part = _part(recorded, np.arange(len(recorded.stimuli)), names == animal, animal)
            blocks.append(Block(animal=animal, recordings=part))
    animals = {block.animal for block in blocks}
    if len(animals) < 2:
        raise InputError(
            f"recordings of {context.population} of one animal, {', '.join(animals)}",
            allowed="two animals or more",
            todo="choose data of several animals, or omit --reference",
        )
    return blocks


def _part(recorded: Recordings, rows: IntArray, sites: Any, name: str) -> Recordings:
    """Return some images and sites of recordings, under a name of their own."""
    order = recorded.order
    if order is not None:  # the same order, of the images that are left
        ranks = np.argsort(order)[rows]
        order = np.argsort(ranks, kind="stable")
    return replace(
        recorded,
        stimuli=recorded.stimuli.take(rows.tolist()),
        values=recorded.values[np.ix_(rows, np.flatnonzero(sites))],
        trials=None if recorded.trials is None else recorded.trials[:, rows][:, :, sites],
        strata=None if recorded.strata is None else recorded.strata[rows],
        neuroids=recorded.neuroids[np.flatnonzero(sites)],
        groups=None if recorded.groups is None else recorded.groups[rows],
        split_groups=None if recorded.split_groups is None else recorded.split_groups[rows],
        order=order,
        session="/".join(filter(None, [recorded.session, name])),
    )


def _pairs(context: RunContext, blocks: Sequence[Block]) -> list[Pair]:
    """Return each block with those of other animals that share pictures; InputError where none does."""
    pairs = [pair for pair in (_pair(context, block, blocks) for block in blocks) if pair]
    if not pairs:
        animals = ", ".join(sorted({block.animal for block in blocks}))
        raise InputError(
            f"the animals {animals} of {context.population} share no picture",
            allowed="animals that were shown some of the same pictures",
            todo="omit --reference: nothing of one animal can predict another here",
        )
    return pairs


def _pair(context: RunContext, block: Block, blocks: Sequence[Block]) -> Pair | None:
    """Return a block with all others that share pictures with it, on those that all of them saw."""
    own = _digests(block)
    others = [
        other
        for other in blocks
        if other.animal != block.animal and own.items() & _digests(other).items()
    ]
    shared = set(own.items())
    for other in others:
        shared &= set(_digests(other).items())
    ids = {stimulus_id for stimulus_id, _ in shared}
    if not others or not ids:
        return None
    target = _shared(block, ids)
    parts = [_shared(other, ids) for other in others]
    trials = [part.repeated_trials for part in parts]
    least = min((len(one) for one in trials if one is not None), default=0)
    sites = np.ptp(target.values, axis=0) > 0
    label = f"{context.benchmark.identifier}, {target.session}"
    check_varies(sites, label)
    return Pair(
        target=SessionTarget(
            label=label, recordings=target, sites=sites, responses=target.values[:, sites]
        ),
        animal=block.animal,
        others=tuple(sorted({other.animal for other in others})),
        values=np.concatenate([part.values for part in parts], axis=1),
        # Trials of two animals do not belong together: of each the first ones serve.
        trials=np.concatenate([one[:least] for one in trials if one is not None], axis=2)
        if all(one is not None for one in trials)
        else None,
    )


def _digests(block: Block) -> dict[str, str]:
    """Return the digest of each picture by its id: the same id must be the same picture."""
    stimuli = block.recordings.stimuli
    return dict(zip(stimuli.ids, stimuli.digests, strict=True))


def _shared(block: Block, ids: set[str]) -> Recordings:
    recorded = block.recordings
    rows = np.flatnonzero([stimulus_id in ids for stimulus_id in recorded.stimuli.ids])
    return replace(
        _part(recorded, rows, np.full(recorded.values.shape[1], True), ""),
        session=recorded.session,
    )


# --- figures ---------------------------------------------------------------------------------------


def _figures(evaluation: PredictivityEvaluation, context: RunContext) -> dict[str, Any]:
    """Return raw and r/sqrt(c) with their intervals, and the ceiling c of the predicted sites."""
    figures: dict[str, Any] = {}
    for formula in FORMULAS:
        one = replace(evaluation, formula=formula)
        figure = one.figure()
        value = float(figure.value(formula)[0])
        drawn = score_interval(one, context.settings, value) if np.isfinite(value) else None
        judged = judge_ceiling(one, figure, context.settings, drawn) if drawn else None
        is_sound = np.isfinite(value) and not (judged is not None and judged.why_not)
        figures[formula] = {
            "value": value if is_sound else None,
            "ci": [drawn.lo, drawn.hi] if drawn is not None and is_sound else None,
        }
        figures["ceiling"] = finite(figure.mean_ceiling())
    return figures


def _by_animal(
    evaluation: PredictivityEvaluation, pairs: Sequence[Pair]
) -> dict[str, dict[str, Any]]:
    """Return sources, sites, raw figure and c of each animal."""
    animals = np.concatenate([[pair.animal] * int(pair.target.sites.sum()) for pair in pairs])
    rows = {}
    for animal in np.unique(animals).tolist():
        figure = evaluation.figure_of_units((animals == animal)[evaluation.counted])
        mine = [pair for pair in pairs if pair.animal == animal]
        rows[animal] = {
            "from": sorted({other for pair in mine for other in pair.others}),
            "images": sorted({len(pair.values) for pair in mine}),
            "n_units": int((animals == animal).sum()),
            "raw": finite(figure.mean_raw()),
            "ceiling": finite(figure.mean_ceiling()),
        }
    return rows


def _each_pair(
    context: RunContext, measure: Predictivity, blocks: Sequence[Block]
) -> dict[str, float | None]:
    """Return the raw figure from each animal to each other that shares pictures with it."""
    names = sorted({block.animal for block in blocks})
    figures = {}
    for source in names:
        for animal in names:
            two = [block for block in blocks if block.animal in (source, animal)]
            pairs = [
                pair
                for pair in (_pair(context, block, two) for block in two if block.animal == animal)
                if pair is not None
            ]
            if source != animal and pairs:
                figure = _evaluated(context, measure, pairs).figure()
                figures[f"{source} to {animal}"] = finite(figure.mean_raw())
    return figures


# --- correction for the noise of both animals --------------------------------------------------------


def _corrected(fits: Sequence[SessionFit], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return both corrections, median over the sites whose two reliabilities are above 0."""
    if not all(_has_halves(pair) for pair in pairs):
        return {"corrected": None, "corrected_halves": None, "n_uncorrected": None}
    across, of_maps, of_sites = (
        np.concatenate(parts)
        for parts in zip(
            *(_by_halves(fit, pair) for fit, pair in zip(fits, pairs, strict=True)), strict=True
        )
    )
    sound = (of_maps > 0) & (of_sites > 0) & np.isfinite(across)
    if not sound.any():
        return {"corrected": None, "corrected_halves": None, "n_uncorrected": len(sound)}
    across, of_maps, of_sites = across[sound], of_maps[sound], of_sites[sound]
    whole = spearman_brown(of_maps) * spearman_brown(of_sites)
    return {
        "corrected": float(np.median(across / np.sqrt(whole))),
        "corrected_halves": float(np.median(across / np.sqrt(of_maps * of_sites))),
        "n_uncorrected": int((~sound).sum()),
    }


def _has_halves(pair: Pair) -> bool:
    """Return whether every half of the trials of both sides has a response to each picture."""
    given = (pair.trials, pair.target.trials)
    return all(
        one is not None
        and len(one) > 1
        and all(np.isfinite(half).all() for half in half_means(one, n_splits=N_HALVINGS))
        for one in given
    )


def _by_halves(fit: SessionFit, pair: Pair) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return held-out correlations of half the trials, for each site: mean over halvings and splits.

    They are of a map with the other half of the sites, of the maps of both halves, and of the sites' halves.
    """
    trials_of_others = np.asarray(pair.trials, dtype=np.float64)
    trials = np.asarray(pair.target.trials, dtype=np.float64)
    sources = half_means(trials_of_others, n_splits=N_HALVINGS)
    targets = half_means(trials, n_splits=N_HALVINGS)
    collected: list[list[FloatArray]] = [[], [], []]
    for halving in range(N_HALVINGS):
        Y = [half[halving] for half in targets]
        maps = [
            _predicted(fit, pair, half[halving], responses)
            for half, responses in zip(sources, Y, strict=True)
        ]
        for k, fold in enumerate(fit.folds):
            one, other = (held_out[k] for held_out in maps)
            first, second = (responses[fold.test] for responses in Y)
            across = [_r(one, second), _r(other, first)]
            for rows, r in zip(
                collected, [np.mean(across, axis=0), _r(one, other), _r(first, second)], strict=True
            ):
                rows.append(r)
    across_mean, maps_mean, sites_mean = (nan_mean(np.stack(rows), axis=0) for rows in collected)
    return across_mean, maps_mean, sites_mean


def _predicted(
    fit: SessionFit, pair: Pair, values: FloatArray, responses: FloatArray
) -> list[FloatArray]:
    """Return held-out predictions from half of the trials of the others, fitted to half of the sites'."""
    site_map: Any = fit.site_map
    features = site_map.within(site_map.features_of(pair.candidate(values)), fit.folds)
    return list(site_map.predict(features, responses, fit.folds))


def _r(x: FloatArray, y: FloatArray) -> FloatArray:
    return pearson_of_predictions(x, y, constant_counts=False)
