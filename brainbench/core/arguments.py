"""Arguments of public functions: each is of the type that the function declares, or an error names it."""

from __future__ import annotations

import collections.abc
import inspect
import numbers
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from brainbench.core.errors import InputError

_SHOWN = 80  # characters of a value


def check_arguments(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    *,
    but: Collection[str] = (),
    filled: Collection[str] = (),
) -> None:
    """Raise InputError for the first argument that is not of the declared type.

    `given` are the arguments by name, as `locals()` at the start of `function`. Those in `but`, and those
    without an annotation, are not checked; those in `filled` must not be empty texts.
    """
    declared = inspect.get_annotations(function)
    checked = {name: declared[name] for name in declared.keys() & given.keys() - set(but)}
    holder = types.SimpleNamespace(__annotations__=checked)
    hints = typing.get_type_hints(holder, globalns=vars(sys.modules[function.__module__]))
    for name, value in given.items():
        if name not in hints:
            continue
        is_empty = name in filled and value == ""
        if is_empty or not fits(value, hints[name]):
            text = "a text that is not empty" if is_empty else str(declared[name])
            raise wrong_type(name, value, text, todo=f"see help({function.__name__})")


def wrong_type(name: str, value: Any, allowed: str, *, todo: str) -> InputError:
    """Return the error for an argument of a type that is not allowed."""
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return InputError(f"{name}={shown}", allowed=allowed, todo=todo)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of an annotated type; a bool is no number, and a text no sequence.

    Whole numbers of numpy are int, and real ones float. Of containers every member is looked at.
    """
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in members)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in members)
    if origin is collections.abc.Callable:
        return callable(value)
    if origin is collections.abc.Mapping:
        key, item = members
        return isinstance(value, Mapping) and all(
            fits(k, key) and fits(v, item) for k, v in value.items()
        )
    if origin is collections.abc.Sequence:
        is_sequence = isinstance(value, collections.abc.Sequence) and not isinstance(
            value, str | bytes
        )
        return is_sequence and all(fits(one, members[0]) for one in value)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, type(None) if hint is None else hint)
