"""Many trainings by the workers that score: in this process, in several, or on a cluster through dask."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Protocol, TypeVar

from brainbench.core import progress
from brainbench.core.settings import Spread
from brainbench.run.workers import cluster, lost_scheduler, processes

A = TypeVar("A")
R = TypeVar("R")
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol[A_contra, R_co]):
    """What is done of each assignment; it travels to other processes, as assignments and reports do."""

    @property
    def plural(self) -> str:
        """The trainings, as a note names them: "fits"."""

    def carry_out(self, assignment: A_contra) -> R_co:
        """Return the report of an assignment; one that cannot be done is a report with its reason."""

    def failed(self, assignment: A_contra, reason: str) -> R_co:
        """Return the report of an assignment whose process ended without an answer."""


def reports(
    work: Work[A, R], assigned: Sequence[A], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[A, R]]:
    """Yield each assignment with its report, as it is finished.

    Parameters
    ----------
    work : Work
        What is done.
    assigned : sequence
        Assignments, in the order in which they are begun.
    workers : int
        Processes side by side; 1 works in this one.
    scheduler : str, optional
        Address of a scheduler of dask, whose workers work instead.

    Raises
    ------
    InputError
        Workers and a scheduler at once, or a scheduler that does not answer.
    ScoringError
        The scheduler was lost.
    """
    _ = Spread(workers=workers, scheduler=scheduler)  # raises for both at once
    if scheduler is not None:
        yield from _of_scheduler(work, assigned, scheduler)
    elif workers == 1:
        yield from ((one, work.carry_out(one)) for one in assigned)
    else:
        yield from _of_processes(work, assigned, workers)


def _of_processes(work: Work[A, R], assigned: Sequence[A], workers: int) -> Iterator[tuple[A, R]]:
    """Yield reports of processes side by side; where one is killed, what is left comes by itself."""
    left: deque[A] = deque()
    with processes(workers) as (executor, _):
        running = {executor.submit(work.carry_out, one): one for one in assigned}
        for future in concurrent.futures.as_completed(running):
            assignment = running[future]
            if isinstance(future.exception(), BrokenExecutor):
                left.append(assignment)
            else:
                yield assignment, future.result()
    if left:
        progress.current().note(f"a worker was killed; {len(left)} {work.plural} follow one by one")
    yield from _one_by_one(work, left)


def _one_by_one(work: Work[A, R], left: deque[A]) -> Iterator[tuple[A, R]]:
    while left:
        with processes(1) as (executor, _):
            while left:
                assignment = left.popleft()
                try:
                    report = executor.submit(work.carry_out, assignment).result()
                except BrokenExecutor:
                    yield assignment, work.failed(assignment, "its process was killed twice")
                    break
                yield assignment, report


def _of_scheduler(work: Work[A, R], assigned: Sequence[A], address: str) -> Iterator[tuple[A, R]]:
    with cluster(address) as executor:
        running = {executor.submit(work.carry_out, one): one for one in assigned}
        for future in concurrent.futures.as_completed(running):
            assignment = running[future]
            try:
                report = future.result()
            except CancelledError as error:
                raise lost_scheduler(address) from error
            except Exception as error:  # such as a worker that was killed several times
                report = work.failed(assignment, str(error))
            yield assignment, report
