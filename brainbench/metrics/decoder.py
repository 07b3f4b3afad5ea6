"""The behavioural read-out: which object does a layer say that an image shows.

Multinomial logistic regression on standardised features (Rajalingham et al. 2018; Kubilius et al. 2019,
3.2). Its penalised solution lies in the space that the training images span, so that a layer of 100,000
features is read through the inner products of the images and never has to be in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.blas import dsyrk
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from brainbench.errors import InputError
from brainbench.metrics.gram import as_features, centre_columns

__all__ = ["Decoded", "Readout", "cross_decode"]

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]
Rows: TypeAlias = tuple[AnyArray, AnyArray]
Features: TypeAlias = AnyArray | Callable[[], Iterable[AnyArray]]

_BYTES = 1e9
"""Inner products that are summed in one pass over the features."""


@dataclass(frozen=True, kw_only=True)
class Readout:
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
    how: Readout | None = None,
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
    how : Readout, optional
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
        Labels that do not match the images; one class; a class without training images; an image in both
        parts of a split; features that are NaN, infinite or the same for every image.

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
    >>> decoded = cross_decode(features, labels, [split], how=Readout(C=1.0))
    >>> bool((decoded.classes[decoded.probabilities[0].argmax(axis=1)] == labels[1::2]).mean() > 0.7)
    True
    """
    how = how or Readout()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    _check(classes, codes, splits, form)
    chunks = _reader(features, len(codes))
    widest = max(len(train) for train, _ in splits)
    narrow = None if form == "dual" else _narrow(chunks(), widest if form == "auto" else np.inf)
    spaces = _scaled(narrow, splits) if narrow is not None else _rotated(chunks, splits)
    if narrow is None:
        # A rotation leaves the minimum where it is, but not the place where the iteration stops short of it.
        how = replace(how, tol=1e-2 * how.tol)
    made = [
        _fit(fitted, codes[train], asked, how)
        for (fitted, asked), (train, _) in zip(spaces, splits, strict=True)
    ]
    return Decoded(
        probabilities=[probabilities for probabilities, _ in made],
        classes=classes,
        n_unfinished=sum(not finished for _, finished in made),
    )


def _fit(
    features: FloatArray, codes: AnyArray, asked: FloatArray, how: Readout
) -> tuple[FloatArray, bool]:
    """Probabilities of the classes for other images, and whether the iteration came to its end."""
    regression = LogisticRegression(C=how.C, solver="newton-cg", tol=how.tol, max_iter=how.max_iter)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regression.fit(features, codes)
    finished = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return cast(FloatArray, regression.predict_proba(asked)), finished


def _scaled(
    features: FloatArray, splits: Sequence[Rows]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Features of training and held-out images, standardised by the training images."""
    for train, test in splits:
        scaler = StandardScaler().fit(features[train])
        yield scaler.transform(features[train]), scaler.transform(features[test])


def _rotated(
    chunks: Callable[[], Iterator[FloatArray]], splits: Sequence[Rows]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The same, rotated into the space of the training images: as many columns as these, at most."""
    for batch in _batches(splits):
        for (train, test), inner in zip(batch, _inner(chunks, batch), strict=True):
            variance, vectors = np.linalg.eigh(inner[np.ix_(train, train)])
            kept = variance > len(train) * np.finfo(float).eps * variance[-1]
            axes = vectors[:, kept] / np.sqrt(variance[kept])
            yield inner[np.ix_(train, train)] @ axes, inner[np.ix_(test, train)] @ axes


def _batches(splits: Sequence[Rows]) -> Iterator[Sequence[Rows]]:
    """Splits whose inner products fit into memory together."""
    largest = max(len(train) + len(test) for train, test in splits)
    size = max(1, int(_BYTES / (8 * largest**2)))
    for first in range(0, len(splits), size):
        yield splits[first : first + size]


def _inner(chunks: Callable[[], Iterator[FloatArray]], splits: Sequence[Rows]) -> list[FloatArray]:
    """Inner products of all images, of features standardised by the training images, split by split.

    With mean m and deviation s over the training images, (x - m) / s . (y - m) / s is summed as
    x/s . y/s - x/s . m/s - y/s . m/s + m/s . m/s, so that features are scaled once for each split.
    """
    n = max(int(max(train.max(), test.max())) for train, test in splits) + 1
    sums = [np.zeros((n, n), order="F") for _ in splits]
    for chunk in chunks():
        moments = _moments(chunk, [train for train, _ in splits])
        for inner, mean, scale in zip(sums, *moments, strict=True):
            scaled, shift = chunk * scale, mean * scale
            cross = scaled @ shift
            # The upper triangle is summed in place; the lower one is filled in at the end.
            dsyrk(1.0, scaled.T, trans=1, beta=1.0, c=inner, overwrite_c=1)
            np.add(inner, (shift @ shift) - cross[:, None] - cross, out=inner)
    return [np.triu(inner) + np.triu(inner, 1).T for inner in sums]


def _moments(chunk: FloatArray, training: Sequence[AnyArray]) -> tuple[FloatArray, FloatArray]:
    """Mean over the training images and 1 / deviation (0 for a constant feature), split x feature."""
    counted = np.zeros((len(training), len(chunk)))
    for row, train in zip(counted, training, strict=True):
        row[train] = 1.0 / len(train)
    mean, square = counted @ chunk, counted @ chunk**2
    variance = square - mean**2
    constant = variance <= 1e-12 * square
    return mean, np.where(constant, 0.0, 1.0 / np.sqrt(np.where(constant, 1.0, variance)))


def _narrow(chunks: Iterator[FloatArray], widest: float) -> FloatArray | None:
    """All features as one array, or None where there are more than `widest`."""
    kept, width = [], 0
    for chunk in chunks:
        width += chunk.shape[1]
        if width > widest:
            return None
        kept.append(chunk)
    return np.concatenate(kept, axis=1)


def _reader(features: Features, n_images: int) -> Callable[[], Iterator[FloatArray]]:
    """Passes over the features in chunks of columns, centred and checked."""

    def read() -> Iterator[FloatArray]:
        first, varies = 0, False
        for block in features() if callable(features) else [features]:
            chunk = as_features(block)
            if len(chunk) != n_images:
                raise InputError(
                    f"features of {len(chunk)} images and {n_images} labels",
                    allowed="one label for every image",
                    todo="align both by stimulus_id",
                )
            centred = centre_columns(chunk, first_feature=first)
            varies = varies or bool((np.ptp(chunk, axis=0) > 0).any())
            first += chunk.shape[1]
            yield centred
        if not varies:
            raise InputError(
                f"features that are the same for all {n_images} images",
                allowed="a layer whose responses vary with the image",
                todo="check the preprocessing and the layer's name",
            )

    return read


def _check(classes: AnyArray, codes: AnyArray, splits: Sequence[Rows], form: str) -> None:
    if form not in ("auto", "primal", "dual") or not len(splits):
        raise InputError(
            f"form={form!r} and {len(splits)} splits",
            allowed="form 'auto', 'primal' or 'dual', and at least one split",
            todo="correct the option",
        )
    if len(classes) < 2:
        raise InputError(
            f"one class, {classes[0]}" if len(classes) else "no labels",
            allowed="at least two classes to tell apart",
            todo="use images of several objects (a larger --limit)",
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
