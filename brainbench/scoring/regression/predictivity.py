"""Neural predictivity: how well a linear map of a model predicts the sites of a region.

Two protocols, `paper` (Kubilius et al. 2019, section 3.1) and `brainscore` (Brain-Score 2.4.2); what
each does is tabulated in docs/scores.md.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import ProtocolName, Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.layer_candidates import CHUNK_BYTES, Candidate, candidates
from brainbench.scoring.layer_selection import Choice, Inner, choose
from brainbench.scoring.recordings import Target, sessions, shown, target
from brainbench.scoring.records import record_of
from brainbench.scoring.regression.held_out import (
    Fitted,
    Session,
    correlations,
    notes,
    per_unit,
    predictions,
    with_reliability,
)
from brainbench.scoring.regression.judged import judge
from brainbench.scoring.regression.linear_maps import LinearMap, MapName
from brainbench.stats.aggregate import aggregate
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.splits import SPLITS

FloatArray = npt.NDArray[np.float64]

COVERED = frozenset(
    {
        ("paper", "pls", "raw"),
        ("paper", "pls", "r/sqrt(c)"),
        ("paper", "ridge-cv", "raw"),
        ("brainscore", "pls", "r2/c"),
    }
)
"""Protocols, maps and formulas with measured coverage of the interval: those of perf/worlds."""


@dataclass(frozen=True, kw_only=True)
class Predictivity:
    """Predictivity of the sites of a region by a linear map.

    Parameters
    ----------
    n_components : int
        Latent dimensions of the PLS map.
    n_pca : int or None
        Principal components of the features kept under `paper`; at most stimuli - 1 and features. None
        keeps all. They are fitted on all stimuli, held-out ones too: where nearly as many components as
        stimuli are kept, held-out stimuli become combinations of the others and r falls.
    n_splits : int
        Folds under `paper`, random splits under `brainscore`.
    n_inner : int
        Folds inside the training images, by which `paper` chooses among layers and steps.
    solver : {"exact", "nipals"}
        Exact singular vectors, or scikit-learn's iteration.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r2/c.
    metric : str
        The map, which also chooses among layers and steps: "pls", "ridge", "ridge-cv", "linear" or
        "neuron-to-neuron" (see `procedures.maps`).

    Raises
    ------
    UnknownNameError
        No such map.
    """

    n_components: int = 25
    n_pca: int | None = 1000
    n_splits: int = 10
    n_inner: int = 5
    solver: Literal["exact", "nipals"] = "exact"
    formula: str | None = None
    metric: MapName = "pls"

    def __post_init__(self) -> None:
        self.map("paper")

    def map(self, protocol: ProtocolName) -> LinearMap:
        """The linear map as a protocol fits it."""
        return LinearMap(
            metric=self.metric,
            n_components=self.n_components,
            solver=self.solver,
            protocol=protocol,
        )

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        parts = [shown(one, settings) for one in sessions(benchmark).values()]
        several = len(parts) > 1
        return Needs(
            stimuli=_all_of(benchmark, parts) if several else parts[0],
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
            sessions=tuple(parts) if several else (),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """Work of one session: Gram matrices, principal components, one map per split and site, draws."""
        n, units = sizes.stimuli, sizes.units
        paper = settings.protocol == "paper"
        candidates = sizes.candidates if paper else sizes.candidates[:1]
        reduced = paper and self.n_pca is not None and min(n - 1, *candidates) > self.n_pca
        one = self.map(settings.protocol)
        maps = self.n_splits * one.operations(n, units, max(candidates))
        inner = self.n_splits * self.n_inner * len(candidates)
        choosing = inner * one.operations(0.8 * n, units, max(candidates))
        choosing = choosing if len(candidates) > 1 else 0
        draws = 1000 * n * 10 * units
        return Work(
            flops=n**2 * sum(candidates)
            + len(candidates) * 25 * n**3 * reduced
            + 6.0 * (maps + choosing)
            + draws,
            read_bytes=sizes.activation_bytes,
            memory_bytes=8.0 * n**2 * (6 + len(candidates)) + 3 * CHUNK_BYTES,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model on the benchmark's region; maps are fitted in each recording session.

        Raises
        ------
        InputError
            Fewer images than the map has components or the splits have folds; recordings or activations
            that do not match the stimuli; a layer that does not vary.
        """
        parts = [
            _session(self, name, one, model, settings) for name, one in sessions(benchmark).items()
        ]
        return _score(self, benchmark, model, settings, parts)


