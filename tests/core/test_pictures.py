"""Image files as a viewer shows them, and what is refused before it is decoded."""

import os
import socket
import struct
import warnings
import zlib

import numpy as np
import pytest
from pictures import saved
from PIL import Image, ImageFile

from brainbench.core.errors import StimulusError
from brainbench.core.pictures import read_picture

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_gray_and_palette_pictures_become_rgb(tmp_path, mode):
    color = Image.fromarray(PIXELS).convert(mode)
    path = tmp_path / "picture.png"
    color.save(path)
    read = read_picture(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(color.convert("RGB")))


def test_gray_values_are_the_same_in_all_channels(tmp_path):
    path = saved(tmp_path, "L")
    read = read_picture(path)
    for channel in range(3):
        np.testing.assert_array_equal(read[..., channel], np.asarray(Image.open(path)))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_the_gray_screen(tmp_path, mode):
    clear = Image.new(mode, (4, 5), (200,) * (len(mode) - 1) + (0,))
    clear.putpixel((0, 0), (200,) * (len(mode) - 1) + (255,))
    path = tmp_path / "picture.png"
    clear.save(path)
    read = read_picture(path)
    assert read[0, 0].tolist() == [200, 200, 200]
    assert (read.reshape(-1, 3)[1:] == 128).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_color_shows_the_gray_screen(tmp_path, mode):
    path = tmp_path / "picture.png"
    full = Image.new("RGB", (4, 5), (7, 60, 200))
    picture = full.quantize(2) if mode == "P" else full.convert(mode)
    color = picture.getpixel((0, 0))
    picture.save(path, transparency=color)
    assert (read_picture(path) == 128).all()


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def sixteen_bit_color(path):
    """A PNG with 16 bits per channel, which Pillow opens as RGB and cannot write."""
    rows = b"".join(b"\0" + bytes(range(2 * 3 * 4)) for _ in range(5))
    header = struct.pack(">IIBBBBB", 4, 5, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


@pytest.mark.parametrize(
    ("name", "write", "mode"),
    [
        ("cmyk.jpg", lambda p: Image.new("CMYK", (4, 5)).save(p), "'CMYK'"),
        ("gray16.png", lambda p: Image.new("I;16", (4, 5)).save(p), "'I;16' .*16 bit"),
        ("rgb16.png", sixteen_bit_color, "'RGB' .*16 bit"),
        ("int32.tiff", lambda p: Image.new("I", (4, 5)).save(p), "'I'"),
        ("float.tiff", lambda p: Image.new("F", (4, 5)).save(p), "'F'"),
    ],
)
def test_color_modes_without_a_plain_reading_are_refused(tmp_path, name, write, mode):
    path = tmp_path / name
    write(path)
    with pytest.raises(StimulusError, match=rf"{path} .*{mode}"):
        read_picture(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif", ".webp", ".jpg"])
def test_usual_formats_are_read(tmp_path, suffix):
    path = saved(tmp_path, "RGB", f"picture{suffix}", size=(16, 8))
    assert read_picture(path).shape == (8, 16, 3)


def test_compressed_tiff_is_not_taken_for_16_bit(tmp_path):
    # Its decoder takes a number of bytes among its arguments, and any number may contain 16.
    path = tmp_path / "picture.tif"
    Image.fromarray(PIXELS).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(read_picture(path), PIXELS)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_files_that_were_cut_short_are_refused(tmp_path, suffix, share):
    whole = saved(tmp_path, "RGB", f"whole{suffix}", size=(64, 64)).read_bytes()
    path = tmp_path / f"short{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StimulusError, match=str(path)):
        read_picture(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = saved(tmp_path, "RGB", size=(64, 64))
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(StimulusError, match=str(path)):
        read_picture(path)


def test_a_folder_and_a_text_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    for path in (tmp_path, tmp_path / "text.png"):
        with pytest.raises(StimulusError, match=str(path)):
            read_picture(path)


def test_a_picture_of_no_size_is_refused(tmp_path):
    path = saved(tmp_path, "RGB", "picture.bmp")
    data = bytearray(path.read_bytes())
    data[18:22] = bytes(4)  # the width in its header
    path.write_bytes(data)
    with pytest.raises(StimulusError, match="picture"):
        read_picture(path)


def test_half_of_a_picture_is_refused_whatever_a_library_has_set(tmp_path, monkeypatch):
    path = saved(tmp_path, "RGB", "half.jpg", size=(64, 64))
    path.write_bytes(path.read_bytes()[:-400])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(StimulusError, match=str(path)):
        read_picture(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


# --- orientation -----------------------------------------------------------------------------------

AS_SHOWN = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""What the values of EXIF 2.3, tag 274, mean: how stored pixels (row, column) are shown."""


def with_orientation(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", AS_SHOWN)
def test_a_picture_is_turned_as_its_orientation_says(tmp_path, suffix, orientation):
    path = tmp_path / f"turned{suffix}"
    exif = with_orientation(orientation)
    lossless = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(PIXELS).save(path, exif=exif, **lossless)
    np.testing.assert_array_equal(read_picture(path), AS_SHOWN[orientation](PIXELS))


@pytest.mark.parametrize("orientation", AS_SHOWN)
def test_a_photo_is_turned_as_its_orientation_says(tmp_path, orientation):
    path, upright = tmp_path / "photo.jpg", tmp_path / "upright.jpg"
    picture = Image.fromarray(np.kron(PIXELS, np.ones((16, 16, 1), dtype=np.uint8)))
    picture.save(upright)
    picture.save(path, exif=with_orientation(orientation))
    np.testing.assert_array_equal(read_picture(path), AS_SHOWN[orientation](read_picture(upright)))


def test_transparency_and_palette_are_turned_too(tmp_path):
    clear = Image.new("RGBA", (4, 2), (200, 0, 0, 0))
    clear.putpixel((0, 0), (200, 0, 0, 255))
    clear.save(tmp_path / "clear.png", exif=with_orientation(6))
    read = read_picture(tmp_path / "clear.png")
    assert read.shape == (4, 2, 3)
    assert read[0, 1].tolist() == [200, 0, 0]
    assert (np.delete(read.reshape(-1, 3), 1, axis=0) == 128).all()
    Image.fromarray(PIXELS).quantize(4).save(tmp_path / "palette.png", exif=with_orientation(8))
    assert read_picture(tmp_path / "palette.png").shape == (4, 5, 3)


@pytest.mark.parametrize(
    "exif",
    [
        b"garbage",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\5\0\0\0\0\0\0\0",
    ],
)
def test_a_photo_with_damaged_exif_is_shown_as_it_is_stored(tmp_path, exif):
    path, plain = tmp_path / "odd.jpg", tmp_path / "plain.jpg"
    Image.fromarray(PIXELS).save(plain)
    Image.fromarray(PIXELS).save(path, exif=b"Exif\0\0" + exif)
    np.testing.assert_array_equal(read_picture(path), read_picture(plain))


# --- several frames, other formats, sizes, and what is no file ----------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp", ".gif"])
def test_several_frames_are_refused_with_their_number(tmp_path, suffix):
    path = tmp_path / f"several{suffix}"
    first, *others = (Image.new("RGB", (8, 8), (90 * k, 10, 200)) for k in range(3))
    first.save(path, save_all=True, append_images=others)
    with pytest.raises(StimulusError, match=f"{path} has 3 frames") as caught:
        read_picture(path)
    assert "frame%03d.png" in caught.value.todo


def test_of_a_photo_with_previews_the_photo_is_read(tmp_path):
    path, alone = tmp_path / "photo.jpg", tmp_path / "alone.jpg"
    photo = Image.fromarray(PIXELS)
    photo.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (2, 2))])
    photo.save(alone)
    np.testing.assert_array_equal(read_picture(path), read_picture(alone))


@pytest.mark.parametrize("format", ["EPS", "PDF", "PPM", "TGA", "ICO"])
def test_other_formats_are_refused_whatever_the_file_is_called(tmp_path, format):
    path = tmp_path / "a.png"
    Image.new("RGB", (16, 16)).save(path, format)
    with pytest.raises(StimulusError, match=str(path)) as caught:
        read_picture(path)
    assert "PNG, JPEG, BMP, TIFF, WEBP, GIF" in caught.value.allowed


def test_postscript_runs_no_other_program(tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(StimulusError):
        read_picture(path)
    assert not ran.exists()


def header_of(path, width, height):
    """A PNG that says how large it is, and holds no pixels."""
    sizes = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", sizes), (b"IDAT", b""), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks))


@pytest.mark.parametrize("size", [(8001, 8000), (10_000, 10_000), (30_000, 30_000), (2**31 - 1, 1)])
@pytest.mark.parametrize("action", ["error", "always"])
def test_pictures_that_are_too_large_are_refused_by_their_header(tmp_path, size, action):
    path = tmp_path / "large.png"
    header_of(path, *size)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter(action)
        with pytest.raises(StimulusError, match=f"{path} is too large") as caught:
            read_picture(path)
    assert warned == []
    assert "64 megapixels" in caught.value.allowed


def test_a_picture_of_64_megapixels_is_not_too_large(tmp_path):
    header_of(tmp_path / "just.png", 8000, 8000)
    with pytest.raises(StimulusError, match="cannot be read"):  # it holds no pixels
        read_picture(tmp_path / "just.png")


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
def test_what_is_no_file_is_not_opened(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket has at most 100 characters
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("a.png")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(StimulusError, match=f"{path} .*{kind}"):
        read_picture(path)


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path, monkeypatch):
    path, pipe = saved(tmp_path, "RGB"), tmp_path / "pipe"
    os.mkfifo(pipe)
    really = os.open
    monkeypatch.setattr(os, "open", lambda _, flags: really(pipe, flags))
    with pytest.raises(StimulusError, match="named pipe"):
        read_picture(path)


def test_a_link_to_a_picture_is_followed(tmp_path):
    path = saved(tmp_path, "RGB")
    link = tmp_path / "link.png"
    link.symlink_to(path)
    np.testing.assert_array_equal(read_picture(link), read_picture(path))
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(StimulusError, match=str(link)):
        read_picture(link)
