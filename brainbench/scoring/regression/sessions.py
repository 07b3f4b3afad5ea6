"""Maps fitted in each recording session, and results of several sessions put together.

Sessions have stimuli and neuroids of their own and the same number of splits. Split k of all sessions counts
as one split, so that each aggregate runs over the neuroids of all sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import check_unique
from brainbench.core.errors import InputError
from brainbench.scoring.arrays import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.layer_selection import FoldSelection
from brainbench.scoring.recordings import Recordings, least_images
from brainbench.scoring.regression.linear_maps import Features, LinearMap
from brainbench.scoring.regression.nested_selection import select
from brainbench.stats.splits import Split

_COLUMNS = 2048
"""Shuffled sites that are fitted at once: 2,560 stimuli x 2,048 sites are 42 MB."""


class SiteMap(Protocol):
    """A predictor of sites: a linear map, or the model's own units."""

    @property
    def shares_neuroids(self) -> bool: ...
    @property
    def least_images(self) -> int: ...
    def describe(self) -> dict[str, Any]: ...
    def predict(
        self, features: Features, Y: FloatArray, folds: Sequence[Split]
    ) -> list[FloatArray]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionTarget:
    """Recordings of one session, and the sites that are predicted."""

    label: str  # benchmark and session, for error messages
    recordings: Recordings
    sites: BoolArray  # neuroids that are predicted
    responses: FloatArray  # stimulus x predicted site, what maps are fitted to

    @property
    def name(self) -> str:
        return self.recordings.session

    @property
    def trials(self) -> FloatArray | None:
        """Trials of the predicted sites, repetition x stimulus x site; None without repeated trials."""
        trials = self.recordings.trials
        return None if trials is None or len(trials) < 2 else trials[:, :, self.sites]


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionFit:
    """Held-out predictions of one session, by the candidate that was selected for each split."""

    target: SessionTarget
    folds: list[Split]
    selection: FoldSelection  # layer and step of each split
    site_map: SiteMap
    features: Sequence[Features]  # what the map takes of each candidate
    predicted: list[FloatArray]  # held-out stimulus x predicted site, of each split

    @property
    def observed(self) -> list[FloatArray]:
        return [self.target.responses[fold.test] for fold in self.folds]

    @property
    def n_features(self) -> int:
        """Neuroids of the layer that was selected for the first split."""
        candidate: Candidate = self.selection.chosen[0]  # type: ignore[assignment]
        return candidate.n_features

    def refit(self, responses: FloatArray) -> list[FloatArray]:
        """Return held-out predictions of maps fitted to other responses, from the same features.

        Layer and step stay as they were selected: the selection does not look at held-out images, so it
        cannot make a shuffled score larger.
        """
        predict = partial(_predict, self.site_map, self.features, responses)
        return self.selection.predict(self.folds, predict)

    def shuffled(self, orders: IntArray) -> list[tuple[list[FloatArray], list[FloatArray]]]:
        """Return held-out predictions and responses of shuffled images, block of shuffles by block.

        Maps of single sites do not know of each other: many shuffles are fitted as that many sites, side by
        side in the columns.
        """
        Y = self.target.responses
        at_once = 1 if self.site_map.shares_neuroids else max(1, _COLUMNS // Y.shape[1])
        blocks = []
        with progress.current().task(f"{len(orders)} shuffles", len(orders)) as advance:
            for start in range(0, len(orders), at_once):
                block = orders[start : start + at_once]
                wide = np.concatenate([Y[order] for order in block], axis=1)
                blocks.append((self.refit(wide), [wide[fold.test] for fold in self.folds]))
                advance(len(block))
        return blocks


def _predict(
    site_map: SiteMap,
    features: Sequence[Features],
    responses: FloatArray,
    candidate: int,
    folds: list[Split],
) -> list[FloatArray]:
    return site_map.predict(features[candidate], responses, folds)


def fit_session(
    target: SessionTarget,
    candidates: Sequence[Candidate],
    linear_map: LinearMap,
    folds: list[Split],
    *,
    n_pca: int | None,
    n_inner: int,
    seed: int,
) -> SessionFit:
    """Select a layer and step within the training images of each split, and fit the map there."""
    features = [linear_map.features_of(candidate, n_pca=n_pca) for candidate in candidates]
    selection = select(
        candidates,
        features,
        target.responses,
        folds,
        linear_map,
        ids=target.recordings.stimuli.ids,
        strata=target.recordings.strata,
        n_folds=n_inner,
        seed=seed,
        **({"session": target.name} if target.name else {}),
    )
    predict = partial(_predict, linear_map, features, target.responses)
    return SessionFit(
        target=target,
        folds=folds,
        selection=selection,
        site_map=linear_map,
        features=features,
        predicted=selection.predict(folds, predict),
    )


def check_enough_images(
    target: SessionTarget,
    site_map: SiteMap,
    *,
    n_splits: int,
    n_inner: int,
    selecting: bool = False,
    least_per_fold: int = 0,
) -> None:
    """Raise InputError where too few images are left for training.

    Where several layers or steps are to be selected from, inner folds need images too; each fold must hold
    `least_per_fold`.
    """
    training = partial(_training, n_splits=n_splits, n_inner=n_inner, selecting=selecting)
    n, least = len(target.recordings.stimuli), least_per_fold * n_splits
    if n < least or training(n) < site_map.least_images:
        enough = least_images(site_map.least_images, training, start=max(n, least))
        inside = " after its inner folds, which select the layer or step" if selecting else ""
        raise InputError(
            f"{target.label}: {n} images in {n_splits} folds leave {training(n)} for training{inside}, "
            f"{site_map} needs at least {site_map.least_images}",
            allowed=f"at least {enough} images",
            todo="use more images (a larger --limit)",
        )


def _training(n: int, *, n_splits: int, n_inner: int, selecting: bool) -> int:
    """Return the training images of the split, and of its inner fold, that leave out most."""
    left = n - -(-n // n_splits)
    return left - -(-left // n_inner) if selecting else left


def check_distinct_sites(targets: Sequence[SessionTarget]) -> None:
    """Raise InputError where two sessions give the same neuroid_id."""
    ids = np.concatenate([target.recordings.neuroid_ids for target in targets])
    check_unique(ids, key="neuroid_id", name="all sessions together")


def cut_by_session(array: AnyArray, targets: Sequence[SessionTarget]) -> list[AnyArray]:
    """Cut what lies along the predicted sites of all sessions."""
    return np.split(array, np.cumsum([target.sites.sum() for target in targets])[:-1])


def cut_images(
    counts: FloatArray | None, targets: Sequence[SessionTarget]
) -> list[FloatArray | None]:
    """Cut counts of the images of all sessions, draw x image; None stays None for each session."""
    if counts is None:
        return [None] * len(targets)
    sizes = [len(target.recordings.stimuli) for target in targets]
    return list(np.split(counts, np.cumsum(sizes)[:-1], axis=1))


def site_table(
    targets: Sequence[SessionTarget],
    values: FloatArray,
    columns: Mapping[str, FloatArray],
    *,
    units: str,
) -> xr.DataArray:
    """Return figures of the predicted sites as one array over all sites of all sessions.

    `values` and further `columns`, which become coordinates, have an entry for each predicted site; other
    sites get NaN. The array has the coordinates that all sessions have, and `session` where sessions have
    names.
    """
    everywhere = [
        _everywhere(target, part)
        for target, part in zip(targets, cut_by_session(values, targets), strict=True)
    ]
    shared = set.intersection(
        *(set(map(str, target.recordings.neuroids.coords)) for target in targets)
    )
    coords = {
        key: [target.recordings.neuroids.coords[key].values for target in targets]
        for key in map(str, targets[0].recordings.neuroids.coords)
        if key in shared
    }
    for key, column in columns.items():
        parts = zip(targets, cut_by_session(column, targets), strict=True)
        coords[key] = [_everywhere(target, part) for target, part in parts]
    if any(target.name for target in targets):
        coords["session"] = [np.full(len(target.sites), target.name) for target in targets]
    table = {key: ("neuroid", np.concatenate(parts)) for key, parts in coords.items()}
    return xr.DataArray(
        np.concatenate(everywhere), dims=("neuroid",), coords=table, attrs={"units": units}
    )


def _everywhere(target: SessionTarget, figures: FloatArray) -> FloatArray:
    full = np.full(len(target.sites), np.nan)
    full[target.sites] = figures
    return full


def held_out_dataset(fits: Sequence[SessionFit]) -> xr.Dataset:
    """Return held-out predictions and responses, dims (sample, neuroid), of all sessions.

    NaN where a neuroid was not shown a stimulus.
    """
    parts = [_session_dataset(fit) for fit in fits]
    if len(parts) == 1:
        return parts[0]
    shape = tuple(sum(part.sizes[dim] for part in parts) for dim in ("sample", "neuroid"))
    whole = {key: np.full(shape, np.nan) for key in ("predicted", "target")}
    row = column = 0
    for part in parts:
        rows, columns = part.sizes["sample"], part.sizes["neuroid"]
        for key, values in whole.items():
            values[row : row + rows, column : column + columns] = part[key].values
        row, column = row + rows, column + columns
    dims = {"fold": "sample", "stimulus_id": "sample", "neuroid_id": "neuroid"}
    return xr.Dataset(
        {key: (("sample", "neuroid"), values) for key, values in whole.items()},
        coords={
            key: (dim, np.concatenate([part.coords[key].values for part in parts]))
            for key, dim in dims.items()
        },
    )


def _session_dataset(fit: SessionFit) -> xr.Dataset:
    recordings, tests = fit.target.recordings, [fold.test for fold in fit.folds]
    neuroid_ids = recordings.neuroids.coords["neuroid_id"].values[fit.target.sites]
    return xr.Dataset(
        {
            "predicted": (("sample", "neuroid"), np.concatenate(fit.predicted)),
            "target": (("sample", "neuroid"), np.concatenate(fit.observed)),
        },
        coords={
            "fold": ("sample", np.repeat(np.arange(len(tests)), [len(t) for t in tests])),
            "stimulus_id": ("sample", np.asarray(recordings.stimuli.ids)[np.concatenate(tests)]),
            "neuroid_id": ("neuroid", neuroid_ids),
        },
    )
