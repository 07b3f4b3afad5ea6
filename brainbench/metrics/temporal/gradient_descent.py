"""The shared linear map fitted as in the paper: stochastic gradient descent on the L2 loss.

Nayebi et al. 2018, supplement 6.6, state: linear, "stochastic gradient descent with a standard L2 loss", each
unit on its own, one set of coefficients for all time bins, the loss averaged over training images and bins.
They do not state: learning rate, momentum, batch size, number of epochs, initial weights, regularization,
scale of features and responses, stopping. The defaults of `Descent` are ours, except momentum and batch,
which section 6.4 gives for training the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.temporal.moments import check_features, check_responses
from brainbench.metrics.temporal.shared_map import SharedMap


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Options of the stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float
        Step size for features of mean squared length 1 over samples, which is stable for any layer.
    momentum : float
        Nesterov's.
    batch : int
        Images in one step, with all their bins.
    epochs : int
        Passes over the training images. No early stop: the number of steps is the only regularization.
    seed : int
        Seed of the order of images; initial weights are 0.
    """

    learning_rate: float = 0.5
    momentum: float = 0.9
    batch: int = 128
    epochs: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        good = self.learning_rate > 0 and 0 <= self.momentum < 1 and self.batch > 0
        if not (good and self.epochs > 0 and self.seed >= 0):
            raise InputError(
                f"{self}",
                allowed="learning_rate, batch and epochs above 0, 0 <= momentum < 1, a seed of 0 or more",
                todo="omit them to keep their defaults",
            )


def sgd(
    X: AnyArray,
    Y: AnyArray,
    train: AnyArray,
    *,
    weights: AnyArray | None = None,
    descent: Descent | None = None,
) -> SharedMap:
    """Fit one linear map per neuroid to all time bins by stochastic gradient descent.

    Parameters
    ----------
    X, Y, train, weights
        See `brainbench.metrics.temporal.shared_map.ridge`.
    descent : Descent, optional
        Learning rate, epochs and other options.

    Returns
    -------
    SharedMap
        Without penalty or loss. The same seed gives the same map.

    Raises
    ------
    InputError
        Shapes that do not match; NaN or inf; features that do not vary; a descent that did not converge.
    """
    descent = descent or Descent()
    rows, shares = check_features(X, train, weights)
    bins = X.shape[2] if shares is None else len(shares)
    responses = check_responses(Y, rows=rows, n=len(X), bins=bins)[rows]
    features = np.asarray(X[rows], dtype=np.float64)
    state_weights = np.ones(X.shape[2]) if shares is None else shares.sum(axis=0)
    mean = (features @ state_weights).sum(axis=0) / (len(rows) * bins)
    features = features - mean[:, None]
    length = _length(features, shares, bins)
    level, spread = responses.mean(axis=(0, 2)), responses.std(axis=(0, 2))
    spread = np.where(spread > 0, spread, 1.0)
    beta = _descend(
        features / length, (responses - level[:, None]) / spread[:, None], shares, descent
    )
    coefficients = beta[:-1] * spread / length
    return SharedMap(coefficients, level + beta[-1] * spread - mean @ coefficients)


def _length(features: FloatArray, shares: FloatArray | None, bins: int) -> float:
    """Return the root of the mean squared length of the samples."""
    products = np.einsum("ips,ipt->st", features, features, optimize=True)
    among = np.eye(len(products)) if shares is None else shares.T @ shares
    squared = float((products * among).sum()) / (len(features) * bins)
    if not (np.isfinite(squared) and squared > 0):
        raise InputError(
            "features that do not vary over the training images, or have NaN or inf",
            allowed="finite features that vary with the image or over time",
            todo="check that layer's output, or choose another layer",
        )
    return float(np.sqrt(squared))


def _descend(
    features: FloatArray, responses: FloatArray, shares: FloatArray | None, descent: Descent
) -> FloatArray:
    """Return weights and, in the last row, intercepts."""
    X, Y = torch.from_numpy(features), torch.from_numpy(responses)
    W = None if shares is None else torch.from_numpy(shares.T.copy())
    beta = torch.zeros((X.shape[1], Y.shape[1]), dtype=torch.float64, requires_grad=True)
    intercept = torch.zeros((Y.shape[1], 1), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD(
        [beta, intercept],
        lr=descent.learning_rate,
        momentum=descent.momentum,
        nesterov=descent.momentum > 0,
    )
    for batch in _batches(len(X), descent):
        by_state = torch.einsum("ips,pq->iqs", X[batch], beta)
        predicted = (by_state if W is None else by_state @ W) + intercept
        # A sum over neuroids of means over images and bins: each is fitted on its own.
        loss = (predicted - Y[batch]).square().mean(dim=(0, 2)).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    coefficients = torch.cat([beta, intercept.T]).detach().numpy()
    if not np.isfinite(coefficients).all():
        raise InputError(
            f"a descent with learning rate {descent.learning_rate:g} that did not converge",
            allowed="a learning rate at which the loss falls",
            todo="give a smaller one, for example 0.1",
        )
    return cast(FloatArray, coefficients)


def _batches(n: int, descent: Descent) -> Iterator[torch.Tensor]:
    """Yield the images of each step, in a new random order in each epoch."""
    rng = np.random.default_rng(descent.seed)
    for _ in range(descent.epochs):
        order = rng.permutation(n)
        for first in range(0, n, descent.batch):
            yield torch.from_numpy(order[first : first + descent.batch])
