"""What a terminal shows while the program runs, in a process of its own on a pseudo-terminal."""

import os
import pty
import re
import struct
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_bars_name_what_runs_and_rows_come_before_the_end(environment, tmp_path):
    termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "brainbench",
            "score",
            "-m",
            "fake,fake_second",
            "-b",
            "Fake.IT-pls",
        ],
        env={**environment, "TERM": "xterm", "FAKE_Fake_IT-pls": "sleeps 1", "PYTHONWARNINGS": ""},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    seen = b""
    while True:
        try:
            part = os.read(reading, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(reading)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    loading, row = text.index("loading libraries 0:0"), text.index("  Fake.IT-pls ~")
    first, second = text.index("fake on Fake.IT-pls"), text.index("fake_second on Fake.IT-pls")
    assert loading < first < row < second
    assert text.index("1/2") < second
    assert re.search(r"1/2\s+\d+:\d\d left", text)
    assert text.splitlines()[-2].startswith("forward passes")
