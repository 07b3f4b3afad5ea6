"""One linear map for all time bins: a model's own dynamics have to explain those of a site.

Samples are (stimulus, bin) pairs, all of which share one set of weights and one intercept. The stacked
matrix is never made: ridge and PLS need only X'X and X'Y, which are summed over stimuli in chunks. A model
has states (steps), and each time bin is a weighted mean of them: where 25 bins are means of two states,
two are summed, not 25.

References
----------
Nayebi et al. 2018, supplement 6.6 (one set of regression coefficients for all time bins, each unit
separately, L2 loss averaged over images and bins); Brain-Score 2.4.2, span-time regressions (stacked PLS
and ridge).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Literal, cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import EPS, Split
from brainbench.metrics.linear.pls import coefficients, fit_nipals
from brainbench.metrics.temporal.moments import (
    CrossSums,
    FeatureSums,
    check_features,
    check_responses,
    chunks,
    cross_sums,
    feature_sums,
    root_samples,
)

PENALTIES = np.logspace(-10, 1, 23)
"""Penalties that are compared, as shares of the total variance (the trace of X'X) of the training samples."""

_REFERENCE = 32  # images whose mean is subtracted before products are summed


@dataclass(frozen=True, eq=False)
class SharedMap:
    """One linear map per neuroid, the same in every time bin.

    Attributes
    ----------
    coefficients : array, feature x neuroid
    intercept : array, neuroid
    penalty : array, neuroid, or None
        Penalty of ridge, which is added to the diagonal of X'X.
    loss : array, neuroid, or None
        Mean squared error over left-out images and bins of the training images, at that penalty.
    """

    coefficients: FloatArray
    intercept: FloatArray
    penalty: FloatArray | None = None
    loss: FloatArray | None = None

    def predict(self, X: AnyArray, *, weights: AnyArray | None = None) -> FloatArray:
        """Predict responses, stimulus x neuroid x bin; X and weights as in `ridge`."""
        n, _, states = X.shape
        by_state = np.empty((n, self.coefficients.shape[1], states))
        for rows in chunks(np.arange(n), X):
            block = np.asarray(X[rows], dtype=np.float64).transpose(0, 2, 1)
            by_state[rows] = (block @ self.coefficients).transpose(0, 2, 1)
        by_bin = by_state if weights is None else by_state @ np.asarray(weights).T
        return cast(FloatArray, by_bin + self.intercept[:, None])


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Eigenvalues and vectors of the centered X'X."""

    values: FloatArray
    vectors: FloatArray

    @classmethod
    def of(cls, side: FeatureSums) -> _Spectrum:
        values, vectors = np.linalg.eigh(side.centered())
        return cls(np.maximum(values, 0.0), vectors)

    @property
    def total(self) -> float:
        return float(self.values.sum())

    def inverse(self, penalty: FloatArray) -> FloatArray:
        """Return 1 / (eigenvalue + penalty), feature x penalty; 0 where the sum is rounding."""
        sums = self.values[:, None] + penalty
        smallest = len(self.values) * EPS * max(float(self.values[-1]), np.finfo(float).tiny)
        return np.where(sums > smallest, 1.0 / np.where(sums > smallest, sums, 1.0), 0.0)


@dataclass(frozen=True, eq=False)
class PreparedFeatures:
    """Sums and spectra of the features for `fit`; made once for any responses to the same images.

    Attributes
    ----------
    X : array, stimulus x feature x state
    weights : array, bin x state, or None
    parts : list of array of int
        Training images in the parts that are left out in turn, or in one part.
    reference : array, feature
        Subtracted from the features before products are summed.
    sides, whole : FeatureSums
        Sums over each part, and over all training images.
    spectrum : _Spectrum
        Eigenvectors of the whole.
    """

    X: AnyArray
    weights: FloatArray | None
    parts: list[IntArray]
    reference: FloatArray
    sides: list[FeatureSums]
    whole: FeatureSums
    spectrum: _Spectrum

    @cached_property
    def inner(self) -> list[_Spectrum]:
        """Eigenvectors without each part, by which penalties are compared; none without folds."""
        return [_Spectrum.of(self.whole - side) for side in self.sides if len(self.sides) > 1]

    def checked(self, Y: AnyArray) -> tuple[FloatArray, FloatArray]:
        """Check responses, and return them with each neuroid's mean over training samples."""
        rows = np.concatenate(self.parts)
        n, _, states = self.X.shape
        bins = states if self.weights is None else len(self.weights)
        responses = check_responses(Y, rows=rows, n=n, bins=bins)
        return responses, responses[rows].mean(axis=(0, 2))

    def root_samples(self, fold: int) -> FloatArray:
        """Return rows R with R'R = X'X of a part, at most as many as features."""
        samples = root_samples(
            self.X, self.parts[fold], reference=self.reference, weights=self.weights
        )
        few = len(samples) <= samples.shape[1]
        return samples if few else cast(FloatArray, np.linalg.qr(samples, mode="r"))

    def cross(self, Y: FloatArray, rows: IntArray, level: FloatArray) -> CrossSums:
        """Sum products of features and responses over some images."""
        return cross_sums(
            self.X, Y, rows, reference=self.reference, level=level, weights=self.weights
        )


def ridge(
    X: AnyArray,
    Y: AnyArray,
    train: AnyArray,
    *,
    folds: Sequence[Split] = (),
    weights: AnyArray | None = None,
    penalty: float | None = None,
) -> SharedMap:
    """Fit one ridge map per neuroid to all time bins of the training images.

    Parameters
    ----------
    X : array, stimulus x feature x state
        Features of any real type; read in chunks of stimuli, so a memory-mapped file will do.
    Y : array, stimulus x neuroid x bin
        Responses.
    train : array of int
        Rows of the training images; no other row is read.
    folds : sequence of (train, test)
        Folds of the training images, by which each neuroid's penalty is chosen from `PENALTIES`. All bins
        of an image are in the same fold.
    weights : array, bin x state, or None
        Share of each state in each bin, each row summing to 1; None where states are bins.
    penalty : float or None
        A penalty for all neuroids instead, as scikit-learn's Ridge(alpha).

    Returns
    -------
    SharedMap
        Among equally good penalties, the largest.

    Raises
    ------
    InputError
        Shapes that do not match; NaN or inf; neither folds nor a penalty; folds that do not hold out each
        training image once; fewer than two training images.

    Notes
    -----
    Each neuroid has its own penalty: neuroids differ in noise, are fitted independently in the paper, and
    with a shared penalty the prediction of one neuroid would depend on which others were recorded.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 3, 5))
    >>> Y = np.einsum("ipt,pq->iqt", X, rng.standard_normal((3, 2))) + 1.0
    >>> folds = [(np.arange(10, 30), np.arange(10)), (np.arange(10), np.arange(10, 30))]
    >>> fitted = ridge(X, Y, np.arange(30), folds=folds)
    >>> bool(np.allclose(fitted.predict(X[30:]), Y[30:], atol=1e-6))
    True
    """
    return fit(prepare(X, train, folds=folds, weights=weights), Y, penalty=penalty)


def prepare(
    X: AnyArray,
    train: AnyArray,
    *,
    folds: Sequence[Split] = (),
    weights: AnyArray | None = None,
) -> PreparedFeatures:
    """Sum and decompose the features for a ridge map; parameters and errors as in `ridge`."""
    rows, shares = check_features(X, train, weights)
    if folds:
        check_folds(folds, rows)
    parts = [np.asarray(test, dtype=np.intp) for _, test in folds] or [rows]
    reference = _reference(X, rows)
    sides = [feature_sums(X, part, reference=reference, weights=shares) for part in parts]
    whole = reduce(add, sides)
    return PreparedFeatures(
        X=X,
        weights=shares,
        parts=parts,
        reference=reference,
        sides=sides,
        whole=whole,
        spectrum=_Spectrum.of(whole),
    )


def check_folds(folds: Sequence[Split], rows: IntArray) -> None:
    """Raise an InputError unless at least two folds hold out each training row once."""
    held_out = np.sort(np.concatenate([np.zeros(0, np.intp), *(test for _, test in folds)]))
    if len(folds) < 2 or not np.array_equal(held_out, np.sort(rows)):
        raise InputError(
            f"{len(folds)} folds that hold out {len(held_out)} images of {len(rows)} for training",
            allowed="at least two folds that hold out each training image once",
            todo="make them with brainbench.stats.splits.inner",
        )


def fit(
    prepared: PreparedFeatures, Y: AnyArray, *, penalty: float | FloatArray | None = None
) -> SharedMap:
    """Fit a ridge map of responses, stimulus x neuroid x bin, to prepared features of the same stimuli.

    `penalty` is that of all neuroids, or of each; None chooses each neuroid's by the folds.
    """
    responses, level = prepared.checked(Y)
    cross_parts = [prepared.cross(responses, part, level) for part in prepared.parts]
    whole = reduce(add, cross_parts)
    loss = None
    if penalty is None:
        if not prepared.inner:
            raise InputError(
                "a ridge map with neither folds nor a penalty",
                allowed="folds of the training images, or penalty=",
                todo="give folds=brainbench.stats.splits.inner(train, ids, objects)",
            )
        losses = np.sum(
            [_losses(prepared, cross_parts, whole, k) for k in range(len(cross_parts))], axis=0
        )
        best = len(PENALTIES) - 1 - losses[::-1].argmin(axis=0)
        loss = losses[best, np.arange(len(best))] / prepared.whole.n
        penalty = PENALTIES[best] * prepared.spectrum.total
    chosen = np.broadcast_to(np.asarray(penalty, dtype=np.float64), whole.y.shape)
    spectrum = prepared.spectrum
    within = spectrum.vectors.T @ whole.centered(prepared.whole)
    beta = spectrum.vectors @ (within * spectrum.inverse(chosen))
    mean = prepared.reference + prepared.whole.x / prepared.whole.n
    return SharedMap(beta, level - mean @ beta, np.array(chosen), loss)


def pls(
    X: AnyArray,
    Y: AnyArray,
    train: AnyArray,
    *,
    weights: AnyArray | None = None,
    n_components: int = 25,
    solver: Literal["exact", "nipals"] = "exact",
) -> SharedMap:
    """Fit one PLS2 map to all time bins of the training images, all neuroids jointly.

    Parameters
    ----------
    X, Y, train, weights
        See `ridge`.
    n_components : int
        Latent dimensions.
    solver : {"exact", "nipals"}
        "exact" works with X'X and X'Y; "nipals" is scikit-learn's iteration on the stacked samples, which
        have to fit in memory.

    Raises
    ------
    InputError
        See `ridge`; more components than features or than training samples - 1.
    """
    rows, shares = check_features(X, train, weights)
    bins = X.shape[2] if shares is None else len(shares)
    most = min(X.shape[1], len(rows) * bins - 1)
    if not 1 <= n_components <= most:
        raise InputError(
            f"{n_components} PLS components for {len(rows)} training images x {bins} bins and "
            f"{X.shape[1]} features",
            allowed=f"1 to {most}",
            todo="use fewer components, more images, or a layer with more features",
        )
    if solver == "nipals":
        return _nipals(X, Y, rows, shares, n_components)
    responses = check_responses(Y, rows=rows, n=len(X), bins=bins)
    reference, level = _reference(X, rows), responses[rows].mean(axis=(0, 2))
    side = feature_sums(X, rows, reference=reference, weights=shares)
    cross = cross_sums(X, responses, rows, reference=reference, level=level, weights=shares)
    energy = np.square(responses[rows] - level[:, None]).sum(axis=(0, 2))
    G = cross.centered(side).T
    beta = coefficients(side.centered(), G, energy, n_components, joint=True).T
    return SharedMap(beta, level - (reference + side.x / side.n) @ beta)


def _reference(X: AnyArray, rows: IntArray) -> FloatArray:
    """Return the mean over the first images, which is near that of all."""
    return cast(FloatArray, np.asarray(X[rows[:_REFERENCE]], dtype=np.float64).mean(axis=(0, 2)))


def _nipals(
    X: AnyArray,
    Y: AnyArray,
    rows: IntArray,
    shares: FloatArray | None,
    n_components: int,
) -> SharedMap:
    features = np.asarray(X[rows], dtype=np.float64)
    if shares is not None:
        features = features @ shares.T
    p = features.shape[1]
    stacked = features.transpose(0, 2, 1).reshape(-1, p)
    responses = np.asarray(Y, dtype=np.float64)[rows].transpose(0, 2, 1).reshape(len(stacked), -1)
    model = fit_nipals(stacked, responses, n_components)
    return SharedMap(model.coef_.T, model.predict(np.zeros((1, p))).reshape(-1))


def _losses(
    prepared: PreparedFeatures, cross_parts: Sequence[CrossSums], total: CrossSums, fold: int
) -> FloatArray:
    """Return the sum of squared errors over a left-out fold, penalty x neuroid, from sums alone."""
    out_x, out_y = prepared.sides[fold], cross_parts[fold]
    in_x, in_y = prepared.whole - out_x, total - out_y
    spectrum = prepared.inner[fold]
    V = spectrum.vectors
    within = V.T @ in_y.centered(in_x)
    out_xy, out_sum, in_mean = V.T @ out_y.xy, V.T @ out_x.x, V.T @ in_x.x / in_x.n
    # A row for each independent sample: a fold has fewer of them than the features have products.
    out_samples = prepared.root_samples(fold) @ V
    inverse = spectrum.inverse(PENALTIES * spectrum.total)
    losses = np.empty((len(PENALTIES), len(out_y.y)))
    for k in range(len(PENALTIES)):
        beta = within * inverse[:, [k]]
        a = in_y.y / in_x.n - in_mean @ beta
        losses[k] = (
            out_y.yy
            - 2 * a * out_y.y
            - 2 * (beta * out_xy).sum(axis=0)
            + out_x.n * a**2
            + 2 * a * (out_sum @ beta)
            + np.square(out_samples @ beta).sum(axis=0)
        )
    return losses
