"""How well a network classifies images: accuracy with its interval, and that of every step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from brainbench.training.classification import Classifier, Values, outputs
from brainbench.training.image_data import ImageData, LabeledImages

TOP: Final = 5


@runtime_checkable
class HasStepLogits(Protocol):
    """A recurrent network that gives logits at each step."""

    def logits_and_steps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the network, (batch, class), and of each step, (batch, step, class)."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A share of images, with its 95 % interval by Wilson's score."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, correct: int, n: int) -> Accuracy:
        """Return the share of `n` images that are classified correctly."""
        p, between = correct / n, binomtest(correct, n).proportion_ci(method="wilson")
        return cls(value=p, low=min(float(between.low), p), high=max(float(between.high), p), n=n)


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Accuracy of a network.

    `top5` is None with fewer than six classes, where it says nothing; `steps` are the top-1 figures of every
    step of a recurrent network, None for a network that has one answer.
    """

    top1: Accuracy
    top5: Accuracy | None
    steps: tuple[Accuracy, ...] | None

    def config(self) -> dict[str, Any]:
        """Return plain values."""
        plain = asdict(self)
        return {**plain, "steps": None if self.steps is None else list(plain["steps"])}


def evaluate(classifier: Classifier, data: ImageData, *, part: str = "val") -> Evaluated:
    """Return how well a network classifies the images of a part of the data.

    InputError for a network with another number of classes, StimulusError for an image that cannot be read.
    """
    classifier.check_classes(data)
    given, net = data.part(part), classifier.net
    answers = outputs(classifier, given, partial(_answers, net))
    logits, steps = answers[:, 0], answers[:, 1:]
    return Evaluated(
        top1=_top(logits, given, 1),
        top5=_top(logits, given, TOP) if len(data.classes) > TOP else None,
        steps=tuple(_top(steps[:, t], given, 1) for t in range(steps.shape[1])) or None,
    )


def _answers(net: nn.Module, images: Tensor) -> Tensor:
    """Return the logits of a network, then those of each step if it has them, (batch, 1 + step, class)."""
    if isinstance(net, HasStepLogits):
        own, steps = net.logits_and_steps(images)
        return torch.cat([own[:, None], steps], dim=1)
    logits: Tensor = net(images)
    return logits[:, None]


def _top(logits: Values, given: LabeledImages, k: int) -> Accuracy:
    """Return how often the class is among the `k` largest logits."""
    best = torch.from_numpy(logits).topk(k, dim=1).indices.numpy()
    correct = int((best == np.asarray(given.labels)[:, None]).any(axis=1).sum())
    return Accuracy.of(correct, len(given.labels))
