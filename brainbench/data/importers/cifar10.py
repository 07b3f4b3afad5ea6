"""The 10,000 test images of CIFAR-10 as JPEG files, their labels, what people chose, and our split."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.core.pictures import decode_picture
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray

CLASSES: Final = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
N: Final = 10_000
HELD_OUT: Final = 200
"""Images of each class that are held out: the last ones of a permutation of its images from seed 0."""


def read_images(path: Path) -> npt.NDArray[np.uint8]:
    """Return the images of a zip of 00000.jpg to 09999.jpg, (10000, 32, 32, 3); InputError for another."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            pictures = [decode_picture(io.BytesIO(archive.read(name)), name) for name in names]
    except (OSError, zipfile.BadZipFile) as error:
        raise _refused(path, f"cannot be read ({error})") from error
    if [Path(name).name for name in names] != [f"{k:05d}.jpg" for k in range(N)]:
        raise _refused(path, f"holds {len(names)} images")
    return np.stack(pictures)


def read_labels(path: Path) -> IntArray:
    """Return the number of the class of each image; InputError for a file of something else."""
    labels = _array(path)
    whole = labels.dtype.kind in "iu" and labels.shape == (N,)
    if not whole or set(labels.tolist()) != set(range(len(CLASSES))):
        raise _refused(path, f"holds {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.intp)


def read_counts(path: Path) -> FloatArray:
    """Return how many people chose each class, image x class; InputError for a file of something else."""
    counts = _array(path)
    if counts.shape != (N, len(CLASSES)) or not (counts >= 0).all() or not counts.any(axis=1).all():
        raise _refused(path, f"holds {counts.dtype} of shape {counts.shape}")
    return counts.astype(np.float64)


def held_out(labels: IntArray) -> npt.NDArray[np.bool_]:
    """Return which images are held out: `HELD_OUT` of each class; the split of all trained networks."""
    rng = np.random.Generator(np.random.PCG64(0))
    chosen = np.zeros(len(labels), dtype=bool)
    for label in range(len(CLASSES)):
        chosen[rng.permutation(np.flatnonzero(labels == label))[-HELD_OUT:]] = True
    return chosen


def _array(path: Path) -> AnyArray:
    try:
        array: AnyArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _refused(path, f"cannot be read ({error})") from error
    return array


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} {why}",
        allowed=f"the {N:,} test images of CIFAR-10 in their order (a zip of 00000.jpg, ...), their "
        "labels, or the counts of CIFAR-10H",
        todo="see `brainbench show CIFAR10` for where they are",
    )
