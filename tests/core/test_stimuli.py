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
