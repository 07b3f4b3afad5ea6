"""CIFAR-100 from the authors' binary archive: 60,000 images of 32 x 32 pixels in 100 classes.

The archive for Python is a pickle, which may call anything when it is read, so that it is never opened.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import DataAbsentError
from brainbench.data.files_only import FilesOnly, local_copy
from brainbench.data.manifest import open_dataset
from brainbench.data.source_files import check_file, reading, wrong
from brainbench.metrics.array_types import IntArray

DATA: Final = "CIFAR100"
CLASSES: Final = 100
N_TRAIN: Final = 50_000
N_TEST: Final = 10_000
_SIDE: Final = 32
_RECORD: Final = (
    2 + 3 * _SIDE * _SIDE
)  # class of 20, class of 100, then red, green and blue row by row
_ALLOWED: Final = "the authors' archive cifar-100-binary.tar.gz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cifar100:
    """The images in the order of the archive, the 50,000 training ones, then the 10,000 test ones.

    `images` are uint8, (60000, 32, 32, 3), RGB; `labels` are the numbers of the 100 classes, from 0.
    """

    images: npt.NDArray[np.uint8]
    labels: IntArray
    n_test: int


def archive(given: Path | None) -> Path:
    """Return the archive: of the data folder, or a file or in a folder of the user's, checked by its md5.

    DataAbsentError where it is not there, InputError for another file.
    """
    data = open_dataset(DATA)
    assert isinstance(data, FilesOnly)  # noqa: S101  # its manifest names no reader
    [file] = data.declared.published_files()
    folder = data.folder if given is None else given
    found = folder if folder.is_file() else local_copy(folder, DATA, file)
    if found is None:
        raise DataAbsentError(
            f"{DATA}: there is no {file.path} in {folder}",
            allowed=_ALLOWED,
            todo=f"get it with `{data.command}`, or give its folder with --data",
        )
    check_file(found, file)
    return found


def read_archive(path: Path, *, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Cifar100:
    """Return the images and classes of the binary archive; nothing is unpacked to disk.

    InputError for another archive, members of another size, and classes that are not 0 to 99.
    """
    parts = []
    with reading(path, _ALLOWED), tarfile.open(path, "r:gz") as tar:
        for name, n in (("train", n_train), ("test", n_test)):
            parts.append(_records(tar, f"cifar-100-binary/{name}.bin", n, path))
    records = np.concatenate(parts)
    labels = records[:, 1].astype(np.intp)
    if set(labels.tolist()) != set(range(CLASSES)):
        raise wrong(
            f"{path} has {len(set(labels.tolist()))} classes up to {labels.max()}", _ALLOWED
        )
    images = records[:, 2:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return Cifar100(images=np.ascontiguousarray(images), labels=labels, n_test=n_test)


def _records(tar: tarfile.TarFile, name: str, n: int, path: Path) -> npt.NDArray[np.uint8]:
    member = tar.getmember(name)
    if not member.isreg() or member.size != n * _RECORD:
        raise wrong(
            f"{path}:{name} has {member.size} bytes", f"{_ALLOWED}, {n * _RECORD} bytes in it"
        )
    stream = tar.extractfile(member)
    content = b"" if stream is None else stream.read()
    return np.frombuffer(content, np.uint8).reshape(n, _RECORD)
