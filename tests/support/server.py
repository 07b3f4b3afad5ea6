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
    asked : list
        Paths, in order.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    announce: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """Serve within the block, at `.url`."""
    served = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(served.announce.get(self.path, len(content))))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
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
