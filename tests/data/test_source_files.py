"""Published files of any damage: an error of the project, and no more memory than a file may hold."""

import io
import struct
import zipfile

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.data import source_files
from brainbench.data.declared_files import FoundFiles, Local
from brainbench.data.manifest import PublishedFile
from brainbench.data.source_files import check_file, read_floats, read_table, unpack


def members(path, *, limit=100):
    return list(unpack(path, sorted, limit=limit, allowed="a zip"))


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("folder/", "b", "a"):
            file.writestr(name, b"" if name.endswith("/") else name.encode())
    return path


def test_members_come_in_the_order_that_is_asked_for(archive):
    assert members(archive) == [("a", b"a"), ("b", b"b")]


def test_a_member_that_is_too_large_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(10**6))
    with pytest.raises(InputError, match=r"bomb\.zip:a has 1000000 bytes"):
        members(path)


def test_a_member_that_is_larger_than_it_says_is_not_unpacked_whole(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(10**6))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 10**6), struct.pack("<I", 50)))
    with pytest.raises(InputError, match=r"bomb\.zip"):
        members(path)


@pytest.mark.parametrize(
    ("place", "values"),
    [(6, b"\x20"), (6, b"\x01"), (8, b"\x63"), (4, b"\xff")],
    ids=["patched", "encrypted", "unknown method", "version"],
)
def test_a_zip_that_zipfile_cannot_read(archive, place, values):
    """zipfile has NotImplementedError and RuntimeError for these."""
    content = bytearray(archive.read_bytes())
    central = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4) + 2
    content[central + place] = values[0]
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip"):
        members(archive)


def test_an_array_is_compared_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.npy"
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(stream, header)
    path.write_bytes(stream.getvalue() + bytes(80))
    with pytest.raises(InputError, match=r"a\.npy"):
        read_floats(path, (10**12,))


@pytest.mark.parametrize("header", [b"[" * 5000, b"{'descr': 'O'}", b"\xff" * 100, b"9" * 5000])
def test_an_array_with_an_odd_header(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(InputError, match=r"a\.npy"):
        read_floats(path, (3,))


def test_floats_of_any_order_and_width(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    got = read_floats(tmp_path / "a.npy", (2, 3))
    assert got.dtype == np.float64
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, values)


def test_a_row_that_ends_early_has_empty_cells(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n4\n")
    table = read_table(tmp_path / "a.csv", ["x", "z"])
    assert table.to_numpy().tolist() == [["1", "3"], ["4", ""]]


@pytest.mark.parametrize("content", [b"", b"x\n1", b"x,z\n\xff\xfe", b'x,z\n"'])
def test_a_table_of_another_kind(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv"):
        read_table(tmp_path / "a.csv", ["x", "z"])


def test_a_table_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "MAX_TABLE", 10)
    (tmp_path / "a.csv").write_text("x,z\n" + "1,2\n" * 10)
    with pytest.raises(InputError, match="44 bytes"):
        read_table(tmp_path / "a.csv", ["x", "z"])


@pytest.mark.parametrize(
    ("declared", "got"),
    [
        ({"bytes": 5}, None),
        ({"checksum": "md5:5d41402abc4b2a76b9719d911017c592", "bytes": 5}, None),
        ({}, None),
        ({"bytes": 6}, "has 5 bytes"),
        ({"checksum": "sha1:" + "0" * 40}, "has 5 bytes and another checksum"),
    ],
)
def test_size_and_checksum_of_a_published_file(tmp_path, declared, got):
    file = PublishedFile(path="a.bin", url="https://example.org/a.bin", **declared)
    (tmp_path / "a.bin").write_bytes(b"hello")
    if got is None:
        check_file(tmp_path / "a.bin", file)
    else:
        with pytest.raises(InputError, match=got) as raised:
            check_file(tmp_path / "a.bin", file)
        assert "https://example.org/a.bin" in str(raised.value)
    with pytest.raises(InputError, match="cannot be read"):
        check_file(tmp_path, file)


def test_a_file_to_be_read_from_the_disk_may_not_lie_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.bin", b"hello")
    file = PublishedFile(path="a.bin", url="https://example.org/a.bin")
    found = FoundFiles(
        declared={"a.bin": file}, places={"a.bin": Local(tmp_path / "all.zip", "a.bin")}
    )
    assert found.content("a.bin") == b"hello"
    with pytest.raises(InputError, match="lies in a zip file"):
        found.file("a.bin")
