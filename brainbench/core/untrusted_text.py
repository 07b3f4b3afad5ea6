"""Text from files and plug-ins, made safe to show in a terminal and to open in a spreadsheet."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:  # the command line imports this before it needs pandas
    import pandas as pd

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters: control, format, lone surrogate, line and paragraph separator."""
_JOINERS = "\u200c\u200d"  # parts of ordinary words and emoji
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str, *, keep: str = "\n\t") -> str:
    r"""Return text in which control characters are written out, such as \x1b, except those in `keep`.

    A terminal would obey them: they clear the screen, turn letters around, or write to the clipboard.

    Examples
    --------
    >>> print(visible("net\x1b[31m \udcff"))
    net\x1b[31m \udcff
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if _is_hidden(character, keep) else character
        for character in text
    )


def _is_hidden(character: str, keep: str) -> bool:
    shown = character.isprintable() or character in keep or character in _JOINERS
    return not shown and unicodedata.category(character) in _HIDDEN


def write_csv(frame: pd.DataFrame, path: str | Path | TextIO) -> None:
    """Write a frame as CSV to a path, in UTF-8, or a stream; its text and titles are safe to open.

    All digits are kept. Text that a spreadsheet would take for a formula, because it begins with = + - @, a
    tab or a carriage return, gets an apostrophe in front; control characters are written out.
    """
    frame.map(_cell).rename(columns=_cell).to_csv(path, index=False, encoding="utf-8")


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown
