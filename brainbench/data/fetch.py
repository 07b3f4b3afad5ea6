"""Downloads of single files that are compared with a checksum.

Nothing is kept here: `download` writes to a path of the caller, such as one that `Cache.writing` yields.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.parse
from pathlib import Path

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.data.transfer import (
    CONNECT_SECONDS,
    MAX_BYTES,
    SILENCE_SECONDS,
    TOTAL_SECONDS,
    Control,
    DownloadError,
    Limits,
    address_of,
    connect,
    redacted,
    transfer,
)
from brainbench.storage import files
from brainbench.storage.cache import CHOOSE

OFFLINE = "BRAINBENCH_OFFLINE"
ALGORITHMS = ("sha256", "sha1", "md5")
_MB = 1_000_000


def offline() -> bool:
    """Return whether BRAINBENCH_OFFLINE forbids downloads: it is set, and not to 0."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def download(
    url: str,
    path: Path,
    *,
    checksum: str,
    connect_seconds: float = CONNECT_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Download a file, check it, write it to a path, and return all hex digits of its checksum.

    `checksum` is an algorithm and hex digits, all of them or the first, as "sha256:1d3f7974".
    `connect_seconds` limits looking the host up and connecting together, `silence_seconds` each wait on a
    connected server, `total_seconds` everything, `max_bytes` the size. A download that fails in any way
    leaves the path as it was. Certificates are verified; a redirect from https to http, or to another
    protocol, is not followed.

    DownloadError for no connection, no such file, an incomplete, late or too large file or another checksum,
    and if BRAINBENCH_OFFLINE is set; InputError for a malformed URL or checksum; CacheError if the path
    cannot be written or the disk has too little space.
    """
    algorithm, digits = _parse_checksum(checksum)
    address_of(url)
    limits = Limits(
        connect=connect_seconds, silence=silence_seconds, total=total_seconds, nbytes=max_bytes
    )
    if offline():
        raise DownloadError(
            f"{redacted(url)} is not downloaded: {OFFLINE} is set",
            allowed="files that are on this machine",
            todo=f"unset {OFFLINE}, or copy the file here by other means",
        )
    name = Path(urllib.parse.urlsplit(url).path).name
    with files.new_file(path, choose=CHOOSE) as temporary, _Bar(name) as bar:
        transfer(url, temporary, limits, Control(progress=bar.show))
        return _verify(url, temporary, algorithm, digits)


class _Bar(contextlib.ExitStack):
    """A bar in megabytes that opens when the size of a file is known."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._shown = name, 0
        self._advance: progress.Advance | None = None

    def show(self, nbytes: int, size: int | None) -> None:
        """Show how many bytes are here."""
        if self._advance is None:
            label = f"downloading {self._name} (MB)"
            bar = progress.current().task(label, max(1, (size or 0) // _MB))
            self._advance = self.enter_context(bar)
        self._advance(nbytes // _MB - self._shown)
        self._shown = nbytes // _MB


def check_reachable(url: str, *, connect_seconds: float = CONNECT_SECONDS) -> None:
    """Raise DownloadError unless a server can be reached in time, InputError for another URL than http(s)."""
    connect(url, *address_of(url), connect_seconds)


def digest_of_file(path: Path, algorithm: str = "sha256") -> str:
    """Return the hex digits of a file's checksum."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _parse_checksum(checksum: str) -> tuple[str, str]:
    algorithm, _, digits = checksum.lower().partition(":")
    is_hexadecimal = len(digits) >= 8 and not set(digits) - set("0123456789abcdef")
    if algorithm not in ALGORITHMS or not is_hexadecimal:
        raise InputError(
            f"checksum {checksum!r}",
            allowed="ALGORITHM:DIGITS with " + ", ".join(ALGORITHMS) + " and 8 or more hex digits",
            todo="write for example sha256:1d3f7974",
        )
    return algorithm, digits


def _verify(url: str, path: Path, algorithm: str, digits: str) -> str:
    digest = digest_of_file(path, algorithm)
    if not digest.startswith(digits):
        raise DownloadError(
            f"{redacted(url)}: {path.stat().st_size} bytes with {algorithm} {digest[: len(digits)]}",
            allowed=f"the file with {algorithm} {digits}",
            todo="try again; if the checksum stays wrong, the server has another file: do not use it",
        )
    return digest
