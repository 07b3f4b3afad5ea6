"""Spikes of single neurons of IT, in damaged files and files of another content."""

import zipfile

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.data.importers import zd_it

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
