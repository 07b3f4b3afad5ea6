"""The cache folder of everything that takes time to compute: activations, simulations, weights.

An entry is one file, named by the SHA-256 of everything that it depends on. It is written atomically,
so that several processes may share the folder, and it is found only if it is whole: the name of a file
carries a digest of its bytes, and an array file (`array_file`) verifies each chunk when it is read. What is
damaged is removed and counts as absent, so that it is made again.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import platformdirs

from brainbench.core import progress
from brainbench.core.errors import CacheError, DamagedEntryError, InputError
from brainbench.storage import array_file, checksums, files
from brainbench.storage.claims import Claims
from brainbench.storage.files import Finding

ENVIRONMENT = "BRAINBENCH_CACHE"
LIMIT = "BRAINBENCH_CACHE_GB"
CHOOSE = f"set {ENVIRONMENT} to"
DEFAULT_GB = 50.0
IDLE_SECONDS = 600.0
"""Seconds without a write after which a temporary file is removed if nobody holds the lock of its entry."""

_LOCKS = "locks"
_NAMED_BY_DIGEST = re.compile(r"(?P<key>[^.]+)\.(?P<digest>[0-9a-f]{32})(?P<suffix>\..+)")

Made = TypeVar("Made")


@dataclass(frozen=True)
class Cache:
    """A content-keyed folder, created by the first write.

    Above `max_gb` a write removes the least recently used entries; never the one just written.
    """

    folder: Path
    max_gb: float = DEFAULT_GB

    def path(self, kind: str, key: str) -> Path:
        """Return the path of an array file, whether it exists or not."""
        return self.folder / kind / f"{key}{array_file.SUFFIX}"

    def find(self, kind: str, key: str, suffix: str) -> Path | None:
        """Return the path of an entry, marked as used now, or None; CacheError if it cannot be read.

        A damaged entry is removed and noted: it is not there. Of an array file only the header is read.
        """
        try:
            for path in self._files_of(kind, key, suffix):
                try:
                    self._check(path)
                except DamagedEntryError as error:
                    discard(error)
                except FileNotFoundError:  # another process removed it
                    continue
                else:
                    _mark_as_used(path)
                    return path
        except OSError as error:
            if isinstance(error, CacheError):
                raise
            raise files.explain(error, self.folder, choose=CHOOSE) from error
        return None

    def obtain(
        self, kind: str, key: str, suffixes: Sequence[str], make: Callable[[], None]
    ) -> dict[str, Path]:
        """Return the path of each entry by its suffix; `make` writes all of them if one is absent.

        It is called under the lock of the key. CacheError if an entry is gone as soon as it was written: the
        cache is smaller than what `make` writes.
        """
        paths = self._found(kind, key, suffixes)
        if len(paths) < len(suffixes):
            with self.lock(kind, key):
                # Another process may have made them meanwhile.
                paths = self._found(kind, key, suffixes)
                if len(paths) < len(suffixes):
                    make()
                    paths = self._found(kind, key, suffixes)
        if len(paths) < len(suffixes):
            raise gone(f"{kind}/{key}")
        return paths

    @contextlib.contextmanager
    def writing(self, kind: str, key: str, suffix: str) -> Iterator[Path]:
        """Yield a temporary path to write an entry to; it becomes the entry when the block ends.

        A block that fails, also by Ctrl-C, leaves nothing behind. CacheError if the folder cannot be written
        or the disk is full; an OSError about a file outside the cache passes unchanged.
        """
        folder = self.folder / kind
        target = folder / f"{key}{suffix}"
        with files.temporary(target, folder=self.folder, choose=CHOOSE, label=key) as path:
            yield path
            files.flush(path)
            if suffix != array_file.SUFFIX:
                digest = checksums.digest_of(path, _name_of(kind, key, suffix))
                target = folder / f"{key}.{digest}{suffix}"
            if target.is_dir():  # nobody puts a folder there, and a file cannot replace it
                files.remove(target)
            os.replace(path, target)
        self.trim(keep=target)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of an entry, so that no two processes compute it; CacheError as in `writing`."""
        with self._claims().wait(f"{kind}-{key}", what=f"the same {kind}"):
            yield

    def check_room(self, nbytes: int, *, what: str, kept: int = 0) -> None:
        """Raise CacheError if `nbytes` more of `what` do not fit beside the `kept` bytes of the same run.

        They have to fit below the limit of the cache and on its disk.
        """
        needed = (nbytes + kept) / 1e9
        if needed > self.max_gb:
            enough = math.ceil(needed * 10) / 10
            raise CacheError(
                f"{what} of {needed:.2f} GB for a cache of at most {self.max_gb:g} GB",
                allowed="a cache that holds what one model needs at once",
                todo=f"set {LIMIT} to {enough:g} or more, or use fewer layers or images",
            )
        self.sweep()
        files.check_room(self.folder, nbytes, what=what, choose=CHOOSE)

    def trim(self, *, keep: Path) -> None:
        """Remove the least recently used entries until the folder is within its limit, except `keep`."""
        self.sweep()
        entries = sorted(self._entries(), key=lambda entry: entry[2])
        total = sum(size for _, size, _ in entries)
        for path, size, _ in entries:
            if total <= self.max_gb * 1e9:
                return
            if path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size

    def sweep(self) -> None:
        """Remove the temporary files that killed processes left."""
        for path in self.folder.glob("*/.*.tmp"):
            if self._is_abandoned(path):
                files.remove(path)

    def verify(self) -> Iterator[Finding]:
        """Read every file of the cache and yield what was found; nothing is changed.

        Unknown are files that another version wrote, which this one never reads, and temporary ones.
        """
        for path in sorted(self.folder.glob("*/*")):
            if path.parent.name == _LOCKS:
                continue
            if path.suffix == ".tmp":
                written = f"last written {files.age(path) / 3600:.1f} h ago"
                yield Finding(path, "unknown", f"a temporary file, {written}")
                continue
            if path.suffix != array_file.SUFFIX and not _NAMED_BY_DIGEST.fullmatch(path.name):
                yield Finding(path, "unknown", "not of this version, which never reads it")
                continue
            try:
                self._check(path, again=True)
            except FileNotFoundError:  # another process removed it
                continue
            except (OSError, CacheError) as error:
                got = error.got if isinstance(error, CacheError) else str(error)
                yield Finding(path, "damaged", got)
            else:
                yield Finding(path, "sound", "")

    def contents(self) -> dict[str, tuple[int, int]]:
        """Return the number of files and of bytes of each kind of entry, by name."""
        found: dict[str, tuple[int, int]] = {}
        for path, size, _ in self._entries():
            n, nbytes = found.get(path.parent.name, (0, 0))
            found[path.parent.name] = n + 1, nbytes + size
        return dict(sorted(found.items()))

    def clear(self, kinds: Collection[str]) -> int:
        """Remove every entry of some kinds and return how many were removed.

        Another process that needs one makes it again. CacheError for a file that cannot be removed.
        """
        n = 0
        for path, _, _ in self._entries():
            if path.parent.name in kinds:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise files.explain(error, self.folder, choose=CHOOSE) from error
                n += 1
        return n

    def _found(self, kind: str, key: str, suffixes: Sequence[str]) -> dict[str, Path]:
        paths = {suffix: self.find(kind, key, suffix) for suffix in suffixes}
        return {suffix: path for suffix, path in paths.items() if path is not None}

    def _check(self, path: Path, *, again: bool = False) -> None:
        """Raise DamagedEntryError for an entry that is damaged; `again` reads all of it in any case."""
        if path.suffix == array_file.SUFFIX:
            reader = array_file.ArrayReader(path, key=path.stem)
            if again:
                reader.verify()
            return
        named = _NAMED_BY_DIGEST.fullmatch(path.name)
        if named is None:
            raise checksums.damaged(path, "its name has no digest")
        name = _name_of(path.parent.name, named["key"], named["suffix"])
        checksums.check(path, named["digest"], name=name, again=again)

    def _files_of(self, kind: str, key: str, suffix: str) -> list[Path]:
        """Return the files of an entry, the newest first; several processes may have written it at once."""
        if suffix == array_file.SUFFIX:
            path = self.path(kind, key)
            return [path] if _modified(path) is not None else []
        try:
            with os.scandir(self.folder / kind) as listed:
                names = [entry.name for entry in listed if entry.name.startswith(f"{key}.")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        matches = [match for name in names if (match := _NAMED_BY_DIGEST.fullmatch(name))]
        paths = [
            self.folder / kind / match.string
            for match in matches
            if (match["key"], match["suffix"]) == (key, suffix)
        ]
        return sorted(paths, key=lambda path: _modified(path) or 0, reverse=True)

    def _is_abandoned(self, path: Path) -> bool:
        age = files.age(path)
        if age > files.ABANDONED_SECONDS:
            return True
        key = files.label_of(path)
        return age > IDLE_SECONDS and key is not None and self._is_free(path.parent.name, key)

    def _is_free(self, kind: str, key: str) -> bool:
        """Return whether no process holds the lock of an entry."""
        try:
            claim = self._claims().claim(f"{kind}-{key}")
        except CacheError:
            return False
        if claim is None:
            return False
        claim.release()
        return True

    def _claims(self) -> Claims:
        return Claims(self.folder / _LOCKS, choose=CHOOSE)

    def _entries(self) -> Iterator[tuple[Path, int, float]]:
        """Yield path, bytes and time of the last use of every entry."""
        for path in self.folder.glob("*/*"):
            if path.suffix in (".tmp", ".lock"):
                continue
            with contextlib.suppress(OSError):  # another process may have removed it
                status = path.stat()
                yield path, status.st_size, status.st_atime


def discard(error: DamagedEntryError) -> None:
    """Remove the damaged entry that an error names, and say so."""
    progress.current().note(f"{error.got}: removed from the cache, and made again")
    if error.path is not None:
        files.remove(error.path)


def healed(make: Callable[[], Made]) -> Made:
    """Return `make()`, called again where it found that an entry is damaged and removed it.

    DamagedEntryError where an entry that was made again is damaged too.
    """
    seen: set[Path | None] = set()
    while True:
        try:
            return make()
        except DamagedEntryError as error:
            if error.path in seen:
                raise
            seen.add(error.path)


def gone(name: str) -> CacheError:
    """Return the error for an entry that is not there although it was just written."""
    return CacheError(
        f"{name} was removed from the cache as soon as it was written",
        allowed=f"a cache that holds what one model needs; its limit is {DEFAULT_GB:g} GB unless {LIMIT} "
        "says otherwise",
        todo=f"set {LIMIT} to more gigabytes",
    )


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


def _name_of(kind: str, key: str, suffix: str) -> str:
    return f"{kind}/{key}{suffix}"


def _modified(path: Path) -> int | None:
    """Return when a file was written, in ns; None where there is none."""
    try:
        return path.lstat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None


def _mark_as_used(path: Path) -> None:
    """Set the time of the last use; that of the last write is part of what tells files apart."""
    with contextlib.suppress(OSError):  # a read-only cache can still be read
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
