"""Published data sets: files that are checked byte for byte, converted and kept in the data folder."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from brainbench.core import progress
from brainbench.core.errors import DataAbsentError, InputError
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import Picture
from brainbench.data import integrity
from brainbench.data.fetch import digest_of_file
from brainbench.data.folder import CHOOSE, data_folder, writing
from brainbench.data.manifest import Manifest, invalid
from brainbench.data.source_files import reading
from brainbench.storage import files

D = TypeVar("D", bound="Source")
CONTENT = "content.txt"
"""File with the digest of what was imported, where no checksum is published."""


class Source(BaseModel, ABC):
    """Parameters of the manifest of a published data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the files are published."""


class Publication(Source):
    """Where the files of a published data set are, in the parameters of its manifest."""

    repository: str
    commit: str
    folder: str

    @property
    def place(self) -> str:
        """Where the files are published."""
        return f"the folder {self.folder} of {self.repository} at {self.commit[:7]}"


class Published(Publication):
    """Parameters of a data set whose files have checksums, by their paths within the folder."""

    sha256: Mapping[str, str]

    def find(self, given: Path, *, name: str, holds: str) -> Path:
        """Return the folder with the published files after checking each of them.

        `given` is that folder or the repository that contains it; `name` and `holds` (what the folder
        contains) are for errors. DataAbsentError for missing files, InputError for a file with another
        checksum.
        """
        source = given / self.folder if (given / self.folder).is_dir() else given
        checksums = {source / path: checksum for path, checksum in self.sha256.items()}
        missing = [path for path in checksums if not path.is_file()]
        if missing:
            raise DataAbsentError(
                f"{len(missing)} of {len(checksums)} files of {name} are missing, "
                f"for example {missing[0]}",
                allowed=f"the folder {self.folder} of {self.repository}",
                todo=f"give the folder that holds {holds} with --from DIR",
            )
        for path, checksum in checksums.items():
            check(
                path,
                checksum,
                allowed=f"the file of commit {self.commit[:7]}, byte for byte",
                todo=f"get it again from {self.repository}",
            )
        return source


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedData(ABC, Generic[D]):
    """A data set that is imported once and then read from the data folder.

    Everything that reads the imported files raises DataAbsentError as long as there are none.
    """

    name: str
    declared: D
    simulated: bool = False

    @property
    @abstractmethod
    def version(self) -> str:
        """SHA-256 over the source files and how they are read: see `version_of`."""

    @property
    @abstractmethod
    def kept(self) -> Sequence[str]:
        """Names of the files that an import leaves in `folder`."""

    @property
    def command(self) -> str:
        """The command that gets the data."""
        return f"brainbench data fetch {self.name}"

    @property
    def folder(self) -> Path:
        """Folder of the imported files, whether they exist or not."""
        return self.folder_of(self.version)

    def folder_of(self, version: str) -> Path:
        """Return the folder of the files of a version, whether they exist or not.

        Where a second import was killed while it replaced the first, that one is put back before.
        """
        folder = data_folder() / self.name / version[:16]
        files.restore_folder(folder)
        return folder

    def absent(self) -> str | None:
        """Return where to get the data; None where it was imported."""
        return None if self.folder.is_dir() else self.declared.place

    def here(self) -> None:
        """Raise DataAbsentError unless the data was imported."""
        absent = self.absent()
        if absent:
            raise DataAbsentError(
                f"data set {self.name} is not here", allowed=absent, todo=f"run `{self.command}`"
            )

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """Yield the path of an imported file, to be read within the block.

        The file is compared with its checksum when it is first opened in a process. DamagedDataError, which
        names the command that imports it again, for a file that is missing, differs or cannot be read.
        """
        self.here()
        path = integrity.check(self.folder / name, command=self.command)
        with integrity.reading(path, command=self.command):
            yield path

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return the array of an imported .npy file, memory-mapped; errors as for `opened`."""
        with self.opened(name) as path:
            mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped

    @abstractmethod
    def import_from(self, given: Path) -> Path:
        """Check and convert the published files, and return the folder that they are kept in.

        `given` is a copy of the published folder, or of the repository that contains it. DataAbsentError for
        missing files, InputError for a file that is not as published, CacheError if the data folder cannot be
        written or the disk has too little space.
        """

    @contextlib.contextmanager
    def importing(
        self, folder: Path, n_steps: int, *, nbytes: int
    ) -> Iterator[tuple[Path, progress.Advance]]:
        """Yield a temporary folder that becomes `folder` at the end, and the function that counts steps.

        `nbytes` is what will be written: CacheError if the disk has less space. The checksums of all files
        are added last.
        """
        label = f"importing {self.name}"
        with progress.current().task(label, n_steps) as step, writing(folder) as temporary:
            files.check_room(temporary, nbytes, what="imported data", choose=CHOOSE)
            yield temporary, step
            integrity.seal(temporary)


