"""A program of its own that draws a turning line on stderr until its standard input is closed.

The import of a large library holds the interpreter for seconds, in which no thread of that process draws.
"""

import contextlib
import itertools
import sys
import threading
import time

INTERVAL_S = 0.1


def draw(label: str) -> None:
    """Draw the line with a label and the time so far, and take it away at the end."""
    closed = threading.Event()
    threading.Thread(target=_wait, args=(closed,), daemon=True).start()
    began = time.monotonic()
    for sign in itertools.cycle("|/-\\"):
        if closed.wait(INTERVAL_S):
            break
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        # Back at the start of the line, so that a note takes its place.
        sys.stderr.write(f"\r\x1b[K{sign} {label} {minutes}:{seconds:02d}\r")
        sys.stderr.flush()
    sys.stderr.write("\r\x1b[K")


def _wait(closed: threading.Event) -> None:
    """Set an event when standard input is closed, as it is too when the process that opened it ends."""
    sys.stdin.read()
    closed.set()


if __name__ == "__main__":
    # The other process says that it was stopped; a terminal may be gone.
    with contextlib.suppress(KeyboardInterrupt, OSError):
        draw(sys.argv[1])
