"""The one folder for things that took time to make: activations, simulations, converted weights.

An entry is one file, named by the SHA-256 of everything it depends on. It is written under a temporary
name and renamed, so a reader sees all of it or nothing, and several processes may share the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, CacheError, InputError

ENVIRONMENT = "BRAINBENCH_CACHE"
LIMIT = "BRAINBENCH_CACHE_GB"
DEFAULT_GB = 50.0
NOTICE_SECONDS = 2.0
"""A process that waits longer than this for another one says so."""
ABANDONED_SECONDS = 24 * 3600.0
"""A temporary file that has not grown for so long belongs to a process that was killed."""


@dataclass(frozen=True)
class Cache:
    """A content-keyed folder.

    Parameters
    ----------
    folder : Path
        Made when first written to.
    max_gb : float
        Above this size the entries used longest ago are removed after a write; never the one just written.
    """

    folder: Path
    max_gb: float = DEFAULT_GB

    def path(self, kind: str, key: str, suffix: str) -> Path:
        """Where an entry lives, whether it exists or not."""
        return self.folder / kind / f"{key}{suffix}"

    def find(self, kind: str, key: str, suffix: str) -> Path | None:
        """Path of an entry that is whole; None where there is none. Marks it as used now.

        Raises
        ------
        CacheError
            A folder that may not even be read.
        """
        path = self.path(kind, key, suffix)
        try:
            if not path.is_file():
                return None
        except OSError as error:
            raise explain(error, self.folder) from error
        with contextlib.suppress(OSError):  # a read-only cache can still be read
            os.utime(path)
        return path

    @contextlib.contextmanager
    def writing(self, kind: str, key: str, suffix: str) -> Iterator[Path]:
        """Write an entry: fill the temporary path that this yields; it is renamed when the block ends.

        Whatever ends the block early, Ctrl-C included, removes the temporary file. Errors of the block
        that are not about this folder pass unchanged.

        Raises
        ------
        CacheError
            The folder cannot be made or written, or the disk is full.
        """
        target = self.path(kind, key, suffix)
        temporary = target.with_name(f".{key}.{uuid.uuid4().hex}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _sync(temporary)
            os.replace(temporary, target)
        except OSError as error:
            if isinstance(error, BrainbenchError) or self._elsewhere(error):
                raise
            raise explain(error, self.folder) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self.trim(keep=target)

    def _elsewhere(self, error: OSError) -> bool:
        if not isinstance(error.filename, str):
            return False
        return not Path(error.filename).absolute().is_relative_to(self.folder.absolute())

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of an entry, so that two processes do not make the same thing twice.

        Raises
        ------
        CacheError
            The folder cannot be made or written.
        """
        path = self.folder / "locks" / f"{kind}-{key}.lock"
        held = filelock.FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                held.acquire(timeout=NOTICE_SECONDS)
            except filelock.Timeout:
                progress.current().note(f"waiting for another process that makes the same {kind}")
                held.acquire()
        except OSError as error:
            raise explain(error, self.folder) from error
        try:
            yield
        finally:
            held.release()

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size for _, size, _ in self._entries())

    def trim(self, *, keep: Path) -> None:
        """Remove the entries used longest ago until the folder is within its limit; never `keep`.

        What a killed process left half-written goes too, once it is a day old.
        """
        for path in self.folder.glob("*/.*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()
        entries = sorted(self._entries(), key=lambda entry: entry[2])
        total = sum(size for _, size, _ in entries)
        for path, size, _ in entries:
            if total <= self.max_gb * 1e9:
                return
            if path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size

    def _entries(self) -> Iterator[tuple[Path, int, float]]:
        for path in self.folder.glob("*/*"):
            if path.suffix in (".tmp", ".lock"):
                continue
            with contextlib.suppress(OSError):  # another process may have removed it
                status = path.stat()
                yield path, status.st_size, status.st_mtime


def default() -> Cache:
    """Cache that the environment names: BRAINBENCH_CACHE, BRAINBENCH_CACHE_GB.

    Raises
    ------
    InputError
        A limit that is no positive number.
    """
    named = os.environ.get(ENVIRONMENT)
    folder = Path(named or platformdirs.user_cache_dir("brainbench", False)).expanduser()
    limit = os.environ.get(LIMIT) or str(DEFAULT_GB)
    try:
        max_gb = float(limit)
    except ValueError:
        max_gb = 0.0
    if not max_gb > 0:  # NaN too
        raise InputError(
            f"{LIMIT}={limit!r}",
            allowed="a number of gigabytes above 0",
            todo=f"set {LIMIT}, for example to 20",
        )
    return Cache(folder, max_gb)


def explain(error: OSError, folder: Path, *, choose: str = f"set {ENVIRONMENT} to") -> CacheError:
    """Say what a failed write to a folder means and what to do about it.

    Parameters
    ----------
    error : OSError
        What failed.
    folder : Path
        Where.
    choose : str
        How the user names another folder; the words "a folder ..." follow it.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheError(
            f"no space or quota left in {folder} ({_free(folder)})",
            allowed="room for all that this run writes",
            todo=f"free some space, or {choose} a folder on a larger disk; "
            "what was finished is kept",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return CacheError(
            f"folder {folder} cannot be used ({error.strerror})",
            allowed="a folder that you may write to",
            todo=f"{choose} a folder of yours; what was finished is kept",
        )
    return CacheError(
        f"writing to {folder} failed ({error})",
        allowed="a folder on a working disk",
        todo=f"check the disk, or {choose} a folder on another one; what was finished is kept",
    )


def _free(folder: Path) -> str:
    above = (folder.absolute(), *folder.absolute().parents)
    try:
        there = next(path for path in above if path.exists())
        return f"{shutil.disk_usage(there).free / 1e9:.2f} GB free"
    except OSError:
        return "how much is free cannot be told"


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
