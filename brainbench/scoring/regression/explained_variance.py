"""Explainable variance: how much of what a neuron does reproducibly a linear map of a model predicts.

CC_norm^2 as in Zhang et al. 2020 (appendix C.4) and Schoppe et al. 2016; docs/measures.md says what is
computed and why the maps are fitted as they are.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError, unknown
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import ProtocolName, Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.explained_variance.ccnorm import FEW_TRIALS, NO_POWER, NO_VARIANCE
from brainbench.metrics.explained_variance.signal_power import mean_response, signal_power
from brainbench.scoring.layer_candidates import CHUNK_BYTES, Candidate, candidates
from brainbench.scoring.layer_selection import Choice, Inner, choose
from brainbench.scoring.recordings import Target, sessions, shown, target
from brainbench.scoring.records import record_of
from brainbench.scoring.regression.held_out import Fitted, Session, predictions
from brainbench.scoring.regression.linear_maps import MAPS, LinearMap, MapName
from brainbench.scoring.regression.normalized_correlation import (
    N_DRAWS,
    VARIANTS,
    Figures,
    Part,
    Variant,
    null_values,
    per_unit,
    summary,
    value_interval,
)
from brainbench.stats import permutation
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.splits import paper

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ExplainableVariance:
    """CC_norm^2 of the sites of a region, averaged over sites.

    Parameters
    ----------
    variant : {"paper", "schoppe"}
        Correlate on each fold's test images and normalize by all images (the mean over folds counts), or
        do both on the held-out predictions of all images together.
    metric : str
        The map, which also chooses among layers and steps: one of `procedures.maps.MAPS`, by default ridge
        regression whose penalty is chosen for each site inside the training images. Or "units", no map:
        unit k of the model predicts site k, as in a network that was trained to predict these sites.
    n_components : int
        Latent dimensions of "pls".
    n_splits : int
        Disjoint folds of test images. Five leave 80 % for training.
    n_inner : int
        Folds inside the training images, by which a layer and step is chosen: of five, each holds 16 % of
        all images, so that 64 % train, 16 % validate and 20 % test, as in Zhang et al.
    """

    variant: Variant = "paper"
    metric: MapName | Literal["units"] = "ridge-cv"
    n_components: int = 25
    n_splits: int = 5
    n_inner: int = 5

    def __post_init__(self) -> None:
        for name, known in (("variant", VARIANTS), ("metric", (*MAPS, "units"))):
            if getattr(self, name) not in known:
                raise unknown(
                    f"{name} of explainable variance:",
                    getattr(self, name),
                    known,
                    todo="choose one of these",
                )

    @property
    def map(self) -> LinearMap | None:
        """The linear map, if there is one."""
        if self.metric == "units":
            return None
        return LinearMap(metric=self.metric, n_components=self.n_components)

    protocols: ClassVar[tuple[ProtocolName, ...]] = ("paper",)
    """Those that it computes."""

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for: only of sessions with repeated trials."""
        repeated, left_out = _repeated(benchmark)
        parts = [shown(one, settings) for one in repeated.values()]
        whole = open_dataset(benchmark.data).stimuli()
        wanted = {stimulus for part in parts for stimulus in part.ids}
        chosen = [k for k, one in enumerate(whole.ids) if one in wanted]
        return Needs(
            stimuli=whole.take(chosen) if len(parts) > 1 else parts[0],
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
            sessions=tuple(parts) if len(parts) > 1 or left_out else (),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """Work of one session: inner products, maps of each fold, signal power of each draw."""
        n, units, offered = sizes.stimuli, sizes.units, sizes.candidates
        maps = 0.0
        if self.map is not None:
            shuffled = settings.null_draws if settings.null else 0
            maps += self.map.operations(n, units * (1 + shuffled), max(offered))
            inner = self.n_inner * len(offered) if len(offered) > 1 else 0
            maps += inner * self.map.operations(0.8 * n, units, max(offered))
        return Work(
            flops=n**2 * sum(offered)
            + 6.0 * self.n_splits * maps
            + 2.0 * N_DRAWS * n * units * (sizes.repetitions + 10),
            read_bytes=sizes.activation_bytes,
            memory_bytes=8.0 * n**2 * (6 + len(offered)) + 3 * CHUNK_BYTES,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model on the sites that have a signal; maps are fitted in each recording session.

        Raises
        ------
        InputError
            No repeated trials in any session; no site with a signal, or none that reaches the floor; too few
            images; a layer that does not vary.
        """
        repeated, left_out = _repeated(benchmark)
        parts = [_part(self, name, one, model, settings) for name, one in repeated.items()]
        return _score(self, benchmark, model, settings, parts, left_out)


def _repeated(benchmark: Benchmark) -> tuple[dict[str, Benchmark], dict[str, int]]:
    """Sessions with at least two trials of a stimulus, and the number of sites in each of the others."""
    repeated, left_out = {}, {}
    for name, one in sessions(benchmark).items():
        recorded = open_dataset(one.data).recordings(benchmark.region)
        if recorded.sizes.get("repetition", 1) > 1:
            repeated[name] = one
        else:
            left_out[name] = recorded.sizes["neuroid"]
    if not repeated:
        raise InputError(
            f"{benchmark.identifier}: no session with repeated trials, only their mean is there",
            allowed="two or more trials of each image",
            todo="use data with single trials, or a benchmark of predictivity",
        )
    return repeated, left_out


# --- one session ---------------------------------------------------------------------------------


def _part(
    how: ExplainableVariance, name: str, benchmark: Benchmark, model: BrainModel, settings: Settings
) -> Part:
    """Held-out predictions of the sites of one session that have a signal."""
    label = f"{benchmark.identifier}, session {name}" if name else benchmark.identifier
    brain = target(benchmark, settings)
    trials = np.asarray(brain.trials)
    reasons = _reasons(trials, settings.floor)
    counted = reasons == ""
    if not counted.any():
        raise _nothing_counted(trials, reasons, settings.floor, label)
    used = trials[:, :, counted]
    offered = candidates(benchmark, model, settings, brain.stimuli)
    _check_enough(how, len(brain.stimuli), label, choosing=len(offered) > 1)
    Y, sites = mean_response(used), np.flatnonzero(counted)
    if how.map is None:
        _check_units(offered, len(reasons), label)
        fitted = _as_it_is(how, offered[0], brain, Y, sites, settings.seed)
    else:
        fitted = _mapped(how, how.map, offered, brain, Y, settings.seed)
    session = Session(name=name, brain=brain, varying=counted, fitted=fitted)
    return Part(session=session, trials=used, power=signal_power(used), reasons=reasons)


def _mapped(
    how: ExplainableVariance,
    by: LinearMap,
    offered: Sequence[Candidate],
    brain: Target,
    Y: FloatArray,
    seed: int,
) -> Fitted:
    """Choose a layer and step within the training images of each fold, and fit the map there."""
    ids, strata = brain.stimuli.ids, brain.strata
    folds = paper(ids, strata, n_splits=how.n_splits, seed=seed)
    features = [by.features_of(one) for one in offered]
    inner = Inner(metric=by.metric, n_components=how.n_components, n_folds=how.n_inner, seed=seed)
    choice = choose(features, Y, folds, ids=ids, strata=strata, how=inner)
    best = choice.best.tolist()

    def again(responses: FloatArray) -> list[FloatArray]:
        return choice.predict(folds, lambda k, some: by.predict(features[k], responses, some))

    return Fitted(
        folds=folds,
        predicted=again(Y),
        observed=[Y[fold.test] for fold in folds],
        chosen=[offered[k] for k in best],
        curve=choice.curve(offered),
        n_features=offered[best[0]].activations.sizes["neuroid"],
        again=again,
        joint=False,
    )


def _as_it_is(
    how: ExplainableVariance,
    only: Candidate,
    brain: Target,
    Y: FloatArray,
    sites: npt.NDArray[np.intp],
    seed: int,
) -> Fitted:
    """Unit k of the model is the prediction of site k: nothing is fitted."""
    folds = paper(brain.stimuli.ids, brain.strata, n_splits=how.n_splits, seed=seed)
    values = np.concatenate(list(only.chunks()), axis=1)[:, sites]

    def again(responses: FloatArray) -> list[FloatArray]:
        times = responses.shape[1] // len(sites)
        return [np.tile(values[fold.test], times) for fold in folds]

    return Fitted(
        folds=folds,
        predicted=again(Y),
        observed=[Y[fold.test] for fold in folds],
        chosen=[only] * len(folds),
        curve=Choice.of_one(len(folds)).curve([only]),
        n_features=only.activations.sizes["neuroid"],
        again=again,
        joint=False,
    )


def _reasons(trials: FloatArray, floor: float | None) -> npt.NDArray[np.str_]:
    """Why each site does not count; empty for those that do."""
    power = signal_power(trials)
    least = floor or 0.0
    return np.select(
        [power.n_trials < 2, ~(power.power > 0), power.cc_max**2 < least],
        [FEW_TRIALS, NO_POWER, f"reliability CC_max^2 below {least:g}"],
        "",
    )


def _nothing_counted(
    trials: FloatArray, reasons: npt.NDArray[np.str_], floor: float | None, label: str
) -> InputError:
    """No site has a signal, or those that have one are below the floor."""
    without = _reasons(trials, None)
    if (without == "").any():
        highest = signal_power(trials).cc_max[without == ""].max() ** 2
        return InputError(
            f"a floor of {floor}: none of {len(reasons)} sites of {label} is that reliable; the highest "
            f"CC_max^2 is {highest:.3f}",
            allowed="a floor that some site reaches",
            todo="give a lower --floor, or leave it away",
        )
    why = ", ".join(f"{count} with {reason}" for reason, count in Counter(reasons).items())
    return InputError(
        f"none of {len(reasons)} sites of {label} has a signal: {why}",
        allowed="sites whose trials have variance over images in common",
        todo="check the time window and the trials",
    )


def _check_enough(how: ExplainableVariance, n: int, label: str, *, choosing: bool) -> None:
    def left(images: int) -> int:
        training = images - -(-images // how.n_splits)
        return training - -(-training // how.n_inner) if choosing else training

    least = 2 if how.map is None else how.map.least
    if n < 3 * how.n_splits or left(n) < least:
        enough = (m for m in itertools.count(3 * how.n_splits) if left(m) >= least)
        raise InputError(
            f"{label}: {n} images in {how.n_splits} folds leave {left(n)} to fit the map to"
            + (" within the inner folds, which choose the layer or step" if choosing else ""),
            allowed=f"at least {next(enough)} images",
            todo="use more images (a larger --limit)",
        )


def _check_units(offered: Sequence[Candidate], n_sites: int, label: str) -> None:
    found = [one.activations.sizes["neuroid"] for one in offered]
    if found != [n_sites]:
        raise InputError(
            f"{label}: layers and steps of {found} units for {n_sites} sites, without a map",
            allowed=f"one layer of {n_sites} units, at one time: unit k predicts site k",
            todo="choose the layer that predicts the sites, or metric='ridge-cv'",
        )


# --- all sessions --------------------------------------------------------------------------------


def _score(
    how: ExplainableVariance,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    parts: Sequence[Part],
    left_out: Mapping[str, int],
) -> Score:
    formula = settings.formula or "r2/c"
    figures = Figures.of(parts, how.variant)
    per_site = figures.per_site(formula)
    there = ~np.isnan(per_site)
    if not there.any():
        raise InputError(
            f"{benchmark.identifier}: no site responds differently to the images of any fold",
            allowed="responses that vary over the test images",
            todo="use more images (a larger --limit)",
        )
    value = float(per_site[there].mean())
    sites = per_unit(parts, how.variant, formula)
    found = value_interval(
        parts,
        how.variant,
        formula=formula,
        settings=settings,
        value=value,
        population=f"{open_dataset(benchmark.data).name} {benchmark.region}",
    )
    null = None
    if settings.null is not None:
        drawn = null_values(parts, how.variant, formula=formula, settings=settings)
        null = permutation.summary(value, drawn, kind=settings.null)
    excluded = _excluded(parts, left_out, silent=int((~there).sum()))
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=value,
        raw=float(np.nanmean(figures.per_site("raw"))),
        ceiling=float(np.mean(figures.cc_max**2)),
        ci=(found.lo, found.hi),
        ci_method=f"{found.method}, maps not refitted, CC_max computed in each draw; approximate",
        draws=found.draws,
        formula=f"{formula}-v{FORMULAS[formula].version}",
        figures=summary(parts, how.variant),
        null=null,
        per_unit=sites,
        predictions=predictions([part.session for part in parts]),
        n_units=int(there.sum()),
        n_excluded=sum(excluded.values()),
        n_stimuli=sum(len(part.session.brain.stimuli) for part in parts),
        excluded=excluded,
        partial=any(part.session.brain.partial for part in parts),
        simulated=open_dataset(benchmark.data).simulated,
        record=_record(how, benchmark, model, settings, parts, left_out),
    )


def _excluded(parts: Sequence[Part], left_out: Mapping[str, int], *, silent: int) -> dict[str, int]:
    reasons = Counter(str(one) for part in parts for one in part.reasons if one)
    reasons[NO_VARIANCE] += silent
    reasons["session without repeated trials"] += sum(left_out.values())
    return {reason: count for reason, count in reasons.items() if count}


def _record(
    how: ExplainableVariance,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    parts: Sequence[Part],
    left_out: Mapping[str, int],
) -> Record:
    fits = [part.session.fitted for part in parts]
    chosen = Counter((one.layer, one.step) for fit in fits for one in fit.chosen)
    (layer, step), _ = chosen.most_common(1)[0]
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[part.session.brain.stimuli for part in parts],
        target=[mean_response(part.trials) for part in parts],
        seeds={"splits": settings.seed, "bootstrap": settings.seed, "null": settings.seed},
        layer=layer,
        step=step,
        curve=[
            {"session": part.session.name, **row} if part.session.name else row
            for part in parts
            for row in part.session.fitted.curve
        ],
        choices={
            "variant": how.variant,
            **(how.map.describe() if how.map else {"map": "none: unit k predicts site k"}),
            "features": max(fit.n_features for fit in fits),
            "splits": how.n_splits,
            "stratified": all(part.session.brain.strata is not None for part in parts),
            "window_ms": list(benchmark.window),
            "sessions": [part.session.name for part in parts if part.session.name],
            "sessions_left_out": dict(left_out),
        },
    )
