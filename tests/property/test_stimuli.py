import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from brainbench.core import stimuli

PICTURES = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 5), st.integers(1, 5), st.just(3))
)


def made(pictures, objects=None):
    return stimuli.from_arrays(
        "set",
        pictures,
        ids=[f"im{k}" for k in range(len(pictures))],
        metadata=None if objects is None else {"object_name": objects},
    )


@given(pictures=PICTURES, data=st.data())
def test_take_of_take_is_one_take(pictures, data):
    shown = made(pictures)
    first = data.draw(st.permutations(range(len(shown))))
    second = data.draw(st.lists(st.sampled_from(range(len(shown))), min_size=1, unique=True))
    once, twice = shown.take([first[k] for k in second]), shown.take(first).take(second)
    assert once.ids == twice.ids
    assert once.digest == twice.digest
    np.testing.assert_array_equal(once.picture(0), twice.picture(0))


@given(pictures=PICTURES, data=st.data())
def test_any_changed_byte_changes_the_digest(pictures, data):
    where = tuple(data.draw(st.integers(0, size - 1)) for size in pictures.shape)
    changed = pictures.copy()
    changed[where] ^= data.draw(st.integers(1, 255))
    assert made(changed).digest != made(pictures).digest
    differ = [a != b for a, b in zip(made(changed).digests, made(pictures).digests, strict=True)]
    assert differ == [k == where[0] for k in range(len(pictures))]


@given(objects=st.lists(st.sampled_from("abc"), min_size=1, max_size=20), data=st.data())
def test_limit_is_fair_and_keeps_the_order(objects, data):
    n = data.draw(st.integers(1, len(objects)))
    shown = made(np.zeros((len(objects), 1, 1, 3), np.uint8), objects)
    limited = shown.limit(n)
    assert len(limited) == n
    places = [shown.ids.index(i) for i in limited.ids]
    assert places == sorted(places)
    taken = [list(limited.metadata["object_name"]).count(name) for name in "abc"]
    had = [objects.count(name) for name in "abc"]
    # an object has fewer than another only if it has no more to give
    for mine, all_mine in zip(taken, had, strict=True):
        assert mine == all_mine or mine >= max(taken) - 1


@settings(max_examples=25)
@given(
    picture=arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    suffix=st.sampled_from([".png", ".bmp", ".tif"]),
)
def test_a_lossless_file_gives_back_every_pixel(picture, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"picture{suffix}"
        Image.fromarray(picture).save(path)
        np.testing.assert_array_equal(stimuli.read_picture(path), picture)


@settings(max_examples=60)
@given(noise=st.binary(max_size=200), where=st.integers(0, 400), png=st.booleans())
def test_damaged_files_give_pixels_or_a_clear_error_never_another(noise, where, png):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("picture.png" if png else "picture.gif")
        Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
        data = bytearray(path.read_bytes())
        data[where : where + len(noise)] = noise
        path.write_bytes(data)
        shown = stimuli.from_files("files", [path])
        try:
            shown.picture(0)  # checks what it gives
        except stimuli.StimulusError:
            return  # any other error fails this test
