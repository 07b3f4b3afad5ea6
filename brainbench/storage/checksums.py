"""Checksums of kept files: what was written is what is read, or the file counts as damaged.

XXH3 notices damage (flipped bits, zeroed blocks, exchanged files) at the speed of memory. It is no defense
against somebody who means to deceive.
"""

from __future__ import annotations

import stat
from pathlib import Path

import xxhash

from brainbench.core.errors import DamagedEntryError

_BLOCK = 1 << 20

Identity = tuple[int, int, int, int]

_whole: dict[str, tuple[Identity, str]] = {}
"""Path -> the file that was verified in this process, and its digest."""


def digest_of(path: Path, name: str) -> str:
    """Return 32 hexadecimal digits over the name of an entry and the bytes of its file."""
    digest = xxhash.xxh3_128(name.encode() + b"\0")
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(path: Path, digest: str, *, name: str, again: bool = False) -> None:
    """Raise DamagedEntryError if a file is not the one that `digest_of` gave a digest for.

    The file is read once in a process, unless it was replaced or with `again`.
    """
    status = path.lstat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if not again and _whole.get(str(path)) == (identity, digest):
        return
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise damaged(path, "not a file")
    try:
        found = digest_of(path, name)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    if found != digest:
        raise damaged(path, "its bytes are not those that were written")
    _whole[str(path)] = identity, digest


def damaged(path: Path, why: str) -> DamagedEntryError:
    """Return the error for a damaged file."""
    error = DamagedEntryError(
        f"damaged file {path} ({why})",
        allowed="the file as it was written",
        todo="run the command again: what is damaged in the cache is removed and made anew; if it comes "
        f"back, check the disk that holds {path.parent}",
    )
    error.path = path
    return error
