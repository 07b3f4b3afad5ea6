"""Atomic writes: a file or a folder appears under its name when it is whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brainbench.core.errors import BrainbenchError, CacheError

ABANDONED_SECONDS = 24 * 3600.0
"""Age at which a temporary file or folder counts as left behind by a killed process."""
_TEMPORARY = ".tmp"
_FORMER = ".former"


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
    state: Literal["sound", "damaged", "unknown"]
    detail: str = ""


@contextlib.contextmanager
def new_file(target: Path, *, folder: Path | None = None, choose: str) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces the file `target` when the block ends.

    For `folder`, by default that of the file, and `choose` see `temporary`. CacheError if the file cannot be
    written, was not written, or the disk is full.
    """
    with temporary(target, folder=folder or target.parent, choose=choose) as path:
        yield path
        _flush(path)
        os.replace(path, target)


@contextlib.contextmanager
def new_folder(target: Path, *, choose: str) -> Iterator[Path]:
    """Yield a temporary folder to fill, which takes the place of `target` when the block ends.

    An existing folder is kept if the block fails. One that was moved away by a process that was killed before
    it could put the new one in its place is put back by `restore_folder`. For `choose` and errors see
    `temporary`.
    """
    sweep(target.parent)
    with temporary(target, folder=target.parent, choose=choose) as path:
        path.mkdir()
        yield path
        for file in path.rglob("*"):
            if file.is_file():
                _flush(file)
        _replace_folder(path, target)


@contextlib.contextmanager
def temporary(target: Path, *, folder: Path, choose: str) -> Iterator[Path]:
    """Yield a temporary path beside `target`; whatever is there when the block ends is removed.

    The folder of `target` is created. `folder` is the one that errors name, and `choose` says how the user
    names another ("a folder ..." follows). CacheError if it cannot be written or the disk is full; an OSError
    about a file outside it passes unchanged.
    """
    path = target.with_name(f".{uuid.uuid4().hex}{_TEMPORARY}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        if isinstance(error, BrainbenchError) or _is_elsewhere(error, folder):
            raise
        raise explain(error, folder, choose=choose) from error
    finally:
        _remove(path)


def restore_folder(target: Path) -> None:
    """Put back the folder that a killed process moved away to replace it, if there is none in its place.

    To be called before the folder is opened. Nothing happens if it cannot be moved.
    """
    if target.exists():
        return
    former = target.parent.glob(f".{target.name}.*{_FORMER}")
    for path in sorted(former, key=_changed, reverse=True):
        with contextlib.suppress(OSError):  # another process was faster
            path.rename(target)
            return


def sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder: temporary files and folders that are a day old."""
    for path in [*folder.glob(f".*{_TEMPORARY}"), *folder.glob(f".*{_FORMER}")]:
        is_needed = path.suffix == _FORMER and not _target_of(path).exists()
        if not is_needed and time.time() - _changed(path) > ABANDONED_SECONDS:
            _remove(path)


def check_room(folder: Path, nbytes: int, *, what: str, choose: str) -> None:
    """Raise CacheError if a folder has fewer than `nbytes` bytes left for `what`; see `temporary`."""
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise CacheError(
            f"{what} of {nbytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB free in {folder}",
            allowed=f"room for the {what}",
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


def _flush(path: Path) -> None:
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


def _target_of(former: Path) -> Path:
    return former.with_name(former.name[1:].rpartition(".")[0].rpartition(".")[0])


def _changed(path: Path) -> float:
    """Return when a path was changed last, in seconds; now, if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
