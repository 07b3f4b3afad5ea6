"""Files from the network: asked for with patience, checked before anything reads them.

Nothing here keeps a file: `download` fills a path that the caller chose, as `Cache.writing` yields one.
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

OFFLINE = "BRAINBENCH_OFFLINE"
CONNECT_SECONDS = 3.0
"""How long looking a host up and connecting to it may take, however many addresses it has."""
SILENCE_SECONDS = 10.0
"""How long a server that is connected may send nothing."""
ALGORITHMS = ("sha256", "sha1", "md5")
_CHUNK = 1 << 18
_MB = 1_000_000
_PORTS = {"http": 80, "https": 443}


class DownloadError(BrainbenchError, RuntimeError):
    """A file that did not come, or that is not the one that was asked for."""


def offline() -> bool:
    """Whether BRAINBENCH_OFFLINE forbids downloads: set to anything but nothing and 0."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def download(
    url: str,
    path: Path,
    *,
    checksum: str,
    connect_seconds: float = CONNECT_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
) -> str:
    """Fill `path` with what is at `url`, and check it.

    A file that fails in any way is removed: what stands at `path` afterwards is whole and is the one
    that was asked for. Certificates are verified. Progress goes to the current reporter.

    Parameters
    ----------
    url : str
        http or https.
    path : Path
        In a folder that exists.
    checksum : str
        Algorithm and hex digits, all of them or the first, as "sha256:1d3f7974".
    connect_seconds : float
        For looking the host up and connecting, together.
    silence_seconds : float
        For each wait on a server that is connected.

    Returns
    -------
    str
        All hex digits of the file's checksum.

    Raises
    ------
    DownloadError
        No connection, no file there, a file that breaks off, another checksum, or downloads are off.
    InputError
        A URL or a checksum of another form.
    OSError
        The path cannot be written.
    """
    algorithm, digits = _parsed(checksum)
    host, port = _door(url)
    if offline():
        raise DownloadError(
            f"{url} is not asked for: {OFFLINE} is set",
            allowed="files that are here already",
            todo=f"unset {OFFLINE}, or bring the file here by other means",
        )
    _knock(url, host, port, connect_seconds)
    try:
        _transfer(url, path, connect_seconds, silence_seconds)
        return _verified(url, path, algorithm, digits)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def check_reachable(url: str, *, connect_seconds: float = CONNECT_SECONDS) -> None:
    """Find out within `connect_seconds` whether a server can be connected to: others ask for minutes.

    Raises
    ------
    DownloadError
        It cannot.
    InputError
        A URL of another form than http or https.
    """
    _knock(url, *_door(url), connect_seconds)


def digest_of_file(path: Path, algorithm: str = "sha256") -> str:
    """Hex digits of a file's checksum."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _parsed(checksum: str) -> tuple[str, str]:
    algorithm, _, digits = checksum.lower().partition(":")
    hexadecimal = len(digits) >= 8 and not set(digits) - set("0123456789abcdef")
    if algorithm not in ALGORITHMS or not hexadecimal:
        raise InputError(
            f"checksum {checksum!r}",
            allowed="ALGORITHM:DIGITS with " + ", ".join(ALGORITHMS) + " and 8 or more hex digits",
            todo="write for example sha256:1d3f7974",
        )
    return algorithm, digits


def _door(url: str) -> tuple[str, int]:
    """Host and port to connect to: the server's, or those of the proxy that the environment names."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError(
            f"URL {url!r}",
            allowed="http://... or https://...",
            todo="correct the URL; a file that is here already is given by its path",
        )
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)


def _knock(url: str, host: str, port: int, seconds: float) -> None:
    """Raise DownloadError unless a connection stands within so many seconds.

    In a thread, because neither looking a name up nor trying each of its addresses has a limit of its
    own for all of it together. One address may be dead, as IPv6 often is, and the next still be tried.
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
    with _Bar(f"downloading {_name(url)} (MB)") as bar:
        fetcher = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=_CHUNK,
            timeout=(connect_seconds, silence_seconds),
            verify=True,
            headers={
                "Accept-Encoding": "identity"
            },  # the checksum is that of the file as it lies there
        )
        try:
            fetcher(url, str(path), None)
        except requests.HTTPError as error:
            if error.response is not None:  # pooch leaves it open
                error.response.close()
            raise DownloadError(
                f"{url}: the server says {str(error).partition(' for url')[0]}",
                allowed="a file that is there and may be read",
                todo="check the address, or bring the file here by other means",
            ) from error
        except requests.exceptions.SSLError as error:
            raise _unreachable(url, "its certificate is not trusted") from error
        except requests.Timeout as error:
            raise _unreachable(url, f"no answer within {silence_seconds:g} s") from error
        except requests.RequestException as error:
            raise _unreachable(url, f"the transfer broke off ({type(error).__name__})") from error


def _verified(url: str, path: Path, algorithm: str, digits: str) -> str:
    found = digest_of_file(path, algorithm)
    if not found.startswith(digits):
        raise DownloadError(
            f"{url}: {path.stat().st_size} bytes with {algorithm} {found[: len(digits)]}",
            allowed=f"the file with {algorithm} {digits}",
            todo="try again; if it stays so, the file there is another one: do not use it",
        )
    return found


def _unreachable(url: str, why: str) -> DownloadError:
    return DownloadError(
        f"{url}: {why}",
        allowed="a server that answers",
        todo="check the network and try again, or bring the file here by other means",
    )


def _name(url: str) -> str:
    return Path(urllib.parse.urlsplit(url).path).name


class _Bar:
    """What pooch reports to, as whole megabytes for the current reporter.

    Parameters
    ----------
    label : str
        What is being downloaded.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._open = contextlib.ExitStack()
        self._advance: progress.Advance | None = None
        self._bytes = self._shown = 0

    def __enter__(self) -> _Bar:
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
        """Bytes to come; 0 where the server does not say."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        task = progress.current().task(self._label, max(1, total // _MB))
        self._advance = self._open.enter_context(task)

    def update(self, count: int) -> None:
        """Count bytes; the last chunk is counted as if it were full."""
        self._bytes = min(self._bytes + count, self._total)
        done = self._bytes // _MB - self._shown
        if self._advance is not None and done > 0:
            self._shown += done
            self._advance(done)

    def reset(self) -> None:
        """Nothing: pooch would count it all a second time, and the bytes are held at the total."""

    def close(self) -> None:
        """Nothing: the bar closes with the block."""
