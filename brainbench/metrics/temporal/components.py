"""Principal components of a wide layer over all its states, from inner products.

A layer of 25,088 features in two states is reduced to components of the training images before a map is
fitted. With as many components as the training samples span, this is a rotation, which changes no ridge or
PLS map; with fewer, `Reduced.kept` is the share of the variance that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.features import principal_scores
from brainbench.metrics.gram import symmetric

MOST_ROWS = 4096
"""Most samples (image and state) that components are computed from; their eigenvectors take seconds."""
MOST_NUMBERS = 1 << 26
"""Most inner products that are held: 512 MB."""
_ROUNDING = 1e-12  # share of the largest variance up to which a direction is rounding


@dataclass(frozen=True, eq=False)
class Reduced:
    """Component scores of all images.

    Attributes
    ----------
    scores : array, stimulus x component x state
    kept : float
        Share of the variance of the training samples in the components; 1 for a rotation.
    n_images : int
        Training images from which the components were computed.
    """

    scores: AnyArray
    kept: float
    n_images: int


@dataclass(frozen=True, eq=False)
class Products:
    """Inner products of all samples with those of some images, the basis.

    Samples are the states that are the same for all images, once each, and then image and other state.

    Attributes
    ----------
    C : array, sample x sample of the basis
    basis : array of int
        Rows of the basis images: all images, or evenly spaced ones where all would be too many.
    n_images : int
    constant : array of bool, state
        States that are the same for all images.
    n_features : int
    """

    C: FloatArray
    basis: IntArray
    n_images: int
    constant: BoolArray
    n_features: int

    def components(self, train: AnyArray, n_components: int | None = 1000) -> Reduced:
        """Return scores on the principal components of the training images, all states together.

        Parameters
        ----------
        train : array of int
            Training images; components are computed from those in the basis.
        n_components : int or None
            At most this many; None keeps all.

        Raises
        ------
        InputError
            Features that do not vary over the training images and states.
        """
        in_train = np.isin(self.basis, train)
        columns, rows = self._samples(np.flatnonzero(in_train)), self._samples(self.basis[in_train])
        counts = np.ones(len(rows))
        counts[: self.constant.sum()] = in_train.sum()
        most = len(rows) if n_components is None else min(n_components, len(rows))
        scores, variance, total = principal_scores(
            self.C[:, columns], rows, most=most, rounding=_ROUNDING, counts=counts
        )
        if not len(variance):
            raise InputError(
                f"{self.n_features} features that are the same for all {len(train)} training images",
                allowed="features that vary with the image or over time",
                todo="check the preprocessing and the layer's name",
            )
        kept = min(1.0, float(variance.sum()) / total) if most < len(rows) else 1.0
        return Reduced(self._by_state(scores), kept, int(in_train.sum()))

    def _samples(self, images: IntArray) -> IntArray:
        """Return the numbers of the samples of some images: those of all images once, first."""
        alike, others = int(self.constant.sum()), int((~self.constant).sum())
        of_images = alike + images[:, None] * others + np.arange(others)
        return np.concatenate([np.arange(alike), of_images.ravel()])

    def _by_state(self, scores: FloatArray) -> FloatArray:
        """Return scores, sample x component, as stimulus x component x state."""
        alike, k = int(self.constant.sum()), scores.shape[1]
        by_state = np.empty((self.n_images, len(self.constant), k))
        by_state[:, self.constant] = scores[:alike]
        by_state[:, ~self.constant] = scores[alike:].reshape(self.n_images, -1, k)
        return by_state.transpose(0, 2, 1)


def products(chunks: Iterable[AnyArray], *, constant: BoolArray | None = None) -> Products:
    """Sum inner products over chunks of features.

    Parameters
    ----------
    chunks : iterable of array, stimulus x feature x state
        Columns in any number and width; one chunk is held at a time.
    constant : array of bool, state, optional
        States that are known to be the same for all images, such as those before a layer's first input:
        their products are made once, not for each image.

    Raises
    ------
    InputError
        No chunk; chunks that differ in images or states; NaN or inf.
    """
    from scipy.linalg.blas import dgemm, dsyrk

    basis = np.arange(0)
    shape: tuple[int, int] = (0, 0)
    n_features = 0
    alike = np.zeros(0, dtype=bool)
    # Column-major, summed in place: of products within the basis the upper triangle, and all of the others.
    within = others = np.zeros((0, 0))
    for chunk in chunks:
        n, width, states = chunk.shape
        if not n_features:
            shape, basis = (n, states), basis_images(n, states)
            alike = np.zeros(states, dtype=bool) if constant is None else constant
        if (n, states) != shape:
            raise InputError(
                f"a chunk of {n} images x {states} states after one of {shape[0]} x {shape[1]}",
                allowed="chunks of columns that share images and states",
                todo="cut the features by columns",
            )
        in_basis, rest = _samples(chunk, basis, alike)
        if not n_features:
            within = np.zeros((len(in_basis), len(in_basis)), order="F")
            others = np.zeros((len(in_basis), len(rest)), order="F")
        within = dsyrk(1.0, in_basis.T, trans=1, beta=1.0, c=within, overwrite_c=1)
        if len(rest):
            others = dgemm(1.0, in_basis.T, rest.T, trans_a=1, beta=1.0, c=others, overwrite_c=1)
        n_features += width
    if not n_features or not (np.isfinite(within).all() and np.isfinite(others).all()):
        raise InputError(
            "no features" if not n_features else "NaN or inf among the features",
            allowed="finite features, at least one chunk",
            todo="check that layer's output, or choose another layer",
        )
    n = shape[0]
    C = _in_order(symmetric(within), others.T, basis, n=n, n_alike=int(alike.sum()))
    return Products(C, basis, n, alike, n_features)


def _samples(chunk: AnyArray, basis: IntArray, alike: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the samples of the basis images and those of the others, sample x feature.

    Those of states that are alike come first, once. Each feature's mean over all images and states is
    removed, so that products keep their digits.
    """
    n, width, states = chunk.shape
    varying = np.flatnonzero(~alike)
    first = states - len(varying)
    samples = np.empty((first + n * len(varying), width))
    samples[:first] = chunk[0][:, alike].T
    by_image = samples[first:].reshape(n, len(varying), width)
    for row, image in enumerate([*basis.tolist(), *np.delete(np.arange(n), basis).tolist()]):
        by_image[row] = chunk[image][:, varying].T
    total = n * samples[:first].sum(axis=0) + samples[first:].sum(axis=0)
    samples -= total / (n * states)
    end = first + len(basis) * len(varying)
    return samples[:end], samples[end:]


def _in_order(
    within: FloatArray, others: FloatArray, basis: IntArray, *, n: int, n_alike: int
) -> FloatArray:
    """Return inner products of all samples with those of the basis, samples in the order of the images."""
    if len(basis) == n:
        return within
    C = np.empty((len(within) + len(others), len(within)))
    C[:n_alike] = within[:n_alike]
    by_image = C[n_alike:].reshape(n, -1, len(within))
    by_image[basis] = within[n_alike:].reshape(len(basis), -1, len(within))
    by_image[np.delete(np.arange(n), basis)] = others.reshape(n - len(basis), -1, len(within))
    return C


def basis_images(n: int, states: int) -> IntArray:
    """Return the rows of the images of the basis: all, or evenly spaced ones where all would be too many."""
    images = min(n, MOST_ROWS // states, MOST_NUMBERS // (n * states * states))
    return np.linspace(0, n - 1, max(images, 2)).round().astype(np.intp)
