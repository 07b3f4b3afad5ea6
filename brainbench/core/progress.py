"""Telling the user how far things are, without the core knowing about terminals."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Shows progress and notes; the command line has one, the library is silent."""

    def task(self, label: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """Open a bar of `total` units; the value is a function that advances it."""
        ...

    def note(self, text: str) -> None:
        """Say one line."""
        ...


class Silent:
    """Says nothing."""

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Give a function that does nothing."""
        yield lambda _: None

    def note(self, text: str) -> None:
        """Say nothing."""


_current: contextvars.ContextVar[Reporter] = contextvars.ContextVar("progress", default=Silent())  # noqa: B039  # stateless


def current() -> Reporter:
    """Reporter in use here."""
    return _current.get()


@contextlib.contextmanager
def use(reporter: Reporter) -> Iterator[None]:
    """Report to `reporter` within the block."""
    token = _current.set(reporter)
    try:
        yield
    finally:
        _current.reset(token)
