"""Estimators with scikit-learn's interface as maps from a model to the sites of a region."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.user_code import UserModule, module_of
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.features import Chunks, check_finite, column_chunks
from brainbench.metrics.linear.folds import check_responses, check_split
from brainbench.scoring.layer_candidates import Candidate
from brainbench.scoring.regression.linear_maps import (
    Features,
    LayerFeatures,
    held_out_correlations,
)
from brainbench.stats.splits import Split

_told: set[str] = set()  # warnings of estimators, each said once in a process


@runtime_checkable
class Estimator(Protocol):
    """What scikit-learn calls a regressor: `fit(X, Y)`, then `predict(X)`."""

    def fit(self, X: Any, y: Any) -> Any: ...
    def predict(self, X: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class EstimatorMap:
    """An estimator as a map from features to sites, a clone of it fitted in each split.

    Parameters
    ----------
    estimator : Estimator
        An instance. Its parameters named random_state get `seed` where they are None.
    seed : int
        Seed of estimators that draw random numbers.

    Raises
    ------
    InputError
        No instance, no fit or predict, a classifier, a clusterer or the like, or an object whose code or
        parameters cannot be inspected, so that a change of it would not be noticed.

    Notes
    -----
    Features are those of the layer, float64, never replaced by principal components: an estimator takes
    components itself, inside the training images of each fold, as `make_pipeline(PCA(1000), Ridge())`.

    One that takes several outputs, by scikit-learn's tags, or has no tags, is fitted to all sites together;
    any other is fitted to one site at a time.
    """

    estimator: Any
    seed: int = 0

    pca = "none"
    least_images = 2
    # Warnings are caught, which only one thread may do at a time; nor need estimators be safe in several.
    one_thread = True
    # One that selects features may select none.
    constant_counts = True

    def __post_init__(self) -> None:
        _check_estimator(self.estimator)
        _ = self.digest

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name of the class."""
        return type(self.estimator).__name__

    @cached_property
    def unfitted(self) -> Any:
        """The estimator without what it may have learned, its random numbers seeded."""
        try:
            fresh = _clone(self.estimator)
        except Exception as error:
            raise InputError(
                f"estimator {self.name!r}, which cannot be copied: {type(error).__name__}: {error}",
                allowed="an estimator of which sklearn.base.clone makes another, not yet fitted",
                todo="keep each parameter of __init__ unchanged under its name",
            ) from error
        if hasattr(fresh, "get_params") and hasattr(fresh, "set_params"):
            unseeded = {
                key: self.seed
                for key, value in fresh.get_params(deep=True).items()
                if value is None and key.rpartition("__")[2] == "random_state"
            }
            fresh.set_params(**unseeded)
        return fresh

    @cached_property
    def joint(self) -> bool:
        """Whether it is fitted to all sites together."""
        tags = _tags(self.estimator) if _has_tags(self.estimator) else None
        return tags is None or bool(tags.target_tags.multi_output)

    @property
    def shares_neuroids(self) -> bool:
        return self.joint

    @cached_property
    def digest(self) -> str:
        """SHA-256 over parameters and code: syntax of the user's modules, versions of libraries."""
        from brainbench.models.digests import digest_of

        try:
            return digest_of(self.unfitted, name=self.name)
        except InputError as error:
            raise InputError(
                error.got.replace("model ", "estimator ", 1),
                allowed="parameters and globals that are plain values, arrays, functions or objects of these",
                todo="give seeds as numbers (random_state=0), and hold nothing else in the estimator",
            ) from error

    def config(self) -> dict[str, Any]:
        """Return class, parameters and digest as plain values: part of the key of a stored score."""
        return {
            "class": f"{_origin(type(self.estimator))}: {self.name}",
            "parameters": _parameters(self.unfitted),
            "digest": self.digest,
        }

    def describe(self) -> dict[str, Any]:
        return {
            "map": self.name,
            "estimator": self.config(),
            "fitted_to": "all sites together" if self.joint else "one site at a time",
        }

    def features_of(self, candidate: Candidate) -> Chunks:
        """Return the features of a layer in chunks, put together where they are used.

        InputError where none of them varies.
        """
        if not candidate.varies():
            raise InputError(
                f"layer {candidate.layer!r} responds the same to all stimuli",
                allowed="a layer whose responses vary with the stimulus",
                todo="check the preprocessing and the layer's name",
            )
        return candidate.chunks

    def within(self, features: LayerFeatures, folds: Sequence[Split]) -> Features:
        """Return the features as they are."""
        return features

    def predict(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> list[FloatArray]:
        """Return held-out predictions, held-out stimulus x neuroid.

        InputError where the estimator cannot be fitted, or predicts another shape, NaN or infinite values.
        """
        X = _matrix(features)
        Y = check_responses(Y, len(X))
        with _noting_warnings(self.name):
            return [
                self._held_out(X, Y, Split(*check_split(fold, len(X), least=self.least_images)))
                for fold in folds
            ]

    def correlations(
        self,
        features: Features,
        Y: FloatArray,
        folds: Sequence[Split],
        *,
        groups: AnyArray | None = None,
    ) -> FloatArray:
        """Return r of held-out predictions, fold x neuroid; 0 for a constant prediction."""
        predicted = self.predict(features, Y, folds)
        return held_out_correlations(predicted, Y, folds, constant_counts=self.constant_counts)

    def _held_out(self, X: FloatArray, Y: FloatArray, fold: Split) -> FloatArray:
        if self.joint:
            # scikit-learn takes a single output as a vector; an own class without tags always gets columns.
            single = Y.shape[1] == 1 and _has_tags(self.estimator)
            return self._fit_predict(X, Y[:, 0] if single else Y, fold).reshape(-1, Y.shape[1])
        return np.column_stack([self._fit_predict(X, y, fold) for y in Y.T])

    def _fit_predict(self, X: FloatArray, Y: FloatArray, fold: Split) -> FloatArray:
        try:
            fitted = _clone(self.unfitted)
            fitted.fit(X[fold.train], Y[fold.train])
            predicted = np.asarray(fitted.predict(X[fold.test]))
        except Exception as error:
            raise InputError(
                f"{self.name} fails on {len(fold.train)} training images with {X.shape[1]} features and "
                f"responses of shape {Y[fold.train].shape}: {type(error).__name__}: {error}",
                allowed="an estimator that can be fitted to images x features and predict from them",
                todo="try it alone: clone(estimator).fit(X, Y).predict(X)",
            ) from error
        return self._checked(predicted, (len(fold.test), *Y.shape[1:]))

    def _checked(self, predicted: AnyArray, shape: tuple[int, ...]) -> FloatArray:
        """Return predictions of the right shape; one output may be a vector or a column."""
        is_column = 1 in (len(shape), *shape[1:]) and predicted.shape in (
            shape[:1],
            (*shape[:1], 1),
        )
        if predicted.shape != shape and not is_column:
            raise InputError(
                f"predictions of {self.name} of shape {predicted.shape}",
                allowed=f"shape {shape}: held-out images"
                + (" x sites" if len(shape) == 2 else ", for one site"),
                todo="let predict(X) return a row for each row of X and a column for each of Y in fit(X, Y)",
            )
        if predicted.dtype.kind not in "fiub":
            raise InputError(
                f"predictions of {self.name} of type {predicted.dtype}",
                allowed="real numbers",
                todo="let predict(X) return responses, not labels",
            )
        bad = ~np.isfinite(predicted)
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {bad.size} predictions of {self.name} are NaN or infinite",
                allowed="finite predictions",
                todo="scale the features or raise the penalty, as make_pipeline(StandardScaler(), ...)",
            )
        return predicted.astype(np.float64).reshape(shape)


