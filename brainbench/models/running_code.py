"""Code as it runs: the instructions of a function, and whether they are those of its file."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from brainbench.core import progress
from brainbench.core.provenance import sha256
from brainbench.core.user_code import OWN

_KIND = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""Flags of code that say what kind of function it is; others say how it was compiled, or of its docstring."""


_READING = frozenset(("open", "exec", "eval", "__import__"))
_READING_ATTRIBUTES = frozenset(
    (
        "import_module",
        "environ",
        "getenv",
        "argv",
        "load",
        "loadtxt",
        "fromfile",
        "read_text",
        "read_bytes",
    )
)
_READING_MODULES = frozenset(("time", "random"))
"""Names by which code reads what its syntax does not show: functions, attributes, modules."""

_told: set[str] = set()


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


def note_unfollowed(function: FunctionType, *, name: str) -> None:
    """Note that a function of the user in the model `name` reads what no digest follows; once in a process.

    Files, environment, modules by a computed name, the clock, chance.
    """
    space = function.__globals__
    if str(space.get("__name__")).partition(".")[0] in OWN:
        return
    names = ", ".join(sorted(_unfollowed_in(function.__code__, space)))
    text = f"{name}: {function.__qualname__} uses {names}"
    if names and text not in _told:
        _told.add(text)
        progress.current().note(
            f"{text}: what is read so is not part of the digest, and scores stored before it changed "
            "are not computed again. Give wrap(..., version=), and change it with what is read"
        )


def _unfollowed_in(code: CodeType, space: Mapping[str, Any]) -> set[str]:
    """Return the names by which code, inner functions included, reads what its syntax does not show."""
    found: set[str] = set()
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if isinstance(name, CodeType):
            found |= _unfollowed_in(name, space)
        elif instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            is_module = name in _READING_MODULES and isinstance(space.get(name), ModuleType)
            if is_module or name in (_READING - space.keys()) | _READING_ATTRIBUTES:
                found.add(name)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            found |= {name} & _READING_ATTRIBUTES
        elif instruction.opname == "IMPORT_NAME":
            found |= {name} & _READING_MODULES
    return found
