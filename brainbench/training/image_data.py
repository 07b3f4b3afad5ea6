"""Labeled images to train on and to evaluate with: folders of classes, or arrays in one file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, overload

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.pictures import read_picture
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import Picture
from brainbench.metrics.array_types import IntArray
from brainbench.training.folder_digests import content_digest

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
PARTS: Final = ("train", "val")
_LAYOUT: Final = (
    "a folder with train/CLASS/IMAGE and val/CLASS/IMAGE, or a file .npz with train_images (n, y, x, 3) of "
    "uint8, train_labels, val_images, val_labels"
)
_SHOWN = 6


@dataclass(frozen=True)
class PictureFiles(Sequence[Picture]):
    """Pictures that are read when they are asked for; StimulusError names one that cannot be read."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> PictureFiles: ...
    def __getitem__(self, index: int | slice) -> Picture | PictureFiles:
        """Return a picture, or those of a slice, unread."""
        if isinstance(index, slice):
            return PictureFiles(self.paths[index])
        return read_picture(self.paths[index])


@dataclass(frozen=True, kw_only=True)
class LabeledImages:
    """Pictures, uint8 (height, width, 3), and the number of the class of each."""

    pictures: Sequence[Picture]
    labels: IntArray


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """Images of some classes in two parts.

    Parameters
    ----------
    classes : tuple of str
        In the order of their numbers.
    train, val : LabeledImages
        Of each class at least one image.
    folder : path or None
        Of image files, which are read when they are asked for.
    array_digest : str
        SHA-256 over the values of arrays, where there is no folder.
    """

    classes: tuple[str, ...]
    train: LabeledImages
    val: LabeledImages
    folder: Path | None = None
    array_digest: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and content of all files, each of which is read, or over all arrays."""
        if self.folder is None:
            return self.array_digest
        parts = (self.train.pictures, self.val.pictures)
        paths = [path for part in parts if isinstance(part, PictureFiles) for path in part.paths]
        return content_digest(self.folder, paths)

    def part(self, name: str) -> LabeledImages:
        """Return "train" or "val"."""
        return self.train if name == "train" else self.val


def open_image_data(path: Path) -> ImageData:
    """Return the labeled images of a folder or an .npz file.

    Raises
    ------
    InputError
        No such folder or file, no classes, a class without images or missing in one part, arrays of another
        shape or type, labels that are no numbers from 0 on.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _of_arrays(path)
    raise _refused(path, "there is no such folder or file")


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"--data {path}: {why}", allowed=_LAYOUT, todo="correct it, or give another --data"
    )


def _of_folder(path: Path) -> ImageData:
    found = {part: _classes_of(path, part) for part in PARTS}
    classes = sorted(found["train"])
    for part, other in (("val", "train"), ("train", "val")):
        absent = sorted(set(found[other]) - set(found[part]))
        if absent:
            raise _refused(
                path, f"{len(absent)} classes of {other} are not in {part}: {_listed(absent)}"
            )
    parts = {}
    for part in PARTS:
        paths = [file for name in classes for file in found[part][name]]
        labels = np.repeat(np.arange(len(classes)), [len(found[part][name]) for name in classes])
        parts[part] = LabeledImages(pictures=PictureFiles(tuple(paths)), labels=labels)
    return ImageData(classes=tuple(classes), train=parts["train"], val=parts["val"], folder=path)


def _classes_of(path: Path, part: str) -> dict[str, list[Path]]:
    folder = path / part
    if not folder.is_dir():
        raise _refused(path, f"there is no folder {part}")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    files = {
        name: sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in SUFFIXES)
        for name in names
    }
    if len(files) < 2:
        raise _refused(path, f"{part} has {len(files)} folders of classes")
    empty = [name for name, own in files.items() if not own]
    if empty:
        raise _refused(path, f"classes of {part} without images: {_listed(empty)}")
    return files


def _of_arrays(path: Path) -> ImageData:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _refused(path, f"it cannot be read ({error})") from error
    absent = [f"{part}_{what}" for part in PARTS for what in ("images", "labels")]
    absent = [key for key in absent if key not in arrays]
    if absent:
        raise _refused(path, f"without {', '.join(absent)}")
    parts = {part: _part_of(path, part, arrays) for part in PARTS}
    n_classes = 1 + max(int(one.labels.max()) for one in parts.values())
    for part, one in parts.items():
        missing = sorted(set(range(n_classes)) - set(one.labels.tolist()))
        if missing:
            raise _refused(path, f"no image of the classes {_listed(map(str, missing))} in {part}")
    given = [str(name) for name in arrays.get("classes", np.arange(n_classes))]
    if len(given) != n_classes:
        raise _refused(path, f"{len(given)} names for {n_classes} classes")
    digests = [sha256(key, arrays[key].tobytes()) for key in sorted(arrays)]
    return ImageData(
        classes=tuple(given),
        train=parts["train"],
        val=parts["val"],
        array_digest=sha256("image arrays", *digests),
    )


def _part_of(path: Path, part: str, arrays: dict[str, Any]) -> LabeledImages:
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise _refused(path, f"{part}_images of {images.dtype} and shape {images.shape}")
    whole = labels.dtype.kind in "iu" and labels.shape == (len(images),)
    if not whole or labels.min() < 0:
        raise _refused(
            path, f"{part}_labels of {labels.dtype} and shape {labels.shape}, or below 0"
        )
    return LabeledImages(pictures=images, labels=labels.astype(np.intp))


def _listed(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