def _check_estimator(given: Any) -> None:
    """Raise InputError for what is no instance of a regressor."""
    allowed = (
        "a regressor: an instance with fit(X, Y) and predict(X), as sklearn.linear_model.Ridge()"
    )
    shown = getattr(given, "__qualname__", type(given).__qualname__)
    if isinstance(given, type):
        raise InputError(
            f"the class {shown} as an estimator", allowed=allowed, todo=f"write {shown}()"
        )
    absent = [name for name in ("fit", "predict") if not callable(getattr(given, name, None))]
    if absent:
        raise InputError(
            f"{shown} as an estimator, without {' and '.join(absent)}",
            allowed=f"{allowed}, or the name of a map",
            todo="give it the two methods",
        )
    kind = getattr(given, "_estimator_type", None)
    if _has_tags(given):
        kind = _tags(given).estimator_type
    if kind not in (None, "regressor"):
        raise InputError(
            f"{shown} as an estimator, a {kind}",
            allowed=allowed,
            todo="choose a regressor: responses of sites are numbers, not classes",
        )


def _clone(estimator: Any) -> Any:
    """Return scikit-learn's clone, not fitted; loading scikit-learn takes a second, and few need it."""
    from sklearn.base import clone

    return clone(estimator, safe=False)


def _tags(estimator: Any) -> Any:
    """Return scikit-learn's tags of an estimator."""
    from sklearn.utils import get_tags

    return get_tags(estimator)


def _has_tags(estimator: Any) -> bool:
    return hasattr(estimator, "__sklearn_tags__")


def _origin(cls: type) -> str:
    """Return the library of a class with its version, or the name of the user's file."""
    module = sys.modules.get(cls.__module__)
    origin = None if module is None else module_of(vars(module))
    if isinstance(origin, UserModule):
        return origin.path.name
    return origin or "no file"


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return parameters as plain values; of any other its class."""
    given: Mapping[str, Any] = (
        estimator.get_params(deep=True)
        if hasattr(estimator, "get_params")
        else getattr(estimator, "__dict__", {})
    )
    return {str(key): _plain(value) for key, value in sorted(given.items())}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return type(value).__qualname__


def _matrix(features: Features) -> FloatArray:
    """Return features as one array, stimulus x feature; InputError for NaN or infinite ones."""
    if not callable(features) and not isinstance(features, np.ndarray):
        raise InputError(
            f"{type(features).__name__} as features for an estimator",
            allowed="features, or chunks of them",
            todo="make them with EstimatorMap.features_of",
        )
    chunks = []
    for first, chunk in column_chunks(features):
        check_finite(chunk, first_feature=first)
        chunks.append(np.asarray(chunk, dtype=np.float64))
    return np.concatenate(chunks, axis=1)


@contextlib.contextmanager
def _noting_warnings(name: str) -> Iterator[None]:
    """Note each kind of warning of an estimator once, in place of one for each fold and site."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        kind = f"{name} warns: {warning.category.__name__}"
        if kind not in _told:
            _told.add(kind)
            progress.current().note(f"{kind}: {' '.join(str(warning.message).split())}")
