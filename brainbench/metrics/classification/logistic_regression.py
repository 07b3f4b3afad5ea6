"""The behavioral read-out: which object does a layer say that an image shows.

Multinomial logistic regression on standardized features (Rajalingham et al. 2018; Kubilius et al. 2019,
3.2). Its penalized solution lies in the space that the training images span, so that a layer of 100,000
features is read through the inner products of the images and never has to be in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from brainbench.core.errors import InputError
from brainbench.metrics.classification.standardize import Features, Rows, standardized

__all__ = ["Decoded", "ReadoutOptions", "check_classes", "cross_decode"]

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]


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
class Decoded:
    """Probabilities of each class for images that the read-out was not fitted on.

    Parameters
    ----------
    probabilities : list of array, held-out image x class
        For each split.
    classes : array, class
        Sorted labels.
    n_unfinished : int
        Splits in which the iteration ended at `max_iter`.
    """

    probabilities: list[FloatArray]
    classes: AnyArray
    n_unfinished: int


def cross_decode(
    features: Features,
    labels: ArrayLike,
    splits: Sequence[Rows],
    *,
    how: ReadoutOptions | None = None,
    form: str = "auto",
) -> Decoded:
    """Fit a read-out to the training images of each split and decode the others.

    Parameters
    ----------
    features : array (image x feature), or a function that gives chunks of its columns
        The function is called once for each pass over the features.
    labels : array, image
        What each image shows.
    splits : sequence of (train, test)
        Rows; no image may be in both.
    how : ReadoutOptions, optional
        Penalty and iteration; as published when not given.
    form : {"auto", "primal", "dual"}
        "primal": features. "dual": inner products of the images, whose rotation the fit does not see.
        "auto" takes the dual where there are more features than training images.

    Returns
    -------
    Decoded

    Raises
    ------
    InputError
        Labels that do not match the images; one class; no split; a class without training images; an image
        in both parts of a split; features that are NaN, infinite or the same for every image.

    Notes
    -----
    scikit-learn's StandardScaler (training images only) and LogisticRegression(solver="newton-cg"), in
    float64. With the published `tol` the iteration stops short of the minimum: probabilities differ from
    those at the minimum by some 1e-4. The dual form goes on to a hundredth of `tol`, where the two forms
    agree to 1e-5.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog"], 20)
    >>> features = rng.standard_normal((40, 3)) + (labels == "dog")[:, None]
    >>> split = (np.arange(0, 40, 2), np.arange(1, 40, 2))
    >>> decoded = cross_decode(features, labels, [split], how=ReadoutOptions(C=1.0))
    >>> bool((decoded.classes[decoded.probabilities[0].argmax(axis=1)] == labels[1::2]).mean() > 0.7)
    True
    """
    how = how or ReadoutOptions()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if form not in ("auto", "primal", "dual"):
        raise InputError(
            f"form={form!r}",
            allowed="form 'auto', 'primal' or 'dual'",
            todo="correct the option",
        )
    check_classes(classes, codes, splits)
    found = standardized(features, splits, n_images=len(codes), form=form)
    if found.rotated:
        # A rotation leaves the minimum where it is, but not the place where the iteration stops short of it.
        how = replace(how, tol=1e-2 * how.tol)
    made = [
        _fit(fitted, codes[train], asked, how)
        for (fitted, asked), (train, _) in zip(found.spaces, splits, strict=True)
    ]
    return Decoded(
        probabilities=[probabilities for probabilities, _ in made],
        classes=classes,
        n_unfinished=sum(not finished for _, finished in made),
    )


def _fit(
    features: FloatArray, codes: AnyArray, asked: FloatArray, how: ReadoutOptions
) -> tuple[FloatArray, bool]:
    """Probabilities of the classes for other images, and whether the iteration came to its end."""
    if features.shape[1] == 0:
        # None varies over the training images: each class gets its share of them.
        features, asked = np.zeros((len(features), 1)), np.zeros((len(asked), 1))
    regression = LogisticRegression(C=how.C, solver="newton-cg", tol=how.tol, max_iter=how.max_iter)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regression.fit(features, codes)
    finished = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return cast(FloatArray, regression.predict_proba(asked)), finished


def check_classes(classes: AnyArray, codes: AnyArray, splits: Sequence[Rows]) -> None:
    """Check that a decoder can be fitted to each split.

    Parameters
    ----------
    classes : array, class
        Names.
    codes : array of int, image
        Class of each image.
    splits : sequence of (train, test)
        Rows.

    Raises
    ------
    InputError
        One class; no split; a class without training images; no held-out image; an image in both parts of
        a split.

    Examples
    --------
    >>> check_classes(np.array(["cat", "dog"]), np.array([0, 1, 1]), [(np.array([0, 1]), np.array([2]))])
    """
    if len(classes) < 2:
        raise InputError(
            f"one class, {classes[0]}" if len(classes) else "no labels",
            allowed="at least two classes to tell apart",
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
            allowed="a read-out that is never asked about images it was fitted on",
            todo="take the splits from brainbench.stats.splits.paper",
        )
    absent = np.flatnonzero(np.bincount(codes[train], minlength=len(classes)) == 0)
    if len(absent) or not len(test):
        what = f"class {classes[absent[0]]}" if len(absent) else "the other part"
        raise InputError(
            f"a split without images of {what}",
            allowed="training images of every class, and at least one held-out image",
            todo="stratify the splits by class, or use more images (a larger --limit)",
        )