def _all_of(benchmark: Benchmark, parts: Sequence[StimulusSet]) -> StimulusSet:
    """Stimuli of all sessions, in the set that the data itself gives."""
    whole = open_dataset(benchmark.data).stimuli()
    wanted = {stimulus for part in parts for stimulus in part.ids}
    return whole.take([row for row, stimulus in enumerate(whole.ids) if stimulus in wanted])


def _session(
    how: Predictivity, name: str, benchmark: Benchmark, model: BrainModel, settings: Settings
) -> Session:
    """Fit and predict in one session."""
    brain = target(benchmark, settings)
    label = f"{benchmark.identifier}, session {name}" if name else benchmark.identifier
    _check_enough(brain, how, label)
    offered = candidates(benchmark, model, settings, brain.stimuli)
    _check_enough(brain, how, label, choosing=len(offered) > 1)
    varying = np.ptp(brain.values, axis=0) > 0
    if not varying.any():
        raise InputError(
            f"all {len(varying)} sites of {label} respond the same to every image",
            allowed="sites whose response varies with the image",
            todo="check the time window and the recordings",
        )
    fit = _fit_paper if settings.protocol == "paper" else _fit_brainscore
    fitted = fit(how, offered, brain, brain.values[:, varying], settings.seed)
    return Session(name=name, brain=brain, varying=varying, fitted=fitted)


def _fit_paper(
    how: Predictivity, offered: Sequence[Candidate], brain: Target, Y: FloatArray, seed: int
) -> Fitted:
    by = how.map("paper")
    features = [by.features_of(one, n_pca=how.n_pca) for one in offered]
    folds = SPLITS["paper"](brain.stimuli.ids, brain.strata, n_splits=how.n_splits, seed=seed)
    choice = choose(
        features,
        Y,
        folds,
        ids=brain.stimuli.ids,
        strata=brain.strata,
        how=Inner(
            n_components=how.n_components,
            n_folds=how.n_inner,
            seed=seed,
            solver=how.solver,
            metric=how.metric,
        ),
    )
    best = choice.best

    def again(responses: FloatArray) -> list[FloatArray]:
        return choice.predict(folds, lambda k, some: by.predict(features[k], responses, some))

    return Fitted(
        folds=folds,
        predicted=again(Y),
        observed=[Y[fold.test] for fold in folds],
        chosen=[offered[int(k)] for k in best],
        curve=choice.curve(offered),
        n_features=_kept(how, len(Y), offered[best[0]].activations.sizes["neuroid"]),
        again=again,
        joint=by.joint,
    )


def _fit_brainscore(
    how: Predictivity, offered: Sequence[Candidate], brain: Target, Y: FloatArray, seed: int
) -> Fitted:
    only = offered[0]
    by = how.map("brainscore")
    folds = SPLITS["brainscore"](brain.stimuli.ids, brain.strata, n_splits=how.n_splits)
    again = partial(by.predict, by.features_of(only), folds=folds)
    return Fitted(
        folds=folds,
        predicted=again(Y),
        observed=[Y[fold.test] for fold in folds],
        chosen=[only] * len(folds),
        curve=Choice.of_one(len(folds)).curve([only]),
        n_features=only.activations.sizes["neuroid"],
        again=again,
        joint=by.joint,
    )


def _kept(how: Predictivity, n_stimuli: int, n_features: int) -> int:
    if not how.map("paper").reduces:
        return n_features
    return min(how.n_pca or n_features, n_stimuli - 1, n_features)


