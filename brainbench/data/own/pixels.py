"""Pixels of images of any sizes in one array on disk, one image after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from brainbench.core.stimuli import Picture, StimulusSet
from brainbench.metrics.array_types import IntArray


@dataclass(frozen=True, eq=False)
class PackedPictures:
    """Images read from an array one at a time, uint8 of shape (height, width, 3)."""

    pixels: npt.NDArray[np.uint8]  # of all images, in memory or memory-mapped
    shapes: IntArray  # image x (height, width)

    @cached_property
    def ends(self) -> IntArray:
        """End of each image within the pixels."""
        return np.cumsum(3 * self.shapes.prod(axis=1))

    def __call__(self, row: int) -> Picture:
        """Return the pixels of an image."""
        height, width = (int(size) for size in self.shapes[row])
        end = int(self.ends[row])
        return np.asarray(self.pixels[end - 3 * height * width : end]).reshape(height, width, 3)


def append(stream: BinaryIO, picture: Picture) -> tuple[int, int]:
    """Write the pixels of an image to a file and return its height and width; OSError for a full disk."""
    stream.write(np.ascontiguousarray(picture).data)
    return picture.shape[0], picture.shape[1]


def write(stimuli: StimulusSet, path: Path) -> IntArray:
    """Write the pixels of all images as a .npy file of one axis and return their heights and widths."""
    shapes = np.asarray([stimuli.picture(k).shape[:2] for k in range(len(stimuli))])
    with path.open("wb") as stream:
        size = int(3 * shapes.prod(axis=1).sum())
        header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
        np.lib.format.write_array_header_1_0(stream, header)
        for k in range(len(stimuli)):
            append(stream, stimuli.picture(k))
    return shapes
