"""Data sets that are published elsewhere: files checked byte for byte, converted, and kept as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from brainbench.core import progress
from brainbench.core.errors import DataAbsentError, InputError
from brainbench.core.provenance import sha256
from brainbench.data.folder import data_folder, writing
from brainbench.data.manifest import Manifest

D = TypeVar("D", bound="Publication")


class Publication(BaseModel):
    """Parameters that every manifest of a published data set has.

    Attributes
    ----------
    repository, commit, folder : str
        Where the files are published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    commit: str
    folder: str

    @property
    def place(self) -> str:
        """What DIR is in `brainbench data import NAME --from DIR`."""
        return (
            f"DIR is a copy of the folder {self.folder} of {self.repository} at {self.commit[:7]}"
        )


class Published(Publication):
    """Parameters of files whose names and checksums are known.

    Attributes
    ----------
    sha256 : dict of str to str
        Checksum of every file, by its path within the folder.
    """

    sha256: Mapping[str, str]

    def find(self, given: Path, *, name: str, holds: str) -> Path:
        """Folder with the published files, each of them checked.

        Parameters
        ----------
        given : Path
            The published folder, or the repository that holds it.
        name : str
            Of the data set.
        holds : str
            What is in that folder, for who looks for it.

        Raises
        ------
        DataAbsentError
            Files that are missing.
        InputError
            A file with another checksum.
        """
        source = given / self.folder if (given / self.folder).is_dir() else given
        files = {source / path: checksum for path, checksum in self.sha256.items()}
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise DataAbsentError(
                f"{len(missing)} of {len(files)} files of {name} are missing, "
                f"for example {missing[0]}",
                allowed=f"the folder {self.folder} of {self.repository}",
                todo=f"give the folder that holds {holds} with --from DIR",
            )
        for path, checksum in files.items():
            check(
                path,
                checksum,
                allowed=f"the file of commit {self.commit[:7]}, byte for byte",
                todo=f"get it again from {self.repository}",
            )
        return source


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedData(ABC, Generic[D]):
    """A data set that is imported once, and then read from the data folder.

    Parameters
    ----------
    name : str
        Name of the data set.
    declared : Publication
        What its manifest says of it.
    """

    name: str
    declared: D
    simulated: bool = False

    @property
    @abstractmethod
    def version(self) -> str:
        """SHA-256 over the source files, and how they are read: see `version_of`."""

    @property
    @abstractmethod
    def kept(self) -> Sequence[str]:
        """Names of the files that an import leaves in `folder`."""

    @property
    def command(self) -> str:
        """The command that gets the data here."""
        return f"brainbench data import {self.name} --from DIR"

    @property
    def folder(self) -> Path:
        """Where the imported files are, or will be."""
        return self.folder_of(self.version)

    def folder_of(self, version: str) -> Path:
        """Where the files of a version are, or will be."""
        return data_folder() / self.name / version[:16]

    def absent(self) -> str | None:
        """Why the data is not here; None where it is."""
        folder = self.folder
        here = all((folder / name).is_file() for name in self.kept)
        return None if here else self.declared.place

    def here(self) -> Path:
        """Folder with the imported files.

        Raises
        ------
        DataAbsentError
            The files have not been imported.
        """
        absent = self.absent()
        if absent:
            raise DataAbsentError(
                f"data set {self.name} is not here", allowed=absent, todo=f"run `{self.command}`"
            )
        return self.folder

    @contextlib.contextmanager
    def importing(self, folder: Path, n_steps: int) -> Iterator[tuple[Path, progress.Advance]]:
        """Yield a temporary folder to fill, and what counts the steps; it is kept as `folder` at the end.

        Raises
        ------
        CacheError
            The data folder cannot be written, or the disk is full.
        """
        label = f"importing {self.name}"
        with progress.current().task(label, n_steps) as step, writing(folder) as made:
            yield made, step


def version_of(reader: str, parts: Mapping[str, Any]) -> str:
    """SHA-256 over the name of a reader with its format, and what is declared of the source files."""
    return sha256(reader, json.dumps(parts, sort_keys=True))


def check(path: Path, checksum: str, *, allowed: str, todo: str) -> None:
    """Compare the SHA-256 of a file.

    Raises
    ------
    InputError
        Another checksum.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != checksum:
        raise InputError(
            f"{path} has the SHA-256 {found[:12]}..., not {checksum[:12]}...",
            allowed=allowed,
            todo=todo,
        )


def wrong(got: str, allowed: str) -> InputError:
    """Error of a file whose content is not as published."""
    return InputError(got, allowed=allowed, todo="get the file again from the public repository")


def declared(manifest: Manifest, kind: type[D]) -> D:
    """Parameters of a manifest.

    Raises
    ------
    InputError
        Parameters that are missing, unknown or mistyped.
    """
    try:
        return kind.model_validate(manifest.parameters)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("parameters", *first["loc"]))
        raise InputError(
            f"manifest of data set {manifest.name!r}: {where}: {first['msg']}",
            allowed="the parameters " + ", ".join(kind.model_fields),
            todo="correct the TOML file",
        ) from None
