"""Arguments of public functions and their declared types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from brainbench.core.arguments import check_arguments, fits
from brainbench.core.errors import InputError


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (int, [0, -1, np.int64(3)], [True, 1.0, np.float64(1), "1", None]),
        (float, [0, 1.5, np.float32(1), float("nan")], [True, "1", None]),
        (str, ["", "a"], [b"a", 1, None, ["a"]]),
        (int | None, [1, None], [True, "1"]),
        (Literal["auto", 1], ["auto", 1], [True, "other", 1.0]),
        (Mapping[str, int], [{}, {"a": 1}], [{1: 1}, {"a": "b"}, [("a", 1)], None]),
        (Sequence[str], [[], ("a",)], ["a", b"a", [1], {"a"}]),
        (Mapping[str, str | Sequence[str]], [{"a": "b"}, {"a": ["b"]}], [{"a": 5}, {"a": [5]}]),
        (Callable[..., Any], [print, int], ["print", None]),
        (str | Path, ["a", Path("a")], [5, None]),
        (Any, [None, 5, "a"], []),
    ],
)
def test_a_value_fits_its_type(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [fits(value, hint) for value in right] == [True] * len(right)
    assert [fits(value, hint) for value in wrong] == [False] * len(wrong)


def function(net, *, n: int = 1, name: str | None = None) -> None:  # type: ignore[no-untyped-def]
    """Take a network, a number and a name."""


def test_the_first_argument_of_another_type_is_named() -> None:
    check_arguments(function, {"net": object(), "n": 2, "name": ""})
    with pytest.raises(InputError, match=r"^n='two'") as caught:
        check_arguments(function, {"n": "two", "name": 5})
    assert caught.value.allowed == "int"
    with pytest.raises(InputError, match=r"^name=''"):
        check_arguments(function, {"name": ""}, filled=("name",))
    with pytest.raises(InputError) as caught:
        check_arguments(function, {"n": "x" * 1000})
    assert len(caught.value.got) < 100
