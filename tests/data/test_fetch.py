"""Downloads: checked, bounded in time, and nothing half-written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Served, Stopwatch, refusing, serving, silent

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.data import fetch
from brainbench.data.fetch import DownloadError, download

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
    assert error.got == f"{url}: {len(CONTENT)} bytes with sha256 {SHA[:10]}"
    assert error.allowed == "the file with sha256 0123456789"
    assert "do not use it" in error.todo


def test_a_checksum_counts_from_its_start(served: Served, target: Path) -> None:
    failed(f"{served.url}/data/file.bin", target, f"sha256:{SHA[1:]}")


def test_a_file_that_breaks_off(served: Served, target: Path) -> None:
    served.announce["/data/file.bin"] = len(CONTENT) + 1
    error = failed(f"{served.url}/data/file.bin", target)
    assert "the transfer broke off" in error.got


def test_a_file_that_is_cut_at_the_source(served: Served, target: Path) -> None:
    served.files["/data/file.bin"] = CONTENT[:-1]
    error = failed(f"{served.url}/data/file.bin", target)
    assert f"{len(CONTENT) - 1} bytes with sha256" in error.got


def test_a_file_that_is_gone(served: Served, target: Path) -> None:
    error = failed(f"{served.url}/data/gone.bin", target)
    assert error.got == f"{served.url}/data/gone.bin: the server says 404 Client Error: Not Found"
    assert error.allowed == "a file that is there and may be read"
    assert "by other means" in error.todo


def test_a_server_that_never_answers(target: Path) -> None:
    watch = Stopwatch()
    with silent() as served:
        error = failed(f"{served.url}/file.bin", target, silence_seconds=0.3)
    assert error.got == f"{served.url}/file.bin: no answer within 0.3 s"
    assert watch.seconds >= 0.3


def test_nobody_listens(target: Path) -> None:
    error = failed(f"{refusing()}/file.bin", target)
    assert "127.0.0.1 cannot be reached (Connection refused)" in error.got
    assert error.allowed == "a server that answers"
    assert "check the network" in error.todo


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
    assert error.got.endswith("example.invalid cannot be reached (no connection within 0.2 s)")
    assert 0.2 <= watch.seconds < 30


def test_a_name_that_is_none(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", lookup)
    error = failed("https://example.invalid/file.bin", target)
    assert "example.invalid cannot be reached (Name or service not known)" in error.got


def test_the_default_limits() -> None:
    assert (fetch.CONNECT_SECONDS, fetch.SILENCE_SECONDS) == (3.0, 10.0)


def test_a_server_without_a_trusted_certificate(served: Served, target: Path) -> None:
    # A server that speaks no TLS at all has no certificate either: what counts is that it is asked.
    url = served.url.replace("http:", "https:")
    assert "its certificate is not trusted" in failed(f"{url}/data/file.bin", target).got
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


def test_the_door_is_that_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch._door("https://data.example/x") == ("data.example", 443)
    assert fetch._door("http://data.example:8080/x") == ("data.example", 8080)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert fetch._door("https://data.example/x") == ("proxy.example", 3128)
    monkeypatch.setenv("https_proxy", "proxy.example:3129")
    assert fetch._door("https://data.example/x") == ("proxy.example", 3129)
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("all_proxy", "http://other.example:3130")
    assert fetch._door("https://data.example/x") == ("other.example", 3130)
    monkeypatch.setenv("no_proxy", "data.example")
    assert fetch._door("https://data.example/x") == ("data.example", 443)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_offline(served: Served, target: Path, value: str, off: bool, monkeypatch: Any) -> None:
    monkeypatch.setenv(fetch.OFFLINE, value)
    url = f"{served.url}/data/file.bin"
    assert fetch.offline() is off
    if off:
        assert failed(url, target).got == f"{url} is not asked for: BRAINBENCH_OFFLINE is set"
        assert served.asked == []
    else:
        assert download(url, target, checksum=f"sha256:{SHA}") == SHA


@pytest.mark.parametrize(
    "checksum", ["", SHA, "sha256:", "sha256:1234567", "crc32:12345678", "sha256:1234567g"]
)
def test_a_checksum_of_another_form(target: Path, checksum: str) -> None:
    with pytest.raises(InputError, match="checksum") as caught:
        download("http://127.0.0.1/x", target, checksum=checksum)
    assert "sha256, sha1, md5" in caught.value.allowed
    assert "sha256:1d3f7974" in caught.value.todo


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "/home/x", "https://"])
def test_a_url_of_another_form(target: Path, url: str) -> None:
    with pytest.raises(InputError, match="URL") as caught:
        download(url, target, checksum=f"sha256:{SHA}")
    assert caught.value.allowed == "http://... or https://..."


def test_a_full_disk_is_no_matter_of_the_network(
    served: Served, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, url: str, output: str, pooch: Any) -> None:
        Path(output).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", full)
    with pytest.raises(OSError, match="No space") as caught:
        download(f"{served.url}/data/file.bin", target, checksum=f"sha256:{SHA}")
    assert not isinstance(caught.value, BrainbenchError)
    assert not target.exists()


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
    assert bars.done == (2 if breaks else 3)
