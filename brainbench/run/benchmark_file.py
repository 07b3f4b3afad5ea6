"""Benchmarks in a user's file, "FILE.py:OBJECT"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError, unknown
from brainbench.core.model_file import module_from_file
from brainbench.run.offered import benchmarks_of


def benchmarks_in_file(spec: str) -> list[Benchmark]:
    """Execute the file of "FILE.py:OBJECT" and return the benchmarks that the object is.

    The object is a Benchmark, a list or dict of them, a data set, which stands for all that it offers by
    rule, or a function that returns one of these.

    Raises
    ------
    UnknownNameError
        No such object.
    InputError
        No such file, or an object of another kind.
    """
    given, name = registry.check_file(spec, what="benchmark", example="-b my_study.py:MyStudy_IT")
    module = module_from_file(given)
    if not hasattr(module, name):
        known = [
            key for key, value in vars(module).items() if isinstance(value, Benchmark | Dataset)
        ]
        raise unknown(f"object in {given}", name, known, todo=f"define it in {given}")
    made = getattr(module, name)
    if callable(made) and not isinstance(made, Dataset):
        made = made()
    found = _benchmarks(made)
    if not found or not all(isinstance(one, Benchmark) for one in found):
        kinds = sorted({type(one).__name__ for one in found}) or [type(made).__name__]
        raise InputError(
            f"{spec} is {', '.join(kinds)}",
            allowed="a brainbench.Benchmark, several in a list or dict, a data set, or a function that "
            "returns one of these",
            todo="name such an object",
        )
    return found


def _benchmarks(made: Any) -> list[Any]:
    if isinstance(made, Benchmark):
        return [made]
    if isinstance(made, Dataset):
        return list(benchmarks_of(made).values())
    if isinstance(made, Mapping):
        return list(made.values())
    return list(made) if isinstance(made, Sequence) and not isinstance(made, str) else [made]
