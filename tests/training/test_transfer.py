"""Transfer by a linear classifier: splits, the choice of C, and the twin with people."""

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.data.importers import cifar10
from brainbench.training.transfer import cifar10_transfer, transfer

LABELS = np.arange(300) % 3
PARTS = {"fit": np.arange(150), "choose": np.arange(150, 210), "test": np.arange(210, 300)}


def features(noise, labels=LABELS, classes=3):
    rng = np.random.default_rng(0)
    return np.eye(classes)[labels] + noise * rng.standard_normal((len(labels), classes))


def test_separable_features_are_classified_and_test_images_choose_nothing():
    found = transfer(features(0.05), LABELS, **PARTS)
    assert found.accuracy.value == 1
    noisy = features(0.8)
    one = transfer(noisy, LABELS, Cs=(0.001, 0.1, 10.0), **PARTS)
    labels = LABELS.copy()
    labels[PARTS["test"]] = (labels[PARTS["test"]] + 1) % 3
    other = transfer(noisy, labels, Cs=(0.001, 0.1, 10.0), **PARTS)
    assert (one.C, one.chosen_by) == (other.C, other.chosen_by)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert other.accuracy.value < 0.5 < one.accuracy.value


def test_parts_that_share_images_or_lack_classes_are_refused():
    with pytest.raises(InputError, match="1 images in two parts"):
        transfer(features(1), LABELS, **{**PARTS, "choose": np.arange(149, 210)})
    with pytest.raises(InputError, match=r"classes \[2\] absent"):
        transfer(features(1), LABELS, **{**PARTS, "fit": np.array([0, 1, 3, 4])})


def test_the_twin_on_people_who_are_as_unsure_as_the_features():
    labels = np.arange(cifar10.N) % 10
    rng = np.random.default_rng(0)
    blur = rng.uniform(0, 1, cifar10.N)[:, None]
    shown = (1 - 0.9 * blur) * np.eye(10)[labels] + 0.02 * rng.standard_normal((cifar10.N, 10))
    counts = np.round(50 * ((1 - 0.8 * blur) * np.eye(10)[labels] + 0.08 * blur))
    found = cifar10_transfer(shown, labels, counts, Cs=(0.01, 0.05))
    assert found.transfer.accuracy.n == 2_000
    assert found.transfer.chosen_by.n == 1_600
    assert found.transfer.accuracy.value > 0.95
    assert found.uncertainty > 0.9
    assert found.cross_entropy > found.least
