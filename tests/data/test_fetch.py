"""Downloads: checked, bounded in time, and nothing half-written."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import re
import shutil
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from server import Served, Stopwatch, refusing, serving, silent

from brainbench.core import progress
from brainbench.core.errors import CacheError, InputError
from brainbench.data import fetch, transfer
from brainbench.data.fetch import download
from brainbench.data.transfer import DownloadError

CONTENT = bytes(range(256)) * 12_000  # 3 MB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fetch.OFFLINE, raising=False)
    for name in (
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as served:
        served.files["/data/file.bin"] = CONTENT
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


def failed(url: str, target: Path, checksum: str = f"sha256:{SHA}", **more: float) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        download(url, target, checksum=checksum, **more)
    assert list(target.parent.iterdir()) == []
    return caught.value


@pytest.mark.parametrize("checksum", [f"sha256:{SHA}", f"SHA256:{SHA[:8].upper()}"])
def test_a_good_file_comes_whole(served: Served, target: Path, checksum: str) -> None:
    assert download(f"{served.url}/data/file.bin", target, checksum=checksum) == SHA
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert served.asked == ["/data/file.bin"]


@pytest.mark.parametrize("algorithm", ["sha1", "md5"])
def test_older_checksums(served: Served, target: Path, algorithm: str) -> None:
    digest = hashlib.new(algorithm, CONTENT, usedforsecurity=False).hexdigest()
    url = f"{served.url}/data/file.bin"
    assert download(url, target, checksum=f"{algorithm}:{digest}") == digest


def test_another_checksum(served: Served, target: Path) -> None:
    url = f"{served.url}/data/file.bin"
    error = failed(url, target, "sha256:0123456789")
    for part in (url, str(len(CONTENT)), SHA[:10]):
        assert part in error.got
    assert "0123456789" in error.allowed


def test_a_checksum_counts_from_its_start(served: Served, target: Path) -> None:
    failed(f"{served.url}/data/file.bin", target, f"sha256:{SHA[1:]}")


def test_a_file_that_breaks_off(served: Served, target: Path) -> None:
    served.announce["/data/file.bin"] = len(CONTENT) + 1
    failed(f"{served.url}/data/file.bin", target)


def test_a_file_that_is_cut_at_the_source(served: Served, target: Path) -> None:
    served.files["/data/file.bin"] = CONTENT[:-1]
    error = failed(f"{served.url}/data/file.bin", target)
    assert str(len(CONTENT) - 1) in error.got


def test_a_file_that_is_gone(served: Served, target: Path) -> None:
    error = failed(f"{served.url}/data/gone.bin", target)
    assert f"{served.url}/data/gone.bin" in error.got
    assert "404" in error.got


def test_a_server_that_never_answers(target: Path) -> None:
    watch = Stopwatch()
    with silent() as served:
        error = failed(f"{served.url}/file.bin", target, silence_seconds=0.3)
    assert f"{served.url}/file.bin" in error.got
    assert "0.3 s" in error.got
    assert watch.seconds >= 0.3


def test_nobody_listens(target: Path) -> None:
    error = failed(f"{refusing()}/file.bin", target)
    assert "127.0.0.1" in error.got
    assert "Connection refused" in error.got


def test_a_connection_that_hangs_has_one_limit_for_all_of_it(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looking a name up has no limit of its own; many addresses may each use up theirs.
    over = threading.Event()

    def hang(_: Any, timeout: float) -> None:
        assert timeout == 0.1
        over.wait(60)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    watch = Stopwatch()
    error = failed("http://example.invalid/file.bin", target, connect_seconds=0.2)
    over.set()
    assert "example.invalid" in error.got
    assert "0.2 s" in error.got
    assert 0.2 <= watch.seconds < 30


def test_a_name_that_is_none(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", lookup)
    error = failed("https://example.invalid/file.bin", target)
    assert "example.invalid" in error.got
    assert "Name or service not known" in error.got


def test_the_default_limits() -> None:
    assert (transfer.CONNECT_SECONDS, transfer.SILENCE_SECONDS) == (3.0, 10.0)


def test_a_server_without_a_trusted_certificate(served: Served, target: Path) -> None:
    # A server that speaks no TLS at all has no certificate either: what counts is that it is asked.
    url = served.url.replace("http:", "https:")
    assert "certificate" in failed(f"{url}/data/file.bin", target).got
    assert served.asked == []


def test_certificates_are_verified(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    wrap = ssl.SSLContext.wrap_socket

    def looked_at(self: ssl.SSLContext, *args: Any, **more: Any) -> Any:
        contexts.append(self)
        return wrap(self, *args, **more)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", looked_at)
    with serving() as served:
        failed(f"{served.url.replace('http:', 'https:')}/file.bin", target)
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED]


def test_a_proxy_is_connected_to_in_place_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        addresses.append(address)
        return socket.socket()

    def address_of(url: str) -> tuple[str, int]:
        fetch.check_reachable(url)
        return addresses[-1]

    monkeypatch.setattr(socket, "create_connection", connect)
    assert address_of("https://data.example/x") == ("data.example", 443)
    assert address_of("http://data.example:8080/x") == ("data.example", 8080)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert address_of("https://data.example/x") == ("proxy.example", 3128)
    monkeypatch.setenv("https_proxy", "proxy.example:3129")
    assert address_of("https://data.example/x") == ("proxy.example", 3129)
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("all_proxy", "http://other.example:3130")
    assert address_of("https://data.example/x") == ("other.example", 3130)
    monkeypatch.setenv("no_proxy", "data.example")
    assert address_of("https://data.example/x") == ("data.example", 443)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_offline(served: Served, target: Path, value: str, off: bool, monkeypatch: Any) -> None:
    monkeypatch.setenv(fetch.OFFLINE, value)
    url = f"{served.url}/data/file.bin"
    assert fetch.offline() is off
    if off:
        error = failed(url, target)
        assert url in error.got
        assert fetch.OFFLINE in error.got
        assert served.asked == []
    else:
        assert download(url, target, checksum=f"sha256:{SHA}") == SHA


@pytest.mark.parametrize(
    "checksum", ["", SHA, "sha256:", "sha256:1234567", "crc32:12345678", "sha256:1234567g"]
)
def test_a_checksum_of_another_form(target: Path, checksum: str) -> None:
    with pytest.raises(InputError, match=re.escape(repr(checksum))) as caught:
        download("http://127.0.0.1/x", target, checksum=checksum)
    assert "sha256, sha1, md5" in caught.value.allowed


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "/home/x", "https://"])
def test_a_url_of_another_form(target: Path, url: str) -> None:
    with pytest.raises(InputError, match=re.escape(repr(url))):
        download(url, target, checksum=f"sha256:{SHA}")


def test_a_full_disk_is_not_an_error_of_the_network(
    served: Served, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Iterator[bytes]:
        yield transfer.Announced(None)  # type: ignore[misc]
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "_until", full)
    with pytest.raises(CacheError, match=str(target.parent)):
        download(f"{served.url}/data/file.bin", target, checksum=f"sha256:{SHA}")
    assert list(target.parent.iterdir()) == []


def test_a_failed_download_keeps_the_file_before_it(served: Served, target: Path) -> None:
    target.write_bytes(b"before")
    with pytest.raises(DownloadError):
        download(f"{served.url}/data/gone.bin", target, checksum=f"sha256:{SHA}")
    assert target.read_bytes() == b"before"


class Bars:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []
        self.done = self.closed = 0

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        self.opened.append((label, total))
        try:
            yield self._advance
        finally:
            self.closed += 1

    def _advance(self, n: int) -> None:
        self.done += n

    def note(self, text: str) -> None:
        raise AssertionError(text)


@pytest.mark.parametrize("breaks", [False, True])
def test_progress_in_megabytes(served: Served, target: Path, breaks: bool) -> None:
    bars = Bars()
    if breaks:
        served.announce["/data/file.bin"] = len(CONTENT) + 5_000_000
    with progress.use(bars), contextlib.suppress(DownloadError):
        download(f"{served.url}/data/file.bin", target, checksum=f"sha256:{SHA}")
    assert bars.opened == [("downloading file.bin (MB)", 8 if breaks else 3)]
    assert bars.closed == 1
    assert bars.done == 3


# --- limits ---------------------------------------------------------------------------------------


def test_a_disk_with_too_little_space_is_known_before_the_file_comes(
    served: Served, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(CacheError, match="download"):
        download(f"{served.url}/data/file.bin", target, checksum=f"sha256:{SHA}")
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_announced_too_large(served: Served, target: Path) -> None:
    served.announce["/data/file.bin"] = 10**13
    error = failed(f"{served.url}/data/file.bin", target)
    assert f"{10**13} bytes" in error.got
    assert str(transfer.MAX_BYTES) in error.got


def test_a_file_without_end(served: Served, target: Path) -> None:
    served.endless.add("/data/file.bin")
    error = failed(f"{served.url}/data/file.bin", target, max_bytes=5_000_000)
    assert "5000000" in error.got


def test_more_than_was_announced_is_not_taken(served: Served, target: Path) -> None:
    served.files["/data/file.bin"] = CONTENT * 2
    served.announce["/data/file.bin"] = len(CONTENT)
    url = f"{served.url}/data/file.bin"
    assert download(url, target, checksum=f"sha256:{SHA}") == SHA
    assert target.stat().st_size == len(CONTENT)


def test_a_file_in_chunks(served: Served, target: Path) -> None:
    served.chunked.add("/data/file.bin")
    url = f"{served.url}/data/file.bin"
    assert download(url, target, checksum=f"sha256:{SHA}") == SHA


def test_a_server_that_is_slow_without_being_silent(served: Served, target: Path) -> None:
    served.dripping.add("/data/file.bin")
    error = failed(f"{served.url}/data/file.bin", target, total_seconds=0.5)
    assert "0.5 s" in error.got


# --- redirects and secrets ------------------------------------------------------------------------


def test_a_redirect_is_followed(served: Served, target: Path) -> None:
    served.redirects = {"/a": "/b", "/b": f"{served.url}/data/file.bin"}
    assert download(f"{served.url}/a", target, checksum=f"sha256:{SHA}") == SHA
    assert served.asked == ["/a", "/b", "/data/file.bin"]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_redirect_to_another_protocol_is_refused(
    served: Served, target: Path, place: str
) -> None:
    served.redirects["/a"] = place
    error = failed(f"{served.url}/a", target)
    assert place.partition(":")[0] + ":" in error.got


def test_a_redirect_to_an_unprotected_connection_is_refused() -> None:
    with pytest.raises(DownloadError, match="http://b/y"):
        transfer._redirected("https://a/x", "http://b/y")
    assert transfer._redirected("http://a/x", "https://b/y") == "https://b/y"


def test_redirects_without_end(served: Served, target: Path) -> None:
    served.redirects["/a"] = "/a"
    error = failed(f"{served.url}/a", target)
    assert str(transfer.MAX_REDIRECTS) in error.got
    assert len(served.asked) == transfer.MAX_REDIRECTS + 1


SECRETS = ("anna", "s3cret", "t0ken")


@pytest.mark.parametrize("path", ["/data/file.bin", "/gone", "/away", "/endless", "/drip"])
def test_a_message_shows_no_password_and_no_token(
    served: Served, target: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    served.files |= {"/endless": CONTENT, "/drip": CONTENT}
    served.endless.add("/endless")
    served.dripping.add("/drip")
    address = f"{served.url.replace('//', '//anna:s3cret@')}{path}?key=t0ken"
    served.redirects[f"{path}?key=t0ken" if path == "/away" else ""] = "ftp://anna:s3cret@x/?t0ken"
    error = failed(address, target, f"sha256:{'0' * 64}", total_seconds=1, max_bytes=4_000_000)
    shown = "".join(traceback.format_exception(error)) + caplog.text
    assert not [secret for secret in SECRETS if secret in shown]
    assert f"{served.url}{path}" in error.got
    expected = "Basic " + base64.b64encode(b"anna:s3cret").decode()
    assert served.authorized == [expected]


def test_a_password_is_not_given_to_the_server_of_a_redirect(served: Served, target: Path) -> None:
    with serving() as other:
        other.files["/x"] = CONTENT
        served.redirects["/a"] = f"{other.url}/x"
        download(
            f"{served.url.replace('//', '//anna:s3cret@')}/a", target, checksum=f"sha256:{SHA}"
        )
        assert other.authorized == [None]


@pytest.mark.parametrize(
    "url", ["http://anna:s3cret@host:port/x", "http://[anna:s3cret@/x", "ftp://anna:s3cret@host/x"]
)
def test_a_malformed_url_is_an_error_without_its_password(target: Path, url: str) -> None:
    with pytest.raises(InputError) as caught:
        download(url, target, checksum=f"sha256:{SHA}")
    assert "s3cret" not in str(caught.value)


def test_a_host_name_that_cannot_be_looked_up(target: Path) -> None:
    error = failed(f"http://{'x' * 64}.invalid/x", target)
    assert "label" in error.got
