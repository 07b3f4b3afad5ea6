"""Workers: processes of this machine, or of a cluster through dask, that carry out the assignments of a run.

Both are executors of `concurrent.futures`, and are given the same function. Workers share nothing but the
results folder and the cache, whose claims keep two of them from computing the same.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import faulthandler
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from itertools import product
from pathlib import Path

import psutil
import threadpoolctl

from brainbench.core import progress, provenance
from brainbench.core.errors import BrainbenchError, InputError, ScoringError
from brainbench.core.score import Score
from brainbench.core.settings import Spread
from brainbench.run.assignments import (
    AssignedBenchmark,
    Assignment,
    Report,
    assigned_benchmarks,
    assigned_of,
    assignments,
    carry_out,
    longest_first,
    of_shard,
    scored,
)
from brainbench.run.execute import given
from brainbench.run.outer_bar import with_outer_bar
from brainbench.run.plan import failed_score, without_data
from brainbench.run.resolve import Job
from brainbench.scoring.context import Run

log = logging.getLogger(__name__)

KEPT_FREE = 0.1
"""Share of the available memory that workers leave to everything else."""
_LOG_LINES = 8


def run(job: Job, spread: Spread, *, raising: bool = False) -> Iterator[Score]:
    """Return the scores of a job in its order, in this process or by workers; errors as in `Job.run`."""
    if spread == Spread():
        names = (one.identifier for one in job.benchmarks)
        pairs = list(product((spec.name for spec in job.models), names))
        absent = without_data(job.benchmarks, Run(job.settings))
        return with_outer_bar(job.run(raising=raising), pairs, absent=absent)
    if job.results is not None:
        job.results.check()
    return _spread_out(job, spread, raising=raising)


def _spread_out(job: Job, spread: Spread, *, raising: bool) -> Iterator[Score]:
    dealt = of_shard(assignments(job), spread.shard)
    mine = {(one.spec.name, benchmark) for one in dealt for benchmark in one.benchmarks}
    every = ((spec.name, one) for spec, one in product(job.models, assigned_of(job)))
    order = [pair for pair in every if pair in mine]
    finished: dict[tuple[str, AssignedBenchmark], Score] = {}
    for assignment, report in carried_out(dealt, spread):
        for benchmark, score in zip(assignment.benchmarks, report.scores, strict=True):
            finished[assignment.spec.name, benchmark] = given(score, None, raising=raising)
        while order and order[0] in finished:
            yield finished.pop(order.pop(0))


def carried_out(dealt: Sequence[Assignment], spread: Spread) -> Iterator[tuple[Assignment, Report]]:
    """Yield what is done of each assignment as it is finished, longest first.

    Raises
    ------
    InputError
        A scheduler that does not answer, or a worker of another version.
    ScoringError
        The scheduler was lost.
    """
    total = sum(len(one.benchmarks) for one in dealt)
    with progress.current().task("scores", total) as advance:
        for assignment, report in _reports(longest_first(dealt), spread):
            for text in report.notes:
                progress.current().note(text)
            provenance.count_forward(report.costs.forward_seconds, report.costs.images)
            yield assignment, report
            advance(len(assignment.benchmarks))


def _reports(dealt: list[Assignment], spread: Spread) -> Iterator[tuple[Assignment, Report]]:
    if spread.scheduler is not None:
        with cluster(spread.scheduler) as executor:
            yield from _of_scheduler(dealt, executor, spread.scheduler)
        return
    if spread.workers == 1:
        yield from ((one, scored(one)) for one in dealt)
        return
    share = psutil.virtual_memory().available * (1 - KEPT_FREE) / 1e9 / spread.workers
    together = deque(replace(one, memory_gb=share) for one in dealt)
    alone: deque[Assignment] = deque()
    yield from _together(together, alone, spread.workers)
    for assignment in alone:
        yield assignment, _by_itself(replace(assignment, memory_gb=None))


def _together(
    waiting: deque[Assignment], alone: deque[Assignment], workers: int
) -> Iterator[tuple[Assignment, Report]]:
    """Yield reports of processes side by side; what must be done by itself is added to `alone`.

    That is an assignment for which too much memory is foreseen, and any that was under way when a process
    was killed: which of them was too much is only known when each is alone.
    """
    while waiting:
        running: dict[Future[Report], Assignment] = {}
        with processes(workers) as (executor, _):
            try:
                while waiting or running:
                    while waiting and len(running) < workers:
                        # Taken from the front only once it is accepted.
                        running[executor.submit(carry_out, waiting[0])] = waiting[0]
                        waiting.popleft()
                    for future in concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED
                    ).done:
                        report = future.result()
                        assignment = running.pop(future)
                        if report.refused_gb is not None:
                            progress.current().note(_too_large(assignment, report.refused_gb))
                            alone.append(assignment)
                        else:
                            yield assignment, report
            except BrokenExecutor:
                names = ", ".join(one.title for one in running.values())
                progress.current().note(f"a worker was killed; each by itself, at the end: {names}")
                alone.extend(running.values())


def _too_large(assignment: Assignment, foreseen_gb: float) -> str:
    share = assignment.memory_gb or 0.0
    return (
        f"{assignment.title}: {foreseen_gb:.1f} GB are foreseen, a worker's share is {share:.1f} GB; "
        "it is scored by itself, at the end"
    )


def _by_itself(assignment: Assignment) -> Report:
    """Return the report of a process that has the machine to itself; failures if it is killed again."""
    with processes(1) as (executor, logs):
        try:
            return executor.submit(carry_out, assignment).result()
        except BrokenExecutor:
            last = _last_lines(logs)
    error = ScoringError(
        f"the process that scored {assignment.title} ended twice without an answer{last}",
        allowed="a network and data that this machine has the memory for",
        todo="score it without --workers and look at its messages, or give a smaller --batch-size",
    )
    return Report(scores=failures(assignment, error))


def failures(assignment: Assignment, error: Exception) -> tuple[Score, ...]:
    """Return a score without a value for every benchmark of an assignment."""
    run = Run(assignment.settings)
    return tuple(
        failed_score(error, benchmark, run, model=assignment.spec.name)
        for benchmark in assigned_benchmarks(assignment)
    )


@contextlib.contextmanager
def processes(workers: int) -> Iterator[tuple[Executor, Path]]:
    """Yield processes among which the processors are divided, and the folder of their logs.

    They end when the block ends, however it ends, and when this process does.
    """
    import joblib

    threads = max(1, joblib.cpu_count() // workers)
    spawn = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    logs = Path(tempfile.mkdtemp(prefix="brainbench-workers-"))
    executor = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=spawn, initializer=_start, initargs=(threads, logs)
    )
    try:
        yield executor, logs
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    else:
        executor.shutdown()
    finally:
        shutil.rmtree(logs, ignore_errors=True)


def _start(threads: int, logs: Path) -> None:
    """Prepare a new process: its share of the processors, its log, and its end with that of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["LOKY_MAX_CPU_COUNT"] = str(threads)  # of joblib.cpu_count()
    import torch

    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(threads)
    path = logs / f"{os.getpid()}.log"
    faulthandler.enable(path.open("w"))
    logging.basicConfig(filename=path, level=logging.WARNING, force=True)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _last_lines(logs: Path) -> str:
    text = "".join(path.read_text() for path in logs.glob("*.log"))
    # Where Python itself has ended, its report begins with what happened and where.
    fatal = text.find("Fatal Python error")
    lines = text.splitlines()[-_LOG_LINES:] if fatal < 0 else text[fatal:].splitlines()[:_LOG_LINES]
    return ":\n" + "\n".join(lines) if lines else ""


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Yield the workers of a scheduler of dask as an executor; InputError where it does not answer."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "a scheduler without the package distributed",
            allowed="brainbench with the extra dask",
            todo="pip install 'brainbench[dask]'",
        ) from error
    try:
        client = Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(
            f"the scheduler {address} does not answer ({error})",
            allowed="the address of a running scheduler of dask, as tcp://host:8786",
            todo="start one with `dask scheduler`, or score with --workers",
        ) from error
    with client:
        executor: Executor = client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise


def lost_scheduler(address: str) -> ScoringError:
    """Return the error of a scheduler that has ended before its work was done."""
    return ScoringError(
        f"the scheduler {address} was lost",
        allowed="a scheduler that runs until the last result",
        todo="start it and give the same command again: it goes on where it stopped",
    )


def _of_scheduler(
    dealt: Sequence[Assignment], executor: Executor, address: str
) -> Iterator[tuple[Assignment, Report]]:
    running = {executor.submit(carry_out, one): one for one in dealt}
    for future in concurrent.futures.as_completed(running):
        assignment = running[future]
        try:
            report = future.result()
        except BrainbenchError:
            raise
        except CancelledError as error:
            raise lost_scheduler(address) from error
        except Exception as error:  # such as a worker that was killed several times
            report = Report(scores=failures(assignment, error))
        yield assignment, report
