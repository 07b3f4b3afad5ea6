import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from brainbench.core import stimuli
from brainbench.core.errors import InputError, StimulusError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
IDS = list("abcdef")


def six(**more):
    return stimuli.from_arrays("six", PIXELS, ids=IDS, **more)


def saved(tmp_path, mode, name="picture.png", size=(4, 5), **more):
    path = tmp_path / name
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = RNG.integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    Image.fromarray(values.squeeze(), mode).save(path, **more)
    return path


def test_pictures_ids_and_metadata():
    shown = six(metadata={"object_name": list("xxyyzz"), "size": np.arange(6)}, degrees=8.0)
    assert len(shown) == 6
    assert shown.ids == tuple(IDS)
    assert shown.degrees == 8.0
    np.testing.assert_array_equal(shown.picture(3), PIXELS[3])
    columns = shown.coordinates()
    assert columns["stimulus_id"].tolist() == IDS
    assert columns["object_name"].dtype.kind == "U"
    assert columns["size"].dtype.kind == "i"


def test_digest_depends_on_every_byte_every_id_and_the_order():
    one_pixel = PIXELS.copy()
    one_pixel[5, 4, 3, 2] ^= 1
    other_id = stimuli.from_arrays("six", PIXELS, ids=[*IDS[:5], "g"])
    transposed = stimuli.from_arrays("six", PIXELS.transpose(0, 2, 1, 3), ids=IDS)
    digests = {
        six().digest,
        stimuli.from_arrays("six", one_pixel, ids=IDS).digest,
        other_id.digest,
        transposed.digest,
        six().take([1, 0, 2, 3, 4, 5]).digest,
        six().take([0, 1, 2, 3, 4]).digest,
    }
    assert len(digests) == 6


def test_digest_is_the_same_for_the_same_bytes():
    assert six().digest == stimuli.from_arrays("another name", list(PIXELS), ids=IDS).digest
    strided = np.repeat(PIXELS, 2, axis=2)[:, :, ::2]  # not contiguous
    assert stimuli.from_arrays("six", strided, ids=IDS).digest == six().digest
    assert six().digest == hashlib.sha256("".join(six().digests).encode()).hexdigest()


def test_take_keeps_pictures_ids_and_metadata_together():
    taken = six(metadata={"k": np.arange(6)}).take([4, 0])
    assert taken.ids == ("e", "a")
    assert taken.metadata["k"].tolist() == [4, 0]
    np.testing.assert_array_equal(taken.picture(0), PIXELS[4])
    np.testing.assert_array_equal(taken.take([1]).picture(0), PIXELS[0])


def test_limit_takes_objects_in_turn():
    shown = six(metadata={"object_name": list("xxxyyz")})
    assert shown.limit(3).ids == ("a", "d", "f")
    assert shown.limit(4).ids == ("a", "b", "d", "f")
    assert shown.limit(6) is shown
    assert shown.limit(99) is shown
    assert six().limit(2).ids == ("a", "b")


def test_limit_of_none_is_refused():
    with pytest.raises(InputError, match="0"):
        six().limit(0)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: stimuli.from_arrays("s", PIXELS, ids=list("abcdea")), "'s' has 1 .* 'a'"),
        (lambda: stimuli.from_arrays("s", PIXELS, ids=list("abc")), "'s' with 6 .* 3 stimulus_id"),
        (lambda: six(metadata={"size": [1, 2]}), "'six' with 6 .* 6 stimulus_id, 2 size"),
        (lambda: stimuli.from_arrays("s", [], ids=[]), "'s'"),
        (lambda: replace(six(), metadata=pd.DataFrame({"name": IDS})), r"'six' .*\['name'\]"),
        (lambda: replace(six(), rows=(0, 1)), "'six' with 2 .* 6 "),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(make, named):
    with pytest.raises(InputError, match=named):
        make()


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.zeros((5, 4, 3)), "float64"),
        (np.zeros((5, 4), dtype=np.uint8), "(5, 4)"),
        (np.zeros((5, 4, 4), dtype=np.uint8), "(5, 4, 4)"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "(0, 4, 3)"),
        (np.zeros((5, 4, 3), dtype=np.uint16), "uint16"),
    ],
)
def test_pixels_of_another_kind_are_refused_with_their_id(pixels, got):
    shown = stimuli.from_arrays("s", [PIXELS[0], pixels], ids=["fine", "odd"])
    assert shown.picture(0).shape == (5, 4, 3)
    with pytest.raises(StimulusError, match="'odd'") as caught:
        shown.picture(1)
    assert got in caught.value.got


