"""Progress reports; the command line shows them, the library is silent."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Protocol


class Advance(Protocol):
    """A function that advances a bar."""

    def __call__(self, n: int, /, *, seconds_left: float | None = None) -> None:
        """Advance by `n` units, and say how long the rest will take if the pace of the bar does not tell."""


class Reporter(Protocol):
    """A receiver of progress and notes."""

    def task(self, label: str, total: int | None) -> contextlib.AbstractContextManager[Advance]:
        """Open a progress bar of `total` units, None if unknown, and yield the function that advances it."""

    def note(self, text: str) -> None:
        """Show one line of text."""


class Silent:
    """A reporter that shows nothing."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None) -> Iterator[Advance]:
        """Yield a function that does nothing."""
        yield _nothing

    def note(self, text: str) -> None:
        """Do nothing."""


def _nothing(n: int, /, *, seconds_left: float | None = None) -> None:
    pass


_current: contextvars.ContextVar[Reporter] = contextvars.ContextVar("progress", default=Silent())  # noqa: B039  # stateless


def current() -> Reporter:
    """Return the reporter in use."""
    return _current.get()


@contextlib.contextmanager
def use(reporter: Reporter) -> Iterator[None]:
    """Use a reporter within the block."""
    token = _current.set(reporter)
    try:
        yield
    finally:
        _current.reset(token)
