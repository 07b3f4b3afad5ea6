"""Neural predictivity: how well a linear map of a model predicts the sites of a region.

Two protocols, `paper` (Kubilius et al. 2019, section 3.1) and `brainscore` (Brain-Score 2.4.2); what
each does is tabulated in docs/scores.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.errors import InputError
from brainbench.interfaces import Benchmark, BrainModel, Needs, Settings, clock_of, layers_of
from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import Gram, pca
from brainbench.metrics.pls import cross_predict
from brainbench.procedures.candidates import Candidate, candidates
from brainbench.procedures.recordings import Target, shown, target
from brainbench.provenance import record, sha256
from brainbench.scores import Score
from brainbench.stats.aggregate import AGGREGATES, aggregate
from brainbench.stats.bootstrap import bootstrap
from brainbench.stats.ceiling import FORMULAS, SplitHalf, ceiled, split_half
from brainbench.stats.splits import SPLITS, Split, inner

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictivity:
    """PLS predictivity of the sites of a region.

    Parameters
    ----------
    n_components : int
        Latent dimensions of the PLS map.
    n_pca : int
        Principal components of the features kept under `paper`; at most stimuli - 1 and features.
    n_splits : int
        Folds under `paper`, random splits under `brainscore`.
    n_inner : int
        Folds inside the training images, by which `paper` chooses among layers and steps.
    solver : {"exact", "nipals"}
        Exact singular vectors, or scikit-learn's iteration.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for the protocol's own: raw, and r2/c.
    """

    n_components: int = 25
    n_pca: int = 1000
    n_splits: int = 10
    n_inner: int = 5
    solver: Literal["exact", "nipals"] = "exact"
    formula: str | None = None

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        return Needs(
            stimuli=shown(benchmark, settings),
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model on the benchmark's region.

        Raises
        ------
        InputError
            Fewer images than the map has components or the splits have folds; recordings or activations
            that do not match the stimuli; a layer that does not vary.
        """
        brain = target(benchmark, settings)
        _check_enough(brain, self, benchmark.identifier)
        offered = candidates(benchmark, model, settings, brain.stimuli)
        varying = np.ptp(brain.values, axis=0) > 0
        if not varying.any():
            raise InputError(
                f"all {len(varying)} sites of {benchmark.identifier} respond the same to every image",
                allowed="sites whose response varies with the image",
                todo="check the time window and the recordings",
            )
        fit = _fit_paper if settings.protocol == "paper" else _fit_brainscore
        fitted = fit(self, offered, brain, brain.values[:, varying], settings.seed)
        return _score(self, benchmark, model, settings, brain, varying, fitted)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """Held-out predictions of the chosen candidate, split by split.

    Parameters
    ----------
    folds : list of Split
        Training and held-out rows.
    predicted, observed : list of array, shape (n_test, n_neuroids)
        For each split.
    chosen : list of Candidate
        For each split.
    curve : list of dict
        Every candidate, with the inner score that the choice was made by.
    n_features : int
        Features that the map was fitted to.
    """

    folds: list[Split]
    predicted: list[FloatArray]
    observed: list[FloatArray]
    chosen: list[Candidate]
    curve: list[dict[str, Any]]
    n_features: int


def _fit_paper(
    how: Predictivity, offered: Sequence[Candidate], brain: Target, Y: FloatArray, seed: int
) -> Fitted:
    features = [_components(one.gram(), how.n_pca) for one in offered]
    folds = SPLITS["paper"](brain.stimuli.ids, brain.strata, n_splits=how.n_splits, seed=seed)
    inside = np.full((len(folds), len(offered)), np.nan)
    best = np.zeros(len(folds), dtype=np.intp)
    if len(offered) > 1:
        for k, fold in enumerate(folds):
            inside[k] = _inner_scores(how, features, brain, Y, fold.train, seed)
        best = inside.argmax(axis=1)
    predicted: dict[int, FloatArray] = {}
    for choice in sorted(set(best.tolist())):
        mine = [k for k in range(len(folds)) if best[k] == choice]
        made = _predict(how, features[choice], Y, [folds[k] for k in mine], kind="pls1")
        predicted.update(zip(mine, made, strict=True))
    return Fitted(
        folds=folds,
        predicted=[predicted[k] for k in range(len(folds))],
        observed=[Y[fold.test] for fold in folds],
        chosen=[offered[int(k)] for k in best],
        curve=_curve(offered, inside, best),
        n_features=min(how.n_pca, len(Y) - 1, offered[best[0]].activations.sizes["neuroid"]),
    )


