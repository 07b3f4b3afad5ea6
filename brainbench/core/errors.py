"""Errors that a user can act on.

Every error says three things: what was got, what is allowed and what to do next. The command line
prints them as they are; Python users catch `BrainbenchError` or the built-in class beside it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class BrainbenchError(Exception):
    """What was got, what is allowed, what to do next.

    Parameters
    ----------
    got : str
        What was found, with its name and its value.
    allowed : str
        What would have been accepted.
    todo : str
        The next step for the user.
    """

    def __init__(self, got: str, *, allowed: str, todo: str) -> None:
        super().__init__(f"{got}\n  allowed: {allowed}\n  next: {todo}")
        self.got, self.allowed, self.todo = got, allowed, todo

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.got, self.allowed, self.todo)


def _rebuild(kind: type[BrainbenchError], got: str, allowed: str, todo: str) -> BrainbenchError:
    return kind(got, allowed=allowed, todo=todo)


class UnknownNameError(BrainbenchError, LookupError):
    """A model, benchmark, data set, layer or region that does not exist."""


class InputError(BrainbenchError, ValueError):
    """An array, an assembly or an option that cannot be used."""


class NotApplicableError(InputError):
    """A benchmark that has no figure for this model, under this protocol or by this formula."""


class StimulusError(InputError):
    """An image that cannot be read, or a stimulus set that contradicts itself."""


class ActivationError(InputError):
    """A network whose responses cannot be used (NaN, inf, wrong shape, unclear time steps).

    Attributes
    ----------
    row : int or None
        Which image of its batch, where the network itself finds it; it knows no stimuli.
    """

    row: int | None = None

    def naming(self, ids: Sequence[str]) -> ActivationError:
        """Make the same error, with the stimulus of its row; `ids` are those of the batch."""
        if self.row is None:
            return self
        got = f"{self.got} for stimulus {ids[self.row]!r}"
        return ActivationError(got, allowed=self.allowed, todo=self.todo)


class DataAbsentError(BrainbenchError, FileNotFoundError):
    """A data set that is not on this machine."""

    # FileNotFoundError formats itself from errno; the message must stay the three lines.
    def __str__(self) -> str:
        return f"{self.got}\n  allowed: {self.allowed}\n  next: {self.todo}"


class CacheError(BrainbenchError, RuntimeError):
    """A cache or results folder that cannot be written or that is full."""


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> list[str]:
    """Names that look like `name`, best first, then names that contain it; case does not count.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What exists.
    n : int
        At most so many.
    """
    by_lower = {k.lower(): k for k in known}
    wanted = name.strip().lower()
    similar = difflib.get_close_matches(wanted, by_lower, n=n, cutoff=0.5)
    # "IT" is not similar to "IT.output", and is still what was meant.
    containing = sorted((k for k in by_lower if len(wanted) > 1 and wanted in k), key=len)
    return [by_lower[hit] for hit in dict.fromkeys([*similar, *containing])][:n]


def unknown(kind: str, name: str, known: Sequence[str], *, todo: str) -> UnknownNameError:
    """Build the error for a name that does not exist, with the closest ones that do.

    Parameters
    ----------
    kind : str
        "model", "benchmark", "layer", ...
    name : str
        What the user wrote.
    known : sequence of str
        Every allowed name.
    todo : str
        The next step, for example a command that lists the names.
    """
    close = nearest(name, known)
    shown = ", ".join(close or sorted(known)[:12]) or "none"
    more = "" if close or len(known) <= 12 else f", ... ({len(known)} in all)"
    lead = "did you mean " if close else ""
    return UnknownNameError(f"unknown {kind} {name!r}", allowed=f"{lead}{shown}{more}", todo=todo)
