"""The one folder for things that took time to make: activations, simulations, converted weights.

An entry is one file, named by the SHA-256 of everything it depends on. It is written under a temporary
name and renamed, so a reader sees all of it or nothing, and several processes may share the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from brainbench.errors import CacheError, InputError

ENVIRONMENT = "BRAINBENCH_CACHE"
LIMIT = "BRAINBENCH_CACHE_GB"
DEFAULT_GB = 50.0


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
        """Path of an entry that is whole; None where there is none. Marks it as used now."""
        path = self.path(kind, key, suffix)
        if not path.is_file():
            return None
        with contextlib.suppress(OSError):  # a read-only cache can still be read
            os.utime(path)
        return path

    @contextlib.contextmanager
    def writing(self, kind: str, key: str, suffix: str) -> Iterator[Path]:
        """Write an entry: fill the temporary path that this yields; it is renamed when the block ends.

        Whatever ends the block early, Ctrl-C included, removes the temporary file.

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
            raise explain(error, self.folder) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self.trim(keep=target)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of an entry, so that two processes do not make the same thing twice."""
        path = self.folder / "locks" / f"{kind}-{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = filelock.FileLock(path)
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
        """Remove the entries used longest ago until the folder is within its limit; never `keep`."""
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
    """Cache that the environment names: BRAINBENCH_CACHE, BRAINBENCH_CACHE_GB."""
    named = os.environ.get(ENVIRONMENT)
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("brainbench", False))
    limit = os.environ.get(LIMIT, str(DEFAULT_GB))
    try:
        max_gb = float(limit)
    except ValueError:
        raise InputError(
            f"{LIMIT}={limit!r}",
            allowed="a number of gigabytes",
            todo=f"set {LIMIT}, for example to 20",
        ) from None
    return Cache(folder, max_gb)


def explain(error: OSError, folder: Path, *, setting: str = ENVIRONMENT) -> CacheError:
    """Say what a failed write to a folder means and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(folder if folder.exists() else folder.anchor or ".").free
        return CacheError(
            f"no space left in {folder} ({free / 1e9:.2f} GB free)",
            allowed="room for the activations of the layers in use",
            todo=f"free some space, or set {setting} to a folder on a larger disk; "
            "what was finished is kept",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return CacheError(
            f"folder {folder} cannot be written ({error.strerror})",
            allowed="a folder that you may write to",
            todo=f"set {setting} to such a folder; what was finished is kept",
        )
    return CacheError(
        f"writing to {folder} failed ({error})",
        allowed="a folder on a working disk",
        todo=f"check the disk, or set {setting} to another folder; what was finished is kept",
    )


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
