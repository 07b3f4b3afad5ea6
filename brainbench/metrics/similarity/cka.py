"""Centered kernel alignment (CKA) with a linear kernel, from inner products of stimuli.

CKA(X, Y) = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with K = XX', L = YY'. It does not change under rotation
or uniform scaling of either side. With many features and few stimuli the biased estimate of HSIC is
large for unrelated data; the unbiased estimate averages over distinct stimuli only and is then about 0.

References
----------
Cortes, Mohri & Rostamizadeh 2012 and Kornblith et al. 2019, eq. 4 (biased); Song et al. 2012, eq. 5 (unbiased
HSIC); Murphy, Zylberberg & Fyshe 2024 (why it matters). Brain-Score 2.4.2, `cka`, is the unbiased one.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.gram import Gram, as_gram
from brainbench.metrics.reductions import draw_counts

# HSIC of a kernel (largest entry 1) with itself up to which it is the rounding of 0.
_ROUNDING = 1e-14


def cka(x: AnyArray | Gram, y: AnyArray | Gram, *, unbiased: bool = True) -> float:
    """Return the linear CKA of two sets of responses to the same stimuli.

    Parameters
    ----------
    x, y : array, stimulus x feature, or Gram
        Responses, or `gram(chunks)` where they do not fit in memory.
    unbiased : bool
        Unbiased or biased HSIC.

    Returns
    -------
    float
        At most 1; the unbiased estimate may be below 0. NaN where one side does not vary; for the unbiased
        estimate also where all pairs of its stimuli are equally similar.

    Raises
    ------
    InputError
        Different numbers of stimuli; fewer than four; NaN or inf.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((50, 3))
    >>> round(cka(x, 7 * x[:, ::-1] + 2), 12)
    1.0
    """
    a, b = _both(x, y)
    return float(_alignment(a, b, np.ones((1, len(a))), unbiased=unbiased)[0])


def cka_draws(
    x: AnyArray | Gram,
    y: AnyArray | Gram,
    counts: AnyArray,
    *,
    unbiased: bool = True,
) -> FloatArray:
    """Return the linear CKA over stimuli that were drawn with replacement.

    Parameters
    ----------
    x, y, unbiased
        See `cka`.
    counts : array, draw x stimulus
        How often each stimulus is drawn.

    Returns
    -------
    array, draw
        NaN where fewer than four stimuli were drawn, or CKA does not exist.

    Raises
    ------
    InputError
        As `cka`; counts of another number of stimuli.

    Notes
    -----
    Unbiased: averages run over distinct stimuli, each as often as it was drawn, so that a stimulus drawn
    twice does not count as two similar stimuli. Biased: a stimulus is paired with itself in 1/n of the
    pairs, as in the whole set; otherwise draws would be biased further than the figure itself.
    """
    a, b = _both(x, y)
    counts = draw_counts(counts, len(a))
    values = _alignment(a, b, counts, unbiased=unbiased)
    return np.where((counts > 0).sum(axis=1) >= 4, values, np.nan)


# --- HSIC -----------------------------------------------------------------------------------------


def _alignment(K: FloatArray, L: FloatArray, w: FloatArray, *, unbiased: bool) -> FloatArray:
    """Return CKA of each draw; w is draw x stimulus."""
    hsic = _unbiased if unbiased else _biased
    with np.errstate(invalid="ignore", divide="ignore"):
        across, of_k, of_l = hsic(K, L, w), hsic(K, K, w), hsic(L, L, w)
        varies = (of_k > _ROUNDING) & (of_l > _ROUNDING)
        return across / np.sqrt(np.where(varies, of_k * of_l, np.nan))


def _unbiased(K: FloatArray, L: FloatArray, w: FloatArray) -> FloatArray:
    """Return the mean of K_ij L_ij + K_ij L_qr - 2 K_ij L_iq over distinct i, j, q, r that count w times."""
    K, L = _off_diagonal(K), _off_diagonal(L)
    w2, w3 = w**2, w**3
    p1, p2, p3, p4 = (power.sum(axis=1) for power in (w, w2, w3, w**4))
    at_k, at_k2, at_l, at_l2 = w @ K, w2 @ K, w @ L, w2 @ L
    m, m2 = w @ (K * L), w2 @ (K * L)
    # Sums of w_i^a w_j^b K_ij L_ij over pairs.
    s11, s21, s31, s22 = np.vecdot(w, m), np.vecdot(w2, m), np.vecdot(w3, m), np.vecdot(w2, m2)
    # Sums of K_ij L_iq over distinct i, j, q; the name says which index counts twice.
    once, twice_i = np.vecdot(w, at_k * at_l - m2), np.vecdot(w2, at_k * at_l - m2)
    twice_j = np.vecdot(w, at_k2 * at_l) - s31
    twice_q = np.vecdot(w, at_k * at_l2) - s31
    alike = (p1**2 - p2) * s11 - 4 * p1 * s21 + 4 * s31 + 2 * s22
    apart = np.vecdot(w, at_k) * np.vecdot(w, at_l) - 4 * twice_i - 2 * s22
    shared = p1 * once - twice_i - twice_j - twice_q
    quadruples = p1**4 - 6 * p1**2 * p2 + 3 * p2**2 + 8 * p1 * p3 - 6 * p4
    return cast(FloatArray, (alike + apart - 2 * shared) / quadruples)


def _biased(K: FloatArray, L: FloatArray, w: FloatArray) -> FloatArray:
    """Return the same mean over all i, j, q, r; a stimulus is paired with itself in 1/n of the pairs."""
    crossed = np.vecdot(w, _row_means(K, w) * _row_means(L, w)) / w.sum(axis=1)
    both = _pair_mean(K, w) * _pair_mean(L, w)
    return cast(FloatArray, _pair_mean(K * L, w) + both - 2 * crossed)


def _row_means(A: FloatArray, w: FloatArray) -> FloatArray:
    """Return the mean of each row of A, draw x stimulus."""
    n = w.shape[1]
    others = (w @ _off_diagonal(A)) / (w.sum(axis=1)[:, None] - w)
    return cast(FloatArray, np.diagonal(A) / n + (1 - 1 / n) * others)


def _pair_mean(A: FloatArray, w: FloatArray) -> FloatArray:
    """Return the mean of A over pairs in each draw."""
    n, total = w.shape[1], w.sum(axis=1)
    distinct = np.vecdot(w, w @ _off_diagonal(A)) / (total**2 - np.square(w).sum(axis=1))
    return cast(FloatArray, (w @ np.diagonal(A)) / total / n + (1 - 1 / n) * distinct)


def _off_diagonal(A: FloatArray) -> FloatArray:
    return A - np.diag(np.diagonal(A))


def _both(x: AnyArray | Gram, y: AnyArray | Gram) -> tuple[FloatArray, FloatArray]:
    """Return both Gram matrices, the largest entry of each 1."""
    a, b = as_gram(x), as_gram(y)
    if a.n_stimuli != b.n_stimuli:
        raise InputError(
            f"responses to {a.n_stimuli} and to {b.n_stimuli} stimuli",
            allowed="responses of both to the same stimuli",
            todo="align both by stimulus_id",
        )
    if a.n_stimuli < 4:
        raise InputError(
            f"{a.n_stimuli} stimuli for CKA",
            allowed="at least 4: it averages over four distinct stimuli",
            todo="use more images, or fewer folds",
        )
    return _scaled(a.K), _scaled(b.K)


def _scaled(K: FloatArray) -> FloatArray:
    largest = np.abs(K).max()
    return cast(FloatArray, K / largest) if largest > 0 else K
