"""Linear maps from a model to the sites of a region: PLS, ridge, least squares, single units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import pearson_of_predictions
from brainbench.metrics.features import EPS, Chunks, principal_scores
from brainbench.metrics.gram import Gram, as_gram, pca
from brainbench.metrics.linear import matching, neuron_to_neuron, pls, ridge
from brainbench.metrics.linear.folds import block
from brainbench.scoring.layer_candidates import Candidate
from brainbench.stats.splits import Split


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldFeatures:
    """Features of all stimuli that differ between folds: principal components of the training stimuli."""

    by_fold: Sequence[FloatArray]  # stimulus x component, of each fold


LayerFeatures: TypeAlias = FloatArray | Gram | Chunks
"""Features, their inner products, or a function that yields chunks of features."""
Features: TypeAlias = LayerFeatures | FoldFeatures
"""Input of a map."""
MapName: TypeAlias = Literal["pls", "ridge", "ridge-cv", "linear", "neuron-to-neuron", "one-to-one"]
MAPS: tuple[MapName, ...] = ("pls", "ridge", "ridge-cv", "linear", "neuron-to-neuron", "one-to-one")
"""Maps by name; docs/measures.md says what each does."""

_OF_UNITS = ("neuron-to-neuron", "one-to-one")
PENALTY = 1.0
"""Penalty of `ridge`, in the units of X'X, as in Brain-Score."""


