"""The files that a manifest declares, found and checked in a folder or in the zip files that lie in it.

A copy of a repository, a folder that was fetched, and a folder in which somebody put the files of several
repositories side by side all serve: a file is looked for by its name, the one whose folders agree most with
the declared path is taken, and its size and checksum say whether it is the published one.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from brainbench.core.errors import DataAbsentError
from brainbench.core.reading import open_regular
from brainbench.data.manifest import PublishedFile
from brainbench.data.published import PublishedData, Source, version_of
from brainbench.data.source_files import check_file, check_published, reading, wrong

LARGEST = 500_000_000
"""Bytes of a file that is read whole and of which no size is declared."""


@dataclass(frozen=True)
class Local:
    """A file in a folder, or a member of a zip file."""

    path: Path
    member: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its folders and its own, from the outermost."""
        return (*self.path.parts, *PurePosixPath(self.member).parts)

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def content(self, limit: int) -> bytes:
        """Return what is in the file; InputError for one of more than `limit` bytes, or a damaged one."""
        with reading(str(self), "a whole file"):
            if not self.member:
                with open_regular(self.path) as stream:
                    content = stream.read(limit + 1)
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                    content = stream.read(limit + 1)
        if len(content) > limit:
            raise wrong(f"{self} has more than {limit} bytes", f"at most {limit} bytes")
        return content


class DeclaredFiles(Source):
    """Parameters of a data set whose files, of one or several places, are declared by its manifest."""

    files: tuple[PublishedFile, ...]
    origin: str

    @property
    def place(self) -> str:
        """Where the files are published."""
        return self.origin

    def digest(self, reader: str) -> str:
        """Return the SHA-256 over the name and format of a reader and the declared files."""
        known = {file.path: [file.bytes, file.checksum] for file in self.files}
        own = self.model_dump(exclude={"files", "origin"})
        return version_of(reader, {"files": known, "parameters": own})

    def found(self, given: Path, *, name: str) -> FoundFiles:
        """Return the declared files in a folder; DataAbsentError for missing ones, which are named."""
        places = _places(given)
        found = {file.path: _best(places, file.path) for file in self.files}
        missing = [path for path, place in found.items() if place is None]
        if missing:
            raise DataAbsentError(
                f"{len(missing)} of {len(found)} files of {name} are missing in {given}, "
                f"for example {missing[0]}",
                allowed=self.place,
                todo=f"run `brainbench data fetch {name}`, or give a folder with copies with --from DIR",
            )
        return FoundFiles(
            declared={file.path: file for file in self.files},
            places={path: place for path, place in found.items() if place is not None},
        )


D = TypeVar("D", bound=DeclaredFiles)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeclaredData(PublishedData[D]):
    """A published data set whose version is that of the files that its manifest declares."""

    reader: ClassVar[
        str
    ]  # name and format of what reads them; raised with the layout of imported files

    @cached_property
    def version(self) -> str:
        """SHA-256 over the checksums of the source files and how they are read."""
        return self.declared.digest(self.reader)


@dataclass(frozen=True)
class FoundFiles:
    """Where the declared files of a data set are on this machine, by their declared path."""

    declared: Mapping[str, PublishedFile]
    places: Mapping[str, Local]

    def below(self, folder: str, suffix: str = "") -> list[str]:
        """Return the declared paths below a folder that end in a suffix, sorted."""
        return sorted(
            path
            for path in self.declared
            if path.startswith(f"{folder}/") and path.endswith(suffix)
        )

    def content(self, path: str) -> bytes:
        """Return what is in a declared file.

        InputError, which names the file, unless it has the declared size and checksum and can be read.
        """
        file, place = self.declared[path], self.places[path]
        content = place.content(file.bytes or LARGEST)
        check_published(str(place), io.BytesIO(content), file)
        return content

    def file(self, path: str) -> Path:
        """Return the place of a declared file, checked block by block; errors as for `content`.

        InputError for one that lies in a zip file: it is read from the disk.
        """
        place = self.places[path]
        if place.member:
            raise wrong(f"{place} lies in a zip file", "a file in a folder: unpack the zip file")
        check_file(place.path, self.declared[path])
        return place.path

    def stream(self, path: str) -> io.BytesIO:
        """Return a declared file, checked, for reading in binary; errors as for `content`."""
        return io.BytesIO(self.content(path))


def _places(given: Path) -> Mapping[str, Sequence[Local]]:
    """Return every file below a folder, and every member of zip files there, by its name."""
    places: dict[str, list[Local]] = defaultdict(list)
    for local in _walked(given):
        places[local.parts[-1]].append(local)
    return places


def _walked(given: Path) -> Iterator[Local]:
    for folder, _, names in os.walk(given):
        for name in sorted(names):
            path = Path(folder, name)
            yield Local(path)
            if path.suffix == ".zip" and path.is_file():
                with reading(path, "a whole zip file"), zipfile.ZipFile(path) as archive:
                    members = [one for one in archive.namelist() if not one.endswith("/")]
                yield from (Local(path, member) for member in members)


def _best(places: Mapping[str, Sequence[Local]], path: str) -> Local | None:
    """Return the file of this name whose folders agree most with a declared path."""
    declared = PurePosixPath(path).parts
    named = places.get(declared[-1], ())
    return max(named, key=lambda local: _n_common(local.parts, declared), default=None)


def _n_common(parts: Sequence[str], others: Sequence[str]) -> int:
    """Return how many names, from the last one, are the same."""
    pairs = zip(reversed(parts), reversed(others), strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(parts), len(others)))
