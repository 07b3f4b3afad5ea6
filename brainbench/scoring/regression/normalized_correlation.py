"""Figures of explainable variance over sessions: values, their draws, what belongs to each site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.assembly import check_unique
from brainbench.core.settings import Settings
from brainbench.metrics.explained_variance.ccnorm import (
    Explained,
    Jackknife,
    chance_level,
    explained,
    jackknife,
)
from brainbench.metrics.explained_variance.signal_power import Power, mean_response, signal_power
from brainbench.metrics.reductions import nan_mean, nan_median
from brainbench.scoring.regression.held_out import Session
from brainbench.stats.bootstrap import Interval, crossed, image_counts, interval, unit_draws
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.permutation import shuffles

FloatArray = npt.NDArray[np.float64]
Variant = Literal["paper", "schoppe"]
VARIANTS: tuple[Variant, ...] = ("paper", "schoppe")
N_DRAWS = 1000
_COLUMNS = 2048
"""Shuffled sites that are fitted at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One session: trials and held-out predictions of the sites that have a signal.

    Parameters
    ----------
    session : Session
        Its `varying` says which sites count.
    trials : array, repetition x stimulus x counted site
        Trials of all images.
    power : Power
        Signal power of the counted sites over all images.
    reasons : array of str, site
        Why a site does not count; empty for those that do.
    """

    session: Session
    trials: FloatArray
    power: Power
    reasons: npt.NDArray[np.str_]

    def explained(self, variant: Variant, counts: FloatArray | None = None) -> list[Explained]:
        """What is explained in each fold (`paper`), or in all held-out predictions together.

        Parameters
        ----------
        variant : {"paper", "schoppe"}
            See above.
        counts : array, draw x stimulus, optional
            How often each image counts; signal power is computed again in each draw.
        """
        sets = self._together() if variant == "schoppe" else self._sets()
        power = self.power if counts is None else signal_power(self.trials, counts=counts)
        return [
            explained(p, y, power, counts=None if counts is None else counts[:, test])
            for p, y, test in sets
        ]

    def jackknife(self) -> Jackknife:
        """CC_norm of all held-out predictions together, each trial left out in turn; maps stay."""
        ((predicted, _, rows),) = self._together()
        return jackknife(self.trials[:, rows], predicted)

    def _sets(self) -> list[tuple[npt.NDArray[Any], ...]]:
        """Predictions, responses and rows of the test images of each fold."""
        fitted = self.session.fitted
        rows = [fold.test for fold in fitted.folds]
        return [*zip(fitted.predicted, fitted.observed, rows, strict=True)]

    def _together(self) -> list[tuple[npt.NDArray[Any], ...]]:
        return [tuple(np.concatenate(one) for one in zip(*self._sets(), strict=True))]


@dataclass(frozen=True, kw_only=True, eq=False)
class Figures:
    """Figures of the counted sites of all sessions.

    Parameters
    ----------
    r : array, ([draw,] set, site)
        Correlation with the mean response in each set of test images, with its sign.
    cc_max : array, ([draw,] site)
        The most that it reaches.
    """

    r: FloatArray
    cc_max: FloatArray

    @classmethod
    def of(
        cls, parts: Sequence[Part], variant: Variant, counts: Sequence[FloatArray] | None = None
    ) -> Figures:
        """Figures of all sessions; with `counts` of each session an axis `draw` comes first."""
        each = [None] * len(parts) if counts is None else counts
        found = [part.explained(variant, one) for part, one in zip(parts, each, strict=True)]
        return cls(
            r=np.concatenate(
                [np.stack([e.cc_abs for e in one], axis=-2) for one in found], axis=-1
            ),
            cc_max=np.concatenate([one[0].cc_max for one in found], axis=-1),
        )

    def per_site(self, formula: str) -> FloatArray:
        """Mean over sets of r related to c = CC_max^2 of the site; "r2/c" is CC_norm^2."""
        c = np.where(self.cc_max > 0, self.cc_max**2, np.nan)
        return nan_mean(FORMULAS[formula].apply(self.r, c[..., None, :]), axis=-2)

    @property
    def signed(self) -> FloatArray:
        """CC_norm of each site with its sign, mean over sets."""
        return self.per_site("r/sqrt(c)")


def value_interval(
    parts: Sequence[Part],
    variant: Variant,
    *,
    formula: str,
    settings: Settings,
    value: float,
    population: str,
) -> Interval:
    """Interval of the value: images drawn in each session, sites over all; SP computed in each draw.

    Parameters
    ----------
    parts : sequence of Part
        All sessions.
    variant, formula
        What the value is.
    settings : Settings
        Seed, and what is random.
    value : float
        The value itself.
    population : str
        Name of the sites.
    """
    drawn = []
    if settings.resample != "units":
        counts = [
            image_counts(part.session.brain.stimuli.ids, n_draws=N_DRAWS, seed=settings.seed)
            for part in parts
        ]
        drawn.append(Figures.of(parts, variant, counts).per_site(formula))
    here = Figures.of(parts, variant).per_site(formula)
    ids = [unit for part in parts for unit in _ids(part)]
    units = unit_draws(len(ids), n_draws=N_DRAWS, seed=settings.seed, name=population, ids=ids)
    over_units = nan_mean(here[units], axis=1)
    if settings.resample == "units":
        draws = over_units
    else:
        over_images = nan_mean(drawn[0], axis=1)
        draws = over_images
        if settings.resample == "both":
            both = nan_mean(np.take_along_axis(drawn[0], units, axis=1), axis=1)
            draws = crossed(both, images=over_images, units=over_units)
    what = {"both": "images and units"}.get(settings.resample, settings.resample)
    return interval(draws, what=what, seed=settings.seed, value=value)


def _ids(part: Part) -> list[str]:
    everyone = part.session.brain.neuroids.coords["neuroid_id"].values.astype(str)
    return [str(one) for one in everyone[part.session.varying]]


def null_values(
    parts: Sequence[Part], variant: Variant, *, formula: str, settings: Settings
) -> FloatArray:
    """Value for each shuffle of the images; maps are fitted again, the layer stays as it was chosen.

    The trials of an image stay together, so that signal power and CC_max are those of the data.

    Raises
    ------
    InputError
        Shuffles within objects, and no object is known.
    """
    shuffled = [_shuffled(part, variant, formula, settings) for part in parts]
    return nan_mean(np.concatenate(shuffled, axis=1), axis=1)


def _shuffled(part: Part, variant: Variant, formula: str, settings: Settings) -> FloatArray:
    """Value of each site for each shuffle, draw x site; several shuffles are fitted as so many sites."""
    Y = mean_response(part.trials)
    fitted, shown = part.session.fitted, part.session.brain.stimuli.metadata
    orders = shuffles(
        len(Y),
        kind=settings.null or "images",
        objects=shown["object_name"].to_numpy(str) if "object_name" in shown else None,
        n_draws=settings.null_draws,
        seed=settings.seed,
        name=part.session.name,
    )
    size = max(1, _COLUMNS // Y.shape[1])
    rows = []
    for some in (orders[first : first + size] for first in range(0, len(orders), size)):
        wide = np.concatenate([Y[order] for order in some], axis=1)
        again = replace(
            fitted,
            predicted=fitted.again(wide),
            observed=[wide[fold.test] for fold in fitted.folds],
        )
        mixed = replace(
            part,
            session=replace(part.session, fitted=again),
            power=Power(*(np.tile(x, len(some)) for x in astuple(part.power))),
        )
        rows.append(Figures.of([mixed], variant).per_site(formula).reshape(len(some), -1))
    return np.concatenate(rows)


def summary(parts: Sequence[Part], variant: Variant) -> dict[str, Any]:
    """Further figures: both variants, CC_norm with its sign, jackknife, CC_max, SPE, chance, counts."""
    figures = {name: Figures.of(parts, name) for name in VARIANTS}
    found = [one for part in parts for one in part.explained(variant)]
    signed = figures[variant].signed
    spe = np.concatenate([_mean_spe(part, variant) for part in parts])
    chance = np.concatenate([chance_level(one.n_stimuli, one.cc_max) for one in found])
    cc_max = figures[variant].cc_max
    n_trials = np.concatenate([part.power.n_trials for part in parts])
    return {
        "cc_norm2": {
            name: float(np.nanmean(one.per_site("r2/c"))) for name, one in figures.items()
        },
        "cc_norm": {"mean": float(np.nanmean(signed)), "median": float(np.nanmedian(signed))},
        "cc_norm_jackknife": _jackknife(parts),
        "cc_max": {"mean": float(cc_max.mean()), "median": float(np.median(cc_max))},
        "spe": {"mean": float(np.nanmean(spe)), "median": float(np.nanmedian(spe))},
        "chance_level": float(chance.mean()),
        "test_images": [one.n_stimuli for one in found],
        "trials_used": {"least": int(n_trials.min()), "most": int(n_trials.max())},
        "constant_predictions": sum(_constant(part, variant) for part in parts),
    }


def _jackknife(parts: Sequence[Part]) -> dict[str, float | None]:
    """Mean over sites of the estimate of CC_norm, median of its standard error; None of two trials."""
    found = [part.jackknife() for part in parts]
    estimate = float(nan_mean(np.concatenate([one.estimate for one in found]), axis=0))
    error = float(nan_median(np.concatenate([one.error for one in found])))
    return {
        "mean": estimate if np.isfinite(estimate) else None,
        "error_of_a_site": error if np.isfinite(error) else None,
    }


def _constant(part: Part, variant: Variant) -> int:
    """Sites whose prediction is constant in some set: it counts as 0 there."""
    return int(np.any([one.constant for one in part.explained(variant)], axis=0).sum())


def _mean_spe(part: Part, variant: Variant) -> FloatArray:
    return nan_mean(np.stack([one.spe for one in part.explained(variant)]), axis=0)


def per_unit(parts: Sequence[Part], variant: Variant, formula: str) -> xr.DataArray:
    """Value of each site; as coordinates cc_norm (signed), cc_max, ceiling (cc_max^2), spe, signal_power.

    Raises
    ------
    InputError
        Two sessions that give the same neuroid_id.
    """
    pieces = [_piece(part, variant, formula) for part in parts]
    shared = set.intersection(*(set(map(str, piece.coords)) for piece in pieces))
    columns = {
        key: ("neuroid", np.concatenate([piece.coords[key].values for piece in pieces]))
        for key in map(str, pieces[0].coords)
        if key in shared
    }
    check_unique(columns["neuroid_id"][1], key="neuroid_id", name="all sessions together")
    return xr.DataArray(
        np.concatenate([piece.values for piece in pieces]),
        dims=("neuroid",),
        coords=columns,
        attrs={"units": "CC_norm^2" if formula == "r2/c" else formula},
    )


def _piece(part: Part, variant: Variant, formula: str) -> xr.DataArray:
    counted = part.session.varying
    figures = Figures.of([part], variant)

    def everywhere(figure: FloatArray) -> FloatArray:
        full = np.full(len(counted), np.nan)
        full[counted] = figure
        return full

    known = {
        "cc_norm": figures.signed,
        "cc_max": figures.cc_max,
        "ceiling": figures.cc_max**2,
        "spe": _mean_spe(part, variant),
        "signal_power": part.power.power,
    }
    made = part.session.brain.neuroids.copy(data=everywhere(figures.per_site(formula)))
    made = made.assign_coords({key: ("neuroid", everywhere(x)) for key, x in known.items()})
    if part.session.name:
        made = made.assign_coords(session=("neuroid", np.full(len(counted), part.session.name)))
    return made
