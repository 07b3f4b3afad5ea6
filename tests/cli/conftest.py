"""How these tests call the program: inside this process, or as a user would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Done:
    """What a call printed, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def call(
    plugin: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """`call("score", "-m", "fake", ...)` in this process, through the function behind `brainbench`."""
    from brainbench.cli.main import run

    def call_(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["brainbench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        printed = capsys.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)

    return call_


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Callable[..., Done]:
    """`shell("list", "models")` in a process of its own, in an empty folder."""
    program = Path(sys.executable).parent / "brainbench"

    def shell_(*arguments: object, **more: str) -> Done:
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return shell_


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch, call: Callable[..., Done]) -> Callable[..., list[str]]:
    """`narrow("leaderboard", ...)`: what a terminal of 80 columns shows, line by line."""
    from rich.console import Console

    from brainbench.cli import console, text

    made = Console(highlight=False, markup=False, emoji=False, width=80, color_system=None)
    monkeypatch.setattr(console, "stdout", lambda: made)
    monkeypatch.setattr(text, "fitted", lambda words, _: text.wrapped(words, 80))
    return lambda *arguments: [line.rstrip() for line in call(*arguments).out.splitlines()]
