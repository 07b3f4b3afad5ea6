import errno
import multiprocessing
import os
import random
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from damages import DAMAGES
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import (
    CacheError,
    DamagedEntryError,
    DataAbsentError,
    InputError,
    StimulusError,
)
from brainbench.storage import array_file, checksums, claims
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

KIND, SUFFIX = "activations", ".nc"


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def write(cache, key, content=b"x" * 1000, *, age=0.0):
    with cache.writing(KIND, key, SUFFIX) as path:
        path.write_bytes(content)
    made = cache.find(KIND, key, SUFFIX)
    assert made is not None
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
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
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
    kept = {path.name.partition(".")[0] for path in (tmp_path / KIND).iterdir()}
    assert kept == {"older", "new"}


def test_the_entry_just_written_stays_however_large(tmp_path):
    cache = Cache(tmp_path, max_gb=500e-9)
    write(cache, "small", b"x" * 100, age=100)
    assert write(cache, "large", b"x" * 5000).is_file()
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
    assert {path.suffix for path in (cache.folder / KIND).iterdir()} == {".npy"}


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


# --- damage ---------------------------------------------------------------------------------------


CONTENTS = {key: random.Random(key).randbytes(10_000) for key in ("one", "other")}  # noqa: S311


def content_of(cache, key):
    """Return the content of an entry, which is made if it is not there."""
    paths = cache.obtain(KIND, key, [SUFFIX], lambda: write(cache, key, CONTENTS[key]))
    return paths[SUFFIX].read_bytes()


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_removed_and_made_again(cache, name):
    for key in CONTENTS:
        content_of(cache, key)
    paths = [cache.find(KIND, key, SUFFIX) for key in CONTENTS]
    DAMAGES[name](*paths)
    notes = RecordedNotes()
    with progress.use(notes):
        for key, content in CONTENTS.items():
            assert content_of(cache, key) == content
    assert any(str(paths[0]) in note for note in notes.notes)
    assert {found.state for found in cache.verify()} == {"sound"}


def test_damage_is_noticed_by_a_process_that_has_read_the_entry(cache):
    made = write(cache, "k", b"content")
    made.write_bytes(b"CONTENT")
    assert cache.find(KIND, "k", SUFFIX) is None
    assert not made.exists()


def test_a_file_of_another_kind_or_suffix_is_not_taken(cache):
    made = write(cache, "k")
    for kind, suffix in (("weights", SUFFIX), (KIND, ".npz")):
        target = cache.folder / kind / made.name.replace(SUFFIX, suffix)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(made.read_bytes())
        assert cache.find(kind, "k", suffix) is None


def test_a_disk_that_cannot_read_is_damage(cache, monkeypatch):
    write(cache, "k")
    checksums._whole.clear()

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checksums, "digest_of", fail)
    notes = RecordedNotes()
    with progress.use(notes):
        assert cache.find(KIND, "k", SUFFIX) is None
    assert "Input/output error" in notes.notes[0]


def test_all_files_of_a_key_are_made_once(cache):
    made = []

    def make():
        made.append(1)
        for suffix in (".a", ".b"):
            with cache.writing(KIND, "k", suffix) as path:
                path.write_text(suffix)

    for _ in range(2):
        paths = cache.obtain(KIND, "k", [".a", ".b"], make)
        assert [path.read_text() for path in paths.values()] == [".a", ".b"]
    paths[".b"].unlink()
    cache.obtain(KIND, "k", [".a", ".b"], make)
    assert len(made) == 2


def test_an_entry_that_is_gone_at_once_names_the_limit(cache):
    with pytest.raises(CacheError, match="k") as caught:
        cache.obtain(KIND, "k", [SUFFIX], lambda: None)
    assert "BRAINBENCH_CACHE_GB" in caught.value.todo


def test_what_found_damage_is_done_again_once_for_each_entry():
    asked = []

    def make(damaged):
        asked.append(1)
        if len(asked) <= len(damaged):
            raise checksums.damaged(Path(damaged[len(asked) - 1]), "test")
        return "figure"

    assert caches.healed(lambda: make(["a", "b"])) == "figure"
    asked.clear()
    with pytest.raises(DamagedEntryError, match="a"):
        caches.healed(lambda: make(["a", "b", "a"]))


def test_verify_says_what_every_file_is(cache):
    whole, flipped = write(cache, "whole"), write(cache, "flipped")
    flipped.write_bytes(flipped.read_bytes()[:-1] + b"y")
    leftover = cache.folder / KIND / f".k.{'0' * 32}.tmp"
    leftover.write_bytes(b"half")
    unknown = cache.folder / KIND / "activations-of-an-older-version.nc"
    unknown.write_bytes(b"x")
    with array_file.ArrayWriter(
        cache.path(KIND, "rows"), key="rows", shape=(20, 3, 1), about={}
    ) as writer:
        writer.write([np.ones((20, 3), np.float32)])
    states = {found.path: found.state for found in cache.verify()}
    rows = cache.path(KIND, "rows")
    assert states == {
        whole: "sound",
        flipped: "damaged",
        leftover: "unknown",
        unknown: "unknown",
        rows: "sound",
    }
    content = bytearray(rows.read_bytes())
    content[10] ^= 1  # in a chunk: the header is whole
    rows.write_bytes(content)
    assert cache.find(KIND, "rows", array_file.SUFFIX) == rows
    (found,) = [found for found in cache.verify() if found.path == rows]
    assert found.state == "damaged"
    assert "rows from 0" in found.detail
    assert flipped.exists()


# --- room -----------------------------------------------------------------------------------------


def test_a_limit_below_what_is_needed_names_it_and_the_size(tmp_path):
    cache = Cache(tmp_path, max_gb=2)
    cache.check_room(int(1e6), what="activations", kept=int(1e9))
    with pytest.raises(CacheError, match=r"activations of 2\.25 GB .* 2 GB") as caught:
        cache.check_room(int(1.25e9), what="activations", kept=int(1e9))
    assert "BRAINBENCH_CACHE_GB to 2.3" in caught.value.todo


def test_a_disk_with_too_little_room_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e6))
    with pytest.raises(CacheError, match=rf"0\.01 GB.*{tmp_path}") as caught:
        Cache(tmp_path).check_room(int(1e7), what="activations")
    assert "BRAINBENCH_CACHE to" in caught.value.todo


def test_a_leftover_whose_lock_is_free_goes_after_minutes(cache):
    write(cache, "a")
    paths = {key: cache.folder / KIND / f".{key}.{'0' * 32}.tmp" for key in ("free", "held")}
    for path in paths.values():
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 2 * caches.IDLE_SECONDS,) * 2)
    with cache.lock(KIND, "held"):
        write(cache, "b")
        assert not paths["free"].exists()
        assert paths["held"].exists()
    write(cache, "c")
    assert not paths["held"].exists()


# --- the default ----------------------------------------------------------------------------------


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
