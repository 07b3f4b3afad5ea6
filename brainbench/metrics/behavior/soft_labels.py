"""Agreement of a classifier with what many people chose, image by image (Peterson et al. 2019, CIFAR-10H)."""

from __future__ import annotations

import numpy as np
import scipy.stats

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import FloatArray


def cross_entropies(counts: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Return -sum_c q_c log p_c of each image; q is the share of people, in nats.

    It is infinite where a model excludes what somebody chose. Its least value is the mean entropy of people.
    InputError for arrays of different shapes, images that nobody judged, or rows that are no probabilities.
    """
    shares = _shares(counts, probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, -shares * np.log(probabilities), 0.0)
    summed: FloatArray = terms.sum(axis=1)
    return summed


def cross_entropy(counts: FloatArray, probabilities: FloatArray) -> float:
    """Return the mean of `cross_entropies` over images."""
    return float(cross_entropies(counts, probabilities).mean())


def entropy(probabilities: FloatArray) -> FloatArray:
    """Return the entropy of each row, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probabilities > 0, -probabilities * np.log(probabilities), 0.0)
    entropies: FloatArray = terms.sum(axis=1)
    return entropies


def uncertainty_correlation(counts: FloatArray, probabilities: FloatArray) -> float:
    """Return Spearman's correlation over images of the entropy of people's choices with the model's.

    NaN where either is the same for all images. Errors as `cross_entropy`.
    """
    people, model = entropy(_shares(counts, probabilities)), entropy(probabilities)
    if np.ptp(people) == 0 or np.ptp(model) == 0:
        return float("nan")
    return float(scipy.stats.spearmanr(people, model).statistic)


def _shares(counts: FloatArray, probabilities: FloatArray) -> FloatArray:
    judged = counts.sum(axis=1, keepdims=True)
    sums = probabilities.sum(axis=1)
    if (
        counts.shape != probabilities.shape
        or not (judged > 0).all()
        or (counts < 0).any()
        or not (np.abs(sums - 1) < 1e-6).all()
        or (probabilities < 0).any()
    ):
        raise InputError(
            f"counts of shape {counts.shape} and probabilities of shape {probabilities.shape}",
            allowed="two arrays, image x class: counts of at least one person an image, and rows that sum "
            "to 1",
            todo="check the order of images and classes",
        )
    shares: FloatArray = counts / judged
    return shares
