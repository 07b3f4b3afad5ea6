"""Placement of pictures on a model's field of view, by the facts of Brain-Score 2.4.2."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brainbench.core.errors import InputError, StimulusError
from brainbench.core.screen import place
from brainbench.core.stimuli import from_arrays

TABLE = [(8, 14, 448), (8, 8.4, 269), (7, 8, 293), (11, 8, 186), (18, 8, 114), (9.2, 8, 223)]
"""Degrees of a picture of 256 pixels and of the field, and the side of what is shown."""


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def by_pillow(picture, degrees, visual_degrees):
    """Place a picture as Brain-Score does: with Pillow, sides as (width, height)."""
    image, ratio = Image.fromarray(picture), visual_degrees / degrees
    sides = np.array(image.size)
    size = (ratio * sides).round().astype(int)
    if ratio >= 1:
        screen = Image.new("RGB", tuple(size.tolist()), "gray")
        screen.paste(image, tuple(((size - sides) / 2).round().astype(int).tolist()))
        return np.asarray(screen)
    left, top = ((sides - size) / 2).round().astype(int).tolist()
    return np.asarray(image.crop((left, top, left + int(size[0]), top + int(size[1]))))


@pytest.mark.parametrize(("degrees", "field", "side"), TABLE)
def test_sides_round_half_to_even(degrees, field, side):
    assert place(drawn(256, 256), degrees=degrees, visual_degrees=field).shape == (side, side, 3)


@pytest.mark.parametrize(("degrees", "field"), [(d, f) for d, f, _ in TABLE] + [(8, 8.3), (3, 8)])
@pytest.mark.parametrize("shape", [(256, 256), (181, 97), (5, 7)])
def test_every_pixel_is_that_of_pillow(degrees, field, shape):
    picture = drawn(*shape)
    shown = place(picture, degrees=degrees, visual_degrees=field)
    np.testing.assert_array_equal(shown, by_pillow(picture, degrees, field))


def test_the_share_of_gray_is_that_of_padding_alone():
    picture = np.zeros((256, 256, 3), dtype=np.uint8)
    shown = place(picture, degrees=8, visual_degrees=14)
    # As Brain-Score's own test counts: pixels that are gray over all numbers, a third for RGB.
    share = (shown == 128).all(axis=2).sum() / shown.size
    assert share == pytest.approx(0.22449, abs=5e-6)
    assert not (place(picture, degrees=14, visual_degrees=8) == 128).any()


def test_the_same_width_is_the_same_picture():
    picture = drawn(9, 9)
    assert place(picture, degrees=8, visual_degrees=8.0) is picture


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.5, 30), st.floats(0.5, 30))
def test_what_is_shown_are_pixels_of_the_picture_and_gray(shape, degrees, field):
    picture = np.full((*shape, 3), 7, dtype=np.uint8)
    if min(np.round(field / degrees * side) for side in shape) < 1:
        with pytest.raises(StimulusError, match="no pixel"):
            place(picture, degrees=degrees, visual_degrees=field)
        return
    shown = place(picture, degrees=degrees, visual_degrees=field)
    assert set(np.unique(shown)) <= {7, 128}
    kept = min(shape[0], shown.shape[0]) * min(shape[1], shown.shape[1])
    assert (shown == 7).sum() == 3 * kept


def test_frames_are_placed_alike():
    frames = drawn(4, 20, 30)
    shown = place(frames, degrees=8, visual_degrees=12)
    np.testing.assert_array_equal(
        shown, [place(frame, degrees=8, visual_degrees=12) for frame in frames]
    )


# --- sets of stimuli -------------------------------------------------------------------------------


def shown_set(degrees=None, **columns):
    ids = [f"im{k}" for k in range(3)]
    return from_arrays("s", drawn(3, 10, 10), ids=ids, degrees=degrees, metadata=columns)


def test_a_set_is_placed_and_has_another_digest():
    given_set = shown_set(degrees=4.0)
    placed = given_set.on_screen(8.0)
    np.testing.assert_array_equal(
        placed.picture(1), place(given_set.picture(1), degrees=4.0, visual_degrees=8.0)
    )
    narrow = given_set.on_screen(2.0)
    assert len({given_set.digest, placed.digest, narrow.digest}) == 3
    assert placed.digest == shown_set(degrees=4.0).on_screen(8.0).digest
    assert placed.take([1]).picture(0).shape == (20, 20, 3)
    assert placed.small_gray.tobytes() == given_set.small_gray.tobytes()


def test_a_set_of_the_same_or_an_unknown_width_stays():
    for same in (shown_set(degrees=8.0), shown_set()):
        assert same.on_screen(8.0) is same


def test_each_image_may_have_a_width_of_its_own():
    unknown = shown_set()
    own = from_arrays(
        "s", drawn(3, 10, 10), ids=["a", "b", "c"], metadata={"degrees": [4.0, 8.0, 16.0]}
    ).on_screen(8.0)
    assert [own.picture(k).shape[0] for k in range(3)] == [20, 10, 5]
    assert unknown.width_of(0) is None


@pytest.mark.parametrize("degrees", [0, -8, float("nan"), float("inf")])
def test_a_width_is_a_positive_number(degrees):
    with pytest.raises(InputError, match="positive number of degrees"):
        shown_set(degrees=degrees)
