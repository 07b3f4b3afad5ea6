"""Transfers of single files with limits of time and size; an interrupted one is resumed.

No message shows the user name, password or query of a URL: either may be a secret.
"""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import requests
import urllib3

from brainbench.core.errors import BrainbenchError, InputError
from brainbench.storage import files
from brainbench.storage.cache import CHOOSE

CONNECT_SECONDS = 3.0
"""Limit for looking a host up and connecting to it, however many addresses it has."""
SILENCE_SECONDS = 10.0  # limit for each wait on a connected server
TOTAL_SECONDS = 3600.0  # limit for a whole file
MAX_BYTES = 4_000_000_000  # limit for the size of a file
MAX_REDIRECTS = 5
PAUSE_SECONDS = 1.0  # before a transfer is tried again; twice as long each further time
LONGEST_PAUSE = 60.0  # that a busy server is granted
_DENIED = (401, 403)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_RANGE_PAST_END = 416
_CHUNK = 1 << 18
_WAITING = 8  # chunks that are read ahead of the disk
_PORTS = {"http": 80, "https": 443}
_Item: TypeAlias = "Announced | bytes | BrainbenchError | None"


class DownloadError(BrainbenchError, RuntimeError):
    """A file that could not be downloaded, or that is not the one that was asked for."""


class InterruptedDownloadError(DownloadError):
    """A transfer that broke off, or never began, and may succeed when it is tried again."""

    after: float = 0.0
    """Seconds that the server asks to wait before."""


class _RangeError(InterruptedDownloadError):
    """The rest of a file that is not to be had, so that it must come from its beginning."""


class AccessDeniedError(DownloadError):
    """A file that a server gives only to those whom it knows."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a download may take in all and in each of its waits, in seconds, and how large it may be.

    `tries` is how often in a row a transfer may break off without having brought anything.
    """

    connect: float = CONNECT_SECONDS
    silence: float = SILENCE_SECONDS
    total: float = TOTAL_SECONDS
    nbytes: int = MAX_BYTES
    tries: int = 1


@dataclass(frozen=True)
class Announced:
    """What a server says before the bytes come: the size of the whole file, or None, and the first byte.

    `state` is the ETag or date that names this state of the file, "" where there is none.
    """

    nbytes: int | None
    start: int = 0
    state: str = ""


