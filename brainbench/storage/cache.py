"""The cache folder of everything that takes time to compute: activations, simulations, weights.

An entry is one file, named by the SHA-256 of everything that it depends on. It is written atomically,
so that several processes may share the folder.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from brainbench.core.errors import InputError
from brainbench.storage import files
from brainbench.storage.claims import Claims

ENVIRONMENT = "BRAINBENCH_CACHE"
LIMIT = "BRAINBENCH_CACHE_GB"
CHOOSE = f"set {ENVIRONMENT} to"
DEFAULT_GB = 50.0
ABANDONED_SECONDS = 24 * 3600.0
"""Age at which a temporary file counts as left behind by a killed process."""


@dataclass(frozen=True)
class Cache:
    """A content-keyed folder, created by the first write.

    Above `max_gb` a write removes the least recently used entries; never the one just written.
    """

    folder: Path
    max_gb: float = DEFAULT_GB

    def path(self, kind: str, key: str, suffix: str) -> Path:
        """Return the path of an entry, whether it exists or not."""
        return self.folder / kind / f"{key}{suffix}"

    def find(self, kind: str, key: str, suffix: str) -> Path | None:
        """Return the path of an entry, marked as used now, or None; CacheError if it cannot be read."""
        path = self.path(kind, key, suffix)
        try:
            if not path.is_file():
                return None
        except OSError as error:
            raise files.explain(error, self.folder, choose=CHOOSE) from error
        with contextlib.suppress(OSError):  # a read-only cache can still be read
            os.utime(path)
        return path

    @contextlib.contextmanager
    def writing(self, kind: str, key: str, suffix: str) -> Iterator[Path]:
        """Yield a temporary path to write an entry to; it becomes the entry when the block ends.

        A block that fails, also by Ctrl-C, leaves nothing behind. CacheError if the folder cannot be written
        or the disk is full; an OSError about a file outside the cache passes unchanged.
        """
        target = self.path(kind, key, suffix)
        with files.new_file(target, folder=self.folder, choose=CHOOSE) as path:
            yield path
        self.trim(keep=target)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of an entry, so that no two processes compute it; CacheError as in `writing`."""
        claims = Claims(self.folder / "locks", choose=CHOOSE)
        with claims.wait(f"{kind}-{key}", what=f"the same {kind}"):
            yield

    def trim(self, *, keep: Path) -> None:
        """Remove the least recently used entries until the folder is within its limit, except `keep`.

        Temporary files that a killed process left are removed after a day.
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
    """Return the cache of BRAINBENCH_CACHE and BRAINBENCH_CACHE_GB; InputError for an invalid limit."""
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
