"""Features of a layer: checks, chunks of columns, centering, and eigenvectors above rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray

Chunks: TypeAlias = Callable[[], Iterable[AnyArray]]
"""Returns chunks of columns, stimulus x some features, anew each time it is called."""
Features: TypeAlias = AnyArray | Chunks
"""Stimulus x feature, or a function that returns chunks of columns and is called once for each pass."""
Split: TypeAlias = tuple[IntArray, IntArray]
"""Row numbers of training and of held-out stimuli."""

EPS = float(np.finfo(np.float64).eps)
SMALLEST, LARGEST = 1e-37, 3.5e38
"""Bounds of the largest value of features or responses: those of float32."""
_FEW = 4  # up to a fourth of the eigenvectors are computed alone
_LAPACK_BLOCK = 64  # columns that LAPACK transforms at once
_CHUNK_COLUMNS = 4096  # 2,560 stimuli x 4,096 features in float64 are 84 MB


def as_features(features: AnyArray) -> AnyArray:
    """Check that features are a real stimulus x feature array of at least two stimuli.

    Raises
    ------
    InputError
        Wrong number of dimensions, no features, one stimulus, or values that are not real numbers.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[0] < 2 or features.shape[1] < 1:
        raise InputError(
            f"features of shape {features.shape}",
            allowed="stimulus x feature, at least two stimuli and one feature",
            todo="flatten everything but the stimuli: features.reshape(n_stimuli, -1)",
        )
    if features.dtype.kind not in "fiub":
        raise InputError(
            f"features of type {features.dtype}",
            allowed="real numbers (float32, float64, integers)",
            todo="convert the features, for example with .astype('float32')",
        )
    return features


def column_chunks(
    features: Features | Iterable[AnyArray], *, n_stimuli: int | None = None
) -> Iterator[tuple[int, AnyArray]]:
    """Yield features in chunks of at most 4,096 columns, each with the number of its first column.

    Parameters
    ----------
    features : array (stimulus x feature), iterable of such arrays, or function that returns one
        The whole matrix, or chunks of its columns in any number and width. They may be made lazily: at
        most two are held.
    n_stimuli : int, optional
        Rows that every chunk must have; those of the first chunk when not given.

    Raises
    ------
    InputError
        A chunk that `as_features` refuses; another number of stimuli; no features. Values are not checked:
        see `center_columns` and `check_finite`.
    """
    blocks = features() if callable(features) else features
    first = 0
    for block in [blocks] if isinstance(blocks, np.ndarray) else blocks:
        checked = as_features(block)
        if n_stimuli is not None and len(checked) != n_stimuli:
            raise InputError(
                f"features of {len(checked)} stimuli, where {n_stimuli} are expected",
                allowed="one row for each stimulus, and chunks of columns that share their stimuli",
                todo="align by stimulus_id; cut the features by columns (features), not by rows (stimuli)",
            )
        n_stimuli = len(checked)
        for start in range(0, checked.shape[1], _CHUNK_COLUMNS):
            yield first + start, checked[:, start : start + _CHUNK_COLUMNS]
        first += checked.shape[1]
    if not first:
        raise InputError(
            "no features", allowed="at least one chunk", todo="choose a layer with outputs"
        )


