"""Atomic writes of files and folders."""

import errno
import os
import shutil
from functools import partial
from pathlib import Path

import killed
import pytest

from brainbench.core.errors import CacheError
from brainbench.storage import files

CHOOSE = "set FOLDER to"


def replace_folder(target, content, error=None):
    with files.new_folder(target, choose=CHOOSE) as made:
        (made / "inside").mkdir()
        (made / "inside" / "a").write_text(content)
        if error is not None:
            raise error


def test_a_file_replaces_the_one_before_it(tmp_path):
    target = tmp_path / "new" / "file"
    for content in ("first", "second"):
        with files.new_file(target, choose=CHOOSE) as path:
            path.write_text(content)
    assert target.read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_replaces_the_one_before_it(tmp_path):
    target = tmp_path / "set" / "version"
    for content in ("first", "second"):
        replace_folder(target, content)
    assert (target / "inside" / "a").read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), MemoryError()])
def test_a_failed_block_leaves_the_folder_as_it_was(tmp_path, error):
    target = tmp_path / "version"
    replace_folder(target, "old")
    with pytest.raises(type(error)):
        replace_folder(target, "new", error)
    assert (target / "inside" / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_rename_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    target = tmp_path / "version"
    replace_folder(target, "old")
    rename = Path.rename

    def refuse(self, other):
        if self.suffixes == [".tmp"] and other == target:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CacheError, match=f"{tmp_path} .*Input/output error"):
        replace_folder(target, "new")
    assert (target / "inside" / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_names_the_folder_and_the_choice(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(CacheError, match=str(tmp_path)) as caught:
        replace_folder(tmp_path / "version", "new", full)
    assert CHOOSE in caught.value.todo
    assert list(tmp_path.iterdir()) == []


def test_the_free_space_may_be_unknown(tmp_path, monkeypatch):
    def fail(path):
        raise OSError("unknown")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    full = OSError(errno.ENOSPC, "full")
    assert str(tmp_path) in files.explain(full, tmp_path, choose=CHOOSE).got


def test_a_folder_that_cannot_be_created_above_the_target(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=str(tmp_path / "file")):
        replace_folder(tmp_path / "file" / "deep" / "version", "new")


def test_an_error_about_another_file_passes_unchanged(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/source.npy")
    with pytest.raises(FileNotFoundError) as caught:
        replace_folder(tmp_path / "version", "new", error)
    assert caught.value is error


def test_room_is_checked_before_writing(tmp_path):
    files.check_room(tmp_path, 1, what="weights", choose=CHOOSE)
    with pytest.raises(CacheError, match=r"weights of 1000000\.00 GB") as caught:
        files.check_room(tmp_path, 10**15, what="weights", choose=CHOOSE)
    assert CHOOSE in caught.value.todo


def test_what_a_killed_process_left_beside_a_file_goes_after_a_day(tmp_path):
    names = {
        "old": f".{'0' * 32}.tmp",
        "old folder": f".{'1' * 32}.tmp",
        "labeled": f".a.b.{'2' * 32}.tmp",
        "young": f".{'3' * 32}.tmp",
        "former folder": f".{'4' * 32}.old.tmp",  # it may be all that is left of a data set
        "another program's": ".x.tmp",
    }
    paths = {what: tmp_path / name for what, name in names.items()}
    for what, path in paths.items():
        if what == "old folder":
            path.mkdir()
            (path / "inside").write_text("half")
        else:
            path.write_text("half")
        for found in (*path.rglob("*"), path):
            os.utime(found, (1e9, 1e9))
    os.utime(paths["young"])
    with files.new_file(tmp_path / "file", choose=CHOOSE) as path:
        path.write_text("whole")
    left = {path.name for path in tmp_path.iterdir()} - {"file"}
    assert left == {names[what] for what in ("young", "former folder", "another program's")}


def test_a_folder_that_is_still_written_to_is_not_old(tmp_path):
    path = tmp_path / f".{'0' * 32}.tmp"
    path.mkdir()
    (path / "inside").write_text("half")
    os.utime(path, (1e9, 1e9))
    files.sweep(tmp_path)
    assert path.exists()


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    files.remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# --- killed ---------------------------------------------------------------------------------------


def content_of(target):
    """Text of a folder of `replace_folder`, as whoever opens it finds it."""
    files.restore_folder(target)
    return (target / "inside" / "a").read_text()


def test_a_replacement_that_is_killed_at_any_step_loses_nothing(tmp_path):
    """The folder is the former or the new one, and the next replacement leaves nothing else behind."""
    found = []
    for step in range(100):
        target = tmp_path / f"{step}" / "version"
        replace_folder(target, "old")
        status = killed.run_until(step, partial(replace_folder, target, "new"))
        found.append(content_of(target))
        for path in target.parent.rglob("*"):
            os.utime(path, (1, 1))
        replace_folder(target, "newer")
        assert content_of(target) == "newer"
        assert list(target.parent.iterdir()) == [target]
        if status == killed.FINISHED:
            break
        assert status == killed.KILLED
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True)


def test_a_folder_put_back_by_another_process_is_moved_away_again(tmp_path, monkeypatch):
    target = tmp_path / "version"
    replace_folder(target, "old")
    rename, calls = Path.rename, []

    def interfere(self, other):
        calls.append(other)
        if other == target and len(calls) == 2:
            files.restore_folder(target)
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", interfere)
    replace_folder(target, "new")
    assert content_of(target) == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_former_folder_is_removed_after_a_day_unless_it_is_the_only_one(tmp_path):
    target = tmp_path / "version"
    for name in (".version.0123.former", ".other.0123.former"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1, 1))
    replace_folder(tmp_path / "other", "new")
    (tmp_path / "other").rename(tmp_path / "away")
    replace_folder(target, "old")
    replace_folder(target, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".other.0123.former",
        "away",
        "version",
    ]


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (lambda folder: (folder / "a" / "file").mkdir(parents=True), ["a/file", "is a folder"]),
        (lambda folder: (folder / "a").write_text(""), ["a is a file"]),
        (lambda folder: (folder / "a").symlink_to(folder / "gone"), ["a is a link to", "gone"]),
    ],
    ids=["a folder in the place of a file", "a file in that of a folder", "a link to nothing"],
)
def test_what_is_in_the_place_of_a_file_is_named(tmp_path, put, words):
    put(tmp_path)
    with (
        pytest.raises(CacheError) as caught,
        files.new_file(tmp_path / "a" / "file", folder=tmp_path, choose=CHOOSE) as path,
    ):
        path.write_text("new")
    assert all(word in caught.value.got for word in words)
    assert "remove it" in caught.value.todo


def test_a_link_to_nothing_is_replaced_by_the_file(tmp_path):
    target = tmp_path / "file"
    target.symlink_to(tmp_path / "gone")
    with files.new_file(target, choose=CHOOSE) as path:
        path.write_text("new")
    assert target.read_text() == "new"
    assert not target.is_symlink()
