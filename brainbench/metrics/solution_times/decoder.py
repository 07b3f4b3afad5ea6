"""The decoder behind object solution times: which object does a time bin show, of held-out images.

One fully connected layer with a softmax reads z-scored responses; its cross-entropy is penalized with l2 .463
(Kar et al. 2019; Kubilius et al. 2019, section 3.3). `published` runs the published schedule, whose 40 epochs
of Adam at 1e-4 suit 1,000 images and more. `converged` goes to the minimum of the same loss, which any number
of images has.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.behavior.i2n import FalseAlarms
from brainbench.metrics.classification.logistic_regression import check_classes
from brainbench.metrics.classification.softmax import minimize, probabilities
from brainbench.metrics.classification.standardize import Rows, standardized
from brainbench.metrics.features import Features, center_columns, column_chunks
from brainbench.metrics.solution_times.solution_times import sensitivity

__all__ = ["DECODERS", "INITIALIZERS", "Decoded", "Decoder", "decode", "held_out", "judge"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

DecoderName = Literal["published", "converged"]
DECODERS: tuple[DecoderName, ...] = ("published", "converged")
Initializer = Literal["glorot_uniform", "truncated_normal"]
INITIALIZERS: tuple[Initializer, ...] = ("glorot_uniform", "truncated_normal")
PENALTY = 0.463

_THREADS = 4
_BYTES = 5e8
"""Memory of the published training of several bins."""


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Which decoder.

    Parameters
    ----------
    name : {"published", "converged"}
        See above.
    initializer : {"glorot_uniform", "truncated_normal"}
        Initial weights of the published schedule: uniform within sqrt(6 / (features + classes)) ("Xavier",
        the paper), or normal with the variance 1 / features, redrawn beyond two deviations (Brain-Score
        now). The bias starts at 1.
    penalty : float
        l2 penalty.
    learning_rate, epochs, batch, tolerance
        Of the published schedule: Adam at a fixed rate; it ends early where the loss of an epoch is below
        `tolerance`.
    seed : int
        Of initial weights and of the order of the images in each epoch.

    Raises
    ------
    UnknownNameError
        Another name or initializer.
    InputError
        A number that is not positive.
    """

    name: DecoderName = "published"
    initializer: Initializer = "glorot_uniform"
    penalty: float = PENALTY
    learning_rate: float = 1e-4
    epochs: int = 40
    batch: int = 64
    tolerance: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for option, allowed in (("name", DECODERS), ("initializer", INITIALIZERS)):
            if getattr(self, option) not in allowed:
                raise unknown(
                    f"decoder, {option}",
                    str(getattr(self, option)),
                    allowed,
                    todo=f"choose {option}=" + " or ".join(map(repr, allowed)),
                )
        for option in ("penalty", "learning_rate", "epochs", "batch"):
            if not getattr(self, option) > 0:
                raise InputError(
                    f"a decoder with {option}={getattr(self, option)}",
                    allowed="a positive number",
                    todo=f"leave {option} at its default",
                )


