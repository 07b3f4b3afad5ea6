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
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import principal_scores

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

    Attributes
    ----------
    C : array, (stimulus and state) x (basis image and state)
    basis : array of int
        Rows of the basis images: all images, or evenly spaced ones where all would be too many.
    states : int
    n_features : int
    """

    C: FloatArray
    basis: IntArray
    states: int
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
        samples = np.arange(self.states)
        columns = (np.flatnonzero(in_train)[:, None] * self.states + samples).ravel()
        rows = (self.basis[in_train][:, None] * self.states + samples).ravel()
        most = len(rows) if n_components is None else min(n_components, len(rows))
        scores, variance, total = principal_scores(
            self.C[:, columns], rows, most=most, rounding=_ROUNDING
        )
        if not len(variance):
            raise InputError(
                f"{self.n_features} features that are the same for all {len(train)} training images",
                allowed="features that vary with the image or over time",
                todo="check the preprocessing and the layer's name",
            )
        n = len(self.C) // self.states
        kept = min(1.0, float(variance.sum()) / total) if most < len(rows) else 1.0
        by_state = scores.reshape(n, self.states, -1).transpose(0, 2, 1)
        return Reduced(by_state, kept, int(in_train.sum()))


def products(chunks: Iterable[AnyArray]) -> Products:
    """Sum inner products over chunks of features.

    Parameters
    ----------
    chunks : iterable of array, stimulus x feature x state
        Columns in any number and width; one chunk is held at a time.

    Raises
    ------
    InputError
        No chunk; chunks that differ in images or states; NaN or inf.
    """
    C: FloatArray | None = None
    basis = np.arange(0)
    shape: tuple[int, int] = (0, 0)
    n_features = 0
    for chunk in chunks:
        n, width, states = chunk.shape
        if C is None:
            shape, basis = (n, states), _basis(n, states)
            C = np.zeros((n * states, len(basis) * states))
        if (n, states) != shape:
            raise InputError(
                f"a chunk of {n} images x {states} states after one of {shape[0]} x {shape[1]}",
                allowed="chunks of columns that share images and states",
                todo="cut the features by columns",
            )
        rows = chunk.transpose(0, 2, 1).reshape(n * states, width).astype(np.float64)
        rows -= rows.mean(axis=0)  # so that products keep their digits
        if len(basis) == n:
            C += rows @ rows.T
        else:
            C += rows @ rows.reshape(n, states, width)[basis].reshape(-1, width).T
        n_features += width
    if C is None or not np.isfinite(C).all():
        raise InputError(
            "no features" if C is None else "NaN or inf among the features",
            allowed="finite features, at least one chunk",
            todo="check that layer's output, or choose another layer",
        )
    return Products(C, basis, shape[1], n_features)


def _basis(n: int, states: int) -> IntArray:
    """Return the rows of the images of the basis, evenly spaced."""
    images = min(n, MOST_ROWS // states, MOST_NUMBERS // (n * states * states))
    return np.linspace(0, n - 1, max(images, 2)).round().astype(np.intp)
