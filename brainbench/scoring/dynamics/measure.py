"""Neural dynamics: how well one linear map of a model's states predicts sites at every moment.

Protocol `paper` is Nayebi et al. 2018, supplement 6.6; `brainscore` the span-time PLS of Brain-Score 2.4.2.
docs/measures.md says what each does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.dataset import HasSessions
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, clock_of, layers_of
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.manifest import open_dataset
from brainbench.metrics.temporal.components import MOST_ROWS
from brainbench.metrics.temporal.correlations import Votes, best_layer, loss_per_bin, over_images
from brainbench.metrics.temporal.shared_map import SharedMap, fit, pls, prepare
from brainbench.scoring.dynamics.evaluation import Held
from brainbench.scoring.dynamics.target import Responses, responses
from brainbench.scoring.dynamics.time_score import Fitted, score_of
from brainbench.scoring.layer_candidates import CHUNK_BYTES
from brainbench.scoring.layer_states import WIDE, States, states
from brainbench.scoring.recordings import shown
from brainbench.stats.permutation import shuffles
from brainbench.stats.splits import SPLITS, Split, inner, paper

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

QUARTERS = 4
ARRAY = "array"
"""Coordinate along `neuroid` that names the array of electrodes; without it a region is one array."""
COVERED = frozenset(
    {
        (1, "r/sqrt(c)", "images"),
        (1, "r/sqrt(c)", "both"),
        (4, "r/sqrt(c)", "both"),
    }
)
"""Quarters held out, formula and what is random for which the coverage of the interval was measured, with
ridge maps under `paper`: those of perf/worlds."""


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Prediction of responses over time by one map for all time bins.

    Parameters
    ----------
    n_splits : int
        Under `paper`: 1, as published, holds out one quarter of the images of each object; 2 to 4 hold out
        as many disjoint quarters in turn, and the mean over them counts. With 4 every image is held out once,
        so the interval speaks of all images; with 1 it speaks of that quarter's, under one fitted map.
    n_inner : int
        Folds inside the training images that choose penalty and layer.
    solver : {"ridge", "sgd"}
        Of `paper`: ridge in closed form, or stochastic gradient descent as published.
    descent : mapping
        Options of `metrics.shared_sgd.Descent`.
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
        times. Only of `paper`, and only for models whose clock says nothing itself (`timeline.square_wave`).
    formula : str or None
        Taken in each time bin; None for the protocol's own: "r/sqrt(c)", and "raw" under `brainscore`.
    """

    n_splits: int = 1
    n_inner: int = 5
    solver: Literal["ridge", "sgd"] = "ridge"
    descent: Mapping[str, Any] = field(default_factory=dict)
    n_components: int = 25
    pls_solver: Literal["exact", "nipals"] = "exact"
    blank: bool = True
    static_latency: float | None = None
    formula: str | None = None

    def __post_init__(self) -> None:
        good = self.solver in ("ridge", "sgd") and self.pls_solver in ("exact", "nipals")
        if not (good and 1 <= self.n_splits <= QUARTERS and self.n_inner >= 2):
            raise InputError(
                f"n_splits={self.n_splits}, n_inner={self.n_inner}, solver={self.solver!r}, "
                f"pls_solver={self.pls_solver!r} for neural dynamics",
                allowed="n_splits 1 to 4, n_inner 2 or more, solver 'ridge' or 'sgd', "
                "pls_solver 'exact' or 'nipals'",
                todo="correct the option",
            )

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        return Needs(
            stimuli=shown(benchmark, settings),
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """What `score` will take: inner products, a decomposition for each fold, draws."""
        paper_like = settings.protocol == "paper"
        splits = self.n_splits if paper_like else 10
        # Draws of r, and of c of ten halves of the trials.
        flops = (splits + 10) * 1000.0 * 10 * sizes.units * sizes.bins * sizes.stimuli
        widest = 0.0
        for p, steps in zip(sizes.features, sizes.steps, strict=True):
            rows = sizes.stimuli * steps
            k = min(p, rows, WIDE) if paper_like else min(p, rows, MOST_ROWS)
            flops += 2.0 * rows * min(rows, MOST_ROWS) * p * (p > WIDE)
            inner_folds = self.n_inner + 1 if paper_like else 1
            decompositions = inner_folds * (sizes.bins if len(sizes.features) > 1 else 1)
            flops += splits * decompositions * 12.0 * k**3 + 2.0 * splits * rows * k**2
            widest = max(widest, 8.0 * (rows * min(rows, MOST_ROWS) + 12 * k**2))
        draws = 8.0 * 1000 * sizes.units * sizes.bins * 6
        return Work(
            flops=flops,
            read_bytes=sizes.activation_bytes,
            memory_bytes=widest + draws + 3 * CHUNK_BYTES,
            seconds=1.0,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model on the responses of a region over time.

        Raises
        ------
        InputError
            Data of several sessions; recordings without time bins, or with bins that overlap; a bin that the
            model's clock does not cover; too few images of an object; no site that varies; layers that do
            not vary.
        """
        if isinstance(open_dataset(benchmark.data), HasSessions):
            raise InputError(
                f"{benchmark.identifier}: data of several recording sessions",
                allowed="one session for a benchmark of neural dynamics",
                todo="declare a benchmark on each session's data",
            )
        brain = responses(benchmark, settings, blank=self.blank)
        varying = (np.ptp(brain.values, axis=0) > 0).any(axis=1)
        if not varying.any():
            raise InputError(
                f"all {len(varying)} sites of {benchmark.identifier} respond the same to every image",
                allowed="sites whose response varies with the image",
                todo="check the time window and the recordings",
            )
        wave = self._square_wave(benchmark, model, settings)
        offered = states(benchmark, model, settings, brain.stimuli, brain.bins, static=wave)
        fitted = _fitted(self, offered, brain, varying, settings)
        brainscore = settings.protocol == "brainscore"
        formula = settings.formula or self.formula or ("raw" if brainscore else "r/sqrt(c)")
        return score_of(
            benchmark,
            model,
            settings,
            fitted,
            formula=formula,
            choices={
                **_choices(self, brainscore=brainscore),
                "static_model": _of_static(model, settings, wave),
            },
            coverage_measured=not brainscore
            and self.solver == "ridge"
            and settings.floor is None
            and (self.n_splits, formula, settings.resample) in COVERED,
        )

    def _square_wave(
        self, benchmark: Benchmark, model: BrainModel, settings: Settings
    ) -> Timeline | None:
        """Clock of a static network that is shown a pulse."""
        on_ms = benchmark.presentation.on_ms
        if self.static_latency is None or on_ms is None or settings.protocol == "brainscore":
            return None
        wave = (self.static_latency, self.static_latency + on_ms)
        return Timeline(
            name="square-wave",
            source=f"latency that {benchmark.identifier} declares",
            steps={layer: [wave] for layer in layers_of(model, benchmark.region, settings)},
            outside="blank",
        )


def _of_static(model: BrainModel, settings: Settings, wave: Timeline | None) -> str | None:
    if not clock_of(model, settings.protocol).static:
        return None
    if wave is None:
        return "its one state holds at all times, also when the picture is gone"
    ((start, end),) = next(iter(wave.steps.values()))
    return f"a square wave from {start:g} to {end:g} ms, no response outside"


def _choices(how: Dynamics, *, brainscore: bool) -> dict[str, Any]:
    if brainscore:
        return {
            "map": f"PLS2, one for all time bins, {how.pls_solver}",
            "components": how.n_components,
            "splits": "Brain-Score's ten, 90 % for training",
        }
    return {
        "map": f"{how.solver}, one for all time bins",
        "descent": dict(how.descent) if how.solver == "sgd" else None,
        "splits": f"{how.n_splits} of {QUARTERS} disjoint quarters held out",
        "inner_folds": how.n_inner,
    }


# --- fitting -------------------------------------------------------------------------------------


def _fitted(
    how: Dynamics,
    offered: Sequence[States],
    brain: Responses,
    varying: npt.NDArray[np.bool_],
    settings: Settings,
) -> Fitted:
    folds = _folds(how, brain, settings)
    Y = brain.values[:, varying]
    arrays = _arrays(brain, varying)
    votes = [_votes(how, offered, brain, Y, arrays, fold, settings) for fold in folds]
    orders = None
    if settings.null is not None:
        orders = shuffles(
            len(Y),
            kind=settings.null,
            objects=_objects(brain),
            n_draws=settings.null_draws,
            seed=settings.seed,
        )
    predicted = [np.empty((len(fold.test), *Y.shape[1:])) for fold in folds]
    null = None if orders is None else np.empty((len(folds), len(orders), *Y.shape[1:]))
    penalties = np.full((len(folds), Y.shape[1]), np.nan)
    kept: list[dict[str, Any]] = []
    with progress.current().task("maps over time", len(folds)) as advance:
        for k, fold in enumerate(folds):
            for layer in offered:
                # One map for all arrays that this layer serves.
                names = [name for name in arrays if votes[k][name].layer == layer.layer]
                mine = np.concatenate([arrays[name] for name in names] or [np.arange(0)])
                if not len(mine):
                    continue
                one = _fit(how, layer, brain, Y[:, mine], fold, settings, orders)
                predicted[k][:, mine] = one.predicted
                penalties[k, mine] = np.nan if one.map.penalty is None else one.map.penalty
                kept.append(one.features)
                if null is not None:
                    null[k][:, mine] = one.null
            advance(1)
    return Fitted(
        held=Held(brain=brain, varying=varying, folds=folds, predicted=predicted),
        arrays=arrays,
        votes=votes,
        null=null,
        penalties=penalties,
        features=kept,
    )


def _folds(how: Dynamics, brain: Responses, settings: Settings) -> list[Split]:
    ids = brain.stimuli.ids
    if settings.protocol == "brainscore":
        return SPLITS["brainscore"](ids, brain.strata)
    quarters = paper(ids, brain.strata, n_splits=QUARTERS, seed=settings.seed)
    return quarters[: how.n_splits]


def _arrays(brain: Responses, varying: npt.NDArray[np.bool_]) -> dict[str, IntArray]:
    """Columns of the varying neuroids of each array of electrodes."""
    if ARRAY not in brain.neuroids.coords:
        return {"all": np.arange(varying.sum())}
    names = brain.neuroids.coords[ARRAY].values[varying].astype(str)
    return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def _inner(how: Dynamics, brain: Responses, fold: Split, settings: Settings) -> list[Split]:
    return inner(
        fold.train, brain.stimuli.ids, brain.strata, n_splits=how.n_inner, seed=settings.seed
    )


def _votes(
    how: Dynamics,
    offered: Sequence[States],
    brain: Responses,
    Y: FloatArray,
    arrays: Mapping[str, IntArray],
    fold: Split,
    settings: Settings,
) -> dict[str, Votes]:
    """Layer of each array: least loss of maps fitted to single bins, for most units."""
    if len(offered) == 1:
        only = offered[0].layer
        return {name: Votes(only, {only: len(mine)}) for name, mine in arrays.items()}
    folds = _inner(how, brain, fold, settings)
    losses = {}
    with progress.current().task(f"choosing among {len(offered)} layers", len(offered)) as advance:
        for one in offered:
            X = one.features(fold.train).scores
            losses[one.layer] = loss_per_bin(X, Y, fold.train, folds=folds, weights=one.shares)
            advance(1)
    return {
        name: best_layer({layer: loss[mine] for layer, loss in losses.items()})
        for name, mine in arrays.items()
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """One layer's map in one fold."""

    map: SharedMap
    predicted: FloatArray
    null: FloatArray | None
    features: dict[str, Any]


def _fit(
    how: Dynamics,
    layer: States,
    brain: Responses,
    Y: FloatArray,
    fold: Split,
    settings: Settings,
    orders: IntArray | None,
) -> _Fit:
    lossless = settings.protocol == "brainscore"
    reduced = layer.features(fold.train, most=None if lossless else WIDE)
    X, shares, train = reduced.scores, layer.shares, fold.train

    def by_ridge(answers: FloatArray) -> SharedMap:
        # Shuffled responses get the penalties of the real ones: any would predict nothing.
        return fit(prepared, answers, penalty=None if found is None else found.penalty)

    def by_descent(answers: FloatArray) -> SharedMap:
        # Torch takes a second to load: only where it is asked for.
        from brainbench.metrics.temporal.gradient_descent import Descent, sgd

        descent = Descent(**{"seed": settings.seed, **how.descent})
        return sgd(X, answers, train, weights=shares, descent=descent)

    def by_pls(answers: FloatArray) -> SharedMap:
        options: dict[str, Any] = {"n_components": how.n_components, "solver": how.pls_solver}
        return pls(X, answers, train, weights=shares, **options)

    found: SharedMap | None = None
    fit_to = by_pls if lossless else by_descent if how.solver == "sgd" else by_ridge
    if fit_to is by_ridge:
        folds = _inner(how, brain, fold, settings)
        prepared = prepare(X, train, folds=folds, weights=shares)
    found = fit_to(Y)
    null = None
    if orders is not None:
        null = np.stack(
            [
                over_images(
                    fit_to(Y[order]).predict(X[fold.test], weights=shares), Y[order][fold.test]
                ).r
                for order in orders
            ]
        )
    return _Fit(
        map=found,
        predicted=found.predict(X[fold.test], weights=shares),
        null=null,
        features={
            "layer": layer.layer,
            "features": layer.n_features,
            "states": shares.shape[1],
            "used": X.shape[1],
            "variance_kept": reduced.kept,
            "images": reduced.n_images,
        },
    )


def _objects(brain: Responses) -> npt.NDArray[Any] | None:
    metadata = brain.stimuli.metadata
    return metadata["object_name"].to_numpy(str) if "object_name" in metadata else None
