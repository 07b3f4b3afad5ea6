"""Workers: the figures of one process, and no score lost when a process dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

pytestmark = pytest.mark.slow

MODELS = """
import os, signal, time
from pathlib import Path
from brainbench_fake import FakeModel

def plain():
    return FakeModel(name="plain", digest="plain")

def other():
    return FakeModel(name="other", digest="other")

def killed_once():
    marker = Path(__file__).with_name("killed")
    if not marker.exists():
        marker.touch()
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return FakeModel(name="killed_once", digest="killed_once")

def always_killed():
    os.kill(os.getpid(), signal.SIGSEGV)

class Counted(FakeModel):
    def activations(self, stimuli, layers, presentation=None):
        with Path(__file__).with_name("asked").open("a") as log:
            log.write(f"{self.name} {stimuli.identifier} {' '.join(layers)}\\n")
        return super().activations(stimuli, layers)

def counted():
    return Counted(name="counted", digest="counted")

def counted_too():
    return Counted(name="counted_too", digest="counted_too")

def when_told():
    here = Path(__file__)
    here.with_name(f"started-{os.getpid()}").touch()
    while not here.with_name("go").exists():
        time.sleep(0.05)
    return FakeModel(name="when_told", digest="when_told")

def slow():
    Path(__file__).with_name(f"started-{os.getpid()}").touch()
    time.sleep(60)
"""
# A shell lets what it starts in the background ignore Ctrl-C, and so do its children.
HEEDING = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from brainbench.cli.main import run
run()
"""


@pytest.fixture
def models(tmp_path):
    (tmp_path / "nets.py").write_text(MODELS)
    return lambda *names: ",".join(f"{tmp_path}/nets.py:{name}" for name in names)


def figures(printed):
    return {(one["model"], one["benchmark"]): one["value"] for one in json.loads(printed)}


def test_two_workers_give_the_figures_of_one_process_in_the_same_order(shell, models, tmp_path):
    words = ("score", "-m", models("plain", "other"), "-b", "Fake.*,Stored.*", "--format", "json")
    one = shell(*words, "-o", tmp_path / "one")
    two = shell(*words, "-o", tmp_path / "two", "--workers", 2)
    assert list(figures(two.out).items()) == list(figures(one.out).items())
    assert two.status == one.status
    names = [sorted(p.name for p in (tmp_path / n).glob("*/*.json")) for n in ("one", "two")]
    assert names[0] == names[1]


def test_shards_of_several_processes_make_the_whole(shell, models, tmp_path):
    words = ("score", "-m", models("plain", "other"), "-b", "Fake.*,Stored.*", "--format", "json")
    whole = figures(shell(*words, "-o", tmp_path / "whole").out)
    parts = [figures(shell(*words, "--shard", f"{k}/3").out) for k in (1, 2, 3)]
    assert {key: value for part in parts for key, value in part.items()} == whole
    assert sum(map(len, parts)) == len(whole)


def test_two_workers_compute_nothing_twice(shell, models, tmp_path):
    words = ("score", "-m", models("counted", "counted_too"), "-b", "Fake.*,Stored.*")
    asked = []
    # The same parts one after the other, and side by side.
    for name, spread in (("1", ("--shard", "1/1")), ("2", ("--workers", 2))):
        shell(*words, "-o", tmp_path / name, *spread)
        asked.append(sorted((tmp_path / "asked").read_text().splitlines()))
        (tmp_path / "asked").unlink()
    assert asked[0] == asked[1]
    shell(*words, "-o", tmp_path / "2", "--workers", 2)
    again = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
    # What has no value is asked for again; no stored figure is.
    assert len(again.splitlines()) < len(asked[1])


def test_what_a_killed_worker_had_begun_is_scored_by_itself(shell, models):
    done = shell(
        *("score", "-m", models("plain", "killed_once", "always_killed", "other")),
        *("-b", "Fake.IT-pls", "--format", "json", "--workers", 2),
    )
    values = figures(done.out)
    assert len(values) == 4
    assert sum(value is not None for value in values.values()) == 3
    [failed] = [one for one in json.loads(done.out) if one["value"] is None]
    assert failed["model"].endswith("always_killed")
    assert "Segmentation fault" in failed["reason"]
    assert "a worker was killed" in done.err
    assert done.status == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_process_that_started_it(environment, models, tmp_path, how):
    words = ["score", "-m", models("slow", "slow"), "-b", "Fake.*,Stored.*", "--workers", "2"]
    running = subprocess.Popen(
        [sys.executable, "-c", HEEDING, *words],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("started-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = [int(path.name.partition("-")[2]) for path in tmp_path.glob("started-*")]
    os.kill(running.pid, how)
    try:
        running.communicate(timeout=100)
    finally:
        running.kill()
    assert running.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    psutil.wait_procs(
        [psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=10
    )
    assert not any(psutil.pid_exists(pid) for pid in workers)


CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def cluster(environment, tmp_path):
    """A scheduler of dask with two workers, in processes of their own."""
    pytest.importorskip("distributed")
    (tmp_path / "cluster.py").write_text(CLUSTER)
    running = subprocess.Popen(
        [sys.executable, "cluster.py"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield SimpleNamespace(address=running.stdout.readline().strip(), pid=running.pid)
    if running.poll() is None:
        running.communicate("")
    running.wait()
    running.stdin.close()
    running.stdout.close()


def test_workers_of_a_scheduler_give_the_same(shell, models, cluster, tmp_path):
    words = ("score", "-m", models("plain", "other"), "-b", "Fake.*,Stored.*", "--format", "json")
    one = shell(*words, "-o", tmp_path / "one")
    two = shell(*words, "-o", tmp_path / "two", "--scheduler", cluster.address)
    assert figures(two.out) == figures(one.out)


def test_a_lost_scheduler_is_named_and_the_same_command_goes_on(
    shell, models, cluster, environment, tmp_path
):
    words = ["score", "-m", models("plain", "when_told"), "-b", "Fake.IT-pls", "-o", "results"]
    running = subprocess.Popen(
        [sys.executable, "-c", HEEDING, *words, "--scheduler", cluster.address],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 400

    def stored():
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/*/plain*.json")}

    while not (stored() and list(tmp_path.glob("started-*"))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = stored()
    scheduler = psutil.Process(cluster.pid)
    for process in [scheduler, *scheduler.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # workers end by themselves without it
            process.kill()
    _, said = running.communicate(timeout=400)
    assert running.returncode not in (0, 130)
    assert f"the scheduler {cluster.address} was lost" in " ".join(said.split())
    (tmp_path / "go").touch()
    done = shell(*words[:-1], tmp_path / "results", "--workers", 2, "--format", "json")
    assert len(figures(done.out)) == 2
    assert None not in figures(done.out).values()
    assert stored() == before


def test_a_scheduler_that_does_not_answer_is_named(shell, models):
    done = shell("score", "-m", models("plain"), "-b", "Fake.*", "--scheduler", "tcp://127.0.0.1:9")
    assert done.status == 2
    assert "tcp://127.0.0.1:9" in done.err
