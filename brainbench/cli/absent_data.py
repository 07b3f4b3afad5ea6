"""Benchmarks without data here: a row for each that was named, one line for all that a wildcard found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brainbench.run.resolve import Job

ABSENT = "data_absent"
NEXT = "`brainbench data list` says how to get it, -v names them"


@dataclass(frozen=True, kw_only=True)
class Named:
    """The benchmarks that a command named, of which each has a row even where its data is not here.

    Attributes
    ----------
    names : frozenset of str or None
        Identifiers, without a map that `--metric` put in place of theirs; None where all have rows.
    """

    names: frozenset[str] | None

    @classmethod
    def of(cls, given: Sequence[str], job: Job, *, verbose: bool) -> Named:
        """Return what names, comma lists, files and composites name; with `verbose` everything."""
        if verbose:
            return cls(names=None)
        parts = (part.strip() for text in given for part in text.split(","))
        members = (name for composite in job.composites for name in composite.benchmarks)
        return cls(names=frozenset([*parts, *members, *job.files]))

    def leaves_out(self, benchmark: str, status: str) -> bool:
        """Return whether a table omits the row of a benchmark."""
        if status != ABSENT or self.names is None:
            return False
        return self.names.isdisjoint((benchmark, benchmark.partition("+")[0]))


def absent_line(reasons: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return the line on benchmarks whose rows are omitted, from the name and the reason of each.

    Where it is one data set, the line has its reason and its command. Without any there is no line.
    """
    given = list(reasons)
    names = list(dict.fromkeys(name for name, _ in given))
    known = {reason for _, reason in given}
    if len(known) > 1:
        return [f"{len(names)} benchmarks without data here: {NEXT}"]
    return [f"{', '.join(names)}: {reason}" for reason in known]
