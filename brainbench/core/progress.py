"""Progress reports; the command line shows them, the library is silent."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]


class Reporter(Protocol):
    """A receiver of progress and notes."""

    def task(self, label: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """Open a progress bar of `total` units and yield the function that advances it."""

    def note(self, text: str) -> None:
        """Show one line of text."""


class Silent:
    """A reporter that shows nothing."""

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Yield a function that does nothing."""
        yield lambda _: None

    def note(self, text: str) -> None:
        """Do nothing."""


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
