"""Preprocessing: exact values, sizes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainbench.core.errors import InputError, StimulusError
from brainbench.models.preprocessing import IMAGENET_224, Preprocess


def _picture(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_values_are_scaled_and_normalized_per_channel() -> None:
    picture = _picture(224, 224)
    got = IMAGENET_224([picture])
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((picture / 255 - mean) / std).transpose(2, 0, 1)
    assert got.shape == (1, 3, 224, 224)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], expected, atol=1e-6)


def test_the_whole_picture_is_resized_without_a_crop() -> None:
    picture = _picture(80, 150)
    got = Preprocess(name="small", size=(20, 30))([picture])
    resized = Image.fromarray(picture).resize((30, 20), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(got[0], np.asarray(resized).transpose(2, 0, 1) / 255, atol=1e-6)
    marked = np.zeros((80, 150, 3), np.uint8)
    marked[:, -15:] = 255  # the right edge is still there
    assert Preprocess(name="small", size=(20, 30))([marked])[0, :, :, -1].min() > 0.9


@pytest.mark.parametrize(
    ("shape", "crop_from", "size", "interpolation", "total", "pixels"),
    [
        # torchvision 0.28.0, Pillow 13.0.0: CenterCrop(size)(Resize(crop_from, interpolation)(picture))
        (
            (37, 54),
            20,
            (17, 14),
            "bilinear",
            91064,
            {(0, 0): [92, 131, 121], (-1, -1): [144, 123, 105], (5, 3): [117, 143, 156]},
        ),
        (
            (61, 33),
            24,
            (15, 24),
            "bicubic",
            141795,
            {(0, 0): [129, 132, 119], (-1, -1): [118, 122, 196], (5, 3): [82, 140, 153]},
        ),
    ],
)
def test_a_crop_from_the_center_as_torchvision_computes_it(
    shape: tuple[int, int],
    crop_from: int,
    size: tuple[int, int],
    interpolation: Any,
    total: int,
    pixels: dict[tuple[int, int], list[int]],
) -> None:
    crop = Preprocess(name="crop", size=size, crop_from=crop_from, interpolation=interpolation)
    got = np.rint(crop([_picture(*shape, seed=7)])[0] * 255).transpose(1, 2, 0).astype(int)
    assert got.shape == (*size, 3)
    assert {place: got[place].tolist() for place in pixels} == pixels
    assert got.sum() == total


def test_shrinking_averages_rather_than_samples() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    got = Preprocess(name="small", size=(8, 8))([stripes])
    np.testing.assert_allclose(got[0, :, :, 1:-1], 0.5, atol=0.02)


def test_pictures_of_several_sizes_share_a_batch_if_they_are_resized() -> None:
    assert Preprocess(name="small", size=(8, 8))([_picture(9, 9), _picture(30, 12)]).shape[0] == 2
    with pytest.raises(StimulusError, match=r"\[\(9, 9\), \(30, 12\)\]"):
        Preprocess(name="as it is", size=None)([_picture(9, 9), _picture(30, 12)])


def test_memory_is_ordered_as_convolutions_on_a_cpu_prefer() -> None:
    batch = IMAGENET_224([_picture(10, 10)])
    assert batch.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["gray", "transparent", "16-bit", "float", "empty"],
)
def test_pictures_of_other_kinds_are_refused(picture: Any) -> None:
    with pytest.raises(StimulusError, match=str(picture.dtype)) as caught:
        IMAGENET_224([picture])
    assert str(picture.shape) in caught.value.got


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 8)}, r"size=\(0, 8\)"),
        ({"size": (8,)}, r"size=\(8,\)"),
        ({"crop_from": 200}, r"size=\(224, 224\), crop_from=200"),
        ({"crop_from": 256, "size": None}, "size=None, crop_from=256"),
        ({"crop_from": 256.0}, r"crop_from=256\.0"),
        ({"interpolation": "cubic"}, "interpolation='cubic'"),
        ({"std": (1.0, 0.0, 1.0)}, r"std=\(1.0, 0.0, 1.0\)"),
        ({"mean": (float("nan"), 0.0, 0.0)}, r"mean=\(nan"),
        ({"mean": (0.0, 0.0)}, r"mean=\(0.0, 0.0\)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocess(name="odd", **options)


def test_every_field_is_part_of_the_fingerprint() -> None:
    base = Preprocess(name="base")
    others = [
        replace(base, name="other"),
        replace(base, size=(64, 64)),
        replace(base, size=None),
        replace(base, crop_from=256),
        replace(base, interpolation="bicubic"),
        replace(base, mean=(0.1, 0.0, 0.0)),
        replace(base, std=(1.0, 1.0, 2.0)),
    ]
    prints = {one.fingerprint for one in [base, *others]}
    assert len(prints) == len(others) + 1
    assert Preprocess(name="base").fingerprint == base.fingerprint