def _fit_brainscore(
    how: Predictivity, offered: Sequence[Candidate], brain: Target, Y: FloatArray, seed: int
) -> Fitted:
    only = offered[0]
    products = only.gram()
    folds = SPLITS["brainscore"](brain.stimuli.ids, brain.strata, n_splits=how.n_splits)
    # scikit-learn needs features: all principal components, a rotation, are as good as the layer's own.
    features = pca(products, len(Y)) if how.solver == "nipals" else products
    return Fitted(
        folds=folds,
        predicted=_predict(how, features, Y, folds, kind="pls2"),
        observed=[Y[fold.test] for fold in folds],
        chosen=[only] * len(folds),
        curve=_curve([only], np.full((len(folds), 1), np.nan), np.zeros(len(folds), dtype=np.intp)),
        n_features=products.n_features,
    )


def _components(products: Gram, n_pca: int) -> FloatArray | Gram:
    """Principal component scores; the Gram matrix itself where they would keep everything.

    All components are a rotation of the features, and PLS does not see a rotation.
    """
    kept_whole = n_pca >= min(products.n_stimuli - 1, products.n_features)
    return products if kept_whole else pca(products, n_pca)


def _predict(
    how: Predictivity,
    features: FloatArray | Gram,
    Y: FloatArray,
    folds: Sequence[Split],
    *,
    kind: Literal["pls1", "pls2"],
) -> list[FloatArray]:
    return cross_predict(
        features, Y, folds, n_components=how.n_components, kind=kind, solver=how.solver
    )


def _inner_scores(
    how: Predictivity,
    features: Sequence[FloatArray | Gram],
    brain: Target,
    Y: FloatArray,
    train: npt.NDArray[np.intp],
    seed: int,
) -> list[float]:
    """Score of each candidate by cross-validation inside the training images."""
    folds = inner(train, brain.stimuli.ids, brain.strata, n_splits=how.n_inner, seed=seed)
    scores = []
    for one in features:
        predicted = _predict(how, one, Y, folds, kind="pls1")
        r = [pearson(p, Y[fold.test]) for p, fold in zip(predicted, folds, strict=True)]
        scores.append(aggregate(np.stack(r), protocol="paper").value)
    return scores


def _curve(
    offered: Sequence[Candidate], inner: FloatArray, best: npt.NDArray[np.intp]
) -> list[dict[str, Any]]:
    """Score of every candidate inside the training images: mean and spread over the outer folds."""
    times = Counter(int(k) for k in best)
    measured = bool(np.isfinite(inner).all())
    return [
        {
            "layer": one.layer,
            "step": one.step,
            "start_ms": one.span[0],
            "end_ms": one.span[1] if np.isfinite(one.span[1]) else None,
            "inner_mean": float(inner[:, k].mean()) if measured else None,
            "inner_sd": float(inner[:, k].std()) if measured else None,
            "chosen_in_folds": times[k],
        }
        for k, one in enumerate(offered)
    ]


def _score(
    how: Predictivity,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    brain: Target,
    varying: npt.NDArray[np.bool_],
    fitted: Fitted,
) -> Score:
    r = np.stack([pearson(p, y) for p, y in zip(fitted.predicted, fitted.observed, strict=True)])
    raw = aggregate(r, protocol=settings.protocol)
    reliability = _reliability(brain, varying)
    c = None if reliability is None else reliability.value
    formula = how.formula or ("raw" if settings.protocol == "paper" else "r2/c")

    def value_of(correlations: FloatArray) -> FloatArray:
        return ceiled(
            AGGREGATES[settings.protocol](correlations), np.nan if c is None else c, formula=formula
        )

    value = float(value_of(r))
    reason = None if np.isfinite(value) else _no_ceiling(formula, c)
    interval = None
    if reason is None:
        interval = bootstrap(
            fitted.predicted,
            fitted.observed,
            [fold.test for fold in fitted.folds],
            aggregate=value_of,
            seed=settings.seed,
        )
    held = "" if formula == "raw" else ", ceiling held fixed"
    excluded = {
        "constant response": int((~varying).sum()),
        "no correlation in any split": raw.n_excluded,
    }
    excluded = {reason: count for reason, count in excluded.items() if count}
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=value if reason is None else None,
        reason=reason,
        raw=raw.value,
        ceiling=c,
        error=raw.error,
        ci=None if interval is None else (interval.lo, interval.hi),
        ci_method=None if interval is None else f"{interval.method}{held}; approximate",
        formula=f"{formula}-v{FORMULAS[formula].version}",
        per_unit=_per_unit(brain, varying, raw.per_neuroid, reliability),
        predictions=_predictions(brain, varying, fitted),
        n_units=int(varying.sum()) - raw.n_excluded,
        n_excluded=sum(excluded.values()),
        n_stimuli=len(brain.stimuli),
        excluded=excluded,
        partial=brain.partial,
        simulated=brain.simulated,
        record=_record(how, benchmark, model, settings, brain, fitted),
    )