def decode(
    bins: Iterable[Features],
    labels: ArrayLike,
    splits: Sequence[Rows],
    *,
    how: Decoder | None = None,
) -> Iterator[list[FloatArray]]:
    """Fit a decoder to the training images of each bin and split and decode the held-out ones.

    Parameters
    ----------
    bins : iterable of array (image x feature), or of functions that give chunks of its columns
        Features of each time bin, asked for a few at a time; bins may have different numbers of them. Bins
        with the same features, as a model with few states has, are given once.
    labels : array, image
        Object that each image shows.
    splits : sequence of (train, test)
        Rows; no image may be in both.
    how : Decoder, optional
        The published one when not given.

    Yields
    ------
    list of array, held-out image x class
        For each bin, one array per split; classes are the sorted labels.

    Raises
    ------
    InputError
        Labels that do not match the images; one class; no split; a class without training images in some
        split; an image in both parts of a split; features that are NaN or infinite.

    Notes
    -----
    z-scoring uses the training images. A feature that is constant over them says nothing; a bin in which all
    are constant gives each class its share of the training images (`converged`).

    The loss is mean cross-entropy + .463 / 2 sum W^2. `published` penalizes the bias too, as Brain-Score;
    `converged` leaves it free and reaches the minimum of scikit-learn's LogisticRegression(C = 1 / (.463 n)).
    That moves probabilities by some .02 where 80 images of four classes are trained on. The minimum lies in
    the space of the training images, so that wide layers are rotated into it, exactly.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog"], 20)
    >>> late = rng.standard_normal((40, 3)) + 3 * (labels == "dog")[:, None]
    >>> split = (np.arange(0, 40, 2), np.arange(1, 40, 2))
    >>> early, late = decode([0 * late, late], labels, [split], how=Decoder(name="converged"))
    >>> early[0][0].tolist(), bool((late[0].argmax(axis=1) == (labels == "dog")[1::2]).all())
    ([0.5, 0.5], True)
    """
    how = how or Decoder()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    rows = [
        (np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp))
        for train, test in splits
    ]
    check_classes(classes, codes, rows)
    if how.name == "converged":
        return _converged(bins, codes, rows, how)
    return _published(bins, codes, rows, how)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """What was decoded from held-out images that are judged together.

    Attributes
    ----------
    rows : array of int, image
        Rows of these images.
    sensitivity : array, bin x image
        I1 of each.
    accuracy : array, bin
        Share of the images whose most probable class is right.
    """

    rows: IntArray
    sensitivity: FloatArray
    accuracy: FloatArray


def held_out(
    bins: Iterable[Features],
    labels: ArrayLike,
    splits: Sequence[Rows],
    *,
    together: bool = True,
    false_alarms: FalseAlarms = "paper",
    how: Decoder | None = None,
) -> list[Decoded]:
    """Decode held-out images and judge them: I1 of each image in each bin.

    Parameters
    ----------
    bins, labels, splits, how
        See `decode`.
    together : bool
        Splits are disjoint folds, whose images are judged together: false alarms come from all of them
        (`paper`). Otherwise each split is judged by itself (`brainscore`).
    false_alarms : {"paper", "brainscore"}
        See `brainbench.metrics.behavior.i2n.d_prime`.

    Returns
    -------
    list of Decoded
        One with the images of all folds, in order of their rows, or one for each split.

    Raises
    ------
    InputError
        As `decode` and `sensitivity`; splits that are to be judged together and share images.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog"], 20)
    >>> late = rng.standard_normal((40, 3)) + 2 * (labels == "dog")[:, None]
    >>> rows = np.arange(40)
    >>> folds = [(rows[rows % 4 != k], rows[rows % 4 == k]) for k in range(4)]
    >>> (found,) = held_out([0 * late, late], labels, folds, how=Decoder(name="converged"))
    >>> found.sensitivity.mean(axis=1).round(1).tolist(), found.accuracy.round(2).tolist()
    ([0.0, 1.5], [0.5, 0.98])
    """
    made = zip(*decode(bins, labels, splits, how=how), strict=True)
    each = [np.stack(found) for found in made]
    return judge(each, labels, splits, together=together, false_alarms=false_alarms)


