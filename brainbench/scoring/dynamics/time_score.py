"""From maps over time to a Score: figures of every bin, one value, what was chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel
from brainbench.core.provenance import Record
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.metrics.temporal.correlations import Votes
from brainbench.scoring.dynamics.evaluation import LEAST_RELIABILITY, Held, Rule, value_interval
from brainbench.scoring.records import record_of
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.permutation import summary

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """What the maps of all folds say.

    Parameters
    ----------
    held : Held
        Held-out predictions.
    arrays : mapping of str to array of int
        Columns of the varying neuroids of each array of electrodes.
    votes : list of dict
        For each fold, the layer of each array.
    null : array, fold x shuffle x varying neuroid x bin, or None
        Correlations of maps fitted to shuffled images.
    penalties : array, fold x varying neuroid
        NaN for maps without one.
    features : list of dict
        For each map, how many features it got and how they were reduced.
    """

    held: Held
    arrays: Mapping[str, IntArray]
    votes: Sequence[Mapping[str, Votes]]
    null: FloatArray | None
    penalties: FloatArray
    features: Sequence[dict[str, Any]]


def score_of(
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    fitted: Fitted,
    *,
    formula: str,
    choices: Mapping[str, Any],
    coverage_measured: bool,
) -> Score:
    """Score of held-out predictions over time.

    Parameters
    ----------
    benchmark, model, settings
        What was compared, and how.
    fitted : Fitted
        Predictions.
    formula : str
        Of `stats.ceiling.FORMULAS`, taken in each bin.
    choices : mapping
        Of the maps, for the record.
    coverage_measured : bool
        Whether the coverage of the interval was measured for such maps, formula and settings.

    Raises
    ------
    InputError
        A floor that no site reaches, or without a reliability.
    """
    held = fitted.held
    brainscore = settings.protocol == "brainscore"
    rule = Rule(formula=formula, every_bin=brainscore)
    r = nan_mean(held.r, axis=0)
    c = held.c
    counted, below = _counted(held, rule, settings.floor)
    mine = None if c is None else c[counted]
    bins = rule.bins(mine, r.shape[1])
    value = float(rule.value(r[counted], mine))
    reason = None if np.isfinite(value) else _reason(formula, bins, mine, held.no_c)
    per_bin = nan_median(r[counted].T)
    raw, ceiling = _mean(per_bin, bins), None if mine is None else _mean(nan_median(mine.T), bins)
    made = null = None
    if reason is None:
        name = f"{open_dataset(benchmark.data).name} {benchmark.region}"
        made = value_interval(held, counted, rule, settings, population=name)
        if fitted.null is not None:
            shuffled = nan_mean(fitted.null, axis=0)[:, counted]
            # The ceiling does not depend on which picture a response belongs to.
            every = None if mine is None else np.broadcast_to(mine, shuffled.shape)
            null = summary(value, rule.value(shuffled, every), kind=str(settings.null))  # type: ignore[arg-type]
    constant = int((~held.varying).sum())
    excluded = {"constant response": constant, f"reliability below {settings.floor}": below}
    excluded = {why: count for why, count in excluded.items() if count}
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=value if reason is None else None,
        reason=reason,
        raw=raw,
        ceiling=ceiling,
        error=_error(held.r, counted) if brainscore else None,
        ci=None if made is None else (made.lo, made.hi),
        ci_method=None
        if made is None
        else made.said(
            coverage_measured=coverage_measured,
            n_images=len(held.brain.stimuli),
            more="maps not refitted",
        ),
        formula=f"{formula}-v{FORMULAS[formula].version}",
        per_unit=_per_unit(held, r, c, bins),
        predictions=held.predictions(),
        draws=None if made is None else made.draws,
        figures=_figures(fitted, r, counted, bins),
        null=null,
        n_units=int(counted.sum()),
        n_excluded=sum(excluded.values()),
        n_stimuli=len(held.brain.stimuli),
        excluded=excluded,
        partial=held.brain.partial,
        simulated=open_dataset(benchmark.data).simulated,
        record=_record(benchmark, model, settings, fitted, choices),
    )


def _counted(held: Held, rule: Rule, floor: float | None) -> tuple[BoolArray, int]:
    """Varying neuroids that count, and how many are left out: mean c over the bins below the floor."""
    everyone = np.full(int(held.varying.sum()), True)
    if floor is None:
        return everyone, 0
    c = held.c
    if c is None:
        raise InputError(
            f"a floor of {floor} for sites without a reliability: {held.no_c}",
            allowed="a floor where reliability is known",
            todo="leave --floor away",
        )
    # Whatever bins the value is made of, a site is judged by those that count under the paper's rule.
    bins = replace(rule, every_bin=False).bins(c, c.shape[1])
    reliability = nan_mean(c[:, bins], axis=1) if bins.any() else np.full(len(c), np.nan)
    counted = reliability >= floor
    if not counted.any():
        raise InputError(
            f"a floor of {floor}: none of {len(c)} sites is that reliable in the bins that count",
            allowed="a floor that some site reaches",
            todo="give a lower --floor, or leave it away",
        )
    return counted, int((~counted).sum())


def _reason(formula: str, bins: BoolArray, c: FloatArray | None, no_c: str) -> str:
    if c is None:
        if formula == "raw":
            return "no correlation: no site's response varies over the held-out images in some bin"
        return f"no ceiling: {formula} needs repeated trials of every image; {no_c}"
    if not bins.any():
        best = np.nanmax(nan_median(c.T), initial=-np.inf)
        return f"no time bin with a median reliability of {LEAST_RELIABILITY:g}; the highest is {best:.3f}"
    return "no figure in a time bin that counts: nothing varies there, or nothing is reliable"


def _mean(per_bin: FloatArray, bins: BoolArray) -> float | None:
    """Mean over the bins that count, over all where none does; None where there is no figure."""
    some = per_bin[bins] if bins.any() else per_bin
    return float(some.mean()) if np.isfinite(some).all() else None


def _error(r: FloatArray, counted: BoolArray) -> float | None:
    """Standard error over splits of the mean over bins, as Brain-Score gives one for each bin."""
    per_split = nan_median(np.swapaxes(r[:, counted], 1, 2)).mean(axis=1)
    error = float(per_split.std() / np.sqrt(len(per_split)))
    return error if np.isfinite(error) else None


def _per_unit(held: Held, r: FloatArray, c: FloatArray | None, bins: BoolArray) -> xr.DataArray:
    """Mean over the bins that count of each site's r, with its mean c."""
    some = bins if bins.any() else np.full(len(bins), True)
    full = held.brain.neuroids.copy(data=np.full(len(held.varying), np.nan))
    full.values[held.varying] = nan_mean(r[:, some], axis=1)
    if c is not None:
        per_site = np.full(len(held.varying), np.nan)
        per_site[held.varying] = nan_mean(c[:, some], axis=1)
        full = full.assign_coords(ceiling=("neuroid", per_site))
    full.attrs["units"] = "Pearson r"
    return full