def test_files_are_read_when_they_are_needed(tmp_path):
    paths = [saved(tmp_path, "RGB", f"im{k}.png") for k in range(2)]
    shown = stimuli.from_files("files", [*paths, tmp_path / "absent.png"])
    assert shown.ids == ("im0", "im1", "absent")
    np.testing.assert_array_equal(shown.picture(1), np.asarray(Image.open(paths[1])))
    with pytest.raises(StimulusError, match=r"absent\.png"):
        shown.picture(2)


def test_files_of_one_name_need_ids(tmp_path):
    with pytest.raises(InputError, match="'im'"):
        stimuli.from_files("files", [tmp_path / "a" / "im.png", tmp_path / "b" / "im.png"])


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_gray_and_palette_pictures_become_rgb(tmp_path, mode):
    color = Image.fromarray(PIXELS[0]).convert(mode)
    path = tmp_path / "picture.png"
    color.save(path)
    read = stimuli.read_picture(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(color.convert("RGB")))


def test_gray_values_are_the_same_in_all_channels(tmp_path):
    path = saved(tmp_path, "L")
    read = stimuli.read_picture(path)
    for channel in range(3):
        np.testing.assert_array_equal(read[..., channel], np.asarray(Image.open(path)))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_the_gray_screen(tmp_path, mode):
    clear = Image.new(mode, (4, 5), (200,) * (len(mode) - 1) + (0,))
    clear.putpixel((0, 0), (200,) * (len(mode) - 1) + (255,))
    path = tmp_path / "picture.png"
    clear.save(path)
    read = stimuli.read_picture(path)
    assert read[0, 0].tolist() == [200, 200, 200]
    assert (read.reshape(-1, 3)[1:] == 128).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_color_shows_the_gray_screen(tmp_path, mode):
    path = tmp_path / "picture.png"
    full = Image.new("RGB", (4, 5), (7, 60, 200))
    picture = full.quantize(2) if mode == "P" else full.convert(mode)
    color = picture.getpixel((0, 0))
    picture.save(path, transparency=color)
    assert (stimuli.read_picture(path) == 128).all()


def sixteen_bit_color(path):
    """A PNG with 16 bits per channel, which Pillow opens as RGB and cannot write."""
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

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
        stimuli.read_picture(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif", ".webp", ".jpg"])
def test_usual_formats_are_read(tmp_path, suffix):
    path = saved(tmp_path, "RGB", f"picture{suffix}", size=(16, 8))
    assert stimuli.read_picture(path).shape == (8, 16, 3)


def test_compressed_tiff_is_not_taken_for_16_bit(tmp_path):
    # Its decoder takes a number of bytes among its arguments, and any number may contain 16.
    path = tmp_path / "picture.tif"
    Image.fromarray(PIXELS[0]).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(stimuli.read_picture(path), PIXELS[0])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_files_that_were_cut_short_are_refused(tmp_path, suffix, share):
    whole = saved(tmp_path, "RGB", f"whole{suffix}", size=(64, 64)).read_bytes()
    path = tmp_path / f"short{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StimulusError, match=str(path)):
        stimuli.read_picture(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = saved(tmp_path, "RGB", size=(64, 64))
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(StimulusError, match=str(path)):
        stimuli.read_picture(path)


def test_a_folder_and_a_text_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    for path in (tmp_path, tmp_path / "text.png"):
        with pytest.raises(StimulusError, match=str(path)):
            stimuli.read_picture(path)


def test_a_picture_of_no_size_is_refused(tmp_path):
    path = saved(tmp_path, "RGB", "picture.bmp")
    data = bytearray(path.read_bytes())
    data[18:22] = bytes(4)  # the width in its header
    path.write_bytes(data)
    with pytest.raises(StimulusError, match=r"picture"):
        stimuli.from_files("files", [path]).picture(0)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path, "RGB", size=(64, 64))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(StimulusError, match=str(path)):
        stimuli.read_picture(path)
