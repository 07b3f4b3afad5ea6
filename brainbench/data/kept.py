"""What is kept of data sets in the data folder, by name, and its removal."""

from __future__ import annotations

from pathlib import Path

from brainbench.core import registry
from brainbench.core.errors import DataAbsentError, UnknownNameError
from brainbench.data.folder import CHOOSE, data_folder
from brainbench.storage import files


def folder_of(name: str) -> Path:
    """Return the folder of a data set.

    DataAbsentError where nothing of it is kept, UnknownNameError for a name that is neither registered nor
    that of a folder.
    """
    folder = data_folder() / name
    is_name = name not in ("", ".", "..") and Path(name).name == name and not name.startswith(".")
    if is_name and folder.is_dir():
        return folder
    if not is_name or name not in registry.entries("data"):
        raise _unknown(name)
    raise DataAbsentError(
        f"nothing of data set {name} is kept in {data_folder()}",
        allowed="a data set that is here, see `brainbench data list`",
        todo=f"run `brainbench data show {name}` to see how to get it",
    )


def _unknown(name: str) -> UnknownNameError:
    return registry.unknown_name(name, "data")


def remove(name: str) -> tuple[Path, int]:
    """Remove everything that is kept of a data set; return its folder and how many bytes it had.

    Errors as those of `folder_of`; CacheError where it cannot be removed.
    """
    folder = folder_of(name)
    nbytes = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    with files.temporary(folder, folder=folder.parent, choose=CHOOSE) as leaving:
        folder.rename(leaving)
    return folder, nbytes
