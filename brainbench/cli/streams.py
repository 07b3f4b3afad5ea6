"""Standard output and error that may be closed, full, or unable to show every character."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

UNWRITABLE, PIPE_CLOSED = 3, 141
"""Exit status where output is lost; the second is what a shell shows for a program that SIGPIPE has ended."""
_SCORED = (0, 1)  # ends of a run that lost output replaces; others are about something worse


class KeepsGoing:
    """A stream that never fails: it remembers its first error and drops what comes after.

    A run stores its scores, however its output fares; `ending` says so when it is over.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._is_closed = stream is None
        self._stream = io.StringIO() if stream is None else stream
        self.error: OSError | None = None
        if isinstance(self._stream, io.TextIOWrapper):  # ASCII has \xb0 for a degree sign
            self._stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        if self._is_closed:
            self.error = OSError(errno.EBADF, "it is closed")
        if self.error is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.error = error
        with contextlib.suppress(OSError):  # what is buffered still must not fail again at the exit
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Keep a program going whose output cannot be written, and end it with the status that says so."""
    _fill_descriptors()
    kept = sys.stdout, sys.stderr
    out, err = KeepsGoing(kept[0]), KeepsGoing(kept[1])
    sys.stdout, sys.stderr = out, err
    try:
        yield
    except SystemExit as end:
        out.flush()
        if out.error is not None and (end.code or 0) in _SCORED:
            raise SystemExit(ending(out.error)) from None
        raise
    finally:
        err.flush()
        sys.stdout, sys.stderr = kept


def ending(error: OSError) -> int:
    """Return the exit status of a program whose output is lost, and say why unless its reader left."""
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    print(
        f"brainbench: standard output cannot be written ({error.strerror}); "
        "finished scores are kept, the same command shows them",
        file=sys.stderr,
    )
    return UNWRITABLE


def _fill_descriptors() -> None:
    """Point closed standard descriptors to nowhere, so that no file that is opened gets their numbers."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
