"""The permutation null of choices: what counts, what is said, and bad input."""

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.scoring.behavior.shuffled import null_of

TRUTH = np.arange(12) % 3
SETTINGS = Settings(null="images", null_draws=19, seed=2)


def test_nothing_asked_for_or_nothing_to_compare():
    assert null_of(Settings(), 0.5, TRUTH, lambda _: 0.0) is None
    assert null_of(SETTINGS, None, TRUTH, lambda _: 0.0) is None


def test_a_shuffle_without_a_value_counts_as_one_that_reaches_the_score():
    values = iter([np.nan] * 4 + [0.1] * 15)
    null = null_of(SETTINGS, 0.5, TRUTH, lambda _: next(values))
    assert (null["n_draws"], null["n_undefined"]) == (19, 4)
    assert null["p"] == pytest.approx(5 / 20)
    assert null["resolution"] == pytest.approx(1 / 20)
    assert null["mean"] == pytest.approx(0.1)
    assert "read-out not fitted again" in null["what"]


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_answers_move_over_all_images_or_within_an_object(kind):
    orders = []

    def score(order):
        orders.append(order)
        return 0.0

    null_of(Settings(null=kind, null_draws=30), 0.5, TRUTH, score)
    assert all(sorted(order) == list(range(12)) for order in orders)
    stayed = np.array([TRUTH[order] == TRUTH for order in orders])
    assert stayed.all() == (kind == "within-object")
    assert len({tuple(order) for order in orders}) > 25


def test_groups_move_together():
    groups = np.repeat(np.arange(6), 2)
    orders = []
    null = null_of(SETTINGS, 0.5, TRUTH, lambda order: orders.append(order) or 0.0, groups=groups)
    assert all((np.ptp(groups[order].reshape(6, 2), axis=1) == 0).all() for order in orders)
    assert "groups of as many images exchanged whole" in null["what"]


def test_one_image_of_each_object():
    with pytest.raises(InputError, match="12 objects of 12 images"):
        null_of(Settings(null="within-object", null_draws=3), 0.5, np.arange(12), lambda _: 0.0)
