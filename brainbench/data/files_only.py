"""Data sets whose published files are checked and kept, and that nothing reads yet."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from brainbench.core.assembly import Assembly
from brainbench.core.errors import DataAbsentError, InputError
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet
from brainbench.data import integrity
from brainbench.data.folder import data_folder, writing
from brainbench.data.manifest import Manifest, PublishedFile
from brainbench.data.source_files import check_file

KEPT = "published"


@dataclass(frozen=True, kw_only=True, eq=False)
class FilesOnly:
    """Published files as they are; their arrays are for readers of one's own."""

    name: str
    declared: Manifest
    simulated: bool = False

    @cached_property
    def version(self) -> str:
        """SHA-256 over the declared files."""
        declared = [file.model_dump() for file in self.declared.published_files()]
        return sha256("files only", json.dumps(declared, sort_keys=True))

    @property
    def folder(self) -> Path:
        """Folder of the files, whether they are here or not."""
        return data_folder() / self.name / KEPT

    @property
    def command(self) -> str:
        """The command that gets the files, or says who has them."""
        verb = "fetch" if self.declared.has_files else "show"
        return f"brainbench data {verb} {self.name}"

    def absent(self) -> str | None:
        """Return where the files are; None where they are here."""
        if self.folder.is_dir():
            return None
        return self.declared.place or f"the files of {self.declared.citation}"

    def stimuli(self) -> StimulusSet:
        """Raise InputError: nothing reads the files."""
        self._raise_unread()

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: nothing reads the files."""
        self._raise_unread()

    def import_from(self, given: Path) -> Path:
        """Check the files of a folder, keep them, and return where.

        DataAbsentError for missing files, InputError for one with another size or checksum.
        """
        listed = self.declared.published_files()
        found = {file.path: local_copy(given, self.name, file) for file in listed}
        missing = [path for path, place in found.items() if place is None]
        if missing or not listed:
            raise DataAbsentError(
                f"{len(missing)} of {len(listed)} files of {self.name} are not in {given}: "
                + ", ".join(missing[:5]),
                allowed=self.declared.place or "the published files under their names",
                todo=f"see `brainbench data show {self.name}` for where they are published",
            )
        own = given.is_relative_to(data_folder())
        with writing(self.folder) as temporary:
            for file in listed:
                place = found[file.path]
                assert place is not None  # noqa: S101  # none is missing
                check_file(place, file)
                target = temporary / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                (link_or_copy if own else shutil.copyfile)(place, target)
            integrity.seal(temporary)
        return self.folder

    def _raise_unread(self) -> NoReturn:
        raise InputError(
            f"data set {self.name}: its files are fetched and checked, and nothing reads them yet",
            allowed="a data set with a reader, see `brainbench data list`",
            todo=f"read the files below {self.folder} yourself, or `brainbench data add` your arrays",
        )


def files_only(manifest: Manifest) -> FilesOnly:
    """Return the data set of a manifest without a reader."""
    return FilesOnly(name=manifest.name, declared=manifest, simulated=manifest.simulated)


def local_copy(folder: Path, name: str, file: PublishedFile) -> Path | None:
    """Return the path of a file in a folder: below the name of its data set, as published, or flat."""
    places = (folder / name / file.path, folder / file.path, folder / Path(file.path).name)
    return next((place for place in places if place.is_file()), None)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the disk has none to give."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
