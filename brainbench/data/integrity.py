"""Checksums of imported files: written beside them, compared when a file is first read in a process."""

from __future__ import annotations

import contextlib
import glob
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError
from brainbench.data.fetch import digest_of_file
from brainbench.data.folder import CHOOSE, data_folder
from brainbench.data.manifest import open_dataset
from brainbench.data.own.registered import ABOUT
from brainbench.storage import files
from brainbench.storage.files import Finding, State

CHECKSUMS = "checksums.json"
"""File of an imported folder with the checksum of each of the others."""
_UNKNOWN = "imported by a version that kept no checksums, so that damage cannot be noticed"

_compared: set[tuple[str, int, int]] = set()
"""Path, size and time of change (ns) of each file that this process has found as it was imported."""
_noted: set[Path] = set()


class DamagedDataError(BrainbenchError, RuntimeError):
    """An imported file that is not as the import left it."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sha256: str
    bytes: int


_CONTENT = TypeAdapter(dict[str, _Kept])


def seal(folder: Path) -> None:
    """Write the SHA-256 and size of every file of a folder into it; the last step of an import."""
    content = {
        name: {"sha256": digest_of_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in _files_of(folder)
    }
    (folder / CHECKSUMS).write_text(json.dumps(content, indent=1) + "\n")


def _files_of(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, but that of the checksums."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.as_posix() != CHECKSUMS)


def check(path: Path, *, command: str) -> Path:
    """Return the path of an imported file after comparing it with its checksum, once in a process.

    `command` imports the data again. A file without checksums, imported by an earlier version, is accepted
    with a note. DamagedDataError for a file that is missing or differs, CacheError for one that may not be
    read.
    """
    kept = _checksums(path.parent, command)
    if kept is None:
        if path.parent not in _noted:
            _noted.add(path.parent)
            progress.current().note(f"{path.parent}: {_UNKNOWN}; `{command}` imports it again")
        return path
    try:
        wrong = _difference(path.parent, path.name, kept)
    except PermissionError as error:
        raise files.explain(error, path.parent, choose=CHOOSE) from error
    if wrong:
        raise _damaged(path, wrong, command)
    return path


@contextlib.contextmanager
def reading(path: Path, *, command: str) -> Iterator[None]:
    """Raise DamagedDataError for whatever a library raises while it reads an imported file."""
    try:
        yield
    except BrainbenchError as error:
        raise _damaged(
            path, f"cannot be read ({error.args[0].splitlines()[0]})", command
        ) from error
    except Exception as error:  # each library has its own types
        reason = f"cannot be read ({type(error).__name__}: {error})"
        raise _damaged(path, reason, command) from error


def verify_imported(name: str | None = None) -> Iterator[Finding]:
    """Compare every file of one or of every data set with its checksum, and yield what was found."""
    for folder in sorted(data_folder().glob(f"{glob.escape(name) if name else '[!.]*'}/[!.]*")):
        if folder.is_dir():
            yield from _findings(folder)


def _findings(folder: Path) -> Iterator[Finding]:
    command = _command_of(folder.parent.name)
    if (folder / ABOUT).is_file():  # a data set of the user's own
        command = f"brainbench data add {folder.parent.name} --replace"
    repair = f"run `{command}`"
    try:
        kept = _checksums(folder, command)
    except DamagedDataError as error:
        yield Finding(folder / CHECKSUMS, "damaged", f"{error.got}; {repair}")
        return
    here = set(_files_of(folder))
    for name in sorted(here - (kept or {}).keys()):
        why = _UNKNOWN if kept is None else "no file of the import"
        yield Finding(folder / name, "unknown", f"{why}; {repair}" if kept is None else why)
    for name in sorted(kept or {}):
        path = folder / name
        state: State
        try:
            wrong = _difference(folder, name, kept or {}, again=True)
            state = "damaged" if wrong else "sound"
        except PermissionError as error:
            wrong, state = f"may not be read ({error.strerror})", "unknown"
        yield Finding(path, state, f"{wrong}; {repair}" if wrong else "")


def _command_of(name: str) -> str:
    """Return the command that gets a data set, also one that is not registered any more."""
    try:
        return open_dataset(name).command
    except BrainbenchError:
        return f"brainbench data fetch {name}"


def _checksums(folder: Path, command: str) -> Mapping[str, _Kept] | None:
    """Return the checksum of each file by name; None in a folder of an earlier version."""
    path = folder / CHECKSUMS
    try:
        return _CONTENT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise files.explain(error, folder, choose=CHOOSE) from error
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise _damaged(path, f"cannot be read ({reason})", command) from error


def _difference(folder: Path, name: str, kept: Mapping[str, _Kept], *, again: bool = False) -> str:
    """Return in which way a file is not as it was imported, or ""; PermissionError."""
    path, expected = folder / name, kept.get(name)
    if expected is None:
        return f"is not in {CHECKSUMS}"
    try:
        status = path.stat()
        known = (str(path.absolute()), status.st_size, status.st_mtime_ns)
        if known in _compared and not again:
            return ""
        if status.st_size != expected.bytes:
            return f"has {status.st_size} bytes, not {expected.bytes}"
        digest = digest_of_file(path)
    except PermissionError:
        raise
    except OSError as error:
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
    if digest != expected.sha256:
        return f"has the SHA-256 {digest[:12]}..., not {expected.sha256[:12]}..."
    _compared.add(known)
    return ""


def _damaged(path: Path, wrong: str, command: str) -> DamagedDataError:
    return DamagedDataError(
        f"imported file {path} {wrong}",
        allowed="the file as the import left it",
        todo=f"import it again: `{command}`",
    )
