"""Maps of one fold: which layer predicts which sites, and one linear map of it for all time bins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from brainbench.core import progress
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.temporal.best_unit import best_unit
from brainbench.metrics.temporal.components import Reduced
from brainbench.metrics.temporal.shared_map import PreparedFeatures, SharedMap, fit, pls, prepare
from brainbench.metrics.temporal.time_bins import (
    Votes,
    best_layer,
    loss_per_bin,
    over_images,
    share_explained,
)
from brainbench.scoring.dynamics.target import BinnedRecordings
from brainbench.scoring.layer_states import LayerStates
from brainbench.stats.splits import Split


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldFeatures:
    """A layer's features for the map of one fold."""

    reduced: Reduced  # stimulus x feature x state
    shares: FloatArray  # bin x state, share of each state in each bin
    fold: Split
    inner: Sequence[Split]  # folds of the training images, by which a penalty is chosen

    @property
    def scores(self) -> AnyArray:
        return self.reduced.scores

    @cached_property
    def prepared(self) -> PreparedFeatures:
        """The features' side of a ridge map."""
        return prepare(self.scores, self.fold.train, folds=self.inner, weights=self.shares)

    def predict(self, shared_map: SharedMap) -> FloatArray:
        """Return predictions of the held-out images, stimulus x site x bin."""
        return shared_map.predict(self.scores[self.fold.test], weights=self.shares)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerInFold:
    """A layer and the sites that it predicts in one fold."""

    layer: LayerStates
    sites: IntArray  # numbers of the sites that the layer predicts
    fold: Split
    inner: Sequence[Split]  # see `FoldFeatures`
    n_components: int | None  # see `LayerStates.reduced`

    def features(self) -> FoldFeatures:
        """Return the features, made anew at each call."""
        return FoldFeatures(
            reduced=self.layer.reduced(self.fold.train, n_components=self.n_components),
            shares=self.layer.shares,
            fold=self.fold,
            inner=self.inner,
        )

    def describe(self, features: FoldFeatures) -> dict[str, Any]:
        return {
            "layer": self.layer.layer,
            "features": self.layer.n_features,
            "states": features.shares.shape[1],
            "used": features.scores.shape[1],
            "variance_kept": features.reduced.kept,
            "images": features.reduced.n_images,
        }


# --- how a map is fitted ---------------------------------------------------------------------------


class MapFitter(ABC):
    """How one map for all time bins is fitted to responses."""

    chooses_penalty: ClassVar[bool] = False
    """Whether folds inside the training images choose a penalty for each site."""

    @abstractmethod
    def fit(
        self, features: FoldFeatures, Y: FloatArray, penalty: FloatArray | None = None
    ) -> SharedMap:
        """Return the map fitted to the training images.

        Parameters
        ----------
        features : FoldFeatures
            The model's side.
        Y : array, stimulus x site x bin
            Responses to all images.
        penalty : array, site, or None
            Penalties of the maps fitted to the real responses, where `Y` is shuffled: it has nothing to
            choose a penalty by. None chooses; maps without a penalty ignore it.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return name and options of the map, for the record."""


@dataclass(frozen=True)
class RidgeFitter(MapFitter):
    """Ridge in closed form, with each site's own penalty."""

    chooses_penalty: ClassVar[bool] = True

    def fit(
        self, features: FoldFeatures, Y: FloatArray, penalty: FloatArray | None = None
    ) -> SharedMap:
        return fit(features.prepared, Y, penalty=penalty)

    def describe(self) -> dict[str, Any]:
        return {"map": "ridge, one for all time bins", "descent": None}


@dataclass(frozen=True)
class UnitFitter(MapFitter):
    """The unit nearest to each site, without a mixture of units."""

    def fit(
        self, features: FoldFeatures, Y: FloatArray, penalty: FloatArray | None = None
    ) -> SharedMap:
        return best_unit(features.scores, Y, features.fold.train, weights=features.shares)

    def describe(self) -> dict[str, Any]:
        return {"map": "the nearest unit, one for all time bins", "descent": None}


@dataclass(frozen=True, kw_only=True)
class DescentFitter(MapFitter):
    """Stochastic gradient descent, as published."""

    options: Mapping[str, Any]  # of `metrics.temporal.gradient_descent.Descent`
    seed: int  # of the order of images, where the options give none

    def fit(
        self, features: FoldFeatures, Y: FloatArray, penalty: FloatArray | None = None
    ) -> SharedMap:
        # Torch takes a second to load: only where it is asked for.
        from brainbench.metrics.temporal.gradient_descent import Descent, sgd

        descent = Descent(**{"seed": self.seed, **self.options})
        return sgd(
            features.scores, Y, features.fold.train, weights=features.shares, descent=descent
        )

    def describe(self) -> dict[str, Any]:
        return {"map": "sgd, one for all time bins", "descent": dict(self.options)}