@dataclass(frozen=True, kw_only=True, eq=False)
class VersionedByContent(PublishedData[D]):
    """A published data set without checksums: its version has the digest of what was imported, in `CONTENT`.

    An import writes that file, and `kept` names it.
    """

    @property
    @abstractmethod
    def source_version(self) -> str:
        """SHA-256 over what the manifest declares and how the files are read."""

    @property
    def folder(self) -> Path:
        """Folder of the imported files, whether they exist or not."""
        return self.folder_of(self.source_version)

    @property
    def version(self) -> str:
        """SHA-256 over the content of the files, once they are imported."""
        if self.absent():
            return self.source_version
        with self.opened(CONTENT) as path:
            return version_of(self.source_version, {"content": path.read_text().strip()})


class ImportedFromUser(VersionedByContent[D]):
    """A data set whose files have no checksums and no address: the user has them in a folder.

    `reader` says how the files are read, and changes when that does.
    """

    reader: ClassVar[str]

    @cached_property
    def source_version(self) -> str:
        """SHA-256 over what the manifest declares and how files are read; the files have no checksums."""
        return version_of(self.reader, self.declared.model_dump(mode="json"))

    @property
    def command(self) -> str:
        """The command that says where the files are: they are imported from a folder of the user's."""
        return f"brainbench data show {self.name}"


def version_of(reader: str, parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 over the name and format of a reader and the declared source files."""
    return sha256(reader, json.dumps(parts, sort_keys=True))


def check(path: Path, checksum: str, *, allowed: str, todo: str) -> None:
    """Raise InputError if the SHA-256 of a file is not `checksum`, or it cannot be read."""
    with reading(path, allowed):
        digest = digest_of_file(path)
    if digest != checksum:
        raise InputError(
            f"{path} has the SHA-256 {digest[:12]}..., not {checksum[:12]}...",
            allowed=allowed,
            todo=todo,
        )


def declared(manifest: Manifest, kind: type[D]) -> D:
    """Return the parameters of a manifest, and where its files are if the repository says it.

    InputError if they are missing, unknown or of a wrong type.
    """
    found = {
        **_repository(manifest),
        "files": manifest.published_files(),
        "origin": _origin(manifest),
    }
    given = {key: found[key] for key in found.keys() & kind.model_fields.keys()}
    try:
        return kind.model_validate({**given, **manifest.parameters})
    except ValidationError as error:
        raise invalid(manifest.name, error, "parameters", kind, "parameters") from None


def _repository(manifest: Manifest) -> dict[str, Any]:
    """Return the parameters that the first repository of a manifest stands for."""
    if not manifest.repositories:
        return {}
    first = manifest.repositories[0]
    return {
        "repository": f"https://github.com/{first.repository}",
        "commit": first.commit,
        "folder": first.folder,
        "sha256": {
            path: known.checksum.removeprefix("sha256:")
            for path, known in first.files.items()
            if known.checksum is not None
        },
    }


def _origin(manifest: Manifest) -> str:
    """Return where the files of a manifest are published, in words."""
    if manifest.place:
        return manifest.place
    repositories = [
        f"https://github.com/{one.repository} at {one.commit[:7]}" for one in manifest.repositories
    ]
    return " and ".join(dict.fromkeys(repositories)) or ", ".join(
        sorted({file.url.rpartition("/")[0] for file in manifest.files})
    )


def write_images(path: Path, images: Iterable[Picture], shape: tuple[int, int, int, int]) -> None:
    """Write images one by one as a uint8 array of a shape; OSError for a full disk.

    Not through a memory map, where a full disk would kill the process.
    """
    with path.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for image in images:
            stream.write(np.ascontiguousarray(image).data)
