"""Transfer to another classification: a linear classifier on features of a network (Kubilius 2019, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import rankdata

from brainbench.core.errors import InputError
from brainbench.data.importers import cifar10
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.behavior import soft_labels
from brainbench.metrics.classification.penalty_path import PUBLISHED, penalty_path
from brainbench.metrics.classification.softmax import probabilities
from brainbench.metrics.correlation import pearson
from brainbench.training.evaluate import Accuracy

CHOOSING_SHARE = 0.2
"""Share of the training images on which C is chosen: 10,000 of 50,000, and 1,600 of 8,000 for CIFAR-10."""
_DRAWS = 1000
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How well a linear classifier on the features does.

    `C` is the one of the highest accuracy on the choosing images, `chosen_by` its accuracy there;
    `probabilities` are those of the test images.
    """

    C: float
    chosen_by: Accuracy
    accuracy: Accuracy
    probabilities: FloatArray = field(repr=False)


def transfer(
    features: FloatArray,
    labels: IntArray,
    *,
    fit: AnyArray,
    choose: AnyArray,
    test: AnyArray,
    Cs: Sequence[float] = PUBLISHED,
) -> Transfer:
    """Fit a classifier to some images, choose C on others, and test it on the rest; nothing else is fitted.

    Parameters
    ----------
    features : array, image x feature
        Responses of the network.
    labels : array of int, image
        Classes, from 0.
    fit, choose, test : array
        Rows of the images; for CIFAR-100 40,000, 10,000 and the 10,000 test images. The paper does not say
        how C was chosen; this is ours.
    Cs : sequence of float
        Inverse penalties; of several with the same accuracy the smallest is chosen.

    Raises
    ------
    InputError
        Images in two parts, a class that is absent in the images of the fit, or as `penalty_path`.
    """
    parts = [set(np.asarray(rows).tolist()) for rows in (fit, choose, test)]
    shared = sum(len(part) for part in parts) - len(set.union(*parts))
    n_classes = int(labels.max()) + 1
    absent = sorted(set(range(n_classes)) - set(labels[fit].tolist()))
    if shared or absent or not all(parts):
        raise InputError(
            f"{shared} images in two parts, classes {absent} absent in the images of the fit, "
            f"{[len(part) for part in parts]} images",
            allowed="three parts without common images, the first with every class",
            todo="give other rows",
        )
    weights = dict(
        zip(Cs, penalty_path(features[fit], labels[fit], n_classes=n_classes, Cs=Cs), strict=True)
    )
    chosen = {C: _accuracy(features[choose], labels[choose], weights[C]) for C in sorted(weights)}
    best = max(chosen, key=lambda C: chosen[C].value)
    return Transfer(
        C=best,
        chosen_by=chosen[best],
        accuracy=_accuracy(features[test], labels[test], weights[best]),
        probabilities=probabilities(features[test], weights[best]),
    )


def _accuracy(features: FloatArray, labels: IntArray, weights: FloatArray) -> Accuracy:
    correct = probabilities(features, weights).argmax(axis=1) == labels
    return Accuracy.of(int(correct.sum()), len(labels))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure over images with its 95 % interval, percentiles of 1,000 draws of the images."""

    value: float
    low: float
    high: float

    @classmethod
    def of_mean(cls, values: FloatArray) -> Estimate:
        """Return the mean of a figure of each image."""
        return cls._of(float(values.mean()), values[_draws(len(values))].mean(axis=1))

    @classmethod
    def of_rank_correlation(cls, one: FloatArray, other: FloatArray) -> Estimate:
        """Return Spearman's correlation over images of two figures; NaN where one is always the same."""
        rows = _draws(len(one))
        ranks = [rankdata(values[rows], axis=1) for values in (one, other)]
        value = float(pearson(rankdata(one), rankdata(other)))
        return cls._of(value, pearson(*ranks, axis=1))

    @classmethod
    def _of(cls, value: float, drawn: FloatArray) -> Estimate:
        low, high = np.quantile(drawn, [0.025, 0.975])
        return cls(value=value, low=float(low), high=float(high))


def _draws(n: int) -> IntArray:
    """Return the images of each draw, draw x image."""
    rows: IntArray = np.random.Generator(np.random.PCG64(_SEED)).integers(0, n, (_DRAWS, n))
    return rows


@dataclass(frozen=True, kw_only=True)
class Cifar10Transfer:
    """The twin of the transfer to CIFAR-100 on the 2,000 held-out test images of CIFAR-10, with people.

    `cross_entropy` is that of the classifier to the shares of people (CIFAR-10H), in nats, and `least` the
    entropy of people, which no classifier goes below; `uncertainty` is Spearman's correlation over images of
    the entropies of people and classifier.
    """

    transfer: Transfer
    cross_entropy: Estimate
    least: Estimate
    uncertainty: Estimate


def cifar100_transfer(
    features: FloatArray, labels: IntArray, *, n_test: int, Cs: Sequence[float] = PUBLISHED
) -> Transfer:
    """Return how well features of CIFAR-100 classify its test images, the last `n_test` ones.

    Of the training images of each class the last fifth, 10,000 in all, chooses C; the others are fitted.
    Errors as `transfer`.
    """
    test = np.arange(len(labels)) >= len(labels) - n_test
    return transfer(features, labels, Cs=Cs, **_parts(labels, test))


def cifar10_transfer(
    features: FloatArray, labels: IntArray, counts: FloatArray, *, Cs: Sequence[float] = PUBLISHED
) -> Cifar10Transfer:
    """Return how well features of CIFAR-10's 10,000 test images classify, and agree with people.

    The 2,000 images of `cifar10.held_out` are tested; of each class's others, the last fifth chooses C.
    Errors as `transfer` and `soft_labels.cross_entropy`.
    """
    test = cifar10.held_out(labels)
    done = transfer(features, labels, Cs=Cs, **_parts(labels, test))
    people, guessed = counts[test], done.probabilities
    entropies = soft_labels.entropy(people / people.sum(axis=1, keepdims=True))
    return Cifar10Transfer(
        transfer=done,
        cross_entropy=Estimate.of_mean(soft_labels.cross_entropies(people, guessed)),
        least=Estimate.of_mean(entropies),
        uncertainty=Estimate.of_rank_correlation(entropies, soft_labels.entropy(guessed)),
    )


def _parts(labels: IntArray, test: BoolArray) -> dict[str, IntArray]:
    """Return the rows that are fitted, that choose C (the last fifth of each class) and that are tested."""
    choose = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & ~test)
        choose[rows[-round(CHOOSING_SHARE * len(rows)) :]] = True
    parts = {"fit": ~test & ~choose, "choose": choose, "test": test}
    return {part: np.flatnonzero(chosen) for part, chosen in parts.items()}