def _score(
    how: Predictivity,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    parts: Sequence[Session],
) -> Score:
    own = how.formula or ("raw" if settings.protocol == "paper" else "r2/c")
    formula = settings.formula or own
    population = f"{open_dataset(benchmark.data).name} {benchmark.region}"
    by_unit = per_unit(parts, nan_mean(correlations(parts), axis=0))
    judged = judge(parts, settings, formula=formula, population=population)
    raw, ci = judged.raw, judged.interval
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=judged.value,
        reason=judged.reason,
        raw=raw.value,
        ceiling=judged.ceiling,
        error=raw.error,
        ci=None if ci is None else (ci.lo, ci.hi),
        ci_method=None
        if ci is None
        else ci.said(
            coverage_measured=len(parts) == 1
            and settings.floor is None
            and (settings.protocol, how.metric, formula) in COVERED,
            n_images=sum(len(one.brain.stimuli) for one in parts),
        ),
        formula=f"{formula}-v{FORMULAS[formula].version}",
        per_unit=by_unit,
        predictions=predictions(parts),
        draws=None if ci is None else ci.draws,
        null=judged.null,
        n_units=int(judged.counted.sum()) - raw.n_excluded,
        n_excluded=sum(judged.excluded.values()),
        n_stimuli=sum(len(one.brain.stimuli) for one in parts),
        excluded=judged.excluded,
        partial=any(one.brain.partial for one in parts),
        simulated=open_dataset(benchmark.data).simulated,
        record=_record(how, benchmark, model, settings, parts),
    )


def _record(
    how: Predictivity,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    parts: Sequence[Session],
) -> Record:
    chosen = Counter((one.layer, one.step) for part in parts for one in part.fitted.chosen)
    (layer, step), _ = chosen.most_common(1)[0]
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[part.brain.stimuli for part in parts],
        target=[part.brain.values for part in parts],
        seeds={
            "splits": settings.seed if settings.protocol == "paper" else 1,
            "ceiling": 1,
            "bootstrap": settings.seed,
        },
        layer=layer,
        step=step,
        curve=[_of_session(part, row) for part in parts for row in part.fitted.curve],
        choices=_choices(how, benchmark, settings, parts),
        notes=notes(parts),
    )


def _choices(
    how: Predictivity, benchmark: Benchmark, settings: Settings, parts: Sequence[Session]
) -> dict[str, Any]:
    paper = settings.protocol == "paper"
    known = with_reliability(parts)
    choices: dict[str, Any] = {
        **how.map(settings.protocol).describe(),
        "features": max(part.fitted.n_features for part in parts),
        "pca": "fitted once on the benchmark's own images, without responses"
        if paper and how.n_pca is not None and how.map("paper").reduces
        else "none",
        "splits": how.n_splits,
        "stratified": all(part.brain.strata is not None for part in parts),
        "window_ms": list(benchmark.window),
        "sites_with_ceiling": int(known.sum()),
    }
    if len(parts) > 1:
        choices["sessions"] = [_summary(part, settings) for part in parts]
    return choices


def _summary(part: Session, settings: Settings) -> dict[str, Any]:
    """One session on its own: each figure as in a score on it alone."""
    reliability = part.reliability
    return {
        "session": part.name,
        "sites": int(part.varying.sum()),
        "images": len(part.brain.stimuli),
        "raw": aggregate(part.r, protocol=settings.protocol).value,
        "ceiling": None if reliability is None else reliability.value,
        "features": part.fitted.n_features,
    }


def _of_session(part: Session, row: dict[str, Any]) -> dict[str, Any]:
    return {"session": part.name, **row} if part.name else row


def _check_enough(
    brain: Target, how: Predictivity, identifier: str, *, choosing: bool = False
) -> None:
    n = len(brain.stimuli)
    left, by = _training(n, how, choosing=choosing), how.map("paper")
    if left < by.least:
        least = next(
            m for m in itertools.count(n) if _training(m, how, choosing=choosing) >= by.least
        )
        inside = " after its inner folds, which choose the layer or step" if choosing else ""
        raise InputError(
            f"{identifier}: {n} images leave {left} for training{inside}, {by.needs} "
            f"needs at least {by.least}",
            allowed=f"at least {least} images",
            todo="use more images (a larger --limit)",
        )


def _training(n: int, how: Predictivity, *, choosing: bool) -> int:
    """Training images of the split, and of its inner fold, that leave out most."""
    left = n - -(-n // how.n_splits)
    return left - -(-left // how.n_inner) if choosing else left
