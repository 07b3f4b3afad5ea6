"""Held-out predictions of one recording session, and figures of several sessions put together.

Sessions have stimuli and neuroids of their own and the same number of splits. Split k of all sessions counts
as one split, so that each aggregate runs over the neuroids of all sessions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import check_unique
from brainbench.core.errors import InputError
from brainbench.core.settings import Null, Resample
from brainbench.metrics.correlation import pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.recordings import Target
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.ceiling import SplitHalf, split_half
from brainbench.stats.held_out_bootstrap import HeldOut, Interval, bootstrap_sessions
from brainbench.stats.permutation import shuffles
from brainbench.stats.splits import Split

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
NOT_REPEATED = "no repeated trials"
_COLUMNS = 2048
"""Shuffled neuroids that are fitted at once: 2,560 stimuli x 2,048 neuroids are 42 MB."""


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
    again : function
        Responses (stimulus, neuroid) -> held-out predictions, split by split, of maps fitted to them from the
        same features: what a permutation null asks for.
    joint : bool
        The neuroids share one map, so that others beside them would change it.
    """

    folds: list[Split]
    predicted: list[FloatArray]
    observed: list[FloatArray]
    chosen: list[Candidate]
    curve: list[dict[str, Any]]
    n_features: int
    again: Callable[[FloatArray], list[FloatArray]]
    joint: bool


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

    @property
    def reliability(self) -> SplitHalf | None:
        """Split-half reliability of the varying neuroids; None with `no_reliability` where there is none."""
        return self._halved[0]

    @property
    def no_reliability(self) -> str | None:
        """Why there is no reliability: no repeated trials, or halves of them that share too little."""
        return self._halved[1]

    @cached_property
    def _halved(self) -> tuple[SplitHalf | None, str | None]:
        trials = self.brain.trials
        if trials is None or len(trials) < 2:
            return None, NOT_REPEATED
        try:
            return split_half(trials[:, :, self.varying], correlate=pearson), None
        except InputError as error:  # a ceiling is missing then, not a score
            return None, error.got

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


def with_reliability(sessions: Sequence[Session]) -> BoolArray:
    """For each varying neuroid of all sessions, whether trials give it a reliability."""
    return np.concatenate(
        [np.full(one.varying.sum(), one.reliability is not None) for one in sessions]
    )


def without_reliability(sessions: Sequence[Session]) -> dict[str, int]:
    """Reason -> how many varying neuroids have no reliability for it."""
    found: Counter[str] = Counter()
    for one in sessions:
        if one.no_reliability is not None:
            found[one.no_reliability] += int(one.varying.sum())
    return dict(found)


def notes(sessions: Sequence[Session]) -> list[str]:
    """Sessions whose trials were repeated and give no reliability all the same, for the record."""
    return [
        f"no ceiling{f' of session {one.name}' if one.name else ''}: {one.no_reliability}"
        for one in sessions
        if one.no_reliability not in (None, NOT_REPEATED)
    ]


def reliabilities(sessions: Sequence[Session]) -> FloatArray:
    """Split-half reliability of each varying neuroid of all sessions; NaN where there is none."""
    return nan_mean(_reliability_by_split(sessions), axis=0)


def ceiling(sessions: Sequence[Session], counted: BoolArray) -> float:
    """Reliability c of the neuroids that count: median in each split of the trials, mean over splits."""
    return float(median_then_mean(_reliability_by_split(sessions)[:, counted]))


def _reliability_by_split(sessions: Sequence[Session]) -> FloatArray:
    """Split of the trials x varying neuroid of all sessions."""
    known = [None if (half := one.reliability) is None else half.per_split for one in sessions]
    n_splits = max((len(found) for found in known if found is not None), default=1)
    unknown = (np.full((n_splits, one.varying.sum()), np.nan) for one in sessions)
    pairs = zip(known, unknown, strict=True)
    return np.concatenate([none if found is None else found for found, none in pairs], axis=1)


def interval(
    sessions: Sequence[Session],
    counted: BoolArray,
    *,
    aggregate: Callable[[FloatArray], FloatArray],
    formula: str,
    resample: Resample,
    seed: int,
    population: str,
) -> Interval:
    """Interval over the neuroids that count; see `bootstrap_sessions`."""
    pairs = zip(sessions, _by_session(counted, sessions), strict=True)
    held_out = [_held_out(one, mine, formula) for one, mine in pairs if mine.any()]
    return bootstrap_sessions(
        held_out,
        aggregate=aggregate,
        formula=formula,
        resample=resample,
        seed=seed,
        population=population,
    )


def _held_out(one: Session, counted: BoolArray, formula: str) -> HeldOut:
    columns = np.flatnonzero(one.varying)[counted]
    names = one.brain.neuroids.coords["neuroid_id"].values[columns]
    trials = None
    if formula != "raw" and one.brain.trials is not None:
        trials = one.brain.trials[:, :, columns]
    return HeldOut(
        predictions=[predicted[:, counted] for predicted in one.fitted.predicted],
        targets=[observed[:, counted] for observed in one.fitted.observed],
        rows=[fold.test for fold in one.fitted.folds],
        ids=one.brain.stimuli.ids,
        units=names.astype(str).tolist(),
        trials=trials,
    )


def _by_session(array: npt.NDArray[Any], sessions: Sequence[Session]) -> list[npt.NDArray[Any]]:
    """Cut what lies along the varying neuroids of all sessions."""
    return np.split(array, np.cumsum([one.varying.sum() for one in sessions])[:-1])


def null_correlations(
    sessions: Sequence[Session], *, kind: Null, n_draws: int, seed: int
) -> FloatArray:
    """Correlations of maps fitted to shuffled images, draw x split x varying neuroid of all sessions.

    Each session is shuffled by itself. Layer and step stay as they were chosen: the choice does not look at
    held-out images, so it cannot make a shuffled score larger.
    """
    return np.concatenate(
        [_null_correlations(one, kind, n_draws, seed) for one in sessions], axis=2
    )


def _null_correlations(one: Session, kind: Null, n_draws: int, seed: int) -> FloatArray:
    Y = one.brain.values[:, one.varying]
    names = one.brain.stimuli.metadata
    objects = names["object_name"].to_numpy(str) if "object_name" in names else None
    orders = shuffles(len(Y), kind=kind, objects=objects, n_draws=n_draws, seed=seed, name=one.name)
    # Maps of single neuroids do not know of each other: many shuffles are fitted as so many neuroids.
    at_once = 1 if one.fitted.joint else max(1, _COLUMNS // Y.shape[1])
    drawn = []
    with progress.current().task(f"{n_draws} shuffles", n_draws) as advance:
        for start in range(0, n_draws, at_once):
            some = orders[start : start + at_once]
            shuffled = np.concatenate([Y[order] for order in some], axis=1)
            pairs = zip(one.fitted.again(shuffled), one.fitted.folds, strict=True)
            r = np.stack([pearson(predicted, shuffled[fold.test]) for predicted, fold in pairs])
            drawn.append(r.reshape(len(r), len(some), -1).swapaxes(0, 1))
            advance(len(some))
    return np.concatenate(drawn)


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
        where there is no reliability) where any of them has one.

    Raises
    ------
    InputError
        Two sessions that give the same neuroid_id.
    """
    pieces = [
        one.per_unit(part) for one, part in zip(sessions, _by_session(r, sessions), strict=True)
    ]
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
