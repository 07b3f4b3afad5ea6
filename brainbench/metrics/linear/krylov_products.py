"""Products of inner products K with many vectors, one after the other: direct, or with K made tridiagonal.

K = QTQ' with T tridiagonal and Q orthogonal, the first half of what LAPACK does to find eigenvectors. The
Lanczos vectors of K and y are Q times those of T and Q'y, so that of k products with K for each of m vectors
4/3 n^3 multiplications and additions remain, in place of 2 k m n^2.

References
----------
Golub & Van Loan 2013, Matrix Computations, section 8.3 (Householder tridiagonalization).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench.metrics.array_types import FloatArray

_FEWEST, _MOST = 100, 2048
"""Training stimuli between which it is considered: below little is gained, above K leaves the cache."""
_BLOCK = 64  # reflections that are applied at once, LAPACK's own number at most


def pays(n: int, *, n_neuroids: int, n_components: int) -> bool:
    """Return whether a tridiagonal form of n x n inner products costs less than the products it saves.

    Measured with 460 to 2,048 stimuli: it takes as long as n products with one vector, or a little more.
    """
    return _FEWEST <= n <= _MOST and n_neuroids * n_components > 1.25 * n


@dataclass(frozen=True)
class InnerProducts:
    """Inner products of the training stimuli, each feature's mean over any stimuli removed."""

    K: FloatArray  # training stimulus x training stimulus

    def forth(self, Y: FloatArray) -> FloatArray:
        """Return vectors, stimulus x vector, as rows."""
        return np.ascontiguousarray(Y.T)

    def times(self, rows: FloatArray) -> FloatArray:
        """Return K times each row, vector x stimulus, features centered over the training stimuli."""
        product: FloatArray = rows @ self.K  # symmetric
        product -= product.mean(axis=1, keepdims=True)
        return product

    def back(self, rows: FloatArray) -> FloatArray:
        """Return the rows, which are along the stimuli."""
        return rows


@dataclass(frozen=True)
class Tridiagonal:
    """Inner products of the training stimuli, features centered over these, in a basis that makes them T.

    Attributes
    ----------
    diagonal, beside : array, n and n - 1
        Of T.
    reflections : array, n - 1 x n - 1, column-major
        Vectors of the Householder reflections whose product is Q, below the diagonal, as LAPACK leaves them.
    scales : array, n - 1
        Their scalar factors.
    """

    diagonal: FloatArray
    beside: FloatArray
    reflections: FloatArray
    scales: FloatArray

    def forth(self, Y: FloatArray) -> FloatArray:
        """Return Q' times vectors, stimulus x vector, as rows."""
        return self._rotated(Y, "T")

    def times(self, rows: FloatArray) -> FloatArray:
        """Return T times each row."""
        product = rows * self.diagonal
        aside = rows[:, :-1] * self.beside
        product[:, 1:] += aside
        product[:, :-1] += np.multiply(rows[:, 1:], self.beside, out=aside)
        return product

    def back(self, rows: FloatArray) -> FloatArray:
        """Return Q times each row: along the stimuli again."""
        return self._rotated(rows.T, "N")

    def _rotated(self, vectors: FloatArray, transposed: str) -> FloatArray:
        from scipy.linalg.lapack import dormqr

        below = np.asfortranarray(vectors[1:])
        work = _BLOCK * (below.shape[1] + _BLOCK + 1)
        rotated, _, _ = dormqr("L", transposed, self.reflections, self.scales, below, work)
        return np.ascontiguousarray(np.concatenate([vectors[:1], rotated]).T)


def tridiagonal(K: FloatArray) -> Tridiagonal:
    """Reduce symmetric inner products, stimulus x stimulus, to tridiagonal form; K may be overwritten.

    Examples
    --------
    >>> K = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]])
    >>> products = tridiagonal(K.copy())
    >>> y = np.array([[1.0], [2.0], [4.0]])
    >>> bool(np.allclose(products.back(products.times(products.forth(y))), (K @ y).T))
    True
    """
    from scipy.linalg.lapack import dsytrd

    # K is symmetric: its transpose is column-major without a copy.
    reduced, diagonal, beside, scales, _ = dsytrd(
        K.T, lower=1, lwork=_BLOCK * len(K), overwrite_a=1
    )
    return Tridiagonal(diagonal, beside, np.asfortranarray(reduced[1:, :-1]), scales)
