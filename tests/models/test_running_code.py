"""Instructions of functions: what they do, not how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.model_file import factory_from_file
from brainbench.models.digests import digest_of
from brainbench.models.running_code import definitions_of, instructions_digest, names_in

BASE = "def f(x, k=2):\n    y = None\n    return x * k + 1"


def function(source: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)  # noqa: S102  # as a console does
    made: Callable[..., Any] = space["f"]
    return made


def digest(source: str) -> str:
    return instructions_digest(function(source).__code__)


@pytest.mark.parametrize(
    "source",
    [
        BASE + "  # a comment",
        "\n\n" + BASE.replace("x, k=2", "x,  k = 2"),
        BASE.replace("    y", "    'A docstring.'\n    y"),
        BASE.replace("    y", "    'Another, longer docstring.'\n\n    y"),
    ],
)
def test_how_it_is_written_means_nothing(source: str) -> None:
    assert digest(source) == digest(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("+ 1", "+ 2"), ("+ 1", "- 1"), ("x, k", "k, x"), ("+ 1", "+ 1.0"), ("k=2", "*k")],
)
def test_what_it_does_counts(old: str, new: str) -> None:
    assert digest(BASE.replace(old, new)) != digest(BASE)


def test_the_order_of_a_set_means_nothing() -> None:
    sets = ["{'a', 'b', 'c'}", "{'c', 'b', 'a'}"]
    digests = {digest(f"def f(x):\n    return x in {one}") for one in sets}
    assert len(digests) == 1


def test_the_source_of_a_function_has_its_code_until_it_is_edited() -> None:
    code = function(BASE).__code__
    assert definitions_of(code, BASE.encode()) == {instructions_digest(code)}
    assert instructions_digest(code) not in definitions_of(code, BASE.replace("1", "2").encode())
    assert len(definitions_of(code, f"{BASE}\n{BASE.replace('1', '2')}".encode())) == 2
    assert definitions_of(code, b"def f(") == frozenset()


def test_names_of_inner_functions_and_imports_are_included() -> None:
    source = "def f(x):\n    from a.b import c\n    return lambda: c.d + G"
    assert {"a", "b", "c", "d", "G"} <= names_in(function(source).__code__) | {"c"}


def test_a_function_that_reads_what_no_digest_follows_is_named_once(
    tmp_path: Path,
) -> None:
    text = """
import importlib
import os
import random as chance
from pathlib import Path

class Net:
    def eval(self):
        return self

    def __call__(self, x):
        def inner():
            return importlib.import_module("pkg." + x)
        return os.environ["GAIN"], Path("gain").read_text(), self.eval(), inner()

def make(x):
    return open(x)

def net():
    return Net()
"""
    (tmp_path / "my_model.py").write_text(text)
    net = factory_from_file(f"{tmp_path}/my_model.py:net")()
    told = RecordedNotes()
    with progress.use(told):
        digest_of(net, name="net")
        digest_of(net, name="net")
        digest_of(net, name="net", version="1")
    assert len(told.notes) == 1
    for name in ("Net.__call__", "environ", "import_module", "read_text"):
        assert name in told.notes[0]
    assert "eval" not in told.notes[0]
    assert "open" not in told.notes[0]
