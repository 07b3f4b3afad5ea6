"""Options of fits from files and from the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainbench.core.errors import InputError


def read_toml(path: Path, *, option: str) -> dict[str, Any]:
    """Return the content of a TOML file; InputError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{option} {path} cannot be read ({error})",
            allowed="a file of TOML, such as: channels = 16",
            todo="correct it, or give another file",
        ) from error


def read_settings(given: Sequence[str]) -> dict[str, Any]:
    """Return options of texts such as "channels=16"; values are read as TOML, else as text.

    Examples
    --------
    >>> read_settings(["channels=16", "mode=2-avg", "removed=[1, 2]"])
    {'channels': 16, 'mode': '2-avg', 'removed': [1, 2]}
    """
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(
                f"--set {text!r}", allowed="name=value", todo="write for example --set channels=16"
            )
        if name in options:
            raise InputError(
                f"--set gives {name} twice", allowed="one value", todo="drop one of the two"
            )
        options[name] = _value(value)
    return options


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
