"""Processes that are killed at a step of theirs in the file system."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

STEPS = ("mkdir", "open", "rename", "replace", "unlink", "rmdir", "remove", "fsync")
KILLED, FINISHED, RAISED = 77, 0, 3


def run_until(step: int, work: Callable[[], Any]) -> int:
    """Run `work` in a child process that dies before its step number `step`; return its exit status.

    Steps are calls of the functions of `os` in STEPS. Nothing is cleaned up, as by SIGKILL. The status is
    KILLED, or FINISHED where there are fewer steps, or RAISED.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child starts no thread
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = RAISED
    try:
        _count(step)
        work()
        status = FINISHED
    finally:
        os._exit(status)


def _count(step: int) -> None:
    left = step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return function(*arguments, **options)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
