"""Output that is closed, full, read only in part, or sent to a terminal without the characters."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from brainbench.cli.streams import PIPE_CLOSED, UNWRITABLE, KeepsGoing, standard_streams

PROGRAM = str(Path(sys.executable).parent / "brainbench")


class Failing(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error=errno.ENOSPC):
        super().__init__()
        self.code, self.attempts = error, 0

    def write(self, text):
        self.attempts += 1
        raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EPIPE, errno.EBADF, errno.EIO])
def test_a_stream_that_fails_is_tried_once_and_stops_nothing(code):
    failing = Failing(code)
    stream = KeepsGoing(failing)
    assert stream.write("one") == 3
    stream.write("two")
    stream.flush()
    assert failing.attempts == 1
    assert stream.error.errno == code


def test_a_stream_that_is_closed_is_no_error_until_it_is_used():
    stream = KeepsGoing(None)
    stream.flush()
    assert not stream.isatty()
    assert stream.error is None
    stream.write("one")
    assert stream.error.errno == errno.EBADF


def program(code, text="a table"):
    with standard_streams():
        print(text)
        sys.exit(code)


def ends(monkeypatch, code, *, stdout):
    """Return the exit status of a program that prints, and ends with `code`."""
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as end:
        program(code)
    return end.value.code


@pytest.mark.parametrize("code", [None, 0, 1])
def test_lost_output_has_a_status_of_its_own(monkeypatch, capsys, code):
    assert ends(monkeypatch, code, stdout=Failing()) == UNWRITABLE == 3
    assert os.strerror(errno.ENOSPC) in capsys.readouterr().err
    assert ends(monkeypatch, code, stdout=None) == UNWRITABLE
    capsys.readouterr()
    assert ends(monkeypatch, code, stdout=Failing(errno.EPIPE)) == PIPE_CLOSED == 141
    assert capsys.readouterr().err == ""  # a reader that has what it wants is no problem


@pytest.mark.parametrize("code", [2, 130])
def test_wrong_usage_and_ctrl_c_keep_their_status(monkeypatch, code):
    assert ends(monkeypatch, code, stdout=Failing()) == code


def test_output_that_is_written_keeps_the_status(monkeypatch):
    for code in (None, 0, 1):
        assert ends(monkeypatch, code, stdout=io.StringIO()) == code


def crashing_program():
    with standard_streams():
        print("a table")
        raise ZeroDivisionError


def test_errors_of_the_program_itself_are_not_hidden(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Failing())
    with pytest.raises(ZeroDivisionError):
        crashing_program()


def test_what_a_terminal_cannot_show_is_written_out(monkeypatch):
    shown = io.BytesIO()
    ascii_only = io.TextIOWrapper(shown, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    with pytest.raises(SystemExit):
        program(0, "≈ .5 ° \udcff")
    assert shown.getvalue() == b"\\u2248 .5 \\xb0 \\udcff\n"


def run(environment, tmp_path, command, **more):
    """Run a line of shell, in which $B is the program."""
    return subprocess.run(
        ["/bin/bash", "-c", command],
        env={**environment, "B": PROGRAM, **more},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("$B --help > /dev/full", 3),
        ("$B --version >&-", 3),
        ("$B list nothing 2> /dev/full", 2),
        ("PYTHONIOENCODING=ascii $B --help", 0),
    ],
)
def test_the_program_ends_as_it_says(environment, tmp_path, command, status):
    done = run(environment, tmp_path, command)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (status == 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("> /dev/full 2> /dev/full", 3),
        (">&- 2>&- <&-", 3),
        ("2>&1 | true; exit ${PIPESTATUS[0]}", 141),
    ],
)
def test_scores_and_their_csv_are_kept_where_the_table_is_lost(
    environment, results_folder, tmp_path, where, status
):
    command = "$B score -m fake -b Fake.IT-pls,Fake.V1-pls --csv scores.csv"
    done = run(environment, tmp_path, f"{command} {where}")
    assert (done.returncode, done.stderr) == (status, "")
    assert len(list(results_folder.glob("Fake.*/*.json"))) == 2
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_names_that_are_not_utf8_go_through_every_output(environment, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"odd\xff")
    os.mkdir(folder)
    with open(os.path.join(folder, b"net\xfe.py"), "w", encoding="utf-8") as stream:
        stream.write("from brainbench_fake import fake\n")
    model, results = r"$'odd\xff/net\xfe.py:fake'", r"$'odd\xff/results'"
    command = f"$B score -m {model} -b Fake.IT-pls -o {results} --csv scores.csv"
    done = run(environment, tmp_path, f"{command} --format json -q", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "odd\udcff" in json.loads(done.stdout)[0]["file"]
    board = run(environment, tmp_path, f"$B leaderboard -o {results} --csv board.csv", LC_ALL="C")
    assert (board.returncode, board.stderr) == (0, "")
