"""Claims: one process computes, whoever else wants the same knows, and nobody waits for the dead."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import CacheError, UnknownNameError
from brainbench.storage import claims
from brainbench.storage.claims import Claims, method_of

SPAWN = multiprocessing.get_context("spawn")
LEASE_SECONDS = 1.5


def claims_of(folder, method):
    return Claims(folder, choose="give", method=method, lease_seconds=LEASE_SECONDS)


@pytest.fixture(params=claims.METHODS)
def method(request):
    return request.param


@pytest.fixture
def both(tmp_path, method):
    """Claims of one folder as two processes would have them."""
    return claims_of(tmp_path / "claims", method), claims_of(tmp_path / "claims", method)


def test_a_claim_is_held_by_one_at_a_time(both):
    one, other = both
    first = one.claim("k")
    assert first.held()
    assert other.claim("k") is None
    assert one.claim("k") is None
    with other.claim("another"):
        pass
    first.release()
    first.release()
    with other.claim("k") as second:
        assert second.held()
        assert not first.held()


def test_a_claim_is_given_back_whatever_happens(both):
    one, other = both
    with pytest.raises(KeyboardInterrupt), one.claim("k"):
        raise KeyboardInterrupt
    with other.claim("k"):
        pass
    assert list(one.folder.iterdir()) == []


def test_another_thread_may_release_a_claim(both):
    one, other = both
    claim = one.claim("k")
    thread = threading.Thread(target=claim.release)
    thread.start()
    thread.join()
    with other.claim("k"):
        pass


def test_threads_hold_a_claim_one_at_a_time(both):
    inside, most = [], []

    def work():
        with both[0].wait("k", what="a test"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_who_waits_says_so_once(both, monkeypatch):
    monkeypatch.setattr(claims, "NOTICE_SECONDS", 0.02)
    one, other = both
    claim, recorded = one.claim("k"), RecordedNotes()
    threading.Timer(0.2, claim.release).start()
    with progress.use(recorded), other.wait("k", what="net on Fake.IT-pls"):
        pass
    [note] = recorded.notes
    assert "net on Fake.IT-pls" in note


def hold(folder, method, pipe):
    """Hold a claim until this process is killed; answer each message by whether it is still held."""
    claim = claims_of(folder, method).claim("k")
    while True:
        pipe.send(claim.held())
        pipe.recv()


@contextlib.contextmanager
def holding(folder, method):
    """Yield a process that holds the claim "k", and the pipe to it; it is killed in the end."""
    pipe, end = SPAWN.Pipe()
    process = SPAWN.Process(target=hold, args=(folder, method, end))
    process.start()
    assert pipe.recv()
    yield process, pipe
    process.kill()
    process.join()


@pytest.fixture
def holder(tmp_path, method):
    with holding(tmp_path / "claims", method) as (process, _):
        yield process


def test_a_killed_holder_frees_its_claim(both, holder):
    assert both[0].claim("k") is None
    holder.kill()
    holder.join()
    with both[0].claim("k") as claim:  # of a process of this machine: at once
        assert claim.held()


def wait_for(claims):
    claims.wait("k", what="a test").release()


@pytest.mark.slow
def test_a_holder_that_renews_its_lease_keeps_it(tmp_path):
    one = other = claims_of(tmp_path / "claims", "lease")
    with one.claim("k") as claim:
        waiter = threading.Thread(target=wait_for, args=(other,), daemon=True)
        waiter.start()
        waiter.join(timeout=1.5 * LEASE_SECONDS)
        assert waiter.is_alive()
        assert claim.held()
    waiter.join(timeout=60)
    assert not waiter.is_alive()


# --- leases --------------------------------------------------------------------------------------------


@pytest.fixture
def suspended(tmp_path):
    """A process that holds a lease and is suspended, and the pipe to it; as if it were on another machine."""
    with holding(tmp_path / "claims", "lease") as (process, pipe):
        os.kill(process.pid, signal.SIGSTOP)
        yield process, pipe


@pytest.mark.slow
def test_a_lease_is_taken_over_after_missed_renewals_and_its_holder_knows(tmp_path, suspended):
    leases, (process, pipe) = claims_of(tmp_path / "claims", "lease"), suspended
    assert leases.claim("k") is None  # nobody has seen it miss a renewal
    began = time.monotonic()
    with leases.wait("k", what="a test") as taken:
        assert time.monotonic() - began >= LEASE_SECONDS
        os.kill(process.pid, signal.SIGCONT)
        pipe.send("held?")
        assert not pipe.recv()
        assert taken.held()
        assert leases.claim("k") is None


@pytest.mark.slow
def test_one_of_many_takes_a_lease_over(tmp_path, suspended):
    leases = claims_of(tmp_path / "claims", "lease")
    inside, most = [], []

    def work():
        with leases.wait("k", what="a test") as claim:
            inside.append(1)
            most.append((len(inside), claim.held()))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert most == [(1, True)] * 6


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1000, 1000])
def test_no_clock_is_compared_with_another(tmp_path, hours):
    leases = claims_of(tmp_path / "claims", "lease")
    with leases.claim("k") as claim:
        [file] = leases.folder.iterdir()
        os.utime(file, (0, time.time() + 3600 * hours))  # as a server with another clock
        assert leases.claim("k") is None
        waiter = threading.Thread(target=wait_for, args=(leases,), daemon=True)
        waiter.start()
        waiter.join(timeout=1.5 * LEASE_SECONDS)
        assert waiter.is_alive()
        assert claim.held()
    waiter.join(timeout=60)


# --- which of the two ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/me/results", "lock"),
        ("/data/lab/results", "lease"),
        ("/data/lab/scratch/results", "lock"),
        ("/with space/results", "lease"),
        ("/database/results", "lock"),  # not below /data
        ("/odd/results", "lease"),  # a type that nobody knows
        ("/twice/results", "lease"),
    ],
)
def test_the_file_system_chooses(tmp_path, folder, expected):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        "server:/lab /data nfs4 rw 0 0\n"
        "/dev/sdb /data/lab/scratch xfs rw 0 0\n"
        "//server/share /with\\040space cifs rw 0 0\n"
        "x /odd newfs rw 0 0\n"
        "x /twice ext4 rw 0 0\n"
        "x /twice lustre rw 0 0\n"
    )
    assert method_of(Path(folder), mounts) == expected
    assert method_of(Path(folder), tmp_path / "none") == "lock"


@pytest.mark.parametrize("chosen", claims.METHODS)
def test_the_environment_chooses(tmp_path, monkeypatch, chosen):
    monkeypatch.setenv("BRAINBENCH_CLAIMS", chosen)
    with Claims(tmp_path, choose="give").claim("k"):
        assert [("lease" in path.name) for path in tmp_path.iterdir()] == [chosen == "lease"]
    monkeypatch.setenv("BRAINBENCH_CLAIMS", "lok")
    with pytest.raises(UnknownNameError) as caught:
        Claims(tmp_path, choose="give").claim("k")
    assert "'lok'" in caught.value.got
    assert "lock" in caught.value.allowed


def test_a_folder_that_cannot_be_made(tmp_path, method):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CacheError, match="file"):
        claims_of(tmp_path / "file" / "claims", method).claim("k")