def judge(
    decoded: Sequence[FloatArray],
    labels: ArrayLike,
    splits: Sequence[Rows],
    *,
    together: bool = True,
    false_alarms: FalseAlarms = "paper",
) -> list[Decoded]:
    """Judge what was decoded from held-out images; the decoders of two splits may read different layers.

    Parameters
    ----------
    decoded : sequence of array, bin x held-out image x class
        Probabilities, one array for each split; classes are the sorted labels.
    labels, splits, together, false_alarms
        See `held_out`.

    Returns
    -------
    list of Decoded
        As `held_out`.

    Raises
    ------
    InputError
        As `sensitivity`; splits that are to be judged together and share images.

    Examples
    --------
    >>> folds = [(np.array([2, 3]), np.array([0, 1])), (np.array([0, 1]), np.array([2, 3]))]
    >>> right = np.array([[[0.9, 0.1], [0.1, 0.9]]])
    >>> (found,) = judge([right, right], ["cat", "dog", "cat", "dog"], folds)
    >>> found.accuracy.tolist(), found.rows.tolist()
    ([1.0], [0, 1, 2, 3])
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    tests = [np.asarray(test, dtype=np.intp) for _, test in splits]
    each = list(decoded)
    if together:
        rows = np.concatenate(tests)
        order = np.argsort(rows)
        tests, each = [rows[order]], [np.concatenate(each, axis=1)[:, order]]
        if (np.diff(tests[0]) == 0).any():
            raise InputError(
                "splits that share held-out images, to be judged together",
                allowed="disjoint folds",
                todo="take brainbench.stats.splits.paper, or judge each split by itself",
            )
    return [
        Decoded(
            rows=rows,
            sensitivity=sensitivity(p, codes[rows], false_alarms=false_alarms),
            accuracy=(p.argmax(axis=2) == codes[rows]).mean(axis=1),
        )
        for rows, p in zip(tests, each, strict=True)
    ]


def _converged(
    bins: Iterable[Features], codes: IntArray, splits: Sequence[Rows], how: Decoder
) -> Iterator[list[FloatArray]]:
    """As many bins at once as there are threads, one BLAS thread each."""

    def one(features: Features) -> list[FloatArray]:
        return _minimum(features, codes, splits, how.penalty)

    threads = min(_THREADS, os.cpu_count() or 1)
    waiting = iter(bins)
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        while some := list(islice(waiting, threads)):
            yield from pool.map(one, some)


def _minimum(
    features: Features, codes: IntArray, splits: Sequence[Rows], penalty: float
) -> list[FloatArray]:
    """Probabilities at the minimum, split by split; splits with equally many training images together."""
    n_classes = int(codes.max()) + 1
    found = standardized(features, splits, n_images=len(codes), constant=True)
    spaces = list(found.spaces)
    found_by: dict[int, FloatArray] = {}
    for mine in _alike([fitted.shape for fitted, _ in spaces]):
        weights = minimize(
            np.stack([spaces[k][0] for k in mine]),
            np.stack([codes[splits[k][0]] for k in mine]),
            n_classes=n_classes,
            penalty=penalty,
        )
        found_by |= {
            k: probabilities(spaces[k][1], one) for k, one in zip(mine, weights, strict=True)
        }
    return [found_by[k] for k in range(len(splits))]


def _published(
    bins: Iterable[Features], codes: IntArray, splits: Sequence[Rows], how: Decoder
) -> Iterator[list[FloatArray]]:
    """Several bins and all splits in one training; random numbers do not depend on how many."""
    from brainbench.metrics.solution_times.published_training import (
        train,
    )  # torch, which the other decoder does not need

    first = 0
    for some in _groups(bins, len(codes), len(splits)):
        answers: dict[tuple[int, int], FloatArray] = {}
        for mine in _alike([fitted.shape for fitted, _ in splits]):
            together = [splits[k] for k in mine]
            made = train(some, codes, together, how=how, first_bin=first, split_numbers=mine)
            answers |= {(b, k): made[b][j] for b in range(len(some)) for j, k in enumerate(mine)}
        first += len(some)
        yield from ([answers[b, k] for k in range(len(splits))] for b in range(len(some)))


def _groups(
    bins: Iterable[Features], n_images: int, n_splits: int
) -> Iterator[list[NDArray[np.float32]]]:
    """Bins that are trained together, as many as the memory holds."""
    some: list[NDArray[np.float32]] = []
    for features in bins:
        whole = _whole(features, n_images)
        if some and some[0].shape[1] != whole.shape[1]:  # bins trained together are equally wide
            yield some
            some = []
        some.append(whole)
        # Features, and for each split a batch of them with weights, gradient and two moments.
        each = 4 * some[-1].shape[1] * (n_images + n_splits * 128)
        if (len(some) + 1) * each > _BYTES:
            yield some
            some = []
    if some:
        yield some


def _whole(features: Features, n_images: int) -> NDArray[np.float32]:
    """All features of a bin as one array."""
    # Centered: float32 then keeps more digits.
    parts = [
        center_columns(chunk, first_feature=first).astype(np.float32)
        for first, chunk in column_chunks(features, n_stimuli=n_images)
    ]
    return np.concatenate(parts, axis=1)


def _alike(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Numbers of the splits that can be computed together."""
    for shape in dict.fromkeys(shapes):
        yield [k for k, one in enumerate(shapes) if one == shape]
