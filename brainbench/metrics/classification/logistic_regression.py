"""The behavioral read-out: which object an image shows, decoded from a layer.

Multinomial logistic regression on standardized features (Rajalingham et al. 2018; Kubilius et al. 2019,
3.2). Its penalized solution lies in the space that the training images span, so that a layer of 100,000
features is read through the inner products of the images and never has to fit in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.classification.standardize import standardized
from brainbench.metrics.features import Features, Split


@dataclass(frozen=True, kw_only=True)
class ReadoutOptions:
    """Options of the logistic regression, as published.

    Parameters
    ----------
    C : float
        Inverse of the l2 penalty.
    tol : float
        The iteration ends where no gradient is larger.
    max_iter : int
        Newton steps.
    """

    C: float = 1e-3
    tol: float = 1e-4
    max_iter: int = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutProbabilities:
    """Probabilities of each class for images that the read-out was not fitted to.

    Parameters
    ----------
    probabilities : list of array, held-out image x class
        For each split; classes are the sorted labels.
    n_unfinished : int
        Splits in which the iteration ended at `max_iter`.
    """

    probabilities: list[FloatArray]
    n_unfinished: int


def cross_decode(
    features: Features,
    labels: ArrayLike,
    splits: Sequence[Split],
    *,
    readout: ReadoutOptions | None = None,
) -> HeldOutProbabilities:
    """Fit a read-out to the training images of each split and decode the held-out ones.

    Parameters
    ----------
    features : array (image x feature), or a function that returns chunks of its columns
        The function is called once for each pass over the features.
    labels : array, image or label x image
        Object that each image shows; of several labels the read-out is taught each, as if of as many images.
    splits : sequence of (train, test)
        Row numbers; no image may be in both.
    readout : ReadoutOptions, optional
        Penalty and iteration; as published when not given.

    Raises
    ------
    InputError
        Labels that do not match the images; splits that `check_classes` refuses; features that are NaN,
        infinite or the same for every image.

    Notes
    -----
    scikit-learn's StandardScaler (training images only) and LogisticRegression(solver="newton-cg"), in
    float64. With the published `tol` the iteration stops short of the minimum: probabilities differ from
    those at the minimum by some 1e-4. Where there are more features than training images, the fit reads
    the inner products of the images and goes on to a hundredth of `tol`: the two agree to 1e-5.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog"], 20)
    >>> features = rng.standard_normal((40, 3)) + (labels == "dog")[:, None]
    >>> split = (np.arange(0, 40, 2), np.arange(1, 40, 2))
    >>> decoded = cross_decode(features, labels, [split], readout=ReadoutOptions(C=1.0))
    >>> bool((decoded.probabilities[0].argmax(axis=1) == (labels == "dog")[1::2]).mean() > 0.7)
    True
    """
    readout = readout or ReadoutOptions()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    check_classes(classes, codes, splits)
    taught = np.atleast_2d(codes)
    repeated = [(np.tile(train, len(taught)), test) for train, test in splits]
    prepared = standardized(features, repeated, n_images=taught.shape[1])
    if prepared.rotated:
        # A rotation does not move the minimum, but the point at which the iteration stops short of it.
        readout = replace(readout, tol=1e-2 * readout.tol)
    fits = [
        _fit(fitted, taught[:, train].ravel(), held_out, readout)
        for (fitted, held_out), (train, _) in zip(prepared.spaces, splits, strict=True)
    ]
    return HeldOutProbabilities(
        probabilities=[probabilities for probabilities, _ in fits],
        n_unfinished=sum(not finished for _, finished in fits),
    )


def _fit(
    features: FloatArray, codes: AnyArray, held_out: FloatArray, readout: ReadoutOptions
) -> tuple[FloatArray, bool]:
    """Return class probabilities of the held-out images, and whether the iteration converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if features.shape[1] == 0:
        # None varies over the training images: each class gets its share of them.
        features, held_out = np.zeros((len(features), 1)), np.zeros((len(held_out), 1))
    regression = LogisticRegression(
        C=readout.C, solver="newton-cg", tol=readout.tol, max_iter=readout.max_iter
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regression.fit(features, codes)
    finished = not any(issubclass(it.category, ConvergenceWarning) for it in caught)
    return cast(FloatArray, regression.predict_proba(held_out)), finished


def check_classes(classes: AnyArray, codes: AnyArray, splits: Sequence[Split]) -> None:
    """Check that a decoder can be fitted to each split.

    Parameters
    ----------
    classes : array, class
        Names.
    codes : array of int, image or label x image
        Class of each image, or classes.
    splits : sequence of (train, test)
        Row numbers.

    Raises
    ------
    InputError
        One class; no split; a class without training images; no held-out image; an image in both parts of
        a split.
    """
    if len(classes) < 2:
        raise InputError(
            f"one class, {classes[0]}" if len(classes) else "no labels",
            allowed="at least two classes",
            todo="use images of several objects (a larger --limit)",
        )
    if not len(splits):
        raise InputError(
            "no splits into training and held-out images",
            allowed="at least one",
            todo="take the splits from brainbench.stats.splits.paper",
        )
    for train, test in splits:
        _check_split(classes, codes, train, test)


def _check_split(classes: AnyArray, codes: AnyArray, train: AnyArray, test: AnyArray) -> None:
    both = np.intersect1d(train, test)
    if len(both):
        raise InputError(
            f"{len(both)} images in both parts of a split, first row {both[0]}",
            allowed="held-out images that the read-out is not fitted to",
            todo="take the splits from brainbench.stats.splits.paper",
        )
    absent = np.flatnonzero(np.bincount(codes[..., train].ravel(), minlength=len(classes)) == 0)
    if len(absent) or not len(test):
        what = f"class {classes[absent[0]]}" if len(absent) else "the held-out part"
        raise InputError(
            f"a split without images of {what}",
            allowed="training images of every class, and at least one held-out image",
            todo="stratify the splits by class, or use more images (a larger --limit)",
        )
