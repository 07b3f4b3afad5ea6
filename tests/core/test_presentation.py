import math

import pytest

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.presentation import CONSTANT, Presentation


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "constant image"),
        ({"total_ms": 250}, "constant image to 250 ms"),
        ({"kind": "pulse", "on_ms": 100}, "image 100 ms, then blank"),
        (
            {"kind": "pulse", "on_ms": 100, "total_ms": 250},
            "image 100 ms, then blank to 250 ms",
        ),
        ({"kind": "movie", "total_ms": 4000.5}, "movie to 4000.5 ms"),
    ],
)
def test_description(options, words):
    assert Presentation(**options).describe() == words


def test_a_model_without_time_gets_a_constant_image():
    pulse = Presentation(kind="pulse", on_ms=100, total_ms=250)
    assert pulse.accepted_by(("constant",)) == CONSTANT
    assert pulse.accepted_by(("constant", "pulse")) is pulse


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"kind": "pulse"}, "on_ms"),
        ({"kind": "pulse", "on_ms": 0}, "on_ms=0"),
        ({"kind": "pulse", "on_ms": -5}, "on_ms=-5"),
        ({"kind": "pulse", "on_ms": math.inf}, "on_ms=inf"),
        ({"kind": "pulse", "on_ms": 100, "total_ms": math.nan}, "total_ms=nan"),
        ({"total_ms": -1}, "total_ms=-1"),
    ],
)
def test_durations_are_positive(options, named):
    with pytest.raises(InputError, match=named):
        Presentation(**options)


def test_unknown_kind():
    with pytest.raises(UnknownNameError, match="'puls'") as caught:
        Presentation(kind="puls", on_ms=100)
    assert caught.value.allowed.endswith(" pulse")
