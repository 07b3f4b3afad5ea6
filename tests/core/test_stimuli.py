import hashlib
import math
import os
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from pictures import saved
from PIL import Image

from brainbench.core import assembly, stimuli
from brainbench.core.errors import InputError, StimulusError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
IDS = list("abcdef")


def six(**more):
    return stimuli.from_arrays("six", PIXELS, ids=IDS, **more)


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


def test_what_is_known_of_pictures_goes_along_with_them(monkeypatch):
    """Those of a set that were read once are not read again; digests are those of a set of its own."""
    fresh, shown = six().take([4, 0]), six()
    shown.digest  # noqa: B018  # all are read
    monkeypatch.setattr(type(shown), "_seen_at", None)
    taken = shown.take([4, 0])
    assert taken.digests == (shown.digests[4], shown.digests[0])
    monkeypatch.undo()
    assert fresh.digest == taken.digest


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


@pytest.mark.parametrize(
    "missing", [None, math.nan, pd.NA, pd.NaT, "", "nan", "None", "<NA>"], ids=repr
)
@pytest.mark.parametrize("column", [list, partial(np.array, dtype=object), pd.Series])
def test_a_missing_object_is_no_object_of_its_own(missing, column):
    objects = column(["cat", missing, "dog", missing, "cat", "dog"])
    with pytest.raises(InputError) as caught:
        six(metadata={"object_name": objects})
    for word in ("'six'", "object_name", "2 of 6", "row 1"):
        assert word in caught.value.got


def test_numbers_of_objects_may_not_be_missing_either():
    with pytest.raises(InputError, match="1 of 6 entries without object_name"):
        six(metadata={"object_name": [1.0, 2.0, math.nan, 1.0, 2.0, 1.0]})
    assert six(metadata={"object_name": [1, 2, 1, 2, 1, 2]}).labels("object_name").tolist() == list(
        "121212"
    )


def test_other_columns_may_have_gaps_until_they_are_grouped_by():
    shown = six(metadata={"exemplar": ["a", None, "b", "b", "a", "a"]})
    with pytest.raises(InputError, match="1 of 6 entries without exemplar"):
        shown.labels("exemplar")


def test_a_series_is_taken_in_its_order_whatever_its_index():
    objects = pd.Series(list("xxyyzz"), index=range(10, 4, -1))
    assert six(metadata={"object_name": objects}).labels("object_name").tolist() == list("xxyyzz")


def test_ids_as_bytes_are_text():
    ids = np.array(IDS, dtype="S")
    shown = stimuli.from_arrays("six", PIXELS, ids=ids, metadata={"object_name": ids})
    assert shown.ids == tuple(IDS)
    assert shown.labels("object_name").tolist() == IDS


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        (None, "1 of 6"),
        (math.nan, "1 of 6"),
        ("", "1 of 6"),
        ("x\0y", r"x\\x00y"),
        ("im\udcff", r"im\\udcff"),
        ("y" * 1001, "1001 characters"),
    ],
)
def test_ids_that_are_missing_or_cannot_be_stored_are_refused(odd, named):
    with pytest.raises(InputError, match=f"'six' .*stimulus_id.*{named}|'six' .*{named}"):
        stimuli.from_arrays("six", PIXELS, ids=[*IDS[:5], odd])


def test_a_number_and_its_text_are_one_id():
    with pytest.raises(InputError, match="1 duplicate stimulus_id, for example '1'"):
        stimuli.from_arrays("six", PIXELS, ids=[1, "1", *IDS[:4]])


def test_odd_but_storable_ids_are_kept(tmp_path):
    ids = ["two\nlines", "\x1b[31mred", 'a,b;"c"', "nan", "\u00e9", "e\u0301"]
    shown = stimuli.from_arrays("six", PIXELS, ids=ids)
    made = assembly.make(np.arange(6.0), stimulus=shown.coordinates(), units="a.u.")
    assembly.save(made, tmp_path / "made.nc")
    with assembly.load(tmp_path / "made.nc") as back:
        assert tuple(back.coords["stimulus_id"].values) == shown.ids == tuple(ids)
        assert assembly.align(back, ids[::-1], name="back").values.tolist() == [5, 4, 3, 2, 1, 0]


def test_a_file_name_that_is_not_utf8_is_named(tmp_path):
    path = saved(tmp_path, "RGB", os.fsdecode(b"im\xff.png"))
    with pytest.raises(InputError, match=r"im\\udcff"):
        stimuli.from_files("files", [path])
    np.testing.assert_array_equal(
        stimuli.from_files("files", [path], ids=["im"]).picture(0), np.asarray(Image.open(path))
    )


def test_copies_are_pictures_with_the_same_pixels_and_shape():
    assert six().copies is None
    again = stimuli.from_arrays("again", PIXELS[[0, 1, 0, 2, 1, 0]], ids=list("fedcba"))
    assert again.copies.tolist() == ["a", "b", "a", "c", "b", "a"]
    black = [np.zeros(shape, dtype=np.uint8) for shape in ((2, 3, 3), (3, 2, 3))]
    assert stimuli.from_arrays("turned", black, ids=["a", "b"]).copies is None


def test_images_are_read_once_for_copies_and_digests():
    read = []

    class Counted(list):
        def __getitem__(self, row):
            read.append(row)
            return super().__getitem__(row)

    counted = stimuli.from_arrays("counted", Counted(PIXELS), ids=IDS)
    assert counted.copies is None
    assert len(set(counted.digests)) == len(counted.digest[:6]) == 6
    assert read == list(range(6))
