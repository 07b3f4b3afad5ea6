"""Files that are published elsewhere: all of them there, byte for byte as their manifest says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from brainbench.data.manifest import Manifest
from brainbench.errors import DataAbsentError, InputError

D = TypeVar("D", bound="Published")


class Published(BaseModel):
    """Parameters that every manifest of published files has.

    Attributes
    ----------
    repository, commit, folder : str
        Where the files are published.
    sha256 : dict of str to str
        Checksum of every file, by its path within the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    commit: str
    folder: str
    sha256: Mapping[str, str]

    @property
    def place(self) -> str:
        """What DIR is in `brainbench data import NAME --from DIR`."""
        return (
            f"DIR is a copy of the folder {self.folder} of {self.repository} at {self.commit[:7]}"
        )

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
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != checksum:
                raise InputError(
                    f"{path} has the SHA-256 {found[:12]}..., not {checksum[:12]}...",
                    allowed=f"the file of commit {self.commit[:7]}, byte for byte",
                    todo=f"get it again from {self.repository}",
                )
        return source


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
