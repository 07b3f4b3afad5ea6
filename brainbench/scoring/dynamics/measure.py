"""Neural dynamics: how well one linear map of a model's states predicts sites at every moment.

Protocol `paper` is Nayebi et al. 2018, supplement 6.6; `brainscore` the span-time PLS of Brain-Score 2.4.2.
docs/measures.md says what each does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from brainbench.core import progress
from brainbench.core.dataset import HasSessions
from brainbench.core.errors import InputError
from brainbench.core.settings import ProtocolName
from brainbench.core.timeline import Span, Timeline
from brainbench.metrics.array_types import AnyArray, BoolArray
from brainbench.scoring.context import RunContext
from brainbench.scoring.dynamics.evaluation import DynamicsEvaluation
from brainbench.scoring.dynamics.maps import (
    DescentFitter,
    MapFitter,
    PlsFitter,
    RidgeFitter,
    UnitFitter,
    fit_fold,
    layers_in_fold,
    vote,
)
from brainbench.scoring.dynamics.target import BinnedRecordings, binned_recordings
from brainbench.scoring.layer_states import WIDE, LayerStates, layer_states
from brainbench.scoring.measure import Evaluation, Measure, ProtocolRules
from brainbench.scoring.recordings import check_varies, material_of, strata_of
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.stats.splits import Split, brainscore, fold_sizes, inner, paper, tenth_sizes

QUARTERS = 4
SOLVERS = ("ridge", "sgd", "neuron-to-neuron")


def _some_quarters(
    ids: Sequence[str],
    strata: AnyArray | None,
    *,
    groups: AnyArray | None,
    n_splits: int,
    seed: int,
) -> list[Split]:
    """Return the first of four disjoint quarters of the images, each held out once."""
    return paper(ids, strata, groups=groups, n_splits=QUARTERS, seed=seed)[:n_splits]


def _ten_splits(
    ids: Sequence[str],
    strata: AnyArray | None,
    *,
    groups: AnyArray | None,
    n_splits: int,
    seed: int,
) -> list[Split]:
    """Return Brain-Score's ten splits, whatever `n_splits`."""
    return brainscore(ids, strata, groups=groups, seed=seed)


@dataclass(frozen=True, kw_only=True)
class DynamicsRules(ProtocolRules):
    """Rules of a protocol for neural dynamics."""

    split: Callable[..., list[Split]]  # (ids, strata, groups=, n_splits=, seed=) -> splits
    splits: str  # what it splits, for the record; may name `{n_splits}`
    joint: bool  # the map is PLS2, fitted to all sites jointly; else that of `Dynamics.solver`
    reduces: bool  # wide layers are reduced to principal components
    every_bin: bool  # all time bins count, whatever `Dynamics.scored`
    square_wave: bool  # a static network may be a square wave, from `Dynamics.static_latency` on
    follows_file: bool = False  # time bins are those that Brain-Score asks of the file


