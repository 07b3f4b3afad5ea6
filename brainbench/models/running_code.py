"""Code as it runs: the instructions of a function, and whether they are those of its file."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from brainbench.core.provenance import sha256

_KIND = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""Flags of code that say what kind of function it is; others say how it was compiled, or of its docstring."""


def instructions_digest(code: CodeType) -> str:
    """Return the SHA-256 of what a code object does; its docstring, place and comments do not count."""
    return sha256(*_instructions(code))


def _instructions(code: CodeType) -> Iterator[str]:
    counts = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _KIND,
    )
    yield from map(str, counts)
    yield from code.co_varnames[: sum(counts[:1]) + code.co_kwonlyargcount]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":  # it depends on where constants are stored
            continue
        yield instruction.opname
        if isinstance(instruction.argval, CodeType):
            yield from _instructions(instruction.argval)
        else:
            yield _constant(instruction.argval)


def _constant(value: Any) -> str:
    """Return a text of a constant; sets are sorted, as their order differs between processes."""
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_constant, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return f"{type(value).__name__} {value!r}"


def definitions_of(code: CodeType, source: bytes) -> frozenset[str]:
    """Return the instructions digests of all code that a source has under the name of this code.

    That of the code is not among them if the file was edited after the import. There are several where a name
    is defined in branches, and of lambdas.
    """
    return _definitions(source).get(code.co_qualname, frozenset())


@functools.lru_cache(maxsize=256)
def _definitions(source: bytes) -> dict[str, frozenset[str]]:
    """Return the digests of all code in a source, by qualified name; a name may be defined several times."""
    try:
        waiting = [compile(source, "", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return {}
    digests: dict[str, frozenset[str]] = {}
    while waiting:
        code = waiting.pop()
        name = code.co_qualname
        digests[name] = digests.get(name, frozenset()) | {instructions_digest(code)}
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return digests


def names_in(code: CodeType) -> set[str]:
    """Return the names of globals, attributes and modules that code uses, its inner functions included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= names_in(constant)
    return {part for name in names for part in name.split(".")}
