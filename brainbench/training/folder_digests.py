"""Digest of the image files of a folder: over their content, which is read again only where it may differ.

Reading ImageNet takes minutes, asking the file system about each file seconds. So what was found is kept in
the cache under the name, size, inode and times of every file. A program may set the time of modification of a
file, but not the time of change that the file system sets whenever bytes are written: it tells a file that
was changed in place, whatever its size and date.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import xxhash

from brainbench.core import progress
from brainbench.core.provenance import sha256
from brainbench.storage import cache as caches

_KIND: Final = "image-digests"
_SUFFIX: Final = ".txt"
_BLOCK: Final = 1 << 20
_TOGETHER: Final = 4096  # files that are handed to the threads at once
_RECENT_SECONDS: Final = 5.0
"""What changed so shortly before it was read is not kept: times of file systems are as coarse as 2 s."""
_UNREADABLE: Final = "unreadable"


def content_digest(folder: Path, paths: Sequence[Path]) -> str:
    """Return the SHA-256 over names below a folder and content of files, in the given order.

    A file that cannot be read counts as such: it is an error, or skipped, where its image is asked for.
    """
    began = time.time()
    stamp, newest = _stamp(folder, paths)
    store = caches.default()
    kept = store.find(_KIND, stamp, _SUFFIX)
    if kept is not None:
        return kept.read_text()
    hashed = hashlib.sha256(b"image folder")
    for path, own in zip(paths, _digests(paths), strict=True):
        hashed.update(os.fsencode(path.relative_to(folder)) + f"\0{own}\0".encode())
    digest = hashed.hexdigest()
    if newest < began - _RECENT_SECONDS and _stamp(folder, paths)[0] == stamp:
        with store.writing(_KIND, stamp, _SUFFIX) as temporary:
            temporary.write_text(digest)
    return digest


def _stamp(folder: Path, paths: Sequence[Path]) -> tuple[str, float]:
    """Return the SHA-256 over what the file system says of files, and the newest of their times, in s."""
    newest, hashed = 0, xxhash.xxh3_128()
    for path in paths:
        try:
            s = path.stat()
        except OSError:  # gone, or behind a link that leads nowhere
            hashed.update(os.fsencode(path) + b"\0")
            continue
        facts = (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
        hashed.update(os.fsencode(path) + f"\0{facts}\0".encode())
        newest = max(newest, s.st_mtime_ns, s.st_ctime_ns)
    return sha256("stamp", str(folder), hashed.hexdigest()), newest / 1e9


def _digests(paths: Sequence[Path]) -> Iterator[str]:
    """Yield the digest of each file; threads read them side by side."""
    with (
        ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool,
        progress.current().task("reading images once, for their digest", len(paths)) as advance,
    ):
        for start in range(0, len(paths), _TOGETHER):
            some = paths[start : start + _TOGETHER]
            yield from pool.map(_digest_of, some)
            advance(len(some))


def _digest_of(path: Path) -> str:
    hashed = xxhash.xxh3_128()
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                hashed.update(block)
    except OSError:
        return _UNREADABLE
    return hashed.hexdigest()