@dataclass(frozen=True, kw_only=True)
class Dynamics(Measure[BinnedRecordings, list[LayerStates]]):
    """Prediction of responses over time by one map for all time bins.

    Parameters
    ----------
    n_splits : int
        Under `paper`: 1, as published, holds out one quarter of the images of each object; 2 to 4 hold out
        as many disjoint quarters in turn, and the mean over them counts. With 4 every image is held out once,
        so the interval speaks of all images; with 1 it speaks of that quarter's, under one fitted map.
    n_inner : int
        Folds inside the training images that choose penalty and layer.
    solver : {"ridge", "sgd", "neuron-to-neuron"}
        Map of `paper`: ridge in closed form; stochastic gradient descent as published; or the unit nearest to
        each site, of layers of at most 1,000 units, where no weights are fitted.
    descent : mapping
        Options of `metrics.temporal.gradient_descent.Descent`.
    n_components : int
        Latent dimensions of the PLS map of `brainscore`.
    pls_solver : {"exact", "nipals"}
        Exact singular vectors, or scikit-learn's iteration, which Brain-Score uses and which needs the
        stacked samples in memory.
    blank : bool
        Divide responses by the average response to a blank, where the data has one.
    static_latency : float or None
        When the response of a static network begins, in ms: shown a pulse, its one state is a square wave as
        long as the picture, and the network says nothing before and after. None: the state holds at all
        times. Only under `paper`, and only for models whose clock says nothing itself
        (`timeline.square_wave`).
    scored : (float, float) or None
        The value is the mean over the time bins that lie between these two times, in ms from stimulus onset.
        None: over the bins whose median reliability c is .3 or more in every third trial; the other trials
        make the c that r is divided by. Not under `brainscore`, where all bins count.
    formula : str or None
        Applied in each time bin; None for the protocol's own: "r/sqrt(c)", and "raw" under `brainscore`.

    Raises
    ------
    InputError
        An option that is not allowed.
    """

    n_splits: int = 1
    n_inner: int = 5
    solver: Literal["ridge", "sgd", "neuron-to-neuron"] = "ridge"
    descent: Mapping[str, Any] = field(default_factory=dict)
    n_components: int = 25
    pls_solver: Literal["exact", "nipals"] = "exact"
    blank: bool = True
    static_latency: float | None = None
    scored: Span | None = None

    rules: ClassVar[Mapping[ProtocolName, DynamicsRules]] = {
        "paper": DynamicsRules(
            formula="r/sqrt(c)",
            split=_some_quarters,
            splits=f"{{n_splits}} of {QUARTERS} disjoint quarters held out",
            joint=False,
            reduces=True,
            every_bin=False,
            square_wave=True,
        ),
        "brainscore": DynamicsRules(
            formula="raw",
            one_layer=True,
            split=_ten_splits,
            groups_on_request=True,
            splits="Brain-Score's ten, 90 % for training",
            split_seed=1,
            joint=True,
            reduces=False,
            every_bin=True,
            square_wave=False,
            follows_file=True,
            reports_error=True,
        ),
    }
    measured_coverage: ClassVar[frozenset[tuple[str, str, int, str, str, str]]] = frozenset(
        ("paper", "ridge", n_splits, "r/sqrt(c)", resample, bins)
        for n_splits, resample in ((1, "images"), (1, "both"), (QUARTERS, "both"))
        for bins in ("chosen", "declared")
    )
    """Protocol, map, quarters held out, formula, what is random, and which bins count, of perf/worlds."""

    def __post_init__(self) -> None:
        known = self.solver in SOLVERS and self.pls_solver in ("exact", "nipals")
        if not (known and 1 <= self.n_splits <= QUARTERS and self.n_inner >= 2):
            raise InputError(
                f"n_splits={self.n_splits}, n_inner={self.n_inner}, solver={self.solver!r}, "
                f"pls_solver={self.pls_solver!r} for neural dynamics",
                allowed=f"n_splits 1 to 4, n_inner 2 or more, solver one of {', '.join(SOLVERS)}, "
                "pls_solver 'exact' or 'nipals'",
                todo="correct the option",
            )

    def target(self, context: RunContext) -> BinnedRecordings:
        """Raise InputError for sessions, bad time bins, none to score, or no site that varies."""
        identifier = context.benchmark.identifier
        if isinstance(context.data, HasSessions):
            raise InputError(
                f"{identifier}: data of several recording sessions",
                allowed="one session for a benchmark of neural dynamics",
                todo="declare a benchmark on each session's data",
            )
        self._check_enough_images(context)
        rules: DynamicsRules = context.rules
        recordings = binned_recordings(context, blank=self.blank, follows_file=rules.follows_file)
        self._scored_bins(context, recordings)
        check_varies(recordings.varying, identifier)
        return recordings

    def _check_enough_images(self, context: RunContext) -> None:
        joint = context.rules.joint
        chooses = self.fitter(joint=joint, seed=0).chooses_penalty or context.may_select
        stimuli = context.stimuli()
        ImagesNeeded(
            what="neural dynamics",
            n_splits=10 if joint else QUARTERS,
            sizes=tenth_sizes if joint else fold_sizes,
            training=2,
            n_inner=self.n_inner if chooses and not joint else None,
            inner_held_out=1,
        ).check(
            context.benchmark.identifier,
            stimuli,
            strata=strata_of(stimuli, partial=context.is_partial()),
            groups=context.split_groups(),
        )

    def candidates(self, context: RunContext, target: BinnedRecordings) -> list[LayerStates]:
        """Raise InputError for a time bin that the clock does not cover, or too wide a layer."""
        wave = self._square_wave(context)
        layers = layer_states(context, target.stimuli, target.bins, static=wave)
        for layer in layers:
            wide = layer.n_features > WIDE and self.solver == "neuron-to-neuron"
            if wide and not context.rules.joint:
                raise InputError(
                    f"layer {layer.layer!r} of {layer.n_features} units for solver='neuron-to-neuron'",
                    allowed=f"at most {WIDE} units",
                    todo="choose another layer, or solver='ridge'",
                )
        return layers

    def evaluate(
        self, context: RunContext, target: BinnedRecordings, candidates: list[LayerStates]
    ) -> Evaluation:
        """Raise InputError for too few images of an object, or layers that do not vary."""
        rules: DynamicsRules = context.rules
        settings, ids = context.settings, target.stimuli.ids
        fitter = self.fitter(joint=rules.joint, seed=settings.seed)
        chooses = fitter.chooses_penalty or len(candidates) > 1
        fits, layers = [], []
        folds = rules.split(
            ids,
            target.strata,
            groups=target.split_groups,
            n_splits=self.n_splits,
            seed=context.split_seed,
        )
        with progress.current().task("maps over time", len(folds)) as advance:
            for fold in folds:
                within: list[Split] = []
                if chooses:
                    within = inner(
                        fold.train,
                        ids,
                        target.strata,
                        groups=target.split_groups,
                        n_splits=self.n_inner,
                        seed=settings.seed,
                    )
                ballot = vote(candidates, target, fold, within)
                chosen = layers_in_fold(
                    candidates,
                    target,
                    ballot,
                    fold,
                    within,
                    n_components=WIDE if rules.reduces else None,
                )
                fits.append(fit_fold(chosen, fitter, target, ballot, fold))
                layers.append(chosen)
                advance(1)
        return DynamicsEvaluation(
            material=material_of([target]),
            formula=context.formula,
            recordings=target,
            fits=fits,
            scored=self._scored_bins(context, target),
            floor=settings.floor,
            population=context.population,
            details=self._details(context, fitter),
            seeds={"splits": context.split_seed, "ceiling": 1, "null": settings.seed},
            fitter=fitter,
            layers=layers if settings.null not in (None, "none") else (),
        )

    def _details(self, context: RunContext, fitter: MapFitter) -> dict[str, Any]:
        """Return the choices of the protocol and of the map, for the record."""
        rules: DynamicsRules = context.rules
        details = {
            **fitter.describe(),
            "splits": rules.splits.format(n_splits=self.n_splits),
            "static_model": self._static_model(context),
        }
        return details if rules.one_layer else {**details, "inner_folds": self.n_inner}

    def fitter(self, *, joint: bool, seed: int) -> MapFitter:
        """Return how maps are fitted: to all sites jointly, or to each site on its own."""
        if joint:
            return PlsFitter(n_components=self.n_components, solver=self.pls_solver)
        if self.solver == "sgd":
            return DescentFitter(options=self.descent, seed=seed)
        return UnitFitter() if self.solver == "neuron-to-neuron" else RidgeFitter()

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        settings = context.settings
        how = (settings.protocol, self.solver, self.n_splits, context.formula, settings.resample)
        case = (*how, "chosen" if self.scored is None else "declared")
        return settings.floor is None and case in self.measured_coverage

    def _scored_bins(self, context: RunContext, recordings: BinnedRecordings) -> BoolArray | None:
        """Return which time bins the value is the mean of; None where trials choose them."""
        start, end = np.array(recordings.bins).T
        if context.rules.every_bin:
            return np.full(len(start), True)
        if self.scored is None:
            return None
        inside = np.asarray((start >= self.scored[0]) & (end <= self.scored[1]))
        if not inside.any():
            raise InputError(
                f"{context.benchmark.identifier}: scored={self.scored}, where no time bin lies",
                allowed=f"two times in ms with a bin between them, of {start[0]:g} to {end[-1]:g} ms",
                todo="declare other times, or none: then trials choose the bins",
            )
        return inside

    def _square_wave(self, context: RunContext) -> Timeline | None:
        """Return the clock of a static network that is shown a pulse; None where its state holds."""
        benchmark, latency = context.benchmark, self.static_latency
        on_ms = benchmark.presentation.on_ms
        if latency is None or on_ms is None or not context.rules.square_wave:
            return None
        return Timeline(
            name="square-wave",
            source=f"latency that {benchmark.identifier} declares",
            steps={layer: [(latency, latency + on_ms)] for layer in context.layers},
            outside="blank",
        )

    def _static_model(self, context: RunContext) -> str | None:
        """Describe when the one state of a static network holds; None for a network with time."""
        if not context.clock.static:
            return None
        wave = self._square_wave(context)
        if wave is None:
            return "its one state holds at all times, also when the picture is gone"
        ((start, end),) = next(iter(wave.steps.values()))
        return f"a square wave from {start:g} to {end:g} ms, no response outside"
