import errno
import multiprocessing
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import CacheError, DataAbsentError, InputError, StimulusError
from brainbench.storage import cache as caches
from brainbench.storage import claims
from brainbench.storage.cache import Cache

KIND, SUFFIX = "activations", ".nc"


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def write(cache, key, content=b"x" * 1000, *, age=0.0):
    with cache.writing(KIND, key, SUFFIX) as path:
        path.write_bytes(content)
    made = cache.path(KIND, key, SUFFIX)
    then = time.time() - age
    os.utime(made, (then, then))
    return made


def break_off(cache, error):
    with cache.writing(KIND, "k", SUFFIX) as path:
        path.write_bytes(b"half")
        raise error


def leftovers(cache):
    return [path for path in cache.folder.rglob("*") if path.name.startswith(".")]


def test_what_was_written_is_found(cache):
    assert cache.find(KIND, "k", SUFFIX) is None
    made = write(cache, "k", b"content")
    assert cache.find(KIND, "k", SUFFIX) == made
    assert made.read_bytes() == b"content"
    assert cache.find(KIND, "other", SUFFIX) is None
    assert cache.find("simulations", "k", SUFFIX) is None
    assert cache.find(KIND, "k", ".npz") is None
    assert leftovers(cache) == []


def test_nothing_is_there_before_the_block_ends(cache):
    with cache.writing(KIND, "k", SUFFIX) as path:
        path.write_bytes(b"half")
        assert cache.find(KIND, "k", SUFFIX) is None
    assert cache.find(KIND, "k", SUFFIX) is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
def test_whatever_ends_the_block_leaves_nothing_half_written(cache, error):
    with pytest.raises(error):
        break_off(cache, error())
    assert cache.find(KIND, "k", SUFFIX) is None
    assert leftovers(cache) == []


def test_an_older_entry_outlives_a_failed_write(cache):
    write(cache, "k", b"old")
    with pytest.raises(KeyboardInterrupt):
        break_off(cache, KeyboardInterrupt())
    assert cache.find(KIND, "k", SUFFIX).read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(cache, number):
    with pytest.raises(CacheError, match=rf"{cache.folder} \(\d+\.\d\d GB") as caught:
        break_off(cache, OSError(number, os.strerror(number)))
    assert "BRAINBENCH_CACHE" in caught.value.todo
    assert leftovers(cache) == []
    assert cache.find(KIND, "k", SUFFIX) is None


def test_a_disk_that_is_full_when_the_file_is_flushed(cache, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheError, match=str(cache.folder)):
        write(cache, "k")
    assert cache.find(KIND, "k", SUFFIX) is None
    assert leftovers(cache) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_read_only_folder(cache, monkeypatch, number):
    def refuse(self, *arguments, **options):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CacheError, match=rf"{cache.folder} .*{os.strerror(number)}") as caught:
        write(cache, "k")
    assert "BRAINBENCH_CACHE" in caught.value.todo
    with pytest.raises(CacheError, match=os.strerror(number)), cache.lock(KIND, "k"):
        pass


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("a file")
    cache = Cache(tmp_path / "file")
    assert cache.find(KIND, "k", SUFFIX) is None
    with pytest.raises(CacheError, match=str(cache.folder)):
        write(cache, "k")
    with pytest.raises(CacheError, match=str(cache.folder)), cache.lock(KIND, "k"):
        pass


