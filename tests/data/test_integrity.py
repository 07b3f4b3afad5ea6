"""Damage to imported files is noticed when they are read, whatever the damage is."""

import json
import os
import shutil

import numpy as np
import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import CacheError
from brainbench.data import integrity
from brainbench.data.folder import data_folder
from brainbench.data.integrity import CHECKSUMS, DamagedDataError, verify_imported

COMMAND = "brainbench data fetch Study"
NAMES = ("images.npy", "other.npy")


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """A folder as an import leaves it, with two arrays of the same size."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    folder = data_folder() / "Study" / "0123456789abcdef"
    folder.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        values = np.random.default_rng(seed).integers(0, 256, 4000, dtype=np.uint8)
        np.save(folder / name, values)
    integrity.seal(folder)
    return folder


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


def swap(path):
    other = path.with_name(NAMES[1])
    aside = path.with_name("aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)


def to_folder(path):
    path.unlink()
    path.mkdir()


def zero_a_block(path):
    content = path.read_bytes()
    path.write_bytes(content[:512] + bytes(512) + content[1024:])


DAMAGES = {
    **{f"a bit at {place}": lambda path, place=place: flip(path, place) for place in (0, 0.5, 1)},
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "appended": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "swapped": swap,
    "a block of zeros": zero_a_block,
    "a folder": to_folder,
    "a bit of the checksums": lambda path: flip(path.with_name(CHECKSUMS), 0.1),
    "no checksums in the file": lambda path: path.with_name(CHECKSUMS).write_bytes(b""),
    "checksums of other files": lambda path: path.with_name(CHECKSUMS).write_text("{}"),
    "checksums of another type": lambda path: path.with_name(CHECKSUMS).write_text("[1]"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_refused_with_the_command_that_repairs_it(imported, damage):
    path = imported / NAMES[0]
    integrity.check(path, command=COMMAND)
    times = os.stat(path)
    damage(path)
    if path.is_file():  # a bit that flips on the disk does not change the time
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    with pytest.raises(DamagedDataError) as caught:
        integrity.check(path, command=COMMAND)
    assert str(imported) in caught.value.got
    assert COMMAND in caught.value.todo


def test_a_file_is_compared_once_in_a_process(imported, monkeypatch):
    path = imported / NAMES[0]
    assert integrity.check(path, command=COMMAND) == path
    monkeypatch.setattr(integrity, "digest_of_file", None)
    assert integrity.check(path, command=COMMAND) == path


def test_what_cannot_be_read_is_damaged(imported):
    path = imported / NAMES[0]
    with (
        pytest.raises(DamagedDataError, match="OverflowError") as caught,
        integrity.reading(path, command=COMMAND),
    ):
        raise OverflowError("of a library")
    assert COMMAND in caught.value.todo


def test_an_earlier_import_is_read_with_a_note(imported):
    (imported / CHECKSUMS).unlink()
    notes = RecordedNotes()
    with progress.use(notes):
        for name in (*NAMES, *NAMES):
            integrity.check(imported / name, command=COMMAND)
    (note,) = notes.notes
    assert str(imported) in note
    assert COMMAND in note


def test_everything_imported_is_verified(imported):
    assert [(f.path.name, f.state, f.detail) for f in verify_imported()] == [
        (name, "sound", "") for name in NAMES
    ]
    earlier = imported.with_name("earlier")
    shutil.copytree(imported, earlier)
    (earlier / CHECKSUMS).unlink()
    shutil.copytree(imported, imported.parent / ".0123.tmp")
    flip(imported / NAMES[0], 0.5)
    (imported / NAMES[1]).unlink()
    (imported / "stray.txt").write_text("of the user")
    found = {(f.path.parent.name, f.path.name): f for f in verify_imported()}
    here = imported.name
    assert {key: f.state for key, f in found.items()} == {
        (here, NAMES[0]): "damaged",
        (here, NAMES[1]): "damaged",
        (here, "stray.txt"): "unknown",
        ("earlier", NAMES[0]): "unknown",
        ("earlier", NAMES[1]): "unknown",
    }
    for key in ((here, NAMES[0]), (here, NAMES[1]), ("earlier", NAMES[0])):
        assert COMMAND in found[key].detail


def test_verification_does_not_trust_what_was_compared_before(imported):
    path = imported / NAMES[0]
    integrity.check(path, command=COMMAND)
    times = os.stat(path)
    flip(path, 0.5)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [f.state for f in verify_imported()] == ["damaged", "sound"]


def test_damaged_checksums_are_a_finding(imported):
    (imported / CHECKSUMS).write_text("{")
    (finding,) = verify_imported()
    assert (finding.path, finding.state) == (imported / CHECKSUMS, "damaged")
    assert COMMAND in finding.detail


def test_nothing_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "nothing"))
    assert list(verify_imported()) == []


def test_a_file_that_may_not_be_read_is_not_damaged(imported, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(integrity, "digest_of_file", refuse)
    with pytest.raises(CacheError, match=str(imported)):
        integrity.check(imported / NAMES[0], command=COMMAND)
    assert {f.state for f in verify_imported()} == {"unknown"}
    assert json.loads((imported / CHECKSUMS).read_text()).keys() == set(NAMES)
