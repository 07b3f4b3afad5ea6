"""Image files to pixels: which formats are read, and how.

Pixels are those that an image viewer shows: the orientation in the EXIF data of a camera is applied. Color
profiles (ICC) are not: the numbers in the file are taken as sRGB. Decoders of JPEG and lossy WebP may differ
by a few gray levels between versions of their libraries; digests of stimuli are over decoded pixels, so that
other pixels are other stimuli.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from brainbench.core.errors import StimulusError
from brainbench.core.reading import open_regular

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""All that is ever decoded, whatever a file is called; Pillow would run Ghostscript for PostScript."""
MEGAPIXELS = 64
"""The largest picture that is decoded, in millions of pixels."""


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image file, uint8, shape (height, width, 3), RGB.

    They are turned as the EXIF orientation says; transparency shows gray 128. StimulusError if the file does
    not exist, is empty, damaged, truncated or no regular file; has another format than `FORMATS`, several
    frames (animations, pages; of a JPEG with further pictures, MPO, the first is the picture), or more than
    `MEGAPIXELS`, which is known before it is decoded; or if its color mode does not convert to 8-bit RGB
    without a choice (16-bit, CMYK).
    """
    with _reported(path), open_regular(path) as stream:
        return _decoded(stream, path)


def decode_picture(stream: BinaryIO, name: str) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image file that was opened; `name` is for errors, see `read_picture`."""
    with _reported(name):
        return _decoded(stream, name)


def _decoded(stream: BinaryIO, path: Path | str) -> npt.NDArray[np.uint8]:
    with _opened(stream, path) as image:
        _check_size(image, path)
        _check_mode(image, path)
        _check_frames(image, path)
        return _pixels(ImageOps.exif_transpose(image))


@contextlib.contextmanager
def _reported(path: Path | str) -> Iterator[None]:
    """Raise StimulusError for whatever Pillow raises for a damaged file, which is of many types."""
    try:
        yield
    except StimulusError:
        raise
    except Exception as error:
        raise StimulusError(
            f"image {path} cannot be read ({error})",
            allowed=f"a whole image file: {', '.join(FORMATS)}",
            todo="replace the file or remove it from the set",
        ) from error


@contextlib.contextmanager
def _opened(stream: BinaryIO, path: Path | str) -> Iterator[ImageFile.ImageFile]:
    """Open an image; what a library set for itself, to load half an image, does not hold meanwhile."""
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        # Of sizes, which are checked here, and of damage to what is not shown, such as a thumbnail.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            with Image.open(stream, formats=FORMATS) as image:
                yield image
        except Image.DecompressionBombError as error:
            raise _too_large(path, str(error)) from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _check_size(image: ImageFile.ImageFile, path: Path | str) -> None:
    width, height = image.size
    if width * height > MEGAPIXELS * 1_000_000:
        raise _too_large(path, f"{width} x {height} pixels")


def _too_large(path: Path | str, size: str) -> StimulusError:
    return StimulusError(
        f"image {path} is too large ({size})",
        allowed=f"at most {MEGAPIXELS} megapixels; networks see a few hundred pixels a side",
        todo="make it smaller, or remove it from the set",
    )


def _check_mode(image: ImageFile.ImageFile, path: Path | str) -> None:
    # Pillow silently opens 16-bit color as 8-bit RGB; only its raw mode shows it.
    raw_modes = [
        tile.args if isinstance(tile.args, str) else (tile.args or [""])[0] for tile in image.tile
    ]
    is_16_bit = any(";16" in str(mode) for mode in raw_modes)
    if is_16_bit or image.mode not in ("RGB", "L", "1", "P", "RGBA", "LA"):
        raise StimulusError(
            f"image {path} has the color mode {image.mode!r}"
            + (" with 16 bits" if is_16_bit else ""),
            allowed="8-bit gray or RGB, with or without transparency",
            todo="convert it to 8-bit RGB; how to convert it is your choice",
        )


def _check_frames(image: ImageFile.ImageFile, path: Path | str) -> None:
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":  # a camera's JPEG, with previews behind the picture
        raise StimulusError(
            f"image {path} has {frames} frames",
            allowed="one picture in a file; stimuli are still pictures, not movies",
            todo="save the frames that you mean as files of their own, for example with "
            "PIL.ImageSequence or `ffmpeg -i FILE frame%03d.png`",
        )


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    opaque = image
    if image.mode in ("RGBA", "LA") or "transparency" in image.info:
        gray = Image.new("RGBA", image.size, (128, 128, 128, 255))  # as on an empty screen
        opaque = Image.alpha_composite(gray, image.convert("RGBA"))
    return np.asarray(opaque.convert("RGB"), dtype=np.uint8)
