"""Partial least squares, exact, for all neuroids and all splits at once, from Gram matrices.

PLS1 maps the features to one neuroid at a time, PLS2 to all neuroids jointly. A component has weights
w = X'Yc / |X'Yc|, where c is 1 (PLS1) or the dominant right singular vector of X'Y (PLS2), and scores
t = Xw; it is removed from X and Y before the next. With K = XX' the features drop out: t is proportional
to KYc, orthogonal to the earlier scores. The dual form works so, with one product K @ (all neuroids, or all
splits) per component; where there are fewer features than stimuli, the primal form does the same with X'X
and X'Y. For one neuroid the scores are the Lanczos vectors of K and y: each is K times the last one,
orthogonal to the earlier scores. Where neuroids are many, K is first made tridiagonal, which costs as much as
n products with a vector or so and makes each of them n steps.

References
----------
Wold, Ruhe, Wold & Dunn 1984 (PLS1); Lindgren, Geladi & Wold 1993 and Rannar et al. 1994 (from
X'X, X'Y and from XX'); Elden 2004, Comput. Stat. Data Anal. 46 (PLS1 by Lanczos vectors); Kubilius et al.
2019, section 3.1 (25 components, one neuroid at a time).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.features import EPS, Split, center_columns, column_batches
from brainbench.metrics.gram import Gram, as_gram, pca
from brainbench.metrics.linear.folds import (
    block,
    center,
    check_inputs,
    check_split,
    train_product,
)
from brainbench.metrics.linear.krylov_products import (
    InnerProducts,
    Tridiagonal,
    pays,
    tridiagonal,
)

if TYPE_CHECKING:
    from sklearn.cross_decomposition import PLSRegression

# Share of the Gram matrix up to which a direction is its rounding.
_ROUNDING = 64 * EPS
# Scores of one batch of models: 16 M numbers are 128 MB.
BATCH_NUMBERS = 1 << 24
# Neuroids that PLS1 fits at once, at most: their scores stay in the cache of the processor.
_TOGETHER = 72
# Most neuroids for which the dominant vector is computed by LAPACK, and not by Lanczos.
_DENSE = 32


def cross_predict(
    features: AnyArray | Gram,
    Y: AnyArray,
    splits: Iterable[Split],
    *,
    n_components: int = 25,
    kind: Literal["pls1", "pls2"] = "pls1",
    solver: Literal["exact", "nipals"] = "exact",
) -> list[FloatArray]:
    """Predict the held-out responses of every split by PLS fitted to its training stimuli.

    Parameters
    ----------
    features : array, stimulus x feature, or Gram
        Features X of any real type, or `gram(chunks)` where they do not fit in memory.
    Y : array, stimulus x neuroid
        Responses, in the same order of stimuli.
    splits : iterable of (train, test)
        Row numbers of X and Y. Splits may overlap and need not cover all stimuli.
    n_components : int
        Latent dimensions; 25 in Kubilius et al. 2019.
    kind : "pls1" or "pls2"
        One neuroid at a time (protocol `paper`), or all jointly (protocol `brainscore`).
    solver : "exact" or "nipals"
        "exact" finds each dominant singular vector to rounding. "nipals" is scikit-learn's
        PLSRegression(n_components, scale=False), whose iteration stops at a tolerance of 1e-6 or
        after 500 rounds; in PLS2 a single neuroid's r can differ by 0.01 where singular values
        are close. PLS1 needs no iteration.

    Returns
    -------
    list of array, held-out stimulus x neuroid
        One per split, rows in the order of its `test`.

    Raises
    ------
    InputError
        More components than training stimuli - 1 or than features; NaN or inf in X or Y; shapes
        that do not match; a stimulus in train and test; an unknown option.

    Notes
    -----
    A constant neuroid is predicted by its mean. Where responses are explained completely, or the features
    are exhausted, a model has fewer components; no NaN arises. (scikit-learn fits rounding errors when
    components outnumber the rank of X.) Products square the condition number of X: features and their Gram
    matrix give the same to 1e-8, or to 1e-7 as the components approach the rank of X.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 5))
    >>> Y = X @ rng.standard_normal((5, 3))
    >>> held_out = cross_predict(X, Y, [(np.arange(30), np.arange(30, 40))], n_components=5)
    >>> bool(np.allclose(held_out[0], Y[30:]))
    True
    """
    _check_options(kind=kind, solver=solver)
    features, responses, p = check_inputs(features, Y)
    n = len(responses)
    checked = [_check_split(split, n, p, n_components) for split in splits]
    joint = kind == "pls2"
    if solver == "nipals":
        return _cross_nipals(features, responses, checked, n_components, joint=joint)
    if isinstance(features, Gram) or p >= n:
        K = as_gram(features).K
        return _cross_dual(K, responses, checked, n_components, joint=joint)
    X = center_columns(features)
    return _cross_primal(X, responses, checked, n_components, joint=joint)


# --- dual ----------------------------------------------------------------------------------------


def _cross_dual(
    K: FloatArray, Y: FloatArray, splits: Sequence[Split], n_components: int, *, joint: bool
) -> list[FloatArray]:
    """Predict held-out responses of every split from K = XX'."""
    if joint and Y.shape[1] > 1:
        size = max(1, BATCH_NUMBERS // (Y.size + n_components * len(K)))
        batches = [splits[i : i + size] for i in range(0, len(splits), size)]
        return [held_out for batch in batches for held_out in _joint(K, Y, batch, n_components)]
    return [_one_by_one(K, Y, split, n_components) for split in splits]


def _joint(
    K: FloatArray, Y: FloatArray, splits: Sequence[Split], n_components: int
) -> list[FloatArray]:
    """Fit one model per split to all neuroids; one product with K serves all splits."""
    train = np.zeros((len(splits), len(K)))
    residuals = np.zeros((len(splits), Y.shape[1], len(K)))
    means = []
    for i, (rows, _) in enumerate(splits):
        train[i, rows] = 1.0
        centered, mean = center(Y[rows])
        residuals[i][:, rows] = centered.T
        means.append(mean)
    T, Q = _dual(K, residuals, train, n_components)
    return [means[i] + T[i][:, test].T @ Q[i] for i, (_, test) in enumerate(splits)]


def _one_by_one(K: FloatArray, Y: FloatArray, split: Split, n_components: int) -> FloatArray:
    """Fit one model per neuroid; one product with K, or its tridiagonal form, serves many neuroids."""
    rows, test = split
    among, across = block(K, rows, rows), block(K, test, rows)
    column_means = among.mean(axis=0)
    smallest = _ROUNDING * float(np.sqrt(np.vecdot(among, among).sum()))
    centered, mean = center(Y[rows])
    products: InnerProducts | Tridiagonal = InnerProducts(among)
    if pays(len(rows), n_neuroids=Y.shape[1], n_components=n_components):
        means = column_means - column_means.mean()
        products = tridiagonal(among - column_means - means[:, None])
    responses = products.forth(centered)
    weights = np.empty_like(responses)
    alike = -(-len(responses) // -(-len(responses) // _TOGETHER))  # of batches of about one size
    for first in range(0, len(responses), alike):
        models = slice(first, first + alike)
        weights[models] = _lanczos(products, responses[models], n_components, smallest)
    weights = products.back(weights)
    predicted: FloatArray = mean + across @ weights.T - weights @ column_means
    return predicted


def _lanczos(
    products: InnerProducts | Tridiagonal, y: FloatArray, n_components: int, smallest: float
) -> FloatArray:
    """Fit PLS models of one neuroid each, which share K, inner products of the training stimuli.

    y, model x stimulus, is centered over the training stimuli, in the basis of `products`; `smallest` is the
    share of a vector up to which parts of K times it are rounding. Return the weight of each training
    stimulus in that basis, model x stimulus: predictions are the mean plus the inner products with the
    training stimuli, their mean over these removed, times the weights.
    """
    models, n = y.shape
    # Scores T are orthonormal, W = [y, T] without the last one. KW = TH, so that predictions Tq are KW times
    # the solution of Hx = q.
    W, q = np.zeros((models, n_components + 1, n)), np.zeros((models, n_components))
    H = np.tile(np.eye(n_components), (models, 1, 1))
    W[:, 0] = last = y
    residual = y.copy()
    smallest_y = 10 * EPS * np.linalg.norm(y, axis=1)
    share = np.ones(models)
    for a in range(n_components):
        t = products.times(last)
        # K times the last score has parts along the last two alone; then what rounding adds along all.
        for first in (max(a - 2, 0), 0):
            T = W[:, 1 + first : 1 + a]
            along = _apply(T, t)
            t -= _combine(along, T)
            H[:, first:a, a] += along
        norm_y, norm_t = (np.sqrt(np.vecdot(x, x)) for x in (residual, t))
        # K times the residual has the part `share` of this one.
        alive = (norm_y > smallest_y) & (share * norm_t > smallest * norm_y)
        if not alive.any():
            break
        H[:, a, a] = np.where(alive, norm_t, 1.0)
        last = np.multiply(t, (alive / H[:, a, a])[:, None], out=W[:, a + 1])
        q[:, a] = np.vecdot(y, last)
        residual -= q[:, a, None] * last
        share = np.abs(q[:, a])
    along = np.asarray(np.linalg.solve(H, q[:, :, None])[:, :, 0], dtype=np.float64)
    return _combine(along, W[:, :-1])


def _dual(
    K: FloatArray, Y: FloatArray, train: FloatArray, n_components: int
) -> tuple[FloatArray, FloatArray]:
    """Fit several PLS models of many neuroids that share K, stimulus x stimulus, centered over any stimuli.

    Y, model x neuroid x stimulus, is centered over each model's training stimuli and 0 outside them; train,
    model (or 1) x stimulus, is 1 for training stimuli, else 0. Return the scores T of all stimuli, model x
    component x stimulus, orthonormal over the training stimuli, and the loadings Q of Y, model x component x
    neuroid: predictions are the mean plus Q'T.
    """
    models, neuroids, n = Y.shape
    T = np.zeros((models, n_components, n))
    Q = np.zeros((models, n_components, neuroids))
    n_train = train.sum(axis=1, keepdims=True)
    smallest_y = 10 * EPS * np.linalg.norm(Y, axis=(1, 2))
    smallest_k = _ROUNDING * float(np.linalg.norm(K))
    B = _y_k_y(K, Y)
    for a in range(n_components):
        c = _dominant(B)
        u = _combine(c, Y) - train * _combine(_apply(Q[:, :a], c), T[:, :a])
        t = _through(K, u, train, n_train)
        for _ in range(2):  # twice is enough (Kahan)
            t = _orthogonal(t, T[:, :a], train)
        norm_u, norm_t = np.linalg.norm(u, axis=1), np.linalg.norm(t * train, axis=1)
        alive = (norm_u > smallest_y) & (norm_t > smallest_k * norm_u)
        if not alive.any():
            break
        t *= (alive / np.where(alive, norm_t, 1.0))[:, None]
        T[:, a] = t
        Q[:, a] = _apply(Y, t)
        z = train * _through(K, t * train, train, n_train)
        v = _apply(Y, z) - _combine(_apply(T[:, :a], z), Q[:, :a])
        B = _deflate(B, Q[:, a], v, np.vecdot(z, t))
    return T, Q


def _through(K: FloatArray, u: FloatArray, train: FloatArray, n_train: FloatArray) -> FloatArray:
    """Return Ku for each model, the training mean of the features removed."""
    # K @ u.T is up to ten times as fast as u @ K for a handful of models.
    Ku = np.ascontiguousarray((K @ u.T).T)
    mean = np.vecdot(Ku, train)[:, None] / n_train
    return cast(FloatArray, Ku - mean)


def _orthogonal(t: FloatArray, T: FloatArray, train: FloatArray) -> FloatArray:
    """Remove earlier scores T from t over the training stimuli."""
    return t - _combine(_apply(T, t * train), T)


def _y_k_y(K: FloatArray, Y: FloatArray) -> FloatArray:
    """Return Y'KY for each model (Y is centered, so that K need not be)."""
    return np.stack([y @ (K @ y.T) for y in Y])


# --- primal --------------------------------------------------------------------------------------


def _cross_primal(
    X: FloatArray, Y: FloatArray, splits: Sequence[Split], n_components: int, *, joint: bool
) -> list[FloatArray]:
    """Predict held-out responses of every split from X'X and X'Y."""
    C = X.T @ X
    held_out = []
    for rows, test in splits:
        train = np.zeros(len(X))
        train[rows] = 1.0
        x_mean = (train @ X) / len(rows)
        centered, y_mean = center(Y[rows])
        G = centered.T @ X[rows]  # Y is centered, so that X need not be
        energy = np.square(centered).sum(axis=0)
        C_train = train_product(X, C, rows, x_mean)
        beta = coefficients(C_train, G, energy, n_components, joint=joint)
        held_out.append(y_mean + (X[test] - x_mean) @ beta.T)
    return held_out


def coefficients(
    C: FloatArray, G: FloatArray, energy: FloatArray, n_components: int, *, joint: bool
) -> FloatArray:
    """Return coefficients, neuroid x feature, from products of the centered training samples.

    Parameters
    ----------
    C : array, feature x feature
        X'X.
    G : array, neuroid x feature
        Y'X.
    energy : array, neuroid
        Sum of squares of Y.
    n_components : int
        Latent dimensions.
    joint : bool
        One model for all neuroids (PLS2), or one for each (PLS1).
    """
    if joint:
        return cast(FloatArray, _primal(C, G[None], energy.sum(keepdims=True), n_components)[0])
    beta = np.empty_like(G)
    for columns in column_batches(len(G), 2 * n_components * len(C), BATCH_NUMBERS):
        beta[columns] = _primal(C, G[columns, None], energy[columns], n_components)[:, 0]
    return beta


def _primal(C: FloatArray, G: FloatArray, energy: FloatArray, n_components: int) -> FloatArray:
    """Fit several PLS models that share C = X'X, feature x feature, of the centered training stimuli.

    G is their Y'X, model x neuroid x feature; energy, model, is the sum of squares of Y, which sets the scale
    of rounding. Return regression coefficients, model x neuroid x feature.
    """
    models, neuroids, p = G.shape
    R = np.zeros((models, n_components, p))  # scores are XR, orthonormal
    P = np.zeros((models, n_components, p))  # P = CR, the loadings of X
    Q = np.zeros((models, n_components, neuroids))
    smallest_w = _ROUNDING * np.sqrt(np.trace(C) * energy)
    smallest_c = _ROUNDING * float(np.linalg.norm(C))
    # The dominant vector is that of GG' or G'G, whichever is smaller; of one neuroid it is 1.
    over_features = p < neuroids
    B = None
    if neuroids > 1:
        B = G.transpose(0, 2, 1) @ G if over_features else G @ G.transpose(0, 2, 1)
    for a in range(n_components):
        c = np.ones((models, 1)) if B is None else _dominant(B)
        w = _combine(_unit(_apply(G, c)) if over_features else c, G)
        norm_w = np.linalg.norm(w, axis=1)
        r = w / np.where(norm_w > 0, norm_w, 1.0)[:, None]
        r = r - _combine(_apply(P[:, :a], r), R[:, :a])
        s = np.ascontiguousarray((C @ r.T).T)
        square = np.vecdot(r, s)
        alive = (norm_w > smallest_w) & (square > smallest_c * np.vecdot(r, r))
        if not alive.any():
            break
        scale = (alive / np.sqrt(np.where(alive, square, 1.0)))[:, None]
        R[:, a], P[:, a] = r * scale, s * scale
        Q[:, a] = _apply(G, R[:, a])
        if B is not None:
            q, p_a = Q[:, a], P[:, a]
            if over_features:
                B = _deflate(B, p_a, _combine(q, G), np.vecdot(q, q))
            else:
                B = _deflate(B, q, _apply(G, p_a), np.vecdot(p_a, p_a))
        G = G - Q[:, a, :, None] * P[:, a, None, :]
    return Q.transpose(0, 2, 1) @ R


# --- shared --------------------------------------------------------------------------------------


def _dominant(B: FloatArray) -> FloatArray:
    """Return the unit eigenvector of the largest eigenvalue of each symmetric matrix."""
    return np.stack([_dominant_one(b) for b in B])


def _dominant_one(b: FloatArray) -> FloatArray:
    from scipy.linalg import eigh
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    start = b[:, np.diagonal(b).argmax()]
    # Lanczos to rounding is as exact as the dense solver, whose many small threaded steps take
    # 50 times as long when another process holds a core.
    if len(b) > _DENSE and start.any():
        with contextlib.suppress(ArpackNoConvergence):
            return eigsh(b, k=1, which="LA", v0=start, tol=0)[1][:, 0]
    last = len(b) - 1
    return eigh(b, subset_by_index=[last, last], check_finite=False)[1][:, 0]


def _deflate(B: FloatArray, q: FloatArray, v: FloatArray, square: FloatArray) -> FloatArray:
    """Remove a component from B = MM' when M becomes M - qu': v = Mu and square = u'u."""
    half = q[:, :, None] * (v - 0.5 * square[:, None] * q)[:, None, :]
    return B - half - half.transpose(0, 2, 1)


def _apply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return Mx for each model."""
    return cast(FloatArray, np.matmul(matrices, vectors[:, :, None])[:, :, 0])


def _unit(vectors: FloatArray) -> FloatArray:
    """Return each row at length 1; 0 stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _combine(weights: FloatArray, rows: FloatArray) -> FloatArray:
    """Sum the rows of each model's matrix, weighted."""
    return cast(FloatArray, np.matmul(weights[:, None, :], rows)[:, 0, :])


# --- scikit-learn --------------------------------------------------------------------------------


def _cross_nipals(
    features: AnyArray | Gram,
    Y: FloatArray,
    splits: Sequence[Split],
    n_components: int,
    *,
    joint: bool,
) -> list[FloatArray]:
    # All principal scores are a lossless rotation of the features. In float64, because scikit-learn
    # given float32 fits in float64 and predicts in float32; centered, which it does anyway.
    X = pca(features, len(Y)) if isinstance(features, Gram) else center_columns(features)
    columns = [slice(None)] if joint else [slice(i, i + 1) for i in range(Y.shape[1])]
    held_out = []
    for train, test in splits:
        models = [fit_nipals(X[train], Y[train, part], n_components) for part in columns]
        predicted = [model.predict(X[test]).reshape(len(test), -1) for model in models]
        held_out.append(np.hstack(predicted))
    return held_out


def fit_nipals(X: FloatArray, Y: FloatArray, n_components: int) -> PLSRegression:
    """Return scikit-learn's PLS of X, sample x feature, and Y, sample x neuroid."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Warnings that responses are exhausted, or that 500 rounds were not enough: both are expected.
        warnings.filterwarnings("ignore", message="y residual is constant")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        return PLSRegression(n_components, scale=False).fit(X, Y)


# --- checks --------------------------------------------------------------------------------------


def _check_options(**options: str) -> None:
    allowed = {"kind": ("pls1", "pls2"), "solver": ("exact", "nipals")}
    for name, value in options.items():
        if value not in allowed[name]:
            raise InputError(
                f"{name}={value!r} for PLS",
                allowed=", ".join(map(repr, allowed[name])),
                todo=f"choose one of them for {name}",
            )


def _check_split(split: Split, n: int, p: int, n_components: int) -> Split:
    train, test = check_split(split, n)
    most = min(len(train) - 1, p)
    if not 1 <= n_components <= most:
        raise InputError(
            f"{n_components} PLS components for {len(train)} training stimuli (of {n}) "
            f"and {p} features",
            allowed=f"1 to {most} = min(training stimuli - 1, features)",
            todo=f"use fewer components (n_components={max(most, 1)}), more images, "
            "or a layer with more features",
        )
    return train, test
