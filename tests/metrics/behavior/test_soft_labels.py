"""Agreement with people image by image: by hand, limits, wrong input."""

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.soft_labels import cross_entropy, entropy, uncertainty_correlation


def test_by_hand():
    counts = np.array([[3.0, 1.0], [0.0, 2.0]])
    probabilities = np.array([[0.5, 0.5], [0.2, 0.8]])
    assert cross_entropy(counts, probabilities) == pytest.approx((np.log(2) - np.log(0.8)) / 2)
    assert entropy(probabilities)[0] == pytest.approx(np.log(2))
    assert entropy(np.array([[1.0, 0.0]]))[0] == 0


def test_people_themselves_have_the_least_cross_entropy_and_the_highest_correlation():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(50, rng.dirichlet(np.ones(4), 30)).astype(float)
    people = counts / counts.sum(1, keepdims=True)
    least = entropy(people).mean()
    assert cross_entropy(counts, people) == pytest.approx(least)
    other = rng.dirichlet(np.ones(4), 30)
    assert cross_entropy(counts, other) > least
    assert uncertainty_correlation(counts, people) == pytest.approx(1)
    order = rng.permutation(30)
    same = uncertainty_correlation(counts[order], other[order])
    assert same == pytest.approx(uncertainty_correlation(counts, other))


def test_what_a_model_excludes_is_infinite_and_a_constant_one_has_no_correlation():
    counts = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert cross_entropy(counts, np.array([[1.0, 0.0], [1.0, 0.0]])) == np.inf
    assert np.isnan(uncertainty_correlation(counts, np.full((2, 2), 0.5)))


@pytest.mark.parametrize(
    ("counts", "probabilities"),
    [
        (np.zeros((2, 2)), np.full((2, 2), 0.5)),
        (np.ones((2, 2)), np.full((2, 2), 0.4)),
        (np.ones((2, 3)), np.full((2, 2), 0.5)),
        (np.array([[2.0, -1.0]]), np.full((1, 2), 0.5)),
    ],
)
def test_wrong_input(counts, probabilities):
    with pytest.raises(InputError, match="counts"):
        cross_entropy(counts, probabilities)