def _no_ceiling(formula: str, c: float | None) -> str:
    if c is None:
        return f"no ceiling: {formula} needs repeated trials, and only their mean is there"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable was measured, no {formula}"


def _reliability(brain: Target, varying: npt.NDArray[np.bool_]) -> SplitHalf | None:
    if brain.trials is None or len(brain.trials) < 2:
        return None
    return split_half(brain.trials[:, :, varying], correlate=pearson)


def _per_unit(
    brain: Target,
    varying: npt.NDArray[np.bool_],
    r: FloatArray,
    reliability: SplitHalf | None,
) -> xr.DataArray:
    full = brain.neuroids.copy(data=np.full(len(varying), np.nan))
    full.values[varying] = r
    if reliability is not None:
        per_site = np.full(len(varying), np.nan)
        per_site[varying] = reliability.per_neuroid
        full = full.assign_coords(ceiling=("neuroid", per_site))
    return full.assign_attrs(units="Pearson r")


def _predictions(brain: Target, varying: npt.NDArray[np.bool_], fitted: Fitted) -> xr.Dataset:
    ids = np.asarray(brain.stimuli.ids)
    tests = [fold.test for fold in fitted.folds]
    return xr.Dataset(
        {
            "predicted": (("sample", "neuroid"), np.concatenate(fitted.predicted)),
            "target": (("sample", "neuroid"), np.concatenate(fitted.observed)),
        },
        coords={
            "fold": ("sample", np.repeat(np.arange(len(tests)), [len(t) for t in tests])),
            "stimulus_id": ("sample", ids[np.concatenate(tests)]),
            "neuroid_id": ("neuroid", brain.neuroids.coords["neuroid_id"].values[varying]),
        },
    )


def _record(
    how: Predictivity,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    brain: Target,
    fitted: Fitted,
) -> Any:
    (layer, step), _ = Counter((one.layer, one.step) for one in fitted.chosen).most_common(1)[0]
    paper = settings.protocol == "paper"
    asked = benchmark.presentation
    given = asked.accepted_by(model.presentations)
    notes = [] if given == asked else [f"asked for: {asked.describe()}"]
    return record(
        seeds={
            "splits": settings.seed if paper else 1,
            "ceiling": 1,
            "bootstrap": settings.seed,
        },
        hashes={
            "stimuli": brain.stimuli.digest,
            "data": brain.data_version,
            "model": model.digest,
            "target": sha256(np.ascontiguousarray(brain.values).tobytes()),
        },
        layer=layer,
        step=step,
        curve=fitted.curve,
        clock=clock_of(model, settings.protocol).name,
        presentation=given.describe(),
        device=str(getattr(model, "device", "cpu")),
        precision=str(getattr(model, "precision", "float32")),
        choices={
            "map": "PLS1" if paper else "PLS2",
            "solver": how.solver,
            "components": how.n_components,
            "features": fitted.n_features,
            "pca": "fitted once on the benchmark's own images, without responses"
            if paper
            else "none",
            "splits": how.n_splits,
            "stratified": brain.strata is not None,
            "window_ms": list(benchmark.window),
        },
        notes=notes,
    )


def _check_enough(brain: Target, how: Predictivity, identifier: str) -> None:
    n = len(brain.stimuli)
    smallest = n - -(-n // how.n_splits)  # training images of the fold that leaves out most
    if how.n_components > smallest - 1:
        raise InputError(
            f"{identifier}: {n} images leave {smallest} for training, PLS with "
            f"{how.n_components} components needs at least {how.n_components + 1}",
            allowed=f"at least {_least(how)} images",
            todo="use more images (a larger --limit)",
        )


def _least(how: Predictivity) -> int:
    n = how.n_components + 2
    while n - -(-n // how.n_splits) < how.n_components + 1:
        n += 1
    return n
