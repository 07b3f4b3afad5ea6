"""Atomic writes of files and folders."""

import errno
import os
import shutil
from pathlib import Path

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
