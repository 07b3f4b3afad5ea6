"""Downloads with limits of time and size, and with checksums.

Nothing is kept here: `download` writes to a path of the caller, such as one that `Cache.writing` yields. No
message shows the user name, password or query of a URL: either may be a secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import requests
import urllib3

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.storage import files
from brainbench.storage.cache import CHOOSE

OFFLINE = "BRAINBENCH_OFFLINE"
CONNECT_SECONDS = 3.0
"""Limit for looking a host up and connecting to it, however many addresses it has."""
SILENCE_SECONDS = 10.0  # limit for each wait on a connected server
TOTAL_SECONDS = 3600.0  # limit for a whole file
MAX_BYTES = 4_000_000_000  # limit for the size of a file
MAX_REDIRECTS = 5
ALGORITHMS = ("sha256", "sha1", "md5")
_CHUNK = 1 << 18
_WAITING = 8  # chunks that are read ahead of the disk
_MB = 1_000_000
_PORTS = {"http": 80, "https": 443}
_Item: TypeAlias = "Announced | bytes | BrainbenchError | None"


class DownloadError(BrainbenchError, RuntimeError):
    """A file that could not be downloaded, or that is not the one that was asked for."""


def offline() -> bool:
    """Return whether BRAINBENCH_OFFLINE forbids downloads: it is set, and not to 0."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a download may take in all and in each of its waits, in seconds, and how large it may be."""

    connect: float = CONNECT_SECONDS
    silence: float = SILENCE_SECONDS
    total: float = TOTAL_SECONDS
    nbytes: int = MAX_BYTES


@dataclass(frozen=True)
class Announced:
    """The size of a file as the server says it, in bytes; None if it does not."""

    nbytes: int | None


