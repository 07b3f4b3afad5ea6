"""The sign of life while libraries load."""

import subprocess
import sys

import pytest
from rich.console import Console

from brainbench.cli import console, turning_line


def test_it_draws_until_its_input_is_closed_and_leaves_nothing(monkeypatch):
    command = [sys.executable, "-I", "-S", turning_line.__file__, "loading"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        drawn = process.stderr.read(16)  # there is something before the end
        out, rest = process.communicate()
    assert drawn.startswith(b"\r\x1b[K| loading")
    assert rest.endswith(b"\r\x1b[K")
    assert (process.returncode, out) == (0, b"")


@pytest.mark.parametrize(("is_terminal", "quiet"), [(True, True), (False, False)])
def test_in_a_pipe_or_if_quiet_there_is_none(monkeypatch, is_terminal, quiet):
    monkeypatch.setattr(console, "stderr", lambda: Console(stderr=True, force_terminal=is_terminal))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with console.loading(quiet=quiet):
        pass


def test_it_ends_when_an_import_fails(monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options, stderr=subprocess.DEVNULL))
        return started[0]

    monkeypatch.setattr(console, "stderr", lambda: Console(stderr=True, force_terminal=True))
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(ImportError), console.loading():
        raise ImportError
    assert started[0].returncode == 0


def test_what_draws_imports_nothing_that_takes_long(environment):
    code = (
        "import sys; import brainbench.cli.console\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'xarray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