@dataclass(frozen=True, kw_only=True)
class PlsFitter(MapFitter):
    """PLS2, all sites jointly."""

    n_components: int  # latent dimensions
    solver: Literal["exact", "nipals"]

    def fit(
        self, features: FoldFeatures, Y: FloatArray, penalty: FloatArray | None = None
    ) -> SharedMap:
        return pls(
            features.scores,
            Y,
            features.fold.train,
            weights=features.shares,
            n_components=self.n_components,
            solver=self.solver,
        )

    def describe(self) -> dict[str, Any]:
        return {
            "map": f"PLS2, one for all time bins, {self.solver}",
            "components": self.n_components,
        }


# --- maps of a fold --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Ballot:
    """Which layer serves which array of electrodes in one fold, and by what."""

    votes: Mapping[str, Votes]  # of each array
    # For each layer, variance explained by maps of single bins, site x bin, over left-out training images;
    # empty where there was one layer alone.
    explained: Mapping[str, FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldFit:
    """Held-out predictions of the maps of one fold."""

    fold: Split
    ballot: Ballot
    predicted: FloatArray  # held-out image x site x bin
    penalty: FloatArray  # of each site; NaN for maps without one
    # For each map, how many features it got and how they were reduced.
    features: Sequence[dict[str, Any]]


def vote(
    candidates: Sequence[LayerStates],
    recordings: BinnedRecordings,
    fold: Split,
    inner: Sequence[Split],
) -> Ballot:
    """Return the layer of each array of electrodes: least loss of maps of single bins, for most sites."""
    arrays = recordings.arrays
    if len(candidates) == 1:
        only = candidates[0].layer
        sole = {name: Votes(only, {only: len(sites)}) for name, sites in arrays.items()}
        return Ballot(votes=sole, explained={})
    losses = {}
    title = f"choosing among {len(candidates)} layers"
    with progress.current().task(title, len(candidates)) as advance:
        for candidate in candidates:
            losses[candidate.layer] = loss_per_bin(
                candidate.reduced(fold.train).scores,
                recordings.responses,
                fold.train,
                folds=inner,
                weights=candidate.shares,
            )
            advance(1)
    mean_losses = {layer: loss.mean(axis=1) for layer, loss in losses.items()}
    votes = {
        name: best_layer({layer: loss[sites] for layer, loss in mean_losses.items()})
        for name, sites in arrays.items()
    }
    trained = recordings.responses[fold.train]
    explained = {layer: share_explained(loss, trained) for layer, loss in losses.items()}
    return Ballot(votes=votes, explained=explained)


def layers_in_fold(
    candidates: Sequence[LayerStates],
    recordings: BinnedRecordings,
    ballot: Ballot,
    fold: Split,
    inner: Sequence[Split],
    *,
    n_components: int | None,
) -> list[LayerInFold]:
    """Return the layers that some array was assigned to, each with the sites of all its arrays."""
    layers = []
    for candidate in candidates:
        served = [
            sites
            for name, sites in recordings.arrays.items()
            if ballot.votes[name].layer == candidate.layer
        ]
        if served:
            layers.append(
                LayerInFold(
                    layer=candidate,
                    sites=np.concatenate(served),
                    fold=fold,
                    inner=inner,
                    n_components=n_components,
                )
            )
    return layers


def fit_fold(
    layers: Sequence[LayerInFold],
    fitter: MapFitter,
    recordings: BinnedRecordings,
    ballot: Ballot,
    fold: Split,
) -> FoldFit:
    """Fit the map of each layer to the sites that it predicts."""
    _, n_sites, n_bins = recordings.responses.shape
    predicted = np.empty((len(fold.test), n_sites, n_bins))
    penalty = np.full(n_sites, np.nan)
    descriptions = []
    for layer in layers:
        features = layer.features()
        shared_map = fitter.fit(features, recordings.responses[:, layer.sites])
        predicted[:, layer.sites] = features.predict(shared_map)
        if shared_map.penalty is not None:
            penalty[layer.sites] = shared_map.penalty
        descriptions.append(layer.describe(features))
    return FoldFit(
        fold=fold, ballot=ballot, predicted=predicted, penalty=penalty, features=descriptions
    )


def shuffled_correlations(
    layers: Sequence[LayerInFold],
    fitter: MapFitter,
    recordings: BinnedRecordings,
    penalty: FloatArray,
    orders: IntArray,
) -> FloatArray:
    """Return held-out correlations of maps fitted to shuffled images, shuffle x site x bin.

    `penalty` of each site is that of the map fitted to the real responses, NaN for maps without one; row k of
    the responses under a shuffle is row `orders[shuffle, k]`.
    """
    r = np.empty((len(orders), *recordings.responses.shape[1:]))
    for layer in layers:
        features, sites = layer.features(), layer.sites
        responses = recordings.responses[:, sites]
        penalties = penalty[sites] if fitter.chooses_penalty else None
        for shuffle, order in enumerate(orders):
            Y = responses[order]
            predicted = features.predict(fitter.fit(features, Y, penalties))
            r[shuffle, sites] = over_images(predicted, Y[layer.fold.test]).r
    return r