def center_columns(features: AnyArray, *, first_feature: int = 0) -> FloatArray:
    """Remove each feature's mean over stimuli, in float64.

    NaN and infinite values are an InputError, whose feature is counted from `first_feature`.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        check_finite(features, first_feature=first_feature)
    return cast(FloatArray, np.subtract(features, mean, dtype=np.float64, order="C"))


def check_finite(features: AnyArray, *, first_feature: int = 0) -> None:
    """Raise an InputError that names stimulus and feature of the first value that is NaN or infinite."""
    bad = ~np.isfinite(features)
    if bad.any():
        stimulus, feature = np.argwhere(bad)[0]
        raise InputError(
            f"{features[stimulus, feature]} in feature {first_feature + feature} "
            f"of the stimulus in row {stimulus}",
            allowed="finite features",
            todo="check that layer's output for that image, or choose another layer",
        )


def check_magnitude(largest: float, *, what: str) -> None:
    """Raise an InputError where the largest absolute value is beyond float32, or below its precision.

    Products of such numbers, and squares of products, overflow or vanish in float64. `what` names the array.
    """
    if largest > LARGEST or 0 < largest < SMALLEST:
        raise InputError(
            f"{what} of size {largest:.2g} at most",
            allowed=f"0, or a largest value from {SMALLEST:g} to {LARGEST:g}: products of others overflow "
            "or vanish",
            todo="give them in another unit",
        )


def checked_magnitudes(chunks: Iterable[AnyArray], *, what: str) -> Iterator[AnyArray]:
    """Yield the same chunks; raise what `check_magnitude` raises of all of them together."""
    largest = 0.0
    for chunk in chunks:
        if chunk.size:
            largest = max(largest, float(chunk.max()), -float(chunk.min()))
        if largest > LARGEST:
            break
        yield chunk
    check_magnitude(largest, what=what)


def column_batches(n_columns: int, numbers_per_column: int, most: int) -> Iterator[slice]:
    """Yield slices of columns that need at most a given count of numbers together."""
    size = max(1, most // numbers_per_column)
    for start in range(0, n_columns, size):
        yield slice(start, min(start + size, n_columns))


def leading_eigenvectors(
    symmetric: FloatArray, *, rounding: float, most: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues of a symmetric matrix that are above rounding, and their eigenvectors.

    Parameters
    ----------
    symmetric : array, n x n
        Positive semidefinite up to rounding.
    rounding : float
        Share of the largest eigenvalue up to which an eigenvalue is rounding; for example n * EPS.
    most : int, optional
        At most this many, the largest.

    Returns
    -------
    values : array, k
        In rising order; empty where no eigenvalue is above 0.
    vectors : array, n x k
    """
    import scipy.linalg

    n = len(symmetric)
    if most is None or most > n // 2:
        values, vectors = np.linalg.eigh(symmetric)
        values, vectors = values[-(most or n) :], vectors[:, -(most or n) :]
    elif most > n // _FEW:
        values, vectors = _largest_of_all(symmetric, most)
    else:
        values, vectors = scipy.linalg.eigh(
            symmetric, subset_by_index=[n - most, n - 1], check_finite=False
        )
    kept = values > rounding * max(float(values[-1]), 0.0)
    return values[kept], vectors[:, kept]


def _largest_of_all(symmetric: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """Return the largest eigenvalues of a symmetric matrix, rising, and their eigenvectors.

    All eigenvectors of the tridiagonal matrix are found, where scipy has it by divide and conquer, and those
    of the largest eigenvalues alone are transformed back.
    """
    from scipy.linalg import eigh_tridiagonal
    from scipy.linalg.lapack import dormqr, dsytrd

    n = len(symmetric)
    reflectors, diagonal, beside, factors, _ = dsytrd(symmetric.T, lower=1, lwork=n * _LAPACK_BLOCK)
    values, vectors = eigh_tridiagonal(diagonal, beside, check_finite=False)
    largest = np.asarray(vectors[:, n - most :], dtype=np.float64, order="F")
    # The reflectors leave the first row as it is, and are stored as those of a QR decomposition.
    largest[1:] = dormqr(
        "L", "N", reflectors[1:, :-1], factors, largest[1:], lwork=most * _LAPACK_BLOCK
    )[0]
    return np.asarray(values[n - most :], dtype=np.float64), largest


def principal_scores(
    C: FloatArray,
    rows: IntArray,
    *,
    most: int,
    rounding: float,
    counts: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, float]:
    """Return scores of all samples on the principal components of some of them, from inner products.

    Parameters
    ----------
    C : array, sample x training sample
        Inner products, each feature's mean over any samples removed.
    rows : array of int
        Samples that are the training samples, in the order of the columns of C. No other is looked at to
        find the components.
    most : int
        Components, at most.
    rounding : float
        See `leading_eigenvectors`.
    counts : array, training sample, optional
        How many samples with the same features each training sample stands for; None: one.

    Returns
    -------
    scores : array, sample x component
        By falling variance, centered over the training samples; no component where features do not vary
        over them.
    variance : array, component
        Sum of squares over the training samples.
    total : float
        The same of all features.
    """
    counts = np.ones(len(rows)) if counts is None else counts
    shares, roots = counts / counts.sum(), np.sqrt(counts)
    rest = np.delete(np.arange(len(C)), rows)
    K, others = C[rows], C[rest]
    level = shares @ K
    K -= level
    K -= (K @ shares)[:, None]
    others -= level
    others -= (others @ shares)[:, None]
    K *= roots
    K *= roots[:, None]
    total = float(np.trace(K))
    variance, vectors = leading_eigenvectors(K, rounding=rounding, most=most)
    variance, vectors = variance[::-1], np.ascontiguousarray(vectors[:, ::-1])
    # Of the training samples the product is known: K v = variance v.
    scores = np.empty((len(C), len(variance)))
    vectors /= roots[:, None]
    scores[rows] = vectors * np.sqrt(variance)
    vectors *= counts[:, None] / np.sqrt(variance)
    scores[rest] = others @ vectors
    return scores, variance, total
