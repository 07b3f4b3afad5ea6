"""Manifests of data sets: files and their addresses, access, license, whom to cite, and known facts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from brainbench.core import registry
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError

Access: TypeAlias = Literal["public", "credentials", "on request"]
FILES_ONLY = "brainbench.data.files_only:files_only"
"""Loader of a data set whose files are checked and kept, and that nothing reads yet."""
RAW = "https://raw.githubusercontent.com"
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}


def _checksum(text: str) -> str:
    algorithm, _, digits = text.partition(":")
    if len(digits) != _DIGITS.get(algorithm, 0) or set(digits) - set("0123456789abcdef"):
        raise ValueError("a checksum is md5:, sha1: or sha256: and all of its hex digits")
    return text


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address is http://... or https://...")
    return text


def _place(text: str) -> str:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or "\\" in text or ":" in text:
        raise ValueError("a file lies below the folder of its data set")
    return text


def _bibtex(text: str) -> str:
    if not re.match(r"@\w+\{[^\s,{}]+,", text) or text.count("{") != text.count("}"):
        raise ValueError("BibTeX begins with @kind{key, and closes every brace")
    return text.strip() + "\n"


Checksum = Annotated[str, AfterValidator(_checksum)]
Address = Annotated[str, AfterValidator(_address)]
Place = Annotated[str, AfterValidator(_place)]
Bibtex = Annotated[str, AfterValidator(_bibtex)]


class _Entries(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedFile(_Entries):
    """One file as it was published: where it lies in the folder of its data set, and where it comes from.

    `version_id` names a version of an object of S3; `bytes` and `checksum` are given where they are known.
    """

    path: Place
    url: Address
    version_id: str | None = None
    mirrors: tuple[Address, ...] = ()
    bytes: PositiveInt | None = None
    checksum: Checksum | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, the first one first, with the version of the object."""
        version = f"?versionId={quote(self.version_id, safe='')}" if self.version_id else ""
        return (self.url + version, *self.mirrors)


class _Known(_Entries):
    bytes: PositiveInt | None = None
    checksum: Checksum | None = None


class Repository(_Entries):
    """Files of a public GitHub repository at a commit, by their paths below `folder`.

    `to` is the folder that they are put into. `names` are files of which neither size nor checksum is known.
    """

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")
    folder: Place | Literal[""] = ""
    to: Place | Literal[""] = ""
    files: Mapping[Place, _Known] = {}
    names: tuple[Place, ...] = ()

    def listed(self) -> list[PublishedFile]:
        """Return every file with its address at the commit."""
        known = {**self.files, **{name: _Known() for name in self.names}}
        base = "/".join(filter(None, (RAW, self.repository, self.commit, quote(self.folder))))
        return [
            PublishedFile(
                path=str(PurePosixPath(self.to, path)),
                url=f"{base}/{quote(path)}",
                bytes=entry.bytes,
                checksum=entry.checksum,
            )
            for path, entry in known.items()
        ]


class Facts(_Entries):
    """What is known of a data set before it is here; each entry only where it was published.

    `sites` counts the sites, voxels or neurons of a region; `degrees` is the width of an image; `splits` are
    fixed sets of training and test images; `known_answers` are figures that a correct import must show.
    """

    shape: str | None = None
    units: str | None = None
    regions: tuple[str, ...] = ()
    sites: Mapping[str, PositiveInt] = {}
    animals: Mapping[str, str] = {}
    images: PositiveInt | None = None
    trials: str | None = None
    time_bins: str | None = None
    degrees: PositiveFloat | None = None
    groups: str | None = None
    splits: str | None = None
    known_answers: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class KnownFigure(_Entries):
    """A published figure that the true files show, under the protocol `brainscore`.

    `what` is "ceiling", or "self", the raw score of the sites on themselves, of the benchmark `of`; "images",
    the number of images; "gray", the share of gray 128 in the image `of` on a field of `degrees`, as
    Brain-Score counts it: pixels over the numbers of the array; or "model", the raw score of the `layer` of a
    `network`. Where no layer is published, `of` names the network too and nothing is checked.
    """

    what: Literal["ceiling", "self", "images", "model", "gray"]
    of: str
    expected: float
    tolerance: float = Field(ge=0)
    degrees: PositiveFloat | None = None
    network: str | None = None
    layer: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.what == "gray") != (self.degrees is not None):
            raise ValueError('"gray" has degrees, and nothing else has')
        if (self.network is None) != (self.layer is None) or (
            self.network and self.what != "model"
        ):
            raise ValueError('"model" has network and layer, or neither, and nothing else has')
        return self

    @property
    def name(self) -> str:
        """What the figure is, in words."""
        if self.network is not None:
            return f"{self.of}, {self.network} {self.layer}"
        if self.degrees is not None:
            return f"{self.of[:8]}, gray on {self.degrees:g} degrees"
        words = {"ceiling": ", ceiling", "self": ", on itself", "images": ", images", "model": ""}
        return self.of + words[self.what]


class Manifest(_Entries):
    """The declaration of one data set, from its TOML file.

    Parameters
    ----------
    loader : str or None
        "module:attribute" of a function that takes the manifest and returns a `Dataset`; None where files are
        fetched and checked, and nothing reads them yet.
    parameters : dict
        For the loader.
    license, restrictive : str, bool
        Terms of use; whether they must be accepted before files are fetched.
    citation, bibtex, doi : str
        Whom to cite.
    access : {"public", "credentials", "on request"}
        Who may get the files; `alternative` is a data set that everybody may get, `place` says where files
        are that have no addresses of their own.
    """

    name: str
    title: str
    loader: str | None = None
    license: str
    restrictive: bool = False
    citation: str
    bibtex: Bibtex | None = None
    doi: str | None = None
    access: Access = "public"
    alternative: str | None = None
    place: str | None = None
    simulated: bool = False
    parameters: dict[str, Any] = {}
    files: tuple[PublishedFile, ...] = ()
    repositories: tuple[Repository, ...] = ()
    facts: Facts = Facts()
    known: tuple[KnownFigure, ...] = ()

    @property
    def has_files(self) -> bool:
        """Whether files can be fetched."""
        return bool(self.files or any(source.files or source.names for source in self.repositories))

    def published_files(self) -> list[PublishedFile]:
        """Return every file that can be fetched; InputError where two lie in the same place."""
        listed = [*self.files, *(file for source in self.repositories for file in source.listed())]
        counts = Counter(file.path for file in listed)
        twice = [path for path, count in counts.items() if count > 1]
        if twice:
            raise InputError(
                f"manifest of data set {self.name!r}: {', '.join(twice)} twice",
                allowed="each file once",
                todo="correct the TOML file",
            )
        return listed


def manifest(name: str) -> Manifest:
    """Return the manifest of a data set; UnknownNameError if there is none, InputError if it is invalid."""
    table = registry.load("data", name)
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        raise invalid(name, error, "entries", Manifest) from None


def invalid(
    name: str, error: ValidationError, what: str, kind: type[BaseModel], *path: str
) -> InputError:
    """Return the error of a manifest whose entries or parameters (`what`) do not validate."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in (*path, *first["loc"]))
    return InputError(
        f"manifest of data set {name!r}: {where}: {first['msg']}",
        allowed=f"the {what} " + ", ".join(kind.model_fields),
        todo="correct the TOML file",
    )


def open_dataset(data: str | Dataset) -> Dataset:
    """Return the data set of a name; a data set is returned unchanged."""
    if not isinstance(data, str):
        return data
    declared = manifest(data)
    loaded: Dataset = registry.imported(declared.loader or FILES_ONLY)(declared)
    return loaded
