"""Stored scores of a run: which count, which were stored in the meantime, and what is stored."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from brainbench.core import progress
from brainbench.core.errors import CacheError, DamagedFileError, InputError
from brainbench.core.score import Score
from brainbench.storage.results import Results, Stamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a score is stored, and what was there when the run was planned."""

    model: str
    benchmark: str
    protocol: str
    key: str  # SHA-256 of everything that the score depends on
    planned: Stamp | None = None

    def seen(self, results: Results | None) -> Place:
        """Return the place with what is there now."""
        return self if results is None else replace(self, planned=results.stamp(**self._names()))

    def find(self, results: Results) -> Score | None:
        """Return the stored score; errors as in `Results.find`."""
        return results.find(**self._names())

    def is_new(self, results: Results) -> bool:
        """Whether the file is another one than when the run was planned."""
        return results.stamp(**self._names()) != self.planned

    def _names(self) -> dict[str, str]:
        return {
            "model": self.model,
            "benchmark": self.benchmark,
            "protocol": self.protocol,
            "key": self.key,
        }


def readable(place: Place, results: Results) -> Score | None:
    """Return the stored score; a damaged one is said in a note and is none."""
    try:
        return place.find(results)
    except DamagedFileError as error:
        progress.current().note(f"{error.got}; it is computed again")
        return None


def figure_since(place: Place, results: Results) -> Score | None:
    """Return the figure that another process has stored since the run was planned, if there is one."""
    if not place.is_new(results):
        return None
    score = readable(place, results)
    return None if score is None or score.value is None else score


def store(score: Score, place: Place, results: Results | None) -> Score:
    """Store a score with a value, or a failure where no figure is stored; return it with its file.

    What does not apply or has no data is no result. A failure that is not stored says what is kept.
    """
    if results is None or score.status not in ("scored", "failed"):
        return score
    kept = _kept(place, results) if score.failed else None
    if kept is not None:
        return replace(score, reason=f"{score.reason}\n  stored before: {kept}, which is kept")
    try:
        return results.save(score, key=place.key)
    except CacheError as error:  # what took hours to compute is shown even if it cannot be stored
        log.error("%s on %s is not stored: %s", score.model, score.benchmark, error)
        return score


def _kept(place: Place, results: Results) -> str | None:
    """Return what a failure must not replace: a figure, or a file that may hold one."""
    try:
        stored = place.find(results)
    except InputError as error:
        return error.got
    if stored is None or stored.value is None:
        return None
    return f"{stored.value:.4g} in {stored.file}"