def _figures(fitted: Fitted, r: FloatArray, counted: BoolArray, bins: BoolArray) -> dict[str, Any]:
    held = fitted.held
    start, end = np.array(held.brain.bins).T
    flags = {
        "constant_predictions": np.mean([one.constant_prediction for one in held.by_fold], axis=0),
        "constant_responses": np.mean([one.constant_response for one in held.by_fold], axis=0),
    }
    return {
        "time_start": start.tolist(),
        "time_end": end.tolist(),
        "r": _listed(nan_median(r[counted].T)),
        "c": None if held.c is None else _listed(nan_median(held.c[counted].T)),
        "bins_used": bins.tolist(),
        "temporal_correlation": _temporal(fitted, counted),
        # Sites in each bin; a fraction where folds differ.
        **{name: flag[counted].sum(axis=0).tolist() for name, flag in flags.items()},
        "layer_units": _layer_units(fitted),
    }


def _temporal(fitted: Fitted, counted: BoolArray) -> dict[str, float | None] | None:
    """Median over the sites of each array of electrodes."""
    each = fitted.held.temporal
    if each is None:
        return None
    found = {}
    for name, mine in fitted.arrays.items():
        some = each[mine[counted[mine]]]
        median = float(nan_median(some)) if len(some) else np.nan
        found[name] = median if np.isfinite(median) else None
    return found


def _layer_units(fitted: Fitted) -> dict[str, dict[str, float]]:
    """For each array the number of units that each layer serves best, mean over folds (figure 5b)."""
    found: dict[str, dict[str, float]] = {}
    for name in fitted.arrays:
        units = [votes[name].units for votes in fitted.votes]
        found[name] = {layer: float(np.mean([one[layer] for one in units])) for layer in units[0]}
    return found


def _listed(figures: FloatArray) -> list[float | None]:
    return [float(one) if np.isfinite(one) else None for one in figures]


def _record(
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    fitted: Fitted,
    choices: Mapping[str, Any],
) -> Record:
    paper = settings.protocol == "paper"
    held = fitted.held
    chosen = Counter(votes[name].layer for votes in fitted.votes for name in fitted.arrays)
    stated = {
        **choices,
        "penalty": _penalty(fitted.penalties),
        "features": [
            one for k, one in enumerate(fitted.features) if one not in fitted.features[:k]
        ],
        "stratified": held.brain.strata is not None,
        "held_out_images": len(held.rows),
        "ceiling": "Spearman split-half over trials of the held-out images, Spearman-Brown corrected",
        "layers": [{name: one.layer for name, one in votes.items()} for votes in fitted.votes],
        "normalized_by": held.brain.normalized,
        "scalar": f"mean over bins with a median c of {LEAST_RELIABILITY:g} at least"
        if paper
        else "mean over all bins",
        "window_ms": list(benchmark.window),
    }
    return record_of(
        benchmark,
        model,
        settings,
        stimuli=[held.brain.stimuli],
        target=[held.brain.values],
        seeds={
            "splits": settings.seed if paper else 1,
            "ceiling": 1,
            "bootstrap": settings.seed,
            "null": settings.seed,
        },
        layer=chosen.most_common(1)[0][0],
        choices=stated,
        notes=[f"no ceiling: {held.no_c}"] if held.no_c else [],
    )


def _penalty(penalties: FloatArray) -> dict[str, Any] | None:
    """Each site's own, by cross-validation over training images; None for maps without one."""
    if np.isnan(penalties).any():
        return None
    return {
        "chosen": "per site, by leaving out training images",
        "median": float(np.median(penalties)),
        "lowest": float(penalties.min()),
        "highest": float(penalties.max()),
    }
