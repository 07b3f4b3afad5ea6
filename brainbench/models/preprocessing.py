"""Preprocessing of images for a network, declared as data with a fingerprint.

Everything that changes the input of a network is a field, so that two different preprocessings never share
cached activations. `transforms` does the same for functions of other libraries.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from brainbench.core.errors import InputError, StimulusError
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import Picture, is_rgb

Interpolation = Literal["nearest", "bilinear", "bicubic"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class Preprocessing(Protocol):
    """What makes the input of a network from images: a `Preprocess`, or a `Transform` around a function.

    `size` is the (height, width) of its results, or None where they depend on the image.
    """

    @property
    def name(self) -> str:
        """Name in messages."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the results, or None."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that the results depend on."""

    def __call__(self, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """Preprocess images, each uint8 (height, width, 3), to float32 (n, 3, height, width)."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """A resize, by default of the whole image without a crop, then `(pixel / 255 - mean) / std` per channel.

    `size` is the (height, width) that the network takes; None keeps the size of the images, which must be
    the same. With `crop_from`, the shorter side of the image is resized to that many pixels and `size` is
    cropped from the center, as Resize(crop_from) and CenterCrop(size) of torchvision do. Filters of the
    resize are Pillow's "nearest", "bilinear" and "bicubic", which widen when they shrink an image
    (antialiasing) and round to 8 bits, as the data loaders that trained most networks do. `mean` and `std`
    of red, green and blue are for pixel values between 0 and 1. InputError for a size or a std that is not
    positive, a crop that is larger than the resized image, or another filter.

    Examples
    --------
    >>> Preprocess(name="usual", size=(224, 224), crop_from=256).size
    (224, 224)
    """

    name: str
    size: tuple[int, int] | None = (224, 224)
    crop_from: int | None = None
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.size is not None and not _is_size(self.size):
            raise InputError(
                f"preprocessing {self.name!r} with size={self.size}",
                allowed="(height, width) in pixels, whole numbers from 1, or None",
                todo="give the input size of the network, for example (224, 224)",
            )
        if self.crop_from is not None and not _is_crop(self.size, self.crop_from):
            raise InputError(
                f"preprocessing {self.name!r} with size={self.size}, crop_from={self.crop_from}",
                allowed="a whole number of pixels of at least each side of size=(height, width)",
                todo="give the length of the shorter side before the crop, for example crop_from=256",
            )
        if self.interpolation not in _RESAMPLING:
            raise InputError(
                f"preprocessing {self.name!r} with interpolation={self.interpolation!r}",
                allowed=", ".join(_RESAMPLING),
                todo="choose the filter that the network was trained with",
            )
        lengths = (len(self.mean), len(self.std))
        finite = np.isfinite((*self.mean, *self.std)).all()
        if lengths != (3, 3) or not finite or min(self.std) <= 0:
            raise InputError(
                f"preprocessing {self.name!r} with mean={self.mean}, std={self.std}",
                allowed="three finite values each, every std above 0",
                todo="give mean and std for red, green and blue, for pixel values from 0 to 1",
            )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every field and the version of Pillow, which does the resize."""
        return sha256("preprocess", json.dumps(asdict(self), sort_keys=True), PIL.__version__)

    def __call__(self, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """Preprocess images, each uint8 (height, width, 3), RGB, to float32 (n, 3, height, width).

        The result is a view of memory in the order (n, height, width, 3), which is faster for convolutions on
        a CPU. StimulusError for an image of another type or shape (gray, transparent, 16 bits), or images of
        different sizes where `size` is None.
        """
        resized = [self._resize(rgb(picture)) for picture in pictures]
        check_one_size({(p.shape[0], p.shape[1]) for p in resized}, name=self.name)
        std = np.asarray(self.std, dtype=np.float32)
        mean = np.asarray(self.mean, dtype=np.float32)
        batch = np.stack(resized).astype(np.float32)
        batch *= np.float32(1 / 255) / std
        batch -= mean / std
        return batch.transpose(0, 3, 1, 2)

    def _resize(self, picture: Picture) -> Picture:
        if self.size is None or (self.crop_from is None and picture.shape[:2] == tuple(self.size)):
            return picture
        image = Image.fromarray(picture)
        height, width = self.size
        if self.crop_from is None:
            return np.asarray(image.resize((width, height), _RESAMPLING[self.interpolation]))
        resized = np.asarray(
            image.resize(self._before_crop(image), _RESAMPLING[self.interpolation])
        )
        # The rounding is torchvision's: the longer side down, the corner to the nearest, halves to even.
        top = round((resized.shape[0] - height) / 2)
        left = round((resized.shape[1] - width) / 2)
        return resized[top : top + height, left : left + width]

    def _before_crop(self, image: Image.Image) -> tuple[int, int]:
        """Return the (width, height) that an image is resized to before the crop."""
        side = self.crop_from or 0
        if image.width <= image.height:
            return side, int(side * image.height / image.width)
        return int(side * image.width / image.height), side


def _is_size(size: object) -> bool:
    if not isinstance(size, Sequence) or len(size) != 2:
        return False
    return all(isinstance(side, int) and side > 0 and side is not True for side in size)


def _is_crop(size: tuple[int, int] | None, crop_from: int) -> bool:
    whole = isinstance(crop_from, int) and crop_from is not True
    return whole and size is not None and crop_from >= max(size)


def check_one_size(sizes: set[tuple[int, int]], *, name: str) -> None:
    """Raise StimulusError if the images of a batch have several (height, width)."""
    if len(sizes) > 1:
        raise StimulusError(
            f"images of the sizes {sorted(sizes)} in one batch",
            allowed=f"one size, since preprocessing {name!r} does not resize to one",
            todo="give Preprocess(size=(height, width))",
        )


def rgb(picture: Picture) -> Picture:
    """Return an image; StimulusError if it is not uint8 (height, width, 3)."""
    if not is_rgb(picture):
        raise StimulusError(
            f"an image of type {picture.dtype} and shape {picture.shape}",
            allowed="uint8 pixels of shape (height, width, 3), RGB",
            todo="convert gray, transparent or 16-bit images to 8-bit RGB first",
        )
    return picture


def imagenet(side: int) -> Preprocess:
    """Return the preprocessing to `side` x `side` pixels with the mean and std of ImageNet."""
    return Preprocess(
        name=f"imagenet-{side}",
        size=(side, side),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


IMAGENET_224 = imagenet(224)
"""The usual input of networks trained on ImageNet (Kubilius 2019, section 2.2)."""
