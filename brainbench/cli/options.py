"""Option values of the command line as Python values; a wrong one is an error that says what is right."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from brainbench.core.errors import InputError, unknown

_CLOSED_BY = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}
PYTHON_WORDS = {"True": True, "False": False, "None": None}


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`["IT=a,V4=b", "V2=c"]` as a dict.

    Raises
    ------
    InputError
        An entry without "=", or a name that is given twice.
    """
    return _pairs((part for text in given for part in text.split(",")), option)


def model_args(given: Sequence[str]) -> dict[str, Any]:
    """Options for a model, as `["size=3,kernels=[7, 5]", "flag=true"]`: a list or a dict may hold commas.

    Raises
    ------
    InputError
        As in `pairs`; a bracket or a quote that is not closed; a list or a dict that cannot be read.
    """
    found = _pairs((part for text in given for part in _split(text)), "--model-args")
    return {key: value_of(text) for key, text in found.items()}


def with_weights(arguments: Mapping[str, Any], weights: str) -> dict[str, Any]:
    """Options for a model with the value of --weights among them.

    Raises
    ------
    InputError
        They name weights too.
    """
    if "weights" in arguments:
        raise InputError(
            "--model-args with weights, and --weights",
            allowed="one of the two",
            todo="give --weights alone",
        )
    return {**arguments, "weights": weights}


def _split(text: str) -> list[str]:
    """Split at each comma outside the brackets and quotes in which a value may stand."""
    parts, closers = [""], ""
    for char in text:
        quoted = closers[-1:] in ("'", '"')
        opens = char in _CLOSED_BY and not quoted
        if closers and char == closers[-1]:
            closers = closers[:-1]
        elif opens and (closers or parts[-1].rstrip().endswith("=")):
            closers += _CLOSED_BY[char]
        if char == "," and not closers:
            parts.append("")
        else:
            parts[-1] += char
    if closers:
        raise InputError(
            f"--model-args {parts[-1].strip()!r} without its closing {closers[::-1]}",
            allowed="a value whose brackets and quotes are closed, as kernels=[7,5,3,3,3,3]",
            todo="close it, and quote the whole for the shell: --model-args 'NAME=[1,2]'",
        )
    return parts


def _pairs(entries: Iterable[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        key, equals, value = (piece.strip() for piece in entry.partition("="))
        if not (key and equals and value):
            raise InputError(
                f"{option} {entry!r}", allowed="name=value", todo=f"write {option} name=value"
            )
        if found.get(key, value) != value:
            raise InputError(
                f"{option} gives {key} as {found[key]!r} and as {value!r}",
                allowed="one value for each name",
                todo="drop one of the two",
            )
        found[key] = value
    return found


def value_of(text: str) -> Any:
    """Value of `--model-args k=v`: a number, true, false, null, a list, a dict, else text.

    Words, lists and dicts may be spelled as in JSON or as in Python.

    Raises
    ------
    InputError
        A list or a dict that cannot be read.

    Examples
    --------
    >>> [value_of(text) for text in ("3", "1e-3", "true", "False", "v2", '"3"', "[7, 5]")]
    [3, 0.001, True, False, 'v2', '3', [7, 5]]
    """
    if text in PYTHON_WORDS:
        return PYTHON_WORDS[text]
    try:
        return json.loads(text)
    except ValueError:
        return _python_value(text) if text[:1] in _CLOSED_BY else text


def _python_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        if text[0] not in "[{":
            return text
        raise InputError(
            f"--model-args {text!r}, which cannot be read",
            allowed='a list as [7,5] or ["a","b"], a dict as {"V4":2}',
            todo="put names within it in quotes, and the whole in quotes for the shell",
        ) from error


def batch_size_of(text: str) -> int | str:
    """Batch size as a positive number, or "auto".

    Raises
    ------
    InputError
        Anything else.
    """
    if text == "auto":
        return text
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise InputError(
            f"--batch-size {text!r}",
            allowed="'auto', or a whole number of images from 1",
            todo="write for example --batch-size 16",
        )
    return int(text)


def needed(given: list[str], option: str, listing: str) -> list[str]:
    """Return what was given, if anything was.

    Raises
    ------
    InputError
        Nothing was.
    """
    if not given:
        raise InputError(
            f"no {option}",
            allowed="a name, a wildcard, a comma list, or 'all'",
            todo=f"give {option} NAME; `{listing}` lists the names",
        )
    return given


def one_of(given: str, allowed: Sequence[str], option: str) -> str:
    """Return what was given, if it is allowed.

    Raises
    ------
    UnknownNameError
        It is not.
    """
    if given not in allowed:
        raise unknown(f"choice for {option}", given, allowed, todo=f"give {option} {allowed[0]}")
    return given


def writable_file(path: Path | None, option: str) -> Path | None:
    """Return the path, if a file could stand there: this is known before hours of computing.

    Raises
    ------
    InputError
        A folder, or a file in a folder that does not exist.
    """
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(
            f"{option} {path}: " + ("a folder" if path.is_dir() else "there is no such folder"),
            allowed="a file in a folder that exists",
            todo=f"make the folder, or give another path with {option}",
        )
    return path