def redacted(url: str) -> str:
    """Return a URL without user name, password, query and fragment, to be shown and kept."""
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/?#]*@", "//", url), flags=re.DOTALL)


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
    host, port = _address(url)
    limits = Limits(
        connect=connect_seconds, silence=silence_seconds, total=total_seconds, nbytes=max_bytes
    )
    if offline():
        raise DownloadError(
            f"{redacted(url)} is not downloaded: {OFFLINE} is set",
            allowed="files that are on this machine",
            todo=f"unset {OFFLINE}, or copy the file here by other means",
        )
    _connect(url, host, port, connect_seconds)
    with files.new_file(path, choose=CHOOSE) as temporary:
        _transfer(url, temporary, limits)
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
    scheme, host, port = _parse_url(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(host):
        _, host, port = _parse_url(proxy if "//" in proxy else f"http://{proxy}")
    return host, port


def _parse_url(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port; InputError for another URL than http(s)."""
    try:
        parts = urllib.parse.urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
        port = parts.port or _PORTS[scheme]
    except (ValueError, KeyError):
        host = ""
    if not host:
        raise InputError(
            f"URL {redacted(url)!r}",
            allowed="http://... or https://...",
            todo="correct the URL; give a file on this machine by its path",
        )
    return scheme, host, port


def _connect(url: str, host: str, port: int, seconds: float) -> None:
    """Raise DownloadError unless a connection can be made within some seconds.

    A thread, since neither looking up a name nor trying all of its addresses has a limit of its own. Half of
    the time for one address, since it may be dead, as IPv6 often is, and the next alive.
    """
    outcome: queue.Queue[Exception | None] = queue.Queue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds / 2).close()
            outcome.put(None)
        except (OSError, UnicodeError) as error:  # a host name may be too long to be looked up
            outcome.put(error)

    threading.Thread(target=connect, name="brainbench-connect", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        error = TimeoutError()
    if error is not None:
        late = f"no connection within {seconds:g} s"
        why = getattr(error, "strerror", None) or (
            late if isinstance(error, OSError) else str(error)
        )
        raise _unreachable(url, f"{host} cannot be reached ({why})")


def _transfer(url: str, path: Path, limits: Limits) -> None:
    """Write a file as it comes; a thread reads it, since a server may be slow without ever being silent."""
    items: queue.Queue[_Item] = queue.Queue(_WAITING)
    stopped = threading.Event()
    read = partial(_read_into, items, stopped, url, limits)
    threading.Thread(target=read, name="brainbench-download", daemon=True).start()
    name = Path(urllib.parse.urlsplit(url).path).name
    received = shown = 0
    try:
        with path.open("wb") as stream, contextlib.ExitStack() as bars:
            for item in _until(items, time.monotonic() + limits.total, url, limits):
                if isinstance(item, Announced):
                    size = item.nbytes or 0
                    _check_size(url, size, limits)
                    files.check_room(path.parent, size, what="a download", choose=CHOOSE)
                    label = f"downloading {name} (MB)"
                    bar = progress.current().task(label, max(1, size // _MB))
                    advance = bars.enter_context(bar)
                    continue
                received += len(item)
                _check_size(url, received, limits)
                stream.write(item)
                advance(received // _MB - shown)
                shown = received // _MB
    finally:
        stopped.set()


def _until(
    items: queue.Queue[_Item], deadline: float, url: str, limits: Limits
) -> Iterator[Announced | bytes]:
    """Yield what the thread reads until it ends; raise its error, or DownloadError after the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            item = items.get(timeout=left)
        except queue.Empty:
            break
        if item is None:
            return
        if isinstance(item, BrainbenchError):
            raise item
        yield item
    raise _unreachable(url, f"the file is not here after {limits.total:g} s")


def _read_into(
    items: queue.Queue[_Item], stopped: threading.Event, url: str, limits: Limits
) -> None:
    """Put the size of a file, its chunks and None, or an error, into a queue until told to stop."""
    try:
        with requests.Session() as session:
            for item in _answers(session, url, limits):
                if not _put(items, item, stopped):
                    return
        _put(items, None, stopped)
    except BrainbenchError as error:
        _put(items, error, stopped)
    except (
        Exception
    ) as error:  # also what a library does not mean to raise: nobody waits for this thread
        _put(items, _explain(url, error, limits), stopped)


def _put(items: queue.Queue[_Item], item: _Item, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        with contextlib.suppress(queue.Full):
            items.put(item, timeout=0.5)
            return True
    return False


def _answers(session: requests.Session, url: str, limits: Limits) -> Iterator[Announced | bytes]:
    """Yield the size of a file and its chunks as they come, after following redirects."""
    place = url
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(
            place,
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect, limits.silence),
            headers={"Accept-Encoding": "identity"},  # the checksum is that of the stored file
        )
        with response:
            location = session.get_redirect_target(response)
            if location is None:
                if response.status_code != requests.codes.ok:
                    raise _no_file(url, f"the server says {response.status_code} {response.reason}")
                length = response.headers.get("Content-Length", "")
                yield Announced(int(length) if length.isdecimal() else None)
                while chunk := response.raw.read1(_CHUNK, decode_content=False):
                    yield chunk
                return
        place = _redirected(place, location)
    raise _no_file(url, f"more than {MAX_REDIRECTS} redirects")


def _redirected(place: str, location: str) -> str:
    """Return the URL that a redirect leads to; DownloadError for one that is not safe to follow."""
    target = urllib.parse.urljoin(place, location)
    before, after = (urllib.parse.urlsplit(url).scheme for url in (place, target))
    if after not in _PORTS or (before, after) == ("https", "http"):
        raise _no_file(place, f"a redirect to {redacted(target)}, which is not followed")
    return target


def _check_size(url: str, nbytes: int, limits: Limits) -> None:
    if nbytes > limits.nbytes:
        raise _no_file(url, f"{nbytes} bytes or more, and {limits.nbytes} are allowed")


def _explain(url: str, error: Exception, limits: Limits) -> DownloadError:
    """Return the error that says why a file did not come, without the text of a library: it has the URL."""
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return _unreachable(url, "its certificate is not trusted")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _unreachable(url, f"no answer within {limits.silence:g} s")
    return _unreachable(url, f"the transfer broke off ({type(error).__name__})")


def _no_file(url: str, why: str) -> DownloadError:
    return DownloadError(
        f"{redacted(url)}: {why}",
        allowed="a file that exists, may be read and has an acceptable size",
        todo="check the address, or copy the file here by other means",
    )


def _verify(url: str, path: Path, algorithm: str, digits: str) -> str:
    digest = digest_of_file(path, algorithm)
    if not digest.startswith(digits):
        raise DownloadError(
            f"{redacted(url)}: {path.stat().st_size} bytes with {algorithm} {digest[: len(digits)]}",
            allowed=f"the file with {algorithm} {digits}",
            todo="try again; if the checksum stays wrong, the server has another file: do not use it",
        )
    return digest


def _unreachable(url: str, why: str) -> DownloadError:
    return DownloadError(
        f"{redacted(url)}: {why}",
        allowed="a server that answers",
        todo="check the network and try again, or copy the file here by other means",
    )
