"""Exported activations: damage is noticed when it is read, and no leftover is written to."""

import errno
import shutil
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest

from brainbench.core import assembly
from brainbench.core.errors import CacheError
from brainbench.models import export
from brainbench.storage import files


@pytest.fixture(scope="module")
def one():
    """Activations of 20 images at 500 units."""
    return assembly.make(
        np.random.default_rng(0).standard_normal((20, 500, 1)).astype(np.float32),
        stimulus={"stimulus_id": [f"picture-{k:03d}" for k in range(20)]},
        neuroid={"neuroid_id": np.arange(500), "channel": np.arange(500)},
        time=[(0.0, 100.0)],
        units="a.u.",
    )


def _read(path):
    with netCDF4.Dataset(path) as file:
        for variable in file["layer"].variables.values():
            variable.set_auto_chartostring(False)
            variable[:]
    return export.load_activations(path)["layer"].load()


def test_flipped_bits_are_noticed(tmp_path, one):
    path = tmp_path / "acts.nc"
    export.write(path, {"layer": one})
    content = path.read_bytes()
    figures = one.values.tobytes()
    assert content.count(figures[:64]) == 1
    first = content.index(figures[:64])
    assert content[first : first + len(figures)] == figures
    ids = content.index(b"picture-000")
    rng = np.random.default_rng(0)
    places = [*rng.integers(first, first + len(figures), 25), *range(ids, ids + 11)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises((OSError, RuntimeError)):
            _read(path)
    path.write_bytes(content)
    np.testing.assert_array_equal(_read(path).values, one.values)
    assert _read(path).stimulus_id.values.tolist() == one.stimulus_id.values.tolist()


def test_saved_assemblies_notice_flipped_bits(tmp_path, one):
    path = tmp_path / "saved.nc"
    assembly.save(one, path)
    content, figures = path.read_bytes(), one.values.tobytes()
    first = content.index(figures[:64])
    for place in np.random.default_rng(1).integers(first, first + len(figures), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with assembly.load(path) as opened, pytest.raises((OSError, RuntimeError)):
            opened.load()


def test_checksums_cost_next_to_no_room(tmp_path, one):
    export.write(tmp_path / "acts.nc", {"layer": one})
    assert (tmp_path / "acts.nc").stat().st_size < 1.5 * one.nbytes + 30_000


def test_a_leftover_is_never_written_to(tmp_path, one, monkeypatch):
    leftover = tmp_path / f".{'0' * 32}.tmp"
    export.write(leftover, {"layer": one * 0})
    before = leftover.read_bytes()
    monkeypatch.setattr(files.uuid, "uuid4", lambda: SimpleNamespace(hex="0" * 32))
    with pytest.raises(CacheError, match=str(tmp_path)):
        export.write(tmp_path / "acts.nc", {"layer": one})
    assert not (tmp_path / "acts.nc").exists()
    assert not leftover.exists() or leftover.read_bytes() == before


@pytest.mark.parametrize(("free", "code"), [(10**9, errno.EIO), (1, errno.ENOSPC)])
def test_a_write_that_fails_says_whether_the_disk_is_full(tmp_path, monkeypatch, free, code):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(OSError, match="HDF error") as caught, export.netcdf_errors(tmp_path, 24):
        raise RuntimeError("NetCDF: HDF error")
    assert caught.value.errno == code
