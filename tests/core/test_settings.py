"""What a user may choose for a run."""

import pytest

from brainbench.core.errors import BrainbenchError
from brainbench.core.settings import FORMULAS, Settings
from brainbench.stats import ceiling


def test_the_names_of_formulas_are_those_that_exist():
    assert set(FORMULAS) == set(ceiling.FORMULAS)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"protocol": "brain-score"}, ["protocol", "brain-score", "brainscore"]),
        ({"formula": "r/2"}, ["formula", "r/2", "r/sqrt(c)"]),
        ({"resample": "sites"}, ["resample", "sites", "units"]),
        ({"null": "object"}, ["null", "object", "within-object"]),
        ({"floor": 1.0}, ["floor", "1.0", "below 1"]),
        ({"floor": -0.1}, ["floor", "-0.1", "0 or more"]),
        ({"null_draws": 0}, ["0 shuffles", "--null-draws"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"limit": 0}, ["limit", "0"]),
    ],
)
def test_a_wrong_choice_is_named(choice, words):
    with pytest.raises(BrainbenchError) as caught:
        Settings(**choice)
    for word in words:
        assert word in str(caught.value)
