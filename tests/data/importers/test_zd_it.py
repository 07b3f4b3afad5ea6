"""Spikes of single neurons of IT, in damaged files and files of another content."""

import hashlib
import zipfile

import numpy as np
import pytest
from declared import opened, table_of

from brainbench.core.errors import DataAbsentError, InputError, UnknownNameError
from brainbench.data.facts import facts_of
from brainbench.data.importers import zd_it
from brainbench.data.offers import offers

BINS = [(0, 10), (10, 20)]


def columns():
    rng = np.random.default_rng(0)
    return {
        "spikes": rng.integers(0, 2, (3, 8, 20), dtype=np.uint8),
        "object": np.tile(["a", "b"], (3, 4)),
        "position": np.tile(["left", "left", "right", "right"], (3, 2)),
        "unit": np.array(["u1", "u2", "u3"]),
        "time_ms": np.arange(20),
    }


def test_counts_of_a_small_file(tmp_path):
    np.savez(tmp_path / "a.npz", **columns())
    got = zd_it.read(tmp_path / "a.npz", BINS)
    assert got.sizes == {"repetition": 2, "stimulus": 4, "neuroid": 3, "time": 2}
    assert got.values.sum() == columns()["spikes"].sum()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("spikes", np.full((3, 8, 20), np.nan)),
        ("spikes", np.zeros((3, 8, 20), dtype="datetime64[s]")),
        ("spikes", np.zeros((3, 8, 19), dtype=np.uint8)),
        ("object", np.zeros((3, 8))),
        ("object", np.full((3, 8), "")),
        ("position", np.full((3, 4), "left")),
        ("unit", np.zeros(())),
        ("unit", np.array(["u1", "u1", "u2"])),
        ("time_ms", np.arange(20)[::-1].copy()),
        ("time_ms", np.arange(20.0)),
    ],
)
def test_a_file_of_another_content(tmp_path, name, values):
    np.savez(tmp_path / "a.npz", **{**columns(), name: values})
    with pytest.raises(InputError):
        zd_it.read(tmp_path / "a.npz", BINS)


def test_a_member_that_is_no_array(tmp_path):
    np.savez(tmp_path / "a.npz", **columns())
    with zipfile.ZipFile(tmp_path / "a.npz") as former:
        content = {name: former.read(name) for name in former.namelist()}
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, b"no array" if name == "unit.npy" else data)
    with pytest.raises(InputError, match=r"b\.npz .*unit"):
        zd_it.read(tmp_path / "b.npz", BINS)


def test_a_file_that_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(zd_it, "MAX_BYTES", 500)
    np.savez(tmp_path / "a.npz", **columns())
    with pytest.raises(InputError, match="500 are allowed"):
        zd_it.read(tmp_path / "a.npz", BINS)


# --- as a data set ---------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A data set that declares a small packed file, which lies in a folder beside it."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    folder = tmp_path / "given"
    folder.mkdir()
    spikes = np.random.default_rng(0).integers(0, 2, (3, 8, 1000), dtype=np.uint8)
    more = {"spikes": spikes, "time_ms": np.arange(-500, 500)}
    np.savez(folder / zd_it.PACKED, **{**columns(), **more})
    checksum = hashlib.sha256((folder / zd_it.PACKED).read_bytes()).hexdigest()
    table = table_of({"one.rda": b"R"}, loader="brainbench.data.importers.zd_it:zhang")
    table["parameters"] = {"packed": {zd_it.PACKED: checksum}}
    table["facts"] = {"sites": {"IT": 3}}
    return opened(table), folder


def test_the_brain_alone(packed):
    data, folder = packed
    with pytest.raises(DataAbsentError, match="data set Study is not here"):
        data.recordings("IT")
    data.import_from(folder)
    recorded = data.recordings("IT")
    assert recorded.sizes == {"repetition": 2, "stimulus": 4, "neuroid": 3, "time": 20}
    with np.load(folder / zd_it.PACKED) as file:
        assert recorded.values.sum() == file["spikes"].sum()
    with pytest.raises(InputError, match="pictures are not published") as caught:
        data.stimuli()
    assert "stimuli of Study" in str(caught.value)
    with pytest.raises(UnknownNameError, match="V4"):
        data.recordings("V4")


def test_every_benchmark_says_that_pictures_are_missing(packed):
    data, folder = packed
    for _ in range(2):  # before the import, and after it
        offered = offers("Study", facts_of(data))
        assert offered
        assert all(one.missing[0].startswith("pictures") for one in offered)
        data.import_from(folder)
    assert facts_of(data).regions["IT"].trials == 2
    assert facts_of(data).objects == {"a": 2, "b": 2}


def test_the_published_files_alone_are_kept_and_not_read(packed, tmp_path):
    data, folder = packed
    (folder / zd_it.PACKED).unlink()
    (folder / "one.rda").write_bytes(b"R")
    data.import_from(folder)
    assert data.absent() is None
    with pytest.raises(InputError, match="Study as R files alone"):
        data.recordings("IT")


def test_another_packed_file(packed):
    data, folder = packed
    (folder / zd_it.PACKED).write_bytes(b"other")
    with pytest.raises(InputError, match="SHA-256"):
        data.import_from(folder)
    (folder / zd_it.PACKED).unlink()
    with pytest.raises(DataAbsentError, match=r"one\.rda"):
        data.import_from(folder)
