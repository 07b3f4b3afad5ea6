"""Errors that a user can act on.

Every error says what was got, what is allowed and what to do next. The command line prints it;
Python users catch `BrainbenchError` or the built-in class beside it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class BrainbenchError(Exception):
    """An error with what was got, what is allowed and what to do next."""

    def __init__(self, got: str, *, allowed: str, todo: str) -> None:
        super().__init__(f"{got}\n  allowed: {allowed}\n  next: {todo}")
        self.got, self.allowed, self.todo = got, allowed, todo

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.got, self.allowed, self.todo)


def _rebuild(kind: type[BrainbenchError], got: str, allowed: str, todo: str) -> BrainbenchError:
    return kind(got, allowed=allowed, todo=todo)


class BrainbenchWarning(UserWarning):
    """A score without a value among several, where `errors="warn"`."""


class UnknownNameError(BrainbenchError, LookupError):
    """A model, benchmark, data set, layer or region that does not exist."""


class InputError(BrainbenchError, ValueError):
    """An array, an assembly or an option that cannot be used."""


class NotApplicableError(InputError):
    """A benchmark that is not defined for a model, a protocol or a formula."""


class StimulusError(InputError):
    """An image that cannot be read, or an inconsistent stimulus set."""


class ActivationError(InputError):
    """A network whose responses cannot be used (NaN, inf, wrong shape, unclear time steps)."""

    row: int | None = None
    """Index of the image in its batch, where a network finds the error itself; it knows no ids."""

    def naming(self, ids: Sequence[str]) -> ActivationError:
        """Return the same error with the stimulus id of its row, given the ids of the batch."""
        if self.row is None:
            return self
        got = f"{self.got} for stimulus {ids[self.row]!r}"
        return ActivationError(got, allowed=self.allowed, todo=self.todo)


class DataAbsentError(BrainbenchError, FileNotFoundError):
    """A data set that is not on this machine."""


class DamagedFileError(InputError):
    """A kept file whose content is not what was written."""


class ScoringError(BrainbenchError, RuntimeError):
    """A score without a value, for a reason that is no other error of brainbench; see `__cause__`."""


class CacheError(BrainbenchError, RuntimeError):
    """A file or folder that cannot be written, or a disk that is full."""


class DamagedEntryError(CacheError):
    """A file of the cache whose bytes are not those that were written; what depends on it is made again."""

    path: Path | None = None


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> list[str]:
    """Return at most `n` known names: those similar to `name`, best first, then those that contain it.

    Upper and lower case are the same.
    """
    by_lower = {k.lower(): k for k in known}
    lowered = name.strip().lower()
    similar = difflib.get_close_matches(lowered, by_lower, n=n, cutoff=0.5)
    # "IT" is not similar to "IT.output" but may mean it.
    containing = sorted((k for k in by_lower if len(lowered) > 1 and lowered in k), key=len)
    return [by_lower[hit] for hit in dict.fromkeys([*similar, *containing])][:n]


def unknown(kind: str, name: str, known: Sequence[str], *, todo: str) -> UnknownNameError:
    """Return the error for a name that does not exist, with the closest names that do.

    `kind` is "model", "benchmark", "layer", ...; `todo` is the next step, such as a command that lists
    the names.
    """
    close = nearest(name, known)
    shown = ", ".join(close or sorted(known)[:12]) or "none"
    more = "" if close or len(known) <= 12 else f", ... ({len(known)} in all)"
    lead = "did you mean " if close else ""
    return UnknownNameError(f"unknown {kind} {name!r}", allowed=f"{lead}{shown}{more}", todo=todo)
