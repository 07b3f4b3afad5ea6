"""A web server on this machine, for tests of downloads."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Served:
    """What the server answers, and what it was asked.

    Attributes
    ----------
    files : dict
        Path, as "/weights.pth", to content.
    announce : dict
        Path to a Content-Length that is not the true one.
    redirects : dict
        Path to the Location that it is redirected to.
    chunked : set
        Paths that are sent in chunks, without a Content-Length.
    dripping : set
        Paths that are sent byte by byte, with pauses, without an end.
    endless : set
        Paths that are sent again and again, without a Content-Length.
    cut : dict
        Path to the number of bytes after which each answer breaks off.
    ranges : set
        Paths of which a part may be asked for; `etags` names their state, `lying` gives another part.
    status : dict
        Path to statuses that it is answered with, one each time, before it is given.
    retry_after : str or None
        Header Retry-After of such a status.
    asked : list
        Paths, in order.
    asked_ranges : list
        Header Range of each request, or None.
    authorized : list
        Header Authorization of each request, or None.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    announce: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    chunked: set[str] = field(default_factory=set)
    dripping: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    ranges: set[str] = field(default_factory=set)
    etags: dict[str, str] = field(default_factory=dict)
    lying: set[str] = field(default_factory=set)
    status: dict[str, list[int]] = field(default_factory=dict)
    retry_after: str | None = None
    asked_ranges: list[str | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    authorized: list[str | None] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        self.served.authorized.append(self.headers["Authorization"])
        self.served.asked_ranges.append(self.headers["Range"])
        if self.path in self.served.redirects:
            self.send_response(302)
            self.send_header("Location", self.served.redirects[self.path])
            self.end_headers()
            return
        path = self.path.partition("?")[0]
        content = self.served.files.get(path)
        if self.served.status.get(path):
            self.send_response(self.served.status[path].pop(0))
            if self.served.retry_after is not None:
                self.send_header("Retry-After", self.served.retry_after)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        with contextlib.suppress(OSError):  # the other side hangs up
            if path in self.served.ranges:
                self._send_part(path, content)
                return
            self.send_response(200)
            self._send(path, content)

    def _send_part(self, path: str, content: bytes) -> None:
        etag, asked = self.served.etags.get(path), self.headers["Range"]
        same = self.headers["If-Range"] in (None, etag)
        start = int(asked.removeprefix("bytes=")[:-1]) if asked and same else 0
        if start >= len(content):
            self.send_error(416)
            return
        first = start + 1 if path in self.served.lying and start else start
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: self.served.cut.get(path)])

    def _send(self, path: str, content: bytes) -> None:
        if path in self.served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
            return
        if path not in self.served.endless | self.served.dripping:
            self.send_header("Content-Length", str(self.served.announce.get(path, len(content))))
        self.end_headers()
        self.wfile.write(content if path not in self.served.dripping else b"")
        while path in self.served.endless:
            self.wfile.write(content)
        for byte in content if path in self.served.dripping else b"":
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """Serve within the block, at `.url`."""
    served = Served()
    handler = type("Handler", (_Handler,), {"served": served})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def silent() -> Iterator[Served]:
    """Accept connections within the block, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield Served(url=f"http://127.0.0.1:{door.getsockname()[1]}")


def refusing() -> str:
    """URL of a port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"http://127.0.0.1:{door.getsockname()[1]}"


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since then."""
        return time.perf_counter() - self._began
