"""Random crops and mirror images of training pictures.

The random numbers are given, so that a training that is resumed sees the same pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image

from brainbench.core.stimuli import Picture
from brainbench.training.recipes import Augmentation

NUMBERS: Final = 23
"""Uniform random numbers that a picture takes: two for each of ten tries of a crop, its place, the mirror."""
_TRIES: Final = 10
_AREA: Final = (0.08, 1.0)
_RATIO: Final = (3 / 4, 4 / 3)
_SIDES: Final = (256 / 224, 480 / 224)
_PADDING: Final = 1 / 8

Box = tuple[int, int, int, int]  # left, top, right, bottom
Size = tuple[int, int]  # height, width


def augment(picture: Picture, kind: Augmentation, size: Size, numbers: Sequence[float]) -> Picture:
    """Return a picture of a size, cropped and mirrored as `numbers` say: `NUMBERS` of them, from 0 to 1."""
    if kind == "none":
        return picture
    out = _CROPS[kind](picture, size, numbers)
    return out[:, ::-1] if numbers[-1] < 0.5 else out


def crop_box(size: Size, numbers: Sequence[float]) -> Box:
    """Return a crop of 8 to 100 % of the area with a ratio of 3/4 to 4/3.

    It is that of torchvision: the first of ten that fits, else the center.
    """
    height, width = size
    low, high = (math.log(ratio) for ratio in _RATIO)
    for k in range(_TRIES):
        area = height * width * (_AREA[0] + (_AREA[1] - _AREA[0]) * numbers[2 * k])
        ratio = math.exp(low + (high - low) * numbers[2 * k + 1])
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = _place(width - w, numbers[-3]), _place(height - h, numbers[-2])
            return left, top, left + w, top + h
    w = min(width, round(height * _RATIO[1]))
    h = min(height, round(width / _RATIO[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _place(room: int, number: float) -> int:
    return min(int(number * (room + 1)), room)


def _resized_crop(picture: Picture, size: Size, numbers: Sequence[float]) -> Picture:
    height, width = picture.shape[:2]
    return _resized(picture, size, crop_box((height, width), numbers))


def _scale_crop(picture: Picture, size: Size, numbers: Sequence[float]) -> Picture:
    """Crop so much of the picture as a crop of `size` shows once the shorter side has its random length."""
    side = min(size) * (_SIDES[0] + (_SIDES[1] - _SIDES[0]) * numbers[0])
    scale = min(picture.shape[:2]) / side
    h, w = (
        max(min(round(scale * s), room), 1) for s, room in zip(size, picture.shape[:2], strict=True)
    )
    left = _place(picture.shape[1] - w, numbers[-3])
    top = _place(picture.shape[0] - h, numbers[-2])
    return _resized(picture, size, (left, top, left + w, top + h))


def _pad_crop(picture: Picture, size: Size, numbers: Sequence[float]) -> Picture:
    height, width = size
    if picture.shape[:2] != size:
        picture = _resized(picture, size, (0, 0, picture.shape[1], picture.shape[0]))
    y, x = round(height * _PADDING), round(width * _PADDING)
    padded = np.pad(picture, ((y, y), (x, x), (0, 0)))
    left, top = _place(2 * x, numbers[-3]), _place(2 * y, numbers[-2])
    return padded[top : top + height, left : left + width]


def _resized(picture: Picture, size: Size, box: Box) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(picture))
    resized = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, dtype=np.uint8)


_CROPS: Final[Mapping[str, Callable[[Picture, Size, Sequence[float]], Picture]]] = MappingProxyType(
    {"resized_crop": _resized_crop, "scale_crop": _scale_crop, "pad_crop": _pad_crop}
)
