"""The decoder behind object solution times: which object a held-out image shows, time bin by time bin.

One fully connected layer with a softmax reads z-scored responses; its cross-entropy is penalized with l2 .463
(Kar et al. 2019; Kubilius et al. 2019, section 3.3). `published` runs the published schedule, whose 40 epochs
of Adam at 1e-4 suit 1,000 images and more. `converged` goes to the minimum of the same loss, which exists for
any number of images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.behavior.i2n import FalseAlarms
from brainbench.metrics.classification.logistic_regression import check_classes
from brainbench.metrics.classification.softmax import minimize, probabilities
from brainbench.metrics.classification.standardize import standardized
from brainbench.metrics.features import Features, Split, center_columns, column_chunks
from brainbench.metrics.solution_times.solution_times import sensitivity

DecoderName = Literal["published", "converged"]
DECODERS: tuple[DecoderName, ...] = ("published", "converged")
Initializer = Literal["glorot_uniform", "truncated_normal"]
INITIALIZERS: tuple[Initializer, ...] = ("glorot_uniform", "truncated_normal")
PENALTY = 0.463

THREADS = 4
GROUP_BYTES = 5e8
"""Memory of the published training of several bins."""


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Options of the decoder.

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
        The published schedule: Adam at a fixed rate, which ends early where the loss of an epoch is below
        `tolerance`.
    seed : int
        Seed of initial weights and of the order of the images in each epoch.

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
                    todo=f"omit {option} to keep its default",
                )


def decode(
    bins: Iterable[Features],
    labels: ArrayLike,
    splits: Sequence[Split],
    *,
    decoder: Decoder | None = None,
) -> Iterator[list[FloatArray]]:
    """Fit a decoder to the training images of each bin and split and decode the held-out images.

    Parameters
    ----------
    bins : iterable of array (image x feature), or of functions that return chunks of its columns
        Features of each time bin, read a few at a time; bins may have different numbers of them. Bins
        with the same features, as a model with few states has, are given once.
    labels : array, image
        Object that each image shows.
    splits : sequence of (train, test)
        Row numbers; no image may be in both.
    decoder : Decoder, optional
        The published one when not given.

    Yields
    ------
    list of array, held-out image x class
        Probabilities. For each bin, one array per split; classes are the sorted labels.

    Raises
    ------
    InputError
        Labels that do not match the images; splits that `check_classes` refuses; features that are NaN or
        infinite.

    Notes
    -----
    z-scoring uses the training images. A feature that is constant over them has no effect; a bin in which
    all are constant gives each class its share of the training images (`converged`).

    The loss is mean cross-entropy + .463 / 2 sum W^2. `published` penalizes the bias too, as Brain-Score;
    `converged` leaves it free and reaches the minimum of scikit-learn's LogisticRegression(C = 1 / (.463 n)).
    That moves probabilities by some .02 where 80 images of four classes are trained on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["cat", "dog"], 20)
    >>> late = rng.standard_normal((40, 3)) + 3 * (labels == "dog")[:, None]
    >>> split = (np.arange(0, 40, 2), np.arange(1, 40, 2))
    >>> early, late = decode([0 * late, late], labels, [split], decoder=Decoder(name="converged"))
    >>> early[0][0].tolist(), bool((late[0].argmax(axis=1) == (labels == "dog")[1::2]).all())
    ([0.5, 0.5], True)
    """
    decoder = decoder or Decoder()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    rows = [
        (np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp))
        for train, test in splits
    ]
    check_classes(classes, codes, rows)
    if decoder.name == "converged":
        return _converged(bins, codes, rows, decoder)
    return _published(bins, codes, rows, decoder)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutSensitivity:
    """Sensitivity of held-out images that share their false alarms.

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


def decode_sensitivity(
    bins: Iterable[Features],
    labels: ArrayLike,
    folds: Sequence[Split],
    *,
    decoder: Decoder | None = None,
) -> HeldOutSensitivity:
    """Decode held-out images of disjoint folds and return I1 of all images; see `decode`."""
    by_split = zip(*decode(bins, labels, folds, decoder=decoder), strict=True)
    (together,) = held_out_sensitivity([np.stack(split) for split in by_split], labels, folds)
    return together


