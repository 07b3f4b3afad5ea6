"""Random crops: sizes, limits, and that the given numbers decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.training.augmentation import NUMBERS, augment, crop_box

numbers = st.lists(st.floats(0, 1, exclude_max=True), min_size=NUMBERS, max_size=NUMBERS)


def picture(height, width):
    return (np.arange(height * width * 3) % 251).astype(np.uint8).reshape(height, width, 3)


@given(st.integers(1, 60), st.integers(1, 60), numbers)
def test_a_crop_lies_within_the_picture(height, width, drawn):
    left, top, right, bottom = crop_box((height, width), drawn)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(st.sampled_from(["resized_crop", "scale_crop", "pad_crop"]), numbers)
def test_every_kind_gives_the_size_of_the_network(kind, drawn):
    out = augment(picture(30, 41), kind, (16, 16), drawn)
    assert out.shape == (16, 16, 3)
    assert out.dtype == np.uint8


def test_crops_by_hand():
    shown, half = picture(16, 16), [0.5] * NUMBERS
    assert augment(shown, "none", (16, 16), half) is shown
    np.testing.assert_array_equal(augment(shown, "pad_crop", (16, 16), half), shown)
    mirrored = [*half[:-1], 0.2]
    np.testing.assert_array_equal(augment(shown, "pad_crop", (16, 16), mirrored), shown[:, ::-1])
    corner = augment(shown, "pad_crop", (16, 16), [0.0] * (NUMBERS - 1) + [0.9])
    np.testing.assert_array_equal(corner[2:, 2:], shown[:14, :14])
    assert not corner[:2].any()
    # An area of 54 % at a ratio of 1: a square of 11.76, in the middle.
    assert crop_box((16, 16), half) == (2, 2, 14, 14)
    # The whole area at a ratio of 4/3 fits in none of ten tries: the center, with the ratio of the limits.
    wide = [1.0, 1.0] * 10 + [0.5] * 3
    assert crop_box((16, 16), wide) == (0, 0, 16, 16)


def test_areas_are_uniform_and_ratios_log_uniform():
    rng = np.random.default_rng(0)
    boxes = np.array([crop_box((400, 400), row) for row in rng.random((3000, NUMBERS))])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    ratio = width / height
    assert (ratio > 0.74).all() and (ratio < 1.35).all()  # noqa: PT018
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.02)
    area = width * height / 400**2
    assert area.min() == pytest.approx(0.08, abs=0.01)
    assert area.mean() == pytest.approx(0.47, abs=0.02)  # fewer of the largest fit
