"""Downloads with time limits and checksums.

Nothing is kept here: `download` writes to a path of the caller, such as one that `Cache.writing` yields.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import socket
import threading
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType

import pooch
import requests

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.storage import files
from brainbench.storage.cache import CHOOSE

OFFLINE = "BRAINBENCH_OFFLINE"
CONNECT_SECONDS = 3.0
"""Limit for looking a host up and connecting to it, however many addresses it has."""
SILENCE_SECONDS = 10.0  # limit for each wait on a connected server
ALGORITHMS = ("sha256", "sha1", "md5")
_CHUNK = 1 << 18
_MB = 1_000_000
_PORTS = {"http": 80, "https": 443}


class DownloadError(BrainbenchError, RuntimeError):
    """A file that could not be downloaded, or that is not the one that was asked for."""


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
) -> str:
    """Download a file, check it, write it to a path, and return all hex digits of its checksum.

    `checksum` is an algorithm and hex digits, all of them or the first, as "sha256:1d3f7974".
    `connect_seconds` limits looking the host up and connecting together, `silence_seconds` each wait on a
    connected server. A download that fails in any way leaves the path as it was. Certificates are verified.

    DownloadError for no connection, no such file, an incomplete file or another checksum, and if
    BRAINBENCH_OFFLINE is set; InputError for a malformed URL or checksum; CacheError if the path cannot be
    written or the disk is full.
    """
    algorithm, digits = _parse_checksum(checksum)
    host, port = _address(url)
    if offline():
        raise DownloadError(
            f"{url} is not downloaded: {OFFLINE} is set",
            allowed="files that are on this machine",
            todo=f"unset {OFFLINE}, or copy the file here by other means",
        )
    _connect(url, host, port, connect_seconds)
    with files.new_file(path, choose=CHOOSE) as temporary:
        _transfer(url, temporary, connect_seconds, silence_seconds)
        return _verify(url, temporary, algorithm, digits)


def check_reachable(url: str, *, connect_seconds: float = CONNECT_SECONDS) -> None:
    """Raise DownloadError unless a server can be reached in time, InputError for another URL than http(s)."""
    _connect(url, *_address(url), connect_seconds)


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


def _address(url: str) -> tuple[str, int]:
    """Return the host and port of the server, or of the proxy that the environment names."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError(
            f"URL {url!r}",
            allowed="http://... or https://...",
            todo="correct the URL; give a file on this machine by its path",
        )
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)


def _connect(url: str, host: str, port: int, seconds: float) -> None:
    """Raise DownloadError unless a connection can be made within some seconds.

    A thread, since neither looking up a name nor trying all of its addresses has a limit of its own. Half of
    the time for one address, since it may be dead, as IPv6 often is, and the next alive.
    """
    outcome: queue.Queue[OSError | None] = queue.Queue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds / 2).close()
            outcome.put(None)
        except OSError as error:
            outcome.put(error)

    threading.Thread(target=connect, name="brainbench-connect", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        error = TimeoutError()
    if error is not None:
        why = error.strerror or f"no connection within {seconds:g} s"
        raise _unreachable(url, f"{host} cannot be reached ({why})")


def _transfer(url: str, path: Path, connect_seconds: float, silence_seconds: float) -> None:
    name = Path(urllib.parse.urlsplit(url).path).name
    with _MegabyteBar(f"downloading {name} (MB)") as bar:
        fetcher = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=_CHUNK,
            timeout=(connect_seconds, silence_seconds),
            verify=True,
            headers={"Accept-Encoding": "identity"},  # the checksum is that of the stored file
        )
        try:
            fetcher(url, str(path), None)
        except requests.HTTPError as error:
            if error.response is not None:  # pooch leaves it open
                error.response.close()
            raise DownloadError(
                f"{url}: the server says {str(error).partition(' for url')[0]}",
                allowed="a file that exists and may be read",
                todo="check the address, or copy the file here by other means",
            ) from error
        except requests.exceptions.SSLError as error:
            raise _unreachable(url, "its certificate is not trusted") from error
        except requests.Timeout as error:
            raise _unreachable(url, f"no answer within {silence_seconds:g} s") from error
        except requests.RequestException as error:
            raise _unreachable(url, f"the transfer broke off ({type(error).__name__})") from error


def _verify(url: str, path: Path, algorithm: str, digits: str) -> str:
    digest = digest_of_file(path, algorithm)
    if not digest.startswith(digits):
        raise DownloadError(
            f"{url}: {path.stat().st_size} bytes with {algorithm} {digest[: len(digits)]}",
            allowed=f"the file with {algorithm} {digits}",
            todo="try again; if the checksum stays wrong, the server has another file: do not use it",
        )
    return digest


def _unreachable(url: str, why: str) -> DownloadError:
    return DownloadError(
        f"{url}: {why}",
        allowed="a server that answers",
        todo="check the network and try again, or copy the file here by other means",
    )


class _MegabyteBar:
    """Progress bar for pooch, in whole megabytes of the current reporter."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._open = contextlib.ExitStack()
        self._advance: progress.Advance | None = None
        self._bytes = self._shown = 0

    def __enter__(self) -> _MegabyteBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def total(self) -> int:
        """Size of the file in bytes; 0 where the server does not say."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        task = progress.current().task(self._label, max(1, total // _MB))
        self._advance = self._open.enter_context(task)

    def update(self, count: int) -> None:
        """Count bytes; pooch counts the last chunk as if it were full."""
        self._bytes = min(self._bytes + count, self._total)
        done = self._bytes // _MB - self._shown
        if self._advance is not None and done > 0:
            self._shown += done
            self._advance(done)

    def reset(self) -> None:
        """Do nothing: pooch would count all bytes a second time."""

    def close(self) -> None:
        """Do nothing: the bar closes with the block."""