def held_out_sensitivity(
    decoded: Sequence[FloatArray],
    labels: ArrayLike,
    splits: Sequence[Split],
    *,
    together: bool = True,
    false_alarms: FalseAlarms = "paper",
) -> list[HeldOutSensitivity]:
    """Return I1 of decoded held-out images; the decoders of two splits may read different layers.

    Parameters
    ----------
    decoded : sequence of array, bin x held-out image x class
        Probabilities, one array for each split; classes are the sorted labels.
    labels, splits
        See `decode`.
    together : bool
        Splits are disjoint folds, and false alarms come from the images of all of them (`paper`).
        Otherwise they come from the images of each split alone (`brainscore`).
    false_alarms : {"paper", "brainscore"}
        See `brainbench.metrics.behavior.i2n.d_prime`.

    Returns
    -------
    list of HeldOutSensitivity
        One with the images of all folds, in order of their rows, or one for each split.

    Raises
    ------
    InputError
        As `sensitivity`; splits taken together that share images.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    tests = [np.asarray(test, dtype=np.intp) for _, test in splits]
    decoded = list(decoded)
    if together:
        rows = np.concatenate(tests)
        order = np.argsort(rows)
        tests, decoded = [rows[order]], [np.concatenate(decoded, axis=1)[:, order]]
        if (np.diff(tests[0]) == 0).any():
            raise InputError(
                "splits that share held-out images, taken together",
                allowed="disjoint folds",
                todo="take brainbench.stats.splits.paper, or give together=False",
            )
    return [
        HeldOutSensitivity(
            rows=rows,
            sensitivity=sensitivity(p, codes[rows], false_alarms=false_alarms),
            accuracy=(p.argmax(axis=2) == codes[rows]).mean(axis=1),
        )
        for rows, p in zip(tests, decoded, strict=True)
    ]


def _converged(
    bins: Iterable[Features], codes: IntArray, splits: Sequence[Split], decoder: Decoder
) -> Iterator[list[FloatArray]]:
    """Decode as many bins at once as there are threads, one BLAS thread each."""
    import joblib

    threads = min(THREADS, joblib.cpu_count())
    decode_bin = partial(_minimum, codes=codes, splits=splits, penalty=decoder.penalty)
    remaining = iter(bins)
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        while group := list(islice(remaining, threads)):
            yield from pool.map(decode_bin, group)


def _minimum(
    features: Features, *, codes: IntArray, splits: Sequence[Split], penalty: float
) -> list[FloatArray]:
    """Return probabilities at the minimum for each split; splits of one shape are fitted together."""
    n_classes = int(codes.max()) + 1
    spaces = list(standardized(features, splits, n_images=len(codes), constant=True).spaces)
    decoded: dict[int, FloatArray] = {}
    for group in _equal_shapes([fitted.shape for fitted, _ in spaces]):
        weights = minimize(
            np.stack([spaces[k][0] for k in group]),
            np.stack([codes[splits[k][0]] for k in group]),
            n_classes=n_classes,
            penalty=penalty,
        )
        decoded |= {k: probabilities(spaces[k][1], w) for k, w in zip(group, weights, strict=True)}
    return [decoded[k] for k in range(len(splits))]


def _published(
    bins: Iterable[Features], codes: IntArray, splits: Sequence[Split], decoder: Decoder
) -> Iterator[list[FloatArray]]:
    """Train several bins and all splits at once; random numbers do not depend on how many."""
    # Imported here: the other decoder does not need torch.
    from brainbench.metrics.solution_times.published_training import train

    first = 0
    for bin_group in _groups(bins, len(codes), len(splits)):
        decoded: dict[tuple[int, int], FloatArray] = {}
        for group in _equal_shapes([fitted.shape for fitted, _ in splits]):
            by_bin = train(
                bin_group,
                codes,
                [splits[k] for k in group],
                decoder=decoder,
                first_bin=first,
                split_numbers=group,
            )
            decoded |= {
                (b, k): by_bin[b][j] for b in range(len(bin_group)) for j, k in enumerate(group)
            }
        first += len(bin_group)
        for b in range(len(bin_group)):
            yield [decoded[b, k] for k in range(len(splits))]


def _groups(
    bins: Iterable[Features], n_images: int, n_splits: int
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield bins of equal width that are trained together, as many as fit in memory."""
    group: list[NDArray[np.float32]] = []
    for features in bins:
        whole = _whole(features, n_images)
        if group and group[0].shape[1] != whole.shape[1]:
            yield group
            group = []
        group.append(whole)
        # Features, and for each split a batch of them with weights, gradient and two moments.
        bytes_per_bin = 4 * whole.shape[1] * (n_images + n_splits * 128)
        if (len(group) + 1) * bytes_per_bin > GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _whole(features: Features, n_images: int) -> NDArray[np.float32]:
    """Return all features of a bin as one array, centered: float32 then keeps more digits."""
    parts = [
        center_columns(chunk, first_feature=first).astype(np.float32)
        for first, chunk in column_chunks(features, n_stimuli=n_images)
    ]
    return np.concatenate(parts, axis=1)


def _equal_shapes(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Yield the numbers of the splits that have the same shape."""
    for shape in dict.fromkeys(shapes):
        yield [k for k, other in enumerate(shapes) if other == shape]
