"""Reads of files from outside whose format can crash its library or keep it for ever, in a child process.

HDF5 (netCDF4) and MATLAB files point into themselves: a damaged one may send the C library round in circles,
or to an address that is not its own. The child has limits of time and memory, and hands its result back in a
file of a plain format.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from brainbench.core import errors
from brainbench.core.errors import BrainbenchError, InputError

Read = Callable[..., None]
"""Module-level function of (path, target, **options): reads a file and writes to the path `target`."""

SECONDS = 60.0  # limit of time for a small file
BYTES_PER_SECOND = 10e6  # a large one may take longer
BYTES = 4_000_000_000  # limit of memory for a small file
BYTES_PER_BYTE = 20  # a large one, which may be compressed, may take more
_MEMORY = 3  # exit status of a child that has not enough memory


@contextlib.contextmanager
def read_guarded(
    read: Read, path: Path, *, allowed: str, seconds: float | None = None, **options: Any
) -> Iterator[Path]:
    """Run `read` on a file in a child process and yield the path that it wrote to, kept within the block.

    `allowed` says what the file should be; options are plain values. `seconds` is the limit of time, by
    default one minute and more for a file above 600 MB. The error of the project that `read` raises is
    raised here; InputError for a file that crashes the reader, or takes too much time or memory, and for any
    other error.
    """
    if not path.is_file():
        raise InputError(
            f"{path} does not exist, or is no file", allowed=allowed, todo="correct the path"
        )
    size = path.stat().st_size
    limit = seconds or max(SECONDS, size / BYTES_PER_SECOND)
    nbytes = max(BYTES, BYTES_PER_BYTE * size)
    with tempfile.TemporaryDirectory(prefix="brainbench-") as folder:
        target = Path(folder) / "result"
        asked = {
            "function": f"{read.__module__}:{read.__qualname__}",
            "path": str(path.absolute()),
            "target": str(target),
            "nbytes": nbytes,
            "options": options,
        }
        try:
            ended = subprocess.run(  # noqa: S603, PLW1510
                [sys.executable, "-P", "-m", __name__],
                input=json.dumps(asked).encode(),
                capture_output=True,
                timeout=limit,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except subprocess.TimeoutExpired:
            raise _refused(path, f"blocks its reader for more than {limit:g} s", allowed) from None
        _check(ended, path, allowed, nbytes)
        yield target


def _check(
    ended: subprocess.CompletedProcess[bytes], path: Path, allowed: str, nbytes: int
) -> None:
    """Raise the error that a child reports, or the one that its end stands for."""
    if ended.returncode == 0:
        return
    if ended.returncode == _MEMORY:
        raise _refused(path, f"takes more than {nbytes / 1e9:g} GB of memory to read", allowed)
    if ended.returncode < 0:
        raise _refused(path, f"crashes its reader (signal {-ended.returncode})", allowed)
    try:
        told = json.loads(ended.stdout)
        kind, texts = told.pop("kind"), {key: str(text) for key, text in told.items()}
        error = getattr(errors, str(kind))(texts.pop("got"), **texts)
    except (ValueError, LookupError, TypeError, AttributeError):
        lines = ended.stderr.decode(errors="replace").splitlines() or ["no reason"]
        error = _refused(path, f"cannot be read ({lines[-1]})", allowed)
    raise error


def _refused(path: Path, why: str, allowed: str) -> InputError:
    return InputError(f"{path} {why}", allowed=allowed, todo="get the file again; it is damaged")


def answer(asked: Mapping[str, Any]) -> int:
    """Do in the child what `read_guarded` asks for, tell an error on stdout, and return the exit status."""
    module, _, name = asked["function"].partition(":")
    read: Read = getattr(importlib.import_module(module), name)
    limit_memory(asked["nbytes"])
    try:
        read(Path(asked["path"]), Path(asked["target"]), **asked["options"])
    except MemoryError:
        return _MEMORY
    except BrainbenchError as error:
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        told = {"kind": kind.__name__, "got": error.got, "allowed": error.allowed}
        print(json.dumps({**told, "todo": error.todo}))
        return 1
    return 0


def limit_memory(nbytes: int) -> None:
    """Limit what this process may take beside what it has; nothing happens where the system cannot."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + nbytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(answer(json.load(sys.stdin)))
