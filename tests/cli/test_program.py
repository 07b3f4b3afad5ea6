"""`brainbench` as a user calls it: in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import brainbench

PROGRAM = str(Path(sys.executable).parent / "brainbench")


def test_help(shell):
    done = shell("--help")
    assert done.status == 0
    for verb in ("score", "leaderboard", "compare", "selftest", "list", "show"):
        assert verb in done.out
    assert "brainbench score --model cornet_s --benchmark all" in done.out
    assert done.err == ""


@pytest.mark.parametrize("verb", ["score", "leaderboard", "selftest", "extract", "list", "show"])
def test_help_of_a_verb_fits_80_columns(shell, verb):
    done = shell(verb, "--help")
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "identifier" not in done.out


def test_version(shell):
    assert shell("--version").out == f"brainbench {brainbench.__version__}\n"


def test_without_a_verb_there_is_help(shell):
    done = shell()
    assert "Usage: brainbench" in done.out + done.err


def test_an_unknown_verb(shell):
    done = shell("scroe")
    assert done.status == 2
    assert "scroe" in done.err


def test_listing_models_imports_no_network(environment, tmp_path):
    code = (
        "import sys; sys.argv = ['brainbench', 'list', 'models', '--json']\n"
        "from brainbench.cli.main import run\n"
        "try:\n    run()\nfinally:\n    assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"model": "fake", "what it is": "brainbench_fake:fake"} in json.loads(done.stdout)


def test_scores_of_an_outside_plugin(shell, results_folder):
    command = ("score", "-m", "fake@untrained-0", "-b", "Fake.*,Away.*", "--format", "json")
    done = shell(*command)
    assert done.status == 1
    rows = json.loads(done.out)
    assert [row["benchmark"] for row in rows if row["value"] is not None] == [
        "Fake.V1-pls",
        "Fake.IT-pls",
    ]
    assert "peak memory" in done.err
    assert {Path(row["file"]).parent.parent for row in rows if row["file"]} == {results_folder}
    again = shell(*command)
    assert [row["record"] for row in json.loads(again.out)[:2]] == [
        row["record"] for row in rows[:2]
    ]


def test_errors_are_three_lines_without_a_traceback(shell):
    done = shell("score", "-m", "cornet", "-b", "all")
    assert done.status == 2
    assert done.out == ""
    got, allowed, todo = done.err.splitlines()
    assert got.startswith("brainbench: ")
    assert "'cornet'" in got
    assert "cornet_z, cornet_s, cornet_r" in allowed
    assert "`brainbench list models`" in todo


@pytest.mark.slow
def test_ctrl_c_and_the_same_command_again(environment, results_folder, shell, tmp_path):
    command = ("score", "-m", "fake", "-b", "Fake.IT-pls,Fake.V1-pls")
    # Where the tests run in the background, Ctrl-C is switched off for all their children.
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = restore + "from brainbench.cli.main import run; run()"
    running = subprocess.Popen(
        [sys.executable, "-c", program, *command],
        env={**environment, "FAKE_Fake_V1-pls": "sleeps 60"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(results_folder.glob("Fake.IT-pls/*.json")):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.2)  # well into the next benchmark
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "brainbench: stopped" in err
    assert "Traceback" not in err
    left = [path.name for path in results_folder.rglob("*") if path.is_file()]
    assert not [name for name in left if name.startswith(".")]
    first = next(results_folder.glob("Fake.IT-pls/*.json")).read_bytes()
    done = shell(*command)
    assert done.status == 0
    assert next(results_folder.glob("Fake.IT-pls/*.json")).read_bytes() == first
    assert len(list(results_folder.glob("*/*.json"))) == 2


@pytest.mark.slow
def test_two_programs_share_the_folders(environment, results_folder, tmp_path):
    command = [PROGRAM, "score", "-m", "fake,fake_second", "-b", "Fake.IT-pls,Fake.V1-pls", "-q"]
    both = [
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    tables = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert tables[0] == tables[1]
    assert len(list(results_folder.glob("*/*.json"))) == 4


def test_a_pipe_that_is_closed_is_no_traceback(environment, tmp_path):
    running = subprocess.Popen(
        [PROGRAM, "list", "models"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.stdout.close()
    with running.stderr:
        err = running.stderr.read()
    running.wait(timeout=30)
    assert err == ""