class FeatureMap(Protocol):
    """A map from features to sites: a linear one, or an estimator of the user."""

    @property
    def least_images(self) -> int: ...
    @property
    def shares_neuroids(self) -> bool: ...
    @property
    def one_thread(self) -> bool: ...
    @property
    def constant_counts(self) -> bool: ...
    @property
    def pca(self) -> str: ...
    def describe(self) -> dict[str, Any]: ...
    def features_of(self, candidate: Candidate) -> LayerFeatures: ...
    def within(self, features: LayerFeatures, folds: Sequence[Split]) -> Features: ...
    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]: ...
    def correlations(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> FloatArray: ...


@dataclass(frozen=True, kw_only=True)
class LinearMap:
    """A linear map, fitted to the training images of each split.

    Raises
    ------
    UnknownNameError
        No such map.
    """

    metric: MapName = "pls"
    n_components: int = 25  # latent dimensions of `pls`
    solver: Literal["exact", "nipals"] = "exact"  # of `pls`
    # All neuroids jointly, with one of Brain-Score's penalties; otherwise one neuroid at a time,
    # each with a penalty of its own, selected on a scale of the features' variance.
    joint: bool = False
    # Principal components that replace the features, fitted to the training images of each fold; None
    # keeps all features. Single units are never replaced.
    n_pca: int | None = None
    seed: int = 0  # of the units that `one-to-one` draws where there are many

    def __post_init__(self) -> None:
        if self.metric not in MAPS:
            raise unknown("linear map", self.metric, list(MAPS), todo="choose one of these")
        if self.n_pca is not None and self.n_pca < 1:
            raise InputError(
                f"n_pca = {self.n_pca} principal components",
                allowed="1 or more, or None for all features",
                todo="omit n_pca for 1000, or give at least 1",
            )

    @property
    def least_images(self) -> int:
        return self.n_components + 1 if self.metric == "pls" else 2

    @property
    def shares_neuroids(self) -> bool:
        """Whether further neuroids change the predictions of a neuroid."""
        return self.metric == "one-to-one" or (self.joint and self.metric in ("pls", "ridge-cv"))

    @property
    def reduces(self) -> bool:
        """Whether the map may be given inner products or principal components in place of the features."""
        return self.metric not in _OF_UNITS

    @property
    def one_thread(self) -> bool:
        """Whether a selection must fit in one thread: scikit-learn's iteration runs with its warnings off."""
        return self.solver != "exact"

    @property
    def constant_counts(self) -> bool:
        """Whether a constant prediction has r = 0, else none: a matched unit may be silent."""
        return self.metric == "one-to-one"

    @property
    def pca(self) -> str:
        """Which principal components replace the features, for the record."""
        if self.n_pca is None or not self.reduces:
            return "none"
        return (
            f"at most {self.n_pca}, fitted on the training images of each fold, without responses"
        )

    def __str__(self) -> str:
        return f"PLS with {self.n_components} components" if self.metric == "pls" else self.metric

    def describe(self) -> dict[str, Any]:
        if self.metric == "pls":
            return {
                "map": "PLS2" if self.joint else "PLS1",
                "solver": self.solver,
                "components": self.n_components,
            }
        if self.metric == "ridge":
            return {"map": "ridge", "penalty": PENALTY}
        if self.metric == "ridge-cv":
            grid = ridge.BRAINSCORE if self.joint else ridge.RELATIVE
            return {
                "map": "ridge-cv",
                "penalties": grid.tolist(),
                "penalties_relative": not self.joint,
                "penalty_chosen": "by leaving out each training image, or group of images, "
                + ("one for all sites" if self.joint else "for each site"),
            }
        if self.metric == "linear":
            return {"map": "least squares, of least norm where features outnumber images"}
        if self.metric == "one-to-one":
            return {
                "map": "one unit for each site, none for two: the largest sum of r over the training images",
                "most_units": matching.MOST_UNITS,
            }
        return {"map": "the single unit that correlates best over the training images"}

    def features_of(self, candidate: Candidate) -> LayerFeatures:
        """Return what this map takes of a layer, the same for all folds."""
        if not self.reduces:
            return candidate.chunks
        products = candidate.gram()
        # scikit-learn's iteration needs features: all principal components are as good.
        nipals = self.metric == "pls" and self.solver == "nipals" and self.joint
        return pca(products, products.n_stimuli) if nipals else products

    def within(self, features: LayerFeatures, folds: Sequence[Split]) -> Features:
        """Return what the map of each fold is fitted to: components of its training stimuli, or `features`.

        As many components as the training stimuli span are a rotation, which these maps do not see.
        """
        if self.n_pca is None or callable(features):
            return features
        products = as_gram(features)
        if self.n_pca >= min(max(len(fold.train) for fold in folds) - 1, products.n_features):
            return features
        return FoldFeatures(
            by_fold=[
                principal_scores(
                    products.K[:, fold.train],
                    fold.train,
                    most=min(self.n_pca, len(fold.train) - 1, products.n_features),
                    rounding=len(fold.train) * EPS,
                )[0]
                for fold in folds
            ]
        )

    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]:
        """Return held-out predictions, held-out stimulus x neuroid, from what `within` gave for the folds.

        `groups` has which stimuli `ridge-cv` leaves out together, to choose its penalty.
        """
        if isinstance(features, FoldFeatures):
            pairs = zip(features.by_fold, folds, strict=True)
            return [self.predict(scores, Y, [fold], groups=groups)[0] for scores, fold in pairs]
        if self.metric in _OF_UNITS and not isinstance(features, Gram):
            if self.metric == "one-to-one":
                return matching.one_to_one(features, Y, folds, seed=self.seed)
            return neuron_to_neuron.cross_predict(features, Y, folds)
        if self.metric in _OF_UNITS or callable(features):
            raise InputError(
                f"{type(features).__name__} as features for {self.metric}",
                allowed=f"features or chunks of them for {', '.join(_OF_UNITS)}, inner products for others",
                todo="make them with LinearMap.features_of",
            )
        if self.metric == "pls":
            return pls.cross_predict(
                features,
                Y,
                folds,
                n_components=self.n_components,
                kind="pls2" if self.joint else "pls1",
                solver=self.solver,
            )
        return ridge.cross_predict(features, Y, folds, groups=groups, **self._penalties())

    def correlations(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> FloatArray:
        """Return r of held-out predictions, fold x neuroid."""
        predicted = self.predict(features, Y, folds, groups=groups)
        return held_out_correlations(predicted, Y, folds, constant_counts=self.constant_counts)

    def _penalties(self) -> dict[str, Any]:
        if self.metric == "linear":
            return {"penalties": 0.0}
        if self.metric == "ridge":
            return {"penalties": PENALTY}
        if self.joint:
            return {"penalties": ridge.BRAINSCORE}
        return {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}


def held_out_correlations(
    predicted: Sequence[FloatArray], Y: FloatArray, folds: Sequence[Split], *, constant_counts: bool
) -> FloatArray:
    """Return r of held-out predictions, fold x neuroid; see `pearson_of_predictions`."""
    return np.stack(
        [
            pearson_of_predictions(held_out, Y[fold.test], constant_counts=constant_counts)
            for held_out, fold in zip(predicted, folds, strict=True)
        ]
    )


def rows_of(features: LayerFeatures, rows: IntArray) -> LayerFeatures:
    """Return the features of some stimuli."""
    if isinstance(features, Gram):
        return Gram(block(features.K, rows, rows), features.n_features)
    if callable(features):
        return lambda: (chunk[rows] for chunk in features())
    return features[rows]
