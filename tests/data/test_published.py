"""What every imported data set has: checked files, checked space, and imports that may be killed."""

import errno
import resource
import shutil
import signal
from functools import partial

import cowley_files
import geirhos_files
import kriegeskorte_files
import numpy as np
import pytest

from brainbench.core.errors import CacheError
from brainbench.data.integrity import CHECKSUMS, DamagedDataError
from brainbench.data.published import write_images


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    return tmp_path / "kept"


def cowley(folder):
    cowley_files.write(folder)
    return partial(cowley_files.declare, folder)


def geirhos(folder):
    geirhos_files.write_published(folder)
    return geirhos_files.declare


def kriegeskorte(folder):
    kriegeskorte_files.write(folder, kriegeskorte_files.contents())
    return partial(kriegeskorte_files.declare, folder)


def read_all(data):
    """Everything that benchmarks read of a data set, as plain values."""
    shown = data.stimuli()
    read = [shown.digest, shown.metadata.to_dict()]
    if hasattr(data, "sessions"):
        read += [one.version for one in data.sessions().values()]
    if hasattr(data, "category_responses"):
        read += [data.category_responses().to_dict()]
    if hasattr(data, "dissimilarities"):
        read += [data.dissimilarities(region).to_dict() for region in ("IT", "judgements")]
    return read


STUDIES = pytest.mark.parametrize("study", [cowley, geirhos, kriegeskorte])


@STUDIES
def test_a_flipped_bit_of_any_file_is_refused(tmp_path, study):
    open_data = study(tmp_path / "published")
    data = open_data()
    folder = data.import_from(tmp_path / "published")
    read_all(data)
    assert {path.name for path in folder.iterdir()} == {*data.kept, CHECKSUMS}
    for name in data.kept:
        path = folder / name
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 2] ^= 4
        path.write_bytes(changed)
        with pytest.raises(DamagedDataError, match=name) as caught:
            read_all(open_data())
        assert data.command in caught.value.todo
        path.write_bytes(content)
    read_all(open_data())


def test_a_missing_file_does_not_bring_another_layout_in(tmp_path, kept):
    published = geirhos_files.write_published(tmp_path / "published")
    packed = geirhos_files.write_packed(tmp_path / "packed")
    declare = partial(geirhos_files.declare, packed)
    declare().import_from(packed)
    first = declare().import_from(published)
    version = declare().version
    (first / "images.npy").unlink()
    data = declare()
    assert data.version == version
    with pytest.raises(DamagedDataError, match=r"images\.npy"):
        data.stimuli()


@STUDIES
def test_space_is_checked_before_anything_is_written(tmp_path, study, kept, monkeypatch):
    data = study(tmp_path / "published")()
    total, used, _ = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total, used, 200))
    with pytest.raises(CacheError, match="imported data") as caught:
        data.import_from(tmp_path / "published")
    assert "BRAINBENCH_DATA" in caught.value.todo
    assert not [path for path in kept.rglob("*") if path.is_file()]


@STUDIES
def test_the_size_that_is_checked_is_that_of_the_import(tmp_path, study, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "brainbench.storage.files.check_room", lambda _, nbytes, **__: asked.append(nbytes)
    )
    folder = study(tmp_path / "published")().import_from(tmp_path / "published")
    written = sum(path.stat().st_size for path in folder.iterdir() if path.name != CHECKSUMS)
    assert written <= asked[0] <= written + 2_100_000


def images(n):
    rng = np.random.default_rng(0)
    for _ in range(n):
        yield rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)


def test_images_are_written_as_numpy_does(tmp_path):
    write_images(tmp_path / "a.npy", images(5), (5, 8, 8, 3))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.stack(list(images(5))))


def test_a_write_that_the_disk_refuses_is_an_error_and_kills_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011
            write_images(tmp_path / "a.npy", images(500), (500, 8, 8, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    assert caught.value.errno == errno.EFBIG


def test_netcdf_that_the_disk_refuses_is_an_error_of_the_project(tmp_path, kept):
    data = cowley(tmp_path / "published")()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        with pytest.raises(CacheError, match=r"NetCDF|too large") as caught:
            data.import_from(tmp_path / "published")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    assert "BRAINBENCH_DATA" in caught.value.todo
    assert list(data.folder.parent.iterdir()) == []
