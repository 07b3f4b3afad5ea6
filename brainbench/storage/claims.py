"""Claims: of all processes that want to compute the same thing, one does, and the others know.

A claim is a lock that the kernel frees when its process ends, however it ends. Locks of network file
systems may be local to a machine or missing; there a claim is a lease: a file that is renewed every few
seconds, and that another process takes over once it has seen several renewals missed. Times are those of the
process that watches, so that no clock is compared with another.

A lease can be lost to another process, for instance while its holder was suspended. Who holds a claim asks
`held` before it publishes what it has computed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import filelock

from brainbench.core import progress
from brainbench.core.errors import unknown
from brainbench.storage import files

Method: TypeAlias = Literal["lock", "lease"]
METHODS: tuple[Method, ...] = ("lock", "lease")
ENVIRONMENT = "BRAINBENCH_CLAIMS"
NOTICE_SECONDS = 2.0  # seconds after which a process that waits for another one says so
LEASE_SECONDS = 60.0  # a lease is taken over once it was seen without a renewal for this long
RENEWALS = 12  # of a lease in this time
LOCAL = (
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfs", "jfs", "msdos",
    "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs", "tmpfs", "ufs", "vfat", "xfs", "zfs",
)  # fmt: skip
"""Types of file systems of one machine, whose locks are those of its kernel."""
_SECOND_LOOK = 0.2  # s; a process that finds a lease alive after all puts it back at once


class Claim:
    """The right to compute one thing, until it is released or its process ends; made by `Claims`.

    As a context manager it is released when the block ends, also by Ctrl-C. It may be released by another
    thread than the one that made it.
    """

    def __init__(self, lock: filelock.BaseFileLock, path: Path) -> None:
        self._lock, self._path = lock, path
        # The file of a lease names its holder by a random token.
        self._token = _content(path) if isinstance(lock, filelock.SoftFileLease) else None

    def held(self) -> bool:
        """Return whether no other process has taken the claim over."""
        if self._token is None:
            return self._lock.is_locked
        if _content(self._path) == self._token:
            return True
        time.sleep(_SECOND_LOOK)
        return _content(self._path) == self._token

    def release(self) -> None:
        """Give the claim back; a claim that was lost or is given back already stays as it is."""
        if not self._lock.is_locked:
            return
        if self._token is None:
            with contextlib.suppress(OSError):
                self._path.unlink()  # while it is locked: who has it open already looks again
        with contextlib.suppress(OSError):  # a file system that is gone keeps no one waiting
            self._lock.release()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


@dataclass(frozen=True)
class Claims:
    """Claims of a folder, one file for each that is held.

    Parameters
    ----------
    folder : Path
        Made at the first claim.
    choose : str
        How the user names another folder, as `files.temporary` describes it.
    method : {"lock", "lease"}, optional
        By default that of BRAINBENCH_CLAIMS, else the one that suits the file system of the folder. All
        processes that share a folder must use the same: give it where one of them sees the folder as local
        and another one over the network.
    lease_seconds : float
        See `LEASE_SECONDS`; the same for all processes.
    """

    folder: Path
    choose: str
    method: Method | None = None
    lease_seconds: float = LEASE_SECONDS

    def claim(self, key: str) -> Claim | None:
        """Return the claim of a key, a file name; None if another process or thread holds it.

        Raises
        ------
        CacheError
            The folder cannot be written, or the disk is full.
        UnknownNameError
            A method in BRAINBENCH_CLAIMS that does not exist.
        """
        with self._explaining():
            lock, path = self._lock(key)
            return self._acquired(lock, path, seconds=0.0)

    def wait(self, key: str, *, what: str) -> Claim:
        """Return the claim of a key once no other process or thread holds it; errors as in `claim`.

        After 2 s a note says that another process computes `what`.
        """
        with self._explaining():
            lock, path = self._lock(key)
            claim = self._acquired(lock, path, seconds=NOTICE_SECONDS)
            if claim is None:
                progress.current().note(f"waiting for another process that computes {what}")
            while claim is None:
                claim = self._acquired(lock, path, seconds=NOTICE_SECONDS)
            return claim

    def _acquired(self, lock: filelock.BaseFileLock, path: Path, *, seconds: float) -> Claim | None:
        try:
            lock.acquire(timeout=seconds)
        except filelock.Timeout:
            return None
        return Claim(lock, path)

    def _lock(self, key: str) -> tuple[filelock.BaseFileLock, Path]:
        """Return the lock of a key, not yet acquired, and its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.method or _chosen() or method_of(self.folder)) == "lock":
            path = self.folder / f"{key}.lock"
            return filelock.FileLock(path, thread_local=False, fallback_to_soft=False), path
        path = self.folder / f"{key}.lease.lock"
        lease = filelock.SoftFileLease(
            path,
            lease_duration=self.lease_seconds,
            heartbeat_interval=self.lease_seconds / RENEWALS,
            thread_local=False,
        )
        return lease, path

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise files.explain(error, self.folder, choose=self.choose) from error


def method_of(folder: Path, mounts: Path = Path("/proc/mounts")) -> Method:
    """Return the method that suits a folder: locks only where they are known to be those of one kernel.

    `mounts` lists the file systems as Linux does; on machines without it a folder counts as local.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "lock"
    kind, longest, folder = "", -1, folder.resolve()
    for line in lines:
        place, found = line.split(" ")[1:3]
        # Linux writes a space in a name as \040.
        name = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)
        # Of two that are mounted at one place the later one is seen.
        if len(name) >= longest and folder.is_relative_to(name):
            kind, longest = found, len(name)
    return "lock" if kind in LOCAL else "lease"


def _chosen() -> Method | None:
    named = os.environ.get(ENVIRONMENT) or None
    for method in METHODS:
        if named == method:
            return method
    if named is None:
        return None
    raise unknown("method of claims", named, METHODS, todo=f"set {ENVIRONMENT} to one of the two")


def _content(path: Path) -> bytes | None:
    # Opened, not only looked at: a network file system then asks its server.
    try:
        return path.read_bytes()
    except OSError:
        return None
