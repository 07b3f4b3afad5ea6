"""Text for people: wrapped to the terminal with hanging indents, left alone in files and pipes."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO


def fitted(text: str, stream: TextIO) -> str:
    """Text as it goes to a stream: wrapped for a terminal, one line per line otherwise."""
    if not stream.isatty():
        return text
    return wrapped(text, shutil.get_terminal_size().columns)


def wrapped(text: str, width: int) -> str:
    """Each line wrapped to `width`, continued four further in; paths and names are never cut.

    Examples
    --------
    >>> print(wrapped("  allowed: one, two, three", 20))
      allowed: one, two,
          three
    """
    return "\n".join(_wrapped(line, width) for line in text.splitlines())


def _wrapped(line: str, width: int) -> str:
    body = line.lstrip()
    indent = line[: len(line) - len(body)]
    return textwrap.fill(
        body,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
