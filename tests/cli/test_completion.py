"""Names that a shell completes, and the program as `python -m brainbench`."""

import subprocess
import sys

import pytest

from brainbench.cli import completion


def test_names_that_begin_as_what_is_typed(plugin):
    assert completion.models("fake_") == ["fake_second"]
    assert "timm:" in completion.models("ti")
    assert completion.models("no such") == []
    assert set(completion.benchmarks_and_composites("Simulated.mean")) == {
        "Simulated.mean-v1",
        "Simulated.mean-v1-static",
    }
    assert completion.data_sets("Kri") == ["Kriegeskorte2008"]
    assert {"pixels", "Simulated.mean-v1"} <= set(completion.everything(""))


def test_the_last_name_of_a_comma_list_is_completed(plugin):
    assert completion.models("pixels,gab") == ["pixels,gabor"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("score -m pixels,gab", "pixels,gabor"),
        ("score -b Simulated.mission", "Simulated.mission-v2"),
        ("data import Kri", "Kriegeskorte2008"),
        ("show gab", "gabor"),
        ("selftest -b Simulated.IT-rs", "Simulated.IT-rsa"),
        ("extract -m gab", "gabor"),
    ],
)
def test_a_shell_is_given_names(call, monkeypatch, words, completed):
    monkeypatch.setenv("_BRAINBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"brainbench {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    done = call()
    assert (done.status, done.out.split()) == (0, [completed])


def test_completion_imports_no_network(environment, tmp_path):
    code = (
        "import sys; sys.argv = ['brainbench']\n"
        "from brainbench.cli.main import run\n"
        "try:\n    run()\nfinally:\n"
        "    assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    typed = {"_BRAINBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "brainbench show pix"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **typed, "COMP_CWORD": "2"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["pixels"], "")


def test_python_dash_m(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "brainbench", "--version"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("brainbench ")
