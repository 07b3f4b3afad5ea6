"""Atomic writes: a file or a folder appears under its name when it is whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from brainbench.core.errors import BrainbenchError, CacheError

ABANDONED_SECONDS = 24 * 3600.0
"""Age at which a temporary file counts as left behind by a killed process."""

_FORMER = ".former"
_TEMPORARY = re.compile(r"\.(?:(?P<label>.+)\.)?[0-9a-f]{32}\.tmp")


State: TypeAlias = Literal["sound", "damaged", "unknown"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Finding:
    """What a check of one kept file has found.

    Parameters
    ----------
    path : Path
        The file.
    state : {"sound", "damaged", "unknown"}
        "unknown" where nothing was kept that it could be checked against.
    detail : str
        What is wrong and the command that repairs it; empty where nothing is to be said.
    """

    path: Path
    state: State
    detail: str = ""


@contextlib.contextmanager
def new_file(target: Path, *, folder: Path | None = None, choose: str) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces the file `target` when the block ends.

    For `folder`, by default that of the file, and `choose` see `temporary`. CacheError if the file cannot be
    written, was not written, or the disk is full.
    """
    with temporary(target, folder=folder or target.parent, choose=choose) as path:
        yield path
        flush(path)
        os.replace(path, target)


@contextlib.contextmanager
def new_folder(target: Path, *, choose: str) -> Iterator[Path]:
    """Yield a temporary folder to fill, which takes the place of `target` when the block ends.

    An existing folder is kept if the block fails. One that was moved away by a process that was killed before
    it could put the new one in its place is put back by `restore_folder`. For `choose` and errors see
    `temporary`.
    """
    _sweep_former(target)
    with temporary(target, folder=target.parent, choose=choose) as path:
        path.mkdir()
        yield path
        for file in path.rglob("*"):
            if file.is_file():
                flush(file)
        _replace_folder(path, target)


@contextlib.contextmanager
def temporary(
    target: Path, *, folder: Path, choose: str, label: str | None = None
) -> Iterator[Path]:
    """Yield a temporary path beside `target`; whatever is there when the block ends is removed.

    The folder of `target` is created, and what killed processes left in it a day ago is removed. `folder` is
    the one that errors name, and `choose` says how the user names another ("a folder ..." follows). `label`
    becomes part of the name. CacheError if the folder cannot be written or the disk is full; an OSError about
    a file outside it passes unchanged.
    """
    path = target.with_name(
        f".{label}.{uuid.uuid4().hex}.tmp" if label else f".{uuid.uuid4().hex}.tmp"
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        yield path
    except OSError as error:
        if isinstance(error, BrainbenchError) or _is_elsewhere(error, folder):
            raise
        raise explain(error, folder, choose=choose) from error
    finally:
        remove(path)


def sweep(folder: Path) -> None:
    """Remove the files and folders of `temporary` that are older than a day; what cannot go stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and age(Path(entry.path)) > ABANDONED_SECONDS:
                remove(Path(entry.path))


def restore_folder(target: Path) -> None:
    """Put back the folder that a killed process moved away to replace it, if there is none in its place.

    To be called before the folder is opened. Nothing happens if it cannot be moved.
    """
    if target.exists():
        return
    for former in sorted(_former(target), key=age):
        with contextlib.suppress(OSError):  # another process was faster
            former.rename(target)
            return


def label_of(path: Path) -> str | None:
    """Return the label of a file of `temporary`; None for one without a label, and for other files."""
    match = _TEMPORARY.fullmatch(path.name)
    return match and match["label"]


def age(path: Path) -> float:
    """Return the seconds since a file, or something in a folder, was last written; 0 where nothing is."""
    newest = 0.0
    for found in (path, *path.rglob("*")) if path.is_dir() else (path,):
        with contextlib.suppress(OSError):
            newest = max(newest, found.lstat().st_mtime)
    return max(0.0, time.time() - newest) if newest else 0.0


def check_room(folder: Path, nbytes: int, *, what: str, choose: str) -> None:
    """Raise CacheError if a folder has fewer than `nbytes` bytes left for `what`; see `temporary`."""
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise CacheError(
            f"{what} of {nbytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB free in {folder}",
            allowed=f"room for {what}",
            todo=f"free some space, or {choose} a folder on a larger disk",
        )


def explain(error: OSError, folder: Path, *, choose: str) -> CacheError:
    """Return the error that says why a folder could not be written; `choose` as in `temporary`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheError(
            f"no space or quota left in {folder} ({_free_space(folder)})",
            allowed="room for everything that this run writes",
            todo=f"free some space, or {choose} a folder on a larger disk; "
            "finished results are kept",
        )
    obstacle = _obstacle(error)
    if obstacle is not None:
        return CacheError(
            obstacle,
            allowed="a place with nothing in it, or with what brainbench wrote",
            todo=f"remove it, or {choose} another folder; finished results are kept",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return CacheError(
            f"folder {folder} cannot be used ({error.strerror})",
            allowed="a folder that you may write to",
            todo=f"{choose} a folder of yours; finished results are kept",
        )
    return CacheError(
        f"writing to {folder} failed ({error})",
        allowed="a folder on a working disk",
        todo=f"check the disk, or {choose} a folder on another one; finished results are kept",
    )


def _obstacle(error: OSError) -> str | None:
    """Return what is in the place of a file or folder that could not be written; None if nothing is."""
    if error.errno not in (errno.EISDIR, errno.EEXIST, errno.ENOTDIR):
        return None
    for named in (error.filename2, error.filename):
        for path in (Path(named), *Path(named).parents) if isinstance(named, str) else ():
            if path.is_symlink() and not path.exists():
                return f"{path} is a link to {os.readlink(path)}, which does not exist"
            if path.is_file() and named is not error.filename2 and path.suffix != ".tmp":
                return f"{path} is a file, in the place of a folder"
            if path.is_dir() and named is error.filename2 and path == Path(named):
                return f"{path} is a folder, in the place of a file"
    return None


def _is_elsewhere(error: OSError, folder: Path) -> bool:
    if not isinstance(error.filename, str):
        return False
    named, folder = Path(error.filename).absolute(), folder.absolute()
    return not (named.is_relative_to(folder) or folder.is_relative_to(named))


def _free_space(folder: Path) -> str:
    try:
        existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        return f"{shutil.disk_usage(existing).free / 1e9:.2f} GB free"
    except OSError:
        return "free space unknown"


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _replace_folder(path: Path, target: Path) -> None:
    """Rename a folder; the one that exists is moved away first, since only an empty one is replaced.

    Between the two renames `target` does not exist, and another process may put the former folder back: then
    it is moved away again.
    """
    while True:
        former = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_FORMER}")
        with contextlib.suppress(FileNotFoundError):
            target.rename(former)
        try:
            path.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue
            restore_folder(target)
            raise
        with contextlib.suppress(FileNotFoundError):
            former.rename(path)  # a name under which nothing is put back; the caller removes it
        return


def _former(target: Path) -> list[Path]:
    return list(target.parent.glob(f".{target.name}.*{_FORMER}"))


def _sweep_former(target: Path) -> None:
    """Remove the former folders of killed processes once another one is in their place."""
    for former in _former(target):
        if target.exists() and age(former) > ABANDONED_SECONDS:
            remove(former)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if that is possible."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