def test_a_folder_that_may_not_be_read(cache, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(CacheError, match="Permission denied"):
        cache.find(KIND, "k", SUFFIX)


def test_a_read_only_cache_can_still_be_read(cache, monkeypatch):
    made = write(cache, "k")

    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.find(KIND, "k", SUFFIX) == made


def test_other_failures_of_the_disk(cache):
    with pytest.raises(CacheError, match=f"{cache.folder} .*Input/output error"):
        break_off(cache, OSError(errno.EIO, "Input/output error"))


@pytest.mark.parametrize(
    "error",
    [
        StimulusError("image x cannot be read", allowed="a whole image", todo="replace it"),
        DataAbsentError("no recordings", allowed="recordings", todo="get them"),
        FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/weights.pth"),
    ],
)
def test_errors_about_something_else_pass_unchanged(cache, error):
    with pytest.raises(type(error)) as caught:
        break_off(cache, error)
    assert caught.value is error


def test_an_unwritten_entry_is_an_error(cache):
    with pytest.raises(CacheError, match=str(cache.folder)), cache.writing(KIND, "k", SUFFIX):
        pass


def test_locks_and_unfinished_files_do_not_count(tmp_path):
    cache = Cache(tmp_path, max_gb=900e-9)
    write(cache, "a", b"x" * 300, age=100)
    with cache.lock(KIND, "c"):
        pass
    (cache.folder / KIND / ".a.123.tmp").write_bytes(b"x" * 10_000)
    write(cache, "b", b"x" * 500)
    assert cache.find(KIND, "a", SUFFIX)


def test_the_entries_used_longest_ago_go_first(tmp_path):
    cache = Cache(tmp_path, max_gb=2500e-9)
    write(cache, "old", age=300)
    write(cache, "older", age=400)
    assert cache.find(KIND, "older", SUFFIX) is not None  # used now
    write(cache, "new")
    kept = {path.stem for path in (tmp_path / KIND).iterdir()}
    assert kept == {"older", "new"}


def test_the_entry_just_written_stays_however_large(tmp_path):
    cache = Cache(tmp_path, max_gb=500e-9)
    write(cache, "small", b"x" * 100, age=100)
    made = write(cache, "large", b"x" * 5000)
    assert made.is_file()
    assert cache.find(KIND, "small", SUFFIX) is None


def test_nothing_goes_below_the_limit(tmp_path):
    cache = Cache(tmp_path, max_gb=1.0)
    for k in range(5):
        write(cache, f"k{k}", age=1e6)
    assert all(cache.find(KIND, f"k{k}", SUFFIX) for k in range(5))


def test_what_a_killed_process_left_goes_after_a_day(cache):
    write(cache, "a")
    young, old = (cache.folder / KIND / f".{name}.1f.tmp" for name in ("young", "old"))
    for path, age in ((young, 3600), (old, 2 * 86400)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    write(cache, "b")
    assert young.exists()
    assert not old.exists()


def test_trimming_survives_a_file_that_another_process_removed(cache, monkeypatch):
    write(cache, "a")
    whole = Path.glob

    def with_ghost(self, pattern):
        return [*whole(self, pattern), self / KIND / "ghost.nc"]

    monkeypatch.setattr(Path, "glob", with_ghost)
    assert write(cache, "b").is_file()


def _fill(folder, key, value, ready):
    cache = Cache(Path(folder))
    ready.wait()
    for _ in range(20):
        with cache.writing(KIND, key, ".npy") as path, path.open("wb") as stream:
            np.save(stream, np.full(20_000, value))


def test_several_processes_write_one_entry_and_readers_see_it_whole(cache):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writers = [
        context.Process(target=_fill, args=(str(cache.folder), "k", value, ready))
        for value in (1.0, 2.0)
    ]
    for writer in writers:
        writer.start()
    ready.set()
    seen = 0
    while any(writer.is_alive() for writer in writers) or not seen:
        found = cache.find(KIND, "k", ".npy")
        if found is not None:
            values = np.load(found)
            assert values.shape == (20_000,)
            assert len(np.unique(values)) == 1
            seen += 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [path.name for path in (cache.folder / KIND).iterdir()] == ["k.npy"]


def test_threads_write_one_entry(cache):
    def fill(value):
        for _ in range(30):
            write(cache, "k", bytes([value]) * 5000)

    threads = [threading.Thread(target=fill, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(cache.find(KIND, "k", SUFFIX).read_bytes())) == 1
    assert leftovers(cache) == []


def test_a_lock_is_held_by_one_at_a_time(cache):
    inside, most = [], []

    def work():
        with cache.lock(KIND, "k"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_locks_of_other_entries_are_free(cache):
    with cache.lock(KIND, "a"), cache.lock(KIND, "b"), cache.lock("simulations", "a"):
        pass


def test_a_lock_is_given_back_whatever_happens(cache):
    with pytest.raises(KeyboardInterrupt), cache.lock(KIND, "k"):
        raise KeyboardInterrupt
    with cache.lock(KIND, "k"):
        pass


def test_who_waits_for_a_lock_says_so(cache, monkeypatch):
    monkeypatch.setattr(claims, "NOTICE_SECONDS", 0.05)
    told = RecordedNotes()
    held, release = threading.Event(), threading.Event()

    def hold():
        with cache.lock(KIND, "k"):
            held.set()
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    threading.Timer(0.3, release.set).start()
    with progress.use(told), cache.lock(KIND, "k"):
        pass
    holder.join()
    (note,) = told.notes
    assert KIND in note


def test_the_environment_names_folder_and_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("BRAINBENCH_CACHE_GB", "1.5")
    assert caches.default() == Cache(tmp_path, 1.5)


def test_without_environment_it_is_the_users_own_folder(monkeypatch):
    monkeypatch.delenv("BRAINBENCH_CACHE")
    monkeypatch.delenv("BRAINBENCH_CACHE_GB", raising=False)
    default = caches.default()
    assert default.folder.name == "brainbench"
    assert default.folder.is_absolute()
    assert default.max_gb == caches.DEFAULT_GB


def test_a_tilde_is_the_home(monkeypatch):
    monkeypatch.setenv("BRAINBENCH_CACHE", "~/somewhere")
    assert caches.default().folder == Path.home() / "somewhere"


@pytest.mark.parametrize("limit", ["lots", "-3", "0", "nan"])
def test_a_limit_must_be_a_positive_number(monkeypatch, limit):
    monkeypatch.setenv("BRAINBENCH_CACHE_GB", limit)
    with pytest.raises(InputError, match=f"BRAINBENCH_CACHE_GB='{limit}'"):
        caches.default()
