"""Held-out predictions of one recording session, and figures of several sessions put together.

Sessions have stimuli and neuroids of their own and the same number of splits. Split k of all sessions counts
as one split, so that each aggregate runs over the neuroids of all sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.assembly import check_unique
from brainbench.metrics.correlation import pearson
from brainbench.procedures.candidates import Candidate
from brainbench.procedures.recordings import Target
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.bootstrap import HeldOut, Interval, bootstrap_sessions
from brainbench.stats.ceiling import SplitHalf, split_half
from brainbench.stats.splits import Split

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """One session: what was recorded, which neuroids vary, and how these were predicted.

    Parameters
    ----------
    name : str
        Name of the session; empty for data without sessions.
    brain : Target
        What was recorded.
    varying : array of bool, neuroid
        Neuroids whose response varies with the stimulus: the others have no prediction.
    fitted : Fitted
        Held-out predictions.
    """

    name: str
    brain: Target
    varying: BoolArray
    fitted: Fitted

    @cached_property
    def r(self) -> FloatArray:
        """Correlation in each split, split x varying neuroid."""
        pairs = zip(self.fitted.predicted, self.fitted.observed, strict=True)
        return np.stack([pearson(predicted, observed) for predicted, observed in pairs])

    @cached_property
    def reliability(self) -> SplitHalf | None:
        """Split-half reliability of the varying neuroids; None without repeated trials."""
        trials = self.brain.trials
        if trials is None or len(trials) < 2:
            return None
        return split_half(trials[:, :, self.varying], correlate=pearson)

    def per_unit(self, r: FloatArray) -> xr.DataArray:
        """Figures of the varying neuroids as an array over all neuroids, with coordinates and ceiling."""
        full = self.brain.neuroids.copy(data=np.full(len(self.varying), np.nan))
        full.values[self.varying] = r
        if self.reliability is not None:
            per_site = np.full(len(self.varying), np.nan)
            per_site[self.varying] = self.reliability.per_neuroid
            full = full.assign_coords(ceiling=("neuroid", per_site))
        if self.name:
            names = np.full(len(self.varying), self.name)
            full = full.assign_coords(session=("neuroid", names))
        return full

    def predictions(self) -> xr.Dataset:
        """Held-out predictions and targets, dims (sample, neuroid)."""
        ids = np.asarray(self.brain.stimuli.ids)
        tests = [fold.test for fold in self.fitted.folds]
        return xr.Dataset(
            {
                "predicted": (("sample", "neuroid"), np.concatenate(self.fitted.predicted)),
                "target": (("sample", "neuroid"), np.concatenate(self.fitted.observed)),
            },
            coords={
                "fold": ("sample", np.repeat(np.arange(len(tests)), [len(t) for t in tests])),
                "stimulus_id": ("sample", ids[np.concatenate(tests)]),
                "neuroid_id": (
                    "neuroid",
                    self.brain.neuroids.coords["neuroid_id"].values[self.varying],
                ),
            },
        )


def correlations(sessions: Sequence[Session]) -> FloatArray:
    """Correlation in each split, split x varying neuroid of all sessions."""
    return np.concatenate([one.r for one in sessions], axis=1)


def with_trials(sessions: Sequence[Session]) -> BoolArray:
    """For each varying neuroid of all sessions, whether its trials were repeated."""
    return np.concatenate(
        [np.full(one.varying.sum(), one.reliability is not None) for one in sessions]
    )


def ceiling(sessions: Sequence[Session]) -> float | None:
    """Reliability c of all neuroids with repeated trials: median in each split, mean over splits."""
    known = [one.reliability.per_split for one in sessions if one.reliability is not None]
    return float(median_then_mean(np.concatenate(known, axis=1))) if known else None


def interval(
    sessions: Sequence[Session],
    *,
    aggregate: Callable[[FloatArray], FloatArray],
    seed: int,
) -> Interval:
    """Interval of an aggregate over sessions, images resampled within each of them."""
    held_out = [
        HeldOut(
            predictions=one.fitted.predicted,
            targets=one.fitted.observed,
            rows=[fold.test for fold in one.fitted.folds],
        )
        for one in sessions
    ]
    return bootstrap_sessions(held_out, aggregate=aggregate, seed=seed)


def per_unit(sessions: Sequence[Session], r: FloatArray) -> xr.DataArray:
    """Figures of the varying neuroids of all sessions as one array over all neuroids.

    Parameters
    ----------
    sessions : sequence of Session
        In the order of `r`.
    r : array, varying neuroid of all sessions
        Mean correlation over splits.

    Returns
    -------
    DataArray
        With the coordinates that all sessions have, `session` where there are several, and `ceiling` (NaN
        where no trial was repeated) where any of them has one.

    Raises
    ------
    InputError
        Two sessions that give the same neuroid_id.
    """
    ends = np.cumsum([one.varying.sum() for one in sessions])[:-1]
    pieces = [one.per_unit(part) for one, part in zip(sessions, np.split(r, ends), strict=True)]
    if any("ceiling" in piece.coords for piece in pieces):
        pieces = [_with_ceiling(piece) for piece in pieces]
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
        attrs={"units": "Pearson r"},
    )


def _with_ceiling(piece: xr.DataArray) -> xr.DataArray:
    if "ceiling" in piece.coords:
        return piece
    return piece.assign_coords(ceiling=("neuroid", np.full(piece.sizes["neuroid"], np.nan)))


def predictions(sessions: Sequence[Session]) -> xr.Dataset:
    """Held-out predictions and targets of all sessions; NaN where a neuroid was not shown a stimulus."""
    pieces = [one.predictions() for one in sessions]
    if len(pieces) == 1:
        return pieces[0]
    shape = tuple(sum(piece.sizes[dim] for piece in pieces) for dim in ("sample", "neuroid"))
    whole = {key: np.full(shape, np.nan) for key in ("predicted", "target")}
    row = column = 0
    for piece in pieces:
        rows, columns = piece.sizes["sample"], piece.sizes["neuroid"]
        for key, values in whole.items():
            values[row : row + rows, column : column + columns] = piece[key].values
        row, column = row + rows, column + columns
    along = {"fold": "sample", "stimulus_id": "sample", "neuroid_id": "neuroid"}
    return xr.Dataset(
        {key: (("sample", "neuroid"), values) for key, values in whole.items()},
        coords={
            key: (dim, np.concatenate([piece.coords[key].values for piece in pieces]))
            for key, dim in along.items()
        },
    )
