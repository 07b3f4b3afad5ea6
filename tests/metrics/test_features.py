import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.features import column_chunks, leading_eigenvectors


def symmetric(values, seed=0):
    n = len(values)
    vectors = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return vectors * values @ vectors.T


@pytest.mark.parametrize("most", [None, 5, 3, 2])
def test_eigenvalues_above_rounding_in_rising_order(most):
    matrix = symmetric([5.0, 1.0, 1e-3, 1e-14, 0.0])
    values, vectors = leading_eigenvectors(matrix, rounding=1e-12, most=most)
    expected = [1e-3, 1.0, 5.0][3 - min(most or 5, 3) :]
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-12)


@pytest.mark.parametrize("rank", [40, 12])
def test_a_third_of_the_eigenvectors_are_those_of_numpy(rank):
    matrix = symmetric(np.r_[np.geomspace(1e3, 1e-2, rank), np.zeros(40 - rank)])
    values, vectors = leading_eigenvectors(matrix, rounding=1e-12, most=15)
    expected, axes = np.linalg.eigh(matrix)
    n = min(rank, 15)
    np.testing.assert_allclose(values, expected[-n:], rtol=1e-9)
    np.testing.assert_allclose(vectors @ vectors.T, axes[:, -n:] @ axes[:, -n:].T, atol=1e-9)


def test_a_matrix_of_zeros_has_no_eigenvectors():
    values, vectors = leading_eigenvectors(np.zeros((3, 3)), rounding=1e-12)
    assert (values.shape, vectors.shape) == ((0,), (3, 0))


def test_chunks_of_other_stimuli_than_asked_for():
    with pytest.raises(InputError, match=r"\b4\b.*\b5\b"):
        list(column_chunks(np.eye(4), n_stimuli=5))
