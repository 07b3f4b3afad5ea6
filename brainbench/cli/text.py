"""Text for people: wrapped with hanging indents in a terminal, one line in files and pipes."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

from brainbench.core.untrusted_text import visible


def fitted(text: str, stream: TextIO) -> str:
    """Return text as it goes to a stream: control characters written out; wrapped for a terminal."""
    shown = visible(text)
    if not stream.isatty():
        return shown
    return wrapped(shown, shutil.get_terminal_size().columns)


def wrapped(text: str, width: int) -> str:
    """Return text with each line wrapped to `width` and continued four further in; no word is cut.

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
