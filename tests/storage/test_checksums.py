"""Digests of files: read once in a process, and again when the file is another."""

import os

import pytest

from brainbench.core.errors import DamagedEntryError
from brainbench.storage import checksums


def test_a_digest_is_that_of_name_and_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    digest = checksums.digest_of(path, "a/b")
    assert len(digest) == 32
    checksums.check(path, digest, name="a/b")
    assert digest != checksums.digest_of(path, "a/c")


def test_a_file_is_read_once_and_again_when_it_was_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    digest = checksums.digest_of(path, "n")
    read = []
    whole = checksums.digest_of
    monkeypatch.setattr(checksums, "digest_of", lambda *a: read.append(a) or whole(*a))
    for _ in range(3):
        checksums.check(path, digest, name="n")
    assert len(read) == 1
    checksums.check(path, digest, name="n", again=True)
    assert len(read) == 2
    other = tmp_path / "other"
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)
    with pytest.raises(DamagedEntryError, match="file") as caught:
        checksums.check(path, digest, name="n")
    assert caught.value.path == path
