"""Published training of the decoder of object solution times, all bins and splits in one product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brainbench.metrics.array_types import FloatArray, IntArray

if TYPE_CHECKING:
    from brainbench.metrics.features import Split
    from brainbench.metrics.solution_times.decoder import Decoder


_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_NORMAL_WITHIN_TWO = 0.8796256610342398
"""Standard deviation of a standard normal that is redrawn beyond two."""


def train(
    bins: Sequence[NDArray[np.float32]],
    codes: IntArray,
    splits: Sequence[Split],
    *,
    decoder: Decoder,
    first_bin: int,
    split_numbers: Sequence[int],
) -> list[list[FloatArray]]:
    """Train one decoder for each bin and split and decode the held-out images.

    Parameters
    ----------
    bins : sequence of array, image x feature
        Finite, equally wide.
    codes : array of int, image
        Class of each image.
    splits : sequence of (train, test)
        Row numbers, equally many training images in each.
    decoder : Decoder
        Schedule, initializer and seed.
    first_bin, split_numbers : int, sequence of int
        Number of the first bin, and of each split, to which random numbers belong.

    Returns
    -------
    list over bins of list over splits of array, held-out image x class

    Notes
    -----
    Each decoder has its own stream for initial weights and for the order of the images. An epoch visits
    all training images; the last batch may be smaller. A decoder whose mean loss over an epoch, penalty
    included, is below the tolerance is not trained further.
    """
    rngs = [
        np.random.default_rng(np.random.SeedSequence([decoder.seed, first_bin + b, k]))
        for b in range(len(bins))
        for k in split_numbers
    ]
    data = _Data.of(bins, codes, [fitted for fitted, _ in splits])
    n_classes = int(codes.max()) + 1
    weights = np.stack(
        [initial_weights(rng, data.n_features, n_classes, kind=decoder.initializer) for rng in rngs]
    )
    adam = _Adam(
        weights=torch.from_numpy(weights),
        bias=torch.ones(len(rngs), 1, n_classes),
        rate=decoder.learning_rate,
    )
    going = torch.ones(len(rngs), dtype=torch.bool)
    for _ in range(decoder.epochs):
        orders = np.stack([rng.permutation(data.n_train) for rng in rngs])
        going &= _epoch(data, adam, orders, going, decoder) >= decoder.tolerance
        if not going.any():
            break
    return data.decoded(adam, [test for _, test in splits])


def initial_weights(
    rng: np.random.Generator, n_features: int, n_classes: int, *, kind: str
) -> NDArray[np.float32]:
    """Draw initial weights, feature x class, of a kind that `Decoder.initializer` names."""
    shape = (n_features, n_classes)
    if kind == "glorot_uniform":
        limit = np.sqrt(6.0 / (n_features + n_classes))
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    drawn = rng.standard_normal(shape)
    while (far := np.abs(drawn) > 2.0).any():
        drawn[far] = rng.standard_normal(int(far.sum()))
    scale = np.sqrt(1.0 / n_features) / _NORMAL_WITHIN_TWO
    return cast(NDArray[np.float32], (scale * drawn).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Data:
    """Features of the bins, and the bin, rows, mean and deviation of each decoder."""

    features: Tensor  # bin x image x feature
    classes: Tensor  # image x class, one-hot
    rows: Tensor  # decoder x training image
    bin: Tensor  # decoder
    mean: Tensor  # decoder x 1 x feature
    scale: Tensor

    @classmethod
    def of(
        cls, bins: Sequence[NDArray[np.float32]], codes: IntArray, training: Sequence[IntArray]
    ) -> _Data:
        training_parts = [features[rows] for features in bins for rows in training]
        mean = np.stack([part.mean(axis=0) for part in training_parts])[:, None]
        deviation = np.stack([_deviation(part) for part in training_parts])[:, None]
        return cls(
            features=torch.from_numpy(np.stack(bins)),
            classes=torch.eye(int(codes.max()) + 1)[torch.from_numpy(codes)],
            rows=torch.from_numpy(np.tile(np.stack(training), (len(bins), 1))),
            bin=torch.arange(len(bins)).repeat_interleave(len(training)),
            mean=torch.from_numpy(mean),
            scale=torch.from_numpy(deviation),
        )

    @property
    def n_train(self) -> int:
        return int(self.rows.shape[1])

    @property
    def n_features(self) -> int:
        return int(self.features.shape[2])

    def batches(self, orders: IntArray, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield z-scored features and one-hot classes, decoder x image x ..., batch by batch."""
        shuffled = torch.gather(self.rows, 1, torch.from_numpy(orders))
        for rows in torch.split(shuffled, size, dim=1):
            z = self.features[self.bin[:, None], rows]
            yield z.sub_(self.mean).div_(self.scale), self.classes[rows]

    def decoded(self, adam: _Adam, tests: Sequence[IntArray]) -> list[list[FloatArray]]:
        """Return probabilities of held-out images, bin by bin and split by split."""
        probabilities = []
        for k, bin_number in enumerate(self.bin.tolist()):
            z = (self.features[bin_number, tests[k % len(tests)]] - self.mean[k]) / self.scale[k]
            logits = (z @ adam.weights[k] + adam.bias[k]).double()
            probabilities.append(torch.softmax(logits, dim=1).numpy())
        return [probabilities[k : k + len(tests)] for k in range(0, len(probabilities), len(tests))]


def _deviation(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of each feature; 1 where it is constant."""
    return np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), np.float32(1.0))


def _epoch(data: _Data, adam: _Adam, orders: IntArray, going: Tensor, decoder: Decoder) -> Tensor:
    """Train for one pass over the training images and return the mean loss of each decoder."""
    total = torch.zeros(len(orders))
    for z, target in data.batches(orders, decoder.batch):
        logits = torch.baddbmm(adam.bias, z, adam.weights)
        logs = torch.log_softmax(logits, dim=2)
        entropy = -(logs * target).sum(dim=2).mean(dim=1)
        size = adam.weights.square().sum(dim=(1, 2)) + adam.bias.square().sum(dim=(1, 2))
        total += z.shape[1] * (entropy + 0.5 * decoder.penalty * size)
        error = (logs.exp() - target) / z.shape[1]
        adam.step(
            torch.bmm(z.transpose(1, 2), error) + decoder.penalty * adam.weights,
            error.sum(dim=1, keepdim=True) + decoder.penalty * adam.bias,
            going,
        )
    return total / data.n_train


class _Adam:
    """Weights and biases of all decoders under Adam (Kingma & Ba 2015)."""

    def __init__(self, weights: Tensor, bias: Tensor, *, rate: float) -> None:
        self.weights, self.bias, self.rate = weights, bias, rate
        self._moments = [(torch.zeros_like(x), torch.zeros_like(x)) for x in (weights, bias)]
        self._steps = 0

    def step(self, weights: Tensor, bias: Tensor, going: Tensor) -> None:
        """Take a step along the gradients of weights and bias where `going`."""
        self._steps += 1
        keep = going[:, None, None].float()
        unbiased = 1 - _BETA1**self._steps, 1 - _BETA2**self._steps
        pairs = zip((self.weights, self.bias), (weights, bias), self._moments, strict=True)
        for values, gradient, (mean, square) in pairs:
            mean.lerp_(gradient, 1 - _BETA1)
            square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
            size = (square / unbiased[1]).sqrt_().add_(_EPSILON)
            values.addcdiv_(keep * mean, size, value=-self.rate / unbiased[0])