def nothing(nbytes: int, size: int | None) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a transfer is watched and stopped from outside.

    `progress` is called with the bytes that are here and the size of the file, or None; `stopped` ends the
    transfer. With `any_state` the rest of a file is asked for although nothing says that it is still the same
    file, as is safe where a checksum is compared at the end.
    """

    progress: Callable[[int, int | None], None] = nothing
    stopped: threading.Event = field(default_factory=threading.Event)
    any_state: bool = False


def redacted(url: str) -> str:
    """Return a URL without user name, password, query and fragment, to be shown and kept."""
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/?#]*@", "//", url), flags=re.DOTALL)


def transfer(url: str, path: Path, limits: Limits, control: Control) -> None:
    """Write a file of a server; go on with what is at `path` if it is the beginning of the same file.

    A transfer that breaks off is resumed, after a pause if it had brought nothing. What came before an error
    stays at `path`, with the state of the file beside it (`state_of`), so that a later call goes on there.
    Errors as those of `download`; AccessDeniedError where the server refuses.
    """
    host, port = address_of(url)
    deadline = time.monotonic() + limits.total
    failures = 0
    while True:
        before = _size(path)
        try:
            connect(url, host, port, limits.connect)
            _transfer_once(url, path, limits, control, deadline)
            state_of(path).unlink(missing_ok=True)
            return
        except InterruptedDownloadError as error:
            if isinstance(error, _RangeError):
                path.unlink(missing_ok=True)
            failures = 1 if _size(path) > before else failures + 1
            pause = max(PAUSE_SECONDS * 2 ** (failures - 1), error.after)
            if failures >= limits.tries or time.monotonic() + pause > deadline:
                raise
            if control.stopped.wait(0 if _size(path) > before else pause):
                raise


def state_of(path: Path) -> Path:
    """Return where the state of a file is kept that is here in part."""
    return path.with_name(f"{path.name}.state")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def address_of(url: str) -> tuple[str, int]:
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


def connect(url: str, host: str, port: int, seconds: float) -> None:
    """Raise DownloadError unless a connection can be made within some seconds.

    A thread, since neither looking up a name nor trying all of its addresses has a limit of its own. Half of
    the time for one address, since it may be dead, as IPv6 often is, and the next alive.
    """
    outcome: queue.Queue[Exception | None] = queue.Queue()

    def attempt() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds / 2).close()
            outcome.put(None)
        except (OSError, UnicodeError) as error:  # a host name may be too long to be looked up
            outcome.put(error)

    threading.Thread(target=attempt, name="brainbench-connect", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        error = TimeoutError()
    if error is not None:
        late = f"no connection within {seconds:g} s"
        why = getattr(error, "strerror", None) or (
            late if isinstance(error, OSError) else str(error)
        )
        raise _interrupted(url, f"{host} cannot be reached ({why})")


def _transfer_once(url: str, path: Path, limits: Limits, control: Control, deadline: float) -> None:
    """Write a file as it comes; a thread reads it, since a server may be slow without ever being silent."""
    items: queue.Queue[_Item] = queue.Queue(_WAITING)
    stopped = threading.Event()
    headers = _range_of(path, any_state=control.any_state)
    read = partial(_read_into, items, stopped, url, limits, headers)
    threading.Thread(target=read, name="brainbench-download", daemon=True).start()
    announced = Announced(None)
    try:
        with path.open("ab") as stream:
            for item in _until(items, deadline, url, limits):
                if control.stopped.is_set():
                    raise _interrupted(url, "stopped")
                if isinstance(item, Announced):
                    announced = item
                    _prepare(url, path, announced, limits)
                    stream.truncate(announced.start)
                else:
                    stream.write(item)
                received = stream.tell()
                _check_size(url, received, limits)
                control.progress(received, announced.nbytes)
    finally:
        stopped.set()


def _range_of(path: Path, *, any_state: bool) -> dict[str, str]:
    """Return the headers that ask for the rest of a file; {} for all of it."""
    start = _size(path)
    state = state_of(path).read_text() if start and state_of(path).is_file() else ""
    if not start or not (state or any_state):
        return {}
    return {"Range": f"bytes={start}-", **({"If-Range": state} if state else {})}


def _prepare(url: str, path: Path, announced: Announced, limits: Limits) -> None:
    """Compare the size of a file with the limit and the disk, and keep its state."""
    size = announced.nbytes or 0
    _check_size(url, size, limits)
    files.check_room(path.parent, size - announced.start, what="a download", choose=CHOOSE)
    if announced.state:
        state_of(path).write_text(announced.state)
    else:
        state_of(path).unlink(missing_ok=True)


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
    raise _late(url, limits)


def _read_into(
    items: queue.Queue[_Item],
    stopped: threading.Event,
    url: str,
    limits: Limits,
    headers: Mapping[str, str],
) -> None:
    """Put the size of a file, its chunks and None, or an error, into a queue until told to stop."""
    try:
        with requests.Session() as session:
            for item in _answers(session, url, limits, headers):
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


def _answers(
    session: requests.Session, url: str, limits: Limits, headers: Mapping[str, str]
) -> Iterator[Announced | bytes]:
    """Yield what a server announces and the chunks of a file as they come, after following redirects."""
    place = url
    for _ in range(MAX_REDIRECTS + 1):
        response = session.get(
            place,
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect, limits.silence),
            headers={"Accept-Encoding": "identity", **headers},  # checksums are of stored files
        )
        with response:
            location = session.get_redirect_target(response)
            if location is None:
                yield _announced(url, response, headers)
                while chunk := response.raw.read1(_CHUNK, decode_content=False):
                    yield chunk
                return
        place = _redirected(place, location)
    raise _no_file(url, f"more than {MAX_REDIRECTS} redirects")


def _announced(url: str, response: requests.Response, headers: Mapping[str, str]) -> Announced:
    """Return what a server says of a file; an error where it gives none."""
    status, said = response.status_code, f"the server says {response.status_code} {response.reason}"
    known = response.headers
    etag = known.get("ETag", "")
    state = known.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    length = known.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    if status == requests.codes.ok:
        return Announced(size, 0, state)
    if status == requests.codes.partial and "Range" in headers:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", known.get("Content-Range", ""))
        if span is None or f"bytes={span[1]}-" != headers["Range"]:
            raise _range_error(url, f"{said}, and another part than {headers['Range']}")
        return Announced(int(span[2]) if span[2] != "*" else None, int(span[1]), state)
    if status in _DENIED:
        raise AccessDeniedError(
            f"{redacted(url)}: {said}",
            allowed="a file that everybody may get",
            todo="get the file from who has access, or use public data",
        )
    if status == _RANGE_PAST_END:
        raise _range_error(url, said)
    if status in _BUSY:
        error = _interrupted(url, said)
        asked = known.get("Retry-After", "")
        error.after = min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0
        raise error
    raise _no_file(url, said)


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
        return DownloadError(
            f"{redacted(url)}: its certificate is not trusted",
            allowed="a server with a valid certificate",
            todo="check the clock and the certificates of this machine, and the network",
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _interrupted(url, f"no answer within {limits.silence:g} s")
    return _interrupted(url, f"the transfer broke off ({type(error).__name__})")


def _no_file(url: str, why: str) -> DownloadError:
    return DownloadError(
        f"{redacted(url)}: {why}",
        allowed="a file that exists, may be read and has an acceptable size",
        todo="check the address, or copy the file here by other means",
    )


def _late(url: str, limits: Limits) -> DownloadError:
    return DownloadError(
        f"{redacted(url)}: the file is not here after {limits.total:g} s",
        allowed="a server that answers in time",
        todo="check the network and try again, or copy the file here by other means",
    )


def _interrupted(url: str, why: str) -> InterruptedDownloadError:
    return InterruptedDownloadError(
        f"{redacted(url)}: {why}",
        allowed="a server that answers",
        todo="check the network and try again, or copy the file here by other means",
    )


def _range_error(url: str, why: str) -> _RangeError:
    return _RangeError(
        f"{redacted(url)}: {why}",
        allowed="the rest of the file that is here in part",
        todo="try again: the file then comes from its beginning",
    )
